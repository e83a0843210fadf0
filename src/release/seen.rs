//! What a look at a checked-out tree found: which of its folders are still as they were written, with all that is below them. Where
//! git has the same tree for one, a checkout has nothing to do there, and need not read that tree.
//!
//! takes: a folder with the stamps of what was written into it · gives: [`Seen`] · touches: nothing

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{fstat, fstatat};

use super::stamps::{Listed, Stamps, Stat};
use crate::base::disk::Room;

/// The most threads: the rest of the machine serves meanwhile.
const MOST_THREADS: usize = 4;

/// A tree's stamps, and what of it is there untouched.
#[derive(Debug, Default)]
pub struct Seen {
    /// The stamps.
    pub stamps: Stamps,
    /// The numbers of the entries of what is untouched, each folder's after those of what is below it.
    entries: Vec<u32>,
    /// By the hash of a folder's path.
    folders: HashMap<u64, Below>,
}

/// What lies in a folder and below.
#[derive(Debug)]
struct Below {
    /// In [`Seen`]'s, with the folder's own.
    entries: Range<usize>,
    /// In the listing of the stamps, with the folder itself.
    listed: Range<usize>,
    files: usize,
    room: Room,
}

/// A folder that is as it was written, with all that is below it.
#[derive(Debug, Clone, Copy)]
pub struct Untouched<'a> {
    /// The numbers of their entries, with the folder's own.
    pub(super) entries: &'a [u32],
    /// The part of the listing, with the folder itself.
    pub(super) listed: &'a [u8],
    /// Files and links.
    pub files: usize,
    /// What they take, with the folders that are below.
    pub room: Room,
}

impl Seen {
    /// Looks at every file below `src`, whose stamps these are, by several threads. What cannot be looked at counts as touched.
    pub fn look(src: &Path, stamps: Stamps) -> Self {
        let listed: Vec<Listed> = stamps.listed().collect();
        let wanted = thread::available_parallelism().map_or(1, usize::from);
        let share = listed.len().div_ceil(wanted.min(MOST_THREADS)).max(1);
        let looks: Vec<Look> = thread::scope(|scope| {
            let look = |part| Look::at(src, &stamps, part);
            let threads: Vec<_> = listed
                .chunks(share)
                .map(|part| {
                    let thread = thread::Builder::new().spawn_scoped(scope, move || look(part));
                    thread.map_err(|_| part)
                })
                .collect();
            let ended = threads.into_iter().map(|thread| match thread {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                // Where there is no thread to be had.
                Err(part) => look(part),
            });
            ended.collect()
        });
        let mut entries = Vec::with_capacity(stamps.len());
        let mut folders = HashMap::new();
        let mut listed = listed.iter();
        for look in looks {
            let begin = entries.len();
            entries.extend(look.entries);
            for (flat, folder) in look.folders.into_iter().zip(&mut listed) {
                let below = flat.and_then(|flat| flat.with_what_is_below(begin, folder, &folders));
                match below {
                    Some(below) => folders.insert(Stamps::key(folder.path), below),
                    None => folders.remove(&Stamps::key(folder.path)),
                };
            }
        }
        Self {
            stamps,
            entries,
            folders,
        }
    }

    /// The folder at `path` (from the tree's root), if nobody has touched it nor anything below it.
    pub fn untouched(&self, path: &Path) -> Option<Untouched<'_>> {
        let below = self.folders.get(&Stamps::key(path))?;
        Some(Untouched {
            entries: &self.entries[below.entries.clone()],
            listed: self.stamps.part(below.listed.clone()),
            files: below.files,
            room: below.room,
        })
    }
}

/// What a thread has seen.
#[derive(Default)]
struct Look {
    entries: Vec<u32>,
    folders: Vec<Option<Flat>>,
}

/// A folder with untouched files, whatever is in the folders below.
struct Flat {
    /// Of its files, and at the end its own.
    entries: Range<usize>,
    /// The hashes of the paths of the folders in it.
    inner: Vec<u64>,
    room: Room,
}

impl Look {
    fn at(src: &Path, stamps: &Stamps, folders: &[Listed]) -> Self {
        let mut look = Self::default();
        let src = File::open(src).ok();
        for folder in folders {
            let flat = src
                .as_ref()
                .and_then(|src| look.folder(src, stamps, folder));
            look.folders.push(flat);
        }
        look
    }

