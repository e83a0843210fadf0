//! The cache keys of a commit: git's own object ids, plus what else decides the result.

use std::fmt::Write as _;
use std::path::Path;

use super::PlanError;
use crate::base::fs;
use crate::base::names::{ObjectId, RepoPath};
use crate::config::settings::{
    Backend, Frontend, FrontendBuild, PackageManager, PythonPackages, Settings,
};
use crate::git::Repo;
use crate::release::cache::KeyBuilder;
use crate::release::record::Keys;
use crate::stage::Context;
use crate::tool::python::Local;
use crate::tool::{node, program, python};

/// The keys of everything the settings ask to build.
pub(super) fn of(
    ctx: &Context<'_>,
    repo: &Repo,
    tree: &ObjectId,
    settings: &Settings,
    generation: u32,
) -> Result<Keys, PlanError> {
    let lookup = Lookup {
        ctx,
        repo,
        tree,
        generation,
    };
    let mut keys = Keys::default();
    if let Some(frontend) = &settings.frontend
        && let Some(build) = &frontend.build
    {
        keys.frontend = Some(lookup.frontend(frontend, build, settings)?);
        keys.node_modules = Some(lookup.node_modules(frontend, build)?);
    }
    if let Some(backend) = &settings.backend {
        keys.venv = Some(lookup.venv(backend)?);
    }
    Ok(keys)
}

/// The root of the workspace that the frontend is part of: what an install fills is spread over its packages, and cannot be
/// kept by keeping one folder.
pub(super) fn workspace(
    repo: &Repo,
    tree: &ObjectId,
    frontend: &Frontend,
    build: &FrontendBuild,
) -> Result<Option<RepoPath>, PlanError> {
    if let Some(lock) = &build.lockfile
        && lock.split().0 != frontend.dir
    {
        return Ok(Some(lock.split().0));
    }
    let beside = |name: &str| -> Result<Option<ObjectId>, PlanError> {
        let path = frontend
            .dir
            .join(name)
            .map_err(crate::git::GitError::from)?;
        Ok(repo.entry_at(tree, &path)?.map(|(_, id)| id))
    };
    let declares = match beside("package.json")? {
        Some(id) => node::has_workspaces(&repo.blob(&id)?),
        None => false,
    };
    let is_root = declares || beside("pnpm-workspace.yaml")?.is_some();
    Ok(is_root.then(|| frontend.dir.clone()))
}

struct Lookup<'a> {
    ctx: &'a Context<'a>,
    repo: &'a Repo,
    tree: &'a ObjectId,
    generation: u32,
}

