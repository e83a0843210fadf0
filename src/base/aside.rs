//! Many files, each written beside its place and put there once all of them are on the disk.
//!
//! takes: content · gives: files that are whole · touches: their folders · undone by: what a kill leaves is swept as other
//! unfinished files are ([`fs::sweep`])

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::time::SystemTime;

use super::checkpoint::{self, WRITE};
use super::fs::{self, FsError};

/// A file that waits for its name.
#[derive(Debug)]
#[must_use = "`put` gives it its name"]
pub struct Aside {
    temporary: PathBuf,
    path: PathBuf,
}

/// Writes the file that is to be at `path`, with exactly this mode and time; the kernel may take its time.
pub fn write(
    path: PathBuf,
    bytes: &[u8],
    mode: u32,
    modified: SystemTime,
) -> Result<Aside, FsError> {
    let temporary = fs::beside(&path);
    checkpoint::reached(WRITE);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            // The mode given to open(2) is cut by the umask.
            file.set_permissions(Permissions::from_mode(mode))?;
            file.set_modified(modified)
        });
    match written {
        Ok(()) => Ok(Aside { temporary, path }),
        Err(source) => {
            let _ = fs::remove_file(&temporary);
            Err(FsError::new("write", &temporary, source))
        }
    }
}

/// Gives files of one file system their names, after one sync for all of them: a name never leads to half a file, also after a
/// power cut.
pub fn put(files: Vec<Aside>) -> Result<(), FsError> {
    let Some(first) = files.first() else {
        return Ok(());
    };
    let mut put = fs::sync_all(&first.temporary);
    for file in files {
        put = put.and_then(|()| fs::rename(&file.temporary, &file.path));
        if put.is_err() {
            let _ = fs::remove_file(&file.temporary);
        }
    }
    put
}

/// Takes away what will not be put.
pub fn discard(files: Vec<Aside>) {
    for file in files {
        let _ = fs::remove_file(&file.temporary);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_have_their_names_only_when_they_are_put() {
        let dir = tempfile::tempdir().unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let path = |name: &str| dir.path().join(name);
        let files: Vec<Aside> = ["a", "b"]
            .map(|name| write(path(name), name.as_bytes(), 0o444, time).unwrap())
            .into();
        assert!(!path("a").exists());
        put(files).unwrap();
        assert_eq!(fs::list(dir.path()).unwrap(), [path("a"), path("b")]);
        assert_eq!(fs::read(&path("b")).unwrap(), "b");
        assert_eq!(fs::mode(&path("a")).unwrap(), 0o444);
        assert_eq!(fs::modified(&path("a")).unwrap(), time);
    }

    #[test]
    fn what_is_not_put_leaves_nothing_and_a_kill_leaves_what_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let write = || write(path.clone(), b"a", 0o444, SystemTime::UNIX_EPOCH).unwrap();
        discard(vec![write()]);
        assert!(fs::list(dir.path()).unwrap().is_empty());
        let _left = write();
        fs::sweep(dir.path()).unwrap();
        assert!(fs::list(dir.path()).unwrap().is_empty());
    }
}
