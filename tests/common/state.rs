//! The state of a home that a failed deploy must leave as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::sandbox::Sandbox;

/// What can be compared of a home: which release is live, which files there are, what runs, where the branch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    live: Option<u32>,
    releases: Vec<u32>,
    branch: Option<String>,
    files: BTreeSet<String>,
    /// How many processes run for each release, and for none (supervisord, nginx).
    processes: BTreeMap<Option<u32>, usize>,
}

impl State {
    /// The state once everything that is to end has ended.
    #[track_caller]
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        sandbox.settle();
        Self::now(sandbox)
    }

    fn now(sandbox: &Sandbox) -> Self {
        let (mut files, mut processes) = (BTreeSet::new(), BTreeMap::new());
        list(&sandbox.home, "", &mut files);
        for process in sandbox.processes() {
            *processes.entry(process.release).or_default() += 1;
        }
        Self {
            live: sandbox.live(),
            releases: sandbox.releases(),
            branch: sandbox.remote_ref("refs/heads/master"),
            files,
            processes,
        }
    }

    /// Waits until the home is as it was; what differs is told. `may_stay` are folders that may hold more than before.
    #[track_caller]
    pub(crate) fn comes_back(&self, sandbox: &Sandbox, may_stay: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut now = Self::now(sandbox);
            now.files.retain(|file| {
                self.files.contains(file) || !may_stay.iter().any(|start| file.starts_with(start))
            });
            if now == *self {
                return;
            }
            assert!(
                Instant::now() <= deadline,
                "{}",
                self.difference(&now, sandbox)
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn difference(&self, now: &Self, sandbox: &Sandbox) -> String {
        let new: Vec<_> = now.files.difference(&self.files).collect();
        let gone: Vec<_> = self.files.difference(&now.files).collect();
        let processes: Vec<String> = sandbox
            .processes()
            .into_iter()
            .map(|process| process.command.chars().take(120).collect())
            .collect();
        format!(
            "not as it was.\nnew files: {new:?}\nfiles gone: {gone:?}\nlive: {:?}, was {:?}\nreleases: {:?}, were {:?}\n\
             branch: {:?}, was {:?}\nprocesses by release: {:?}, were {:?}: {processes:#?}",
            now.live,
            self.live,
            now.releases,
            self.releases,
            now.branch,
            self.branch,
            now.processes,
            self.processes
        )
    }
}

/// The files of the home; not those of releases, repository and caches (which may gain whole entries), not the logs, not
/// the database's.
fn list(folder: &Path, relative: &str, files: &mut BTreeSet<String>) {
    const APART: [&str; 4] = ["releases", "cache", ".cache", "log"];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{relative}{name}");
        let is_apart = (relative.is_empty()
            && (APART.contains(&name.as_str()) || name.ends_with(".git")))
            || name.starts_with("db.sqlite3")
            || name == "calls.log"
            || path.starts_with("shared/broker/");
        if is_apart {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            list(&entry.path(), &format!("{path}/"), files);
        }
        files.insert(path);
    }
}
