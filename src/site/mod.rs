//! L5: root's half of a site, `landfall site apply`: the app's server blocks in the server's nginx.
//!
//! takes: root's settings of the app, what its release needs of the site · gives: nginx that serves it, proven by a request ·
//! touches: `/etc/nginx/conf.d/landfall-NAME.conf`, the stand-in certificate, nginx · undone by: itself, where anything
//! fails: the old file is back and nginx serves by it
//!
//! Only typed values reach the file, each escaped. The whole configuration is tested with the neighbours in a copy before
//! anything of the real one changes, so what lies on disk is valid at every instant, also for a boot.

mod abilities;
pub mod certificate;
mod control;
mod overrides;
mod probe;
pub mod request;
mod stand_in;
mod trial;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use crate::base::flock::{self, Attempt, FileLock};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::AppName;
use crate::base::server_paths::ServerPaths;
use crate::base::words::printable;
use crate::config::server::{self, AppSettings};
use crate::template::server_site::ServerSite;
use crate::template::site::Needs;
use crate::template::{self, Template, TemplateError};
use crate::tls::self_signed::SelfSignedError;
use crate::tool::nginx::{self, NginxError};

pub use control::ControlError;
pub use overrides::OverrideError;
pub use probe::ProbeError;
pub use trial::TrialError;

/// How long another app's turn is waited for.
const TURN: Duration = Duration::from_secs(60);

