//! The processes of a release as `landfall exec` starts them: `processes.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layout::ReleaseDir;
use super::store::StoreError;
use crate::base::fs;
use crate::base::names::{ProcessName, ReleaseId};

/// The name of the process that answers requests.
pub const WEB: &str = "web";

/// All processes of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// How many times this release was started before; keeps the names of its programs apart.
    pub start: u32,
    /// The processes, by name.
    pub processes: BTreeMap<ProcessName, Process>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Program (absolute, or found in the environment's PATH) and arguments.
    pub argv: Vec<String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// Variables besides the app's environment; these win.
    pub env: BTreeMap<String, String>,
    /// How long it may take to finish once told to stop, in seconds.
    pub stop_seconds: u64,
    /// How long it must run to count as started, in seconds.
    pub ready_seconds: u64,
    /// Never two at once.
    pub singleton: bool,
}

impl Process {
    /// How long it must run to count as started.
    pub fn ready_after(&self) -> Duration {
        Duration::from_secs(self.ready_seconds)
    }
}

impl Processes {
    /// The name supervisor knows a process by: `web-42`, `web-42.2` for the release's second start.
    pub fn program(&self, process: &str, release: ReleaseId) -> String {
        match self.start {
            0 | 1 => format!("{process}-{release}"),
            start => format!("{process}-{release}.{start}"),
        }
    }

    /// The processes besides web.
    pub fn workers(&self) -> impl Iterator<Item = (&ProcessName, &Process)> {
        self.processes
            .iter()
            .filter(|(name, _)| name.as_str() != WEB)
    }

    /// Reads a release's file.
    pub fn read(dir: &ReleaseDir) -> Result<Self, StoreError> {
        let path = dir.processes();
        let text = fs::read(&path)?;
        serde_json::from_str(&text).map_err(|source| StoreError::Unreadable { path, source })
    }

    /// Writes a release's file.
    pub fn write(&self, dir: &ReleaseDir) -> Result<(), StoreError> {
        let text = serde_json::to_vec_pretty(self).map_err(StoreError::Unwritable)?;
        Ok(fs::write(&dir.processes(), &text, fs::PRIVATE)?)
    }
}

/// Takes a program's name apart: `celery-41.2` is the process `celery` of release 41.
pub fn parse_program(program: &str) -> Option<(&str, ReleaseId)> {
    let (process, release) = program.rsplit_once('-')?;
    let number = release
        .split_once('.')
        .map_or(release, |(number, _)| number);
    Some((process, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_names_say_process_and_release() {
        let mut processes = Processes {
            start: 1,
            processes: BTreeMap::new(),
        };
        assert_eq!(processes.program("web", ReleaseId(42)), "web-42");
        processes.start = 2;
        assert_eq!(
            processes.program("celery-high", ReleaseId(41)),
            "celery-high-41.2"
        );
        assert_eq!(
            parse_program("celery-high-41.2"),
            Some(("celery-high", ReleaseId(41)))
        );
        assert_eq!(parse_program("nginx"), None);
    }
}
