//! Goes through a commit's tree and makes a folder the same: what is there already as it should be is left, everything else is
//! removed or written.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;

use super::writers::{Job, Writers};
use super::{CheckedOut, CheckoutError, NAMED};
use crate::base::disk::Room;
use crate::base::fs::{self, FsError};
use crate::base::names::{ObjectId, RepoPath};
use crate::base::words::{count, first_of, printable, shorten};
use crate::git::{Entry, EntryKind, GitError, Repo};
use crate::release::layout::Home;
use crate::release::noted::Noted;
use crate::release::seen::Seen;
use crate::release::stamps::{Known, Stat};
use crate::release::trash;

/// The longest path in a commit, in bytes.
pub(super) const LONGEST: usize = 3072;
/// So much of a path is shown where it is refused.
const SHOWN: usize = 120;

/// Makes `src` hold the files of `tree` and nothing else. `seen` is what is in it already; in a folder that is not there or
/// empty, nothing. Gives what was written, and what it looks like now.
pub(super) fn write<'a>(
    home: &Home,
    repo: &Repo,
    tree: &ObjectId,
    src: &Path,
    seen: &'a Seen,
) -> Result<(CheckedOut, Noted<'a>), CheckoutError> {
    let tracks_modules = tracks_modules(repo, tree)?;
    let writers = Writers::new(repo);
    // The release's own folder is a new one.
    let made = fs::metadata(src.parent().unwrap_or(src))?;
    let mut walk = Walk {
        home,
        repo,
        src,
        seen,
        folder_mode: made.mode() & 0o7777,
        writers,
        done: CheckedOut::default(),
        noted: Noted::after(&seen.stamps),
        folders: Vec::new(),
        modules: Vec::new(),
    };
    let begun = match fs::metadata_if_exists(src)? {
        Some(metadata) => walk.folder(tree, Path::new(""), Some(&Stat::from(&metadata))),
        None => fs::create_new_folder(src)
            .map_err(CheckoutError::from)
            .and_then(|()| walk.folder(tree, Path::new(""), None)),
    };
    let Walk {
        writers,
        done,
        mut noted,
        folders,
        modules,
        ..
    } = walk;
    // Also where the walk failed: nobody writes any more when this returns.
    let written = match (begun, writers.finish()) {
        (Ok(()) | Err(CheckoutError::Stopped), written) => written?,
        (Err(error), _) => return Err(error),
    };
    if !written.pointers.is_empty() {
        return Err(CheckoutError::LfsPointers {
            count: written.pointers.len(),
            paths: first_of(&written.pointers, NAMED),
        });
    }
    let done = with_modules(done, &modules, tracks_modules)?;
    noted.join(written.noted);
    // Folders change as long as something is written into them.
    for (relative, tree) in folders {
        let metadata = fs::metadata(&src.join(&relative))?;
        noted.note(&relative, &tree, &Stat::from(&metadata));
    }
    Ok((done, noted))
}

fn with_modules(
    mut done: CheckedOut,
    modules: &[String],
    tracks_modules: bool,
) -> Result<CheckedOut, CheckoutError> {
    if modules.is_empty() {
        return Ok(done);
    }
    let names = first_of(modules, NAMED);
    if tracks_modules {
        return Err(CheckoutError::Submodules(names));
    }
    // git itself leaves an empty folder for a gitlink that .gitmodules does not know.
    done.remarks.push(format!(
        "{} without .gitmodules left empty: {names}",
        count(modules.len(), "submodule")
    ));
    Ok(done)
}

fn tracks_modules(repo: &Repo, tree: &ObjectId) -> Result<bool, CheckoutError> {
    let path: RepoPath = ".gitmodules".parse().map_err(GitError::from)?;
    Ok(repo.entry_at(tree, &path)?.is_some())
}

struct Walk<'w, 'a> {
    home: &'w Home,
    repo: &'w Repo,
    src: &'w Path,
    seen: &'a Seen,
    /// As new folders are made.
    folder_mode: u32,
    writers: Writers<'w>,
    done: CheckedOut,
    noted: Noted<'a>,
    /// The folders, from `src`, with their trees.
    folders: Vec<(PathBuf, ObjectId)>,
    modules: Vec<String>,
}

impl Walk<'_, '_> {
    /// The folder at `relative`, which was there already as `there` says, or is new and empty.
    fn folder(
        &mut self,
        tree: &ObjectId,
        relative: &Path,
        there: Option<&Stat>,
    ) -> Result<(), CheckoutError> {
        if there.is_some_and(|there| self.is_the_same(tree, relative, there)) {
            return Ok(());
        }
        let entries = self.repo.entries(tree)?;
        let mut names = BTreeSet::new();
        if let Some(twice) = entries.iter().find(|entry| !names.insert(&entry.name[..])) {
            // A link and a folder of one name: what is written into the folder would be written where the link leads.
            let twice = relative.join(OsStr::from_bytes(&twice.name));
            return Err(CheckoutError::UnsafePath(shown(&twice)));
        }
        if let Some(there) = there {
            self.empty_of_others(tree, &names, relative, there)?;
        }
        // Looked at from the folder: a path from the root would be walked for each of them.
        let open = match there {
            Some(_) => Some(open(&self.src.join(relative))?),
            None => None,
        };
        for entry in &entries {
            let relative = relative.join(OsStr::from_bytes(&entry.name));
            if !is_safe_name(&entry.name) {
                return Err(CheckoutError::UnsafePath(shown(&relative)));
            }
            if relative.as_os_str().len() > LONGEST {
                return Err(CheckoutError::LongPath(shown(&relative)));
            }
            let there = match &open {
                Some(folder) => look(folder, &entry.name, &relative)?,
                None => None,
            };
            self.entry(entry, relative, there)?;
        }
        let names = entries.iter().map(|entry| &entry.name[..]);
        self.noted.list(relative, names);
        self.folders.push((relative.to_owned(), tree.clone()));
        Ok(())
    }

