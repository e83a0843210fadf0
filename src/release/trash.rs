//! Folders that nobody needs any more: one rename takes them away while a push waits, and what lies in them is removed by upkeep
//! after it, or at the latest before the next one.
//!
//! takes: folders of the home · gives: nothing · touches: `cache/trash` · undone by: -

use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::layout::Home;
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

/// Removes what was thrown away. A deploy and an upkeep may do it at the same time.
pub fn empty(home: &Home) -> Result<(), FsError> {
    fs::list(&home.trash())?
        .iter()
        .try_for_each(|folder| fs::remove_tree(folder))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().to_owned(), "app".parse().unwrap());
        (dir, home)
    }

    fn folder(home: &Home, files: usize) -> std::path::PathBuf {
        let folder = home.root().join("folder");
        for number in 0..files {
            let file = folder.join(format!("{}/{number}", number % 7));
            fs::create_folder(file.parent().unwrap()).unwrap();
            fs::write_unsynced(&file, b"x").unwrap();
        }
        folder
    }

    #[test]
    fn what_is_thrown_away_is_gone_at_once_and_removed_later() {
        let (_dir, home) = home();
        empty(&home).unwrap();
        for _ in 0..2 {
            let folder = folder(&home, 3);
            throw(&home, &folder).unwrap();
            assert!(!folder.exists());
        }
        throw(&home, &home.root().join("none")).unwrap();
        assert_eq!(fs::list(&home.trash()).unwrap().len(), 2);
        empty(&home).unwrap();
        assert!(fs::list(&home.trash()).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_moved_is_removed() {
        let (_dir, home) = home();
        let folder = folder(&home, 3);
        fs::create_folder(&home.cache()).unwrap();
        fs::write(&home.trash(), b"no folder", fs::PUBLIC).unwrap();
        throw(&home, &folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn two_may_empty_it_at_once() {
        let (_dir, home) = home();
        for _ in 0..20 {
            throw(&home, &folder(&home, 200)).unwrap();
            thread::scope(|scope| {
                let other = scope.spawn(|| empty(&home));
                empty(&home).unwrap();
                other.join().unwrap().unwrap();
            });
            assert!(fs::list(&home.trash()).unwrap().is_empty());
        }
    }
}
