//! plan: decides what is reused, built and run, before anything is touched.
//!
//! takes: a commit, the app, the live release · gives: the [`Plan`], a plain value that prints and serialises · touches:
//! nothing

mod keys;

use serde::Serialize;

use super::{Context, memory};
use crate::base::hint::{Hint, Kind};
use crate::base::names::{EnvName, ObjectId, ReleaseId, RepoPath};
use crate::base::words::{count, list};
use crate::config::git_tree::GitTree;
use crate::config::settings::{Settings, Shared};
use crate::config::settle::settle;
use crate::config::tree::Tree;
use crate::git::{Commit, GitError, Repo};
use crate::release::cache::{self, Shelf};
use crate::release::record::{Keys, Record};
use crate::release::store::{self, StoreError};

/// What a deploy of one commit will do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The commit.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// The first line of its message.
    pub subject: String,
    /// The branch or revision that was asked for.
    pub source: String,
    /// What is deployed and how.
    pub settings: Settings,
    /// The release that serves now.
    pub live: Option<ReleaseId>,
    /// The built frontend.
    pub frontend: Step,
    /// The installed `node_modules`, if the frontend is built.
    pub node_modules: Step,
    /// The Python environment.
    pub venv: Step,
    /// Files in the commit.
    pub files: usize,
    /// Files that differ from the live release's commit.
    pub changed_files: Option<usize>,
    /// The parts whose source differs from the live release's.
    pub changed: Vec<String>,
    /// The app's own checks are left out.
    pub skip_gate: bool,
    /// The frontend is part of a workspace: what an install fills cannot be kept.
    pub workspace: bool,
    /// What should be known of the machine's memory, if anything.
    pub memory: Option<String>,
    /// The generation of the caches; a rebuild begins the next.
    pub generation: u32,
}

/// What is done about one thing that can be cached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// The app has no such thing, or it is not needed.
    Nothing,
    /// It is in the cache.
    Reuse {
        /// Its cache key.
        key: ObjectId,
    },
    /// It is built.
    Build {
        /// The cache key it gets.
        key: ObjectId,
    },
}

impl Step {
    /// The cache key, if there is such a thing.
    pub fn key(&self) -> Option<&ObjectId> {
        match self {
            Self::Nothing => None,
            Self::Reuse { key } | Self::Build { key } => Some(key),
        }
    }
}

/// How the plan is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Take nothing from the caches.
    pub rebuild: bool,
    /// Leave the app's own checks out.
    pub skip_gate: bool,
}

/// A commit that cannot be deployed as it stands.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The settings do not settle.
    #[error("{0}")]
    Settings(String, Vec<String>),
    /// Files that must be on the server are not there.
    #[error("{} missing in shared/: {}", if .0.len() == 1 { "a file is" } else { "files are" }, list(.0))]
    MissingShared(Vec<RepoPath>),
    /// Variables the app needs are not set.
    #[error("{} not set: {}", if .0.len() == 1 { "a required variable is" } else { "required variables are" }, list(.0))]
    MissingEnv(Vec<EnvName>),
    /// `-o skip-gate` where the server does not allow it.
    #[error("skip-gate is not allowed for this app")]
    SkipGate,
    /// git could not read the commit.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The releases on disk could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A shared file could not be read.
    #[error(transparent)]
    Fs(#[from] crate::base::fs::FsError),
}

impl Hint for PlanError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Settings(_, hints) => hints.clone(),
            Self::MissingShared(paths) => paths
                .iter()
                .map(|path| format!("landfall shared add {path} --from FILE"))
                .collect(),
            Self::MissingEnv(names) => {
                vec![format!(
                    "landfall env set {}",
                    names
                        .iter()
                        .map(|name| format!("{name}=…"))
                        .collect::<Vec<_>>()
                        .join(" ")
                )]
            }
            Self::SkipGate => {
                vec!["whoever administers the server can set allow_skip_gate = true in the app's settings".into()]
            }
            Self::Git(error) => error.hints(),
            Self::Store(error) => error.hints(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Settings(..) | Self::MissingShared(_) | Self::MissingEnv(_) => Kind::Usage,
            Self::SkipGate => Kind::Refused,
            _ => Kind::Failed,
        }
    }
}

