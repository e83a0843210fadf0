//! The app's own servers: supervisord's and nginx's main configuration, which outlive releases.
//!
//! takes: the server's settings · gives: `run/supervisord.conf`, `run/nginx.conf` · touches: `run/` · undone by: removing
//! the app

use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use super::commit::NGINX;
use super::render::RenderError;
use crate::base::{fs, user};
use crate::config::server::Mode;
use crate::supervisor::program::{Program, StopSignal, Supervisord};
use crate::template::site::Main;
use crate::template::{self, Template};
use crate::tool::nginx;

/// How long nginx may take to finish its requests.
const NGINX_DRAIN: Duration = Duration::from_secs(60);
/// nginx's worker processes in user mode.
const NGINX_WORKERS: usize = 2;

/// Makes the home's folders.
pub fn folders(ctx: &Context<'_>) -> Result<(), fs::FsError> {
    let home = ctx.home;
    for folder in [
        home.shared(),
        home.releases(),
        home.cache(),
        home.assets(),
        home.log(),
        home.deploy_logs(),
        home.nginx_temp(),
    ] {
        fs::create_folder(&folder)?;
    }
    fs::create_folder_with_mode(&home.run(), 0o700)
}

/// Writes the configuration of supervisord and, in user mode, nginx. True if either changed.
pub fn write(ctx: &Context<'_>) -> Result<bool, RenderError> {
    let programs = match ctx.app.mode() {
        Mode::User(_) => vec![own_nginx(ctx)?],
        Mode::Server => Vec::new(),
    };
    let supervisord = Supervisord {
        app: ctx.home.app().clone(),
        home: ctx.home.root().to_owned(),
        user: user_to_become().filter(|_| ctx.app.mode() != Mode::Server),
        programs,
    };
    let text = template::render(Template::Supervisord, &supervisord)?;
    let changed = fs::write_if_changed(&ctx.home.supervisord_conf(), text.as_bytes(), fs::PUBLIC)?;
    if ctx.app.mode() == Mode::Server {
        return Ok(changed);
    }
    let main = template::render(
        Template::NginxMain,
        &nginx_main(ctx, ctx.home.current().join("nginx.conf*")),
    )?;
    let other = fs::write_if_changed(&ctx.home.nginx_conf(), main.as_bytes(), fs::PUBLIC)?;
    Ok(changed || other)
}

fn own_nginx(ctx: &Context<'_>) -> Result<Program, RenderError> {
    let nginx = nginx::find()?;
    let command = nginx::run(&nginx, &ctx.home.nginx_conf()).argv();
    Ok(Program {
        name: NGINX.into(),
        command,
        autostart: true,
        restart: true,
        ready_after: Duration::from_secs(1),
        stop_signal: StopSignal::Quit,
        stop_wait: NGINX_DRAIN,
        log: ctx.home.process_log(NGINX),
    })
}

/// nginx's main configuration, with the site's taken from `include`.
pub fn nginx_main(ctx: &Context<'_>, include: PathBuf) -> Main {
    Main {
        app: ctx.home.app().clone(),
        home: ctx.home.root().to_owned(),
        include,
        user: user_to_become(),
        workers: NGINX_WORKERS,
    }
}

/// In user mode root is a user like others: its servers run as root, as its builds do.
fn user_to_become() -> Option<String> {
    user::is_root().then(user::name)
}
