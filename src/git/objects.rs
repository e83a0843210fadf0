//! Commits, trees and blobs.

use std::collections::BTreeMap;

use git2::{FileMode, ObjectType, Oid};

use super::{GitError, Repo, Tried, from_oid, to_oid};
use crate::base::names::{ObjectId, RepoPath};
use crate::base::words::{printable, shorten};

/// What a deploy needs to know of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// The first line of its message, fit for a terminal.
    pub subject: String,
    /// The author's name, fit for a terminal.
    pub author: String,
}

/// What a tree entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Tree,
    /// A file.
    File,
    /// A file with its executable bit.
    Executable,
    /// A symbolic link; its blob is the target.
    Link,
    /// A submodule; its id is a commit of another repository.
    Submodule,
}

/// One entry of a tree.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name in its folder; git allows any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Its object.
    pub id: ObjectId,
}

impl Repo {
    /// The commit that `revision` (a branch, a tag, an id, `HEAD~1` …) names.
    pub fn resolve(&self, revision: &str) -> Result<ObjectId, GitError> {
        self.inner
            .revparse_single(revision)
            .and_then(|object| object.peel_to_commit())
            .map(|commit| from_oid(&commit.id()))
            .map_err(|_| GitError::UnknownRevision(printable(&shorten(revision, 80))))
    }

    /// Reads a commit; an annotated tag is followed to its commit.
    pub fn commit(&self, id: &ObjectId) -> Result<Commit, GitError> {
        let object = self
            .inner
            .find_object(to_oid(id)?, None)
            .tried(|| format!("read the object {id}"))?;
        let commit = object
            .peel_to_commit()
            .map_err(|_| GitError::UnknownRevision(id.to_string()))?;
        let subject =
            String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned();
        let author = String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
        Ok(Commit {
            id: from_oid(&commit.id()),
            tree: from_oid(&commit.tree_id()),
            subject: printable(&shorten(&subject, 72)),
            author: printable(&shorten(&author, 60)),
        })
    }

    /// True if `new` has `old` in its history: the update is a fast-forward.
    pub fn is_fast_forward(&self, old: &ObjectId, new: &ObjectId) -> Result<bool, GitError> {
        if old == new {
            return Ok(true);
        }
        self.inner
            .graph_descendant_of(to_oid(new)?, to_oid(old)?)
            .tried(|| format!("compare {} with {}", old.short(), new.short()))
    }

    /// The entries of a tree, in git's order; they are what its id says.
    pub fn entries(&self, tree: &ObjectId) -> Result<Vec<Entry>, GitError> {
        self.verified(ObjectType::Tree, tree)?;
        let tree_object = self
            .inner
            .find_tree(to_oid(tree)?)
            .tried(|| format!("read the tree {tree}"))?;
        Ok(tree_object
            .iter()
            .filter_map(|entry| {
                let kind = kind_of(entry.filemode(), entry.kind())?;
                Some(Entry {
                    name: entry.name_bytes().to_vec(),
                    kind,
                    id: from_oid(&entry.id()),
                })
            })
            .collect())
    }

    /// What lies at `path` in `tree`.
    pub fn entry_at(
        &self,
        tree: &ObjectId,
        path: &RepoPath,
    ) -> Result<Option<(EntryKind, ObjectId)>, GitError> {
        if path.is_root() {
            return Ok(Some((EntryKind::Tree, tree.clone())));
        }
        let tree_object = self
            .inner
            .find_tree(to_oid(tree)?)
            .tried(|| format!("read the tree {tree}"))?;
        match tree_object.get_path(std::path::Path::new(path.as_str())) {
            Ok(entry) => {
                Ok(kind_of(entry.filemode(), entry.kind())
                    .map(|kind| (kind, from_oid(&entry.id()))))
            }
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(source) => Err(GitError::Failed {
                what: format!("look up {path}"),
                source,
            }),
        }
    }

    /// A blob's size in bytes, without reading it.
    pub fn blob_size(&self, id: &ObjectId) -> Result<usize, GitError> {
        let odb = self.inner.odb().tried(|| "open the object store".into())?;
        odb.read_header(to_oid(id)?)
            .map(|(size, _)| size)
            .tried(|| format!("read the object {id}"))
    }

    /// A blob's content, which is what its id says.
    pub fn blob(&self, id: &ObjectId) -> Result<Vec<u8>, GitError> {
        self.verified(ObjectType::Blob, id)
    }

    /// Reads an object of this kind, and sees whether it is what its id says.
    fn verified(&self, kind: ObjectType, id: &ObjectId) -> Result<Vec<u8>, GitError> {
        let reading = || format!("read the object {id}");
        let oid = to_oid(id)?;
        let odb = self.inner.odb().tried(|| "open the object store".into())?;
        let object = odb.read(oid).tried(reading)?;
        let hash = Oid::hash_object(kind, object.data()).tried(reading)?;
        if hash == oid {
            return Ok(object.data().to_vec());
        }
        let source = git2::Error::from_str("its content is not what its id says");
        Err(source).tried(reading)
    }

    /// Hands on `tree` and each folder below (its path in bytes, `/` between its parts) with the names of the files and links in
    /// it, in no order that is promised.
    pub fn each_folder(
        &self,
        tree: &ObjectId,
        mut folder: impl FnMut(&[u8], &[&[u8]]),
    ) -> Result<(), GitError> {
        let mut waiting = vec![(Vec::new(), to_oid(tree)?)];
        // Without [`Repo::entries`]: for 70,000 files, the text of their ids is most of the work.
        while let Some((path, id)) = waiting.pop() {
            let tree = self
                .inner
                .find_tree(id)
                .tried(|| format!("read the tree {id}"))?;
            let mut names = Vec::with_capacity(tree.len());
            for entry in &tree {
                match kind_of(entry.filemode(), entry.kind()) {
                    Some(EntryKind::Tree) => {
                        let slash = if path.is_empty() { &b""[..] } else { b"/" };
                        let inner = [&path[..], slash, entry.name_bytes()].concat();
                        waiting.push((inner, entry.id()));
                    }
                    Some(EntryKind::Submodule) | None => {}
                    Some(_) => names.push(entry.name_bytes().to_vec()),
                }
            }
            let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            folder(&path, &names);
        }
        Ok(())
    }

