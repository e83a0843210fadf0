//! What a checkout notes of a tree while it writes it, and the file that is made of it (`stamps` reads it).
//!
//! takes: paths, their objects, what the file system says of them; what was seen untouched · gives: nothing · touches: the file
//!
//! What nobody has touched is not copied: of a large tree, that would be most of a hook's memory.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::seen::Untouched;
use super::stamps::{self, Entry, Stamps, Stat, Sum};
use crate::base::fs::{self, FsError};
use crate::base::names::{ObjectId, ReleaseId};

/// The stamps of a tree that is being written, with what is taken over of another's.
#[derive(Debug, Default)]
pub struct Noted<'a> {
    of: Option<&'a Stamps>,
    /// The numbers of the entries that are taken over.
    kept: Vec<u32>,
    entries: Vec<Entry>,
    /// Entries whose file may have changed so lately that a change in the same tick of the clock would not show.
    late: Late,
    listed: Vec<Part<'a>>,
}

/// Entries with the time of their file's last change: once for all that follow each other in one tick, for of a first checkout
/// these are all its files.
#[derive(Debug, Default)]
struct Late {
    entries: Vec<Entry>,
    /// Ticks, and how many entries are of each.
    ticks: Vec<(i128, usize)>,
}

impl Late {
    fn add(&mut self, changed: i128, entry: Entry) {
        self.entries.push(entry);
        match self.ticks.last_mut() {
            Some((tick, count)) if *tick == changed => *count += 1,
            _ => self.ticks.push((changed, 1)),
        }
    }

    fn join(&mut self, mut other: Self) {
        // The shorter one is copied.
        if self.entries.len() < other.entries.len() {
            std::mem::swap(self, &mut other);
        }
        self.entries.extend(other.entries);
        self.ticks.extend(other.ticks);
    }

    /// Those whose file changed before that tick.
    fn before(self, now: i128) -> Vec<Entry> {
        let ticks = self.ticks.into_iter();
        let mut old = ticks.flat_map(|(tick, count)| std::iter::repeat_n(tick < now, count));
        let mut entries = self.entries;
        entries.retain(|_| old.next().unwrap_or(false));
        entries
    }
}

/// A part of the listing.
#[derive(Debug)]
enum Part<'a> {
    Kept(&'a [u8]),
    New(Vec<u8>),
}

impl Part<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Kept(bytes) => bytes,
            Self::New(bytes) => bytes,
        }
    }
}

impl<'a> Noted<'a> {
    /// Nothing yet, to take over from this tree's.
    pub fn after(of: &'a Stamps) -> Self {
        Self {
            of: Some(of),
            ..Self::default()
        }
    }

