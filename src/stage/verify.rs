//! verify: asks through the real site, after the switch: the index page, the assets it names, the health path.
//!
//! takes: the live release · gives: nothing, or what a visitor would miss · touches: nothing · undone by: -

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use super::Context;
use super::health::is_good;
use crate::base::fs;
use crate::base::hint::Hint;
use crate::base::stretch;
use crate::base::words::count;
use crate::config::server::{Layout, Mode};
use crate::event::{Outcome, Stage};
use crate::release::layout::ReleaseDir;
use crate::release::record::Checks;
use crate::tool::http::{self, HttpError, Response};
use crate::tool::https;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// How long the site may take to show the new release: nginx reads a changed configuration in the background.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(50);
/// Assets of the index page that are asked for.
const MOST_ASSETS: usize = 40;

/// The site does not show the release as it should.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something answered badly.
    #[error("{url} answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer's status.
        status: u16,
    },
    /// The index page is not this release's.
    #[error("{0} is not the page of this release")]
    OtherPage(String),
    /// Nothing answered.
    #[error("the site does not answer")]
    Silent(#[source] HttpError),
}

impl Hint for VerifyError {
    fn hints(&self) -> Vec<String> {
        vec!["landfall logs nginx   shows nginx's own log".into()]
    }
}

/// Asks as a visitor would.
pub fn run(ctx: &Context<'_>, checks: &Checks, release: &ReleaseDir) -> Result<(), VerifyError> {
    let running = ctx.events.start(Stage::Verify);
    let begun = Instant::now();
    loop {
        match visit(ctx, checks, release) {
            Ok(asked) => {
                running.end(Outcome::done(format!(
                    "{} answered well",
                    count(asked, "request")
                )));
                return Ok(());
            }
            Err(error) if begun.elapsed() >= PATIENCE => return Err(error),
            Err(_) => thread::sleep(RETRY),
        }
    }
}

/// One visit; gives the number of requests.
fn visit(ctx: &Context<'_>, checks: &Checks, release: &ReleaseDir) -> Result<usize, VerifyError> {
    let site = Visitor::of_site(ctx, checks);
    let mut asked = 0;
    if checks.frontend {
        let page = site.get("/", true)?;
        let index = fs::read_bytes(&release.public().join("index.html")).unwrap_or_default();
        if !index.is_empty() && page.body != index {
            return Err(VerifyError::OtherPage("/".into()));
        }
        asked += 1;
        for asset in assets_of(&page.text()).into_iter().take(MOST_ASSETS) {
            site.get(&asset, true)?;
            asked += 1;
        }
    }
    if checks.backend {
        let api = Visitor::of_backend(ctx, checks);
        api.get(checks.health_path.as_str(), checks.health_named)?;
        asked += 1;
    }
    Ok(asked)
}

struct Visitor {
    address: SocketAddr,
    host: String,
    is_https: bool,
}

impl Visitor {
    fn of_site(ctx: &Context<'_>, checks: &Checks) -> Self {
        let host = checks.host.clone();
        match ctx.app.mode() {
            Mode::User(listen) => Self {
                address: reachable(listen),
                host,
                is_https: false,
            },
            Mode::Server => Self {
                address: here(443),
                host,
                is_https: true,
            },
        }
    }

    fn of_backend(ctx: &Context<'_>, checks: &Checks) -> Self {
        let site = Self::of_site(ctx, checks);
        if site.is_https && ctx.app.layout == Layout::Split && checks.frontend {
            let address = here(ctx.app.backend_port);
            return Self { address, ..site };
        }
        site
    }

    fn get(&self, path: &str, must_exist: bool) -> Result<Response, VerifyError> {
        let _asking = stretch::of_app("requests to the site");
        let asked = if self.is_https {
            https::get(self.address, &self.host, path, REQUEST)
        } else {
            http::get(self.address, &self.host, path, REQUEST)
        };
        let response = asked.map_err(VerifyError::Silent)?;
        if is_good(response.status, must_exist) {
            Ok(response)
        } else {
            Err(VerifyError::Status {
                url: path.into(),
                status: response.status,
            })
        }
    }
}

/// The server's nginx, asked from the machine itself.
fn here(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Where to connect for an address nginx listens on: "everywhere" is here too.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The scripts, styles and preloads of this site that a page names in `src="/…"` and `href="/…"`.
fn assets_of(html: &str) -> Vec<String> {
    let mut assets = Vec::new();
    for attribute in ["src=\"/", "href=\"/"] {
        for (start, _) in html.match_indices(attribute) {
            let value = &html[start + attribute.len() - 1..];
            let Some(end) = value.find('"') else { continue };
            let path = value[..end].split(['?', '#']).next().unwrap_or_default();
            let is_asset = [".js", ".mjs", ".css"]
                .iter()
                .any(|ending| path.ends_with(ending));
            if is_asset && !path.starts_with("//") && !assets.iter().any(|asset| asset == path) {
                assets.push(path.to_owned());
            }
        }
    }
    assets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pages_own_assets_are_found_and_no_others() {
        let html = r#"<script type="module" src="/assets/index-a1.js"></script><link rel="stylesheet" href="/assets/i.css?v=1">
            <script src="//cdn.example/x.js"></script><script src="https://cdn.example/y.js"></script><a href="/about">x</a>"#;
        assert_eq!(assets_of(html), ["/assets/index-a1.js", "/assets/i.css"]);
    }
}
