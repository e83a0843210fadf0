//! Refs: reading branches, and changing one only from the value it is known to have.

use super::{GitError, Repo, Tried, from_oid, to_oid};
use crate::base::fs;
use crate::base::names::{BranchName, ObjectId, RefName};

/// A change of one ref; the zero id stands for "no such ref" on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefChange {
    /// The ref.
    pub name: RefName,
    /// What it is now.
    pub old: ObjectId,
    /// What it shall be.
    pub new: ObjectId,
}

impl Repo {
    /// The commit a branch points at.
    pub fn branch_head(&self, branch: &BranchName) -> Result<Option<ObjectId>, GitError> {
        self.ref_target(&branch.to_ref())
    }

    /// What a ref points at.
    pub fn ref_target(&self, name: &RefName) -> Result<Option<ObjectId>, GitError> {
        match self.inner.refname_to_id(name.as_str()) {
            Ok(oid) => Ok(Some(from_oid(&oid))),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(source) => Err(GitError::Failed {
                what: format!("read {name}"),
                source,
            }),
        }
    }

    /// Changes a ref, if it still has the old value.
    pub fn change_ref(&self, change: &RefChange, reason: &str) -> Result<(), GitError> {
        let name = change.name.as_str();
        let now = self
            .ref_target(&change.name)?
            .unwrap_or_else(ObjectId::zero);
        if now != change.old {
            return Err(GitError::RefMoved(name.to_owned()));
        }
        if change.new.is_zero() {
            return self
                .inner
                .find_reference(name)
                .and_then(|mut reference| reference.delete())
                .tried(|| format!("delete {name}"));
        }
        let new = to_oid(&change.new)?;
        let result = if change.old.is_zero() {
            self.inner.reference(name, new, false, reason)
        } else {
            self.inner
                .reference_matching(name, new, true, to_oid(&change.old)?, reason)
        };
        match result {
            Ok(_) => {
                // libgit2 leaves it to the kernel; an empty ref after a power cut would refuse every push.
                let _ = fs::sync_all(self.inner.path());
                Ok(())
            }
            Err(error)
                if matches!(
                    error.code(),
                    git2::ErrorCode::Modified | git2::ErrorCode::Exists
                ) =>
            {
                Err(GitError::RefMoved(name.to_owned()))
            }
            Err(source) => Err(GitError::Failed {
                what: format!("change {name}"),
                source,
            }),
        }
    }

    /// The names of all branches, sorted.
    pub fn branches(&self) -> Result<Vec<String>, GitError> {
        let branches = self
            .inner
            .branches(Some(git2::BranchType::Local))
            .tried(|| "list branches".into())?;
        let mut names: Vec<String> = branches
            .filter_map(|branch| {
                branch
                    .ok()
                    .and_then(|(branch, _)| branch.name().ok().flatten().map(str::to_owned))
            })
            .collect();
        names.sort();
        Ok(names)
    }
}