    fn folder(&mut self, src: &File, stamps: &Stamps, listed: &Listed) -> Option<Flat> {
        let open = open(src, listed.path)?;
        let begin = self.entries.len();
        let mut inner = Vec::new();
        let mut room = Room::default();
        let mut path = PathBuf::from(listed.path);
        for name in listed.names.split_inclusive(|byte| *byte == 0) {
            let name = OsStr::from_bytes(name.strip_suffix(b"\0")?);
            let there = Stat::from(fstatat(&open, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?);
            path.push(name);
            if there.is_folder() {
                // A submodule's is none that was listed: the checkout must say that it is left empty.
                inner.push(Stamps::key(&path));
                room = room.and(Room::of_file(0));
            } else {
                self.entries.push(stamps.untouched(&path, &there)?);
                room = room.and(Room::of_file(there.size));
            }
            path.pop();
        }
        // Last: one that is as it was has had no other names meanwhile.
        let there = Stat::from(fstat(&open).ok()?);
        self.entries.push(stamps.untouched(listed.path, &there)?);
        let entries = begin..self.entries.len();
        Some(Flat {
            entries,
            inner,
            room,
        })
    }
}

impl Flat {
    /// The whole of it, if what is in its folders, which came before, is untouched too. Its entries were put at `begin`.
    fn with_what_is_below(
        self,
        begin: usize,
        listed: &Listed,
        folders: &HashMap<u64, Below>,
    ) -> Option<Below> {
        let mut below = Below {
            entries: begin + self.entries.start..begin + self.entries.end,
            listed: listed.bytes.clone(),
            files: self.entries.len() - 1,
            room: self.room,
        };
        for inner in self.inner {
            let inner = folders.get(&inner)?;
            below.entries.start = below.entries.start.min(inner.entries.start);
            below.listed.start = below.listed.start.min(inner.listed.start);
            below.files = below.files.saturating_add(inner.files);
            below.room = below.room.and(inner.room);
        }
        Some(below)
    }
}

/// The folder at `path` from `src`, and nothing that is in its place or in that of a folder above: a pipe would be waited for, a
/// link may lead to a disk that does not answer. Where the kernel cannot do that (openat2(2), before Linux 5.6), none.
fn open(src: &File, path: &Path) -> Option<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let only_below = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new()
        .flags(OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(only_below);
    openat2(src, path, how).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fs;
    use crate::base::names::{ObjectId, ReleaseId};
    use crate::release::noted::Noted;
    use std::time::Duration;

    const FILES: [&str; 4] = ["a/b/one", "a/b/two", "a/three", "c/four"];

    /// A tree with stamps for all of it.
    fn tree(root: &Path) -> Stamps {
        let src = root.join("src");
        for file in FILES {
            fs::create_folder(src.join(file).parent().unwrap()).unwrap();
            fs::write_unsynced(&src.join(file), b"content").unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
        let object: ObjectId = "1".repeat(40).parse().unwrap();
        let mut noted = Noted::default();
        for (folder, names) in [
            ("a/b", &["one", "two"][..]),
            ("a", &["b", "three"]),
            ("c", &["four"]),
            ("", &["a", "c"]),
        ] {
            let folder = Path::new(folder);
            noted.list(folder, names.iter().map(|name| name.as_bytes()));
            for path in names.iter().map(|name| folder.join(name)) {
                let there = fs::metadata(&src.join(&path)).unwrap();
                noted.note(&path, &object, &Stat::from(&there));
            }
        }
        let there = fs::metadata(&src).unwrap();
        noted.note(Path::new(""), &object, &Stat::from(&there));
        noted.write(&root.join("stamps"), ReleaseId(1)).unwrap();
        Stamps::read(&root.join("stamps")).unwrap().1
    }

    fn untouched(root: &Path, change: impl FnOnce(&Path)) -> Vec<&'static str> {
        let stamps = tree(root);
        change(&root.join("src"));
        let seen = Seen::look(&root.join("src"), stamps);
        let folders = ["", "a", "a/b", "c"].into_iter();
        folders
            .filter(|folder| seen.untouched(Path::new(folder)).is_some())
            .collect()
    }

    #[test]
    fn a_folder_is_untouched_while_nothing_in_it_or_below_is() {
        let check = |change: fn(&Path), expected: &[&str]| {
            let dir = tempfile::tempdir().unwrap();
            assert_eq!(untouched(dir.path(), change), expected);
        };
        check(|_| {}, &["", "a", "a/b", "c"]);
        // A file changed in place, one more, one less, another folder, a link in a folder's place.
        check(
            |src| std::fs::write(src.join("a/b/one"), "CONTENT").unwrap(),
            &["c"],
        );
        check(
            |src| std::fs::write(src.join("a/b/more"), "").unwrap(),
            &["c"],
        );
        check(
            |src| std::fs::remove_file(src.join("a/three")).unwrap(),
            &["a/b", "c"],
        );
        check(
            |src| std::fs::create_dir(src.join("c/__pycache__")).unwrap(),
            &["a", "a/b"],
        );
        check(
            |src| {
                std::fs::rename(src.join("c"), src.join("a/b/c")).unwrap();
                std::os::unix::fs::symlink("a/b/c", src.join("c")).unwrap();
            },
            &[],
        );
        // A link above it, to where it is now.
        check(
            |src| {
                std::fs::rename(src.join("a"), src.join("moved")).unwrap();
                std::os::unix::fs::symlink("moved", src.join("a")).unwrap();
            },
            &["c"],
        );
        // A pipe, which nobody writes to.
        check(
            |src| {
                std::fs::rename(src.join("c"), src.join("a/moved")).unwrap();
                nix::unistd::mkfifo(&src.join("c"), nix::sys::stat::Mode::S_IRWXU).unwrap();
            },
            &["a/b"],
        );
    }

    #[test]
    fn what_is_untouched_is_counted_with_what_is_below() {
        let dir = tempfile::tempdir().unwrap();
        let stamps = tree(dir.path());
        let seen = Seen::look(&dir.path().join("src"), stamps);
        let a = seen.untouched(Path::new("a")).unwrap();
        assert_eq!((a.files, a.entries.len()), (3, 5));
        let room = Room::of_file(7);
        let three = room.and(room).and(room);
        assert_eq!(a.room, three.and(Room::of_file(0)), "with the folder below");
        assert!(a.listed.starts_with(b"a/b\0one\0two\0\0a\0"));
        let all = seen.untouched(Path::new("")).unwrap();
        assert_eq!((all.files, all.entries.len()), (4, 8));
    }
}
