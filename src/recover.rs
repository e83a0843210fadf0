//! L5: finishes or takes away what an earlier run left when it was killed. Runs before every deploy and rollback, under the
//! lock, and can be run again at any point.
//!
//! takes: the home as it is · gives: supervisord up, the live release's processes running, nothing of half releases,
//! half caches and half files · touches: supervisor, half releases, the caches · undone by: -

use std::path::PathBuf;
use std::time::Duration;

use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::names::{AppName, ReleaseId};
use crate::base::occupants;
use crate::base::stretch;
use crate::config::server::Mode;
use crate::release::cache::{self, Shelf};
use crate::release::compressed;
use crate::release::layout::Home;
use crate::release::process::{Processes, parse_program};
use crate::release::record::State;
use crate::release::store::{self, StoreError};
use crate::release::trash;
use crate::stage::discard::Served;
use crate::stage::{Context, orphans, retire};
use crate::supervisor::fault::{Fault, RpcError};
use crate::supervisor::rpc::{Process as Program, State as ProgramState};
use crate::tool::supervisord::{Daemon, SupervisordError};
use crate::undo;

/// How long supervisord may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a program that was told to stop may take: supervisord ends a web process after 65 seconds.
const ENDS: Duration = Duration::from_secs(75);

/// The home could not be put in order.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// supervisord does not start.
    #[error("the app's supervisord cannot be started")]
    Daemon(#[from] SupervisordError),
    /// systemd does not run the app's service.
    #[error("the app's service, landfall@{0}, does not run")]
    Service(AppName),
    /// supervisord does not do as told.
    #[error(transparent)]
    Supervisor(#[from] RpcError),
    /// The releases on disk could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hint for RecoverError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Daemon(error) => error.hints(),
            Self::Service(app) => vec![format!(
                "on the server, as root: systemctl restart landfall@{app}; journalctl -u landfall@{app}"
            )],
            Self::Supervisor(error) => error.hints(),
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
    let _time = stretch::of_us("put in order");
    // Nobody builds while we hold the lock; what does is of a run that was killed.
    occupants::end_runs(ctx.home.root());
    tidy_files(ctx);
    let daemon = daemon(ctx);
    if daemon.pid().is_none() {
        orphans::of_supervisord(ctx);
    }
    match ctx.app.mode() {
        Mode::User(_) => daemon.start(START)?,
        // One of our own would run outside the service, with none of its walls, and in its way when it starts again.
        Mode::Server if daemon.wait_until_up(START) => {}
        Mode::Server => return Err(RecoverError::Service(ctx.home.app().clone())),
    }
    orphans::of_nginx(ctx, daemon.pid())?;
    let live = store::live(ctx.home)?;
    for id in store::numbers(ctx.home)? {
        if Some(id) != live && is_half(ctx, id) {
            // What a killed run had started outlives it, and may still be migrating.
            occupants::end(ctx.home.release(id).root());
            match undo::take_away(ctx, id, Served::No) {
                Ok(()) => ctx.events.note(format!(
                    "release {id} was left half-made by an earlier run; it is taken away"
                )),
                // The next run tries again; it is in nobody's way.
                Err(error) => ctx
                    .events
                    .undone(format!("remove release {id}"), Err(&error)),
            }
        }
    }
    let programs = tidy_programs(ctx, live)?;
    if let Some(live) = live {
        // What a run that was killed after the switch did not come to.
        let release = ctx.home.release(live);
        for left in [release.web_socket_held(), release.web_socket_aside()] {
            let _ = fs::remove_file(&left);
        }
        let _ = store::update(&release, |record| record.state = State::Live);
        retire::stop_singletons_of(ctx, Some(live), &programs)?;
        start_missing(ctx, live, &programs)?;
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

/// True for what never became live. A record that cannot be understood is no reason to take a release away.
fn is_half(ctx: &Context<'_>, id: ReleaseId) -> bool {
    match store::read(&ctx.home.release(id)) {
        Ok(record) => !record.state.is_good(),
        Err(StoreError::NoSuchRelease(_)) => true,
        Err(error) => {
            ctx.events
                .note(format!("release {id} is left alone: {error}"));
            false
        }
    }
}

/// Takes away what a killed run was still writing. Before anything is written: a file that is not whole would keep a process
/// that has the number of the killed one from writing its own. Half cache entries are in nobody's way, so failures are remarks.
fn tidy_files(ctx: &Context<'_>) {
    // Of a rollback that was killed; a deploy's goes with its release.
    let swept = fs::remove_file(&ctx.home.next_programs())
        .and_then(|()| folders_written(ctx.home))
        .and_then(|folders| folders.iter().try_for_each(|folder| fs::sweep(folder)))
        .and_then(|()| cache::sweep(ctx.home))
        .and_then(|()| trash::empty(ctx.home));
    if let Err(error) = swept {
        ctx.events.undone("remove unfinished files", Err(&error));
    }
}

/// The folders in which whole files are written: the home, those of its own, releases and cache entries.
fn folders_written(home: &Home) -> Result<Vec<PathBuf>, FsError> {
    let mut folders = vec![
        home.root().to_owned(),
        home.run(),
        home.cache(),
        compressed::store(home),
    ];
    folders.extend(fs::list(&home.releases())?);
    for shelf in Shelf::ALL {
        folders.extend(fs::list(&cache::shelf(home, shelf))?);
    }
    folders.retain(|folder| folder.is_dir());
    Ok(folders)
}

/// Ends processes of releases that no longer serve, and takes stopped ones out of supervisor's list. Gives that list.
fn tidy_programs(ctx: &Context<'_>, live: Option<ReleaseId>) -> Result<Vec<Program>, RpcError> {
    let supervisor = ctx.supervisor();
    let mut left = Vec::new();
    let mut told = false;
    let programs =
        live.and_then(|live| Some((live, Processes::read(&ctx.home.release(live)).ok()?)));
    for program in supervisor.processes()? {
        let Some((process, release)) = parse_program(&program.name) else {
            continue;
        };
        let wanted = programs.as_ref().is_some_and(|(live, processes)| {
            *live == release && processes.program(process, release) == program.name
        });
        if !wanted {
            // Its state may be another by now: supervisord starts again what ended by itself.
            match supervisor.remove(&program.name) {
                Err(error) if error.fault() == Some(Fault::StillRunning) => {}
                Err(error) => return Err(error),
                Ok(_) => continue,
            }
        }
        if !wanted && Some(release) != live {
            supervisor.stop(&program.name)?;
            told = true;
        }
        left.push(program);
    }
    // What was told to stop may have done so by now.
    if told {
        supervisor.processes()
    } else {
        Ok(left)
    }
}

/// A run that was killed after the switch may have left workers unstarted.
fn start_missing(ctx: &Context<'_>, live: ReleaseId, running: &[Program]) -> Result<(), RpcError> {
    let Ok(processes) = Processes::read(&ctx.home.release(live)) else {
        return Ok(());
    };
    let supervisor = ctx.supervisor();
    let mut reread = false;
    for name in processes.processes.keys() {
        let program = processes.program(name.as_str(), live);
        let started = match running.iter().find(|process| process.name == program) {
            // A run that replaced it was killed, and supervisord does not start again what was told to stop.
            Some(process) if process.state == ProgramState::Stopping => supervisor
                .stop_and_wait(&program, ENDS)
                .and_then(|()| supervisor.start(&program)),
            Some(process) if !process.state.is_stopped() => continue,
            Some(_) => supervisor.start(&program),
            None => {
                // What supervisord read last may be of the time before the release was live, when nothing started by itself.
                if !reread {
                    supervisor.reread()?;
                    reread = true;
                }
                // Its file says autostart; adding it starts it.
                supervisor.add(&program).map(|_| ())
            }
        };
        if let Err(error) = started {
            if error.fault() == Some(Fault::AlreadyStarted) {
                continue;
            }
            // The next release may well be the cure.
            ctx.events
                .undone(format!("start `{name}` of release {live}"), Err(&error));
            continue;
        }
        ctx.events.note(format!(
            "`{name}` of release {live} was not running; it is started"
        ));
    }
    Ok(())
}
