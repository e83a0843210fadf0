//! L5: what happens between pre-receive and post-receive. A release is prepared, git moves the ref, and until then nobody else
//! may take the lock and clear the release away.
//!
//! takes: the app's lock · gives: the lock, with no prepared release waiting for its hook · touches: `run/pending.json` ·
//! undone by: [`lock`], once git is gone without having moved the ref

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::base::ancestor::{self, Ancestor};
use crate::base::flock::FileLock;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::{ObjectId, RefName, ReleaseId};
use crate::event::Event;
use crate::git::RefChange;
use crate::release::layout::Home;
use crate::release::lock::{self, Holder, LockError};
use crate::release::store;
use crate::stage::Context;
use crate::stage::discard::{DiscardError, Served};
use crate::undo;

/// How long git may take between pre-receive's end and post-receive's start.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// A release that pre-receive prepared, for post-receive: `run/pending.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pending {
    /// The release.
    pub release: ReleaseId,
    /// The commit the ref will point at.
    pub commit: ObjectId,
    /// The ref, and where it was before.
    pub ref_name: RefName,
    /// Where the ref was before the push.
    pub old: ObjectId,
    /// git's process, which runs both hooks. When it is gone, nobody will make the release live.
    git: Option<Ancestor>,
    /// When the push began, in milliseconds since 1970.
    begun_ms: u64,
}

/// The lock could not be had, or what was left could not be cleared away.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A release whose push is gone.
    #[error("a release whose push is gone cannot be taken away")]
    Discard(#[from] DiscardError),
}

impl Hint for HandoverError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Lock(error) => error.hints(),
            Self::Discard(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Lock(error) => error.kind(),
            Self::Discard(error) => error.kind(),
        }
    }
}

impl Pending {
    /// git still runs, and may yet move the ref and call post-receive.
    pub fn is_expected(&self) -> bool {
        self.git.as_ref().is_some_and(Ancestor::is_alive)
    }

    /// When the push began.
    pub fn begun(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.begun_ms)
    }
}

/// Leaves a prepared release for the post-receive of the same push.
pub fn leave(
    ctx: &Context<'_>,
    release: ReleaseId,
    update: &RefChange,
    commit: &ObjectId,
    begun: SystemTime,
) -> Result<(), FsError> {
    let begun = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
    let pending = Pending {
        release,
        commit: commit.clone(),
        ref_name: update.name.clone(),
        old: update.old.clone(),
        git: ancestor::git(),
        begun_ms: u64::try_from(begun.as_millis()).unwrap_or_default(),
    };
    let text = serde_json::to_vec(&pending).unwrap_or_default();
    fs::write(&ctx.home.pending(), &text, fs::PUBLIC)
}

/// The prepared release that waits, if any.
pub fn waiting(home: &Home) -> Option<Pending> {
    let text = fs::read_if_exists(&home.pending()).ok()??;
    serde_json::from_str(&text).ok()
}

/// The release between the two hooks of a push that is still alive: nobody holds the lock, and the deploy goes on.
pub fn under_way(home: &Home) -> Option<ReleaseId> {
    let pending = waiting(home)?;
    pending.is_expected().then_some(pending.release)
}

/// The prepared release has been dealt with.
pub fn done(ctx: &Context<'_>) -> Result<(), FsError> {
    fs::remove_file(&ctx.home.pending())
}

/// Waits until git has called post-receive, which deals with the release, or has ended without: a pusher that goes away
/// while its push is prepared takes git with it, after the ref was moved. Gives the release that is left, if any.
pub fn wait_for_git(home: &Home, release: ReleaseId) -> Option<Pending> {
    loop {
        let pending = waiting(home).filter(|pending| pending.release == release)?;
        if !pending.is_expected() {
            return Some(pending);
        }
        thread::sleep(POLL);
    }
}

/// Takes the app's lock for a new run. One that finds a prepared release lets its post-receive go first; where git is gone
/// without moving the ref, the release is taken away.
pub fn lock(
    ctx: &Context<'_>,
    holder: &Holder,
    patience: Duration,
) -> Result<FileLock, HandoverError> {
    let mut seen: Option<(ReleaseId, Instant)> = None;
    loop {
        let lock = lock_as_it_is(ctx, holder, patience)?;
        let Some(pending) = waiting(ctx.home) else {
            return Ok(lock);
        };
        // Waiting for the lock may take long; only the time a prepared release is seen waiting counts.
        let since = match seen {
            Some((release, since)) if release == pending.release => since,
            _ => Instant::now(),
        };
        seen = Some((pending.release, since));
        let abandoned = !pending.is_expected();
        if abandoned || since.elapsed() > PATIENCE {
            if went_live(ctx, pending.release) {
                done(ctx).map_err(LockError::from)?;
            } else {
                undo::take_away(ctx, pending.release, Served::No)?;
            }
            return Ok(lock);
        }
        drop(lock);
        thread::sleep(POLL);
    }
}

/// The run was killed after the switch: its release serves or has served, and is nobody's to take away.
pub fn went_live(ctx: &Context<'_>, release: ReleaseId) -> bool {
    store::live(ctx.home).is_ok_and(|live| live == Some(release))
        || store::read(&ctx.home.release(release)).is_ok_and(|record| record.state.is_good())
}

/// Takes the app's lock whoever waits, as post-receive does; says for whom it waits.
pub fn lock_as_it_is(
    ctx: &Context<'_>,
    holder: &Holder,
    patience: Duration,
) -> Result<FileLock, LockError> {
    lock::acquire(ctx.home, ctx.host, holder, patience, &mut |holder| {
        ctx.events.emit(&Event::Waiting {
            holder: holder.to_owned(),
        });
    })
}
