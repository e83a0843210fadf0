//! A machine of 1 GB and one processor: a first push, a build, and processes side by side.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::common::sandbox::said;
use crate::common::{App, Sandbox, until};

/// A group of processes whose memory is limited (cgroups(7), version 1 or 2). Taken away when it goes.
struct Memory {
    folder: PathBuf,
    is_first: bool,
}

impl Memory {
    fn new(name: &str, most: u64) -> Self {
        let mounted = PathBuf::from("/sys/fs/cgroup");
        let first = mounted.join("memory");
        let is_first = first.is_dir();
        // With version 2 the controllers of what lies below are switched on one by one.
        let _ = fs::write(mounted.join("cgroup.subtree_control"), "+memory");
        let parent = if is_first { first } else { mounted };
        let folder = parent.join(format!("landfall-{name}-{}", std::process::id()));
        let file = folder.join(if is_first {
            "memory.limit_in_bytes"
        } else {
            "memory.max"
        });
        let limited = fs::create_dir(&folder).and_then(|()| fs::write(file, most.to_string()));
        assert!(
            limited.is_ok(),
            "memory cannot be limited in {}: this test needs root",
            folder.display()
        );
        Self { folder, is_first }
    }

    fn take(&self, pid: i32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).expect("it is there");
    }

    /// How often the kernel had to kill for memory.
    fn killed(&self) -> u64 {
        let file = if self.is_first {
            "memory.oom_control"
        } else {
            "memory.events"
        };
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.expect("the kernel counts them").parse().unwrap()
    }

    fn peak(&self) -> u64 {
        let file = if self.is_first {
            "memory.max_usage_in_bytes"
        } else {
            "memory.peak"
        };
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }

    /// The command, on the first processor, among those that are limited.
    fn limits(&self, sandbox: &Sandbox, command: &Command) -> Command {
        let mut limited = sandbox.command("sh");
        limited
            .args([
                "-c",
                "echo $$ >\"$0\"/cgroup.procs; exec taskset -c 0 \"$@\"",
            ])
            .arg(&self.folder)
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        limited
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // What still runs belongs to the sandbox, which is gone by now or ends it.
        let root = self.folder.parent().unwrap().join("cgroup.procs");
        for pid in fs::read_to_string(self.folder.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
        {
            let _ = fs::write(&root, pid);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

#[test]
fn a_push_completes_in_a_gigabyte_on_one_processor() {
    let sandbox = Sandbox::new("small-machine").app(App::Notes).create();
    let memory = Memory::new("small", 1_000_000_000);
    for process in sandbox.processes() {
        memory.take(process.pid);
    }
    let push = |args: &[&str]| {
        let mut command = sandbox.git_command();
        command
            .arg("push")
            .args(args)
            .args(["production", "HEAD:refs/heads/master"]);
        let output = memory.limits(&sandbox, &command).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    // Everything is built here, npm's and pip's work too.
    push(&["-o", "rebuild"]);
    assert_eq!(sandbox.release_shown(), "1");
    sandbox.name_release("2");
    sandbox.commit("Next");
    push(&[]);
    assert_eq!(sandbox.release_shown(), "2");
    until("the old ones have ended", Duration::from_secs(60), || {
        sandbox
            .processes()
            .iter()
            .all(|process| process.release != Some(1))
    });
    println!("at the most {} MB", memory.peak() / 1_000_000);
    assert_eq!(memory.killed(), 0, "something was killed for memory");
    assert!(memory.peak() > 100_000_000, "nothing of it was limited");
}
