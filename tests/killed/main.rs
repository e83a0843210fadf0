//! Killed at every instant: a deploy, a rollback, the pruning at a deploy's end and the recovery after a crash are stopped
//! before each change of the disk, each program and each order to supervisord, and where each stage begins and ends
//! (`src/base/checkpoint.rs`). There everything of the run is killed, and then the site must serve one whole release, a push
//! must succeed, straight away or after a boot, and nothing may be left over.
//!
//! `cargo test --test killed` kills at the named instants and at some of the others; `make soak` at all of them, and at random
//! times besides.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs,
    reason = "tests look at the machine itself, and a failed unwrap is a failed test"
)]
#![allow(
    dead_code,
    unused_imports,
    reason = "tests/common serves other tests too"
)]

#[path = "../common/mod.rs"]
mod common;
mod left;
mod plan;
mod power;
mod scene;

use std::time::Duration;

use plan::{Case, Instant, Killer};
use power::{Change, Disk};
use scene::{Recipe, Scene};

/// Every so many of the instants that have no name, outside `make soak`.
const STRIDE: usize = 11;

/// Every so many of the changes of the disk at which the power fails, outside `make soak`.
const POWER_STRIDE: usize = 14;

/// All instants, not a selection: `make soak`.
fn is_soak() -> bool {
    std::env::var_os("LANDFALL_SOAK").is_some()
}

#[test]
fn killed_at_an_instant() {
    let counted = Scene::new("count").count();
    let mut cases = Vec::new();
    for (recipe, instants) in &counted {
        let (named, others): (Vec<_>, Vec<_>) = instants.iter().partition(|each| each.has_name());
        println!(
            "{recipe:?}: {} instants, {} of them with a name",
            instants.len(),
            named.len()
        );
        let stride = if is_soak() { 1 } else { STRIDE };
        cases.extend(named.into_iter().map(|instant| (*recipe, instant.clone())));
        let chosen = others.into_iter().step_by(stride);
        cases.extend(chosen.map(|instant| (*recipe, instant.clone())));
    }
    // With a boot after every other one; in make soak, after that the other way round.
    let turns: &[usize] = if is_soak() { &[0, 1] } else { &[1] };
    let cases = turns
        .iter()
        .flat_map(|turn| {
            let numbered = cases.iter().enumerate();
            numbered.map(move |(number, (recipe, instant))| {
                Case::new(*recipe, instant.clone(), number % 2 == *turn)
            })
        })
        .collect();
    plan::run("killed", cases);
}

/// At times that nobody chose: what the instants do not show. `LANDFALL_SEED` repeats a run.
#[test]
fn killed_at_any_time() {
    let (count, seed) = (if is_soak() { 300 } else { 4 }, plan::seed());
    println!("LANDFALL_SEED={seed}");
    let mut random = plan::Random::new(seed);
    let cases = (0..count)
        .map(|_| {
            let recipe = Recipe::ALL[random.below(Recipe::ALL.len())];
            let after = Duration::from_millis(random.below(100) as u64);
            let killer = if random.below(3) == 0 {
                Killer::HookAlone
            } else {
                Killer::All
            };
            Case::new(recipe, Instant::Part(after), random.below(2) == 1).by(killer)
        })
        .collect();
    plan::run("any-time", cases);
}

/// The power fails at an instant: what was not synced by then is empty, or not there at all.
#[test]
fn the_power_fails() {
    let counted = Scene::new("power-count").count();
    let mut cases = Vec::new();
    for (recipe, instants) in counted {
        let writes = instants.into_iter().filter(|each| each.is_write());
        let stride = if is_soak() { 1 } else { POWER_STRIDE };
        for (number, instant) in writes.step_by(stride).enumerate() {
            let killer = Killer::PowerCut {
                names: number % 2 == 1,
            };
            cases.push(Case::new(recipe, instant, true).by(killer));
        }
    }
    plan::run("power", cases);
}

/// What the deploy says is there is on the disk before it says so: a file before its rename, a cache entry before its mark, the
/// commit before its branch, and the whole release before the link.
#[test]
fn what_must_last_is_synced_first() {
    let mut scene = Scene::new("synced");
    let (mut disk, trace) = scene.traced_push(is_soak());
    let home = scene.home().to_owned();
    let (mut faults, mut renames, mut live) = (Vec::new(), 0, None);
    let mut unsynced: std::collections::BTreeMap<String, std::path::PathBuf> = Default::default();
    let (mut seen, mut syncs) = ([0; 3], Vec::new());
    disk.follow(&trace, &mut |disk: &Disk, thread, change| {
        if let Some(folder) = unsynced.remove(thread) {
            let is_synced = match change {
                Change::FolderSynced(synced) => *synced == folder,
                Change::AllSynced(_) => true,
                _ => false,
            };
            if !is_synced {
                faults.push(format!(
                    "{}: not synced after a rename in it",
                    folder.display()
                ));
            }
        }
        if let Change::AllSynced(took) = change {
            syncs.push(*took);
        }
        let Change::Renamed { from, to } = change else {
            return;
        };
        let name =
            |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
        if name(from).starts_with('.') && name(from).ends_with(".tmp") && to.starts_with(&home) {
            renames += 1;
            if !disk.has_content(from) {
                faults.push(format!("{}: renamed before it was synced", to.display()));
            }
            unsynced.insert(thread.to_owned(), to.parent().unwrap().to_owned());
        }
        let lost_below = |what: &std::path::Path| {
            let mut lost = disk.lost_below(what);
            // What is renamed has its name from the rename.
            lost.retain(|each| !each.ends_with(&*from.to_string_lossy()));
            let lost = lost.into_iter().take(5);
            lost.map(|lost| format!("{}: {lost} is not synced", to.display()))
        };
        if name(to) == ".landfall-complete" {
            seen[0] += 1;
            faults.extend(lost_below(to.parent().unwrap()));
        } else if to.ends_with("small.git/refs/heads/master") {
            seen[1] += 1;
            // Git leaves their names to the file system's journal, which has them no later than the branch's.
            let objects = disk.lost_below(&home.join("small.git/objects"));
            faults.extend(
                objects
                    .into_iter()
                    .filter(|lost| lost.starts_with("content")),
            );
            if !disk.has_content(from) {
                faults.push(format!("{}: moved before it was synced", to.display()));
            }
        } else if *to == home.join("current") {
            seen[2] += 1;
            let release = home.join(disk.link(from).expect("it is a link"));
            faults.extend(lost_below(&release));
            faults.extend(lost_below(&home.join("cache")));
            live = Some(release);
        }
    });
    println!("{renames} renames, marks, branches and links: {seen:?}; syncfs took {syncs:?} s");
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(
        live.is_some_and(|live| live.is_dir()),
        "the trace shows no switch"
    );
    assert!(
        renames > 10 && seen[0] >= 2 && seen[1] == 1 && seen[2] == 1,
        "{renames} {seen:?}"
    );
}
