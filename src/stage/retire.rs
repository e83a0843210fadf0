//! retire: what runs only once changes hands, old workers stop after their tasks, the old web process drains.
//!
//! takes: the release that was live · gives: nothing · touches: supervisor · undone by: [`take_back`], until the old
//! workers were told to stop, which is the last thing done

use std::time::Duration;

use super::workers::{self, WorkersError};
use super::{Context, discard};
use crate::base::names::ReleaseId;
use crate::base::stretch;
use crate::base::words::list;
use crate::event::{Outcome, Stage};
use crate::release::process::{Processes, WEB, parse_program};
use crate::supervisor::fault::RpcError;
use crate::supervisor::rpc::Process as Program;

/// How long a singleton may take to stop on top of its own time.
const SLACK: Duration = Duration::from_secs(5);

/// Hands over the singletons: the old one stops, then the new one starts. Never two at once.
pub fn hand_over(
    ctx: &Context<'_>,
    new: &Processes,
    release: ReleaseId,
) -> Result<(), WorkersError> {
    let singletons: Vec<_> = new
        .workers()
        .filter(|(_, process)| workers::is_alone(ctx, process))
        .collect();
    if singletons.is_empty() {
        // The live release may have had some.
        return Ok(stop_singletons(ctx, Some(release))?);
    }
    let running = ctx.events.start(Stage::Retire);
    stop_singletons(ctx, Some(release))?;
    for (name, process) in &singletons {
        workers::start(ctx, new, release, name, process)?.wait(ctx)?;
    }
    let names: Vec<&str> = singletons.iter().map(|(name, _)| name.as_str()).collect();
    running.end(Outcome::done(format!("{} handed over", list(&names))));
    Ok(())
}

/// Stops the singletons of every release but `keep`, and waits until they are gone.
pub fn stop_singletons(ctx: &Context<'_>, keep: Option<ReleaseId>) -> Result<(), RpcError> {
    stop_singletons_of(ctx, keep, &ctx.supervisor().processes()?)
}

/// [`stop_singletons`], where it is known which programs there are.
pub fn stop_singletons_of(
    ctx: &Context<'_>,
    keep: Option<ReleaseId>,
    programs: &[Program],
) -> Result<(), RpcError> {
    let supervisor = ctx.supervisor();
    for program in programs {
        let Some((name, release)) = parse_program(&program.name) else {
            continue;
        };
        if Some(release) == keep || program.state.is_stopped() {
            continue;
        }
        let Ok(processes) = Processes::read(&ctx.home.release(release)) else {
            continue;
        };
        let singleton = processes.processes.iter().find(|(each, process)| {
            each.as_str() == name && name != WEB && workers::is_alone(ctx, process)
        });
        if let Some((_, process)) = singleton {
            let _waiting = stretch::of_app(&format!("{name} ends"));
            supervisor.stop_and_wait(
                &program.name,
                Duration::from_secs(process.stop_seconds) + SLACK,
            )?;
        }
    }
    Ok(())
}

/// Tells every process of other releases to finish what it is at and end. Does not wait: supervisor ends what takes too
/// long, and the next run takes the stopped programs out of its list.
pub fn run(ctx: &Context<'_>, live: ReleaseId) -> Result<usize, RpcError> {
    let supervisor = ctx.supervisor();
    let mut told = 0;
    for program in supervisor.processes()? {
        let Some((name, release)) = parse_program(&program.name) else {
            continue;
        };
        if release == live || program.state.is_stopped() {
            continue;
        }
        if name == WEB {
            discard::drained(ctx, release);
        }
        supervisor.stop(&program.name)?;
        told += 1;
    }
    Ok(told)
}

/// Starts the singletons of the release that is live again after a failure.
pub fn take_back(ctx: &Context<'_>, previous: ReleaseId) -> Result<(), WorkersError> {
    stop_singletons(ctx, Some(previous))?;
    let Ok(processes) = Processes::read(&ctx.home.release(previous)) else {
        return Ok(());
    };
    for (name, process) in processes
        .workers()
        .filter(|(_, process)| workers::is_alone(ctx, process))
    {
        workers::start(ctx, &processes, previous, name, process)?;
    }
    Ok(())
}
