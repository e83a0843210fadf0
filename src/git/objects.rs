//! Commits, trees and blobs.

use git2::ObjectType;

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

    /// The entries of a tree, in git's order.
    pub fn entries(&self, tree: &ObjectId) -> Result<Vec<Entry>, GitError> {
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

    /// A blob's content.
    pub fn blob(&self, id: &ObjectId) -> Result<Vec<u8>, GitError> {
        let odb = self.inner.odb().tried(|| "open the object store".into())?;
        odb.read(to_oid(id)?)
            .map(|object| object.data().to_vec())
            .tried(|| format!("read the object {id}"))
    }

    /// The paths of all files and links below `tree` (bytes, `/` between their parts), in no order that is promised.
    pub fn files(&self, tree: &ObjectId) -> Result<Vec<Vec<u8>>, GitError> {
        let mut files = Vec::new();
        let mut folders = vec![(Vec::new(), to_oid(tree)?)];
        // Without [`Repo::entries`]: for 70,000 files, the text of their ids is most of the work.
        while let Some((prefix, id)) = folders.pop() {
            let tree = self
                .inner
                .find_tree(id)
                .tried(|| format!("read the tree {id}"))?;
            for entry in &tree {
                let path = [&prefix, entry.name_bytes()].concat();
                match kind_of(entry.filemode(), entry.kind()) {
                    Some(EntryKind::Tree) => folders.push(([&path[..], b"/"].concat(), entry.id())),
                    Some(EntryKind::Submodule) | None => {}
                    Some(_) => files.push(path),
                }
            }
        }
        Ok(files)
    }

    /// How many files differ between two trees.
    pub fn changed_files(&self, old: &ObjectId, new: &ObjectId) -> Result<usize, GitError> {
        let tree = |id: &ObjectId| {
            self.inner
                .find_tree(to_oid(id)?)
                .tried(|| format!("read the tree {id}"))
        };
        let (old, new) = (tree(old)?, tree(new)?);
        let mut options = git2::DiffOptions::new();
        options.skip_binary_check(true).include_typechange(true);
        let diff = self
            .inner
            .diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))
            .tried(|| "compare two trees".into())?;
        Ok(diff.deltas().len())
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
