//! Against a real supervisord, in a home whose path has a space and a `%`.

use std::cell::Cell;

use tempfile::TempDir;

use super::*;
use crate::base::flock::{Attempt, try_lock};
use crate::base::hint::Hint;
use crate::base::{fs, user};
use crate::supervisor::program::{Program, ReleasePrograms, StopSignal, Supervisord};
use crate::template::{Template, render};
use crate::tool::supervisord::Daemon;

const WAIT: Duration = Duration::from_secs(20);

/// A home with its own supervisord, which is stopped with it.
struct Home {
    dir: TempDir,
    daemon: Daemon,
    supervisor: Supervisor,
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.daemon.stop(WAIT);
    }
}

fn program(dir: &Path, name: &str, command: &[&str]) -> Program {
    Program {
        name: name.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        autostart: false,
        restart: true,
        ready_after: Duration::from_secs(1),
        stop_signal: StopSignal::Term,
        stop_wait: Duration::from_secs(2),
        log: dir.join("log").join(format!("{name}.log")),
    }
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("land 5%fall")
            .tempdir()
            .unwrap();
        for folder in ["run", "log", "releases/1"] {
            fs::create_folder(&dir.path().join(folder)).unwrap();
        }
        let daemon = Daemon {
            conf: dir.path().join("run/supervisord.conf"),
            socket: dir.path().join("run/supervisor.sock"),
            pid_file: dir.path().join("run/supervisord.pid"),
            home: dir.path().to_owned(),
        };
        let conf = Supervisord {
            app: "notes".parse().unwrap(),
            home: dir.path().to_owned(),
            user: user::is_root().then(user::name),
            programs: vec![Program {
                autostart: true,
                ..program(dir.path(), "nginx", &["/bin/sleep", "600"])
            }],
        };
        let text = render(Template::Supervisord, &conf).unwrap();
        fs::write(&daemon.conf, text.as_bytes(), fs::PUBLIC).unwrap();
        let supervisor = Supervisor::new(&daemon.socket);
        Self {
            dir,
            daemon,
            supervisor,
        }
    }

    fn start(self) -> Self {
        self.daemon
            .start(WAIT)
            .expect("supervisord does not start: apt install supervisor");
        self
    }

    fn write(&self, file: &str, programs: Vec<Program>) {
        let file = self.dir.path().join(file);
        let programs = ReleasePrograms {
            app: "notes".parse().unwrap(),
            release: crate::base::names::ReleaseId(1),
            programs,
        };
        let text = render(Template::Programs, &programs).unwrap();
        fs::write(&file, text.as_bytes(), fs::PUBLIC).unwrap();
    }

    fn program(&self, name: &str, command: &[&str]) -> Program {
        program(self.dir.path(), name, command)
    }

    /// Waits until the program is in one of the states.
    fn wait_for(&self, name: &str, states: &[State]) -> Process {
        let deadline = Instant::now() + WAIT;
        loop {
            let process = self.supervisor.process(name).unwrap().unwrap();
            if states.contains(&process.state) {
                return process;
            }
            assert!(
                Instant::now() < deadline,
                "{process:?} is never in {states:?}"
            );
            thread::sleep(POLL);
        }
    }
}

fn fault<T: std::fmt::Debug>(result: Result<T, RpcError>) -> Fault {
    result.unwrap_err().fault().expect("a fault")
}

#[test]
fn a_program_lives_its_life() {
    let home = Home::new().start();
    let supervisor = &home.supervisor;
    assert!(supervisor.is_up());
    assert_eq!(supervisor.pid().unwrap(), home.daemon.pid().unwrap());
    assert_eq!(fault(supervisor.add("web-41.2")), Fault::BadName);
    home.write(
        "run/next.conf",
        vec![home.program("web-41.2", &["/bin/sleep", "600"])],
    );
    // What it has not read yet it reads.
    assert_eq!(supervisor.add("web-41.2").unwrap(), Added::Added);
    assert_eq!(supervisor.add("web-41.2").unwrap(), Added::AlreadyThere);
    let stopped = supervisor.process("web-41.2").unwrap().unwrap();
    assert_eq!(
        (stopped.state, stopped.pid, stopped.started_unix),
        (State::Stopped, None, None)
    );

    supervisor.start("web-41.2").unwrap();
    assert_eq!(fault(supervisor.start("web-41.2")), Fault::AlreadyStarted);
    let running = home.wait_for("web-41.2", &[State::Running]);
    assert!(
        running.pid.is_some() && running.started_unix.is_some() && running.problem.is_empty(),
        "{running:?}"
    );
    assert_eq!(fault(supervisor.remove("web-41.2")), Fault::StillRunning);
    // It restarts what ends by itself.
    supervisor.signal("web-41.2", "KILL").unwrap();
    let deadline = Instant::now() + WAIT;
    while home.wait_for("web-41.2", &[State::Running]).pid == running.pid {
        assert!(Instant::now() < deadline, "never restarted");
        thread::sleep(POLL);
    }
    supervisor.stop_and_wait("web-41.2", WAIT).unwrap();
    supervisor.stop_and_wait("web-41.2", WAIT).unwrap();
    supervisor.stop("web-41.2").unwrap();
    assert_eq!(supervisor.remove("web-41.2").unwrap(), Removed::Removed);
    assert_eq!(supervisor.remove("web-41.2").unwrap(), Removed::WasNotThere);
    assert_eq!(home.wait_for("nginx", &[State::Running]).exit_status, 0);
}

