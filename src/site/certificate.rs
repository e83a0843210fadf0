//! Another pair for a site: tested, swapped, served, proven by handshakes, or put back.
//!
//! takes: a pair and its leaf · gives: nginx that serves it to every name · touches: `/etc/ssl/landfall/NAME/`, nginx · undone
//! by: itself, where anything fails: the old pair is served again

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{ApplyError, ControlError, TrialError, control, take_turn, trial};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::{AppName, Domain};
use crate::base::server_paths::ServerPaths;
use crate::config::server::{AppSettings, Layout};
use crate::tls::store::{Pair, Store};
use crate::tool::http::HttpError;
use crate::tool::https;
use crate::tool::nginx::{self, NginxError};

/// How long nginx may take to serve it: it starts its new workers in the background.
const PATIENCE: Duration = Duration::from_secs(10);
const HANDSHAKE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// A pair that is not served; the one before is.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// nginx has no site of the app.
    #[error("nginx has no site of `{0}` yet")]
    NoSite(AppName),
    /// nginx is missing.
    #[error(transparent)]
    Nginx(#[from] NginxError),
    /// Somebody else's turn.
    #[error(transparent)]
    Turn(ApplyError),
    /// nginx would not take it.
    #[error("nginx does not take the new pair; what was served is served (E_NGINX_TEST)")]
    Trial(#[source] TrialError),
    /// nginx did not reload.
    #[error("nginx does not reload; the old pair is back (E_RELOAD)")]
    Reload(#[source] ControlError),
    /// Another certificate is shown, or none.
    #[error("the new certificate is not served; the old pair is back (E_SERVED_OLD)")]
    NotServed(#[source] SightError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The old pair could not be put back.
    #[error("the new pair failed ({because}), and the old one could not be put back")]
    NotBack {
        /// Why the new one failed.
        because: String,
        /// Why the old one is not back.
        #[source]
        source: Box<InstallError>,
    },
}

/// What a visitor of one name sees.
#[derive(Debug, thiserror::Error)]
pub enum SightError {
    /// No handshake.
    #[error("no handshake with {0}")]
    Silent(String, #[source] HttpError),
    /// Another certificate.
    #[error("{0} shows another certificate")]
    Other(String),
}

impl Hint for InstallError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSite(app) => vec![format!("landfall site apply {app}")],
            Self::Nginx(error) => error.hints(),
            Self::Turn(error) => error.hints(),
            Self::Trial(error) => error.hints(),
            Self::Reload(error) => error.hints(),
            Self::NotServed(_) => vec![
                "does another site of nginx answer for the name? nginx -T | grep server_name"
                    .into(),
                "see nginx's own log: journalctl -u nginx, /var/log/nginx/error.log".into(),
            ],
            Self::Fs(error) => error.hints(),
            Self::NotBack { .. } => vec!["nginx -t && systemctl reload nginx".into()],
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
            Self::NoSite(_) => Kind::NotFound,
            Self::Turn(error) => error.kind(),
            _ => Kind::Failed,
        }
    }
}

/// Makes nginx serve `pair`, whose own certificate is `leaf` (DER), from now on; with `test_only` tells whether it would.
pub fn install(
    server: &ServerPaths,
    app: &AppSettings,
    pair: &Pair,
    leaf: &[u8],
    version: &str,
    test_only: bool,
) -> Result<(), InstallError> {
    let _turn = take_turn(server).map_err(InstallError::Turn)?;
    let program = nginx::find()?;
    let site = fs::read_if_exists(&server.site(&app.name))?
        .ok_or_else(|| InstallError::NoSite(app.name.clone()))?;
    let store = Store::new(server.tls(&app.name));
    store.tidy()?;
    let old = store.current_version()?;
    store.add(version, pair)?;
    if let Err(error) = test(server, app, &store, &site, version, &program) {
        store.discard(version)?;
        return Err(error);
    }
    if test_only {
        return Ok(store.discard(version)?);
    }
    let sights = sights(app, &site);
    let served = store
        .point_at(version)
        .map_err(InstallError::Fs)
        .and_then(|()| control::reload(&program).map_err(InstallError::Reload))
        .and_then(|()| wait(&sights, leaf).map_err(InstallError::NotServed));
    if let Err(error) = served {
        put_back(&store, old.as_deref(), &program).map_err(|source| InstallError::NotBack {
            because: error.to_string(),
            source: Box::new(source),
        })?;
        store.discard(version)?;
        return Err(error);
    }
    Ok(store.prune()?)
}

/// nginx's whole configuration, in a copy that names the new version instead of `current`: what it would read at a boot is
/// changed only once it is known to be good.
fn test(
    server: &ServerPaths,
    app: &AppSettings,
    store: &Store,
    site: &str,
    version: &str,
    program: &Path,
) -> Result<(), InstallError> {
    let from = format!("{}/", store.link().display());
    let to = format!("{}/", store.version(version).display());
    let text = site.replace(&from, &to);
    trial::run(server, program, &server.site(&app.name), Some(&text)).map_err(InstallError::Trial)
}

fn put_back(store: &Store, old: Option<&str>, program: &Path) -> Result<(), InstallError> {
    match old {
        Some(old) => store.point_at(old)?,
        None => store.point_at_nothing()?,
    }
    control::reload(program).map_err(InstallError::Reload)
}

/// A name and a port that visitors come by.
#[derive(Debug, Clone)]
pub struct Sight {
    domain: Domain,
    port: u16,
}

impl Sight {
    /// As people write it.
    pub fn name(&self) -> String {
        format!("{}:{}", self.domain, self.port)
    }

    /// The chain that nginx shows there, asked from this machine.
    pub fn chain(&self) -> Result<Vec<Vec<u8>>, SightError> {
        let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port);
        https::chain(here, self.domain.as_str(), HANDSHAKE)
            .map_err(|error| SightError::Silent(self.name(), error))
    }
}

/// Where visitors of an app come: each name on 443, the site's own names on the backend's port too where nginx listens there.
pub fn sights(app: &AppSettings, site: &str) -> Vec<Sight> {
    let port = app.backend_port;
    let has_two = app.layout == Layout::Split && site.contains(&format!("listen {port} "));
    let on = |domains: &[Domain], port| {
        let domains = domains.iter().cloned();
        domains
            .map(move |domain| Sight { domain, port })
            .collect::<Vec<_>>()
    };
    let mut sights = on(&app.domains, 443);
    sights.extend(on(&app.redirect_domains, 443));
    if has_two {
        sights.extend(on(&app.domains, port));
    }
    sights
}

/// Waits until every visitor sees `leaf`.
fn wait(sights: &[Sight], leaf: &[u8]) -> Result<(), SightError> {
    let begun = Instant::now();
    loop {
        let seen = sights.iter().try_for_each(|sight| {
            if sight.chain()?.first().map(Vec::as_slice) == Some(leaf) {
                return Ok(());
            }
            Err(SightError::Other(sight.name()))
        });
        match seen {
            Ok(()) => return Ok(()),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(POLL),
        }
    }
}
