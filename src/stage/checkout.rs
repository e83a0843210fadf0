//! checkout: writes the commit's files.
//!
//! takes: a commit's tree · gives: `releases/N/src` with the shared files linked in · touches: the release's folder, and
//! `shared/` where a folder that is shared from now on is in git (its content is taken over once) · undone by: removing
//! the release's folder

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Context;
use crate::base::disk::Room;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::{ObjectId, RepoPath};
use crate::base::words::{count, first_of, printable, shorten};
use crate::config::settings::Shared;
use crate::git::{Entry, EntryKind, GitError, Repo};
use crate::tool::git;

/// How many paths a message names.
const NAMED: usize = 5;
/// What is larger is written by git's own program, which never holds the whole of it.
const LARGE: usize = 8 * 1024 * 1024;
/// What files are measured in.
const BLOCK: u64 = 4096;
/// The longest path in a commit, in bytes.
const LONGEST: usize = 3072;
/// So much of a path is shown where it is refused.
const SHOWN: usize = 120;
/// A Git LFS pointer is shorter than this (git-lfs spec: "must be less than 1024 bytes").
const POINTER_LIMIT: usize = 1024;
const POINTER_START: &[u8] = b"version https://git-lfs.github.com/spec/";

/// What was written.
#[derive(Debug, Default)]
pub struct CheckedOut {
    /// Files and links.
    pub files: usize,
    /// What they take, with their folders.
    pub room: Room,
    /// What people should know, one sentence each.
    pub remarks: Vec<String>,
}

/// A tree that cannot be written safely or completely.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// A name git should not have let through.
    #[error("the commit has a path that cannot be checked out: `{0}`")]
    UnsafePath(String),
    /// A path that does not fit below the release's folder (Linux takes 4096 bytes, PATH_MAX).
    #[error("the commit has a path of more than {LONGEST} bytes: `{0}`")]
    LongPath(String),
    /// Files whose content is not in the push.
    #[error("{} Git LFS: {} (only pointers were pushed, not the content)", if *.count == 1 { "a file is kept in" } else { "files are kept in" }, .paths)]
    LfsPointers {
        /// How many.
        count: usize,
        /// The first of them.
        paths: String,
    },
    /// Submodules, whose files are not in the push.
    #[error("the commit has submodules: {0}; their files are not in the push")]
    Submodules(String),
    /// A shared path goes through a link of the commit.
    #[error("`{shared}` is shared, but `{link}` is a symbolic link in this commit")]
    SharedBehindLink {
        /// The shared path.
        shared: RepoPath,
        /// The link.
        link: RepoPath,
    },
    /// git could not read an object.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for CheckoutError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::UnsafePath(_) | Self::LongPath(_) => vec!["remove it: git rm --cached PATH, commit, push again".into()],
            Self::LfsPointers { .. } => vec![
                "take them out of LFS: git lfs migrate export --include='PATTERN' --everything".into(),
                "or keep them on the server: landfall shared add PATH --from FILE".into(),
            ],
            Self::Submodules(_) => vec![
                "put the files themselves into the repository: git rm --cached PATH, rm -rf PATH/.git, git add PATH"
                    .into(),
            ],
            Self::SharedBehindLink { link, .. } => vec![format!("make `{link}` a real folder in the repository")],
            Self::Git(error) => error.hints(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// Writes the files of `tree` into the empty or missing folder `src`, then links what is shared.
pub fn run(
    ctx: &Context<'_>,
    repo: &Repo,
    tree: &ObjectId,
    src: &Path,
    shared: &Shared,
) -> Result<CheckedOut, CheckoutError> {
    fs::create_folder(src)?;
    let mut writer = Writer {
        repo,
        tracked_modules: tracks_modules(repo, tree)?,
        written: CheckedOut::default(),
        pointers: Vec::new(),
        modules: Vec::new(),
    };
    writer.folder(tree, src, Path::new(""))?;
    let written = writer.finish()?;
    link_shared(&ctx.home.shared(), src, shared)?;
    Ok(written)
}

fn tracks_modules(repo: &Repo, tree: &ObjectId) -> Result<bool, CheckoutError> {
    let path: RepoPath = ".gitmodules".parse().map_err(GitError::from)?;
    Ok(repo.entry_at(tree, &path)?.is_some())
}

struct Writer<'a> {
    repo: &'a Repo,
    tracked_modules: bool,
    written: CheckedOut,
    pointers: Vec<String>,
    modules: Vec<String>,
}

