//! Builds and apps that leave programs behind.

use std::path::Path;
use std::time::Duration;

use crate::common::{Sandbox, machine, until};

/// Programs called so are the tests' own.
fn left(seconds: u32) -> Vec<i32> {
    let words = format!("sleep {seconds}");
    machine::processes_of(Path::new(&words))
        .into_iter()
        .filter(|process| process.command.trim() == words)
        .map(|process| process.pid)
        .collect()
}

/// A build that starts programs in sessions of their own, in other folders, holding its output or not: none outlives it.
#[test]
fn what_a_build_puts_into_the_background_ends_with_it() {
    let sandbox = Sandbox::new("daemons").live();
    sandbox.edit(
        "frontend/build.js",
        "rmSync(\"dist\"",
        "import { spawn } from \"node:child_process\";\n\
         for (const stdio of [\"ignore\", \"inherit\"])\n  \
         spawn(\"sleep\", [\"7001\"], { detached: true, cwd: \"/\", stdio }).unref();\n\
         spawn(\"sh\", [\"-c\", \"setsid sh -c 'cd /; while :; do sleep 7001; done' & exit\"], { stdio: \"ignore\" });\n\
         await new Promise((done) => setTimeout(done, 300));\nrmSync(\"dist\"",
    );
    sandbox.edit(
        "backend/small/settings.py",
        "import os\n",
        "import os, subprocess\nif os.environ.get(\"LANDFALL_RUN\"):\n    \
         subprocess.Popen([\"sleep\", \"7002\"], start_new_session=True, cwd=\"/\")\n",
    );
    sandbox.write("landfall.toml", "[gate]\nrun = [\"sh leave.sh\"]\n");
    sandbox.write(
        "leave.sh",
        "setsid sh -c 'cd /; exec sleep 7003' </dev/null >/dev/null 2>&1 &\nsleep 0.2\n",
    );
    sandbox.name_release("2");
    sandbox.commit("Daemons");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
    for seconds in [7001, 7002, 7003] {
        until("nothing is left", Duration::from_secs(5), || {
            left(seconds).is_empty()
        });
    }
}

/// As above, killed half-way: what is left ends before the next push builds.
#[test]
fn what_a_killed_build_put_into_the_background_ends_with_the_next_push() {
    let sandbox = Sandbox::new("killed-daemons").live();
    sandbox.write("landfall.toml", "[gate]\nrun = [\"sh leave.sh\"]\n");
    sandbox.write(
        "leave.sh",
        "setsid sh -c 'cd /; exec sleep 7004' </dev/null >/dev/null 2>&1 &\nsleep 7005\n",
    );
    sandbox.commit("A daemon, and long checks");
    let mut push = sandbox
        .git_command()
        .args(["push", "production", "HEAD:refs/heads/master"])
        .spawn()
        .unwrap();
    until("both run", Duration::from_secs(60), || {
        !left(7004).is_empty() && !left(7005).is_empty()
    });
    for process in machine::processes_of(&sandbox.settings_file()) {
        if process.command.contains("landfall hook") {
            let pid = nix::unistd::Pid::from_raw(process.pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
    let _ = push.wait();
    assert!(
        !left(7004).is_empty(),
        "the test needs a program that lives on"
    );
    sandbox.write("leave.sh", "true\n");
    sandbox.commit("No daemon");
    let _ = sandbox.push().accepted();
    assert!(left(7004).is_empty() && left(7005).is_empty());
}
