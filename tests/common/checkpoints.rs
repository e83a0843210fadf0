//! Stopping Landfall at one of its instants (`src/base/checkpoint.rs`).

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::poll::until_some;
use super::sandbox::Sandbox;

/// A folder that tells where to stop, and what was reached.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub(crate) fn new(sandbox: &Sandbox, name: &str) -> Self {
        let folder = sandbox.root.join("checkpoints").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the folder can be made");
        Self { folder }
    }

    /// Stop at the instant of that kind and number, from 1.
    pub(crate) fn stop_at(self, kind: &str, number: usize) -> Self {
        fs::write(self.folder.join("stop"), format!("{kind} {number}")).expect("it can be written");
        self
    }

    /// For a command whose instants count.
    pub(crate) fn watch<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LANDFALL_CHECKPOINTS", &self.folder)
    }

    /// How many instants of that kind were reached.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let text = fs::read_to_string(self.folder.join("reached")).unwrap_or_default();
        text.lines().filter(|line| *line == kind).count()
    }

    /// Waits until Landfall stands still; none if the command ended before.
    pub(crate) fn reached(&self, command: &mut Child) -> Option<Pid> {
        let here = self.folder.join("here");
        until_some("the instant, or the end", Duration::from_secs(120), || {
            let text = fs::read_to_string(&here).unwrap_or_default();
            if let Ok(pid) = text.parse().map(Pid::from_raw)
                && is_stopped(pid)
            {
                return Some(Some(pid));
            }
            let ended = command.try_wait().expect("it can be waited for").is_some();
            ended.then_some(None)
        })
    }
}

/// Lets it go on.
pub(crate) fn go_on(pid: Pid) {
    kill(pid, Signal::SIGCONT).expect("it stands still, and is there");
}

fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, fields)| fields.trim_start().starts_with('T'))
}
