//! Which releases there are, and which is live. The file system is the database; every file is written whole.

use std::path::PathBuf;

use super::layout::{Home, ReleaseDir};
use super::record::{Record, State};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::ReleaseId;

/// What can go wrong with the files of releases.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A file of ours does not hold what it should.
    #[error("cannot understand {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A value could not be written as JSON.
    #[error("cannot write a record")]
    Unwritable(#[source] serde_json::Error),
    /// There is no such release.
    #[error("there is no release {0}")]
    NoSuchRelease(ReleaseId),
}

impl Hint for StoreError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Fs(error) => error.hints(),
            Self::NoSuchRelease(_) => vec!["landfall releases".into()],
            _ => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        if matches!(self, Self::NoSuchRelease(_)) {
            Kind::NotFound
        } else {
            Kind::Failed
        }
    }
}

/// The number of the live release: what `current` points at.
pub fn live(home: &Home) -> Result<Option<ReleaseId>, StoreError> {
    let target = fs::link_target(&home.current())?;
    Ok(target.and_then(|target| target.file_name()?.to_str()?.parse().ok()))
}

/// The live release's record.
pub fn live_record(home: &Home) -> Result<Option<Record>, StoreError> {
    live(home)?.map(|id| read(&home.release(id))).transpose()
}

/// All release folders, oldest first, whether or not their record can be read.
pub fn numbers(home: &Home) -> Result<Vec<ReleaseId>, StoreError> {
    let mut numbers: Vec<ReleaseId> = fs::list(&home.releases())?
        .iter()
        .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
        .collect();
    numbers.sort();
    Ok(numbers)
}

/// The records of all releases, oldest first; one that cannot be read is left out.
pub fn records(home: &Home) -> Result<Vec<Record>, StoreError> {
    let live = live(home)?;
    let mut records: Vec<Record> = numbers(home)?
        .into_iter()
        .filter_map(|id| read(&home.release(id)).ok())
        .collect();
    for record in &mut records {
        // The link is the truth; a power cut may have come between the rename and the record.
        if Some(record.release) == live {
            record.state = State::Live;
        } else if record.state == State::Live {
            record.state = State::Retired;
        }
    }
    Ok(records)
}

/// The number of the next release: above every release and every deploy's log, so that no number comes twice.
pub fn next_number(home: &Home) -> Result<ReleaseId, StoreError> {
    let logs = fs::list(&home.deploy_logs())?;
    let logged = logs
        .iter()
        .filter_map(|path| path.file_stem()?.to_str()?.parse::<ReleaseId>().ok());
    let highest = numbers(home)?
        .into_iter()
        .chain(logged)
        .max()
        .map_or(0, |id| id.0);
    Ok(ReleaseId(highest.saturating_add(1)))
}

/// Reads a release's record.
pub fn read(dir: &ReleaseDir) -> Result<Record, StoreError> {
    let path = dir.record();
    let text = fs::read_if_exists(&path)?.ok_or(StoreError::NoSuchRelease(dir.id()))?;
    serde_json::from_str(&text).map_err(|source| StoreError::Unreadable { path, source })
}

/// Writes a release's record.
pub fn write(dir: &ReleaseDir, record: &Record) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(record).map_err(StoreError::Unwritable)?;
    Ok(fs::write(&dir.record(), &text, fs::PUBLIC)?)
}

/// Changes a release's record. One that stays as it is is not written.
pub fn update(dir: &ReleaseDir, change: impl FnOnce(&mut Record)) -> Result<Record, StoreError> {
    let before = read(dir)?;
    let mut record = before.clone();
    change(&mut record);
    if record != before {
        write(dir, &record)?;
    }
    Ok(record)
}

/// The number of the next switch.
pub fn next_turn(home: &Home) -> Result<u64, StoreError> {
    let turns = records(home)?.into_iter().map(|record| record.turn);
    Ok(turns.max().unwrap_or_default().saturating_add(1))
}

/// The releases a rollback may go to by itself, the one that was live last first: good ones that no rollback has left.
/// Going back twice goes back two releases, and never to one that was found bad.
pub fn rollback_targets(home: &Home) -> Result<Vec<Record>, StoreError> {
    let live = live(home)?;
    let mut targets = records(home)?;
    targets.retain(|record| {
        Some(record.release) != live && record.state.is_good() && !record.rolled_back
    });
    targets.sort_by_key(|record| std::cmp::Reverse(record.order()));
    Ok(targets)
}
