//! Compressed files beside the plain ones that nginx serves, made once for a content: `cache/compressed/OBJECTID.gz` and `.br`.
//!
//! takes: a folder that is served · gives: `FILE.gz` or `FILE.br` beside its files, links to the store's · touches: the
//! folder, `cache/compressed` · undone by: removing them; nginx serves the plain files then
//!
//! The store's files are read by everybody and written by nobody, so they are read-only, and one may stand in many places. One
//! that stands nowhere else any more is pruned: its link count says so.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::layout::Home;
use crate::base::aside::{self, Aside};
use crate::base::compress::Coding;
use crate::base::fs::{self, FsError};
use crate::git;

/// What nginx compresses (`gzip_types` and `types` of `templates/nginx`), by the end of the name. Source maps are left to it:
/// they are the largest files of all, and asked for by nobody but a developer.
const ENDINGS: [&str; 22] = [
    "atom",
    "cjs",
    "css",
    "csv",
    "eot",
    "htm",
    "html",
    "js",
    "json",
    "jsonld",
    "md",
    "mjs",
    "otf",
    "rss",
    "shtml",
    "svg",
    "ttf",
    "txt",
    "wasm",
    "webmanifest",
    "xhtml",
    "xml",
];
/// `gzip_min_length`: what is smaller fits one packet anyway.
const LEAST: u64 = 1024;
/// What is larger is left to nginx: a few at once would take the memory of a small machine.
const MOST: u64 = 8 * 1024 * 1024;
/// Brotli takes memory of ten times the file, and seven seconds for a megabyte.
const MOST_FOR_BROTLI: u64 = 2 * 1024 * 1024;
/// A compressed file takes at most so many hundredths of the plain one, or it is not worth the browser's work.
const WORTH: usize = 95;
/// The most threads: the machine serves meanwhile. Nobody waits for brotli.
const MOST_THREADS: usize = 4;
/// Read by everybody, written by nobody.
const READ_ONLY: u32 = 0o444;

/// The folder of the store.
pub fn store(home: &Home) -> PathBuf {
    home.cache().join("compressed")
}

/// A compressed file that has its place in the store, and where it is to stand.
#[derive(Debug)]
pub struct Packed {
    stored: PathBuf,
    place: PathBuf,
}

/// What the threads share.
struct Work<'a> {
    coding: Coding,
    store: PathBuf,
    files: &'a [PathBuf],
    next: AtomicUsize,
    /// Places in the store that somebody fills: two files may have the same content.
    taken: Mutex<BTreeSet<PathBuf>>,
    written: Mutex<Vec<Aside>>,
    found: Mutex<Vec<Packed>>,
}

/// Puts files that gzip compressed beside those `files` of `folder` that are worth it. Gives how many have one of ours now.
pub fn beside(home: &Home, folder: &Path, files: &[PathBuf]) -> Result<usize, FsError> {
    place(&pack(home, folder, files, Coding::Gzip)?)
}

/// Compresses those `files` of `folder` that are worth it, into the store. [`place`] puts them where they are served.
pub fn pack(
    home: &Home,
    folder: &Path,
    files: &[PathBuf],
    coding: Coding,
) -> Result<Vec<Packed>, FsError> {
    let files = worth_a_try(folder, files, coding)?;
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let work = Work {
        coding,
        store: store(home),
        files: &files,
        next: AtomicUsize::new(0),
        taken: Mutex::default(),
        written: Mutex::default(),
        found: Mutex::default(),
    };
    fs::create_folder(&work.store)?;
    let done = work.side_by_side();
    let written = work.written.into_inner();
    let written = written.unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = done {
        aside::discard(written);
        return Err(error);
    }
    aside::put(written)?;
    let found = work.found.into_inner();
    Ok(found.unwrap_or_else(PoisonError::into_inner))
}

/// Puts compressed files beside the plain ones. Gives how many.
pub fn place(packed: &[Packed]) -> Result<usize, FsError> {
    let mut places = BTreeSet::new();
    // Of two files with one content that is not worth it, the second waits for what is not written.
    for each in packed.iter().filter(|each| each.stored.exists()) {
        fs::link_file(&each.stored, &each.place)?;
        places.insert(&each.place);
    }
    Ok(places.len())
}

