//! What a checked-out tree looked like when it was written: so that a later checkout can begin with it and see, without reading
//! a file, which of its files are still what git has.
//!
//! For each file, link and folder of the tree: its object, and what the file system says of it (inode, size, mode, and the
//! times of its last changes; nobody can set the second, inode(7)). Of their names and of all this only hashes are kept: the
//! worst that a wrong one can do is that a file is written anew.
//!
//! The file: a head, then records of three numbers of eight bytes each, little-endian, sorted.

use std::collections::hash_map::DefaultHasher;
use std::fs::Metadata;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{FileStat, SFlag};

use crate::base::fs::{self, FsError};
use crate::base::names::{ObjectId, ReleaseId};

const HEAD: &[u8; 16] = b"landfall tree 1\n";
const RECORD: usize = 24;

/// One entry: the hashes of its path, of its object, and of what the file system says.
type Entry = [u64; 3];

/// What is known of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is there as git has it.
    Same,
    /// git has something else now.
    Changed,
    /// Something else than a checkout has changed it since.
    Touched,
    /// Nothing.
    Unknown,
}

/// What the file system says of a file, a link or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its size in bytes.
    pub size: u64,
    /// Its kind and rights, as inode(7) has them.
    pub mode: u32,
    inode: u64,
    /// In nanoseconds since 1970.
    modified: i128,
    changed: i128,
}