/// A site that is not served; the one before is.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// nginx is missing.
    #[error(transparent)]
    Nginx(#[from] NginxError),
    /// nginx would not take it.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// A value does not fit nginx's configuration.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A template of root's own.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// A file could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// No stand-in certificate.
    #[error(transparent)]
    StandIn(#[from] SelfSignedError),
    /// nginx did not reload.
    #[error("nginx does not reload; the site is as it was")]
    Reload(#[source] ControlError),
    /// nginx reloaded, but the site does not answer as it should.
    #[error("the new site does not answer; it is as it was")]
    Silent(#[source] ProbeError),
    /// The old site could not be put back.
    #[error("the new site failed, and the old one could not be put back")]
    NotBack(#[source] Box<ApplyError>),
    /// It is being taken away.
    #[error("`{0}` is being removed, or is no more")]
    Gone(AppName),
    /// Two sites with one name.
    #[error("`{domain}` is a domain of `{app}` already")]
    DomainTaken {
        /// The name.
        domain: String,
        /// Whose it is.
        app: AppName,
    },
    /// Somebody else is at it.
    #[error("another site is being applied: {0}")]
    Busy(String),
}

impl Hint for ApplyError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Nginx(error) => error.hints(),
            Self::Trial(error) => error.hints(),
            Self::Template(error) => error.hints(),
            Self::Override(error) => error.hints(),
            Self::Fs(error) => error.hints(),
            Self::StandIn(error) => error.hints(),
            Self::Reload(error) => error.hints(),
            Self::Silent(error) => error.hints(),
            Self::NotBack(_) => vec!["nginx -t && systemctl reload nginx".into()],
            Self::Gone(_) => vec!["landfall app list".into()],
            Self::DomainTaken { app, .. } => vec![format!("landfall app show {app}")],
            Self::Busy(_) => vec!["try again in a moment".into()],
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Nginx(error) => error.tool_output(),
            Self::Trial(error) => error.tool_output(),
            Self::Reload(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Busy(_) => Kind::Busy,
            Self::Gone(_) | Self::DomainTaken { .. } => Kind::Refused,
            Self::Override(error) => error.kind(),
            _ => Kind::Failed,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was served already.
    Unchanged,
    /// nginx would take it.
    Tested,
    /// It is served.
    Served,
}

/// Makes nginx serve what `needs` says, or with `test_only` tells whether it would.
pub fn apply(
    server: &ServerPaths,
    app: &AppSettings,
    needs: &Needs,
    now: SystemTime,
    test_only: bool,
) -> Result<Applied, ApplyError> {
    let _turn = take_turn(server)?;
    // While this one waited the app may have been taken away; nothing of it is made anew.
    if server.removing(&app.name).exists() || !server.app_settings(&app.name).exists() {
        return Err(ApplyError::Gone(app.name.clone()));
    }
    check_domains(server, app)?;
    let program = nginx::find()?;
    stand_in::ensure(server, app, now)?;
    for folder in [server.site_logs(&app.name), server.challenges()] {
        fs::create_folder(&folder)?;
    }
    let (text, state) = render(server, app, needs, &program)?;
    let file = server.site(&app.name);
    let old = fs::read_if_exists(&file)?;
    let is_written = old.as_deref() == Some(&text);
    if is_written && probe::is_served(app, needs, &state) {
        return Ok(Applied::Unchanged);
    }
    trial::run(server, &program, &file, Some(&text))?;
    if test_only {
        return Ok(Applied::Tested);
    }
    let neighbours = probe::neighbours(server, &app.name);
    fs::write(&file, text.as_bytes(), fs::PUBLIC)?;
    let served = control::reload(&program)
        .map_err(ApplyError::Reload)
        .and_then(|()| probe::wait(app, needs, &state).map_err(ApplyError::Silent))
        .and_then(|()| probe::all_answer(&neighbours).map_err(ApplyError::Silent));
    if let Err(error) = served {
        put_back(server, app, old.as_deref(), &program)
            .map_err(|other| ApplyError::NotBack(Box::new(other)))?;
        return Err(error);
    }
    Ok(Applied::Served)
}

/// No other app's settings name a domain of this one: nginx would let the first file win, and serve one app's visitors with
/// another.
pub fn check_domains(server: &ServerPaths, app: &AppSettings) -> Result<(), ApplyError> {
    let names = |app: &AppSettings| -> Vec<String> {
        let all = app.domains.iter().chain(&app.redirect_domains);
        all.map(|domain| domain.as_str().to_ascii_lowercase())
            .collect()
    };
    let ours = names(app);
    for file in fs::list(&server.apps())? {
        // An app whose settings cannot be read is somebody else's trouble.
        let Some(other) = fs::read(&file)
            .ok()
            .and_then(|text| server::parse(&text, "").ok())
        else {
            continue;
        };
        if other.name == app.name {
            continue;
        }
        if let Some(domain) = names(&other).into_iter().find(|name| ours.contains(name)) {
            return Err(ApplyError::DomainTaken {
                domain,
                app: other.name,
            });
        }
    }
    Ok(())
}

/// Takes the app's site out of nginx.
pub fn remove(server: &ServerPaths, app: &AppSettings) -> Result<(), ApplyError> {
    let _turn = take_turn(server)?;
    if !server.site(&app.name).exists() {
        return Ok(());
    }
    let program = nginx::find()?;
    trial::run(server, &program, &server.site(&app.name), None)?;
    put_back(server, app, None, &program)
}

fn put_back(
    server: &ServerPaths,
    app: &AppSettings,
    old: Option<&str>,
    program: &std::path::Path,
) -> Result<(), ApplyError> {
    let file = server.site(&app.name);
    match old {
        Some(old) => fs::write(&file, old.as_bytes(), fs::PUBLIC)?,
        None => fs::remove_file(&file)?,
    }
    control::reload(program).map_err(ApplyError::Reload)
}

/// The file's text, and the name of its state, which depends on all of it.
fn render(
    server: &ServerPaths,
    app: &AppSettings,
    needs: &Needs,
    program: &std::path::Path,
) -> Result<(String, String), ApplyError> {
    let store = stand_in::store(server, &app.name);
    let mut site = ServerSite {
        app: app.name.clone(),
        home: app.home.clone(),
        domains: app.domains.clone(),
        redirect_domains: app.redirect_domains.clone(),
        layout: app.layout,
        backend_port: app.backend_port,
        needs: needs.clone(),
        max_upload_mb: app.max_upload_mb,
        hsts_seconds: app.hsts_seconds,
        certificate: store.certificate(),
        certificate_key: store.key(),
        logs: server.site_logs(&app.name),
        challenges: server.challenges(),
        nginx: abilities::of(program)?,
        state: "-".into(),
    };
    let overrides = overrides::read(server)?;
    let render =
        |site: &ServerSite| template::render_with(&overrides, Template::NginxServerSite, site);
    let mut hasher = DefaultHasher::new();
    render(&site)?.hash(&mut hasher);
    site.state = format!("{:016x}", hasher.finish());
    Ok((render(&site)?, site.state))
}

/// One at a time: two would test without each other, and reload over each other. What a killed one left beside the sites goes.
pub fn take_turn(server: &ServerPaths) -> Result<FileLock, ApplyError> {
    fs::create_folder_with_mode(&server.run(), 0o755)?;
    match flock::lock(&server.run().join("site.lock"), TURN, &mut |_| ())? {
        Attempt::Taken(lock) => {
            fs::sweep(&server.nginx_sites())?;
            fs::sweep(&server.run())?;
            Ok(lock)
        }
        Attempt::HeldBy(holder) => Err(ApplyError::Busy(printable(&holder))),
    }
}
