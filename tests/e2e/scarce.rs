//! What a small server runs out of: disk, inodes, memory, file descriptors, and a clock that goes forward. The site serves on, a
//! push says what is missing, and once it is there the same push works.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::common::checkpoints::{Checkpoints, go_on};
use crate::common::{App, Probe, Push, Sandbox, State, Tasks};

const PATHS: &[&str] = &["/", "/api/about/"];

#[test]
fn room_is_asked_for_before_anything_is_written() {
    let sandbox = Sandbox::new("room")
        .disk("size=500m,nr_inodes=20000")
        .live();
    sandbox.name_release("2");
    sandbox.commit("Second");
    let before = State::of(&sandbox);
    let disk = sandbox.disk();
    let probe = Probe::start(sandbox.address, PATHS);
    disk.fill(8 * 1024 * 1024);
    let _ = sandbox
        .push()
        .rejected()
        .said("error: plan: 8.")
        .said(" MB free on the disk, and this deploy needs about 3")
        .said("hint: see what takes it: df -h ");
    before.comes_back(&sandbox, &[]);
    disk.empty();
    disk.fill_inodes(300);
    let _ = sandbox
        .push()
        .rejected()
        .said(" inodes free on the disk (as many files can be made), and this deploy needs about 5")
        .said("hint: see what takes them: df -i ");
    disk.empty();
    before.comes_back(&sandbox, &[]);
    // What an upkeep did not come to is no reason to refuse.
    let trash = sandbox.home.join("cache/trash/of-before");
    fs::create_dir_all(&trash).unwrap();
    fs::write(trash.join("file"), vec![1; 60 << 20]).unwrap();
    disk.fill(8 * 1024 * 1024);
    let _ = sandbox.push().accepted();
    assert!(!trash.exists());
    disk.empty();
    assert_eq!(sandbox.release_shown(), "2");
    // What the packages took is known: installing them again has to fit, too.
    sandbox.edit("requirements.txt", "\n", "\n# again\n");
    sandbox.commit("Packages again");
    disk.fill(45 * 1024 * 1024);
    let _ = sandbox.push().rejected().said("this deploy needs about");
    disk.empty();
    let _ = probe.stop().lost_nothing();
}

/// The disk fills up at the moment of one change of the file system, for every so many of them.
fn full_at(app: App, size: &str, every: usize) {
    let sandbox = Sandbox::new("full").app(app).disk(size).live();
    let paths: &'static [&'static str] = if app == App::Static { &["/"] } else { PATHS };
    let probe = Probe::start(sandbox.address, paths);
    let all = Checkpoints::new(&sandbox, "all");
    name(&sandbox, "count");
    sandbox.commit("Count");
    let counted = all
        .watch(sandbox.git_command().args(PUSH))
        .output()
        .unwrap();
    let _ = Push::new(&counted).accepted();
    let writes = all.count("write");
    let every = if std::env::var_os("LANDFALL_SOAK").is_some() {
        1
    } else {
        every
    };
    let (mut rejected, mut accepted) = (0, 0);
    for number in (1..=writes).step_by(every) {
        name(&sandbox, &format!("w{number}"));
        sandbox.commit(&format!("Full at write {number}"));
        let before = State::of(&sandbox);
        let live = sandbox.live();
        let instants = Checkpoints::new(&sandbox, &number.to_string()).stop_at("write", number);
        let mut push = instants
            .watch(sandbox.git_command().args(PUSH))
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let stopped = instants.reached(&mut push);
        sandbox.disk().fill(0);
        if let Some(pid) = stopped {
            go_on(pid);
        }
        let ended = Push::new(&push.wait_with_output().unwrap());
        let said = &ended.stderr;
        assert!(!said.contains("panicked"), "write {number}: {said}");
        if ended.code == Some(0) && sandbox.live() != live {
            accepted += 1;
            sandbox.disk().empty();
        } else {
            rejected += 1;
            assert_eq!(sandbox.live(), live, "write {number}: {said}");
            assert!(
                [
                    "the disk is full",
                    "No space left",
                    "free on the disk",
                    "couldn't write", // git's own words
                ]
                .iter()
                .any(|text| said.contains(text)),
                "write {number}: {said}"
            );
            sandbox.disk().empty();
            // A refused push leaves nothing; after post-receive git had moved the ref, and a deploy takes it up.
            if sandbox.live() == live && ended.code != Some(0) {
                before.comes_back(&sandbox, &["run/"]);
            }
            let again = sandbox.push();
            assert_eq!(again.code, Some(0), "write {number}: {}", again.stderr);
            if again.stderr.contains("up-to-date") {
                sandbox.landfall_ok(&["deploy"]);
            }
        }
        let shown = sandbox.get("/").ok().release();
        assert_eq!(shown, Some(format!("w{number}")), "{said}");
    }
    println!(
        "{writes} writes; full at one of them: {rejected} pushes refused, {accepted} live all the same"
    );
    assert!(rejected > 0);
    let _ = probe.stop().lost_nothing();
}