impl Writer<'_> {
    fn folder(
        &mut self,
        tree: &ObjectId,
        dir: &Path,
        relative: &Path,
    ) -> Result<(), CheckoutError> {
        for entry in self.repo.entries(tree)? {
            let name = OsStr::from_bytes(&entry.name);
            let relative = relative.join(name);
            let shown = || shorten(&printable(&relative.to_string_lossy()), SHOWN);
            if !is_safe_name(&entry.name) {
                return Err(CheckoutError::UnsafePath(shown()));
            }
            if relative.as_os_str().len() > LONGEST {
                return Err(CheckoutError::LongPath(shown()));
            }
            self.entry(&entry, &dir.join(name), &relative)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, path: &Path, relative: &Path) -> Result<(), CheckoutError> {
        match entry.kind {
            EntryKind::Tree => {
                // A folder that is there already would be a link or a file of the same name: a forged tree.
                fs::create_new_folder(path)?;
                self.takes(0);
                return self.folder(&entry.id, path, relative);
            }
            EntryKind::Submodule => {
                fs::create_new_folder(path)?;
                self.modules.push(printable(&relative.to_string_lossy()));
                return Ok(());
            }
            EntryKind::Link => {
                let target = self.repo.blob(&entry.id)?;
                fs::symlink(Path::new(OsStr::from_bytes(&target)), path)?;
                self.takes(target.len());
            }
            EntryKind::File | EntryKind::Executable => {
                let executable = entry.kind == EntryKind::Executable;
                let size = self.repo.blob_size(&entry.id)?;
                self.takes(size);
                if size > LARGE {
                    self.large(&entry.id, path, executable)?;
                    self.written.files += 1;
                    return Ok(());
                }
                let content = self.repo.blob(&entry.id)?;
                if content.len() < POINTER_LIMIT && content.starts_with(POINTER_START) {
                    self.pointers.push(printable(&relative.to_string_lossy()));
                }
                write_new(path, executable, |file| file.write_all(&content))?;
            }
        }
        self.written.files += 1;
        Ok(())
    }

    /// A file takes whole blocks; most file systems have blocks of 4096 bytes.
    fn takes(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let bytes = bytes.div_ceil(BLOCK).max(1).saturating_mul(BLOCK);
        self.written.room = self.written.room.and(Room { bytes, files: 1 });
    }

    fn large(&self, blob: &ObjectId, path: &Path, executable: bool) -> Result<(), FsError> {
        let printed = git::print_blob(self.repo.path(), self.repo.quarantine(), blob);
        write_new(path, executable, |file| {
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

    fn finish(mut self) -> Result<CheckedOut, CheckoutError> {
        if !self.pointers.is_empty() {
            return Err(CheckoutError::LfsPointers {
                count: self.pointers.len(),
                paths: first_of(&self.pointers, NAMED),
            });
        }
        if !self.modules.is_empty() {
            let names = first_of(&self.modules, NAMED);
            if self.tracked_modules {
                return Err(CheckoutError::Submodules(names));
            }
            // git itself leaves an empty folder for a gitlink that .gitmodules does not know.
            self.written.remarks.push(format!(
                "{} without .gitmodules left empty: {names}",
                count(self.modules.len(), "submodule")
            ));
        }
        Ok(self.written)
    }
}

/// No way out of the folder, nothing that is `.git` to any file system (git's own CVE-2014-9390, CVE-2019-1353).
fn is_safe_name(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    !name.is_empty()
        && name != b"."
        && name != b".."
        && !name.contains(&b'/')
        && !name.contains(&0)
        && lower != b".git"
        && lower != b"git~1"
        && name.len() <= 255
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

fn link_shared(store: &Path, src: &Path, shared: &Shared) -> Result<(), CheckoutError> {
    for dir in &shared.dirs {
        let (kept, place) = (dir.under(store), dir.under(src));
        make_way(src, dir)?;
        if place.is_dir() && !place.is_symlink() {
            take_over(&place, &kept)?;
        }
        fs::create_folder(&kept)?;
        fs::remove_tree(&place)?;
        fs::symlink(&kept, &place)?;
    }
    for file in &shared.files {
        make_way(src, file)?;
        let place = file.under(src);
        fs::remove_file(&place)?;
        fs::symlink(&file.under(store), &place)?;
    }
    Ok(())
}

/// A folder that is in git and shared: what the server does not have yet is taken over, what it has stays.
fn take_over(from: &Path, kept: &Path) -> Result<(), FsError> {
    let mut seen = PathBuf::new();
    for file in fs::files_below(from)? {
        let target = kept.join(&file);
        if target.exists() {
            continue;
        }
        if let Some(folder) = target.parent().filter(|folder| *folder != seen) {
            fs::create_folder(folder)?;
            fs::sweep(folder)?;
            folder.clone_into(&mut seen);
        }
        // Whole or not at all: a half file would be taken for one that the server has.
        let source = from.join(&file);
        fs::put(&target, fs::PUBLIC, |place| {
            fs::copy_content(&source, place)
        })?;
    }
    Ok(())
}

/// Makes the folders above a shared path; none of them may be a link, or we would write where it points.
fn make_way(src: &Path, path: &RepoPath) -> Result<(), CheckoutError> {
    let mut place: PathBuf = src.to_owned();
    let parents = path.split().0;
    let mut so_far = RepoPath::root();
    for part in parents.as_str().split('/').filter(|part| !part.is_empty()) {
        place.push(part);
        so_far = so_far.join(part).map_err(GitError::from)?;
        if place.is_symlink() {
            return Err(CheckoutError::SharedBehindLink {
                shared: path.clone(),
                link: so_far,
            });
        }
    }
    fs::create_folder(&place)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_safe_name;

    #[test]
    fn names_that_leave_or_fake_git_are_refused() {
        for bad in [
            &b".."[..],
            b".",
            b"",
            b".git",
            b".GIT",
            b"a/b",
            b"git~1",
            b"a\0b",
        ] {
            assert!(!is_safe_name(bad), "{bad:?}");
        }
        for good in [&b"a b"[..], b"\xff\xfe", b".github", b"..a"] {
            assert!(is_safe_name(good), "{good:?}");
        }
    }
}