/// Makes the plan for `commit`.
pub fn run(
    ctx: &Context<'_>,
    repo: &Repo,
    commit: &Commit,
    source: &str,
    wishes: Wishes,
) -> Result<Plan, PlanError> {
    if wishes.skip_gate && !ctx.app.allow_skip_gate {
        return Err(PlanError::SkipGate);
    }
    let tree = GitTree::new(repo, &commit.tree)?;
    let mut settings = settle(&tree).map_err(|error| {
        let hints = error.hints();
        PlanError::Settings(error.to_string(), hints)
    })?;
    // The server's own list of shared paths comes on top of the repository's.
    settings.shared = settings
        .shared
        .and(&ctx.app.shared_files, &ctx.app.shared_dirs);
    check_shared(ctx, &settings.shared)?;
    check_environment(ctx, &settings.required_env)?;

    let generation = cache::generation(ctx.home)? + u32::from(wishes.rebuild);
    let keys = keys::of(ctx, repo, &commit.tree, &settings, generation)?;
    let step = |shelf, key: Option<ObjectId>| match key {
        None => Step::Nothing,
        Some(key) if !wishes.rebuild && cache::find(ctx.home, shelf, &key).is_some() => {
            Step::Reuse { key }
        }
        Some(key) => Step::Build { key },
    };
    let frontend = step(Shelf::Frontend, keys.frontend);
    let workspace = is_workspace(repo, &commit.tree, &settings)?;
    let node_modules = match keys.node_modules {
        _ if !needs_node_modules(&frontend, &settings) => Step::Nothing,
        Some(key) if workspace => Step::Build { key },
        key => step(Shelf::NodeModules, key),
    };
    let live = store::live_record(ctx.home).ok().flatten();
    Ok(Plan {
        commit: commit.id.clone(),
        tree: commit.tree.clone(),
        subject: commit.subject.clone(),
        source: source.to_owned(),
        live: live.as_ref().map(|live| live.release),
        frontend,
        node_modules,
        venv: step(Shelf::Venv, keys.venv),
        files: tree.files().len(),
        changed_files: live
            .as_ref()
            .and_then(|live| repo.changed_files(&live.tree, &commit.tree).ok()),
        changed: changed_parts(repo, live.as_ref(), &commit.tree, &settings),
        skip_gate: wishes.skip_gate,
        memory: memory::tight(ctx),
        generation,
        workspace,
        settings,
    })
}

fn is_workspace(repo: &Repo, tree: &ObjectId, settings: &Settings) -> Result<bool, PlanError> {
    let Some(frontend) = &settings.frontend else {
        return Ok(false);
    };
    let Some(build) = &frontend.build else {
        return Ok(false);
    };
    Ok(keys::workspace(repo, tree, frontend, build)?.is_some())
}

/// The build needs them, and so do checks that call npm and the like.
fn needs_node_modules(frontend: &Step, settings: &Settings) -> bool {
    matches!(frontend, Step::Build { .. })
        || settings
            .gate
            .run
            .iter()
            .flatten()
            .any(|word| ["npm", "npx", "yarn", "pnpm", "node"].contains(&word.as_str()))
}

fn check_shared(ctx: &Context<'_>, shared: &Shared) -> Result<(), PlanError> {
    let store = ctx.home.shared();
    let missing: Vec<RepoPath> = shared
        .files
        .iter()
        .filter(|file| !file.under(&store).is_file())
        .cloned()
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PlanError::MissingShared(missing))
    }
}

fn check_environment(ctx: &Context<'_>, required: &[EnvName]) -> Result<(), PlanError> {
    let missing: Vec<EnvName> = required
        .iter()
        .filter(|name| ctx.env.get_str(name.as_str()).is_none())
        .cloned()
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PlanError::MissingEnv(missing))
    }
}

fn changed_parts(
    repo: &Repo,
    live: Option<&Record>,
    tree: &ObjectId,
    settings: &Settings,
) -> Vec<String> {
    let Some(live) = live else { return Vec::new() };
    let differs = |dir: &RepoPath| {
        let id = |tree| repo.entry_at(tree, dir).ok().flatten().map(|(_, id)| id);
        id(&live.tree) != id(tree)
    };
    let mut changed = Vec::new();
    if settings
        .frontend
        .as_ref()
        .is_some_and(|frontend| differs(&frontend.dir))
    {
        changed.push("frontend".to_owned());
    }
    if settings
        .backend
        .as_ref()
        .is_some_and(|backend| differs(&backend.dir))
    {
        changed.push("backend".to_owned());
    }
    changed
}

impl Plan {
    /// The cache keys the release uses.
    pub fn keys(&self) -> Keys {
        Keys {
            frontend: self.frontend.key().cloned(),
            node_modules: self.node_modules.key().cloned(),
            venv: self.venv.key().cloned(),
        }
    }

    /// The names of what is (first) reused and (second) built.
    pub fn parts(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let steps = [
            ("frontend", &self.frontend),
            ("node_modules", &self.node_modules),
            ("venv", &self.venv),
        ];
        let named = |wanted: fn(&Step) -> bool| {
            steps
                .iter()
                .filter(|(_, step)| wanted(step))
                .map(|(name, _)| *name)
                .collect()
        };
        (
            named(|step| matches!(step, Step::Reuse { .. })),
            named(|step| matches!(step, Step::Build { .. })),
        )
    }

    /// The plan in one line.
    pub fn summary(&self) -> String {
        let (reused, built) = self.parts();
        let mut sentences = Vec::new();
        match (self.live, &self.changed[..], self.changed_files) {
            (None, ..) => sentences.push("first release".to_owned()),
            (Some(_), [], Some(0)) => sentences.push("nothing changed".to_owned()),
            (Some(_), [], Some(files)) => {
                sentences.push(format!("{} changed", count(files, "file")));
            }
            (Some(_), changed, _) => sentences.push(format!("{} changed", list(changed))),
        }
        if !built.is_empty() {
            sentences.push(format!("{} to build", list(&built)));
        }
        if !reused.is_empty() {
            sentences.push(format!("{} reused", list(&reused)));
        }
        sentences.join("; ")
    }
}
