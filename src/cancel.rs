//! L5: ends the run that holds the app's lock, as long as what it makes is not live, and puts everything back.
//!
//! takes: the app's lock in somebody's hands · gives: the home as it was before that run · touches: that run's process, what
//! [`recover`] touches, the branch · undone by: the same push
//!
//! The run is stopped first and looked at while it stands still, so that it cannot pass the commit point meanwhile. Then whoever
//! waits for it is told, and it is killed and cleared up as any run that was killed: its hook does not answer, so git rejects the
//! push.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::base::ancestor;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::ReleaseId;
use crate::base::proc;
use crate::git::{GitError, RefChange, Repo};
use crate::handover::{self, HandoverError};
use crate::recover::{self, RecoverError};
use crate::release::layout::Home;
use crate::release::lock::{self, Holder};
use crate::release::store::{self, StoreError};
use crate::stage::Context;

/// How long the process may take to stand still, and to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the lock may take to come free once its holder is gone: another push may have waited for it longer.
const LOCK: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
/// For a pusher to whom git has said, or will say, that the branch has moved.
const AFTER_GIT: &str = "  git says the push succeeded, the deploy did not: the branch goes back, and the same push can be repeated";

/// Nothing is cancelled; what runs goes on.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// Nobody holds the lock.
    #[error("nothing is being deployed")]
    Nothing,
    /// The lock's holder makes no release.
    #[error("{0} cannot be cancelled; it ends by itself")]
    NotARun(String),
    /// The commit point has passed.
    #[error("too late: release {0} is live already")]
    Live(ReleaseId),
    /// Between the hooks.
    #[error("git is moving the branch at this moment")]
    Between,
    /// It could not be stopped.
    #[error("process {0} cannot be stopped")]
    Process(u32, #[source] std::io::Error),
    /// A file of the home.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The releases.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it left cannot be taken away.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// What it left cannot be put in order.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The branch could not be put back.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Hint for CancelError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Nothing => vec!["landfall log   shows what the last deploy did".into()],
            Self::Live(_) => {
                vec!["landfall rollback   goes back to the release before it".into()]
            }
            Self::Between => vec!["landfall cancel   again, in a second".into()],
            Self::NotARun(_) | Self::Process(..) => Vec::new(),
            Self::Fs(error) => error.hints(),
            Self::Store(error) => error.hints(),
            Self::Handover(error) => error.hints(),
            Self::Recover(error) => error.hints(),
            Self::Git(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Nothing => Kind::NotFound,
            Self::NotARun(_) | Self::Live(_) => Kind::Refused,
            Self::Between => Kind::Busy,
            Self::Handover(error) => error.kind(),
            Self::Store(error) => error.kind(),
            _ => Kind::Failed,
        }
    }
}

/// A run that was cancelled.
#[derive(Debug)]
pub struct Cancelled {
    /// What it was, as the lock named it.
    pub what: String,
    /// Another run took the lock right after it, and clears up.
    pub is_left_to_next: bool,
    /// git had moved the branch; it is back.
    pub branch_is_back: bool,
}

/// Cancels the run that holds the lock, for `me`; `why` is told to whoever reads what it says. `ended` is told once it is gone,
/// and before it is cleared up.
pub fn run(
    ctx: &Context<'_>,
    me: &Holder,
    why: &str,
    ended: &mut dyn FnMut(&Holder) -> Result<(), FsError>,
) -> Result<Cancelled, CancelError> {
    let holder = lock::held(ctx.home)?.ok_or_else(|| nobody(ctx.home))?;
    if !holder.makes_a_release() {
        return Err(CancelError::NotARun(holder.describe(ctx.host.now_unix())));
    }
    let still = Still::make(&holder)?;
    // It may have ended in the last moment; what has its number now is somebody else's.
    if lock::held(ctx.home)?.is_none_or(|now| now.pid != holder.pid || now.since != holder.since) {
        return Err(nobody(ctx.home));
    }
    if let Some(live) = switched(ctx.home)? {
        return Err(CancelError::Live(live));
    }
    // What watches over a prepared release would make it live as soon as this process is gone.
    let pending = handover::waiting(ctx.home);
    handover::done(ctx)?;
    proc::say(still.pid, &format!("  {why}"));
    if pending.is_some() {
        proc::say(still.pid, AFTER_GIT);
    }
    still.kill()?;
    ended(&holder)?;
    let mut cancelled = Cancelled {
        what: holder.what,
        is_left_to_next: false,
        branch_is_back: false,
    };
    let lock = match handover::lock(ctx, me, LOCK) {
        Err(HandoverError::Lock(lock::LockError::Held(_))) => {
            cancelled.is_left_to_next = true;
            return Ok(cancelled);
        }
        lock => lock?,
    };
    recover::run(ctx)?;
    if let Some(pending) = pending {
        let repo = Repo::open(&ctx.home.repository())?;
        if repo.ref_target(&pending.ref_name)?.as_ref() == Some(&pending.commit) {
            let back = RefChange {
                name: pending.ref_name,
                old: pending.commit,
                new: pending.old,
            };
            repo.change_ref(&back, "landfall: the deploy was cancelled")?;
            cancelled.branch_is_back = true;
        }
    }
    drop(lock);
    Ok(cancelled)
}

fn nobody(home: &Home) -> CancelError {
    match handover::under_way(home) {
        Some(_) => CancelError::Between,
        None => CancelError::Nothing,
    }
}

/// The live release, if it became live since the lock was taken: the link is newer than what its holder wrote into the lock.
fn switched(home: &Home) -> Result<Option<ReleaseId>, CancelError> {
    let Some(live) = store::live(home)? else {
        return Ok(None);
    };
    let is_newer = fs::modified(&home.current())? >= fs::modified(&home.lock())?;
    Ok(is_newer.then_some(live))
}

/// A process that stands still, and goes on unless it is killed.
struct Still {
    pid: u32,
}

impl Still {
    fn make(holder: &Holder) -> Result<Self, CancelError> {
        let pid = holder.pid;
        if !ancestor::is_of_this_program(pid) {
            return Err(CancelError::Nothing);
        }
        let still = Self { pid };
        still.signal(Signal::SIGSTOP)?;
        still.until(|state| state == Some('T') || state.is_none())?;
        Ok(still)
    }

    fn kill(self) -> Result<(), CancelError> {
        self.signal(Signal::SIGKILL)?;
        self.until(|state| state.is_none_or(|state| state == 'Z'))
    }

    fn signal(&self, signal: Signal) -> Result<(), CancelError> {
        kill(Pid::from_raw(self.pid.cast_signed()), signal)
            .map_err(|errno| CancelError::Process(self.pid, errno.into()))
    }

    fn until(&self, is_so: impl Fn(Option<char>) -> bool) -> Result<(), CancelError> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(ancestor::state(self.pid)) {
            if Instant::now() > deadline {
                let late = std::io::ErrorKind::TimedOut.into();
                return Err(CancelError::Process(self.pid, late));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        // One that was killed hears it no more.
        let _ = self.signal(Signal::SIGCONT);
    }
}
