//! `landfall attach`: the running deploy's log from its beginning to its end, and how it ended.

use std::process::ExitCode;

use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::ReleaseId;
use crate::handover;
use crate::release::layout::Home;
use crate::release::{lock, store};

use super::session::Session;
use super::{Ended, Globals, exit_code, log};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
For whoever lost the connection of a push: the deploy has gone on without it. The exit code is the deploy's: 0 where its \
release is live, 1 where it failed. Ctrl-C ends only the looking.

Examples:
  landfall attach
  landfall attach && notify-send \"it is live\"")]
pub(super) struct Args {}

/// Nothing to attach to.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error("nothing is being deployed")]
    Nothing,
}

impl Hint for AttachError {
    fn hints(&self) -> Vec<String> {
        vec!["landfall log   shows what the last deploy did".into()]
    }

    fn kind(&self) -> Kind {
        Kind::NotFound
    }
}

pub(super) fn run(host: &Host, globals: &Globals, _: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let home = &session.home;
    let runs = lock::holder(home, host)?.is_some() || handover::under_way(home).is_some();
    let Some(number) = log::newest(home)?.filter(|_| runs) else {
        return Err(AttachError::Nothing.into());
    };
    let mut tail = log::open(home, number, globals.json)?;
    log::follow(host, home, number, &mut tail, globals.json)?;
    if is_good(home, number)? {
        return Ok(());
    }
    Err(Ended::Said(ExitCode::from(exit_code::FAILED)))
}

/// The release is live, or was until a later one took its place.
fn is_good(home: &Home, number: ReleaseId) -> Result<bool, Ended> {
    let live = store::live(home)?;
    if live == Some(number) {
        return Ok(true);
    }
    let record = store::read(&home.release(number)).ok();
    Ok(live > Some(number) && record.is_some_and(|record| record.state.is_good()))
}
