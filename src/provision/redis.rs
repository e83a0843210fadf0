//! A Redis of the app's own, run as its user: numbers of one Redis are no wall between apps, for any client may choose
//! any of them.
//!
//! takes: the app · gives: its `REDIS_URL` and `CELERY_BROKER_URL` · touches: `/etc/landfall/redis/NAME.conf`, `redis/` in
//! the home · undone by: removing them

use std::path::Path;

use nix::unistd::User;

use super::ProvisionError;
use crate::base::secret::Secret;
use crate::base::server_paths::ServerPaths;
use crate::config::server::AppSettings;

/// Its data, in the app's home.
pub(super) const FOLDER: &str = "redis";

/// True where there is a Redis to run.
pub fn is_installed() -> bool {
    Path::new("/usr/bin/redis-server").exists()
}

/// Writes its configuration; gives the variables that lead to it.
///
/// It listens on a socket in a folder that only the app's user enters: a port of this machine could be taken by another app
/// while Redis does not run, and whoever has it is told the password. Celery reads `CELERY_BROKER_URL` by itself
/// (celery/app/utils.py, `Settings.broker_url`) and has a form of its own for sockets.
pub(super) fn create(
    paths: &ServerPaths,
    app: &AppSettings,
    user: &User,
) -> Result<[(&'static str, Secret); 2], ProvisionError> {
    if !is_installed() {
        return Err(ProvisionError::NotSetUp("Redis is not installed"));
    }
    let password = Secret::random(40).map_err(super::step("no random bytes"))?;
    let folder = app.home.join(FOLDER);
    let text = format!(
        "# Written by landfall for {}.
port 0
unixsocket {folder}/redis.sock
unixsocketperm 700
requirepass {password}
dir {folder}
appendonly yes
daemonize no
supervised no
logfile \"\"
databases 16
maxmemory-policy noeviction
",
        app.name,
        folder = folder.display(),
        password = password.expose(),
    );
    super::write_for_group(&paths.redis_conf(&app.name), &text, user)?;
    let at = |scheme: &str, query: &str| {
        let (password, folder) = (password.expose(), folder.display());
        Secret::new(format!(
            "{scheme}://:{password}@{folder}/redis.sock?{query}=0"
        ))
    };
    Ok([
        ("REDIS_URL", at("unix", "db")),
        ("CELERY_BROKER_URL", at("redis+socket", "virtual_host")),
    ])
}
