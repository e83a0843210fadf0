//! What a push leaves for afterwards: files for the next checkout to begin with, and a repository that does not grow.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::common::checkpoints::Checkpoints;
use crate::common::{App, Sandbox, machine, until};

const LIMIT: Duration = Duration::from_secs(60);

/// So many files are worth a spare (`src/upkeep.rs`).
const MANY: usize = 1_100;

fn write_many(sandbox: &Sandbox, folder: &str, count: usize) {
    for number in 0..count {
        let path = format!("{folder}/{}/{number}.txt", number % 20);
        sandbox.write(&path, format!("{folder} {number}\n"));
    }
}

fn spare(sandbox: &Sandbox) -> PathBuf {
    sandbox.home.join("cache/spare/src")
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// What was left behind has ended.
#[track_caller]
fn until_kept_up(sandbox: &Sandbox) {
    until("nothing that a push left runs", LIMIT, || {
        let all = machine::all_of(&sandbox.root);
        !all.iter().any(machine::Process::is_left_behind)
    });
}

/// Upkeep has made a spare, and has ended.
#[track_caller]
fn until_there_is_a_spare(sandbox: &Sandbox) {
    until("there is a spare", LIMIT, || spare(sandbox).is_dir());
    until_kept_up(sandbox);
}

/// `landfall hook upkeep`, as a push leaves it.
fn upkeep(sandbox: &Sandbox) -> std::process::Command {
    let mut command = sandbox.landfall_command();
    let settings = sandbox.settings_file();
    command
        .args(["hook", "upkeep", "--settings"])
        .arg(settings)
        .env("HOME", &sandbox.home);
    command
}

#[test]
fn the_second_push_of_a_large_repository_writes_what_changed() {
    let sandbox = Sandbox::new("upkeep").app(App::Static).create();
    write_many(&sandbox, "many", MANY);
    sandbox.commit("Many files");
    let _ = sandbox.push().accepted();
    until_there_is_a_spare(&sandbox);
    let one = Path::new("many/7/7.txt");
    let of_spare = inode(&spare(&sandbox).join(one));
    let first = sandbox.home.join("current/src").join(one);
    assert_ne!(inode(&first), of_spare, "a spare is nobody's files");
    sandbox.write("number.txt", "2");
    sandbox.commit("Next");
    let _ = sandbox.push().accepted();
    let live = sandbox.home.join("current/src");
    assert_eq!(inode(&live.join(one)), of_spare);
    assert_eq!(sandbox.get("/number.txt").ok().text(), "2");
    assert_eq!(sandbox.get("/many/7/7.txt").ok().text(), "many 7\n");
    // The next has one too.
    until_there_is_a_spare(&sandbox);

    // Killed while it is made: nothing of it is ever taken for a spare, and the next takes its leavings away.
    fs::remove_dir_all(sandbox.home.join("cache/spare")).unwrap();
    let points = Checkpoints::new(&sandbox, "upkeep");
    let mut command = upkeep(&sandbox);
    // Before it: `upkeep` itself. Folders and files come one by one.
    points.next_at("upkeep", 1);
    let mut child = points.watch(&mut command).spawn().unwrap();
    let pid = points.reached(&mut child).expect("it makes a spare");
    fs::create_dir_all(sandbox.home.join("cache/spare.new/src/many")).unwrap();
    kill(pid, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    sandbox.write("number.txt", "3");
    sandbox.commit("Next");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.get("/number.txt").ok().text(), "3");
    until_there_is_a_spare(&sandbox);
    assert!(!sandbox.home.join("cache/spare.new").exists());
    assert!(spare(&sandbox).join(one).is_file());
}

/// The packs and the loose objects of the app's repository.
fn objects(sandbox: &Sandbox) -> (usize, usize) {
    let folder = sandbox.repository().join("objects");
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    };
    let packs = names(&folder.join("pack"));
    let packs = packs.iter().filter(|name| name.ends_with(".pack")).count();
    let loose = names(&folder)
        .iter()
        .filter(|name| name.len() == 2)
        .map(|name| names(&folder.join(name)).len())
        .sum();
    (packs, loose)
}

#[test]
fn packs_and_loose_objects_stay_few_and_every_commit_stays() {
    let sandbox = Sandbox::new("upkeep-git").app(App::Static).create();
    let mut commits = Vec::new();
    for number in 0..24 {
        // Large pushes are kept as packs, small ones as loose objects (git-config(1), transfer.unpackLimit).
        write_many(&sandbox, "packed", if number % 2 == 0 { 110 } else { 30 });
        sandbox.write("number.txt", number.to_string());
        for entry in 0..if number % 2 == 0 { 110 } else { 30 } {
            sandbox.write(&format!("n/{entry}.txt"), format!("{number} {entry}"));
        }
        commits.push(sandbox.commit("Next"));
        let _ = sandbox.push().accepted();
        until_kept_up(&sandbox);
    }
    let (packs, loose) = objects(&sandbox);
    assert!(packs <= 6, "{packs} packs");
    assert!(loose <= 20, "{loose} loose objects");
    let found = sandbox
        .command("git")
        .arg("--git-dir")
        .arg(sandbox.repository())
        .args(["fsck", "--full", "--strict"])
        .output()
        .unwrap();
    assert!(found.status.success(), "{found:?}");
    for commit in commits {
        assert!(sandbox.remote_ref(&commit).is_some(), "{commit} is gone");
    }
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.get("/number.txt").ok().text(), "22");
    let tag = |number: usize| {
        sandbox.git(&["tag", &format!("v{number}")]);
    };
    (0..110).for_each(tag);
    let _ = sandbox.push_with(&["production", "--tags"]);
    let refs = || {
        let tags = fs::read_dir(sandbox.repository().join("refs/tags"));
        tags.into_iter().flatten().count()
    };
    assert_eq!(refs(), 110);
    let done = upkeep(&sandbox).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(refs(), 0);
    assert!(sandbox.remote_ref("refs/tags/v109").is_some());
}

#[test]
fn what_force_pushes_left_goes_once_a_month() {
    let sandbox = Sandbox::new("upkeep-forced").app(App::Static).live();
    sandbox.write("secret.txt", "pushed by mistake");
    let gone = sandbox.commit("A mistake");
    let _ = sandbox.push().accepted();
    sandbox.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    sandbox.write("number.txt", "2");
    sandbox.commit("Instead");
    let _ = sandbox
        .push_with(&["--force", "production", "HEAD:refs/heads/master"])
        .accepted();
    until_kept_up(&sandbox);
    let is_there = || {
        let id = format!("{gone}^{{commit}}");
        sandbox.remote_ref(&id).is_some()
    };
    let month = Duration::from_secs(31 * 24 * 3600);
    let long_ago = std::time::SystemTime::now() - month;
    let age = |path: &Path| {
        let file = fs::File::open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    };
    let objects_age = || {
        // git keeps what is younger than two weeks: a push may be about to use it.
        for folder in fs::read_dir(sandbox.repository().join("objects")).unwrap() {
            let folder = folder.unwrap().path();
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.for_each(|object| age(&object.path()));
        }
    };
    objects_age();
    let done = upkeep(&sandbox).output().unwrap();
    assert!(done.status.success() && is_there(), "not yet");
    objects_age();
    age(&sandbox.home.join("cache/collected"));
    let done = upkeep(&sandbox).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert!(!is_there(), "{gone} is still there");
    assert_eq!(sandbox.get("/number.txt").ok().text(), "2");
}
