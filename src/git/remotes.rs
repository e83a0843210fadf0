//! The remotes of a clone.

use super::{GitError, Repo, Tried};

impl Repo {
    /// Where a push to this remote goes; `None` where there is no such remote.
    pub fn remote_url(&self, name: &str) -> Result<Option<String>, GitError> {
        let remote = match self.inner.find_remote(name) {
            Ok(remote) => remote,
            Err(error)
                if matches!(
                    error.code(),
                    git2::ErrorCode::NotFound | git2::ErrorCode::InvalidSpec
                ) =>
            {
                return Ok(None);
            }
            Err(source) => {
                return Err(GitError::Failed {
                    what: format!("read the remote {name}"),
                    source,
                });
            }
        };
        let url = remote.pushurl_bytes().unwrap_or(remote.url_bytes());
        Ok(Some(String::from_utf8_lossy(url).into_owned()))
    }

    /// The names of the remotes.
    pub fn remotes(&self) -> Result<Vec<String>, GitError> {
        let names = self.inner.remotes().tried(|| "list the remotes".into())?;
        Ok(names
            .iter()
            .filter_map(|name| name.ok().flatten().map(str::to_owned))
            .collect())
    }

    /// A value of git's configuration, the user's and the clone's, as git itself sees it.
    pub fn config_value(&self, key: &str) -> Option<String> {
        self.inner.config().ok()?.get_string(key).ok()
    }
}
