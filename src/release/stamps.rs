//! What a checked-out tree looked like when it was written: so that a later checkout can begin with it and see, without reading
//! a file, which of its files are still what git has.
//!
//! For each file, link and folder of the tree: its object, and what the file system says of it (inode, size, mode, and the
//! times of its last changes; nobody can set the second, inode(7)). Of their names and of all this only hashes are kept: the
//! worst that a wrong one can do is that a file is written anew.
//!
//! The file: a head; the release and how many records there are; as many records of three numbers of eight bytes each, sorted;
//! how long the listing is; the listing; a hash of it all, for a name that is lost from the listing would be a file that nobody
//! looks at. Numbers are little-endian.
//!
//! The listing has the names in each folder: to ask the file system for them is to read folders from the disk, while what it
//! says of a name is mostly in memory. Each folder comes after those below it: its path, its names, and nothing, each with a zero
//! byte at its end.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{FileStat, SFlag};

use crate::base::names::{ObjectId, ReleaseId};

const HEAD: &[u8; 16] = b"landfall tree 2\n";
const RECORD: usize = 24;
/// Entries are looked for among those whose first bits are the same: one or two, of a hundred thousand.
const PARTS_BITS: u32 = 16;

/// One entry: the hashes of its path, of its object, and of what the file system says.
pub(super) type Entry = [u64; 3];

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

    /// When it was last changed in any way, in nanoseconds since 1970.
    pub(super) fn changed(&self) -> i128 {
        self.changed
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
    /// Where the entries of each first bits begin, of stamps that were read.
    parts: Vec<u32>,
    /// The listing.
    listed: Vec<u8>,
}

/// A folder of the listing.
pub(super) struct Listed<'a> {
    /// Its path, from the tree's root.
    pub(super) path: &'a Path,
    /// The names in it, each with a zero byte at its end.
    pub(super) names: &'a [u8],
    /// Where it lies in the listing.
    pub(super) bytes: Range<usize>,
}

impl Stamps {
    /// The folders that were listed, in that order.
    pub(super) fn listed(&self) -> impl Iterator<Item = Listed<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = &self.listed[at..];
            let path_end = rest.iter().position(|byte| *byte == 0)?;
            let names = &rest[path_end + 1..];
            let names_end = match names.first()? {
                0 => 0,
                _ => names.windows(2).position(|pair| pair == [0, 0])? + 1,
            };
            let begin = at;
            at += path_end + names_end + 2;
            Some(Listed {
                path: Path::new(OsStr::from_bytes(&rest[..path_end])),
                names: &names[..names_end],
                bytes: begin..at,
            })
        })
    }

    /// A part of the listing.
    pub(super) fn part(&self, bytes: Range<usize>) -> &[u8] {
        &self.listed[bytes]
    }

    /// What is known of `path`, which is now as `stat` says, for a tree that has `object` there.
    pub fn look_up(&self, path: &Path, object: &ObjectId, stat: &Stat) -> Known {
        match self.find(hash_path(path)).map(|at| self.entries[at]) {
            None => Known::Unknown,
            Some(entry) if entry[2] != hash_stat(stat) => Known::Touched,
            Some(entry) if entry[1] != hash_object(object) => Known::Changed,
            Some(_) => Known::Same,
        }
    }

    /// Whether something is known of `path`.
    pub fn knows(&self, path: &Path) -> bool {
        self.find(hash_path(path)).is_some()
    }

    /// The number of the entry of `path`, where what is there is still as it was written.
    pub(super) fn untouched(&self, path: &Path, stat: &Stat) -> Option<u32> {
        let at = self.find(hash_path(path))?;
        (self.entries[at][2] == hash_stat(stat)).then(|| u32::try_from(at).ok())?
    }

    /// The entry of this number.
    pub(super) fn entry(&self, number: u32) -> Entry {
        self.entries[number as usize]
    }

    /// By what a path is known.
    pub(super) fn key(path: &Path) -> u64 {
        hash_path(path)
    }

    /// How many paths are known.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn find(&self, path: u64) -> Option<usize> {
        let (begin, end) = self.part_of(path);
        let part = self.entries.get(begin..end)?;
        let at = part.binary_search_by_key(&path, |entry| entry[0]).ok()?;
        Some(begin + at)
    }

    /// Where the entries are whose paths begin with the same bits. A search among all of them would meet another page of memory
    /// at each of its steps.
    fn part_of(&self, path: u64) -> (usize, usize) {
        let part = usize::try_from(path >> (u64::BITS - PARTS_BITS)).unwrap_or_default();
        match self.parts.get(part..=part + 1) {
            Some([begin, end]) => (*begin as usize, *end as usize),
            _ => (0, self.entries.len()),
        }
    }

    fn into_parts(mut self) -> Option<Self> {
        self.parts = vec![0; (1 << PARTS_BITS) + 1];
        for [path, ..] in &self.entries {
            let part = usize::try_from(path >> (u64::BITS - PARTS_BITS)).ok()?;
            self.parts[part + 1] += 1;
        }
        for part in 1..self.parts.len() {
            self.parts[part] += self.parts[part - 1];
        }
        Some(self)
    }

    /// Reads them, with the release they were written for; none where there are none that can be used.
    pub fn read(file: &Path) -> Option<(ReleaseId, Self)> {
        let mut file = File::open(file).ok()?;
        let size: usize = file.metadata().ok()?.len().try_into().ok()?;
        let file = &mut BufReader::new(&mut file);
        let mut head = [0; HEAD.len()];
        file.read_exact(&mut head).ok()?;
        let release = ReleaseId(number(file)?.try_into().ok()?);
        let count: usize = number(file)?.try_into().ok()?;
        // The numbers may be anything: not more than there can be.
        if head != *HEAD || count > size / RECORD {
            return None;
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push([number(file)?, number(file)?, number(file)?]);
        }
        let length: usize = number(file)?.try_into().ok()?;
        let mut listed = vec![0; Some(length).filter(|length| *length <= size)?];
        file.read_exact(&mut listed).ok()?;
        let sum = number(file)?;
        let is_at_its_end = file.fill_buf().ok()?.is_empty();
        let stamps = Self {
            entries,
            listed,
            ..Self::default()
        };
        if !is_at_its_end || sum != stamps.sum(release) {
            return None;
        }
        Some((release, stamps.into_parts()?))
    }

    fn sum(&self, release: ReleaseId) -> u64 {
        let mut sum = Sum::of(release, self.entries.len());
        self.entries.iter().for_each(|entry| sum.entry(entry));
        sum.listing(self.listed.len());
        sum.listed(&self.listed);
        sum.end()
    }
}