impl Lookup<'_> {
    /// Frontend: its folder's tree id, the shared files in it, the commands, the declared environment, node.
    fn frontend(
        &self,
        frontend: &Frontend,
        build: &FrontendBuild,
        settings: &Settings,
    ) -> Result<ObjectId, PlanError> {
        // In a workspace the packages beside the frontend are built with it.
        let root = workspace(self.repo, self.tree, frontend, build)?;
        let root = root.as_ref().unwrap_or(&frontend.dir);
        let outside = settings
            .backend
            .as_ref()
            .map(|backend| &backend.dir)
            .filter(|dir| !dir.is_root() && dir.is_within(root));
        let mut key = KeyBuilder::new("frontend 1")
            .generation(self.generation)
            .with("tree", &self.tree_without(root, outside)?)
            .with("lock", &self.id_of(build.lockfile.as_ref())?)
            .with("install", &build.install.join("\0"))
            .with("build", &build.command.join("\0"))
            .with("output", frontend.output.as_str())
            .with("node", &self.identity("node"));
        for (name, value) in &build.env {
            key = key.with(name.as_str(), value);
        }
        for file in settings
            .shared
            .files
            .iter()
            .filter(|file| file.is_within(&frontend.dir))
        {
            key = key.with(
                file.as_str(),
                &Self::content(&file.under(&self.ctx.home.shared()))?,
            );
        }
        for dir in settings
            .shared
            .dirs
            .iter()
            .filter(|dir| dir.is_within(&frontend.dir))
        {
            let kept = dir.under(&self.ctx.home.shared());
            for file in fs::files_below(&kept)? {
                key = key.with(&file.to_string_lossy(), &Self::content(&kept.join(&file))?);
            }
        }
        Ok(key.finish())
    }

    /// `node_modules`: the lock file, what else an install reads, node and the package manager.
    fn node_modules(
        &self,
        frontend: &Frontend,
        build: &FrontendBuild,
    ) -> Result<ObjectId, PlanError> {
        let manifest = frontend
            .dir
            .join("package.json")
            .map_err(crate::git::GitError::from)?;
        let manifest = match self.repo.entry_at(self.tree, &manifest)? {
            Some((_, id)) => node::install_facts(&self.repo.blob(&id)?),
            None => String::new(),
        };
        let manager = match build.manager {
            PackageManager::Npm => "npm",
            PackageManager::Yarn => "yarn",
            PackageManager::Pnpm => "pnpm",
        };
        let mut key = KeyBuilder::new("node_modules 1")
            .generation(self.generation)
            .with("lock", &self.id_of(build.lockfile.as_ref())?)
            .with("manifest", &manifest)
            .with("install", &build.install.join("\0"))
            .with("node", &self.identity("node"))
            .with("manager", &self.identity(manager));
        for beside in [
            ".npmrc",
            ".yarnrc",
            ".yarnrc.yml",
            ".pnpmfile.cjs",
            "patches",
        ] {
            let path = frontend
                .dir
                .join(beside)
                .map_err(crate::git::GitError::from)?;
            key = key.with(beside, &self.id_of(Some(&path))?);
        }
        for (name, value) in &build.env {
            key = key.with(name.as_str(), value);
        }
        Ok(key.finish())
    }

    /// venv: the requirement or lock files, Python, the installer.
    fn venv(&self, backend: &Backend) -> Result<ObjectId, PlanError> {
        let files: Vec<RepoPath> = match &backend.python {
            PythonPackages::Requirements { all, .. } => all.clone(),
            PythonPackages::Uv { dir } => beside(dir, &["uv.lock", "pyproject.toml"])?,
            PythonPackages::Poetry { dir } => beside(dir, &["poetry.lock", "pyproject.toml"])?,
            PythonPackages::Pipenv { dir, .. } => beside(dir, &["Pipfile.lock", "Pipfile"])?,
            PythonPackages::Project { dir } => {
                beside(dir, &["pyproject.toml", "setup.py", "setup.cfg"])?
            }
        };
        let kind = serde_json::to_string(&backend.python).unwrap_or_default();
        let mut key = KeyBuilder::new("venv 1")
            .generation(self.generation)
            .with("kind", &kind)
            .with("python", &self.identity("python3"))
            .with("uwsgi", python::UWSGI_REQUIREMENT)
            .with("installer", python::installer(self.ctx.path()).name());
        let mut local = match backend.python {
            PythonPackages::Project { .. } => Local::Copied,
            _ => Local::Nothing,
        };
        for file in &files {
            key = key.with(file.as_str(), &self.id_of(Some(file))?);
            if let Some((_, id)) = self.repo.entry_at(self.tree, file)? {
                let text = self.repo.blob(&id)?;
                local = local.max(python::local_packages(&String::from_utf8_lossy(&text)));
            }
        }
        Ok(match local {
            Local::Nothing => key,
            // The environment holds a copy of the app's own files.
            Local::Copied => key.with("tree", self.tree.as_str()),
            // The environment points into this release's files; no other release can use it.
            Local::Linked => key.with("moment", &self.ctx.host.now_unix().to_string()),
        }
        .finish())
    }

    fn content(file: &Path) -> Result<String, PlanError> {
        Ok(crate::git::hash(&fs::read_bytes(file)?).to_string())
    }

    fn id_of(&self, path: Option<&RepoPath>) -> Result<String, PlanError> {
        let Some(path) = path else {
            return Ok(String::new());
        };
        Ok(self
            .repo
            .entry_at(self.tree, path)?
            .map(|(_, id)| id.to_string())
            .unwrap_or_default())
    }

    /// The id of the tree at `dir`; where another part lies inside it, the ids of its entries without that part, so that
    /// a frontend at the root is not rebuilt for every change of the backend.
    fn tree_without(
        &self,
        dir: &RepoPath,
        outside: Option<&RepoPath>,
    ) -> Result<String, PlanError> {
        let Some((_, id)) = self.repo.entry_at(self.tree, dir)? else {
            return Ok(String::new());
        };
        let Some(outside) = outside else {
            return Ok(id.to_string());
        };
        let mut ids = String::new();
        for entry in self.repo.entries(&id)? {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let here = dir.join(&name).ok();
            if here.as_ref() == Some(outside) {
                continue;
            }
            let inside = here.as_ref().is_some_and(|here| outside.is_within(here));
            let id = if inside {
                self.tree_without(&here.unwrap_or_else(RepoPath::root), Some(outside))?
            } else {
                entry.id.to_string()
            };
            let _ = writeln!(ids, "{name}\0{:?}\0{id}", entry.kind);
        }
        Ok(ids)
    }

    fn identity(&self, name: &str) -> String {
        program::identity(name, self.ctx.path())
            .unwrap_or_else(|| format!("{name} is not installed"))
    }
}

fn beside(dir: &RepoPath, names: &[&str]) -> Result<Vec<RepoPath>, PlanError> {
    Ok(names
        .iter()
        .map(|name| dir.join(name))
        .collect::<Result<_, _>>()
        .map_err(crate::git::GitError::from)?)
}
