//! A commit's tree as detection reads it.

use super::paths::Paths;
use super::tree::Tree;
use crate::base::names::{ObjectId, RepoPath};
use crate::git::{EntryKind, GitError, Repo};

/// Larger files are none that settings are read from.
const SIZE_LIMIT: usize = 1024 * 1024;

/// The files of a tree in a repository. Paths that are not UTF-8 are left out: no setting can name them.
pub struct GitTree<'a> {
    repo: &'a Repo,
    tree: ObjectId,
    files: Paths,
}

impl<'a> GitTree<'a> {
    /// Lists the files of `tree`.
    pub fn new(repo: &'a Repo, tree: &ObjectId) -> Result<Self, GitError> {
        let files = Paths::gather(|add| {
            repo.each_folder(tree, |folder, names| {
                if let Ok(folder) = str::from_utf8(folder) {
                    let names = names.iter().filter_map(|name| str::from_utf8(name).ok());
                    add(folder, names.collect());
                }
            })
        })?;
        Ok(Self {
            repo,
            tree: tree.clone(),
            files,
        })
    }
}

impl Tree for GitTree<'_> {
    fn files(&self) -> &Paths {
        &self.files
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let path: RepoPath = path.parse().ok()?;
        let (kind, id) = self.repo.entry_at(&self.tree, &path).ok()??;
        let is_file = matches!(kind, EntryKind::File | EntryKind::Executable);
        (is_file && self.repo.blob_size(&id).ok()? <= SIZE_LIMIT)
            .then(|| self.repo.blob(&id).ok())?
    }
}