/// Puts the compressed files of ours beside `names` of the folder `old` beside the files of `new` too, which are the same.
pub fn carry(old: &Path, new: &Path, names: &[PathBuf]) -> Result<(), FsError> {
    for name in names {
        for file in Coding::ALL.map(|coding| packed(name, coding)) {
            if is_ours(old, &file) {
                fs::link_file(&old.join(&file), &new.join(&file))?;
            }
        }
    }
    Ok(())
}

/// Takes away what stands nowhere any more. Gives how many files that were.
pub fn prune(home: &Home) -> Result<usize, FsError> {
    let mut pruned = 0;
    for path in fs::list(&store(home))? {
        if fs::metadata(&path)?.nlink() == 1 {
            fs::remove_file(&path)?;
            pruned += 1;
        }
    }
    Ok(pruned)
}

/// True for a file of `folder` that [`place`] put there, not the app's own build: the plain file is there, and nobody may
/// write it.
pub fn is_ours(folder: &Path, file: &Path) -> bool {
    let path = folder.join(file);
    let is_packed = |coding: Coding| path.extension().is_some_and(|end| end == coding.ending());
    Coding::ALL.into_iter().any(is_packed)
        && path.with_extension("").is_file()
        && fs::mode(&path).is_ok_and(|mode| mode == READ_ONLY)
}

/// Those of a fitting type and size that the build did not compress itself.
fn worth_a_try(folder: &Path, files: &[PathBuf], coding: Coding) -> Result<Vec<PathBuf>, FsError> {
    let sizes = match coding {
        Coding::Gzip => LEAST..=MOST,
        Coding::Brotli => LEAST..=MOST_FOR_BROTLI,
    };
    let there: BTreeSet<&PathBuf> = files.iter().collect();
    let mut fitting = Vec::new();
    for file in files.iter().filter(|file| is_compressible(file)) {
        let path = folder.join(file);
        if !there.contains(&packed(file, coding)) && sizes.contains(&fs::metadata(&path)?.len()) {
            fitting.push(path);
        }
    }
    Ok(fitting)
}

fn is_compressible(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// `index.js` → `index.js.gz`
fn packed(file: &Path, coding: Coding) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(coding.ending());
    name.into()
}

