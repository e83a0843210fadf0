//! room: asks whether what the deploy will write fits on the disk, before it writes anything.
//!
//! takes: the plan, what the live release and the caches took · gives: nothing, or why it does not fit · touches: `cache/trash`,
//! where the disk is full

use std::path::PathBuf;

use super::Context;
use super::plan::{Plan, Step};
use crate::base::disk::{self, Room};
use crate::base::fs::FsError;
use crate::base::hint::{Hint, Kind};
use crate::base::words;
use crate::release::cache::{self, Shelf};
use crate::release::{spare, store, trash};

/// For what is not counted: records, logs, static files, sockets, git's own objects.
const BESIDES: Room = Room {
    bytes: 32 * 1024 * 1024,
    files: 500,
};

/// It would not fit.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// Too few bytes.
    #[error("{} free on the disk, and this deploy needs about {}", words::bytes(*.free), words::bytes(*.needed))]
    Bytes {
        /// What is free.
        free: u64,
        /// What is needed.
        needed: u64,
        /// The app's home.
        home: PathBuf,
    },
    /// Too few inodes.
    #[error(
        "{free} inodes free on the disk (as many files can be made), and this deploy needs about {needed}"
    )]
    Files {
        /// What is free.
        free: u64,
        /// What is needed.
        needed: u64,
        /// The app's home.
        home: PathBuf,
    },
    /// The disk cannot be looked at.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for RoomError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Bytes { home, .. } => {
                let home = home.display();
                vec![
                    format!("see what takes it: df -h {home}; du -sh {home}/*"),
                    "keep fewer releases: keep_releases in the app's settings on the server".into(),
                ]
            }
            Self::Files { home, .. } => {
                let home = home.display();
                vec![format!(
                    "see what takes them: df -i {home}; du --inodes -s {home}/*"
                )]
            }
            Self::Fs(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// Whether there is room for what `plan` will write, by what the same took before. What was never made before is not
/// counted.
pub fn check(ctx: &Context<'_>, plan: &Plan) -> Result<(), RoomError> {
    let needed = needed(ctx, plan);
    let mut free = disk::free(ctx.home.root())?;
    if free.bytes < needed.bytes || free.files < needed.files {
        // What was pruned a moment ago may lie there still.
        trash::empty(ctx.home)?;
        free = disk::free(ctx.home.root())?;
    }
    let home = ctx.home.root().to_owned();
    if free.bytes < needed.bytes {
        let (free, needed) = (free.bytes, needed.bytes);
        return Err(RoomError::Bytes { free, needed, home });
    }
    if free.files < needed.files {
        let (free, needed) = (free.files, needed.files);
        return Err(RoomError::Files { free, needed, home });
    }
    Ok(())
}

fn needed(ctx: &Context<'_>, plan: &Plan) -> Room {
    let live = store::live_record(ctx.home).ok().flatten();
    // One that begins with the spare takes what that takes already.
    let is_new = !spare::is_there(ctx.home);
    let live = live.filter(|_| is_new);
    let checkout = live.map(|live| live.checked_out).unwrap_or_default();
    let parts = [
        (&plan.frontend, Shelf::Frontend),
        (&plan.node_modules, Shelf::NodeModules),
        (&plan.venv, Shelf::Venv),
    ];
    let built = parts
        .into_iter()
        .filter(|(step, _)| matches!(step, Step::Build { .. }))
        .filter_map(|(_, shelf)| cache::last_taken(ctx.home, shelf));
    built.fold(checkout.and(BESIDES), Room::and)
}
