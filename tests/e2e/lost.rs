//! Clients that are lost, that look on, that change their mind: the deploy ends in the same state as with one that waits.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::common::sandbox::said;
use crate::common::state::State;
use crate::common::{Probe, Push, Sandbox, machine, until};

const PATHS: &[&str] = &["/", "/api/about/"];
const LIMIT: Duration = Duration::from_secs(90);

/// A second release, not pushed yet, with these lines in landfall.toml.
fn second(name: &str, lines: &str) -> Sandbox {
    let sandbox = Sandbox::new(name).live();
    sandbox.name_release("2");
    sandbox.write("landfall.toml", lines);
    sandbox.write(
        "backend/ticker.py",
        "import time\nwhile True:\n    time.sleep(1)\n",
    );
    sandbox.commit("Second");
    sandbox
}

fn begin(mut command: Command) -> Child {
    command.spawn().expect("it runs")
}

fn ended(child: Child) -> Push {
    Push::new(&child.wait_with_output().expect("git ends"))
}

/// Waits until a program of this name runs in the sandbox.
fn until_runs(sandbox: &Sandbox, program: &str) {
    until(program, LIMIT, || {
        let all = sandbox.processes();
        all.iter().any(|each| each.command.starts_with(program))
    });
}

/// `landfall attach`, once it has begun to follow; [`followed`] gives how it ended.
fn attach(sandbox: &Sandbox) -> Child {
    let shown = sandbox.root.join("attached");
    let mut command = sandbox.landfall_command();
    command
        .arg("attach")
        .stdout(fs::File::create(&shown).unwrap())
        .stderr(Stdio::piped());
    let attached = begin(command);
    until("the log is followed", LIMIT, || {
        fs::metadata(&shown).is_ok_and(|file| file.len() > 0)
    });
    attached
}

fn followed(sandbox: &Sandbox, attached: Child) -> Output {
    let mut output = attached.wait_with_output().unwrap();
    output.stdout = fs::read(sandbox.root.join("attached")).unwrap();
    output
}

#[track_caller]
fn fails(output: &Output, code: i32, message: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(message), "{text}");
}

#[test]
fn a_deploy_that_is_cancelled_leaves_nothing_and_git_rejects_the_push() {
    let sandbox = second("cancel", "[gate]\nrun = [\"sleep 611\"]\n");
    let before = State::of(&sandbox);
    let probe = Probe::start(sandbox.address, PATHS);
    let pushing = begin(sandbox.push_command());
    until_runs(&sandbox, "sleep 611");
    let attached = attach(&sandbox);
    let output = sandbox.landfall(&["cancel"]);
    assert!(output.status.success(), "{}", said(&output));
    let pushed = ended(pushing).rejected();
    let (why, end) = (
        pushed
            .stderr
            .find("remote:   cancelled by `landfall cancel` ("),
        pushed.stderr.find("pre-receive hook declined"),
    );
    assert!(why.is_some() && why < end, "{}", pushed.stderr);
    let attached = followed(&sandbox, attached);
    assert_eq!(attached.status.code(), Some(1), "{}", said(&attached));
    let log = String::from_utf8_lossy(&attached.stdout).into_owned();
    assert!(log.contains("$ sleep 611"), "{log}");
    let _ = probe.stop().lost_nothing().only("1");
    before.comes_back(&sandbox, &[]);
    assert!(
        sandbox.deploy_log(2).contains("cancelled by "),
        "{}",
        sandbox.deploy_log(2)
    );
    // Nothing runs now.
    fails(
        &sandbox.landfall(&["cancel"]),
        3,
        "error: nothing is being deployed",
    );
    fails(
        &sandbox.landfall(&["attach"]),
        3,
        "error: nothing is being deployed",
    );
    sandbox.write("landfall.toml", "");
    sandbox.commit("No check");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
}

/// git has moved the branch; nothing is live yet.
#[test]
fn one_that_is_cancelled_right_before_the_switch_puts_the_branch_back() {
    let sandbox = second("cancel-late", "");
    let before = State::of(&sandbox);
    let folder = sandbox.root.join("checkpoints");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("stop"), "live 1").unwrap();
    let mut command = sandbox.push_command();
    command.env("LANDFALL_CHECKPOINTS", &folder);
    let pushing = begin(command);
    until("the run stands before the switch", LIMIT, || {
        folder.join("here").exists()
    });
    let output = sandbox.landfall(&["cancel"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("it is back where it was"),
        "{}",
        said(&output)
    );
    let _ = ended(pushing)
        .said("cancelled by `landfall cancel` (")
        .said("git says the push succeeded, the deploy did not: the branch goes back");
    before.comes_back(&sandbox, &[]);
    // The same push works.
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
}

#[test]
fn what_is_live_is_not_cancelled_and_goes_on() {
    let sandbox = second(
        "cancel-too-late",
        "[workers.ticker]\ncommand = \"python ticker.py\"\nready_after = \"8s\"\n",
    );
    let pushing = begin(sandbox.push_command());
    until("the switch", LIMIT, || sandbox.live() == Some(2));
    let attached = attach(&sandbox);
    let output = sandbox.landfall(&["cancel"]);
    fails(&output, 5, "error: too late: release 2 is live already");
    fails(&output, 5, "hint: landfall rollback");
    let _ = ended(pushing).accepted();
    let attached = followed(&sandbox, attached);
    assert_eq!(attached.status.code(), Some(0), "{}", said(&attached));
    let log = String::from_utf8_lossy(&attached.stdout).into_owned();
    assert!(log.contains("[workers]"), "{log}");
    assert_eq!(sandbox.release_shown(), "2");
    sandbox.settle();
}

/// A pipe that nobody empties: a terminal that was paused, a laptop that sleeps. More is said than pipes hold.
#[test]
fn a_client_that_reads_nothing_holds_nothing_up() {
    let check =
        "python3 -c 'import sys; [print(str(n) * 9000) for n in range(100, 140)]; sys.exit(1)'";
    let sandbox = second("unread", &format!("[gate]\nrun = [\"{check}\"]\n"));
    let mut pushing = begin(sandbox.push_command());
    let hooks = || {
        let all = machine::all_of(&sandbox.root);
        all.into_iter()
            .filter(|each| each.command.contains("landfall hook"))
            .count()
    };
    until("the check has failed", LIMIT, || {
        fs::read_to_string(sandbox.home.join("log/deploys/2.log"))
            .is_ok_and(|log| log.contains("error: gate"))
    });
    until("the hook ends with nobody reading", LIMIT, || hooks() == 0);
    assert_eq!(sandbox.releases(), [1]);
    // Others push meanwhile.
    sandbox.write("landfall.toml", "");
    sandbox.commit("No check");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
    assert!(
        pushing.try_wait().unwrap().is_none(),
        "git was to be stuck, or the pipe was not full"
    );
    let mut text = String::new();
    let mut stderr = pushing.stderr.take().unwrap();
    stderr.read_to_string(&mut text).unwrap();
    assert!(!pushing.wait().unwrap().success());
    let end = text.len().saturating_sub(2000);
    assert!(
        text.contains("pre-receive hook declined"),
        "{}",
        &text[end..]
    );
    sandbox.settle();
    assert!(sandbox.strays().is_empty());
}