    /// Takes over a folder that holds its tree already, if nobody has touched it nor anything below.
    fn is_the_same(&mut self, tree: &ObjectId, relative: &Path, there: &Stat) -> bool {
        let Some(untouched) = self.seen.untouched(relative) else {
            return false;
        };
        if self.seen.stamps.look_up(relative, tree, there) != Known::Same {
            return false;
        }
        self.done.files += untouched.files;
        self.done.room = self.done.room.and(untouched.room);
        self.noted.note_untouched(untouched);
        true
    }

    /// Removes from a folder what its tree does not have. One that looks as it did when it was written has just what it had
    /// then, which for the same tree is the same.
    fn empty_of_others(
        &mut self,
        tree: &ObjectId,
        wanted: &BTreeSet<&[u8]>,
        relative: &Path,
        there: &Stat,
    ) -> Result<(), CheckoutError> {
        if self.seen.stamps.look_up(relative, tree, there) == Known::Same {
            return Ok(());
        }
        let folder = self.src.join(relative);
        if there.mode & 0o7777 != self.folder_mode {
            fs::set_mode(&folder, self.folder_mode)?;
        }
        for path in fs::list(&folder)? {
            let name = path.file_name().unwrap_or_default();
            if !wanted.contains(name.as_bytes()) {
                let relative = relative.join(name);
                // A link may be to what is shared.
                if !self.seen.stamps.knows(&relative) && !path.is_symlink() && name != "__pycache__"
                {
                    self.done.found.push(relative);
                }
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    /// One entry of a folder, and what is in its place.
    fn entry(
        &mut self,
        entry: &Entry,
        relative: PathBuf,
        there: Option<Stat>,
    ) -> Result<(), CheckoutError> {
        if matches!(entry.kind, EntryKind::Tree | EntryKind::Submodule) {
            return self.subfolder(entry, &self.src.join(&relative), &relative, there);
        }
        self.done.files += 1;
        let stamped = stamped(entry);
        if let Some(there) = there {
            match self.seen.stamps.look_up(&relative, &stamped, &there) {
                Known::Same => {
                    self.takes(there.size);
                    self.noted.note_same(&relative, &stamped, &there);
                    return Ok(());
                }
                // A link in a file's place is to what is shared.
                Known::Touched if there.is_file() => self.done.touched.push(relative.clone()),
                _ => {}
            }
            // Not written over: a program may still have it open.
            self.remove(&self.src.join(&relative))?;
        }
        self.done.written += 1;
        let size = self.repo.blob_size(&entry.id)?;
        self.takes(u64::try_from(size).unwrap_or(u64::MAX));
        self.writers.write(Job {
            path: self.src.join(&relative),
            relative,
            blob: entry.id.clone(),
            stamped: stamped.into_owned(),
            kind: entry.kind,
            size,
        })
    }

    fn subfolder(
        &mut self,
        entry: &Entry,
        path: &Path,
        relative: &Path,
        there: Option<Stat>,
    ) -> Result<(), CheckoutError> {
        let there = match there {
            Some(there) if there.is_folder() && entry.kind == EntryKind::Tree => Some(there),
            other => {
                if other.is_some() {
                    self.remove(path)?;
                }
                // A folder that is there already would be a link or a file of the same name: a forged tree.
                fs::create_new_folder(path)?;
                None
            }
        };
        if entry.kind == EntryKind::Submodule {
            self.modules.push(printable(&relative.to_string_lossy()));
            return Ok(());
        }
        self.takes(0);
        self.folder(&entry.id, relative, there.as_ref())
    }

    fn remove(&self, path: &Path) -> Result<(), FsError> {
        if fs::metadata(path)?.is_dir() {
            trash::throw(self.home, path)
        } else {
            fs::remove_file(path)
        }
    }

    fn takes(&mut self, bytes: u64) {
        self.done.room = self.done.room.and(Room::of_file(bytes));
    }
}

/// What a stamp knows a file by: its content, and whether it is executable or a link.
fn stamped(entry: &Entry) -> Cow<'_, ObjectId> {
    let kind = match entry.kind {
        EntryKind::Executable => b'x',
        EntryKind::Link => b'l',
        _ => return Cow::Borrowed(&entry.id),
    };
    Cow::Owned(crate::git::hash(
        &[entry.id.as_str().as_bytes(), &[kind]].concat(),
    ))
}

fn open(folder: &Path) -> Result<File, FsError> {
    File::open(folder).map_err(|source| FsError::new("open", folder, source))
}

/// What lies at `name` in a folder, itself.
fn look(folder: &File, name: &[u8], relative: &Path) -> Result<Option<Stat>, FsError> {
    match fstatat(
        folder,
        OsStr::from_bytes(name),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    ) {
        Ok(stat) => Ok(Some(stat.into())),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(FsError::new("look at", relative, errno.into())),
    }
}

fn shown(relative: &Path) -> String {
    shorten(&printable(&relative.to_string_lossy()), SHOWN)
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
