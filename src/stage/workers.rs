//! workers: starts the new workers beside the old ones, and waits until they run.
//!
//! takes: the live release's processes · gives: their names · touches: supervisor · undone by: [`super::discard`]

use std::thread;
use std::time::{Duration, Instant};

use super::{Context, LogTail, replace};
use crate::base::hint::Hint;
use crate::base::names::{ProcessName, ReleaseId};
use crate::base::stretch;
use crate::base::words::list;
use crate::event::{Outcome, Stage};
use crate::release::process::{Process, Processes};
use crate::supervisor::fault::RpcError;
use crate::supervisor::rpc::State;

const POLL: Duration = Duration::from_millis(25);
/// What Celery's worker and beat print when they are ready (celery/apps/worker.py, celery/apps/beat.py).
const READY_WORDS: [&str; 2] = [" ready.", "beat: Starting..."];

/// A worker did not come up.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// It ended soon after its start.
    #[error("`{process}` ended {after} after its start")]
    Ended {
        /// Its name.
        process: ProcessName,
        /// How long it ran, in words.
        after: String,
        /// Its last lines.
        output: Vec<String>,
    },
    /// supervisor could not be asked.
    #[error(transparent)]
    Supervisor(#[from] RpcError),
}

impl Hint for WorkersError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Ended { process, .. } => vec![format!(
                "landfall logs {process}   shows the whole log; its command stands in landfall.toml: [workers.{process}]"
            )],
            Self::Supervisor(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Ended { output, .. } => output,
            Self::Supervisor(_) => &[],
        }
    }
}

/// Starts every worker that may run beside its predecessor, and waits for all of them.
pub fn run(
    ctx: &Context<'_>,
    processes: &Processes,
    release: ReleaseId,
) -> Result<(), WorkersError> {
    let side_by_side: Vec<_> = processes
        .workers()
        .filter(|(_, process)| !is_alone(ctx, process))
        .collect();
    if side_by_side.is_empty() {
        return Ok(());
    }
    let running = ctx.events.start(Stage::Workers);
    let mut started = Vec::new();
    for (name, process) in side_by_side {
        started.push(start(ctx, processes, release, name, process)?);
    }
    let mut silent = Vec::new();
    for worker in &started {
        running.progress(format!("waiting for {}", worker.name));
        if worker.wait(ctx)? == Ready::NotSaid {
            silent.push(worker.name.as_str());
        }
    }
    let names: Vec<&str> = started.iter().map(|worker| worker.name.as_str()).collect();
    let message = format!("{} running", list(&names));
    running.end(match &silent[..] {
        [] => Outcome::done(message),
        // A Celery worker without its broker runs, and tries again for ever.
        [first, ..] => Outcome::warning(format!(
            "{message}, {} not ready yet: landfall logs {first}",
            list(&silent)
        )),
    });
    Ok(())
}

/// True for a worker that starts only after the old one has ended: a singleton, and each where processes are replaced.
pub fn is_alone(ctx: &Context<'_>, process: &Process) -> bool {
    process.singleton || replace::is_wanted(ctx)
}

/// What a worker that runs has said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// It is ready, or it is none of those that say so.
    Yes,
    /// It runs, and has not said that it is ready.
    NotSaid,
}

/// A worker that was started.
pub struct Started<'a> {
    name: &'a ProcessName,
    process: &'a Process,
    program: String,
    tail: LogTail,
}

/// Starts one worker.
pub fn start<'a>(
    ctx: &Context<'_>,
    processes: &Processes,
    release: ReleaseId,
    name: &'a ProcessName,
    process: &'a Process,
) -> Result<Started<'a>, WorkersError> {
    let supervisor = ctx.supervisor();
    let program = processes.program(name.as_str(), release);
    let tail = LogTail::new(ctx.home.process_log(name.as_str()));
    supervisor.add(&program)?;
    let runs = supervisor
        .process(&program)?
        .is_some_and(|process| !process.state.is_stopped());
    if !runs {
        supervisor.start(&program)?;
    }
    Ok(Started {
        name,
        process,
        program,
        tail,
    })
}

impl Started<'_> {
    /// Waits until it has run for its time, or says that it is ready.
    pub fn wait(&self, ctx: &Context<'_>) -> Result<Ready, WorkersError> {
        let _waiting = stretch::of_app(&format!("{} starts", self.name));
        let begun = Instant::now();
        let mut pid = None;
        loop {
            let process = ctx.supervisor().process(&self.program)?;
            let Some(process) = process
                .filter(|process| !process.state.is_stopped() && process.state != State::Backoff)
            else {
                return Err(self.ended(begun));
            };
            // supervisor starts an ended process again; another pid is an ended process.
            if pid.is_some() && process.pid != pid {
                return Err(self.ended(begun));
            }
            pid = pid.or(process.pid);
            let says_ready =
                self.is_celery() && READY_WORDS.iter().any(|words| self.tail.contains(words));
            if says_ready {
                return Ok(Ready::Yes);
            }
            if begun.elapsed() >= self.process.ready_after() {
                return Ok(if self.is_celery() {
                    Ready::NotSaid
                } else {
                    Ready::Yes
                });
            }
            thread::sleep(POLL);
        }
    }

    fn is_celery(&self) -> bool {
        self.process
            .argv
            .iter()
            .take(4)
            .any(|word| word == "celery" || word.ends_with("/celery"))
    }

    fn ended(&self, begun: Instant) -> WorkersError {
        let after = format!("{:.1}s", begun.elapsed().as_secs_f64());
        WorkersError::Ended {
            process: self.name.clone(),
            after,
            output: self.tail.lines(),
        }
    }
}
