//! Stopping Landfall at one of its instants (`src/base/checkpoint.rs`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::poll::until_some;
use super::sandbox::Sandbox;

/// How long it may take until an instant is reached.
const LIMIT: Duration = Duration::from_secs(120);

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
        self.next_at(kind, number);
        self
    }

    /// As [`Checkpoints::stop_at`], while Landfall stands at another instant.
    pub(crate) fn next_at(&self, kind: &str, number: usize) {
        let _ = fs::remove_file(self.folder.join("here"));
        fs::write(self.folder.join("stop"), format!("{kind} {number}")).expect("it can be written");
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
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
        until_some("the instant, or the end", LIMIT, || {
            if let Some(pid) = self.here() {
                return Some(Some(pid));
            }
            let ended = command.try_wait().expect("it can be waited for").is_some();
            ended.then_some(None)
        })
    }

    /// Waits until a process of Landfall's stands still that no command of the test's waits for.
    pub(crate) fn stands(&self) -> Pid {
        until_some("the instant", LIMIT, || self.here())
    }

    fn here(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.folder.join("here")).ok()?;
        let pid = Pid::from_raw(text.parse().ok()?);
        is_stopped(pid).then_some(pid)
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
