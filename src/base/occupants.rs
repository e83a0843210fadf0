//! Processes that are found by what `/proc` (proc(5)) says of them: those that work in a folder, and those that a run has
//! started. The first is for what a killed run left behind, the second also for what put itself into the background.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ancestor;
use super::fs;

/// The variable that tells which run has started a process: `HOME#PID.NUMBER`. Children have it too, whatever session or
/// process group they take.
pub const RUN: &str = "LANDFALL_RUN";

/// How long they may take to be gone once killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Room for what most processes have there, in bytes.
const ENVIRONMENT: usize = 16 * 1024;
const POLL: Duration = Duration::from_millis(10);

/// Kills every process whose working directory lies in `folder`, and waits until they are gone. Those of others cannot be
/// looked at, and are not touched. Gives how many there were.
pub fn end(folder: &Path) -> usize {
    end_all(|process| {
        fs::link_target(&process.join("cwd"))
            .ok()
            .flatten()
            .is_some_and(|cwd| cwd.starts_with(folder))
    })
}

/// As [`end`], for the processes of the run that `mark` names.
pub fn end_run(mark: &str) -> usize {
    end_all(|process| run_of(process).as_deref() == Some(mark.as_bytes()))
}

/// As [`end`], for the processes of all runs for the app at `home`.
pub fn end_runs(home: &Path) -> usize {
    let start = mark(home, "");
    end_all(|process| run_of(process).is_some_and(|run| run.starts_with(start.as_bytes())))
}

/// As [`end`], for the processes whose environment has `name` with this value.
pub fn end_with(name: &str, value: &str) -> usize {
    end_all(|process| variable(process, name).as_deref() == Some(value.as_bytes()))
}

/// Kills every process of `program` (a file's name) that works in exactly `folder` and has lost its parent: neither `daemon`
/// nor another of these has started it.
pub fn end_strays(program: &str, folder: &Path, daemon: Option<u32>) -> usize {
    let is_its = |process: &Path| {
        let target = |name: &str| fs::link_target(&process.join(name)).ok().flatten();
        let exe = target("exe").is_some_and(|exe| exe.file_name() == Some(OsStr::new(program)));
        exe && target("cwd").as_deref() == Some(folder)
    };
    let known: Vec<u32> = those(is_its)
        .into_iter()
        .filter_map(|pid| u32::try_from(pid.as_raw()).ok())
        .collect();
    // A stray's own children are strays, too.
    let has_parent = |mut pid: u32| {
        for _ in 0..known.len() {
            match ancestor::parent(pid) {
                parent if parent.is_some() && parent == daemon => return true,
                Some(parent) if known.contains(&parent) => pid = parent,
                _ => return false,
            }
        }
        false
    };
    let strays: Vec<u32> = known
        .iter()
        .copied()
        .filter(|pid| !has_parent(*pid))
        .collect();
    end_all(|process| {
        let pid = process
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        pid.is_some_and(|pid| strays.contains(&pid)) && is_its(process)
    })
}

/// The value of [`RUN`] for a run.
pub fn mark(home: &Path, run: &str) -> String {
    format!("{}#{run}", home.display())
}

fn run_of(process: &Path) -> Option<Vec<u8>> {
    variable(process, RUN)
}

fn variable(process: &Path, name: &str) -> Option<Vec<u8>> {
    // The kernel does not say how long it is, and reading by small pieces costs more than the room.
    let mut environment = Vec::with_capacity(ENVIRONMENT);
    let mut file = File::open(process.join("environ")).ok()?;
    file.read_to_end(&mut environment).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(name.as_bytes())?;
        Some(value.strip_prefix(b"=")?.to_vec())
    })
}

fn end_all(is_meant: impl Fn(&Path) -> bool) -> usize {
    let found = those(&is_meant);
    // Looked at twice: one may have ended after it had started another, while /proc was read.
    if found.is_empty() && those(&is_meant).is_empty() {
        return 0;
    }
    // One that is about to start another is stopped first, so that no generation escapes.
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in those(&is_meant) {
            let _ = kill(pid, signal);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let left = those(&is_meant);
        if left.is_empty() {
            break;
        }
        for pid in left {
            let _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(POLL);
    }
    found.len()
}

fn those(is_meant: impl Fn(&Path) -> bool) -> Vec<Pid> {
    let Ok(processes) = fs::list(Path::new("/proc")) else {
        return Vec::new();
    };
    let pid = |process: &PathBuf| process.file_name()?.to_str()?.parse::<i32>().ok();
    processes
        .iter()
        .filter_map(|process| Some((pid(process)?, process)))
        .filter(|(_, process)| is_meant(process))
        .map(|(pid, _)| Pid::from_raw(pid))
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

    #[test]
    fn what_a_run_left_in_the_background_is_ended() {
        let (ours, theirs) = (Path::new("/srv/one"), Path::new("/srv/other"));
        let begin = |home: &Path, run: &str| {
            // A session of its own, another folder, a parent that is gone.
            let leave = "setsid sh -c 'cd /; exec sleep 61' & setsid sh -c 'cd /; exec sleep 61' &";
            let command = Cmd::new("/bin/sh").args(["-c", leave]);
            let command = command
                .env(RUN, mark(home, run))
                .env("PATH", "/usr/bin:/bin");
            assert!(command.to_std().status().unwrap().success());
        };
        let run = format!("{}.1", std::process::id());
        let other = format!("{}.2", std::process::id());
        begin(ours, &run);
        begin(ours, &other);
        begin(theirs, &run);
        let count =
            |mark: &str| those(|process| run_of(process).as_deref() == Some(mark.as_bytes())).len();
        // Until each is what it stays: a process that turns into another has no environment for a moment.
        let asleep = |mark: &str| {
            let is_meant = |process: &Path| {
                fs::read(&process.join("comm")).is_ok_and(|name| name == "sleep\n")
                    && run_of(process).as_deref() == Some(mark.as_bytes())
            };
            those(is_meant).len()
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        for mark in [mark(ours, &run), mark(ours, &other), mark(theirs, &run)] {
            while asleep(&mark) < 2 {
                assert!(Instant::now() < deadline, "they do not start");
                thread::sleep(POLL);
            }
        }
        assert_eq!(end_run(&mark(ours, &run)), 2);
        assert_eq!(count(&mark(ours, &run)), 0);
        assert_eq!(count(&mark(ours, &other)), 2);
        assert!(end_runs(ours) >= 2);
        assert_eq!(count(&mark(ours, &other)), 0);
        assert_eq!(count(&mark(theirs, &run)), 2);
        assert_eq!(end_runs(theirs), 2);
    }
}
