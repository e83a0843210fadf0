//! nginx's logs of the app's site: in a folder of root's, for nginx opens them as root, and a link in a folder of the app's
//! would lead it anywhere. The app's group may read them; logrotate keeps two weeks of them.

use nix::unistd::User;

use super::ProvisionError;
use crate::base::fs;
use crate::base::names::AppName;
use crate::base::server_paths::ServerPaths;
use crate::config::server::AppSettings;

/// nginx's workers open them again by name after a rotation; who does not know a name learns nothing.
const FOLDER: u32 = 0o751;

fn rotation(paths: &ServerPaths, app: &AppName) -> String {
    format!(
        "# Written by landfall for {app}.
{}/*.log {{
    daily
    rotate 14
    maxsize 100M
    missingok
    notifempty
    compress
    delaycompress
    create 0640 www-data {app}
    sharedscripts
    postrotate
        if [ -f /run/nginx.pid ]; then kill -USR1 \"$(cat /run/nginx.pid)\"; fi
    endscript
}}
",
        paths.site_logs(app).display()
    )
}

/// Makes folder, files and rotation.
pub(super) fn create(
    paths: &ServerPaths,
    app: &AppSettings,
    user: &User,
) -> Result<(), ProvisionError> {
    let folder = paths.site_logs(&app.name);
    fs::create_folder_with_mode(&folder, FOLDER)?;
    fs::chown(&folder, 0, user.gid.as_raw())?;
    for name in ["access.log", "error.log"] {
        let log = folder.join(name);
        fs::write(&log, b"", 0o640)?;
        fs::chown(&log, 0, user.gid.as_raw())?;
    }
    let rotation = rotation(paths, &app.name);
    Ok(fs::write(
        &paths.logrotate(&app.name),
        rotation.as_bytes(),
        fs::PUBLIC,
    )?)
}
