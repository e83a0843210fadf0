//! A lock that the kernel releases when its holder dies, whatever way it dies (flock(2)).

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::fs::FsError;

/// A held lock. Dropping it, or the death of the process, releases it.
#[must_use = "the lock is released when this value is dropped"]
#[derive(Debug)]
pub struct FileLock {
    file: Flock<File>,
}

/// What came of trying to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// The lock is ours.
    Taken(FileLock),
    /// Somebody holds it; what they wrote about themselves.
    HeldBy(String),
}

/// Tries once to take the lock at `path` (made if missing, mode 0600). Never waits.
pub fn try_lock(path: &Path) -> Result<Attempt, FsError> {
    let file = open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Attempt::Taken(FileLock { file })),
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            // A holder that has not yet written its name is a holder all the same.
            let _ = file.read_to_string(&mut holder);
            Ok(Attempt::HeldBy(holder))
        }
        Err((_, errno)) => Err(FsError::new("lock", path, errno.into())),
    }
}

/// How often one who waits tries again.
const RETRY: Duration = Duration::from_millis(50);

/// Takes the lock as [`try_lock`] does, waiting up to `patience`; `waiting` is told once what the holder wrote.
pub fn lock(
    path: &Path,
    patience: Duration,
    waiting: &mut dyn FnMut(&str),
) -> Result<Attempt, FsError> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        match try_lock(path)? {
            Attempt::HeldBy(holder) if begun.elapsed() < patience => {
                if !told {
                    waiting(&holder);
                    told = true;
                }
                thread::sleep(RETRY);
            }
            ended => return Ok(ended),
        }
    }
}

impl FileLock {
    /// Writes who holds the lock, for those who wait.
    pub fn describe(&mut self, holder: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(holder.as_bytes())
    }
}

fn open(path: &Path) -> Result<File, FsError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| FsError::new("open lock", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_holds_it_and_a_drop_frees_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let Attempt::Taken(mut first) = try_lock(&path).unwrap() else {
            panic!("not taken")
        };
        first.describe("ana").unwrap();
        let Attempt::HeldBy(holder) = try_lock(&path).unwrap() else {
            panic!("taken twice")
        };
        assert_eq!(holder, "ana");
        let mut told = Vec::new();
        let short = Duration::from_millis(120);
        let waited = lock(&path, short, &mut |holder| told.push(holder.to_owned())).unwrap();
        assert!(matches!(waited, Attempt::HeldBy(_)));
        assert_eq!(told, ["ana"]);
        drop(first);
        assert!(matches!(try_lock(&path).unwrap(), Attempt::Taken(_)));
    }
}