    /// Lists the folder at `path`, after those below it.
    pub fn list<'b>(&mut self, path: &Path, names: impl Iterator<Item = &'b [u8]>) {
        if !matches!(self.listed.last(), Some(Part::New(_))) {
            self.listed.push(Part::New(Vec::new()));
        }
        if let Some(Part::New(bytes)) = self.listed.last_mut() {
            stamps::list(bytes, path, names);
        }
    }

    /// Notes that `object` lies at `path` (from the tree's root) as `stat` says.
    pub fn note(&mut self, path: &Path, object: &ObjectId, stat: &Stat) {
        let entry = stamps::entry(path, object, stat);
        self.late.add(stat.changed(), entry);
    }

    /// Notes again what [`Stamps::look_up`] found the same.
    pub fn note_same(&mut self, path: &Path, object: &ObjectId, stat: &Stat) {
        self.entries.push(stamps::entry(path, object, stat));
    }

    /// Takes over everything of a folder that nobody has touched: of the tree that it was begun with.
    pub fn note_untouched(&mut self, folder: Untouched<'a>) {
        self.kept.extend(folder.entries);
        self.listed.push(Part::Kept(folder.listed));
    }

    /// Takes over what another has noted of files.
    pub fn join(&mut self, other: Noted<'_>) {
        self.entries.extend(other.entries);
        self.late.join(other.late);
    }

    /// Writes the stamps of a whole tree. The file's own time is the clock's tick: what changed in it or later may change
    /// again without showing, and is left out.
    pub fn write(mut self, file: &Path, release: ReleaseId) -> Result<(), FsError> {
        fs::write_unsynced(file, b"")?;
        let tick = Stat::from(&fs::metadata(file)?).changed();
        let late = std::mem::take(&mut self.late);
        let mut old = late.before(tick);
        if self.entries.len() < old.len() {
            std::mem::swap(&mut self.entries, &mut old);
        }
        self.entries.extend(old);
        self.entries.sort_unstable();
        // Those of a tree's stamps are sorted as their numbers are.
        self.kept.sort_unstable();
        self.put(file, release)
            .map_err(|source| FsError::new("write", file, source))
    }

    fn put(&self, file: &Path, release: ReleaseId) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(file)?);
        let count = self.entries.len() + self.kept.len();
        let mut sum = Sum::of(release, count);
        file.write_all(&stamps::head(release, count))?;
        for entry in self.sorted() {
            sum.entry(&entry);
            for number in entry {
                file.write_all(&number.to_le_bytes())?;
            }
        }
        let length: usize = self.listed.iter().map(|part| part.bytes().len()).sum();
        sum.listing(length);
        file.write_all(&(length as u64).to_le_bytes())?;
        for part in &self.listed {
            sum.listed(part.bytes());
            file.write_all(part.bytes())?;
        }
        file.write_all(&sum.end().to_le_bytes())?;
        file.flush()
    }

    /// All entries: what was taken over among the new ones.
    fn sorted(&self) -> impl Iterator<Item = Entry> {
        let mut new = self.entries.iter().copied().peekable();
        let kept = self.kept.iter();
        let kept = kept.filter_map(|number| Some(self.of?.entry(*number)));
        let mut kept = kept.peekable();
        std::iter::from_fn(move || match (new.peek(), kept.peek()) {
            (Some(one), Some(other)) if one < other => new.next(),
            (_, Some(_)) => kept.next(),
            (Some(_), None) => new.next(),
            (None, None) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::disk::Room;

    #[test]
    fn what_is_taken_over_lies_sorted_among_what_is_new() {
        let entry = |path: u64| [path, path + 1, path + 2];
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("stamps");
        let mut first = Noted {
            entries: [9, 2, 5, 7].map(entry).to_vec(),
            ..Noted::default()
        };
        for folder in ["a", "b", ""] {
            first.list(Path::new(folder), [&b"x"[..]].into_iter());
        }
        first.write(&place, ReleaseId(1)).unwrap();
        let (_, stamps) = Stamps::read(&place).unwrap();
        let numbers = [3, 0];
        let b = stamps.listed().nth(1).unwrap().bytes;
        let mut second = Noted::after(&stamps);
        second.list(Path::new("a"), [&b"y"[..], b"z"].into_iter());
        second.note_untouched(Untouched {
            entries: &numbers,
            listed: stamps.part(b),
            files: 1,
            room: Room::default(),
        });
        second.list(Path::new(""), [&b"a"[..], b"b"].into_iter());
        second.entries = [4, 1, 10].map(entry).to_vec();
        let next = dir.path().join("next");
        second.write(&next, ReleaseId(2)).unwrap();
        let (release, read) = Stamps::read(&next).unwrap();
        assert_eq!(release, ReleaseId(2));
        let entries: Vec<Entry> = (0..5).map(|number| read.entry(number)).collect();
        assert_eq!(entries, [1, 2, 4, 9, 10].map(entry));
        let listed: Vec<(&Path, &[u8])> = read.listed().map(|one| (one.path, one.names)).collect();
        let expected: [(&Path, &[u8]); 3] = [
            (Path::new("a"), b"y\0z\0"),
            (Path::new("b"), b"x\0"),
            (Path::new(""), b"a\0b\0"),
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn what_was_written_in_the_same_tick_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let (file, place) = (dir.path().join("b"), dir.path().join("stamps"));
        let object: ObjectId = "1".repeat(40).parse().unwrap();
        let mut noted = Noted::default();
        fs::write(&file, b"content", fs::PUBLIC).unwrap();
        let stat = Stat::from(&fs::metadata(&file).unwrap());
        noted.note(Path::new("b"), &object, &stat);
        // As if no tick had passed.
        noted.late.ticks[0].0 = i128::MAX;
        noted.write(&place, ReleaseId(1)).unwrap();
        let (_, stamps) = Stamps::read(&place).unwrap();
        assert!(!stamps.knows(Path::new("b")));
    }

    #[test]
    fn each_is_judged_by_its_own_tick() {
        let late = |changed: &[(i128, u64)]| {
            let mut late = Late::default();
            let add = |(at, path): &(i128, u64)| late.add(*at, [*path, 0, 0]);
            changed.iter().for_each(add);
            late
        };
        let mut all = late(&[(5, 1), (9, 2), (9, 3), (5, 4), (10, 5)]);
        all.join(late(&[(10, 6), (8, 7), (8, 8)]));
        let paths =
            |entries: Vec<Entry>| -> Vec<u64> { entries.iter().map(|one| one[0]).collect() };
        assert_eq!(paths(all.before(9)), [1, 4, 7, 8]);
    }

    #[test]
    fn half_a_file_is_no_stamps() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("stamps");
        let mut noted = Noted::default();
        noted.list(Path::new("a"), [&b"name"[..]].into_iter());
        noted.entries.push([1, 2, 3]);
        noted.write(&place, ReleaseId(1)).unwrap();
        let whole = fs::read_bytes(&place).unwrap();
        assert!(Stamps::read(&place).is_some());
        for length in 0..whole.len() {
            fs::write(&place, &whole[..length], fs::PUBLIC).unwrap();
            assert!(Stamps::read(&place).is_none(), "{length}");
        }
        let mut without_a_name = whole.clone();
        let name = whole.windows(4).position(|part| part == b"name").unwrap();
        without_a_name[name..name + 4].fill(0);
        for bytes in [&[&whole[..], b"x"].concat()[..], b"other", &without_a_name] {
            fs::write(&place, bytes, fs::PUBLIC).unwrap();
            assert!(Stamps::read(&place).is_none());
        }
    }
}
