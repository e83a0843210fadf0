//! Folders that nobody needs any more: one rename takes them away while a push waits, and what lies in them is removed by upkeep
//! after it, or at the latest before the next one.
//!
//! takes: folders of the home · gives: nothing · touches: `cache/trash` · undone by: -

use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::layout::Home;
use crate::base::flock::{self, Attempt};
use crate::base::fs::{self, FsError};

/// How many folders this process has thrown away: no two have one name.
static THROWN: AtomicU32 = AtomicU32::new(0);

/// Takes a folder away. Where it cannot be moved (another device, a folder that may not be written), it is removed at once.
pub fn throw(home: &Home, folder: &Path) -> Result<(), FsError> {
    if fs::metadata_if_exists(folder)?.is_none() {
        return Ok(());
    }
    let number = THROWN.fetch_add(1, Ordering::Relaxed);
    let place = home.trash().join(format!("{}.{number}", process::id()));
    let moved = fs::create_folder(&home.trash()).and_then(|()| fs::rename(folder, &place));
    moved.or_else(|_| fs::remove_tree(folder))
}

/// Removes what was thrown away, unless an upkeep of the app does.
pub fn empty(home: &Home) -> Result<(), FsError> {
    if !home.trash().is_dir() {
        // Nor is there a place for the lock in a new home.
        return Ok(());
    }
    match flock::try_lock(&home.upkeep_lock())? {
        Attempt::Taken(_alone) => remove(home),
        Attempt::HeldBy(_) => Ok(()),
    }
}

/// [`empty`] for the holder of the upkeep's lock.
pub fn remove(home: &Home) -> Result<(), FsError> {
    fs::list(&home.trash())?
        .iter()
        .try_for_each(|folder| fs::remove_tree(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thrown_away_is_gone_at_once_and_removed_later() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().to_owned(), "app".parse().unwrap());
        empty(&home).unwrap();
        let make = |mode: u32| {
            let folder = home.root().join("folder");
            fs::create_folder(&folder.join("deep")).unwrap();
            fs::write(&folder.join("deep/file"), b"x", fs::PUBLIC).unwrap();
            fs::set_mode(&folder, mode).unwrap();
            folder
        };
        for mode in [0o755, 0o755, 0o500] {
            let folder = make(mode);
            throw(&home, &folder).unwrap();
            assert!(!folder.exists());
        }
        assert!(fs::list(&home.trash()).unwrap().len() >= 2);
        throw(&home, &home.root().join("none")).unwrap();
        let lock = flock::try_lock(&home.upkeep_lock()).unwrap();
        empty(&home).unwrap();
        assert!(!fs::list(&home.trash()).unwrap().is_empty());
        drop(lock);
        empty(&home).unwrap();
        assert!(fs::list(&home.trash()).unwrap().is_empty());
    }
}
