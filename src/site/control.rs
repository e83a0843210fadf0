//! Telling nginx to read its configuration again, and waiting until no process of it takes a visitor by the old one.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::base::command::{Cmd, CommandError, output};
use crate::base::fs;
use crate::base::hint::Hint;
use crate::base::host::SYSTEM_PATH;
use crate::base::proc::Snapshot;
use crate::tool::systemd;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Where nginx's master leaves its pid: the packages of Debian, Ubuntu and nginx.org all say so, and systemd's unit reads it.
const PID_FILE: &str = "/run/nginx.pid";
/// How long the old workers may take to hear of it. A master that starts hundreds of sites is slow, not stuck.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// nginx could not be told.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ControlError(Box<CommandError>);

impl Hint for ControlError {
    fn hints(&self) -> Vec<String> {
        vec!["see why: systemctl status nginx".into()]
    }

    fn tool_output(&self) -> &[String] {
        self.0.tool_output()
    }
}

/// nginx reads its configuration again; one that does not run is started. systemd does it where it runs, as it then knows
/// what came of it.
///
/// Afterwards new workers take every new connection. Without that wait one of the old ones may take a connection after a new
/// one has shown the new state: the new starts before the old is told to end.
pub(super) fn reload(program: &Path) -> Result<(), ControlError> {
    let has_systemd = Path::new("/run/systemd/system").exists();
    let command = if has_systemd {
        systemd::systemctl(&["reload-or-restart", "nginx.service"])
    } else {
        Cmd::new(program)
            .args(["-s", "reload"])
            .env("PATH", SYSTEM_PATH)
            .env("LANG", "C.UTF-8")
    };
    let old = workers();
    output(&command.timeout(TIMEOUT)).map_err(|error| ControlError(Box::new(error)))?;
    let begun = Instant::now();
    while old.iter().any(|pid| takes_visitors(*pid)) && begun.elapsed() < PATIENCE {
        thread::sleep(POLL);
    }
    Ok(())
}

/// The processes that take the visitors of the system's nginx.
fn workers() -> Vec<u32> {
    let master = fs::read(Path::new(PID_FILE))
        .ok()
        .and_then(|text| text.trim().parse().ok());
    master.map_or_else(Vec::new, |master| {
        let children = Snapshot::take().children(master).collect::<Vec<_>>();
        children
            .into_iter()
            .filter(|pid| takes_visitors(*pid))
            .collect()
    })
}

/// True of a worker that has not closed its listening sockets. It says so in its title (`ngx_worker_process_cycle`).
fn takes_visitors(pid: u32) -> bool {
    let title = fs::read_bytes(&Path::new("/proc").join(pid.to_string()).join("cmdline"));
    title.is_ok_and(|title| is_taking(&title))
}

fn is_taking(title: &[u8]) -> bool {
    let title = String::from_utf8_lossy(title);
    title.starts_with("nginx: worker process") && !title.contains("is shutting down")
}

#[cfg(test)]
mod tests {
    use super::is_taking;

    #[test]
    fn a_workers_title_tells_whether_it_takes_visitors() {
        assert!(is_taking(b"nginx: worker process\0"));
        assert!(!is_taking(b"nginx: worker process is shutting down\0"));
        assert!(!is_taking(b"nginx: cache manager process\0"));
        assert!(!is_taking(b""));
    }
}
