//! What there is in a home, counted: after a run that was killed and a push, no more than before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::Sandbox;

/// Cache entries that are kept besides those in use (`src/prune.rs`).
const SPARE_ENTRIES: usize = 3;

/// A home that has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// Files, but for those of releases, caches, kept assets and logs.
    files: BTreeSet<String>,
    /// What lies in the live release's folder.
    release: BTreeSet<String>,
    /// Processes by what they are.
    processes: BTreeMap<String, usize>,
    /// How many releases there are.
    releases: usize,
    /// Temporary files, locks, half caches: anything of these is a fault.
    faults: BTreeSet<String>,
}

impl Left {
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        let home = &sandbox.home;
        let live = sandbox.live().expect("a release is live");
        let mut files = BTreeSet::new();
        list(home, "", &|path| is_apart(path), &mut files);
        let release = names(&home.join(format!("releases/{live}")));
        let mut processes: BTreeMap<String, usize> = BTreeMap::new();
        for process in sandbox.processes() {
            let command: Vec<&str> = process.command.split_whitespace().take(3).collect();
            let command = command.join(" ").replace(&format!("/{live}/"), "/N/");
            *processes.entry(command).or_default() += 1;
        }
        Self {
            files,
            release,
            processes,
            releases: sandbox.releases().len(),
            faults: faults(sandbox),
        }
    }

    /// The home has no more and no less than this.
    #[track_caller]
    pub(crate) fn is_all_of(&self, sandbox: &Sandbox) {
        assert!(self.faults.is_empty(), "{:?}", self.faults);
        // A process that just ended is gone in a moment.
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let mut now = Self::of(sandbox);
            // One whose processes still ran when the next was pruned stays until the one after that.
            if now.releases == self.releases + 1 {
                now.releases = self.releases;
            }
            if now == *self {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{}\n{}",
                self.difference(&now),
                last_log(sandbox)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn difference(&self, now: &Self) -> String {
        let sets = [
            ("files", &self.files, &now.files),
            ("live release", &self.release, &now.release),
            ("faults", &self.faults, &now.faults),
        ];
        let mut text = String::from("not as before\n");
        for (what, before, now) in sets {
            let new: Vec<_> = now.difference(before).collect();
            let gone: Vec<_> = before.difference(now).collect();
            if !(new.is_empty() && gone.is_empty()) {
                text.push_str(&format!("{what}: new {new:?}, gone {gone:?}\n"));
            }
        }
        if self.processes != now.processes {
            text.push_str(&format!(
                "processes: {:#?}, were {:#?}\n",
                now.processes, self.processes
            ));
        }
        if self.releases != now.releases {
            text.push_str(&format!(
                "releases: {}, were {}\n",
                now.releases, self.releases
            ));
        }
        text
    }
}

fn is_apart(path: &str) -> bool {
    const APART: [&str; 6] = ["releases", "cache", ".cache", "log", "assets", "calls.log"];
    APART.contains(&path) || path.ends_with(".git") || path.starts_with("shared/db.sqlite3")
        // What supervisord said when a push started it; a boot leaves none.
        || path == "run/supervisord.out"
}

/// Everything below, links and folders too, but what `is_apart`.
fn list(
    folder: &Path,
    relative: &str,
    is_apart: &dyn Fn(&str) -> bool,
    files: &mut BTreeSet<String>,
) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{relative}{}", entry.file_name().to_string_lossy());
        if is_apart(&path) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&entry.path(), &format!("{path}/"), is_apart, files);
        }
        files.insert(path);
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// What may never be there once nobody works in the home.
fn faults(sandbox: &Sandbox) -> BTreeSet<String> {
    let home = &sandbox.home;
    let mut faults = BTreeSet::new();
    // Our own temporary files, wherever they could be.
    let mut all = BTreeSet::new();
    let foreign = |path: &str| {
        path.contains("/src") || path.contains("/node_modules/") || path.contains("/lib/")
    };
    list(home, "", &foreign, &mut all);
    for path in &all {
        let name = path.rsplit('/').next().unwrap_or_default();
        if name.starts_with('.') && name.ends_with(".tmp") {
            faults.insert(format!("temporary: {path}"));
        }
        if path.starts_with("small.git/") && name.ends_with(".lock") {
            faults.insert(format!("git's lock: {path}"));
        }
    }
    // Caches: whole, and no more than are in use or spare.
    for shelf in ["frontend", "node_modules", "venv"] {
        let entries = names(&home.join("cache").join(shelf));
        let most = SPARE_ENTRIES + sandbox.releases().len();
        if entries.len() > most {
            faults.insert(format!("{} entries of cache/{shelf}", entries.len()));
        }
        for entry in entries {
            if !home
                .join(format!("cache/{shelf}/{entry}/.landfall-complete"))
                .exists()
            {
                faults.insert(format!("unfinished: cache/{shelf}/{entry}"));
            }
        }
    }
    // Releases: good ones alone.
    for number in sandbox.releases() {
        let path = home.join(format!("releases/{number}/release.json"));
        let text = fs::read_to_string(path).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let state = record["state"].as_str().unwrap_or("none").to_owned();
        let wanted = if sandbox.live() == Some(number) {
            "live"
        } else {
            "retired"
        };
        if state != wanted {
            faults.insert(format!("release {number} is {state}"));
        }
    }
    for process in sandbox.strays() {
        faults.insert(format!("stray: {}", process.command));
    }
    faults
}

/// What the last run said that has a log: it may tell why something is left.
fn last_log(sandbox: &Sandbox) -> String {
    let folder = sandbox.home.join("log/deploys");
    let numbers = names(&folder)
        .into_iter()
        .filter_map(|name| name.strip_suffix(".log")?.parse::<u32>().ok());
    numbers
        .max()
        .map(|number| sandbox.deploy_log(number))
        .unwrap_or_default()
}
