//! The limits of the app's service, from its settings: a drop-in beside the packaged unit.

use super::{ProvisionError, system};
use crate::base::fs;
use crate::base::server_paths::ServerPaths;
use crate::config::server::AppSettings;

fn text(app: &AppSettings) -> String {
    // Past `MemoryHigh` the kernel slows the app down and takes memory back; past `MemoryMax` it ends a process
    // (systemd.resource-control(5)).
    let high = app.memory_max_mb / 10 * 9;
    format!(
        "# Written by landfall from {}.toml.\n[Service]\nMemoryHigh={high}M\nMemoryMax={}M\nTasksMax={}\n",
        app.name, app.memory_max_mb, app.tasks_max
    )
}

/// Writes them; systemd reads them at the next `daemon-reload`. True if they changed.
pub(super) fn create(paths: &ServerPaths, app: &AppSettings) -> Result<bool, ProvisionError> {
    let file = paths.service_limits(&app.name);
    if let Some(folder) = file.parent() {
        fs::create_folder(folder)?;
    }
    Ok(fs::write_if_changed(
        &file,
        text(app).as_bytes(),
        fs::PUBLIC,
    )?)
}

/// Makes the service's limits what the settings say, also of the processes that run. True if they changed.
pub fn apply(paths: &ServerPaths, app: &AppSettings) -> Result<bool, ProvisionError> {
    let changed = create(paths, app)?;
    if changed {
        system::reload_units()?;
    }
    Ok(changed)
}
