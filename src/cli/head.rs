//! What the app's repository has on the branch that deploys.

use super::Ended;
use super::session::Session;
use crate::base::hint::{Hint, Kind};
use crate::base::names::BranchName;
use crate::config::error::ConfigError;
use crate::config::git_tree::GitTree;
use crate::config::settings::Settings;
use crate::config::settle::settle;
use crate::git::{Commit, Repo};

/// The settings of the branch that deploys.
pub(super) enum Head {
    /// Nothing was pushed to it yet.
    Nothing,
    /// They are valid.
    Settled(Box<Settings>),
    /// They are not.
    Unsettled(ConfigError),
}

/// Settles the commit that the branch points at.
pub(super) fn settled(session: &Session) -> Result<Head, Ended> {
    let repo = Repo::open(&session.home.repository())?;
    let Some(commit) = commit(session, &repo)? else {
        return Ok(Head::Nothing);
    };
    let tree = GitTree::new(&repo, &commit.tree)?;
    Ok(match settle(&tree) {
        Ok(settings) => Head::Settled(Box::new(settings)),
        Err(error) => Head::Unsettled(error),
    })
}

/// The commit that the branch points at; before the first accepted push there is none.
pub(super) fn commit(session: &Session, repo: &Repo) -> Result<Option<Commit>, Ended> {
    let head = repo.branch_head(&session.app.branch)?;
    Ok(head.map(|head| repo.commit(&head)).transpose()?)
}

/// The branch that deploys was asked for, and does not exist.
#[derive(Debug, thiserror::Error)]
#[error("nothing was pushed to `{branch}` yet, the branch that deploys")]
pub(super) struct NothingPushed {
    branch: BranchName,
    repository: String,
}

impl Hint for NothingPushed {
    fn hints(&self) -> Vec<String> {
        vec![format!("git push {} {}", self.repository, self.branch)]
    }

    fn kind(&self) -> Kind {
        Kind::NotFound
    }
}

/// The commit of `revision`, or of the branch that deploys; and what it was asked for by.
pub(super) fn resolve(
    session: &Session,
    repo: &Repo,
    revision: Option<&str>,
) -> Result<(Commit, String), Ended> {
    let branch = &session.app.branch;
    match revision {
        Some(revision) => Ok((repo.commit(&repo.resolve(revision)?)?, revision.to_owned())),
        None => match commit(session, repo)? {
            Some(commit) => Ok((commit, branch.to_string())),
            None => Err(NothingPushed {
                branch: branch.clone(),
                repository: session.home.repository().display().to_string(),
            }
            .into()),
        },
    }
}
