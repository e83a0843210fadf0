//! Cache entries: folders named by what they were made from. A hit costs a link, not a build.
//!
//! takes: a key · gives: the entry's folder, whole or not there · touches: `cache/` · undone by: removing the entry; it is
//! built again when it is needed

use std::path::{Path, PathBuf};

use super::layout::Home;
use super::trash;
use crate::base::disk::{self, Room};
use crate::base::fs::{self, FsError};
use crate::base::names::ObjectId;
use crate::git;

/// The file that says an entry built in place is whole.
const COMPLETE: &str = ".landfall-complete";

/// The file with the number of rebuilds.
const GENERATION: &str = "generation";

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Built frontends.
    Frontend,
    /// Installed `node_modules`.
    NodeModules,
    /// Python environments.
    Venv,
}

impl Shelf {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Frontend, Self::NodeModules, Self::Venv];

    fn folder(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::NodeModules => "node_modules",
            Self::Venv => "venv",
        }
    }
}

/// Makes a key: every line that decides the result, hashed as git would hash a blob.
#[derive(Debug, Default)]
pub struct KeyBuilder {
    text: String,
}

impl KeyBuilder {
    /// `what` names the kind of entry and the version of its recipe.
    pub fn new(what: &str) -> Self {
        Self {
            text: format!("{what}\n"),
        }
    }

    /// Adds the number of rebuilds; none leaves the key as it is.
    #[must_use]
    pub fn generation(self, generation: u32) -> Self {
        if generation == 0 {
            return self;
        }
        self.with("generation", &generation.to_string())
    }

    /// Adds a named fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.text.push_str(name);
        self.text.push('\0');
        self.text.push_str(value);
        self.text.push('\n');
        self
    }

    /// The key.
    pub fn finish(self) -> ObjectId {
        git::hash(self.text.as_bytes())
    }
}

/// How often this home was rebuilt. Part of every key, so that a rebuild makes entries of its own: the live release goes on
/// with those it was made from, also when the rebuild fails.
pub fn generation(home: &Home) -> Result<u32, FsError> {
    let text = fs::read_if_exists(&home.cache().join(GENERATION))?;
    Ok(text
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default())
}

/// From now on keys are made with this generation.
pub fn set_generation(home: &Home, generation: u32) -> Result<(), FsError> {
    if self::generation(home)? == generation {
        return Ok(());
    }
    let text = format!("{generation}\n");
    fs::write(&home.cache().join(GENERATION), text.as_bytes(), fs::PUBLIC)
}

/// The folder that a shelf's entries lie in.
pub fn shelf(home: &Home, shelf: Shelf) -> PathBuf {
    home.cache().join(shelf.folder())
}

/// The folder of an entry, whether or not it is there.
pub fn path(home: &Home, shelf: Shelf, key: &ObjectId) -> PathBuf {
    self::shelf(home, shelf).join(key.as_str())
}

/// The folder of an entry, if it is there and whole.
pub fn find(home: &Home, shelf: Shelf, key: &ObjectId) -> Option<PathBuf> {
    let path = path(home, shelf, key);
    path.join(COMPLETE).exists().then_some(path)
}

/// An empty folder in which an entry is built in place; what an earlier, broken run left there is removed.
pub fn begin(home: &Home, shelf: Shelf, key: &ObjectId) -> Result<PathBuf, FsError> {
    let path = path(home, shelf, key);
    trash::throw(home, &path)?;
    fs::create_folder(&path)?;
    Ok(path)
}

/// Declares the entry whole; notes what it takes. What the tools wrote is on the disk by then: after a power cut, an entry that
/// says it is whole is.
pub fn complete(entry: &Path) -> Result<(), FsError> {
    complete_as(entry, disk::taken(entry)?)
}

/// Declares an entry whole that takes `room`.
pub fn complete_as(entry: &Path, room: Room) -> Result<(), FsError> {
    fs::sync_all(entry)?;
    let text = serde_json::to_vec(&room).unwrap_or_default();
    fs::write(&entry.join(COMPLETE), &text, fs::PUBLIC)
}