    /// How many files differ between two trees: those that one has and the other has not, or with another content or mode.
    /// Only trees that differ are read.
    pub fn changed_files(&self, old: &ObjectId, new: &ObjectId) -> Result<usize, GitError> {
        let mut count = 0;
        let mut waiting = vec![[Some(to_oid(old)?), Some(to_oid(new)?)]];
        while let Some(trees) = waiting.pop() {
            let mut entries: BTreeMap<Vec<u8>, [Option<(i32, Oid)>; 2]> = BTreeMap::new();
            for (side, id) in trees.into_iter().enumerate() {
                let Some(id) = id else { continue };
                let tree = self
                    .inner
                    .find_tree(id)
                    .tried(|| format!("read the tree {id}"))?;
                for entry in &tree {
                    let name = entry.name_bytes().to_vec();
                    entries.entry(name).or_default()[side] = Some((entry.filemode(), entry.id()));
                }
            }
            for sides in entries.into_values().filter(|[old, new]| old != new) {
                let is_tree = |(mode, _): &(i32, Oid)| *mode == i32::from(FileMode::Tree);
                count += usize::from(sides.iter().flatten().any(|side| !is_tree(side)));
                let trees = sides.map(|side| side.filter(is_tree).map(|(_, id)| id));
                if trees.iter().any(Option::is_some) {
                    waiting.push(trees);
                }
            }
        }
        Ok(count)
    }
}

fn kind_of(mode: i32, object: Option<ObjectType>) -> Option<EntryKind> {
    match (mode & 0o170_000, object) {
        (0o040_000, _) => Some(EntryKind::Tree),
        (0o120_000, _) => Some(EntryKind::Link),
        (0o160_000, _) => Some(EntryKind::Submodule),
        (0o100_000, _) if mode & 0o111 != 0 => Some(EntryKind::Executable),
        (0o100_000, _) => Some(EntryKind::File),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of `path content` pairs; a path that ends in `*` is executable.
    fn tree(repo: &git2::Repository, files: &[(&str, &str)]) -> ObjectId {
        let mut index = git2::Index::new().unwrap();
        for (path, content) in files {
            let mode = if path.ends_with('*') {
                0o100_755
            } else {
                0o100_644
            };
            let entry = git2::IndexEntry {
                ctime: git2::IndexTime::new(0, 0),
                mtime: git2::IndexTime::new(0, 0),
                dev: 0,
                ino: 0,
                mode,
                uid: 0,
                gid: 0,
                file_size: 0,
                id: repo.blob(content.as_bytes()).unwrap(),
                flags: 0,
                flags_extended: 0,
                path: path.trim_end_matches('*').into(),
            };
            index.add(&entry).unwrap();
        }
        from_oid(&index.write_tree_to(repo).unwrap())
    }

    #[test]
    fn files_that_differ_between_two_trees_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::init_bare(dir.path(), &"master".parse().unwrap()).unwrap();
        let old = [
            ("a", "1"),
            ("b/c/d", "2"),
            ("b/e", "3"),
            ("f/g", "4"),
            ("f/h", "5"),
        ];
        let count = |new: &[(&str, &str)]| {
            let (old, new) = (tree(&repo.inner, &old), tree(&repo.inner, new));
            let forward = repo.changed_files(&old, &new).unwrap();
            assert_eq!(forward, repo.changed_files(&new, &old).unwrap());
            forward
        };
        assert_eq!(count(&old), 0);
        let one = |at: usize, with: (&'static str, &'static str)| {
            let mut new = old;
            new[at] = with;
            new
        };
        assert_eq!(count(&one(1, ("b/c/d", "other"))), 1, "content");
        assert_eq!(count(&one(1, ("b/c/d*", "2"))), 1, "mode");
        assert_eq!(count(&one(0, ("z", "1"))), 2, "a name: one goes, one comes");
        assert_eq!(count(&old[..3]), 2, "a folder");
        assert_eq!(
            count(&[old[0], old[1], old[2], ("f", "4")]),
            3,
            "a file for a folder"
        );
        assert_eq!(count(&[]), 5);
    }

    #[test]
    fn an_object_that_is_not_what_its_id_says_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::init_bare(dir.path(), &"master".parse().unwrap()).unwrap();
        let trees = ["1", "2"].map(|content| tree(&repo.inner, &[("a", content)]));
        let id = repo.inner.blob(b"content").unwrap();
        assert_eq!(repo.blob(&from_oid(&id)).unwrap(), b"content");
        let place = |id: git2::Oid| {
            let text = id.to_string();
            dir.path().join("objects").join(&text[..2]).join(&text[2..])
        };
        let other = repo.inner.blob(b"CONTENT").unwrap();
        std::fs::rename(place(other), place(id)).unwrap();
        let [one, two] = trees.map(|id| (place(to_oid(&id).unwrap()), id));
        assert_eq!(repo.entries(&one.1).unwrap().len(), 1);
        std::fs::rename(two.0, one.0).unwrap();
        let repo = Repo::open(dir.path()).unwrap();
        assert!(repo.entries(&one.1).is_err());
        let error = repo.blob(&from_oid(&id)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("git cannot read the object {id}")
        );
    }
}
