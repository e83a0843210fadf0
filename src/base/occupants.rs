//! The processes that work in a folder, from `/proc` (proc(5)): what a run that was killed has left behind.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fs;

/// How long they may take to be gone once killed.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// Kills every process whose working directory lies in `folder`, and waits until they are gone. Those of others cannot be
/// looked at, and are not touched. Gives how many there were.
pub fn end(folder: &Path) -> usize {
    let found = of(folder);
    for pid in &found {
        let _ = kill(*pid, Signal::SIGKILL);
    }
    let deadline = Instant::now() + PATIENCE;
    while !of(folder).is_empty() && Instant::now() < deadline {
        thread::sleep(POLL);
    }
    found.len()
}

fn of(folder: &Path) -> Vec<Pid> {
    let Ok(processes) = fs::list(Path::new("/proc")) else {
        return Vec::new();
    };
    processes
        .iter()
        .filter_map(|path| path.file_name()?.to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            fs::link_target(&PathBuf::from(format!("/proc/{pid}/cwd")))
                .ok()
                .flatten()
                .is_some_and(|cwd| cwd.starts_with(folder))
        })
        .map(Pid::from_raw)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::command::Cmd;

    #[test]
    fn what_works_in_a_folder_is_ended_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, beside) = (dir.path().join("1"), dir.path().join("11"));
        let sleep = |folder: &Path| {
            fs::create_folder(folder).unwrap();
            let command = Cmd::new("/bin/sleep").arg("60").cwd(folder);
            command.to_std().spawn().unwrap()
        };
        let (mut one, mut other) = (sleep(&inside), sleep(&beside));
        let waiter = thread::spawn(move || one.wait().unwrap());
        assert_eq!(end(&inside), 1);
        assert!(!waiter.join().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "it works elsewhere");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