/// Declares an entry not whole any more; gives what was noted.
pub fn reopen(entry: &Path) -> Result<Option<Room>, FsError> {
    let room = noted(entry);
    fs::remove_file(&entry.join(COMPLETE))?;
    Ok(room)
}

/// What the last entry on a shelf took, if there is one.
pub fn last_taken(home: &Home, shelf: Shelf) -> Option<Room> {
    let entries = entries(home, shelf).ok()?;
    let mut newest_first = entries.iter().rev();
    newest_first.find_map(|(key, _)| noted(&path(home, shelf, key)))
}

fn noted(entry: &Path) -> Option<Room> {
    let text = fs::read_if_exists(&entry.join(COMPLETE)).ok()??;
    serde_json::from_str(&text).ok()
}

/// Removes an entry.
pub fn discard(home: &Home, shelf: Shelf, key: &ObjectId) -> Result<(), FsError> {
    trash::throw(home, &path(home, shelf, key))
}

/// Removes the entries that are not whole: what a run was building, or had borrowed, when it was killed. Nobody builds now.
pub fn sweep(home: &Home) -> Result<(), FsError> {
    for shelf in Shelf::ALL {
        for (key, _) in entries(home, shelf)? {
            if find(home, shelf, &key).is_none() {
                discard(home, shelf, &key)?;
            }
        }
    }
    Ok(())
}

/// The keys on a shelf, with the time each entry was completed (or begun, if it is not whole), oldest first.
pub fn entries(home: &Home, shelf: Shelf) -> Result<Vec<(ObjectId, u64)>, FsError> {
    let mut entries = Vec::new();
    for path in fs::list(&self::shelf(home, shelf))? {
        let Some(key) = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
        else {
            continue;
        };
        let marker = path.join(COMPLETE);
        let time = fs::modified_unix(&marker).or_else(|_| fs::modified_unix(&path))?;
        entries.push((key, time));
    }
    entries.sort_by_key(|(_, time)| *time);
    Ok(entries)
}

/// Marks an entry as just used, so that pruning takes older ones first.
pub fn touch(entry: &Path) -> Result<(), FsError> {
    fs::touch(&entry.join(COMPLETE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().to_owned(), "app".parse().unwrap());
        (dir, home)
    }

    #[test]
    fn an_entry_is_found_only_when_whole() {
        let (_dir, home) = home();
        let key = KeyBuilder::new("venv 1").with("python", "3.11").finish();
        let entry = begin(&home, Shelf::Venv, &key).unwrap();
        assert!(find(&home, Shelf::Venv, &key).is_none());
        complete(&entry).unwrap();
        assert_eq!(find(&home, Shelf::Venv, &key), Some(entry));
        begin(&home, Shelf::Venv, &key).unwrap();
        assert!(
            find(&home, Shelf::Venv, &key).is_none(),
            "a rebuilt entry is not whole until it says so"
        );
    }

    #[test]
    fn what_is_not_whole_is_swept_away() {
        let (_dir, home) = home();
        let keys = ["1", "2"].map(|version| KeyBuilder::new("venv 1").with("v", version).finish());
        let [whole, half] = keys
            .each_ref()
            .map(|key| begin(&home, Shelf::Venv, key).unwrap());
        complete(&whole).unwrap();
        sweep(&home).unwrap();
        assert!(whole.exists());
        assert!(!half.exists());
    }

    #[test]
    fn a_rebuild_makes_other_keys() {
        let (_dir, home) = home();
        assert_eq!(generation(&home).unwrap(), 0);
        fs::create_folder(&home.cache()).unwrap();
        set_generation(&home, 1).unwrap();
        assert_eq!(generation(&home).unwrap(), 1);
        let key = |generation| KeyBuilder::new("x").generation(generation).finish();
        assert_ne!(key(0), key(1));
        assert_eq!(key(0), KeyBuilder::new("x").finish());
    }

    #[test]
    fn a_key_depends_on_every_fact() {
        let key = |a, b| KeyBuilder::new("x").with("a", a).with("b", b).finish();
        assert_ne!(key("1", "2"), key("12", ""));
        assert_eq!(key("1", "2"), key("1", "2"));
    }
}
