//! `strategy = "replace"`: the old web process ends before the new one starts, and nobody notices but by waiting.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::checkpoints::{Checkpoints, go_on};
use crate::common::client;
use crate::common::load::Load;
use crate::common::sandbox::said;
use crate::common::{App, Probe, Sandbox, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PATHS: &[&str] = &["/", "/api/about/"];

fn sandbox(name: &str) -> Sandbox {
    Sandbox::new(name)
        .app(App::Small)
        .setting("strategy = \"replace\"")
        .live()
}

/// The releases that uWSGI runs for now.
fn serving(sandbox: &Sandbox) -> Vec<u32> {
    let mut releases: Vec<u32> = sandbox
        .processes()
        .iter()
        .filter(|process| process.command.contains("uwsgi"))
        .filter_map(|process| process.release)
        .collect();
    releases.sort_unstable();
    releases.dedup();
    releases
}

/// Looks all the time how many web processes there are side by side, while `work` is done; gives the most.
fn most_side_by_side<T>(sandbox: &Sandbox, work: impl FnOnce() -> T) -> (T, usize) {
    let done = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Acquire) {
                most = most.max(serving(sandbox).len());
                thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let made = work();
        done.store(true, Ordering::Release);
        (made, looking.join().unwrap())
    })
}

#[test]
fn two_web_processes_are_never_there_at_once_and_requests_wait() {
    let sandbox = sandbox("replace-load");
    sandbox.settle();
    let load = Load::start(sandbox.address, PATHS, 60);
    let (mut lives, mut most) = (vec!["1".to_owned()], 0);
    let mut step = |name: &str, work: &dyn Fn()| {
        let before = load.count();
        until("requests are answered", Duration::from_secs(60), || {
            load.count() > before + 60
        });
        let (_, seen) = most_side_by_side(&sandbox, work);
        most = most.max(seen);
        assert_eq!(sandbox.release_shown(), name);
        lives.push(name.to_owned());
    };
    for number in ["2", "3"] {
        sandbox.name_release(number);
        sandbox.commit("Next");
        step(number, &|| {
            let push = sandbox.push().accepted();
            assert!(
                push.stderr.contains("in place of release"),
                "{}",
                push.stderr
            );
        });
    }
    step("2", &|| {
        sandbox.landfall_ok(&["rollback"]);
    });
    assert_eq!(most, 1, "two web processes at once");
    let report = load.stop();
    println!("{}", report.summary());
    let failures = report.failures();
    assert!(failures.is_empty(), "{failures:#?}");
    let lives: Vec<&str> = lives.iter().map(String::as_str).collect();
    assert_eq!(report.out_of_order(&lives), Vec::<String>::new());
}

#[test]
fn one_that_does_not_come_up_gives_way_to_the_old_one() {
    let sandbox = sandbox("replace-broken");
    for (what, breaks) in [
        ("boot", "backend/small/wsgi.py"),
        ("health", "backend/small/urls.py"),
        ("retire", "landfall.toml"),
    ] {
        let before = sandbox.remote_ref("refs/heads/master");
        let text = std::fs::read_to_string(sandbox.work.join(breaks)).unwrap_or_default();
        match what {
            "boot" => sandbox.write(breaks, format!("import nowhere\n{text}")),
            "health" => {
                // uWSGI alone can import itself: the checks pass, the first request does not.
                let stop = "try:\n    import uwsgi\nexcept ImportError:\n    uwsgi = None\nif uwsgi:\n    raise RuntimeError('broken')\n";
                sandbox.write(breaks, format!("{stop}{text}"));
                sandbox.write("landfall.toml", "[health]\ntimeout = \"2s\"\n");
            }
            _ => {
                // Long enough to see it end, however busy the machine is.
                let worker = "[workers.ticker]\ncommand = \"false\"\nready_after = \"20s\"\n";
                sandbox.write(breaks, format!("{text}{worker}"));
            }
        }
        sandbox.name_release("broken");
        sandbox.commit("Broken");
        let probe = Probe::start(sandbox.address, PATHS);
        let push = sandbox.push();
        let seen = probe.stop();
        assert!(
            push.stderr.contains(&format!("error: {what}")),
            "{what}: {}",
            push.stderr
        );
        assert_eq!(sandbox.remote_ref("refs/heads/master"), before, "{what}");
        seen.lost_nothing();
        assert_eq!(sandbox.release_shown(), "1", "{what}");
        until("only the old one runs", Duration::from_secs(30), || {
            serving(&sandbox) == [1]
        });
        sandbox.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    }
    sandbox.name_release("2");
    sandbox.commit("Good");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
}

#[test]
fn killed_while_nothing_serves_the_next_push_puts_it_right() {
    let sandbox = sandbox("replace-killed");
    sandbox.name_release("2");
    sandbox.commit("Next");
    let instants = Checkpoints::new(&sandbox, "boot").stop_at("boot", 1);
    let mut command = sandbox.git_command();
    command.args(["push", "production", "master"]);
    let mut push = instants.watch(&mut command).spawn().unwrap();
    let hook = instants
        .reached(&mut push)
        .expect("it boots when it goes live");
    // The finisher would do what was left undone; it is killed with the rest.
    for process in crate::common::machine::all_of(&sandbox.home) {
        if process.command.contains("landfall") && process.command.contains(" hook ") {
            kill(Pid::from_raw(process.pid), Signal::SIGKILL).unwrap();
        }
    }
    let _ = kill(hook, Signal::SIGKILL);
    let _ = push.wait();
    sandbox.name_release("3");
    sandbox.commit("Again");
    let output = sandbox
        .git_command()
        .args(["push", "--force", "production", "master"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(sandbox.release_shown(), "3");
    until("one runs", Duration::from_secs(90), || {
        serving(&sandbox).len() == 1
    });
    let release = sandbox.home.join("releases");
    for entry in std::fs::read_dir(release).unwrap() {
        let folder = entry.unwrap().path();
        assert!(!folder.join("aside.sock").exists() && !folder.join("held.sock").exists());
    }
}

/// The old web process is told to end and finishes a request when the run is cancelled. supervisord would not start it again.
#[test]
fn a_run_cancelled_while_the_old_one_ends_leaves_it_serving() {
    let sandbox = sandbox("replace-cancelled");
    let address = sandbox.address;
    sandbox.name_release("2");
    sandbox.commit("Next");
    let mut command = sandbox.git_command();
    command.args(["push", "production", "master"]);
    let instants = Checkpoints::new(&sandbox, "cancel").stop_at("prepared", 1);
    let mut push = instants
        .watch(command.stderr(Stdio::null()))
        .spawn()
        .unwrap();
    let hook = instants.reached(&mut push).expect("a prepared release");
    let slow = thread::spawn(move || client::get(address, "/api/about/?wait=15"));
    // It is with the old one.
    thread::sleep(Duration::from_secs(1));
    go_on(hook);
    until(
        "the old one is told to end",
        Duration::from_secs(60),
        || said(&sandbox.landfall(&["ps"])).contains("stopping"),
    );
    let cancelled = sandbox.landfall(&["cancel"]);
    assert!(cancelled.status.success(), "{}", said(&cancelled));
    let _ = push.wait();
    let slow = slow.join().unwrap().expect("the slow one is answered").ok();
    assert_eq!(slow.release().as_deref(), Some("1"));
    until("the old one serves again", Duration::from_secs(60), || {
        client::get(address, "/api/about/")
            .is_ok_and(|answer| answer.status == 200 && answer.release().as_deref() == Some("1"))
    });
    assert_eq!(serving(&sandbox), [1]);
}
