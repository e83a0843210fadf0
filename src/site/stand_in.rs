//! The certificate that stands in until one is issued.

use std::time::{SystemTime, UNIX_EPOCH};

use super::ApplyError;
use crate::base::names::{AppName, Domain};
use crate::base::server_paths::ServerPaths;
use crate::config::server::AppSettings;
use crate::tls::self_signed;
use crate::tls::store::Store;

pub(super) fn store(server: &ServerPaths, app: &AppName) -> Store {
    Store::new(server.tls(app))
}

/// A pair is served; where it is a stand-in, it is for the names the site has now. One that was issued is left alone.
pub(super) fn ensure(
    server: &ServerPaths,
    app: &AppSettings,
    now: SystemTime,
) -> Result<(), ApplyError> {
    let store = store(server, &app.name);
    store.tidy()?;
    let names: Vec<Domain> = app
        .domains
        .iter()
        .chain(&app.redirect_domains)
        .cloned()
        .collect();
    if let Some(meta) = store.current()?
        && (!meta.stand_in || meta.names == names)
    {
        return Ok(());
    }
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let version = format!("stand-in-{}", since.as_millis());
    store.add(&version, &self_signed::make(&names, now)?)?;
    store.point_at(&version)?;
    Ok(store.prune()?)
}
