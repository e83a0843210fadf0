//! The site's nginx configuration, for several stages: the app's own nginx in user mode, the server's through root's half,
//! `landfall site apply`.
//!
//! takes: what a release needs of the site · gives: nginx that serves it, or why it cannot · touches: `releases/N/nginx.conf`
//! or `releases/N/site.json`, `run/site.json`, nginx · undone by: [`apply`] with the release that was live

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::commit::NGINX;
use super::{Context, home};
use crate::base::command::{Cmd, CommandError, output};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::SYSTEM_PATH;
use crate::base::names::{Domain, ReleaseId};
use crate::base::server_paths::ServerPaths;
use crate::config::server::{AppSettings, Layout, Mode};
use crate::release::layout::ReleaseDir;
use crate::supervisor::fault::RpcError;
use crate::template::site::{BROTLI, Needs, Site};
use crate::template::{self, Template, TemplateError};
use crate::tool::nginx::{self, NginxError};
use crate::tool::nginx_version;

/// How long root's half may take: it tests, reloads and asks the site.
const APPLY: Duration = Duration::from_secs(90);

/// What a deploy asks of root's half: `run/site.json`. The one thing of an app that root reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Test it with the neighbours, or make nginx serve it.
    pub action: Action,
    /// What the release needs.
    pub needs: Needs,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Only whether nginx would take it.
    Check,
    /// Serve it.
    Apply,
}

/// `releases/N/site.json`: what the release needs, with the server's settings as they were when it was made, so that a
/// change of theirs shows too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// What the release needs.
    pub needs: Needs,
    /// The server's settings that show in the site.
    settings: SeenSettings,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SeenSettings {
    domains: Vec<Domain>,
    redirect_domains: Vec<Domain>,
    layout: Layout,
    backend_port: u16,
    max_upload_mb: u32,
    hsts_seconds: u32,
}

impl SeenSettings {
    fn of(app: &AppSettings) -> Self {
        Self {
            domains: app.domains.clone(),
            redirect_domains: app.redirect_domains.clone(),
            layout: app.layout,
            backend_port: app.backend_port,
            max_upload_mb: app.max_upload_mb,
            hsts_seconds: app.hsts_seconds,
        }
    }
}

