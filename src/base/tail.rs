//! The end of a log that others write and rotate: its last lines, and what comes after them.
//!
//! Rotation is a rename to `LOG.1` and a new file (supervisor, logrotate), or a cut to nothing (logrotate's copytruncate).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fs::FsError;

/// How much is read at once, looking for the last lines from the end.
const BLOCK: u64 = 64 * 1024;
/// A line that is longer is given in pieces: nobody shall fill our memory.
const LINE_LIMIT: usize = 64 * 1024;
/// Rotated files that are looked into for more lines.
const OLDER: usize = 3;

/// A log from a place on.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    inode: u64,
    at: u64,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
}

impl Tail {
    /// The last `most` lines of the log at `path`, older ones from its rotated files, and where it goes on. A log that is
    /// not there yet is an empty one.
    pub fn of(path: &Path, most: usize) -> Result<(Self, Vec<String>), FsError> {
        let mut tail = Self {
            path: path.to_owned(),
            open: open_file(path)?,
        };
        // How many lines are still to be found.
        let (mut lines, mut missing) = (Vec::new(), most);
        if let Some(open) = &mut tail.open {
            missing -= open
                .last_lines(most, &mut lines)
                .map_err(|source| FsError::new("read", path, source))?;
        }
        for number in 1..=OLDER {
            let mut older = path.as_os_str().to_owned();
            older.push(format!(".{number}"));
            let older = PathBuf::from(older);
            let older_file = if missing > 0 {
                open_file(&older)?
            } else {
                None
            };
            let Some(mut open) = older_file else {
                break;
            };
            let mut more = Vec::new();
            missing -= open
                .last_lines(missing, &mut more)
                .map_err(|source| FsError::new("read", &older, source))?;
            more.append(&mut lines);
            lines = more;
        }
        let surplus = lines.len().saturating_sub(most);
        lines.drain(..surplus);
        Ok((tail, lines))
    }

    /// The whole log, and where it goes on.
    pub fn whole(path: &Path) -> Result<(Self, Vec<String>), FsError> {
        let mut tail = Self {
            path: path.to_owned(),
            open: open_file(path)?,
        };
        let lines = tail.more()?;
        Ok((tail, lines))
    }

    /// The lines written since.
    pub fn more(&mut self) -> Result<Vec<String>, FsError> {
        let mut lines = Vec::new();
        self.read_on(&mut lines)
            .map_err(|source| FsError::new("read", &self.path, source))?;
        Ok(lines)
    }

    fn read_on(&mut self, lines: &mut Vec<String>) -> io::Result<()> {
        if let Some(open) = &mut self.open {
            open.read(lines)?;
        }
        let meta = match self.path.metadata() {
            Ok(meta) => meta,
            // In the middle of a rotation, or gone for good: the next look tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match &mut self.open {
            Some(open) if open.inode == meta.ino() => {
                if meta.len() < open.at {
                    (open.at, open.begun) = (0, Vec::new());
                    open.read(lines)?;
                }
            }
            other => {
                // Its writer has gone over to the new file; what it wrote before is all there now.
                if let Some(old) = other {
                    old.read(lines)?;
                    lines.extend(old.rest());
                }
                *other = open_file(&self.path).map_err(io::Error::other)?;
                if let Some(new) = other {
                    new.read(lines)?;
                }
            }
        }
        Ok(())
    }

    /// The last line, where it has no newline; for a reader who does not wait for it.
    pub fn rest(&mut self) -> Option<String> {
        self.open.as_mut().and_then(Open::rest)
    }
}

fn open_file(path: &Path) -> Result<Option<Open>, FsError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FsError::new("open", path, error)),
    };
    let meta = file
        .metadata()
        .map_err(|source| FsError::new("look at", path, source))?;
    Ok(Some(Open {
        file,
        inode: meta.ino(),
        at: 0,
        begun: Vec::new(),
    }))
}

impl Open {
    /// Reads the last `most` lines; gives how many there are of them, one that is still being written among them.
    fn last_lines(&mut self, most: usize, lines: &mut Vec<String>) -> io::Result<usize> {
        let found = self.seek_back(most)?;
        self.read(lines)?;
        Ok(found)
    }

