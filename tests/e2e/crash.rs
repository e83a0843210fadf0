//! Killed in the middle, and two at once: the site serves one whole release all along, and the next push finishes or
//! undoes what was left.

use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::common::{Probe, Push, Sandbox, machine, until, until_some};

const PATHS: &[&str] = &["/", "/api/about/"];

/// Where this lies in the home, every stage takes its time.
const SLOW: &str = "slow";

/// A commit whose every stage takes its time, until it is [`hurried`]; its worker is waited for that long all the same.
fn slow(name: &str, ready_after: &str) -> Sandbox {
    let sandbox = Sandbox::new(name).live();
    sandbox.name_release("2");
    sandbox.edit(
        "frontend/build.js",
        "rmSync(\"dist\"",
        "if ((await import(\"node:fs\")).existsSync(process.env.HOME + \"/slow\")) \
         await new Promise((done) => setTimeout(done, 1500));\nrmSync(\"dist\"",
    );
    sandbox.write(
        "landfall.toml",
        format!(
            "[gate]\nrun = [\"python pause.py 2\"]\n\
             [workers.ticker]\ncommand = \"python ticker.py\"\nready_after = \"{ready_after}\"\n"
        ),
    );
    // The gate's commands run at the root, everything else in the backend's folder.
    let pause = "import os\nimport sys\nimport time\n\n\ndef pause(seconds):\n    \
                 if os.path.exists(os.path.expanduser(\"~/slow\")):\n        time.sleep(seconds)\n\n\n\
                 if __name__ == \"__main__\":\n    pause(float(sys.argv[1]))\n";
    for folder in ["", "backend/"] {
        sandbox.write(&format!("{folder}pause.py"), pause);
    }
    sandbox.write(
        "backend/ticker.py",
        "import time\nwhile True:\n    time.sleep(1)\n",
    );
    sandbox.edit(
        "backend/small/wsgi.py",
        "import os\n",
        "import os\nfrom pause import pause; pause(1.5)\n",
    );
    sandbox.write(
        "backend/board/migrations/0002_slow.py",
        "from django.db import migrations\nfrom pause import pause\n\n\nclass Migration(migrations.Migration):\n    \
         dependencies = [(\"board\", \"0001_initial\")]\n    operations = [\n        \
         migrations.RunPython(lambda apps, editor: pause(1.5), migrations.RunPython.noop),\n    ]\n",
    );
    sandbox.edit(
        "backend/board/views.py",
        "def healthz(request):\n",
        "def healthz(request):\n    from pause import pause; pause(1.5)\n",
    );
    sandbox.commit("Slow everywhere");
    std::fs::write(sandbox.home.join(SLOW), "").unwrap();
    sandbox
}

/// From now on no stage takes longer than it needs.
fn hurried(sandbox: &Sandbox) {
    std::fs::remove_file(sandbox.home.join(SLOW)).unwrap();
}

/// `git push`, in a process group of its own.
fn begin_push(sandbox: &Sandbox) -> Child {
    sandbox
        .git_command()
        .args(["push", "production", "HEAD:refs/heads/master"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("git runs")
}

/// The hook that runs now.
fn hook(sandbox: &Sandbox) -> Option<i32> {
    machine::processes_of(&sandbox.settings_file())
        .into_iter()
        .find(|process| process.command.contains("landfall hook"))
        .map(|process| process.pid)
}

/// Kills a push when its log says that `stage` has begun; the same push works afterwards.
fn killed_at(stage: &str) {
    // Nothing but the worker is waited for after the switch: the kill must come before that ends.
    let ready_after = if stage == "workers" { "5s" } else { "1s" };
    let sandbox = slow(&format!("crash-{stage}"), ready_after);
    let probe = Probe::start(sandbox.address, PATHS);
    let mut push = begin_push(&sandbox);
    let log = sandbox.home.join("log/deploys/2.log");
    let words = format!("[{stage}] begins");
    let hook = until_some(&words, Duration::from_secs(60), || {
        assert!(
            push.try_wait().unwrap().is_none(),
            "the push ended before {stage}"
        );
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains(&words).then(|| hook(&sandbox)).flatten()
    });
    // The hook and all of git, in no order; nobody gets to tidy up.
    let _ = kill(Pid::from_raw(hook), Signal::SIGKILL);
    let _ = killpg(Pid::from_raw(push.id().cast_signed()), Signal::SIGKILL);
    let _ = push.wait();
    hurried(&sandbox);
    let shown = sandbox.release_shown();
    let live = sandbox.live();

    // Again, from there. Where git had moved the ref already there is nothing to push; a deploy does it.
    let again = sandbox.push();
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    if again.stderr.contains("up-to-date") {
        sandbox.landfall_ok(&["deploy"]);
    }
    let seen = probe.stop().lost_nothing();
    assert_eq!(sandbox.release_shown(), "2", "{}", again.stderr);
    assert!(
        shown == "1" || shown == "2",
        "{shown}, live {live:?}, {:?}",
        seen.releases
    );
    // What the killed run left is gone: its release, its processes, what it had begun to build.
    sandbox.settle();
    let live = sandbox.live().expect("a release is live");
    let stray: Vec<u32> = sandbox
        .releases()
        .into_iter()
        .filter(|release| ![1, 2, live].contains(release))
        .collect();
    assert!(stray.is_empty(), "{stray:?}");
    assert!(!sandbox.home.join("run/next.conf").exists());
    // The next push takes away what tells of this one.
    sandbox.commit("Empty");
    let _ = sandbox.push().accepted();
    assert!(!sandbox.home.join("run/pending.json").exists());
    sandbox.settle();
    until("nobody is left over", Duration::from_secs(30), || {
        machine::strays(&sandbox.processes(), "supervisord").is_empty()
    });
}

#[test]
fn killed_while_the_frontend_is_built() {
    killed_at("frontend");
}

#[test]
fn killed_at_the_gate() {
    killed_at("gate");
}

#[test]
fn killed_while_the_web_process_boots() {
    killed_at("boot");
}

#[test]
fn killed_in_a_migration() {
    killed_at("migrate");
}

#[test]
fn killed_at_the_health_check() {
    killed_at("health");
}

#[test]
fn killed_after_the_switch() {
    killed_at("workers");
}

/// The client goes away (a laptop that is closed); the deploy goes on to its end.
#[test]
fn a_client_that_is_gone_stops_nothing() {
    let sandbox = slow("crash-client", "1s");
    let mut push = begin_push(&sandbox);
    let log = sandbox.home.join("log/deploys/2.log");
    until("the build", Duration::from_secs(60), || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("[frontend] begins"))
    });
    let _ = kill(Pid::from_raw(push.id().cast_signed()), Signal::SIGKILL);
    let _ = push.wait();
    hurried(&sandbox);
    until("git and its hooks end", Duration::from_secs(120), || {
        let of_repository = machine::processes_of(&sandbox.repository());
        hook(&sandbox).is_none()
            && of_repository
                .iter()
                .all(|process| !process.command.contains("git"))
    });
    // git may have moved the ref and ended without its post-receive; what pre-receive left behind goes on from there.
    until(
        "the deploy goes on to its end",
        Duration::from_secs(60),
        || sandbox.release_shown() == "2" && !sandbox.home.join("run/pending.json").exists(),
    );
    let again = sandbox.push();
    assert!(again.stderr.contains("up-to-date"), "{}", again.stderr);
}

