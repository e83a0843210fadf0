//! A limit of processes and threads (cgroups(7), the controller `pids`), which root's are counted by too.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::poll::until;
use super::sandbox::Sandbox;

/// A group whose processes and threads are counted. Taken away when it goes.
#[derive(Debug)]
pub(crate) struct Tasks {
    folder: PathBuf,
}

impl Tasks {
    pub(crate) fn new(name: &str) -> Self {
        let mounted = PathBuf::from("/sys/fs/cgroup");
        let first = mounted.join("pids");
        // With version 2 the controllers of what lies below are switched on one by one.
        let _ = fs::write(mounted.join("cgroup.subtree_control"), "+pids");
        let parent = if first.is_dir() { first } else { mounted };
        let folder = parent.join(format!("landfall-{name}-{}", std::process::id()));
        let made = fs::create_dir(&folder);
        assert!(
            made.is_ok() && folder.join("pids.max").exists(),
            "processes cannot be counted in {}: these tests need root",
            folder.display()
        );
        Self { folder }
    }

    pub(crate) fn limit(&self, most: usize) {
        fs::write(self.folder.join("pids.max"), most.to_string()).expect("the limit is taken");
    }

    /// That command of the sandbox, among the counted.
    pub(crate) fn count(&self, sandbox: &Sandbox, command: &Command) -> Command {
        let mut counted = sandbox.command("sh");
        counted
            .args(["-c", "echo $$ >\"$0\"/cgroup.procs; exec \"$@\""])
            .arg(&self.folder)
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            counted.env(name, value.unwrap_or_default());
        }
        counted
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = fs::remove_dir(&self.folder);
            return;
        }
        until("the group is empty", Duration::from_secs(20), || {
            fs::remove_dir(&self.folder).is_ok()
        });
    }
}
