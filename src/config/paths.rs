//! The paths of a tree's files. Of a large repository there are so many that their names lie in one text, by folder.
//!
//! takes: folders with the names of the files in them · gives: [`Paths`] · touches: nothing

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::tree::in_folder;

/// The files of a tree.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    /// Sorted by path.
    folders: Vec<Folder>,
    names: String,
    /// Where each name ends.
    ends: Vec<u32>,
}

/// A folder that has files in it.
#[derive(Debug, Clone)]
struct Folder {
    path: String,
    /// The numbers of its files, whose names are sorted.
    files: Range<usize>,
}

/// One file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePath<'a> {
    /// Its folder; `""` is the root.
    pub folder: &'a str,
    /// Its name there.
    pub name: &'a str,
}

/// Its whole path.
impl fmt::Display for FilePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_folder(self.folder, self.name))
    }
}

impl Paths {
    /// From folders with the names of the files in them, each folder once, handed on in any order by what is given.
    pub fn gather<E>(
        each: impl FnOnce(&mut dyn FnMut(&str, Vec<&str>)) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut paths = Self::default();
        each(&mut |folder, names| paths.add(folder, names))?;
        paths.folders.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(paths)
    }

    fn add(&mut self, folder: &str, mut names: Vec<&str>) {
        names.sort_unstable();
        let begin = self.ends.len();
        for name in names {
            // Four gigabytes of names are more than a push can be.
            let Ok(end) = u32::try_from(self.names.len() + name.len()) else {
                break;
            };
            self.names.push_str(name);
            self.ends.push(end);
        }
        if self.ends.len() > begin {
            self.folders.push(Folder {
                path: folder.to_owned(),
                files: begin..self.ends.len(),
            });
        }
    }

    /// All of them, folder by folder.
    pub fn iter(&self) -> impl Iterator<Item = FilePath<'_>> {
        self.folders.iter().flat_map(|folder| self.files_of(folder))
    }

    /// Those of one of these names below a folder, as whole paths; below the root (`""`), all.
    pub fn named<const N: usize>(
        &self,
        folder: &str,
        names: [&'static str; N],
    ) -> impl Iterator<Item = String> + use<'_, N> {
        self.below(folder)
            .filter(move |file| names.contains(&file.name))
            .map(|file| file.to_string())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// There is this one.
    pub fn has(&self, path: &str) -> bool {
        let (folder, name) = match path.rsplit_once('/') {
            // No path begins with a slash.
            Some(("", _)) => return false,
            Some(parts) => parts,
            None => ("", path),
        };
        self.folder(folder).is_some_and(|folder| {
            let (mut begin, mut end) = (folder.files.start, folder.files.end);
            while begin < end {
                let middle = begin.midpoint(end);
                match self.name(middle).cmp(name) {
                    std::cmp::Ordering::Equal => return true,
                    std::cmp::Ordering::Less => begin = middle + 1,
                    std::cmp::Ordering::Greater => end = middle,
                }
            }
            false
        })
    }

    /// Those in a folder and in the folders below; those of the root (`""`) are all.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = FilePath<'_>> + use<'_> {
        let (own, prefix) = match folder {
            "" => (None, String::new()),
            _ => (self.folder(folder), format!("{folder}/")),
        };
        let begin = self.folders.partition_point(|folder| folder.path < prefix);
        let inner = self.folders[begin..].iter();
        let inner = inner.take_while(move |folder| folder.path.starts_with(&prefix));
        own.into_iter()
            .chain(inner)
            .flat_map(|folder| self.files_of(folder))
    }

    fn folder(&self, path: &str) -> Option<&Folder> {
        let at = self
            .folders
            .binary_search_by(|folder| folder.path.as_str().cmp(path));
        at.ok().map(|at| &self.folders[at])
    }

    fn files_of<'a>(&'a self, folder: &'a Folder) -> impl Iterator<Item = FilePath<'a>> {
        folder.files.clone().map(|at| FilePath {
            folder: &folder.path,
            name: self.name(at),
        })
    }

    fn name(&self, at: usize) -> &str {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.names[begin as usize..self.ends[at] as usize]
    }
}

/// Of whole paths in any order.
impl<S: AsRef<str>> FromIterator<S> for Paths {
    fn from_iter<I: IntoIterator<Item = S>>(paths: I) -> Self {
        let paths: Vec<S> = paths.into_iter().collect();
        let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in &paths {
            let path = path.as_ref();
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            folders.entry(folder).or_default().push(name);
        }
        let mut gathered = Self::default();
        for (folder, names) in folders {
            gathered.add(folder, names);
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<'a>(files: impl Iterator<Item = FilePath<'a>>) -> Vec<String> {
        files.map(|file| file.to_string()).collect()
    }

    #[test]
    fn files_are_found_among_folders_that_begin_alike() {
        let given = ["ab", "a/y/z", "a.b/x", "a/x", "é", "a/é/a"];
        let paths: Paths = given.into_iter().collect();
        assert_eq!(
            all(paths.iter()),
            ["ab", "é", "a/x", "a.b/x", "a/y/z", "a/é/a"]
        );
        assert_eq!(all(paths.below("a")), ["a/x", "a/y/z", "a/é/a"]);
        assert_eq!(all(paths.below("a/y")), ["a/y/z"]);
        assert_eq!(paths.below("").count(), paths.len());
        for path in ["z", "a/x", "a/", "b"] {
            assert_eq!(paths.below(path).count(), 0, "{path}");
        }
        assert!(given.iter().all(|path| paths.has(path)));
        for path in ["", "a", "a/", "a/y", "b", "éa", "/ab", "a/y/"] {
            assert!(!paths.has(path), "{path}");
        }
        assert!(Paths::default().is_empty() && !Paths::default().has(""));
    }

    #[test]
    fn files_of_a_name_are_found_in_any_folder() {
        let paths: Paths = ["x/a", "a", "x/y/b", "x/y/a.b"].into_iter().collect();
        let named = |folder| paths.named(folder, ["a", "b"]).collect::<Vec<_>>();
        assert_eq!(named(""), ["a", "x/a", "x/y/b"]);
        assert_eq!(named("x"), ["x/a", "x/y/b"]);
    }

    #[test]
    fn names_out_of_their_order_are_found_all_the_same() {
        let paths = Paths::gather(|add| -> Result<(), ()> {
            add("b", vec!["c", "a", "b"]);
            add("", vec!["z", "y"]);
            add("a", vec![]);
            Ok(())
        });
        let paths = paths.unwrap();
        assert_eq!(all(paths.iter()), ["y", "z", "b/a", "b/b", "b/c"]);
        assert!(
            ["b/a", "b/b", "b/c", "y", "z"]
                .iter()
                .all(|path| paths.has(path))
        );
    }
}
