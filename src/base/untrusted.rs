//! Reading a file that belongs to somebody less trusted, as root: no link is followed to another's file, nothing is waited
//! for, no more than a limit is read, and an error never shows what the file holds.
//!
//! takes: a path, its owner · gives: the text · touches: nothing

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::Uid;

use super::hint::{Hint, Kind};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum UntrustedError {
    /// It cannot be opened; a link in its place cannot either (`O_NOFOLLOW`).
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is another's, no plain file, or has another name besides.
    #[error("{0} is not a plain file of the app's own")]
    NotTheirs(String),
    /// It is longer than anything that belongs there.
    #[error("{0} is longer than {1} bytes")]
    TooLong(String, u64),
    /// It is not UTF-8, or could not be read to its end.
    #[error("{0} cannot be read as text")]
    NoText(String),
}

impl Hint for UntrustedError {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

/// The text of the plain file `path` of `owner`, at most `limit` bytes. None where there is no file.
///
/// Folders on the way may be links of theirs: what counts is whose the file is that was opened. A hard link to another's
/// file has the other as owner; one to their own is refused all the same.
pub fn read(path: &Path, owner: Uid, limit: u64) -> Result<Option<String>, UntrustedError> {
    let shown = path.display().to_string();
    // O_NONBLOCK: opening a pipe must not wait for its writer (open(2)).
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(UntrustedError::Open {
                path: shown,
                source,
            });
        }
    };
    let metadata = file.metadata().map_err(|source| UntrustedError::Open {
        path: shown.clone(),
        source,
    })?;
    if !metadata.is_file() || metadata.uid() != owner.as_raw() || metadata.nlink() != 1 {
        return Err(UntrustedError::NotTheirs(shown));
    }
    let mut bytes = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    if bytes.len() as u64 > limit {
        return Err(UntrustedError::TooLong(shown, limit));
    }
    match (read, String::from_utf8(bytes)) {
        (Ok(_), Ok(text)) => Ok(Some(text)),
        _ => Err(UntrustedError::NoText(shown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(path: &Path, owner: Uid, limit: u64) -> String {
        read(path, owner, limit).unwrap_err().to_string()
    }

    #[test]
    fn only_a_plain_short_file_of_the_owner_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let (us, them) = (Uid::effective(), Uid::from_raw(12345));
        std::fs::write(at("file"), "text").unwrap();
        assert_eq!(read(&at("file"), us, 4).unwrap().as_deref(), Some("text"));
        assert_eq!(read(&at("none"), us, 4).unwrap(), None);
        assert!(fails(&at("file"), us, 3).contains("longer than 3 bytes"));
        assert!(fails(&at("file"), them, 4).contains("not a plain file of the app's own"));
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        assert!(fails(&at("link"), us, 4).starts_with("cannot open"));
        std::fs::hard_link(at("file"), at("hard")).unwrap();
        assert!(fails(&at("hard"), us, 4).contains("not a plain file"));
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(fails(&at("pipe"), us, 4).contains("not a plain file"));
        assert!(fails(dir.path(), us, 4).contains("not a plain file"));
        std::fs::write(at("bytes"), [0xff, 0xfe]).unwrap();
        assert!(fails(&at("bytes"), us, 4).contains("cannot be read as text"));
    }
}