fn name(sandbox: &Sandbox, release: &str) {
    if sandbox.app == App::Static {
        let page = format!("<!doctype html><meta name=\"release\" content=\"{release}\" />\n");
        return sandbox.write("index.html", page);
    }
    sandbox.name_release(release);
}

const PUSH: [&str; 3] = ["push", "production", "HEAD:refs/heads/master"];

#[test]
fn a_disk_that_fills_up_at_any_write_of_a_static_site() {
    full_at(App::Static, "size=80m,nr_inodes=20000", 2);
}

#[test]
fn a_disk_that_fills_up_at_any_write_of_an_app() {
    full_at(App::Small, "size=500m,nr_inodes=60000", 9);
}

/// Linux makes a file system read-only after an error of the disk: for the push, here, and for nobody else.
#[test]
fn a_read_only_file_system_is_named() {
    let sandbox = Sandbox::new("read-only").live();
    sandbox.name_release("2");
    sandbox.commit("Second");
    let before = State::of(&sandbox);
    let home = sandbox.home.to_string_lossy().into_owned();
    let git = sandbox.git_command();
    let mut push = Command::new("unshare");
    push.args(["--mount", "sh", "-euc"])
        .arg("mount --bind \"$0\" \"$0\"; mount -o remount,bind,ro \"$0\"; exec git push production HEAD:refs/heads/master")
        .arg(&home)
        .current_dir(&sandbox.work)
        .env_clear()
        .envs(git.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let push = Push::new(&push.output().unwrap());
    assert_ne!(push.code, Some(0), "{}", push.stderr);
    assert!(
        push.stderr.to_lowercase().contains("read-only"),
        "{}",
        push.stderr
    );
    before.comes_back(&sandbox, &[]);
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
}

#[test]
fn too_few_file_descriptors_are_refused_and_leave_nothing() {
    let sandbox = Sandbox::new("descriptors").live();
    let mut refused = 0;
    for limit in [7, 9, 11, 13, 15, 18, 22, 30] {
        sandbox.name_release(&limit.to_string());
        sandbox.commit(&format!("With {limit}"));
        let before = State::of(&sandbox);
        let live = sandbox.live();
        let mut git = sandbox.git_command();
        git.args(PUSH);
        let mut push = Command::new("prlimit");
        push.arg(format!("--nofile={limit}:{limit}"))
            .arg("git")
            .args(git.get_args())
            .current_dir(&sandbox.work)
            .env_clear()
            .envs(
                git.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        let push = Push::new(&push.output().unwrap());
        assert!(
            !push.stderr.contains("panicked"),
            "{limit}: {}",
            push.stderr
        );
        if push.code == Some(0) && sandbox.live() != live {
            continue;
        }
        refused += 1;
        assert_eq!(sandbox.live(), live, "{limit}: {}", push.stderr);
        before.comes_back(&sandbox, &[]);
        let again = sandbox.push();
        assert_eq!(again.code, Some(0), "{limit}: {}", again.stderr);
        assert_eq!(sandbox.release_shown(), limit.to_string());
    }
    println!("{refused} of 8 limits were too low");
    assert!(refused > 1);
}

/// The kernel refuses to make a process or a thread: to git, to a hook, to what a hook runs.
#[test]
fn too_few_processes_are_refused_and_leave_nothing() {
    const LIMITS: [usize; 12] = [2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16, 22];
    let sandbox = Sandbox::new("processes").live();
    // Node waits for ever for threads that it could not make.
    sandbox.write("landfall.toml", "[frontend]\ntimeout = \"20s\"\n");
    let tasks = Tasks::new("few");
    let probe = Probe::start(sandbox.address, PATHS);
    let (mut by_git, mut by_us) = (0, 0);
    for limit in LIMITS {
        sandbox.name_release(&limit.to_string());
        sandbox.commit(&format!("With {limit}"));
        let before = State::of(&sandbox);
        let live = sandbox.live();
        tasks.limit(limit);
        let mut git = sandbox.git_command();
        let push = tasks
            .count(&sandbox, git.args(PUSH))
            .output()
            .map(|output| Push::new(&output))
            .unwrap();
        let said = &push.stderr;
        assert!(!said.contains("panicked"), "{limit}: {said}");
        if push.code == Some(0) && sandbox.live() != live {
            continue;
        }
        assert_eq!(sandbox.live(), live, "{limit}: {said}");
        before.comes_back(&sandbox, &[]);
        if said.contains("remote: landfall · ") {
            by_us += 1;
            assert!(
                said.contains("hint: too many processes or threads")
                    || said.contains("did not end within 20s"),
                "{limit}: {said}"
            );
        } else {
            by_git += 1;
            assert!(
                [
                    "fork",
                    "create thread",
                    "create async",
                    "temporarily unavailable"
                ]
                .iter()
                .any(|text| said.contains(text)),
                "{limit}: {said}"
            );
        }
        let again = sandbox.push();
        assert_eq!(again.code, Some(0), "{limit}: {}", again.stderr);
        assert_eq!(sandbox.release_shown(), limit.to_string());
    }
    println!("{by_git} limits were too low for git, {by_us} for what Landfall runs");
    assert!(by_us > 2);
    let _ = probe.stop().lost_nothing();
}

#[test]
fn a_build_without_memory_says_so() {
    let sandbox = Sandbox::new("memory").live();
    let before = State::of(&sandbox);
    let probe = Probe::start(sandbox.address, PATHS);
    sandbox.write(
        "landfall.toml",
        "[frontend]\nenv = { NODE_OPTIONS = \"--max-old-space-size=24\" }\n",
    );
    sandbox.edit(
        "frontend/build.js",
        "rmSync(\"dist\"",
        "const all = []; for (;;) all.push(new Array(10000).fill({}));\nrmSync(\"dist\"",
    );
    sandbox.commit("Allocate for ever");
    let _ = sandbox
        .push()
        .rejected()
        .said("JavaScript heap out of memory")
        .said("out of memory: give the server swap");
    before.comes_back(&sandbox, &[]);
    // As the kernel's out-of-memory killer does it.
    sandbox.edit(
        "frontend/build.js",
        "const all = []; for (;;) all.push(new Array(10000).fill({}));",
        "process.kill(process.pid, \"SIGKILL\");",
    );
    sandbox.commit("Killed");
    let _ = sandbox
        .push()
        .rejected()
        .said("out of memory")
        .said("hint: give it more: swap");
    before.comes_back(&sandbox, &[]);
    let _ = probe.stop().lost_nothing();
}

/// Everything on the disk is of next year: the clock was wrong when it was written, and has been put right.
#[test]
fn a_clock_that_jumps_back_disturbs_nothing() {
    let sandbox = Sandbox::new("clock").setting("keep_releases = 3").live();
    for release in ["2", "3"] {
        sandbox.name_release(release);
        sandbox.commit(release);
        let _ = sandbox.push().accepted();
    }
    sandbox.settle();
    let later = SystemTime::now() + Duration::from_secs(366 * 24 * 3600);
    age(&sandbox.home, later);
    let unix = later
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for release in sandbox.releases() {
        let record = sandbox
            .home
            .join(format!("releases/{release}/release.json"));
        let text = fs::read_to_string(&record).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for key in ["created", "live_at"] {
            value[key] = serde_json::json!(unix + u64::from(release));
        }
        fs::write(&record, value.to_string()).unwrap();
    }
    let probe = Probe::start(sandbox.address, PATHS);
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.release_shown(), "2");
    for release in ["4", "5", "6", "7"] {
        sandbox.name_release(release);
        sandbox.commit(release);
        let _ = sandbox.push().accepted();
        assert_eq!(sandbox.release_shown(), release);
    }
    assert_eq!(
        sandbox.releases(),
        // The live one, and three to go back to.
        [4, 5, 6, 7],
        "{}",
        sandbox.landfall_ok(&["releases"])
    );
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.release_shown(), "6");
    for command in ["status", "releases", "ps"] {
        sandbox.landfall_ok(&[command]);
    }
    let _ = probe.stop().lost_nothing();
}

fn age(folder: &std::path::Path, to: SystemTime) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            age(&entry.path(), to);
        }
        // Of the other tests, too: they have links to the same files.
        if kind.is_file() && entry.metadata().unwrap().nlink() > 1 {
            let own = entry.path().with_extension("own");
            fs::copy(entry.path(), &own).unwrap();
            fs::rename(own, entry.path()).unwrap();
        }
        if kind.is_file() || kind.is_dir() {
            let open = fs::File::open(entry.path());
            let _ = open.and_then(|file| file.set_modified(to));
        }
    }
}
