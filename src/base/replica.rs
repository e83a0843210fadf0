//! Copies of files that keep mode and time: what was compiled from a file, and names its time, is valid for the copy too.

use std::path::Path;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use super::fs::{self, FsError};

/// Copies a file to where none is, by the file system itself where that can (copy_file_range(2)). No link is followed at `to`.
///
/// # Errors
/// Where `from` cannot be read or `to` not be written.
pub fn copy(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::copy_file(from, to)?;
    let modified = fs::modified(from)?
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let time = TimeSpec::from_duration(modified);
    utimensat(AT_FDCWD, to, &time, &time, UtimensatFlags::NoFollowSymlink)
        .map_err(|errno| FsError::new("set the time of", to, errno.into()))
}

/// Writes another content in place of a copy, with the mode of `from`.
///
/// # Errors
/// As [`copy`].
pub fn rewrite(from: &Path, to: &Path, content: &[u8]) -> Result<(), FsError> {
    fs::write_unsynced(to, content)?;
    fs::set_mode(to, fs::mode(from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_mode_and_time_of_its_original_and_shares_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to, other) = (
            dir.path().join("from"),
            dir.path().join("to"),
            dir.path().join("other"),
        );
        fs::write(&from, b"one", 0o540).unwrap();
        let time = TimeSpec::new(1_000_000_000, 5);
        utimensat(
            AT_FDCWD,
            &from,
            &time,
            &time,
            UtimensatFlags::NoFollowSymlink,
        )
        .unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::mode(&to).unwrap(), 0o540);
        assert_eq!(fs::modified(&to).unwrap(), fs::modified(&from).unwrap());
        rewrite(&from, &other, b"two").unwrap();
        assert_eq!(fs::mode(&other).unwrap(), 0o540);
        fs::remove_file(&to).unwrap();
        assert_eq!(fs::read(&from).unwrap(), "one");
    }
}
