//! What uWSGI's configuration is rendered from.
//!
//! takes: settings · gives: the values of `templates/uwsgi/` · touches: nothing

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::names::{AppName, ReleaseId, WsgiTarget};
use crate::base::words::shown;

/// The most connections that may wait for a worker; the kernel's own limit may be lower.
const MOST_WAITING: u32 = 1024;

/// One release's uWSGI. It is started in the backend's folder by the environment's own `uwsgi`, so it finds the app's
/// modules and packages by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Uwsgi {
    /// The app.
    pub app: AppName,
    /// The release.
    pub release: ReleaseId,
    /// Its socket, in the release's own folder. One with `:` is an error: uWSGI would take it for an address.
    #[serde(serialize_with = "no_address")]
    pub socket: PathBuf,
    /// What it calls.
    pub module: WsgiTarget,
    /// Worker processes.
    pub processes: u16,
    /// Threads in each.
    pub threads: u16,
    /// Connections that may wait for a worker: [`listen_queue`].
    pub listen: u32,
    /// How long a worker told to end may take to finish its requests; whole seconds.
    #[serde(serialize_with = "whole_seconds")]
    pub drain: Duration,
}

/// How many connections may wait, where the kernel allows `somaxconn` (the content of `/proc/sys/net/core/somaxconn`).
/// uWSGI refuses to start with more than that.
pub fn listen_queue(somaxconn: &str) -> u32 {
    // 128 was the kernel's default before Linux 5.4.
    somaxconn.trim().parse().unwrap_or(128).min(MOST_WAITING)
}

fn no_address<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    if path.to_string_lossy().contains(':') {
        let path = shown(&path.to_string_lossy(), 200);
        let problem = format!("uWSGI would read {path} as an address and a port");
        return Err(serde::ser::Error::custom(problem));
    }
    path.serialize(serializer)
}

fn whole_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}
