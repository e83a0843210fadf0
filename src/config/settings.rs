//! What is deployed and how, settled: every value checked, every default filled in.
//!
//! Made by `config::settle` from what `landfall.toml` says and what is detected in the tree; nothing half-valid travels
//! past this type.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::names::{EnvName, ProcessName, PythonName, RepoPath, UrlPath, WsgiTarget};

/// The settled settings of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The frontend, if there is one.
    pub frontend: Option<Frontend>,
    /// The Django backend, if there is one.
    pub backend: Option<Backend>,
    /// Processes besides web, in the order they are started.
    pub workers: Vec<Worker>,
    /// What outlives releases.
    pub shared: Shared,
    /// Variables the app cannot run without.
    pub required_env: Vec<EnvName>,
    /// The app's own checks.
    pub gate: Gate,
    /// How the new release is asked whether it works.
    pub health: Health,
    /// What was guessed or ignored, one sentence each, for the plan and `init`.
    pub notes: Vec<String>,
}

/// A frontend: a folder that is built to static files, or static files as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Frontend {
    /// Where `package.json` lies; for a static site, the files' folder.
    pub dir: RepoPath,
    /// The built files, as a path in the repository (it may lie outside `dir`).
    pub output: RepoPath,
    /// How it is built; `None` where the files are served as committed.
    pub build: Option<FrontendBuild>,
}

/// How a frontend is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrontendBuild {
    /// Which package manager installs.
    pub manager: PackageManager,
    /// The lock file, as a path in the repository; it may lie above `dir` in a workspace.
    pub lockfile: Option<RepoPath>,
    /// The install command, split into words.
    pub install: Vec<String>,
    /// The build command, split into words.
    pub command: Vec<String>,
    /// Variables for install and build; they are part of the cache key.
    pub env: BTreeMap<EnvName, String>,
    /// The longest that install, and that build, may take.
    pub timeout: Duration,
}

/// Node's package managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    /// npm
    Npm,
    /// Yarn, 1 or later
    Yarn,
    /// pnpm
    Pnpm,
}

/// A Django backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backend {
    /// Where `manage.py` lies; web, workers and manage.py all run there.
    pub dir: RepoPath,
    /// `DJANGO_SETTINGS_MODULE`, unless the app's environment sets it.
    pub settings: Option<PythonName>,
    /// What uWSGI calls.
    pub wsgi: WsgiTarget,
    /// Where the Python packages come from.
    pub python: PythonPackages,
    /// The longest that the Python environment may take to build.
    pub install_timeout: Duration,
    /// The longest until the application is loaded, by uWSGI and by Django's own process.
    pub start_timeout: Duration,
    /// The longest that migrating, and collecting static files, may take, each.
    pub migrate_timeout: Duration,
    /// uWSGI's worker processes.
    pub processes: u16,
    /// Threads in each.
    pub threads: u16,
    /// URL prefixes that go to Django where there is a frontend too; `None`: taken from Django's own URLs.
    pub paths: Option<Vec<UrlPath>>,
    /// `manage.py migrate` is part of a deploy.
    pub migrate: bool,
    /// `manage.py collectstatic` is part of a deploy.
    pub collectstatic: bool,
}

/// Where the Python packages come from, in the order of preference: the lock file of a tool, then plain lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum PythonPackages {
    /// `requirements.txt` and the like, in this order. Files they name with `-r` or `-c` belong to them.
    Requirements {
        /// The files given to the installer.
        files: Vec<RepoPath>,
        /// All files that decide the result, nested ones included; the cache key.
        all: Vec<RepoPath>,
    },
    /// `uv.lock` beside a `pyproject.toml`.
    Uv {
        /// Their folder.
        dir: RepoPath,
    },
    /// `poetry.lock` beside a `pyproject.toml`.
    Poetry {
        /// Their folder.
        dir: RepoPath,
    },
    /// `Pipfile`, with or without `Pipfile.lock`.
    Pipenv {
        /// Their folder.
        dir: RepoPath,
        /// There is a lock file.
        locked: bool,
    },
    /// A `pyproject.toml` with no lock file.
    Project {
        /// Its folder.
        dir: RepoPath,
    },
}

/// A process besides web.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// Its name; never `web`, `nginx` or a name with a meaning of its own.
    pub name: ProcessName,
    /// The command, split into words. Runs in the backend's folder with the Python environment first in its PATH.
    /// `{shared}` stands for the app's shared folder.
    pub command: Vec<String>,
    /// How long it may take to finish after TERM before it is killed.
    pub stop_timeout: Duration,
    /// How long it must have run to count as started; a Celery process that says it is ready counts at once.
    pub ready_after: Duration,
    /// Never two at once: the old one stops before the new one starts (beat).
    pub singleton: bool,
}

/// What outlives releases: linked into each release from `shared/`, under the same relative path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// Files; each must be there before a deploy begins.
    pub files: Vec<RepoPath>,
    /// Folders; made when missing.
    pub dirs: Vec<RepoPath>,
}

impl Shared {
    /// These and others besides. What lies in a shared folder is shared with it.
    #[must_use]
    pub fn and(&self, files: &[RepoPath], dirs: &[RepoPath]) -> Self {
        let all = |ours: &[RepoPath], others: &[RepoPath]| {
            let all: BTreeSet<RepoPath> = ours.iter().chain(others).cloned().collect();
            all
        };
        let (all_files, all_dirs) = (all(&self.files, files), all(&self.dirs, dirs));
        let inside = |path: &RepoPath| {
            all_dirs
                .iter()
                .any(|dir| dir != path && path.is_within(dir))
        };
        Self {
            files: all_files
                .into_iter()
                .filter(|file| !all_dirs.contains(file) && !inside(file))
                .collect(),
            dirs: all_dirs
                .iter()
                .filter(|dir| !inside(dir))
                .cloned()
                .collect(),
        }
    }
}

/// The app's own checks, run in the new release before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// The commands, each split into words; they run at the repository's root with the Python environment in PATH.
    pub run: Vec<Vec<String>>,
    /// The longest that each may take.
    pub timeout: Duration,
}

/// How the new release is asked whether it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The path asked for; the answer must be below 400.
    pub path: UrlPath,
    /// True where `path` was found or written down; false where it is only a default (then 404 counts as working too).
    pub named: bool,
    /// The longest until the first good answer.
    pub timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<RepoPath> {
        paths.iter().map(|path| path.parse().unwrap()).collect()
    }

    #[test]
    fn what_lies_in_a_shared_folder_is_shared_with_it() {
        let shared = Shared {
            files: paths(&["a/x", "z"]),
            dirs: paths(&["media/big", "logs"]),
        };
        let both = shared.and(
            &paths(&["media/logo.png", "b", "z", "logs"]),
            &paths(&["media", "a"]),
        );
        assert_eq!(both.files, paths(&["b", "z"]));
        assert_eq!(both.dirs, paths(&["a", "logs", "media"]));
    }
}