/// What was listed as ended may run again: killed, it is restarted while supervisord has it.
#[test]
fn one_that_was_started_again_is_ended_before_it_is_taken_out() {
    let home = Home::new().start();
    let supervisor = &home.supervisor;
    let name = "web-41.2";
    let sleep = home.program(name, &["/bin/sleep", "600"]);
    home.write("run/next.conf", vec![sleep]);
    supervisor.add(name).unwrap();
    supervisor.start(name).unwrap();
    home.wait_for(name, &[State::Running]);
    let ends = Cell::new(0);
    let restarted = || {
        ends.set(ends.get() + 1);
        if ends.get() == 3 {
            return supervisor.stop_and_wait(name, WAIT);
        }
        let before = home.wait_for(name, &[State::Running]).pid;
        supervisor.signal(name, "KILL")?;
        let deadline = Instant::now() + WAIT;
        while home.wait_for(name, &[State::Running]).pid == before {
            assert!(Instant::now() < deadline, "never restarted");
            thread::sleep(POLL);
        }
        Ok(())
    };
    assert_eq!(
        supervisor.take_out(name, restarted).unwrap(),
        Removed::Removed
    );
    assert_eq!(ends.get(), 3);
    assert_eq!(supervisor.process(name).unwrap(), None);
    let never = || panic!("it does not run");
    assert_eq!(
        supervisor.take_out(name, never).unwrap(),
        Removed::WasNotThere
    );
}

#[test]
fn what_cannot_run_says_why() {
    let home = Home::new().start();
    let supervisor = &home.supervisor;
    home.write(
        "run/next.conf",
        vec![
            home.program("gone-1", &["/no/such/file"]),
            home.program("short-1", &["/bin/false"]),
        ],
    );
    supervisor.reread().unwrap();
    supervisor.add("gone-1").unwrap();
    supervisor.add("short-1").unwrap();
    let error = supervisor.start("gone-1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "supervisord refuses `supervisor.startProcess` of `gone-1`: NO_FILE: can't find command '/no/such/file'"
    );
    assert_eq!(fault(supervisor.start("none")), Fault::BadName);
    supervisor.start("short-1").unwrap();
    let short = home.wait_for("short-1", &[State::Backoff]);
    assert_eq!(
        short.problem,
        "Exited too quickly (process log may have details)"
    );
    supervisor.stop_and_wait("short-1", WAIT).unwrap();
    let broken = home.dir.path().join("run/next.conf");
    fs::write(&broken, b"nonsense", fs::PUBLIC).unwrap();
    assert_eq!(fault(supervisor.reread()), Fault::CannotReread);
}

#[test]
fn one_that_does_not_stop_is_killed_after_its_time() {
    let home = Home::new().start();
    let supervisor = &home.supervisor;
    // A line break cannot stand in an ini file, so it is a script.
    let script = home.dir.path().join("stubborn");
    let text = "#!/bin/sh\ntrap '' TERM\nwhile true\ndo sleep 0.1\ndone\n";
    fs::write(&script, text.as_bytes(), 0o755).unwrap();
    let stubborn = Program {
        // Longer than it takes to see that it goes on.
        stop_wait: Duration::from_secs(5),
        ..home.program("stubborn-1", &[script.to_str().unwrap()])
    };
    home.write("run/next.conf", vec![stubborn]);
    supervisor.reread().unwrap();
    supervisor.add("stubborn-1").unwrap();
    supervisor.start("stubborn-1").unwrap();
    home.wait_for("stubborn-1", &[State::Running]);
    let error = supervisor
        .stop_and_wait("stubborn-1", Duration::from_millis(100))
        .unwrap_err();
    assert!(matches!(error, RpcError::NotStopped { .. }), "{error}");
    supervisor.stop_and_wait("stubborn-1", WAIT).unwrap();
}

