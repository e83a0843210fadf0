//! A certificate that was checked, on its way to visitors: what `install`, `issue` and `renew` have in common.
//!
//! takes: a chain, its key · gives: the version that is served · touches: `/etc/ssl/landfall/NAME/`, nginx · undone by: itself,
//! where anything fails

use super::place::Place;
use crate::acme::standing::StandingOrder;
use crate::base::host::Host;
use crate::base::secret::Secret;
use crate::cli::{Ended, output};
use crate::site::certificate::{self, InstallError};
use crate::tls::chain::Chain;
use crate::tls::pending::stamp;
use crate::tls::store::{Meta, Pair};

/// A certificate, and where it came from.
pub(super) struct Fresh<'a> {
    pub(super) chain: &'a Chain,
    pub(super) key: &'a Secret,
    /// It was checked against roots that were named.
    pub(super) own_authority: bool,
    /// The directory it was ordered from by ACME.
    pub(super) directory: Option<&'a str>,
}

/// Has it served by nginx, or with `test_only` finds out whether it would be. Gives the version's name.
pub(super) fn serve(
    host: &Host,
    place: &Place,
    fresh: &Fresh<'_>,
    test_only: bool,
) -> Result<String, InstallError> {
    let leaf = &fresh.chain.certificates[0];
    let version = place.store.free_version(&format!(
        "{}-{}",
        stamp(host.now_unix()),
        leaf.fingerprint()[..8].to_lowercase()
    ));
    let pair = Pair {
        certificate: fresh.chain.pem(),
        key: fresh.key.clone(),
        meta: Meta {
            stand_in: false,
            own_authority: fresh.own_authority,
            directory: fresh.directory.map(str::to_owned),
            names: place.domains.clone(),
            not_after: u64::try_from(leaf.not_after).unwrap_or_default(),
        },
    };
    let (server, app) = (&place.server, &place.app);
    certificate::install(server, app, &pair, &leaf.der, &version, test_only)?;
    Ok(version)
}

/// The standing order whose certificate is served.
pub(super) fn in_force(place: &Place) -> Result<Option<StandingOrder>, Ended> {
    let meta = place.store.current()?;
    let standing = StandingOrder::of(&place.store)?;
    Ok(standing.filter(|standing| standing.is_in_force(meta.as_ref())))
}

/// Says that the certificate that has just been served is not renewed as the one before was.
pub(super) fn say_renewals_end(place: &Place, before: Option<&StandingOrder>) {
    if let Some(before) = before {
        output::say(format!(
            "note: it does not renew itself, as the one of {} did; on again: landfall cert issue --app {}",
            before.directory.host(),
            place.app.name
        ));
    }
}
