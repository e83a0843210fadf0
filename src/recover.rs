//! L5: finishes or takes away what an earlier run left when it was killed. Runs before every deploy and rollback, under the
//! lock, and can be run again at any point.
//!
//! takes: the home as it is · gives: supervisord up, the live release's processes running, nothing of half releases ·
//! touches: supervisor, half releases · undone by: -

use std::time::Duration;

use crate::base::hint::Hint;
use crate::base::names::ReleaseId;
use crate::release::layout::Home;
use crate::release::process::{Processes, parse_program};
use crate::release::record::State;
use crate::release::store::{self, StoreError};
use crate::stage::Context;
use crate::stage::discard::{self, DiscardError, Served};
use crate::supervisor::fault::RpcError;
use crate::tool::supervisord::{Daemon, SupervisordError};

/// How long supervisord may take to start.
const START: Duration = Duration::from_secs(20);

/// The home could not be put in order.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// supervisord does not start.
    #[error("the app's supervisord cannot be started")]
    Daemon(#[from] SupervisordError),
    /// supervisord does not do as told.
    #[error(transparent)]
    Supervisor(#[from] RpcError),
    /// A half release could not be taken away.
    #[error("a release that never became live cannot be taken away")]
    Discard(#[from] DiscardError),
    /// The releases on disk could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hint for RecoverError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Daemon(error) => error.hints(),
            Self::Supervisor(error) => error.hints(),
            Self::Discard(error) => error.hints(),
            Self::Store(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        if let Self::Daemon(error) = self {
            error.tool_output()
        } else {
            &[]
        }
    }
}

/// Puts the home in order.
pub fn run(ctx: &Context<'_>) -> Result<(), RecoverError> {
    start_supervisord(ctx)?;
    let live = store::live(ctx.home)?;
    for id in store::numbers(ctx.home)? {
        if Some(id) != live && !is_good(ctx, id) {
            discard::run(ctx, id, Served::No)?;
            ctx.events.note(format!(
                "release {id} was left half-made by an earlier run; it is taken away"
            ));
        }
    }
    tidy_programs(ctx, live)?;
    if let Some(live) = live {
        start_missing(ctx, live)?;
    }
    Ok(())
}

/// supervisord runs, with nginx under it in user mode.
pub fn start_supervisord(ctx: &Context<'_>) -> Result<(), SupervisordError> {
    daemon(ctx).start(START)
}

/// The app's supervisord, as files.
pub fn daemon(ctx: &Context<'_>) -> Daemon {
    daemon_of(ctx.home)
}

/// The supervisord of a home, as files.
pub fn daemon_of(home: &Home) -> Daemon {
    Daemon {
        conf: home.supervisord_conf(),
        socket: home.supervisord_socket(),
        pid_file: home.supervisord_pid(),
        home: home.root().to_owned(),
    }
}

fn is_good(ctx: &Context<'_>, id: ReleaseId) -> bool {
    store::read(&ctx.home.release(id)).is_ok_and(|record| {
        record.state.is_good() || record.state == State::Prepared && record.live_at.is_some()
    })
}

/// Ends processes of releases that no longer serve, and takes stopped ones out of supervisor's list.
fn tidy_programs(ctx: &Context<'_>, live: Option<ReleaseId>) -> Result<(), RpcError> {
    let supervisor = ctx.supervisor();
    let programs =
        live.and_then(|live| Some((live, Processes::read(&ctx.home.release(live)).ok()?)));
    for program in supervisor.processes()? {
        let Some((process, release)) = parse_program(&program.name) else {
            continue;
        };
        let wanted = programs.as_ref().is_some_and(|(live, processes)| {
            *live == release && processes.program(process, release) == program.name
        });
        if wanted {
            continue;
        }
        if program.state.is_stopped() {
            supervisor.remove(&program.name)?;
        } else if Some(release) != live {
            supervisor.stop(&program.name)?;
        }
    }
    Ok(())
}

/// A run that was killed after the switch may have left workers unstarted.
fn start_missing(ctx: &Context<'_>, live: ReleaseId) -> Result<(), RpcError> {
    let Ok(processes) = Processes::read(&ctx.home.release(live)) else {
        return Ok(());
    };
    let supervisor = ctx.supervisor();
    let running = supervisor.processes()?;
    let mut reread = false;
    for name in processes.processes.keys() {
        let program = processes.program(name.as_str(), live);
        match running.iter().find(|process| process.name == program) {
            Some(process) if !process.state.is_stopped() => continue,
            Some(_) => supervisor.start(&program)?,
            None => {
                if !reread {
                    supervisor.reread()?;
                    reread = true;
                }
                // Its file says autostart; adding it starts it.
                supervisor.add(&program)?;
            }
        }
        ctx.events.note(format!(
            "`{name}` of release {live} was not running; it is started"
        ));
    }
    Ok(())
}
