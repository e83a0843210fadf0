//! The last backup of an app before it is removed: what cannot be made again.
//!
//! takes: the app · gives: one archive in `/var/backups/landfall`, root's alone · touches: nothing of the app's

use std::path::PathBuf;

use super::{ProvisionError, home_of, postgres, system};
use crate::base::fs;
use crate::base::host::Host;
use crate::base::server_paths::ServerPaths;
use crate::config::server::AppSettings;

/// Packs the shared files, the environment, the repository and the settings, and with `database` that as a dump beside them.
pub fn take(
    host: &Host,
    paths: &ServerPaths,
    app: &AppSettings,
    database: bool,
) -> Result<Vec<PathBuf>, ProvisionError> {
    let folder = paths.backups();
    fs::create_folder_with_mode(&folder, 0o700)?;
    let stamp = crate::base::host::rfc3339(host.now_unix()).replace([':', '-'], "");
    let name = format!("{}-{stamp}", app.name);
    let mut made = Vec::new();
    if database {
        let dump = folder.join(format!("{name}.dump"));
        postgres::dump(&app.name, &dump)?;
        made.push(dump);
    }
    let archive = folder.join(format!("{name}.tar.gz"));
    fs::write(&archive, b"", fs::PRIVATE)?;
    let home = home_of(app);
    let inside: Vec<String> = ["env", "shared", "shared.toml"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("{}.git", app.name)])
        .filter(|name| home.root().join(name).symlink_metadata().is_ok())
        .collect();
    let (archive_text, root) = (archive.to_string_lossy(), home.root().to_string_lossy());
    let settings = paths.app_settings(&app.name);
    let settings_folder = paths.apps().to_string_lossy().into_owned();
    let file = settings.file_name().unwrap_or_default().to_string_lossy();
    let mut argv = vec!["tar", "--create", "--gzip", "--file", &archive_text];
    argv.extend(["--directory", &settings_folder, &file]);
    argv.extend(["--directory", &root]);
    argv.extend(inside.iter().map(String::as_str));
    system::run("tar", &argv)?;
    made.push(archive);
    Ok(made)
}