    /// Goes to where the last `most` lines begin; gives how many there are of them.
    fn seek_back(&mut self, most: usize) -> io::Result<usize> {
        let end = self.file.metadata()?.len();
        self.at = end;
        if most == 0 || end == 0 {
            return Ok(0);
        }
        let (mut at, mut newlines) = (end, 0);
        while at > 0 {
            let from = at.saturating_sub(BLOCK);
            let mut block = vec![0; usize::try_from(at - from).unwrap_or_default()];
            self.file.seek(SeekFrom::Start(from))?;
            self.file.read_exact(&mut block)?;
            for (index, byte) in block.iter().enumerate().rev() {
                let place = from + index as u64;
                // The newline that ends the last line begins none.
                if *byte == b'\n' && place + 1 < end {
                    newlines += 1;
                    if newlines == most {
                        self.at = place + 1;
                        return Ok(most);
                    }
                }
            }
            at = from;
        }
        self.at = 0;
        Ok(newlines + 1)
    }

    fn read(&mut self, lines: &mut Vec<String>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut block = vec![0; usize::try_from(BLOCK).unwrap_or(LINE_LIMIT)];
        loop {
            let read = self.file.read(&mut block)?;
            if read == 0 {
                return Ok(());
            }
            self.at += read as u64;
            for piece in block[..read].split_inclusive(|byte| *byte == b'\n') {
                self.begun.extend_from_slice(piece);
                if piece.ends_with(b"\n") || self.begun.len() >= LINE_LIMIT {
                    lines.extend(self.rest());
                }
            }
        }
    }

    fn rest(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.begun);
        let text = String::from_utf8_lossy(&line);
        (!line.is_empty()).then(|| text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;
    use crate::base::fs;

    struct Log {
        _dir: tempfile::TempDir,
        path: PathBuf,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("web.log");
            Self { _dir: dir, path }
        }

        fn append(&self, text: &str) {
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&self.path)
                .unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self) {
            fs::rename(&self.path, &self.path.with_extension("log.1")).unwrap();
        }

        fn last(&self, most: usize) -> Vec<String> {
            Tail::of(&self.path, most).unwrap().1
        }
    }

    #[test]
    fn the_last_lines_are_given_across_blocks_and_rotated_files() {
        let log = Log::new();
        assert_eq!(log.last(3), [""; 0]);
        log.append("one\ntwo\n");
        assert_eq!(log.last(0), [""; 0]);
        assert_eq!(log.last(1), ["two"]);
        assert_eq!(log.last(9), ["one", "two"]);
        log.rotate();
        log.append("three\n");
        assert_eq!(log.last(2), ["two", "three"]);
        log.append("four");
        let (mut tail, last) = Tail::of(&log.path, 2).unwrap();
        assert_eq!(
            (last, tail.rest()),
            (vec!["three".to_owned()], Some("four".into()))
        );
        log.append("\n");
        let xs = "x".repeat(50_000);
        log.append(&format!("{xs}\n{xs}\nlast\n"));
        let last = log.last(3);
        assert_eq!(
            (last[0].len(), last[1].len(), last[2].as_str()),
            (50_000, 50_000, "last")
        );
    }

    #[test]
    fn what_comes_is_followed_across_rotation_and_truncation() {
        let log = Log::new();
        let (mut tail, _) = Tail::of(&log.path, 5).unwrap();
        log.append("a");
        assert_eq!(tail.more().unwrap(), [""; 0]);
        log.append("b\n");
        assert_eq!(tail.more().unwrap(), ["ab"]);
        log.append("c\nd");
        log.rotate();
        assert_eq!(tail.more().unwrap(), ["c"]);
        log.append("e\n");
        assert_eq!(tail.more().unwrap(), ["d", "e"]);
        fs::write(&log.path, b"f\n", fs::PUBLIC).unwrap();
        assert_eq!(tail.more().unwrap(), ["f"]);
        OpenOptions::new()
            .write(true)
            .open(&log.path)
            .unwrap()
            .set_len(0)
            .unwrap();
        log.append("g");
        assert_eq!(tail.more().unwrap(), [""; 0]);
        assert_eq!(tail.rest().unwrap(), "g");
    }

    #[test]
    fn a_line_without_end_is_given_in_pieces() {
        let log = Log::new();
        log.append(&"y".repeat(200_000));
        let (_, lines) = Tail::whole(&log.path).unwrap();
        assert!(lines.len() >= 2 && lines.iter().all(|line| line.len() <= 2 * LINE_LIMIT));
    }
}
