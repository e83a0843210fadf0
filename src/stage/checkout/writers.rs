//! Writes files side by side: what costs is unpacking objects and making files, and each file is for itself.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::CheckoutError;
use crate::base::fs::{self, FsError};
use crate::base::names::ObjectId;
use crate::base::words::{printable, shorten};
use crate::git::{EntryKind, Repo};
use crate::release::noted::Noted;
use crate::release::stamps::Stat;
use crate::tool::git;

/// What is larger is written by git's own program, which never holds the whole of it.
const LARGE: usize = 8 * 1024 * 1024;
/// A Git LFS pointer is shorter than this (git-lfs spec: "must be less than 1024 bytes").
const POINTER_LIMIT: usize = 1024;
const POINTER_START: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Files that are handed to a thread at once.
const BATCH: usize = 64;
/// Batches that wait.
const WAITING: usize = 8;
/// The most threads: the disk has no more to give, and the machine serves meanwhile.
const MOST_THREADS: usize = 4;

/// A file or link to write, where nothing is.
pub(super) struct Job {
    pub(super) path: PathBuf,
    pub(super) relative: PathBuf,
    pub(super) blob: ObjectId,
    pub(super) stamped: ObjectId,
    pub(super) kind: EntryKind,
    pub(super) size: usize,
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    pub(super) noted: Noted<'static>,
    /// Files whose content is not in the push.
    pub(super) pointers: Vec<String>,
}

/// Threads that write, once there is enough to write.
pub(super) struct Writers<'a> {
    repo: &'a Repo,
    batch: Vec<Job>,
    threads: Option<Threads>,
    /// What was written where no thread could be had.
    alone: Written,
}

struct Threads {
    jobs: SyncSender<Vec<Job>>,
    running: Vec<JoinHandle<Result<Written, CheckoutError>>>,
}

impl<'a> Writers<'a> {
    pub(super) fn new(repo: &'a Repo) -> Self {
        Self {
            repo,
            batch: Vec::new(),
            threads: None,
            alone: Written::default(),
        }
    }

    /// Writes a file, now or until [`Writers::finish`] returns. A failure shows there.
    pub(super) fn write(&mut self, job: Job) -> Result<(), CheckoutError> {
        self.batch.push(job);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let started = match self.threads.take() {
            Some(threads) => Some(threads),
            None => Threads::start(self.repo)?,
        };
        let Some(threads) = started else {
            return self.alone.write(self.repo, batch);
        };
        // Where nobody listens any more, each thread has failed, and `finish` says how.
        let sent = threads.jobs.send(batch).is_ok();
        self.threads = Some(threads);
        if sent {
            Ok(())
        } else {
            Err(CheckoutError::Stopped)
        }
    }

    /// Waits until everything is written.
    pub(super) fn finish(self) -> Result<Written, CheckoutError> {
        let mut all = self.alone;
        let mut result = all.write(self.repo, self.batch);
        let Some(Threads { jobs, running }) = self.threads else {
            return result.map(|()| all);
        };
        drop(jobs);
        for thread in running {
            let ended = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match ended {
                Ok(written) => {
                    all.noted.join(written.noted);
                    all.pointers.extend(written.pointers);
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        all.pointers.sort();
        result.map(|()| all)
    }
}

impl Threads {
    /// As many as the machine has processors for; none where the kernel makes no more (fork(2), EAGAIN).
    fn start(repo: &Repo) -> Result<Option<Self>, CheckoutError> {
        let (jobs, waiting) = sync_channel::<Vec<Job>>(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let wanted = thread::available_parallelism().map_or(1, usize::from);
        let mut running = Vec::new();
        for _ in 0..wanted.min(MOST_THREADS) {
            let (repo, waiting) = (repo.again()?, Arc::clone(&waiting));
            match thread::Builder::new().spawn(move || work(&repo, &waiting)) {
                Ok(thread) => running.push(thread),
                Err(_) => break,
            }
        }
        Ok((!running.is_empty()).then_some(Self { jobs, running }))
    }
}

fn work(repo: &Repo, waiting: &Mutex<Receiver<Vec<Job>>>) -> Result<Written, CheckoutError> {
    let mut written = Written::default();
    loop {
        let batch = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(batch) = batch else {
            return Ok(written);
        };
        written.write(repo, batch)?;
    }
}

impl Written {
    fn write(&mut self, repo: &Repo, batch: Vec<Job>) -> Result<(), CheckoutError> {
        for job in batch {
            self.one(repo, &job)?;
            let metadata = fs::metadata(&job.path)?;
            self.noted
                .note(&job.relative, &job.stamped, &Stat::from(&metadata));
        }
        Ok(())
    }

    fn one(&mut self, repo: &Repo, job: &Job) -> Result<(), CheckoutError> {
        if job.kind == EntryKind::Link {
            let target = repo.blob(&job.blob)?;
            fs::symlink(Path::new(OsStr::from_bytes(&target)), &job.path)?;
            return Ok(());
        }
        let executable = job.kind == EntryKind::Executable;
        if job.size > LARGE {
            return Ok(large(repo, job, executable)?);
        }
        let content = repo.blob(&job.blob)?;
        if content.len() < POINTER_LIMIT && content.starts_with(POINTER_START) {
            self.pointers
                .push(printable(&job.relative.to_string_lossy()));
        }
        write_new(&job.path, executable, |file| file.write_all(&content))?;
        Ok(())
    }
}

fn large(repo: &Repo, job: &Job, executable: bool) -> Result<(), FsError> {
    let printed = git::print_blob(repo.path(), repo.quarantine(), &job.blob);
    write_new(&job.path, executable, |file| {
        let ended = printed.to_std().stdout(file.try_clone()?).output()?;
        if ended.status.success() {
            return Ok(());
        }
        // A full disk is an error of its own kind, which one more byte gets.
        file.write_all(&[0])?;
        let said = String::from_utf8_lossy(&ended.stderr);
        Err(io::Error::other(printable(&shorten(said.trim(), 200))))
    })
}

fn write_new(
    path: &Path,
    executable: bool,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FsError> {
    let mode = if executable { 0o755 } else { 0o644 };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| fill(&mut file))
        .map_err(|source| FsError::new("write", path, source))
}
