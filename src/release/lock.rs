//! One deploy per app at a time: a kernel lock that dies with its holder, and says who holds it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layout::Home;
use super::record::shown;
use crate::base::flock::{self, Attempt, FileLock};
use crate::base::fs::FsError;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::stretch;
use crate::base::words::span;

/// Who holds the lock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// What it does: `deploy of a1b2c3d`, `rollback to 41`.
    #[serde(deserialize_with = "shown")]
    pub what: String,
    /// For whom.
    #[serde(deserialize_with = "shown")]
    pub who: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Which version of Landfall.
    #[serde(deserialize_with = "shown")]
    pub version: String,
}

impl Holder {
    /// How what a deploy does begins.
    pub const DEPLOY: &str = "deploy of ";
    /// How what finishes a deploy begins, where its pusher is gone.
    pub const FINISH: &str = "end of deploy ";
    /// What a rollback does.
    pub const ROLLBACK: &str = "rollback";

    /// This process, from now.
    pub fn new(host: &Host, what: impl Into<String>, who: impl Into<String>) -> Self {
        Self {
            pid: std::process::id(),
            what: what.into(),
            who: who.into(),
            since: host.now_unix(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// It makes a release, or makes one live again.
    pub fn makes_a_release(&self) -> bool {
        self.is_deploy() || self.what == Self::ROLLBACK
    }

    /// It makes a release, or finishes one that is made.
    pub fn is_deploy(&self) -> bool {
        self.what.starts_with(Self::DEPLOY) || self.what.starts_with(Self::FINISH)
    }

    /// `the deploy of a1b2c3d by ana, running for 12s`.
    pub fn describe(&self, now: u64) -> String {
        let age = Duration::from_secs(now.saturating_sub(self.since));
        format!(
            "the {} by {}, running for {}",
            self.what,
            self.who,
            span(age)
        )
    }
}

/// The lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else held it for as long as we were willing to wait.
    #[error("another run holds the lock of this app: {0}")]
    Held(String),
    /// The lock file itself.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for LockError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Held(_) => {
                vec!["landfall log -f   shows what it does; the lock ends with its process".into()]
            }
            Self::Fs(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        if matches!(self, Self::Held(_)) {
            Kind::Busy
        } else {
            Kind::Failed
        }
    }
}

/// Takes the lock, waiting up to `patience`; `waiting` is told once for whom.
pub fn acquire(
    home: &Home,
    host: &Host,
    holder: &Holder,
    patience: Duration,
    waiting: &mut dyn FnMut(&str),
) -> Result<FileLock, LockError> {
    let file = home.lock();
    let mut waiting = |text: &str| waiting(&describe(text, host.now_unix()));
    let _waiting = stretch::begin(stretch::WAITING, "the lock");
    match flock::lock(&file, patience, &mut waiting)? {
        Attempt::Taken(mut lock) => {
            let text = serde_json::to_string(holder).unwrap_or_default();
            lock.describe(&text)
                .map_err(|source| FsError::new("write", &file, source))?;
            Ok(lock)
        }
        Attempt::HeldBy(text) => Err(LockError::Held(describe(&text, host.now_unix()))),
    }
}

/// Who holds the lock now, if anybody who has written their name.
pub fn held(home: &Home) -> Result<Option<Holder>, FsError> {
    if !home.lock().exists() {
        return Ok(None);
    }
    Ok(match flock::try_lock(&home.lock())? {
        Attempt::Taken(_) => None,
        Attempt::HeldBy(text) => serde_json::from_str(&text).ok(),
    })
}

/// Who holds the lock now, in words, if anybody.
pub fn holder(home: &Home, host: &Host) -> Result<Option<String>, FsError> {
    if !home.lock().exists() {
        return Ok(None);
    }
    Ok(match flock::try_lock(&home.lock())? {
        Attempt::Taken(_) => None,
        Attempt::HeldBy(text) => Some(describe(&text, host.now_unix())),
    })
}

fn describe(text: &str, now: u64) -> String {
    serde_json::from_str::<Holder>(text).map_or_else(
        |_| "a run that just began".into(),
        |holder| holder.describe(now),
    )
}