/// The hash at the end of the file, piece by piece.
pub(super) struct Sum(DefaultHasher);

impl Sum {
    /// To begin with: whose they are, and how many entries come.
    pub(super) fn of(release: ReleaseId, entries: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        (release.0, entries).hash(&mut hasher);
        Self(hasher)
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        entry.hash(&mut self.0);
    }

    /// After the entries: how long the listing is.
    pub(super) fn listing(&mut self, length: usize) {
        length.hash(&mut self.0);
    }

    /// Its bytes, in however many parts.
    pub(super) fn listed(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(super) fn end(self) -> u64 {
        self.0.finish()
    }
}

/// What the file begins with.
pub(super) fn head(release: ReleaseId, entries: usize) -> Vec<u8> {
    let numbers = [u64::from(release.0), entries as u64].map(u64::to_le_bytes);
    [HEAD, &numbers[0][..], &numbers[1]].concat()
}

/// Adds the folder at `path` to a listing.
pub(super) fn list<'a>(listed: &mut Vec<u8>, path: &Path, names: impl Iterator<Item = &'a [u8]>) {
    listed.extend(path.as_os_str().as_bytes());
    listed.push(0);
    for name in names {
        listed.extend(name);
        listed.push(0);
    }
    listed.push(0);
}

/// That `object` lies at `path` (from the tree's root) as `stat` says.
pub(super) fn entry(path: &Path, object: &ObjectId, stat: &Stat) -> Entry {
    [hash_path(path), hash_object(object), hash_stat(stat)]
}

fn number(file: &mut impl Read) -> Option<u64> {
    let mut number = [0; 8];
    file.read_exact(&mut number).ok()?;
    Some(u64::from_le_bytes(number))
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
    use crate::base::fs;
    use crate::release::noted::Noted;
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
        let mut noted = Noted::default();
        noted.note(path, &one, &look());
        let place = dir.path().join("stamps");
        noted.write(&place, ReleaseId(7)).unwrap();
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
        let mut noted = Noted::default();
        std::thread::sleep(Duration::from_millis(20));
        noted.note(path, &one, &look());
        noted.write(&place, ReleaseId(7)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (_, stamps) = Stamps::read(&place).unwrap();
        assert_eq!(stamps.look_up(path, &one, &look()), Known::Touched);
    }

    #[test]
    fn each_path_is_found_also_where_hashes_are_not_spread_evenly() {
        let stamps = |keys: &[u64]| {
            let entries = keys.iter().map(|key| [*key, 0, 0]).collect();
            let stamps = Stamps {
                entries,
                ..Stamps::default()
            };
            stamps.into_parts().unwrap()
        };
        let even: Vec<u64> = (0..100_000)
            .map(|number| number * (u64::MAX / 100_000))
            .collect();
        let low: Vec<u64> = (0..1000).collect();
        let high: Vec<u64> = (0..1000).map(|number| u64::MAX - 999 + number).collect();
        for keys in [&even, &low, &high, &vec![u64::MAX], &Vec::new()] {
            let stamps = stamps(keys);
            assert!(keys.iter().all(|key| stamps.find(*key).is_some()));
            assert!(stamps.find(u64::MAX / 3 + 7).is_none());
        }
    }

    #[test]
    fn folders_are_listed_as_they_were_noted() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("stamps");
        let folders: [(&str, &[&[u8]]); 4] = [
            ("a/b", &[b"one", b"two"]),
            ("a/empty", &[]),
            ("a", &[b"b", b"empty", b"\xff"]),
            ("", &[b"a"]),
        ];
        let mut noted = Noted::default();
        for (path, names) in folders {
            noted.list(Path::new(path), names.iter().copied());
        }
        noted.write(&place, ReleaseId(1)).unwrap();
        let (_, stamps) = Stamps::read(&place).unwrap();
        let listed: Vec<Listed> = stamps.listed().collect();
        assert_eq!(listed.len(), folders.len());
        for (listed, (path, names)) in listed.iter().zip(folders) {
            let expected: Vec<u8> = names
                .iter()
                .flat_map(|name| [name, &b"\0"[..]].concat())
                .collect();
            assert_eq!(
                (listed.path, listed.names),
                (Path::new(path), &expected[..])
            );
            assert!(
                stamps
                    .part(listed.bytes.clone())
                    .starts_with(path.as_bytes())
            );
        }
        assert_eq!(listed.last().unwrap().bytes.end, stamps.listed.len());
    }
}
