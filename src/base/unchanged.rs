//! A file that is made again with the same content keeps the time it had: nginx's ETag and Last-Modified are made of time and
//! size, and with another time browsers fetch the file again.
//!
//! takes: a folder as it was, the same folder made again · gives: which files have their time back · touches: their times ·
//! undone by: -

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::fs::{self, FsError};

/// How much of two files is compared at once.
const CHUNK: usize = 64 * 1024;

/// Gives the files of `new` that are in `old` with the same content the time they have there, and tells their names. No link is
/// followed but `old` and `new` themselves.
pub fn keep_times(old: &Path, new: &Path) -> Result<Vec<PathBuf>, FsError> {
    if !old.is_dir() || old.canonicalize().ok() == new.canonicalize().ok() {
        return Ok(Vec::new());
    }
    let mut kept = Vec::new();
    for name in fs::files_below(new)? {
        let (old, new) = (old.join(&name), new.join(&name));
        let Some(was) = fs::metadata_if_exists(&old)?.filter(std::fs::Metadata::is_file) else {
            continue;
        };
        if was.len() == fs::metadata(&new)?.len() && is_same(&old, &new)? {
            let set = was
                .modified()
                .and_then(|time| File::open(&new)?.set_modified(time));
            set.map_err(|source| FsError::new("set the time of", &new, source))?;
            kept.push(name);
        }
    }
    Ok(kept)
}

/// The files have the same bytes.
fn is_same(one: &Path, other: &Path) -> Result<bool, FsError> {
    let open = |path: &Path| {
        File::open(path)
            .map(|file| BufReader::with_capacity(CHUNK, file))
            .map_err(|source| FsError::new("read", path, source))
    };
    let (mut left, mut right) = (open(one)?, open(other)?);
    let compared = (|| -> io::Result<bool> {
        loop {
            let (a, b) = (left.fill_buf()?, right.fill_buf()?);
            let common = a.len().min(b.len());
            if common == 0 {
                return Ok(a.len() == b.len());
            }
            if a[..common] != b[..common] {
                return Ok(false);
            }
            left.consume(common);
            right.consume(common);
        }
    })();
    compared.map_err(|source| FsError::new("compare", other, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_same_keeps_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let put = |folder: &str, name: &str, content: &[u8]| {
            let path = dir.path().join(folder).join(name);
            fs::create_folder(path.parent().unwrap()).unwrap();
            fs::write(&path, content, fs::PUBLIC).unwrap();
            path
        };
        let long = vec![7; 3 * CHUNK + 5];
        let mut other_end = long.clone();
        *other_end.last_mut().unwrap() = 8;
        let then =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        for (name, content) in [("css/a.css", &long), ("b.js", &long), ("gone.js", &long)] {
            let old = put("old", name, content);
            File::open(old).unwrap().set_modified(then).unwrap();
        }
        put("new", "css/a.css", &long);
        put("new", "b.js", &other_end);
        put("new", "c.js", b"new");
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        assert_eq!(
            keep_times(&old, &new).unwrap(),
            [PathBuf::from("css/a.css")]
        );
        assert_eq!(fs::modified(&new.join("css/a.css")).unwrap(), then);
        assert_ne!(fs::modified(&new.join("b.js")).unwrap(), then);
        // No earlier release, and a folder that all releases share.
        assert!(
            keep_times(&dir.path().join("none"), &new)
                .unwrap()
                .is_empty()
        );
        assert!(keep_times(&new, &new).unwrap().is_empty());
    }
}
