//! refs: finds the one change a push deploys, or says why there is none.
//!
//! takes: ref updates, the app's settings, the repository · gives: the change, remarks, or a refusal · touches: nothing

use crate::base::hint::{Hint, Kind};
use crate::base::names::{BranchName, ObjectId};
use crate::config::server::AppSettings;
use crate::git::{GitError, RefChange, Repo};

/// What a push asks to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The ref's update; put back if going live fails.
    pub update: RefChange,
    /// The branch.
    pub branch: BranchName,
    /// The commit.
    pub commit: ObjectId,
}

/// What a push means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The change to deploy, if any.
    pub change: Option<Change>,
    /// What is said about the other refs.
    pub remarks: Vec<String>,
}

/// A push that is refused by rule.
#[derive(Debug, thiserror::Error)]
pub enum RefsError {
    /// The live branch would be deleted.
    #[error("`{0}` is the branch that deploys; it cannot be deleted by a push")]
    DeletesLive(BranchName),
    /// History would be rewritten where the server forbids it.
    #[error("`{branch}` would be rewritten: {old} is not in the history of {new}")]
    Rewrites {
        /// The branch.
        branch: BranchName,
        /// What it points at, short.
        old: String,
        /// What was pushed, short.
        new: String,
    },
    /// A branch that does not deploy, where the server takes no other.
    #[error("`{pushed}` does not deploy here; `{deploys}` does")]
    OtherBranch {
        /// What was pushed.
        pushed: BranchName,
        /// What deploys.
        deploys: BranchName,
    },
    /// git could not read what was pushed.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Hint for RefsError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::DeletesLive(branch) => vec![format!(
                "to deploy another branch, set `branch` in the app's settings; `{branch}` stays until then"
            )],
            Self::Rewrites { branch, .. } => vec![format!(
                "git pull --rebase, then push `{branch}` without force"
            )],
            Self::OtherBranch { pushed, deploys } => {
                vec![format!("git push REMOTE {pushed}:{deploys}")]
            }
            Self::Git(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Git(_) => Kind::Failed,
            _ => Kind::Refused,
        }
    }
}

/// Decides what `updates` deploy. Several refs in one push are fine; at most one of them is the deploying branch.
pub fn run(updates: &[RefChange], app: &AppSettings, repo: &Repo) -> Result<Decision, RefsError> {
    let mut decision = Decision {
        change: None,
        remarks: Vec::new(),
    };
    for update in updates {
        match update.name.branch() {
            Some(branch) if branch == app.branch => {
                decision.change = Some(deploying(update, branch, app, repo)?);
            }
            Some(branch) => decision.remarks.push(other_branch(update, &branch, app)?),
            None => decision.remarks.push(format!(
                "{} is not a branch; nothing is deployed for it",
                update.name
            )),
        }
    }
    Ok(decision)
}

fn deploying(
    update: &RefChange,
    branch: BranchName,
    app: &AppSettings,
    repo: &Repo,
) -> Result<Change, RefsError> {
    if update.new.is_zero() {
        return Err(RefsError::DeletesLive(branch));
    }
    let rewrites = !update.old.is_zero() && !repo.is_fast_forward(&update.old, &update.new)?;
    if rewrites && !app.allow_force_push {
        return Err(RefsError::Rewrites {
            branch,
            old: update.old.short().into(),
            new: update.new.short().into(),
        });
    }
    let commit = repo.commit(&update.new)?.id;
    Ok(Change {
        update: update.clone(),
        branch,
        commit,
    })
}

fn other_branch(
    update: &RefChange,
    branch: &BranchName,
    app: &AppSettings,
) -> Result<String, RefsError> {
    if update.new.is_zero() {
        return Ok(format!("`{branch}` is deleted; nothing is deployed for it"));
    }
    if !app.accept_other_branches {
        return Err(RefsError::OtherBranch {
            pushed: branch.clone(),
            deploys: app.branch.clone(),
        });
    }
    Ok(format!(
        "`{branch}` is kept and not deployed: `{0}` deploys. To deploy it: git push REMOTE {branch}:{0}",
        app.branch
    ))
}
