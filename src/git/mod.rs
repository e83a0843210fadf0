//! L1: git's objects and refs, behind our own types. git2 is named only here.

mod objects;
mod refs;
mod remotes;

use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::base::hint::Hint;
use crate::base::names::{BranchName, NameError, ObjectId};

pub use objects::{Commit, Entry, EntryKind};
pub use refs::RefChange;

/// A repository, open.
pub struct Repo {
    inner: git2::Repository,
    quarantine: Option<PathBuf>,
}

/// What git could not do.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The repository could not be opened.
    #[error("cannot open the repository {path}")]
    Open {
        /// Where it should be.
        path: String,
        /// libgit2's reason.
        #[source]
        source: git2::Error,
    },
    /// A revision names no commit.
    #[error("`{0}` names no commit in this repository")]
    UnknownRevision(String),
    /// A ref was changed by somebody else meanwhile.
    #[error("`{0}` was changed meanwhile")]
    RefMoved(String),
    /// An object or ref could not be read or written.
    #[error("git cannot {what}")]
    Failed {
        /// The operation, a verb that reads well after "cannot".
        what: String,
        /// libgit2's reason.
        #[source]
        source: git2::Error,
    },
    /// Something in the repository has a name Landfall does not take.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Hint for GitError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::UnknownRevision(_) => {
                vec!["give a branch, a tag or a commit id that was pushed here".into()]
            }
            Self::RefMoved(_) => {
                vec!["git fetch, look at what came in between, and push again".into()]
            }
            _ => Vec::new(),
        }
    }
}

/// Adds what was tried to libgit2's errors.
trait Tried<T> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, GitError>;
}

impl<T> Tried<T> for Result<T, git2::Error> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, GitError> {
        self.map_err(|source| GitError::Failed {
            what: what(),
            source,
        })
    }
}

impl Repo {
    /// Opens the bare repository at `path`. `GIT_*` variables are not read.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        hold_little_in_memory();
        let inner = git2::Repository::open_ext(
            path,
            git2::RepositoryOpenFlags::NO_SEARCH,
            std::iter::empty::<&Path>(),
        )
        .map_err(|source| GitError::Open {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self::of(inner))
    }

    /// The same repository, opened again: for another thread.
    pub fn again(&self) -> Result<Self, GitError> {
        let mut repo = Self::open(self.path())?;
        if let Some(quarantine) = &self.quarantine {
            repo.add_quarantine(&quarantine.clone())?;
        }
        Ok(repo)
    }

    fn of(inner: git2::Repository) -> Self {
        Self {
            inner,
            quarantine: None,
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.inner.path()
    }

    /// What [`Repo::add_quarantine`] was given.
    pub fn quarantine(&self) -> Option<&Path> {
        self.quarantine.as_deref()
    }

    /// Opens the repository that `path` lies in, as git does for a work tree.
    pub fn discover(path: &Path) -> Result<Self, GitError> {
        let inner = git2::Repository::discover(path).map_err(|source| GitError::Open {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self::of(inner))
    }

    /// Makes a bare repository whose HEAD is `branch`, and that takes push options.
    pub fn init_bare(path: &Path, branch: &BranchName) -> Result<Self, GitError> {
        let mut options = git2::RepositoryInitOptions::new();
        options
            .bare(true)
            .external_template(false)
            .initial_head(branch.as_str());
        let inner = git2::Repository::init_opts(path, &options)
            .tried(|| format!("make the repository {}", path.display()))?;
        let repo = Self::of(inner);
        repo.set_config("receive.advertisePushOptions", "true")?;
        repo.set_up_for_pushes()?;
        Ok(repo)
    }

    /// Has git sync objects and refs, and not tidy up while a push waits (`upkeep` does it afterwards), where nobody has said
    /// how: by default it leaves both to the kernel, and after a power cut an empty ref or object would refuse every push.
    /// Repositories of older versions have no such settings.
    pub fn set_up_for_pushes(&self) -> Result<(), GitError> {
        let config = self
            .inner
            .config()
            .tried(|| "read its configuration".into())?;
        if config.get_entry("core.fsync").is_err() {
            self.set_config("core.fsyncMethod", "batch")?;
            self.set_config("core.fsync", "objects,reference")?;
        }
        if config.get_entry("receive.autogc").is_err() {
            self.set_config("receive.autogc", "false")?;
        }
        Ok(())
    }

    /// Sets a value of the repository's own configuration.
    pub fn set_config(&self, key: &str, value: &str) -> Result<(), GitError> {
        self.inner
            .config()
            .and_then(|config| config.open_level(git2::ConfigLevel::Local))
            .and_then(|mut config| config.set_str(key, value))
            .tried(|| format!("set {key}"))
    }

    /// Also reads objects from `folder`: the quarantine in which git keeps a push's objects until its pre-receive hook
    /// has ended (git-receive-pack(1), "Quarantine Environment").
    pub fn add_quarantine(&mut self, folder: &Path) -> Result<(), GitError> {
        let path = folder.to_string_lossy();
        self.inner
            .odb()
            .and_then(|odb| odb.add_disk_alternate(&path))
            .tried(|| format!("read the push's objects in {path}"))?;
        self.quarantine = Some(folder.to_owned());
        Ok(())
    }
}

/// Of a pack, this much is mapped at a time, and of all packs; libgit2's own limits are a gigabyte and eight.
const MAPPED_AT_ONCE: usize = 256 * 1024;
const MAPPED_MOST: usize = 4 * MAPPED_AT_ONCE;

/// What was read of a pack counts as memory of this process for as long as it is mapped.
fn hold_little_in_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Trees are read once or twice each; kept, those of a large repository are most of a hook's memory.
        git2::opts::enable_caching(false);
        // git has hashed what it received (index-pack). What a checkout reads, we compare with its id ourselves; what only names are
        // read from, nobody need.
        git2::opts::strict_hash_verification(false);
        // SAFETY: two numbers in libgit2, which it reads when it opens a pack; no repository was opened before this.
        #[expect(unsafe_code, reason = "libgit2 has its limits in variables")]
        let limited = unsafe {
            git2::opts::set_mwindow_size(MAPPED_AT_ONCE)
                .and_then(|()| git2::opts::set_mwindow_mapped_limit(MAPPED_MOST))
        };
        // Without them, it works all the same.
        drop(limited);
    });
}

/// The id git would give to a blob with this content; the hash under all our cache keys.
pub fn hash(content: &[u8]) -> ObjectId {
    git2::Oid::hash_object(git2::ObjectType::Blob, content)
        .map_or_else(|_| ObjectId::zero(), |oid| from_oid(&oid))
}

fn from_oid(oid: &git2::Oid) -> ObjectId {
    oid.to_string().parse().unwrap_or_else(|_| ObjectId::zero())
}

fn to_oid(id: &ObjectId) -> Result<git2::Oid, GitError> {
    git2::Oid::from_str(id.as_str()).tried(|| format!("read the id {id}"))
}
