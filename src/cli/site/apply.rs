//! `landfall site apply NAME`: what root does for a deploy, and after a change of `NAME.toml`: the site, and the limits of the
//! app's service.
//!
//! The one command that sudo lets an app's user run. Nothing of the caller's environment counts; the app's name is the whole
//! command line.

use nix::unistd::{Uid, User};
use serde::Serialize;

use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::server_paths::ServerPaths;
use crate::base::user;
use crate::cli::session::{self, SessionError};
use crate::cli::{Ended, Globals, output};
use crate::config::server::{AppSettings, Mode};
use crate::provision::limits;
use crate::release::layout::Home;
use crate::site::{self, Applied, request};
use crate::stage::site::Action;
use crate::template::site::Needs;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Root's. The whole configuration of nginx is tested with the new site in it before anything changes; then the file is swapped, \
nginx reloads, and the site must answer: if not, the old file is back. Deploys call it through sudo when what they need of the \
site has changed; call it yourself after editing /etc/landfall/apps/NAME.toml, also for the limits in it.

Examples:
  landfall site apply notes
  landfall site apply notes --check    only test whether nginx would take it")]
pub(in crate::cli) struct Args {
    /// The app.
    name: AppName,
    /// Change nothing: only test whether nginx would take the site.
    #[arg(long)]
    check: bool,
}

/// The site cannot be applied.
#[derive(Debug, thiserror::Error)]
enum ApplyArgsError {
    #[error("the site of `{0}` lies in the server's nginx: that takes root")]
    NotRoot(AppName),
    #[error("`{0}` has its own nginx: its site is applied by its deploys")]
    UserMode(AppName),
    #[error("there is no system user `{0}`")]
    NoUser(AppName),
    #[error("{0} can be written by others than root")]
    NotRoots(String),
}

impl Hint for ApplyArgsError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotRoot(name) => vec![format!("sudo landfall site apply {name}")],
            Self::UserMode(name) => vec![format!("landfall --app {name} deploy")],
            Self::NoUser(name) => vec![format!("landfall app create {name} --domain DOMAIN")],
            Self::NotRoots(file) => vec![format!("chown root {file} && chmod go-w {file}")],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoUser(_) => Kind::NotFound,
            _ => Kind::Refused,
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    app: &'a AppName,
    result: &'static str,
    url: String,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    if !user::is_root() {
        return Err(ApplyArgsError::NotRoot(args.name.clone()).into());
    }
    let server = ServerPaths::default();
    let app = settings(&server, &args.name)?;
    let owner = User::from_name(args.name.as_str())
        .ok()
        .flatten()
        .ok_or_else(|| ApplyArgsError::NoUser(args.name.clone()))?
        .uid;
    let (needs, action) = asked(host, &app, owner)?;
    let check = args.check || action == Action::Check;
    let applied = site::apply(&server, &app, &needs, host.now(), check)?;
    // A deploy asks for its site; only root's own call is about root's settings.
    if !check && caller(host) != Some(owner.as_raw()) && limits::apply(&server, &app)? {
        output::say(format!(
            "the limits of landfall@{}.service are changed",
            app.name
        ));
    }
    let result = match applied {
        Applied::Unchanged => "unchanged",
        Applied::Tested => "tested",
        Applied::Served => "served",
    };
    if globals.json {
        output::json(&Report {
            app: &app.name,
            result,
            url: app.url(),
        });
    } else {
        output::say(match applied {
            Applied::Unchanged => format!("{} is served as its settings say", app.url()),
            Applied::Tested => format!("nginx takes the site of {}; nothing was changed", app.name),
            Applied::Served => format!("{} is served; it was asked and answers", app.url()),
        });
    }
    Ok(())
}

/// Root's settings of the app; a file that others could write would make them root.
fn settings(server: &ServerPaths, name: &AppName) -> Result<AppSettings, Ended> {
    let file = server.app_settings(name);
    let Ok(metadata) = file.symlink_metadata() else {
        return Err(SessionError::NoSuchApp(name.clone()).into());
    };
    if !fs::is_roots_alone(&metadata) || !metadata.is_file() {
        return Err(ApplyArgsError::NotRoots(file.display().to_string()).into());
    }
    let app = session::read_settings(&file)?;
    if app.mode() != Mode::Server {
        return Err(ApplyArgsError::UserMode(name.clone()).into());
    }
    Ok(app)
}

/// What the app's own user asks for by sudo is what its deploy has left; root itself means the live release.
fn asked(host: &Host, app: &AppSettings, owner: Uid) -> Result<(Needs, Action), Ended> {
    let home = Home::new(app.home.clone(), app.name.clone());
    if caller(host) == Some(owner.as_raw()) {
        let request = request::of_deploy(&home, owner)?;
        return Ok((request.needs, request.action));
    }
    Ok((request::of_live(&home, owner)?, Action::Apply))
}

/// Who called sudo.
fn caller(host: &Host) -> Option<u32> {
    host.var("SUDO_UID").and_then(|uid| uid.parse().ok())
}