const NANOSECONDS: i128 = 1_000_000_000;

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Self {
        let time = |seconds: i64, rest: i64| i128::from(seconds) * NANOSECONDS + i128::from(rest);
        Self {
            size: metadata.size(),
            mode: metadata.mode(),
            inode: metadata.ino(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl From<FileStat> for Stat {
    fn from(stat: FileStat) -> Self {
        let time = |seconds: i64, rest: i64| i128::from(seconds) * NANOSECONDS + i128::from(rest);
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mode: stat.st_mode,
            inode: stat.st_ino,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

impl Stat {
    fn is(&self, kind: SFlag) -> bool {
        self.mode & SFlag::S_IFMT.bits() == kind.bits()
    }

    /// It is a folder.
    pub fn is_folder(&self) -> bool {
        self.is(SFlag::S_IFDIR)
    }

    /// It is a file.
    pub fn is_file(&self) -> bool {
        self.is(SFlag::S_IFREG)
    }
}

/// The stamps of one tree.
#[derive(Debug, Default)]
pub struct Stamps {
    entries: Vec<Entry>,
    /// Entries whose file changed so lately that a change in the same tick of the clock would not show: with that tick.
    late: Vec<(i128, Entry)>,
}

impl Stamps {
    /// Room for as many more as another has; what it grows into otherwise is twice of what it needs.
    pub fn with_room_of(other: &Self) -> Self {
        Self {
            entries: Vec::with_capacity(other.entries.len() + 64),
            late: Vec::new(),
        }
    }

    /// Notes again what [`Stamps::look_up`] found the same.
    pub fn note_same(&mut self, path: &Path, object: &ObjectId, stat: &Stat) {
        self.entries
            .push([hash_path(path), hash_object(object), hash_stat(stat)]);
    }

    /// Notes that `object` lies at `path` (from the tree's root) as `stat` says.
    pub fn note(&mut self, path: &Path, object: &ObjectId, stat: &Stat) {
        let entry = [hash_path(path), hash_object(object), hash_stat(stat)];
        self.late.push((stat.changed, entry));
    }

    /// Takes over what another has noted.
    pub fn join(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.late.extend(other.late);
    }

    /// What is known of `path`, which is now as `stat` says, for a tree that has `object` there.
    pub fn look_up(&self, path: &Path, object: &ObjectId, stat: &Stat) -> Known {
        let path = hash_path(path);
        match self.entries.binary_search_by_key(&path, |entry| entry[0]) {
            Err(_) => Known::Unknown,
            Ok(at) if self.entries[at][2] != hash_stat(stat) => Known::Touched,
            Ok(at) if self.entries[at][1] != hash_object(object) => Known::Changed,
            Ok(_) => Known::Same,
        }
    }

    /// Whether something is known of `path`.
    pub fn knows(&self, path: &Path) -> bool {
        let path = hash_path(path);
        self.entries
            .binary_search_by_key(&path, |entry| entry[0])
            .is_ok()
    }

    /// Writes the stamps of a whole tree. The file's own time is the clock's tick: what changed in it or later may change
    /// again without showing, and is left out.
    pub fn write(mut self, file: &Path, release: ReleaseId) -> Result<(), FsError> {
        fs::write_unsynced(file, b"")?;
        let tick = Stat::from(&fs::metadata(file)?).changed;
        let late = std::mem::take(&mut self.late);
        let old = late.into_iter().filter(|(time, _)| *time < tick);
        self.entries.extend(old.map(|(_, entry)| entry));
        self.entries.sort_unstable();
        let mut bytes = Vec::with_capacity(HEAD.len() + 8 + self.entries.len() * RECORD);
        bytes.extend(HEAD);
        bytes.extend(u64::from(release.0).to_le_bytes());
        for number in self.entries.iter().flatten() {
            bytes.extend(number.to_le_bytes());
        }
        fs::write_unsynced(file, &bytes)
    }

    /// Reads them, with the release they were written for; none where there are none that can be used.
    pub fn read(file: &Path) -> Option<(ReleaseId, Self)> {
        let bytes = fs::read_bytes(file).ok()?;
        let body = bytes.strip_prefix(HEAD)?;
        let (release, records) = body.split_at_checked(8)?;
        let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
        let release = ReleaseId(number(release)?.try_into().ok()?);
        if records.len() % RECORD != 0 {
            return None;
        }
        let entries = records
            .chunks_exact(RECORD)
            .map(|record| {
                Some([
                    number(&record[..8])?,
                    number(&record[8..16])?,
                    number(&record[16..])?,
                ])
            })
            .collect::<Option<Vec<Entry>>>()?;
        let late = Vec::new();
        Some((release, Self { entries, late }))
    }
}

fn hash_path(path: &Path) -> u64 {
    hash(path.as_os_str().as_bytes())
}

fn hash_object(object: &ObjectId) -> u64 {
    hash(object.as_str())
}

fn hash_stat(stat: &Stat) -> u64 {
    hash((
        stat.inode,
        stat.size,
        stat.mode,
        stat.modified,
        stat.changed,
    ))
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    #[test]
    fn a_change_of_any_kind_shows_also_with_size_and_time_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let (path, file) = (Path::new("a/b"), dir.path().join("b"));
        let (one, other) = ("1".repeat(40), "2".repeat(40));
        let (one, other): (ObjectId, ObjectId) = (one.parse().unwrap(), other.parse().unwrap());
        let look = || Stat::from(&fs::metadata(&file).unwrap());
        fs::write(&file, b"content", fs::PUBLIC).unwrap();
        let written = fs::metadata(&file).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let mut stamps = Stamps::default();
        stamps.note(path, &one, &look());
        let place = dir.path().join("stamps");
        stamps.write(&place, ReleaseId(7)).unwrap();
        let (release, stamps) = Stamps::read(&place).unwrap();
        assert_eq!(release, ReleaseId(7));
        assert_eq!(stamps.look_up(path, &one, &look()), Known::Same);
        assert_eq!(stamps.look_up(path, &other, &look()), Known::Changed);
        assert_eq!(
            stamps.look_up(Path::new("a/c"), &one, &look()),
            Known::Unknown
        );
        // In place, of the same size, and its time put back.
        let opened = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        std::io::Write::write_all(&mut &opened, b"CONTENT").unwrap();
        opened.set_modified(written.modified().unwrap()).unwrap();
        assert_eq!(stamps.look_up(path, &one, &look()), Known::Touched);
        // Its mode alone.
        let mut stamps = Stamps::default();
        std::thread::sleep(Duration::from_millis(20));
        stamps.note(path, &one, &look());
        stamps.write(&place, ReleaseId(7)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (_, stamps) = Stamps::read(&place).unwrap();
        assert_eq!(stamps.look_up(path, &one, &look()), Known::Touched);
    }

    #[test]
    fn what_was_written_in_the_same_tick_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let (file, place) = (dir.path().join("b"), dir.path().join("stamps"));
        let object: ObjectId = "1".repeat(40).parse().unwrap();
        let mut stamps = Stamps::default();
        fs::write(&file, b"content", fs::PUBLIC).unwrap();
        let stat = Stat::from(&fs::metadata(&file).unwrap());
        stamps.note(Path::new("b"), &object, &stat);
        // As if no tick had passed.
        stamps.late[0].0 = i128::MAX;
        stamps.write(&place, ReleaseId(1)).unwrap();
        let (_, stamps) = Stamps::read(&place).unwrap();
        assert!(!stamps.knows(Path::new("b")));
    }

    #[test]
    fn half_a_file_is_no_stamps() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("stamps");
        Stamps::default().write(&place, ReleaseId(1)).unwrap();
        let whole = fs::read_bytes(&place).unwrap();
        assert!(Stamps::read(&place).is_some());
        for bytes in [
            &whole[..whole.len() - 1],
            &[&whole[..], b"x"].concat(),
            b"other",
            b"",
        ] {
            fs::write(&place, bytes, fs::PUBLIC).unwrap();
            assert!(Stamps::read(&place).is_none());
        }
    }
}
