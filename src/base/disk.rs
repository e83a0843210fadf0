//! Room on a disk: what folders take, and what is free.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};

use super::fs::{self, FsError};

/// An amount of room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Inodes: files, folders and links.
    pub files: u64,
}

/// What files are measured in; most file systems have blocks of so many bytes.
const BLOCK: u64 = 4096;

impl Room {
    /// What a file of `bytes` takes: whole blocks, and at least one, as a folder and a link do.
    pub fn of_file(bytes: u64) -> Self {
        Self {
            bytes: bytes.div_ceil(BLOCK).max(1).saturating_mul(BLOCK),
            files: 1,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            files: self.files.saturating_add(other.files),
        }
    }
}

/// What is free for this user on the file system of `path`. One without a fixed number of inodes (btrfs) has
/// [`u64::MAX`] of them.
pub fn free(path: &Path) -> Result<Room, FsError> {
    let disk =
        statvfs(path).map_err(|errno| FsError::new("look at the disk of", path, errno.into()))?;
    let (total, files) = (disk.files(), disk.files_available());
    Ok(Room {
        bytes: disk.blocks_available() * disk.fragment_size(),
        files: if total == 0 { u64::MAX } else { files },
    })
}

/// What a folder takes with all that is in it; a file of several names counts once. Links are not followed.
pub fn taken(folder: &Path) -> Result<Room, FsError> {
    let mut room = Room::default();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = path
            .symlink_metadata()
            .map_err(|source| FsError::new("look at", &path, source))?;
        if metadata.nlink() > 1 && !metadata.is_dir() && !seen.insert(metadata.ino()) {
            continue;
        }
        room = room.and(Room {
            // stat(2): in units of 512 bytes, whatever the file system's blocks are.
            bytes: metadata.blocks() * 512,
            files: 1,
        });
        if metadata.is_dir() {
            waiting.extend(fs::list(&path)?);
        }
    }
    Ok(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_what_is_in_it_and_no_more_than_there_was_free() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a");
        fs::create_folder(&folder.join("b")).unwrap();
        let empty = taken(&folder).unwrap();
        assert_eq!(empty.files, 2);
        let file = folder.join("b/file");
        fs::write(&file, &[7; 1_000_000], fs::PUBLIC).unwrap();
        fs::link_file(&file, &folder.join("same")).unwrap();
        fs::symlink(Path::new("/"), &folder.join("link")).unwrap();
        let full = taken(&folder).unwrap();
        assert_eq!(full.files, 4);
        let added = full.bytes - empty.bytes;
        assert!((1_000_000..1_100_000).contains(&added), "{added}");
        let free = free(&folder).unwrap();
        assert!(free.bytes > 0 && free.files > 0, "{free:?}");
    }
}