#[test]
fn arguments_and_logs_arrive_as_they_were_given() {
    let home = Home::new().start();
    let odd = [
        "", "a b", "it's", "\"q\"", "50%", "%(x)s", "$HOME", "b\\c", "x;y#z", "ü", "*",
    ];
    // No space after `;`: that would be a comment.
    let dump = "import sys,json;print(json.dumps(sys.argv[1:]));sys.stdout.flush();sys.stderr.write('problem')";
    let mut command = vec!["/usr/bin/python3", "-c", dump];
    command.extend(odd);
    home.write(
        "run/next.conf",
        vec![Program {
            restart: false,
            ready_after: Duration::ZERO,
            ..home.program("dump-1", &command)
        }],
    );
    home.supervisor.reread().unwrap();
    home.supervisor.add("dump-1").unwrap();
    home.supervisor.start("dump-1").unwrap();
    home.wait_for("dump-1", &[State::Exited]);
    let log = fs::read(&home.dir.path().join("log/dump-1.log")).unwrap();
    let (arguments, problem) = log.split_at(log.find(']').unwrap() + 1);
    assert_eq!(serde_json::from_str::<Vec<String>>(arguments).unwrap(), odd);
    assert_eq!(problem.trim(), "problem");
}

#[test]
fn a_boot_starts_what_is_live_whatever_was_left_of_a_deploy() {
    let home = Home::new();
    let live = home.program("web-1", &["/bin/sleep", "600"]);
    home.write(
        "releases/1/supervisor.conf",
        vec![Program {
            autostart: true,
            ..live.clone()
        }],
    );
    fs::symlink(Path::new("releases/1"), &home.dir.path().join("current")).unwrap();
    home.write("run/next.conf", vec![live]);
    let home = home.start();
    home.wait_for("web-1", &[State::Running]);
}

#[test]
fn the_daemon_keeps_nothing_of_the_callers() {
    let home = Home::new();
    let Attempt::Taken(lock) = try_lock(&home.dir.path().join("run/lock")).unwrap() else {
        panic!("not taken")
    };
    let home = home.start();
    let pid = home.daemon.pid().unwrap();
    let open: Vec<String> = fs::list(Path::new(&format!("/proc/{pid}/fd")))
        .unwrap()
        .iter()
        .filter_map(|path| std::fs::read_link(path).ok())
        .map(|target| target.display().to_string())
        .collect();
    for end in 0..3 {
        let target = std::fs::read_link(format!("/proc/{pid}/fd/{end}")).unwrap();
        assert_eq!(target, Path::new("/dev/null"));
    }
    assert!(
        !open.iter().any(|target| target.ends_with("/run/lock")),
        "{open:?}"
    );
    let environment = fs::read(Path::new(&format!("/proc/{pid}/environ"))).unwrap();
    let names: Vec<&str> = environment
        .split('\0')
        .filter_map(|pair| pair.split('=').next())
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(names, ["HOME", "LANG", "PATH"]);
    drop(lock);
}

#[test]
fn it_starts_once_stops_and_starts_after_a_kill() {
    let home = Home::new().start();
    let daemon = &home.daemon;
    let pid = daemon.pid().unwrap();
    daemon.start(WAIT).unwrap();
    assert_eq!(daemon.pid(), Some(pid));
    home.supervisor.shutdown().unwrap();
    daemon.wait_until_gone(pid, WAIT).unwrap();
    let down = home.supervisor.processes().unwrap_err();
    let hint = format!("start it: supervisord -c {}", daemon.conf.display());
    assert_eq!(down.hints(), [hint]);

    daemon.start(WAIT).unwrap();
    let killed = daemon.pid().unwrap();
    // What it ran outlives it; this test ends that itself.
    let orphan = home.wait_for("nginx", &[State::Running]).pid.unwrap();
    for pid in [killed, orphan] {
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    daemon.wait_until_gone(killed, WAIT).unwrap();
    // Its socket and pid file are still there, and no obstacle.
    daemon.start(WAIT).unwrap();
    assert_ne!(daemon.pid().unwrap(), killed);
}

#[test]
fn one_that_cannot_start_says_what_it_said() {
    let home = Home::new();
    fs::write(&home.daemon.conf, b"[supervisord]\nnonsense", fs::PUBLIC).unwrap();
    let error = home.daemon.start(WAIT).unwrap_err();
    assert!(
        error
            .tool_output()
            .iter()
            .any(|line| line.contains("nonsense")),
        "{:?}",
        error.tool_output()
    );
}
