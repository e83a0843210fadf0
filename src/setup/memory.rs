//! What `server setup` did here before: `/var/lib/landfall/setup.json`.
//!
//! takes: the file · gives: [`Memory`] · touches: that file · undone by: without it, files that are as planned are known again,
//! and others are taken for somebody else's

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Group;
use super::plan::Reaction;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::server_paths::ServerPaths;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The text of each file as it was last written here, by path.
    pub files: BTreeMap<String, String>,
    /// Packages that were not there before, named before they were installed.
    pub installed: BTreeSet<String>,
    /// The groups that the last run left out; `server check` leaves them out too.
    pub without: BTreeSet<String>,
    /// Files that are being changed, with what they were before: who must be told has not been told yet.
    pub pending: Vec<Pending>,
}

/// A file that is being changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Where, absolute.
    pub path: String,
    /// Its text before; none where there was no file.
    pub before: Option<String>,
    /// That text was of an earlier setup.
    pub was_ours: bool,
    /// Where it led, if it was a link.
    pub link: Option<PathBuf>,
    /// Who must be told.
    pub then: Reaction,
}

/// The memory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It is no file of ours.
    #[error("{} is not what `landfall server setup` writes", .0.display())]
    Damaged(PathBuf, #[source] serde_json::Error),
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
}

impl Hint for MemoryError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Damaged(path, _) => vec![format!(
                "move it away, and run again: mv {0} {0}.damaged; files that are as planned are known again",
                path.display()
            )],
            Self::File(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

impl Memory {
    fn path(paths: &ServerPaths) -> PathBuf {
        paths.state().join("setup.json")
    }

    /// Reads it; nothing was done where there is none.
    pub fn read(paths: &ServerPaths) -> Result<Self, MemoryError> {
        let path = Self::path(paths);
        match fs::read_if_exists(&path)? {
            None => Ok(Self::default()),
            Some(text) => {
                serde_json::from_str(&text).map_err(|error| MemoryError::Damaged(path, error))
            }
        }
    }

    /// Writes it, where it changed.
    pub fn write(&self, paths: &ServerPaths) -> Result<(), MemoryError> {
        let path = Self::path(paths);
        fs::create_folder_with_mode(&paths.state(), 0o700)?;
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| MemoryError::Damaged(path.clone(), error))?;
        fs::write_if_changed(&path, format!("{text}\n").as_bytes(), fs::PRIVATE)?;
        Ok(())
    }

    /// The groups that the last run left out.
    pub fn left_out(&self) -> BTreeSet<Group> {
        self.without
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }

    /// It is of Landfall's writing, and nobody changed it since.
    pub fn is_ours(&self, path: &str, text: &str) -> bool {
        self.files.get(path).is_some_and(|written| written == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_damage_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ServerPaths::under(dir.path());
        assert_eq!(Memory::read(&paths).unwrap(), Memory::default());
        let mut memory = Memory::default();
        memory.files.insert("/etc/a".into(), "text\n".into());
        memory.without.insert("swap".into());
        memory.write(&paths).unwrap();
        let read = Memory::read(&paths).unwrap();
        assert_eq!(read, memory);
        assert_eq!(read.left_out(), BTreeSet::from([Group::Swap]));
        assert!(read.is_ours("/etc/a", "text\n") && !read.is_ours("/etc/a", "other\n"));

        fs::write(&Memory::path(&paths), b"{", fs::PRIVATE).unwrap();
        let error = Memory::read(&paths).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("setup.json is not what `landfall server setup` writes")
        );
    }
}
