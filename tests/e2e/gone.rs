//! Clients that are lost while the deploy stands at a stage, one after the other through the whole path. Neither git nor the hook
//! ends of it: git's side of the push notices only when it tells the client how it went, after it has moved the branch, and ends
//! there, without calling post-receive. Whatever was under way ends as with a client: live with its branch, or refused and gone.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::common::checkpoints::{Checkpoints, go_on};
use crate::common::sandbox::said;
use crate::common::state::State;
use crate::common::{App, Probe, Push, Sandbox, machine, until};
use crate::left::Left;
use crate::ssh;

const PATHS: &[&str] = &["/", "/api/about/"];
const LIMIT: Duration = Duration::from_secs(90);
/// pre-receive runs at these: the rest is done by what it leaves behind.
const PREPARE: [&str; 9] = [
    "plan", "checkout", "frontend", "python", "gate", "boot", "migrate", "health", "prepared",
];
/// post-receive runs.
const GO_LIVE: [&str; 4] = ["live", "workers", "verify", "retire"];
const FINISHED_ALONE: &str = "the pusher is gone; the deploy goes on";

/// Where a push that lost its client ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// What was pushed is not good: as if it had never been.
    Refused,
    /// Its commit is live and the branch there, as with a client.
    Live,
}

fn with_workers(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(name).setting("keep_releases = 1").create();
    sandbox.add_workers();
    sandbox
}

/// Commits a release of this name; gives the commit.
fn commit(sandbox: &Sandbox, name: &str) -> String {
    sandbox.name_release(name);
    sandbox.commit(name)
}

/// Pushes until Landfall stands at the instant, kills the client, lets Landfall go on, and waits for the end.
#[track_caller]
fn lose_at(sandbox: &Sandbox, instant: &str) {
    let points = Checkpoints::new(sandbox, instant).stop_at(instant, 1);
    let mut client = points.watch(&mut sandbox.push_command()).spawn().unwrap();
    let Some(hook) = points.reached(&mut client) else {
        let pushed = client.wait_with_output().unwrap();
        panic!("no {instant}: {}", said(&pushed));
    };
    end(client);
    go_on(hook);
    until_over(sandbox);
    sandbox.settle();
}

/// The client's process ends, and with it its ends of all pipes to git.
fn end(mut client: Child) {
    client.kill().unwrap();
    client.wait().unwrap();
}

/// Waits until nothing of a push runs any more: neither git, nor a hook, nor what a hook left behind.
#[track_caller]
fn until_over(sandbox: &Sandbox) {
    until("the push has ended", LIMIT, || {
        let all = machine::all_of(&sandbox.root);
        !all.iter().any(|each| {
            ["landfall hook", "receive-pack", "hooks/p"]
                .iter()
                .any(|words| each.command.contains(words))
        })
    });
}

/// What of the push can be seen is where it belongs.
#[track_caller]
fn ended_as(sandbox: &Sandbox, end: End, what: &str, commit: &str, before: &Before) {
    let log = newest_log(sandbox);
    let (branch, release) = match end {
        End::Refused => (&before.branch, before.release),
        End::Live => (
            &Some(commit.to_owned()),
            sandbox.releases().into_iter().max(),
        ),
    };
    assert_eq!(
        &sandbox.remote_ref("refs/heads/master"),
        branch,
        "{what}: {log}"
    );
    assert_eq!(sandbox.live(), release, "{what}: {log}");
    let live = release.expect("a release was live before");
    let record = record(sandbox, live);
    assert_eq!(record["state"], "live", "{what}: {log}");
    assert_eq!(
        record["commit"].as_str(),
        branch.as_deref(),
        "{what}: {log}"
    );
    match end {
        End::Refused => assert_eq!(sandbox.releases(), before.releases, "{what}: {log}"),
        End::Live => {
            assert!(live > before.release.unwrap(), "{what}: {log}");
            let line = format!("is on {commit}, release {live}, after ");
            assert_eq!(log.matches(&line).count(), 1, "{what}: {log}");
            assert!(record["live_at"].is_u64(), "{what}: {record}");
        }
    }
    assert!(!sandbox.home.join("run/pending.json").exists(), "{what}");
    // What git leaves of a push that was refused with nobody there is git's to clear away (`git gc`).
    let left = names(&sandbox.repository().join("objects"));
    let is_left = left.iter().any(|name| name.starts_with("tmp_"));
    assert!(end == End::Refused || !is_left, "{what}: {left:?}");
}