/// A site that nginx does not serve.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A value does not fit nginx's configuration.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// nginx does not take the site.
    #[error("nginx does not take the new configuration")]
    Nginx(#[from] NginxError),
    /// A file could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The app's own nginx could not be told.
    #[error("nginx cannot be told to read its new configuration")]
    Told(#[source] RpcError),
    /// Root's half refused or failed; the site is as it was.
    #[error("root's half of the site did not take it")]
    Root(#[source] Box<CommandError>),
}

impl Hint for SiteError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Template(error) => error.hints(),
            Self::Nginx(error) => error.hints(),
            Self::Fs(error) => error.hints(),
            Self::Told(error) => error.hints(),
            Self::Root(_) => vec!["as root: landfall site apply NAME   says more".into()],
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Nginx(error) => error.tool_output(),
            Self::Root(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// Writes what the release needs into its folder.
pub fn write(ctx: &Context<'_>, release: &ReleaseDir, needs: Needs) -> Result<(), SiteError> {
    match ctx.app.mode() {
        Mode::User(listen) => {
            let site = Site {
                app: ctx.home.app().clone(),
                release: release.id(),
                home: ctx.home.root().to_owned(),
                listen,
                server_names: ctx.app.domains.clone(),
                needs,
                max_upload_mb: ctx.app.max_upload_mb,
                https: false,
                gzip_static: serves_compressed(),
            };
            let text = template::render(Template::NginxSite, &site)?;
            fs::write(&release.site_conf(), text.as_bytes(), fs::PUBLIC)?;
        }
        Mode::Server => {
            let written = Written {
                needs,
                settings: SeenSettings::of(ctx.app),
            };
            let text = serde_json::to_string_pretty(&written).unwrap_or_default();
            fs::write(&release.site_needs(), text.as_bytes(), fs::PUBLIC)?;
        }
    }
    Ok(())
}

/// The nginx of user mode can serve what was compressed ahead. One that does not say so compresses by itself.
fn serves_compressed() -> bool {
    let said = nginx::find().map(|program| output(&nginx_version::ask(&program)));
    said.is_ok_and(|said| said.is_ok_and(|text| nginx_version::has_gzip_static(&text)))
}

/// True if nginx must read its configuration again when `release` becomes live.
pub fn changed(ctx: &Context<'_>, release: &ReleaseDir) -> Result<bool, FsError> {
    let current = ctx.home.current();
    let (live, new) = match ctx.app.mode() {
        Mode::User(_) => (current.join("nginx.conf"), release.site_conf()),
        Mode::Server => (current.join("site.json"), release.site_needs()),
    };
    let live = fs::read_if_exists(&live)?;
    let new = fs::read_if_exists(&new)?.unwrap_or_default();
    Ok(match ctx.app.mode() {
        Mode::User(_) => {
            live.as_deref().map(template::without_header) != Some(template::without_header(&new))
        }
        Mode::Server => live.as_deref() != Some(new.as_str()),
    })
}

/// nginx tests the whole configuration as it would be with `release` live.
pub fn test(ctx: &Context<'_>, release: &ReleaseDir) -> Result<(), SiteError> {
    match ctx.app.mode() {
        Mode::User(_) => test_own(ctx, release),
        Mode::Server => ask_root(ctx, Action::Check, needs_of(ctx, Some(release.id()))?),
    }
}

fn test_own(ctx: &Context<'_>, release: &ReleaseDir) -> Result<(), SiteError> {
    let trial = template::render(
        Template::NginxMain,
        &home::nginx_main(ctx, release.site_conf()),
    )?;
    let path = ctx.home.run().join("nginx-trial.conf");
    fs::write(&path, trial.as_bytes(), fs::PUBLIC)?;
    let result = nginx::find().and_then(|program| nginx::check(&program, &path));
    fs::remove_file(&path)?;
    Ok(result?)
}

/// nginx serves what `live` needs: nothing but an empty site where there is no release.
pub fn apply(ctx: &Context<'_>, live: Option<ReleaseId>) -> Result<(), SiteError> {
    match ctx.app.mode() {
        Mode::User(_) => reload_own(ctx),
        Mode::Server => ask_root(ctx, Action::Apply, needs_of(ctx, live)?),
    }
}

/// The app's nginx reads its configuration again; one that does not run is started.
fn reload_own(ctx: &Context<'_>) -> Result<(), SiteError> {
    let supervisor = ctx.supervisor();
    let runs = supervisor
        .process(NGINX)
        .map_err(SiteError::Told)?
        .is_some_and(|process| !process.state.is_stopped());
    if runs {
        supervisor.signal(NGINX, "HUP").map_err(SiteError::Told)
    } else {
        supervisor.start(NGINX).map_err(SiteError::Told)
    }
}

/// The site serves what brotli compressed: its file says so, to everybody. In user mode nobody's line is so slow.
pub fn serves_brotli(ctx: &Context<'_>) -> bool {
    ctx.app.mode() == Mode::Server
        && fs::read(&ServerPaths::default().site(&ctx.app.name))
            .is_ok_and(|text| text.contains(BROTLI))
}

fn needs_of(ctx: &Context<'_>, release: Option<ReleaseId>) -> Result<Needs, FsError> {
    let Some(release) = release else {
        return Ok(Needs::default());
    };
    let text = fs::read_if_exists(&ctx.home.release(release).site_needs())?;
    let written = text.and_then(|text| serde_json::from_str::<Written>(&text).ok());
    Ok(written.map(|written| written.needs).unwrap_or_default())
}

/// Leaves the request and runs the one command that sudo allows; it takes no word of ours but the app's name.
fn ask_root(ctx: &Context<'_>, action: Action, needs: Needs) -> Result<(), SiteError> {
    let request = serde_json::to_vec(&Request { action, needs }).unwrap_or_default();
    let path = ctx.home.site_request();
    fs::write(&path, &request, fs::PUBLIC)?;
    let exe = ctx.host.exe().to_string_lossy().into_owned();
    let sudo = Cmd::new("/usr/bin/sudo")
        .args(["--non-interactive", &exe, "site", "apply"])
        .arg(ctx.home.app().to_string())
        .cwd(ctx.home.root())
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .timeout(APPLY);
    let result = output(&sudo);
    fs::remove_file(&path)?;
    result
        .map(|_| ())
        .map_err(|error| SiteError::Root(Box::new(error)))
}
