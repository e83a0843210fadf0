//! A commit's files as detection sees them.
//!
//! takes: a folder, or files in memory · gives: [`Tree`] · touches: reads the folder. Git trees implement it elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ignored::Ignored;
use super::paths::Paths;
use crate::base::fs::{self, FsError};

/// Larger files are not read: nothing that decides settings is so large.
pub const LARGEST_READ: u64 = 1024 * 1024;

/// Folders of installed packages, whatever tracks them; nothing in them is the app's own.
const INSTALLED: [&str; 10] = [
    ".git",
    "node_modules",
    "bower_components",
    "venv",
    ".venv",
    "virtualenv",
    "site-packages",
    "__pycache__",
    ".tox",
    "vendor",
];

/// Files by path.
pub trait Tree {
    /// All file paths, `/` between their parts; those that are UTF-8.
    fn files(&self) -> &Paths;

    /// A file's content, at most 1 MiB; `None` where there is no such file, or a larger one.
    fn read(&self, path: &str) -> Option<Vec<u8>>;

    /// There is a file of this path.
    fn has(&self, path: &str) -> bool {
        self.files().has(path)
    }

    /// There is a file below this folder; the root (`""`) counts if there is any.
    fn has_folder(&self, folder: &str) -> bool {
        self.files().below(folder).next().is_some()
    }

    /// A file's text: UTF-8, or UTF-16 with its byte order mark; what is neither is replaced.
    fn text(&self, path: &str) -> Option<String> {
        self.read(path).map(|bytes| decode(&bytes))
    }
}

/// `name` in `folder`, where the root is `""`.
pub fn in_folder(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// The folder a path lies in; `""` is the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// How many folders a path lies below the root.
pub fn depth(path: &str) -> usize {
    path.matches('/').count()
}

/// True for what a package manager put there.
pub fn is_installed(path: &str) -> bool {
    path.split('/').any(|part| INSTALLED.contains(&part))
}

/// Text of unknown encoding: Windows tools write UTF-16 and byte order marks.
fn decode(bytes: &[u8]) -> String {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]))
            .collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A folder on disk, without installed packages, links, and what its `.gitignore` files name: close to what a commit of
/// it would hold.
#[derive(Debug)]
pub struct WorkTree {
    root: PathBuf,
    files: Paths,
}

impl WorkTree {
    /// Lists the folder.
    pub fn open(root: &Path) -> Result<Self, FsError> {
        let mut tree = Self {
            root: root.to_owned(),
            files: Paths::default(),
        };
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for path in fs::list(&root.join(&folder))? {
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                    continue;
                };
                if INSTALLED.contains(&name) || path.is_symlink() {
                    continue;
                }
                let inner = in_folder(&folder, name);
                if path.is_dir() {
                    // A Python environment under another name.
                    if !path.join("pyvenv.cfg").exists() {
                        folders.push(inner);
                    }
                } else if path.is_file() {
                    files.push(inner);
                }
            }
        }
        tree.files = files.into_iter().collect();
        let ignored = Ignored::of(&tree);
        let paths = tree.files.iter().map(|file| file.to_string());
        tree.files = paths.filter(|file| !ignored.names(file)).collect();
        Ok(tree)
    }
}

impl Tree for WorkTree {
    fn files(&self) -> &Paths {
        &self.files
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        if !self.has(path) {
            return None;
        }
        let path = self.root.join(path);
        let size = path.symlink_metadata().ok()?.len();
        (size <= LARGEST_READ)
            .then(|| fs::read_bytes(&path).ok())
            .flatten()
    }
}

/// Files in memory, for tests.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    files: Paths,
    contents: BTreeMap<String, Vec<u8>>,
}

impl MemoryTree {
    /// From paths and contents.
    pub fn new(files: &[(&str, &str)]) -> Self {
        files.iter().fold(Self::default(), |tree, (path, text)| {
            tree.with(path, text.as_bytes())
        })
    }

    /// Adds a file, or replaces one.
    #[must_use]
    pub fn with(mut self, path: &str, content: &[u8]) -> Self {
        self.contents.insert(path.to_owned(), content.to_vec());
        self.files = self.contents.keys().collect();
        self
    }
}

impl Tree for MemoryTree {
    fn files(&self) -> &Paths {
        &self.files
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let content = self.contents.get(path)?;
        (content.len() as u64 <= LARGEST_READ).then(|| content.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_windows_tools_is_read() {
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("Django==4.2".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        let tree = MemoryTree::default()
            .with("a", &utf16)
            .with("b", b"\xef\xbb\xbfDjango");
        assert_eq!(tree.text("a").unwrap(), "Django==4.2");
        assert_eq!(tree.text("b").unwrap(), "Django");
        assert_eq!(tree.text("c"), None);
    }

    #[test]
    fn a_folder_on_disk_is_seen_as_a_commit_of_it_would_be() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_folder(path.parent().unwrap()).unwrap();
            fs::write(&path, text.as_bytes(), fs::PUBLIC).unwrap();
        };
        write("manage.py", "x");
        write(".gitignore", "local.py\n");
        write("app/local.py", "secret");
        write("node_modules/a/index.js", "");
        write("myenv/pyvenv.cfg", "");
        write(".git/config", "");
        let tree = WorkTree::open(dir.path()).unwrap();
        let files: Vec<String> = tree.files().iter().map(|file| file.to_string()).collect();
        assert_eq!(files, [".gitignore", "manage.py"]);
        assert_eq!(tree.text("manage.py").unwrap(), "x");
        assert_eq!(tree.read("app/local.py"), None);
    }
}
