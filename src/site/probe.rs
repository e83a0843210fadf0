//! Asks nginx, as a visitor on this machine, which configuration of a site it runs with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::fs;
use crate::base::hint::Hint;
use crate::base::names::{AppName, Domain};
use crate::base::server_paths::ServerPaths;
use crate::config::server::{self, AppSettings, Layout};
use crate::template::site::Needs;
use crate::tool::http::{self, HttpError};
use crate::tool::https;

/// How long nginx may take to serve by a new configuration: it starts its new workers in the background.
const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
/// Where a site tells its state, to this machine alone.
const STATE_PATH: &str = "/.well-known/landfall";

/// A site that does not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No answer.
    #[error("{0} does not answer")]
    Silent(String, #[source] HttpError),
    /// An answer of another configuration.
    #[error("{0} answers by another configuration than was written ({1})")]
    Other(String, u16),
    /// Plain http is not redirected.
    #[error("http://{0} is answered with {1}, not with a redirect")]
    NoRedirect(Domain, u16),
}

impl Hint for ProbeError {
    fn hints(&self) -> Vec<String> {
        vec!["see nginx's own log: journalctl -u nginx, /var/log/nginx/error.log".into()]
    }
}

/// A neighbour's site, and the state it answered with.
#[derive(Debug)]
pub(super) struct Neighbour {
    domain: Domain,
    state: String,
}

/// True if the site answers everywhere by this state.
pub(super) fn is_served(app: &AppSettings, needs: &Needs, state: &str) -> bool {
    ask_all(app, needs, state).is_ok()
}

/// Waits until the site answers everywhere by this state.
pub(super) fn wait(app: &AppSettings, needs: &Needs, state: &str) -> Result<(), ProbeError> {
    let begun = Instant::now();
    loop {
        match ask_all(app, needs, state) {
            Ok(()) => return Ok(()),
            Err(error) if begun.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(POLL),
        }
    }
}

fn ask_all(app: &AppSettings, needs: &Needs, state: &str) -> Result<(), ProbeError> {
    let wanted = format!("{} {state}", app.name);
    let has_two =
        app.layout == Layout::Split && needs.frontend.is_some() && needs.backend.is_some();
    let ports = [Some(443), has_two.then_some(app.backend_port)];
    for domain in &app.domains {
        for port in ports.into_iter().flatten() {
            let url = format!("https://{domain}:{port}");
            let answer = https::get(here(port), domain.as_str(), STATE_PATH, REQUEST)
                .map_err(|error| ProbeError::Silent(url.clone(), error))?;
            if answer.text() != wanted {
                return Err(ProbeError::Other(url, answer.status));
            }
        }
    }
    for domain in app.domains.iter().chain(&app.redirect_domains) {
        let answer = http::get(here(80), domain.as_str(), "/", REQUEST)
            .map_err(|error| ProbeError::Silent(format!("http://{domain}"), error))?;
        if answer.status != 301 {
            return Err(ProbeError::NoRedirect(domain.clone(), answer.status));
        }
    }
    Ok(())
}

/// The other apps' sites that answer now.
pub(super) fn neighbours(server: &ServerPaths, app: &AppName) -> Vec<Neighbour> {
    let files = fs::list(&server.apps()).unwrap_or_default();
    files
        .iter()
        .filter_map(|file| {
            let settings = server::parse(&fs::read(file).ok()?, "").ok()?;
            (settings.name != *app && settings.listen.is_none()).then_some(settings.domains)
        })
        .flatten()
        .filter_map(|domain| {
            let state = state_of(&domain).ok()?;
            Some(Neighbour { domain, state })
        })
        .collect()
}

/// Each neighbour answers as it did.
pub(super) fn all_answer(neighbours: &[Neighbour]) -> Result<(), ProbeError> {
    for Neighbour { domain, state } in neighbours {
        let now = state_of(domain)
            .map_err(|error| ProbeError::Silent(format!("https://{domain}"), error))?;
        if now != *state {
            return Err(ProbeError::Other(format!("https://{domain}"), 200));
        }
    }
    Ok(())
}

fn state_of(domain: &Domain) -> Result<String, HttpError> {
    let answer = https::get(here(443), domain.as_str(), STATE_PATH, REQUEST)?;
    Ok(answer.text())
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
