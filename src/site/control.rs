//! Telling nginx to read its configuration again, and waiting until no process of it takes a visitor by the old one.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc::SYS_rt_sigsuspend;

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
/// Afterwards new workers take every new connection. Without the waits one of the old ones may take a connection after a new
/// one has shown the new state: the new starts before the old is told to end. A reload of somebody else just before, as by a
/// package of a module, must be over too: its workers would be ones that we never saw.
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
    wait_while(|| master().is_some_and(is_busy));
    let old = workers();
    output(&command.timeout(TIMEOUT)).map_err(|error| ControlError(Box::new(error)))?;
    wait_while(|| old.iter().any(|pid| takes_visitors(*pid)));
    Ok(())
}

fn wait_while(goes_on: impl Fn() -> bool) {
    let begun = Instant::now();
    while goes_on() && begun.elapsed() < PATIENCE {
        thread::sleep(POLL);
    }
}

/// The pid of the system's nginx.
fn master() -> Option<u32> {
    let text = fs::read(Path::new(PID_FILE)).ok()?;
    text.trim().parse().ok()
}

/// The processes that take the visitors of the system's nginx.
fn workers() -> Vec<u32> {
    master().map_or_else(Vec::new, |master| {
        let children = Snapshot::take().children(master).collect::<Vec<_>>();
        children
            .into_iter()
            .filter(|pid| takes_visitors(*pid))
            .collect()
    })
}

/// True of a master that starts workers, or is about to tell old ones to end: one that has done all it was told waits in
/// `sigsuspend` (`ngx_master_process_cycle`). One that may not be looked at counts as waiting.
fn is_busy(master: u32) -> bool {
    let folder = Path::new("/proc").join(master.to_string());
    let (Ok(call), Ok(status)) = (
        fs::read(&folder.join("syscall")),
        fs::read(&folder.join("status")),
    ) else {
        return false;
    };
    !waits_for_signals(&call) || has_pending(&status)
}

/// `/proc/PID/syscall` begins with the number of the call that the process waits in (proc(5)).
fn waits_for_signals(call: &str) -> bool {
    let number = call.split_whitespace().next().map(str::parse);
    number == Some(Ok(SYS_rt_sigsuspend))
}

/// A signal was sent to the process, as `ShdPnd` of `/proc/PID/status` tells (proc(5)), and not taken yet.
fn has_pending(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("ShdPnd:"))
        .is_some_and(|mask| mask.trim().bytes().any(|digit| digit != b'0'))
}

/// True of a worker that has not closed its listening sockets, as its title tells (`ngx_worker_process_cycle`).
fn takes_visitors(pid: u32) -> bool {
    let title = fs::read_bytes(&Path::new("/proc").join(pid.to_string()).join("cmdline"));
    title.is_ok_and(|title| is_taking(&title))
}

/// A worker that was started just now has its master's title.
fn is_taking(title: &[u8]) -> bool {
    let title = String::from_utf8_lossy(title);
    let is_worker = ["nginx: worker process", "nginx: master process"]
        .iter()
        .any(|begin| title.starts_with(begin));
    is_worker && !title.contains("is shutting down")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_title_tells_whether_it_takes_visitors() {
        assert!(is_taking(b"nginx: worker process\0"));
        assert!(is_taking(
            b"nginx: master process /usr/sbin/nginx -g daemon on;\0"
        ));
        assert!(!is_taking(b"nginx: worker process is shutting down\0"));
        assert!(!is_taking(b"nginx: cache manager process\0"));
        assert!(!is_taking(b""));
    }

    #[test]
    fn a_master_is_busy_until_it_waits_for_signals_and_none_is_on_its_way() {
        assert!(waits_for_signals(&format!(
            "{SYS_rt_sigsuspend} 0x7ffd 0x8\n"
        )));
        for call in ["230 0x0 0x0\n", "running\n", "-1 0x7ffd 0x7f\n", ""] {
            assert!(!waits_for_signals(call), "{call}");
        }
        assert!(has_pending(
            "SigPnd:\t0000000000000000\nShdPnd:\t0000000000000001\n"
        ));
        assert!(!has_pending(
            "SigPnd:\t0000000000000001\nShdPnd:\t0000000000000000\n"
        ));
    }
}