/// What Landfall runs has a process group of its own, and lives on when the hook is killed. It does not live on beside the
/// next push, which may build in the same places.
#[test]
fn what_a_killed_push_was_running_ends_before_the_next_builds() {
    let sandbox = slow("crash-orphans", "1s");
    sandbox.edit("landfall.toml", "python pause.py 2", "sleep 601");
    sandbox.commit("Check for ten minutes");
    let mut push = begin_push(&sandbox);
    let checks = || {
        let all = sandbox.processes();
        all.iter()
            .filter(|process| process.command.starts_with("sleep 601"))
            .count()
    };
    until("the check runs", Duration::from_secs(60), || checks() > 0);
    let hook = hook(&sandbox).expect("the hook runs");
    let _ = kill(Pid::from_raw(hook), Signal::SIGKILL);
    let _ = push.wait();
    assert!(checks() > 0, "the test needs a program that lives on");
    hurried(&sandbox);
    sandbox.edit("landfall.toml", "sleep 601", "true");
    sandbox.commit("Check at once");
    let _ = sandbox.push().accepted();
    assert_eq!(checks(), 0);
    assert_eq!(sandbox.release_shown(), "2");
}

/// A run that was killed after the switch has left its note to post-receive; the release it names is a good one.
#[test]
fn a_release_whose_push_was_killed_after_the_switch_is_kept() {
    let sandbox = slow("crash-kept", "5s");
    let mut push = begin_push(&sandbox);
    let hook = until_some("the switch", Duration::from_secs(90), || {
        let is_live = sandbox.live() == Some(2);
        is_live.then(|| hook(&sandbox)).flatten()
    });
    let _ = kill(Pid::from_raw(hook), Signal::SIGKILL);
    let _ = push.wait();
    hurried(&sandbox);
    sandbox.name_backend("3");
    sandbox.landfall_ok(&["deploy"]);
    assert_eq!(sandbox.live(), Some(3));
    sandbox.commit("Third");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.releases(), [1, 2, 3, 4]);
    sandbox.landfall_ok(&["rollback", "2"]);
    assert_eq!(sandbox.release_shown(), "2");
}

/// Two people push at once: the end is as if one had come after the other.
#[test]
fn two_pushes_at_once_end_as_one_after_the_other() {
    let sandbox = Sandbox::new("race").live();
    let probe = Probe::start(sandbox.address, PATHS);
    let branches = ["left", "right"];
    for branch in branches {
        sandbox.git(&["checkout", "--quiet", "-b", branch, "master"]);
        sandbox.name_release(branch);
        sandbox.commit(branch);
    }
    let pushes = branches.map(|branch| {
        sandbox
            .git_command()
            .args(["push", "production", &format!("{branch}:master")])
            .stderr(Stdio::piped())
            .spawn()
            .expect("git runs")
    });
    let pushes = pushes.map(|push| Push::new(&push.wait_with_output().expect("git ends")));
    let _ = probe.stop().lost_nothing();
    let accepted: Vec<&str> = branches
        .into_iter()
        .zip(&pushes)
        .filter(|(_, push)| push.code == Some(0))
        .map(|(branch, _)| branch)
        .collect();
    let [winner] = accepted[..] else {
        panic!("{accepted:?} were accepted: {pushes:#?}");
    };
    // The other did not have the winner's commit, and is told so.
    assert_eq!(sandbox.release_shown(), winner);
    let id = sandbox.git(&["rev-parse", winner]).trim().to_owned();
    assert_eq!(sandbox.remote_ref("refs/heads/master"), Some(id.clone()));
    assert_eq!(
        sandbox.get("/api/about/").ok().json()["commit"],
        id.as_str()
    );
    sandbox.settle();
    // Once it has, it works too.
    let loser = branches
        .into_iter()
        .find(|branch| *branch != winner)
        .expect("two");
    let _ = sandbox
        .push_with(&["--force", "production", &format!("{loser}:master")])
        .accepted();
    assert_eq!(sandbox.release_shown(), loser);
}