impl Work<'_> {
    /// This thread works too: where no other can be made (fork(2), EAGAIN), it works alone.
    fn side_by_side(&self) -> Result<(), FsError> {
        let wanted = match self.coding {
            Coding::Gzip => thread::available_parallelism().map_or(1, usize::from),
            Coding::Brotli => 1,
        };
        let others = wanted.min(MOST_THREADS).min(self.files.len()) - 1;
        thread::scope(|scope| {
            let others: Vec<_> = (0..others)
                .map_while(|_| {
                    thread::Builder::new()
                        .spawn_scoped(scope, || self.until_done())
                        .ok()
                })
                .collect();
            let mut done = self.until_done();
            for other in others {
                let ended = other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                done = done.and(ended);
            }
            done
        })
    }

    fn until_done(&self) -> Result<(), FsError> {
        while let Some(file) = self.files.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = self.one(file) {
                // The others need not go on either.
                self.next.store(self.files.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    }

    fn one(&self, file: &Path) -> Result<(), FsError> {
        let ending = self.coding.ending();
        let plain = fs::read_bytes(file)?;
        let stored = self.store.join(format!("{}.{ending}", git::hash(&plain)));
        let is_free = || lock(&self.taken).insert(stored.clone());
        if !stored.exists() && is_free() {
            let packed = self.coding.pack(&plain);
            let packed = packed.map_err(|source| FsError::new("compress", file, source))?;
            if packed.len() * 100 > plain.len() * WORTH {
                return Ok(());
            }
            let modified = fs::modified(file)?;
            let file = aside::write(stored.clone(), &packed, READ_ONLY, modified)?;
            lock(&self.written).push(file);
        }
        let place = packed(file, self.coding);
        lock(&self.found).push(Packed { stored, place });
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    struct Site {
        _dir: tempfile::TempDir,
        home: Home,
    }

    impl Site {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let home = Home::new(dir.path().to_owned(), "app".parse().unwrap());
            Self { _dir: dir, home }
        }

        fn put(&self, entry: &str, name: &str, content: &[u8]) -> PathBuf {
            let path = self.home.root().join(entry).join(name);
            fs::create_folder(path.parent().unwrap()).unwrap();
            fs::write(&path, content, fs::PUBLIC).unwrap();
            path
        }

        fn compress(&self, entry: &str) -> usize {
            let folder = self.home.root().join(entry);
            let files = fs::files_below(&folder).unwrap();
            beside(&self.home, &folder, &files).unwrap()
        }

        fn names(&self, entry: &str) -> Vec<String> {
            let files = fs::files_below(&self.home.root().join(entry)).unwrap();
            let names = files.iter().map(|file| file.display().to_string());
            names.collect()
        }
    }

    fn script(seed: u32) -> Vec<u8> {
        (0..400)
            .flat_map(|n| format!("export const v{n} = {};\n", n * seed).into_bytes())
            .collect()
    }

    fn inode(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn what_is_worth_it_is_compressed_and_what_the_build_made_stays() {
        let site = Site::new();
        let plain = site.put("a", "js/app.JS", &script(1));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        std::fs::File::open(&plain)
            .unwrap()
            .set_modified(time)
            .unwrap();
        site.put("a", "same/app.js", &script(1));
        site.put("a", "own.css", &script(2));
        let own = site.put("a", "own.css.gz", b"the build's");
        site.put("a", "small.js", &script(3)[..1000]);
        site.put("a", "photo.png", &script(4));
        site.put("a", "app.js.map", &script(5));
        // Nothing becomes smaller; of two such files neither does.
        let noise: Vec<u8> = (0..200_u32)
            .flat_map(|n| {
                crate::git::hash(&n.to_le_bytes())
                    .as_str()
                    .as_bytes()
                    .to_vec()
            })
            .collect();
        let noise = data_encoding::HEXLOWER.decode(&noise).unwrap();
        site.put("a", "noise.txt", &noise);
        site.put("a", "noise2.txt", &noise);
        assert_eq!(site.compress("a"), 2);
        let made = [
            "app.js.map",
            "js/app.JS",
            "js/app.JS.gz",
            "noise.txt",
            "noise2.txt",
            "own.css",
            "own.css.gz",
            "photo.png",
            "same/app.js",
            "same/app.js.gz",
            "small.js",
        ];
        assert_eq!(site.names("a"), made);
        assert_eq!(fs::read(&own).unwrap(), "the build's");
        let packed = plain.with_extension("JS.gz");
        assert_eq!(fs::mode(&packed).unwrap(), READ_ONLY);
        let back = Coding::Gzip.pack(&script(1)).unwrap();
        assert_eq!(fs::read_bytes(&packed).unwrap(), back);
        let folder = site.home.root().join("a");
        let ours: Vec<&str> = made
            .into_iter()
            .filter(|file| is_ours(&folder, Path::new(file)))
            .collect();
        assert_eq!(ours, ["js/app.JS.gz", "same/app.js.gz"]);
        // One content, one file.
        assert_eq!(inode(&packed), inode(&folder.join("same/app.js.gz")));
        assert_eq!(site.compress("a"), 0, "all there is to do is done");
    }

    #[test]
    fn what_is_carried_along_is_ours_and_of_the_files_that_are_meant() {
        let site = Site::new();
        for name in ["same.js", "other.js"] {
            site.put("a", name, &script(1));
            site.put("b", name, &script(1));
        }
        site.compress("a");
        site.put("a", "own.js", &script(2));
        site.put("a", "own.js.gz", b"the build's");
        site.put("b", "own.js", &script(2));
        let root = site.home.root();
        let same = ["same.js", "own.js", "none.js"].map(PathBuf::from);
        carry(&root.join("a"), &root.join("b"), &same).unwrap();
        let there = ["other.js", "own.js", "same.js", "same.js.gz"];
        assert_eq!(site.names("b"), there);
        let gz = |entry: &str| inode(&root.join(entry).join("same.js.gz"));
        assert_eq!(gz("a"), gz("b"));
        assert_eq!(site.compress("b"), 2, "the rest is left to do");
    }

    #[test]
    fn brotli_has_a_file_of_its_own_and_is_carried_along() {
        let site = Site::new();
        site.put("a", "app.js", &script(1));
        let folder = site.home.root().join("a");
        site.compress("a");
        let pack = || {
            let files = fs::files_below(&folder).unwrap();
            pack(&site.home, &folder, &files, Coding::Brotli).unwrap()
        };
        assert_eq!(place(&pack()).unwrap(), 1);
        assert_eq!(site.names("a"), ["app.js", "app.js.br", "app.js.gz"]);
        assert!(is_ours(&folder, Path::new("app.js.br")));
        let packed = fs::read_bytes(&folder.join("app.js.br")).unwrap();
        assert_eq!(packed, Coding::Brotli.pack(&script(1)).unwrap());
        assert!(pack().is_empty(), "all there is to do is done");
        site.put("b", "app.js", &script(1));
        carry(&folder, &site.home.root().join("b"), &["app.js".into()]).unwrap();
        assert_eq!(site.names("b"), site.names("a"));
    }

    #[test]
    fn a_content_is_compressed_once_and_kept_as_long_as_it_stands_somewhere() {
        let site = Site::new();
        site.put("a", "app.js", &script(1));
        site.put("a", "gone.js", &script(2));
        site.compress("a");
        site.put("b", "renamed.js", &script(1));
        assert_eq!(site.compress("b"), 1);
        let gz = |entry: &str, name: &str| inode(&site.home.root().join(entry).join(name));
        assert_eq!(gz("a", "app.js.gz"), gz("b", "renamed.js.gz"));
        assert_eq!(prune(&site.home).unwrap(), 0);
        fs::remove_tree(&site.home.root().join("a")).unwrap();
        assert_eq!(prune(&site.home).unwrap(), 1);
        assert_eq!(site.names("cache/compressed").len(), 1);
        fs::remove_tree(&site.home.root().join("b")).unwrap();
        assert_eq!(prune(&site.home).unwrap(), 1);
        assert_eq!(prune(&Site::new().home).unwrap(), 0);
    }

    /// nginx compresses what its `gzip_types` names; what we leave to it is said at [`ENDINGS`].
    #[test]
    fn the_endings_are_those_of_the_types_that_nginx_compresses() {
        let limits = include_str!("../../templates/nginx/limits.hbs");
        let types = include_str!("../../templates/nginx/types.hbs");
        let line = limits
            .lines()
            .find_map(|line| line.trim().strip_prefix("gzip_types "));
        let mut compressed: Vec<&str> = line.unwrap().trim_end_matches(';').split(' ').collect();
        // Always, whatever the directive says.
        compressed.push("text/html");
        let mut endings = BTreeSet::new();
        for line in types
            .lines()
            .filter_map(|line| line.trim().strip_suffix(';'))
        {
            let (kind, names) = line.split_once(' ').unwrap();
            if compressed.contains(&kind) {
                endings.extend(names.split(' '));
            }
        }
        for left in ["map", "svgz"] {
            assert!(endings.remove(left), "{left}");
        }
        assert_eq!(Vec::from_iter(endings), ENDINGS);
    }

    /// What is compressed by brotli is served with the type that `types` gives the plain file.
    #[test]
    fn the_types_of_what_brotli_compresses_are_those_of_the_plain_files() {
        let map = include_str!("../../templates/nginx/cache_map.hbs");
        let types = include_str!("../../templates/nginx/types.hbs");
        let line = |line: &'static str| line.trim().strip_suffix(';')?.split_once(' ');
        let of_the_plain = types.lines().filter_map(line).flat_map(|(kind, names)| {
            let names = names.split(' ').filter(|name| ENDINGS.contains(name));
            names.map(move |name| (name, kind))
        });
        let row = |(pattern, kind): (&'static str, &'static str)| {
            let names = pattern.strip_prefix("\"~*\\.")?.strip_suffix("$\"")?;
            let names = names.trim_start_matches("(?:").trim_end_matches(')');
            Some(names.split('|').map(move |name| (name, kind)))
        };
        let compressed = map.lines().filter_map(line).filter_map(row).flatten();
        let compressed: BTreeSet<_> = compressed.collect();
        assert_eq!(compressed.len(), ENDINGS.len());
        assert_eq!(compressed, of_the_plain.collect());
    }
}
