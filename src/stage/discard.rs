//! The way back: takes away everything a release left that did not become live, or is no longer wanted.
//!
//! takes: a release's number · gives: nothing · touches: supervisor, the release's folder, `run/` · undone by: -. It can be
//! run again at any point; a release that is live is never touched.

use std::path::Path;
use std::time::Duration;

use super::Context;
use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::names::ReleaseId;
use crate::base::occupants;
use crate::base::stretch;
use crate::release::process::{WEB, parse_program};
use crate::release::spare;
use crate::release::store::{self, StoreError};
use crate::supervisor::fault::RpcError;
use crate::supervisor::rpc::Supervisor;
use crate::tool::uwsgi;

/// How long the processes of a release that never served may take to end.
const PATIENCE: Duration = Duration::from_secs(75);

/// How long a web process may take to show that it has accepted every request that was on its way.
const BARRIER: Duration = Duration::from_secs(60);
/// How long the requests of one that was live for a moment may take to finish.
const MOMENT: Duration = Duration::from_secs(10);

/// Something could not be taken away.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// A process.
    #[error(transparent)]
    Supervisor(#[from] RpcError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The link could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hint for DiscardError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Supervisor(error) => error.hints(),
            Self::Fs(error) => error.hints(),
            Self::Store(error) => error.hints(),
        }
    }
}

/// Whether a release may be answering somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// It was live, if only for a moment: its requests are finished.
    Yes,
    /// Nobody was sent to it: it ends at once. A uWSGI asked politely in its first moments may take its whole mercy.
    No,
}

/// Stops the release's processes and removes its folder, `run/next.conf` and `run/pending.json`.
pub fn run(ctx: &Context<'_>, release: ReleaseId, served: Served) -> Result<(), DiscardError> {
    if store::live(ctx.home)? == Some(release) {
        // A run that was killed after the switch left these.
        fs::remove_file(&ctx.home.next_programs())?;
        return Ok(fs::remove_file(&ctx.home.pending())?);
    }
    stop_processes(ctx, release, served)?;
    if served == Served::No {
        // What builds has a process group of its own and outlives a run that was killed; it would write into the caches.
        occupants::end(ctx.home.release(release).root());
    }
    fs::remove_file(&ctx.home.next_programs())?;
    fs::remove_file(&ctx.home.pending())?;
    // First what makes it a release: half of one, without a record, is taken away by the next run.
    fs::remove_file(&ctx.home.release(release).record())?;
    Ok(spare::keep(ctx.home, &ctx.home.release(release))?)
}

/// Stops all processes of a release and takes them out of supervisor's list.
fn stop_processes(ctx: &Context<'_>, release: ReleaseId, served: Served) -> Result<(), RpcError> {
    let supervisor = ctx.supervisor();
    if !supervisor.is_up() {
        return Ok(());
    }
    let programs = supervisor.processes()?;
    let of_release = programs
        .iter()
        .filter(|program| parse_program(&program.name).is_some_and(|(_, id)| id == release));
    for program in of_release {
        let name = &program.name;
        supervisor.take_out(name, || end(ctx, &supervisor, name, release, served))?;
    }
    Ok(())
}

/// Ends one process. A web process that nobody was sent to ends at once; one that was live finishes its requests, but for
/// one that is stuck in the very request that showed that it does not work.
fn end(
    ctx: &Context<'_>,
    supervisor: &Supervisor,
    program: &str,
    release: ReleaseId,
    served: Served,
) -> Result<(), RpcError> {
    let is_web = parse_program(program).is_some_and(|(process, _)| process == WEB);
    match served {
        Served::Yes if is_web => {
            drained(ctx, release);
            match supervisor.stop_and_wait(program, MOMENT) {
                Err(RpcError::NotStopped { .. }) => {}
                ended => return ended,
            }
            // It may have ended by now, which is as good.
            let _ = supervisor.signal(program, "INT");
        }
        Served::No if is_web => {
            supervisor.stop(program)?;
            let _ = supervisor.signal(program, "INT");
        }
        _ => {}
    }
    supervisor.stop_and_wait(program, PATIENCE)
}

/// Waits until the web process has accepted every request that was on its way when the link moved on: connections are
/// accepted in the order they came, so one that is answered now has none before it.
pub fn drained(ctx: &Context<'_>, release: ReleaseId) {
    drained_at(&ctx.home.release(release).web_socket());
}

/// [`drained`], of the web process at this socket.
pub fn drained_at(socket: &Path) {
    let _waiting = stretch::of_app("the old uWSGI accepts what is on its way");
    // One that does not listen has nothing to lose; one that is silent is busy with what it has accepted.
    let _ = uwsgi::ping(socket, BARRIER);
}

/// Stops a release's processes without waiting; its folder stays. For a release that was good before.
pub fn stop(ctx: &Context<'_>, release: ReleaseId) {
    let supervisor = ctx.supervisor();
    for program in supervisor.processes().unwrap_or_default() {
        let is_its = parse_program(&program.name).is_some_and(|(_, id)| id == release);
        let web = parse_program(&program.name).is_some_and(|(name, _)| name == WEB);
        if is_its && web && !program.state.is_stopped() {
            drained(ctx, release);
        }
        if is_its
            && !program.state.is_stopped()
            && let Err(error) = supervisor.stop(&program.name)
        {
            ctx.events
                .undone(format!("stop {}", program.name), Err(&error));
        }
    }
}
