//! `landfall cert self-signed`
//!
//! takes: nothing, or names · gives: a site with a certificate made here · touches: as `landfall cert install` · undone by:
//! installing another

use std::time::Duration;

use super::{place, serve};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{AppName, Domain};
use crate::cli::{Ended, Globals, output};
use crate::site::certificate;
use crate::tls::intake;
use crate::tls::pending::stamp;
use crate::tls::self_signed;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Root's, for staging: browsers warn of such a certificate. It has a new P-256 key, the app's domains, and takes the same way as \
`landfall cert install`. An authority's certificate is not replaced without --force.

Examples:
  sudo landfall cert self-signed --app notes
  sudo landfall cert self-signed --app notes --days 7 --force")]
pub(in crate::cli) struct Args {
    /// How many days it is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
    /// A name besides the app's domains; can be given several times.
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<Domain>,
    /// Replace an authority's certificate.
    #[arg(long)]
    force: bool,
}

/// It is not made.
#[derive(Debug, thiserror::Error)]
#[error("`{app}` has a certificate of {issuer}, which browsers may trust")]
struct HasIssued {
    app: AppName,
    issuer: String,
}

impl Hint for HasIssued {
    fn hints(&self) -> Vec<String> {
        let app = &self.app;
        vec![
            format!("see it: landfall cert status --app {app}"),
            format!("replace it all the same: landfall cert self-signed --app {app} --force"),
        ]
    }

    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let place = place::of_root(host, globals, "cert self-signed")?;
    let old = place.store.chain()?.unwrap_or_default();
    if let Some(issued) = old
        .first()
        .filter(|old| !old.is_self_signed() && !args.force)
    {
        return Err(HasIssued {
            app: place.app.name.clone(),
            issuer: issued.issuer.clone(),
        }
        .into());
    }
    let mut names = place.domains.clone();
    for domain in &args.domains {
        if !names.contains(domain) {
            names.push(domain.clone());
        }
    }
    let valid = Duration::from_secs(u64::from(args.days) * 24 * 60 * 60);
    let pair = self_signed::make_for(&names, host.now(), valid)?;
    let leaf = intake::read(pair.certificate.as_bytes())?.certificates;
    let leaf = leaf
        .first()
        .map(|leaf| leaf.der.clone())
        .unwrap_or_default();
    let stem = format!("{}-self-signed", stamp(host.now_unix()));
    let version = place.store.free_version(&stem);
    let before = serve::in_force(&place)?;
    certificate::install(&place.server, &place.app, &pair, &leaf, &version, false)?;
    output::say(format!(
        "{} serves a certificate made here, for {} days; browsers do not trust it",
        place.app.name, args.days
    ));
    serve::say_renewals_end(&place, before.as_ref());
    Ok(())
}
