//! What is known of a path before it is shared: the settings, the branch that deploys, the live release.

use std::path::PathBuf;

use super::What;
use crate::base::hint::{Hint, Kind};
use crate::base::names::{ObjectId, RepoPath};
use crate::cli::session::Session;
use crate::cli::{Ended, head, output};
use crate::config::git_tree::GitTree;
use crate::config::server::AppSettings;
use crate::config::settings::Shared;
use crate::config::settle::settle;
use crate::config::tree::{Tree, in_folder, parent};
use crate::git::{EntryKind, Repo};
use crate::release::layout::Home;
use crate::release::store;

/// A path that cannot be shared.
#[derive(Debug, thiserror::Error)]
pub(super) enum PathError {
    #[error("the repository's root cannot be shared")]
    Root,
    #[error("`{0}` is an absolute path; shared paths are those in the repository")]
    Absolute(String),
    #[error("`{path}` cannot exist: `{file}` is a file in git")]
    BelowFile { path: RepoPath, file: String },
    #[error("`{path}` is a {is}, not a {wanted}")]
    OtherKind {
        path: RepoPath,
        is: &'static str,
        wanted: &'static str,
    },
    #[error("`{path}` holds the code itself (`{file}`); every release has its own")]
    Code { path: RepoPath, file: String },
}

impl Hint for PathError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Absolute(_) => vec!["landfall shared add PATH --from FILE".into()],
            Self::Root | Self::Code { .. } => {
                vec!["share the files or folders in it that the app writes to".into()]
            }
            Self::OtherKind { .. } | Self::BelowFile { .. } => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// What decides how a path is shared.
pub(super) struct Scene<'a> {
    pub(super) home: &'a Home,
    repo: &'a Repo,
    head: Option<(ObjectId, GitTree<'a>)>,
    /// What the repository's settings name.
    pub(super) by_repository: Shared,
    /// What these and the server's settings name.
    pub(super) all: Shared,
    /// The live release's files.
    live: Option<PathBuf>,
}

impl<'a> Scene<'a> {
    /// Reads the branch and the live release; `app` is the settings as they are now.
    pub(super) fn of(
        session: &'a Session,
        app: &AppSettings,
        repo: &'a Repo,
    ) -> Result<Self, Ended> {
        let head = match head::commit(session, repo)? {
            Some(commit) => Some((commit.tree.clone(), GitTree::new(repo, &commit.tree)?)),
            None => None,
        };
        let by_repository = match head.as_ref().map(|(_, tree)| settle(tree)) {
            None => Shared::default(),
            Some(Ok(settings)) => settings.shared,
            Some(Err(error)) => {
                output::say(format!(
                    "warning: what `{}` shares by itself cannot be told: {error}",
                    app.branch
                ));
                Shared::default()
            }
        };
        let live = store::live(&session.home)?.map(|live| session.home.release(live).src());
        Ok(Self {
            home: &session.home,
            repo,
            head,
            all: by_repository.and(&app.shared_files, &app.shared_dirs),
            by_repository,
            live,
        })
    }

    /// True if the path, or a folder it lies in, is shared by these.
    pub(super) fn names(shared: &Shared, path: &RepoPath) -> bool {
        shared.files.contains(path) || shared.dirs.iter().any(|dir| path.is_within(dir))
    }

    /// What the path is; `told` is what the command line says.
    pub(super) fn what(&self, path: &RepoPath, told: Option<What>) -> Result<What, PathError> {
        let kept = path.under(&self.home.shared());
        let named = if self.all.files.contains(path) {
            Some(What::File)
        } else if self.all.dirs.contains(path) {
            Some(What::Folder)
        } else if kept.exists() {
            Some(if kept.is_dir() {
                What::Folder
            } else {
                What::File
            })
        } else {
            self.tracked(path)
        };
        let live = || {
            self.live
                .as_ref()
                .is_some_and(|src| path.under(src).is_dir())
        };
        let what = match (told, named) {
            (Some(told), Some(is)) if told != is => {
                return Err(PathError::OtherKind {
                    path: path.clone(),
                    is: is.word(),
                    wanted: told.word(),
                });
            }
            (Some(what), _) | (None, Some(what)) => what,
            (None, None) if live() => What::Folder,
            (None, None) => What::File,
        };
        self.check(path, what)?;
        Ok(what)
    }

    /// What it is in git.
    fn tracked(&self, path: &RepoPath) -> Option<What> {
        let (_, tree) = self.head.as_ref()?;
        if tree.has(path.as_str()) {
            Some(What::File)
        } else {
            tree.has_folder(path.as_str()).then_some(What::Folder)
        }
    }

    fn check(&self, path: &RepoPath, what: What) -> Result<(), PathError> {
        let Some((_, tree)) = &self.head else {
            return Ok(());
        };
        let mut folder = parent(path.as_str());
        while !folder.is_empty() {
            if tree.has(folder) {
                return Err(PathError::BelowFile {
                    path: path.clone(),
                    file: folder.to_owned(),
                });
            }
            folder = parent(folder);
        }
        let code = ["manage.py", "package.json", "settings.py", "wsgi.py"]
            .map(|name| in_folder(path.as_str(), name))
            .into_iter()
            .find(|file| what == What::Folder && tree.has(file));
        match code {
            Some(file) => Err(PathError::Code {
                path: path.clone(),
                file,
            }),
            None => Ok(()),
        }
    }

    /// Where the live release has the path as its own, not as a link to what is shared.
    pub(super) fn in_live_release(&self, path: &RepoPath) -> Option<PathBuf> {
        let src = self.live.as_ref()?.canonicalize().ok()?;
        let real = path.under(&src).canonicalize().ok()?;
        real.starts_with(&src).then_some(real)
    }

    /// The content of the file in git.
    pub(super) fn in_git(&self, path: &RepoPath) -> Result<Option<Vec<u8>>, Ended> {
        let Some((tree, _)) = &self.head else {
            return Ok(None);
        };
        Ok(match self.repo.entry_at(tree, path)? {
            Some((EntryKind::File | EntryKind::Executable, id)) => Some(self.repo.blob(&id)?),
            _ => None,
        })
    }

    /// A file in git that shows what belongs into this one.
    pub(super) fn example(&self, path: &RepoPath) -> Option<String> {
        let (_, tree) = self.head.as_ref()?;
        ["example", "sample", "dist", "template"]
            .map(|word| format!("{path}.{word}"))
            .into_iter()
            .find(|example| tree.has(example))
    }
}

/// The path as people write it: `./media/` is `media`, and a folder.
pub(super) fn parse(given: &str) -> Result<(RepoPath, Option<What>), Ended> {
    if given.starts_with('/') {
        return Err(PathError::Absolute(given.to_owned()).into());
    }
    let path = RepoPath::root().join(given)?;
    if path.is_root() {
        return Err(PathError::Root.into());
    }
    let what = given.ends_with('/').then_some(What::Folder);
    Ok((path, what))
}
