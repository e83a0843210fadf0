//! The state of a home that a failed deploy must leave as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::sandbox::Sandbox;

/// What can be compared of a home: which release is live, which files there are, what runs, where the branch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    live: Option<u32>,
    releases: Vec<u32>,
    branch: Option<String>,
    files: BTreeSet<String>,
    processes: Vec<String>,
}

impl State {
    /// The state once everything that is to end has ended.
    #[track_caller]
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        sandbox.settle();
        let mut files = BTreeSet::new();
        list(&sandbox.home, "", &mut files);
        Self {
            live: sandbox.live(),
            releases: sandbox.releases(),
            branch: sandbox.remote_ref("refs/heads/master"),
            files,
            processes: sandbox
                .processes()
                .into_iter()
                .map(|process| process.command)
                .collect(),
        }
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