/// Where a home stands before a push.
struct Before {
    branch: Option<String>,
    release: Option<u32>,
    releases: Vec<u32>,
}

impl Before {
    fn of(sandbox: &Sandbox) -> Self {
        Self {
            branch: sandbox.remote_ref("refs/heads/master"),
            release: sandbox.live(),
            releases: sandbox.releases(),
        }
    }
}

fn record(sandbox: &Sandbox, release: u32) -> serde_json::Value {
    let path = sandbox
        .home
        .join(format!("releases/{release}/release.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn newest_log(sandbox: &Sandbox) -> String {
    let logs = names(&sandbox.home.join("log/deploys"));
    let number = |name: &String| name.strip_suffix(".log")?.parse::<u32>().ok();
    let newest = logs.iter().filter_map(number).max();
    sandbox.deploy_log(newest.expect("there is a log"))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_client_that_is_lost_at_any_stage() {
    let sandbox = with_workers("gone");
    // As many as are kept, and one that is pruned.
    for name in ["1", "2", "3"] {
        commit(&sandbox, name);
        let _ = sandbox.push().accepted();
        sandbox.settle();
    }
    let whole = Left::of(&sandbox);
    let probe = Probe::start(sandbox.address, PATHS);
    for stage in PREPARE.into_iter().chain(GO_LIVE) {
        let began = std::time::Instant::now();
        let name = format!("at {stage}");
        let id = commit(&sandbox, &name);
        let before = Before::of(&sandbox);
        lose_at(&sandbox, stage);
        ended_as(&sandbox, End::Live, stage, &id, &before);
        let is_alone = newest_log(&sandbox).contains(FINISHED_ALONE);
        assert_eq!(is_alone, PREPARE.contains(&stage), "{stage}");
        assert_eq!(sandbox.release_shown(), name, "{stage}");
        whole.is_all_of(&sandbox);
        println!("{stage}: {:.1} s", began.elapsed().as_secs_f64());
    }
    // What would have been refused is, though nobody is told.
    let good = sandbox.read("landfall.toml");
    sandbox.edit("landfall.toml", "\"true\"", "\"false\"");
    let id = commit(&sandbox, "bad");
    let (before, state) = (Before::of(&sandbox), State::of(&sandbox));
    lose_at(&sandbox, "checkout");
    ended_as(&sandbox, End::Refused, "a check that fails", &id, &before);
    assert_eq!(sandbox.release_shown(), "at retire");
    state.comes_back(&sandbox, &[]);
    sandbox.write("landfall.toml", good);
    let _ = probe.stop().lost_nothing();
    // A client that stays sees the same.
    commit(&sandbox, "after");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "after");
    sandbox.settle();
    whole.is_all_of(&sandbox);
}

/// The connection, not the client: sshd's process of the session is killed, as sshd does with a client that answers no more.
#[test]
fn a_connection_over_ssh_that_is_lost() {
    let (sandbox, sshd) = ssh::with_keys("ssh-gone", App::Small);
    sandbox.add_workers();
    commit(&sandbox, "1");
    let _ = sandbox.push().accepted();
    let probe = Probe::start(sandbox.address, PATHS);
    for stage in ["frontend", "boot", "prepared", "verify"] {
        let name = format!("at {stage}");
        let id = commit(&sandbox, &name);
        let before = Before::of(&sandbox);
        let points = Checkpoints::new(&sandbox, ssh::CHECKPOINTS).stop_at(stage, 1);
        let mut client = sandbox.push_command().spawn().unwrap();
        let hook = points.reached(&mut client);
        assert!(sshd.drop_sessions() > 0, "{stage}: nobody is connected");
        let told = Push::new(&client.wait_with_output().unwrap());
        assert_ne!(told.code, Some(0), "{stage}: {}", told.stderr);
        go_on(hook.unwrap_or_else(|| panic!("no {stage}: {}", told.stderr)));
        until_over(&sandbox);
        ended_as(&sandbox, End::Live, stage, &id, &before);
        let is_alone = newest_log(&sandbox).contains(FINISHED_ALONE);
        assert_eq!(is_alone, PREPARE.contains(&stage), "{stage}");
        assert_eq!(sandbox.release_shown(), name, "{stage}");
    }
    let _ = probe.stop().lost_nothing();
    let _ = Checkpoints::new(&sandbox, ssh::CHECKPOINTS);
    commit(&sandbox, "after");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "after");
}

/// What pre-receive left behind finishes the deploy of a client that is gone; until the switch that can be cancelled too.
#[test]
fn what_finishes_a_deploy_alone_is_cancelled_before_the_switch_and_refused_after() {
    let sandbox = with_workers("gone-cancel");
    commit(&sandbox, "1");
    let _ = sandbox.push().accepted();
    let before = State::of(&sandbox);
    let id = commit(&sandbox, "2");

    let points = Checkpoints::new(&sandbox, "live").stop_at("prepared", 1);
    let client = points.watch(&mut sandbox.push_command()).spawn().unwrap();
    lose_and_wait(&sandbox, &points, client, "live");
    let moved = sandbox.remote_ref("refs/heads/master");
    assert_eq!(moved.as_deref(), Some(&*id), "git was to have moved it");
    let output = sandbox.landfall(&["cancel"]);
    assert!(output.status.success(), "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("it is back where it was"), "{told}");
    assert!(told.contains("the end of deploy 2 is cancelled"), "{told}");
    until_over(&sandbox);
    before.comes_back(&sandbox, &[]);
    let log = sandbox.deploy_log(2);
    assert!(log.contains("cancelled by `landfall cancel` ("), "{log}");

    let points = Checkpoints::new(&sandbox, "workers").stop_at("prepared", 1);
    let client = points.watch(&mut sandbox.push_command()).spawn().unwrap();
    let finisher = lose_and_wait(&sandbox, &points, client, "workers");
    let output = sandbox.landfall(&["cancel"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    let too_late = format!(
        "error: too late: release {} is live already",
        newest(&sandbox)
    );
    assert!(said(&output).contains(&too_late), "{}", said(&output));
    go_on(finisher);
    until_over(&sandbox);
    assert_eq!(sandbox.release_shown(), "2");
    assert_eq!(sandbox.remote_ref("refs/heads/master"), Some(id));
    sandbox.settle();
}

/// The client is lost after the release was prepared; gives what stands at the later instant in its hooks' place.
#[track_caller]
fn lose_and_wait(
    sandbox: &Sandbox,
    points: &Checkpoints,
    mut client: Child,
    later: &str,
) -> nix::unistd::Pid {
    let hook = points.reached(&mut client).expect("a prepared release");
    end(client);
    points.next_at(later, 1);
    go_on(hook);
    let finisher = points.stands();
    let command = fs::read_to_string(format!("/proc/{finisher}/cmdline")).unwrap();
    assert!(command.contains("hook\0finish"), "{command}");
    let git = machine::all_of(&sandbox.root);
    let git = git
        .iter()
        .find(|each| each.command.contains("receive-pack"));
    assert!(git.is_none(), "{git:?}");
    finisher
}

fn newest(sandbox: &Sandbox) -> u32 {
    sandbox.releases().into_iter().max().unwrap()
}
