//! A Redis of the app's own, run as its user: numbers of one Redis are no wall between apps, for any client may choose
//! any of them.
//!
//! takes: the app · gives: its `REDIS_URL` · touches: `/etc/landfall/redis/NAME.conf`, `redis/` in the home · undone by:
//! removing them

use std::path::Path;

use nix::unistd::User;

use super::ProvisionError;
use crate::base::fs;
use crate::base::secret::Secret;
use crate::base::server_paths::ServerPaths;
use crate::config::server::AppSettings;

/// Its data, in the app's home.
pub(super) const FOLDER: &str = "redis";
/// Ports are given from here on; the shared Redis has 6379.
const FIRST_PORT: u16 = 16_379;

/// True where there is a Redis to run.
pub fn is_installed() -> bool {
    Path::new("/usr/bin/redis-server").exists()
}

/// Writes its configuration.
pub(super) fn create(
    paths: &ServerPaths,
    app: &AppSettings,
    user: &User,
) -> Result<Secret, ProvisionError> {
    if !is_installed() {
        return Err(ProvisionError::NotSetUp("Redis is not installed"));
    }
    let password = Secret::random(40).map_err(super::step("no random bytes"))?;
    let port = free_port(paths)?;
    let text = format!(
        "# Written by landfall for {}.
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {}
dir {}/{FOLDER}
appendonly yes
daemonize no
supervised no
logfile \"\"
databases 16
maxmemory-policy noeviction
",
        app.name,
        password.expose(),
        app.home.display()
    );
    super::write_for_group(&paths.redis_conf(&app.name), &text, user)?;

    Ok(Secret::new(format!(
        "redis://:{}@127.0.0.1:{port}/0",
        password.expose()
    )))
}

/// A port that no app's configuration names and nobody listens on.
fn free_port(paths: &ServerPaths) -> Result<u16, ProvisionError> {
    let folder = paths
        .redis_conf(&"x".parse().expect("a name"))
        .with_file_name("");
    let mut taken = Vec::new();
    for file in fs::list(&folder)? {
        let text = fs::read(&file)?;
        taken.extend(
            text.lines()
                .filter_map(|line| line.strip_prefix("port "))
                .filter_map(|port| port.trim().parse::<u16>().ok()),
        );
    }
    Ok((FIRST_PORT..u16::MAX)
        .find(|port| {
            !taken.contains(port) && std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()
        })
        .unwrap_or(FIRST_PORT))
}
