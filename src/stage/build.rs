//! build: the frontend and the Python environment, side by side.
//!
//! takes: the plan and the checked-out files · gives: `public` and `venv`, links in the release's folder · touches: the
//! caches, the release's folder · undone by: removing the release; whole cache entries stay valid

pub mod frontend;
mod inherit;
pub mod python;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::Context;
use super::plan::Plan;
use crate::base::command::CommandError;
use crate::base::disk::Room;
use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::names::RepoPath;
use crate::event::Stage;
use crate::release::cache;
use crate::release::layout::ReleaseDir;
use crate::tool;

/// A build that failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A tool of the frontend's build.
    #[error(transparent)]
    Node(CommandError),
    /// A tool of the Python environment's build.
    #[error(transparent)]
    Python(CommandError),
    /// The build ended well and left nothing.
    #[error("the build left no `{0}`")]
    NoOutput(RepoPath),
    /// The output is a link, or lies behind one.
    #[error("`{0}` is a symbolic link, or lies behind one; it is not followed")]
    LinkedOutput(RepoPath),
    /// The output has no index page.
    #[error("`{0}` has no index.html after the build")]
    NoIndex(RepoPath),
    /// A file of ours.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for BuildError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Node(error) => {
                let mut hints = error.hints();
                hints.extend(tool::node::advice(error.tool_output()));
                if hints.is_empty() {
                    hints.push(format!(
                        "try the same here, in a fresh clone: {}",
                        error.command()
                    ));
                }
                hints
            }
            Self::Python(error) => tool::python::advice(error.tool_output())
                .into_iter()
                .chain(error.hints())
                .collect(),
            Self::NoOutput(_) | Self::NoIndex(_) | Self::LinkedOutput(_) => {
                vec!["in landfall.toml: [frontend] output = \"the folder the build writes\"".into()]
            }
            Self::Fs(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Node(error) | Self::Python(error) => error.tool_output(),
            _ => &[],
        }
    }
}

/// What was built.
#[derive(Debug, Default)]
pub struct Built {
    /// `node_modules` moved into the release for the build and the gate; goes back to the cache after the gate.
    pub borrowed: Option<Borrowed>,
}

/// A cache entry that stands in the release's folder for a while. Builds expect a real folder there, and write into it;
/// moving it costs a rename.
#[derive(Debug)]
#[must_use = "give it back, or the next build installs again"]
pub struct Borrowed {
    /// Where it stands now.
    pub place: PathBuf,
    /// Where it belongs.
    pub shelf: PathBuf,
    /// What it took when it was made; unknown for one that is new.
    pub taken: Option<Room>,
}

impl Borrowed {
    /// Puts it back.
    pub fn give_back(self) -> Result<(), FsError> {
        if !self.place.is_dir() {
            return Ok(());
        }
        fs::create_folder(&self.shelf)?;
        let entry = self.shelf.join("node_modules");
        fs::remove_tree(&entry)?;
        fs::move_tree(&self.place, &entry)?;
        match self.taken {
            Some(room) => cache::complete_as(&self.shelf, room),
            None => cache::complete(&self.shelf),
        }
    }
}

/// Builds what the plan says, and links it into the release. The first failure wins; the other side runs to its end, so
/// that what it made is in the cache for the next push.
pub fn run(
    ctx: &Context<'_>,
    plan: &Plan,
    release: &ReleaseDir,
) -> Result<Built, (Stage, BuildError)> {
    // Both begin here, in order, whichever ends first.
    let frontend = plan
        .settings
        .frontend
        .as_ref()
        .map(|frontend| (frontend, ctx.events.start(Stage::Frontend)));
    let python = plan
        .settings
        .backend
        .as_ref()
        .map(|backend| (backend, ctx.events.start(Stage::Python)));
    let python = Mutex::new(python);
    let install = || {
        let python = python.lock().unwrap_or_else(PoisonError::into_inner).take();
        match python {
            Some((backend, running)) => python::run(ctx, plan, backend, release, running),
            None => Ok(()),
        }
    };
    let (frontend, python) = thread::scope(|scope| {
        let python = thread::Builder::new().spawn_scoped(scope, install);
        let frontend = match frontend {
            Some((frontend, running)) => frontend::run(ctx, plan, frontend, release, running),
            None => Ok(Built::default()),
        };
        // Where there is no thread to be had, one comes after the other.
        let python = python.map_or_else(|_| Ok(install()), thread::ScopedJoinHandle::join);
        (frontend, python)
    });
    let python = python.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match (frontend, python) {
        (Ok(built), Ok(())) => Ok(built),
        (Ok(built), Err(error)) => {
            give_back(ctx, built);
            Err((Stage::Python, error))
        }
        (Err(error), _) => Err((Stage::Frontend, error)),
    }
}

/// Returns what was borrowed; a failure costs only time at the next build, so it is a remark.
pub fn give_back(ctx: &Context<'_>, built: Built) {
    if let Some(borrowed) = built.borrowed
        && let Err(error) = borrowed.give_back()
    {
        ctx.events.note(format!(
            "node_modules could not be kept for the next build: {error}"
        ));
    }
}
