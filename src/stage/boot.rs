//! boot: starts the new web process beside the old one, and waits until the application is loaded.
//!
//! takes: the release's program files · gives: a web process that answers on `releases/N/web.sock` · touches: supervisor ·
//! undone by: [`super::discard`]

use std::thread;
use std::time::{Duration, Instant};

use super::{Context, LogTail};
use crate::base::hint::Hint;
use crate::base::stretch;
use crate::base::words::span;
use crate::config::defaults::START_TIMEOUT;
use crate::release::layout::ReleaseDir;
use crate::release::process::{Processes, WEB};
use crate::release::record::Checks;
use crate::supervisor::fault::RpcError;
use crate::supervisor::rpc::State;
use crate::tool::uwsgi;

/// How often a socket that is not there yet is looked for.
const POLL: Duration = Duration::from_millis(5);
/// How long a worker that has taken the connection may take to answer a ping before supervisor is asked about it.
const PATIENCE: Duration = Duration::from_millis(500);

/// The web process did not come up.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// It ended: the application cannot be imported, or uWSGI refused its configuration.
    #[error("the web process ended before the application was loaded")]
    Ended(Vec<String>),
    /// It is still not ready.
    #[error("the application was not loaded within {}", span(*.0))]
    Slow(Duration, Vec<String>),
    /// supervisor could not be asked.
    #[error(transparent)]
    Supervisor(#[from] RpcError),
}

impl Hint for BootError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Ended(_) => vec!["the same here: python -c 'import YOURPROJECT.wsgi'".into()],
            Self::Slow(..) => vec![
                "landfall logs web   shows what it waits for".into(),
                "if it needs longer: [backend] start_timeout in landfall.toml".into(),
            ],
            Self::Supervisor(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Ended(output) | Self::Slow(_, output) => output,
            Self::Supervisor(_) => &[],
        }
    }
}

/// A web process that was started.
pub struct Booting {
    program: String,
    tail: LogTail,
}

/// Makes supervisor know the release's programs, and starts web. Does not wait.
pub fn start(
    ctx: &Context<'_>,
    processes: &Processes,
    release: &ReleaseDir,
) -> Result<Booting, BootError> {
    let supervisor = ctx.supervisor();
    let program = processes.program(WEB, release.id());
    let tail = LogTail::new(ctx.home.process_log(WEB));
    supervisor.reread()?;
    supervisor.add(&program)?;
    supervisor.start(&program)?;
    Ok(Booting { program, tail })
}

/// Waits until a worker answers on the release's socket: then the application is loaded, as uWSGI forks its workers after
/// that and ends (`need-app`) when it cannot be.
pub fn wait(
    ctx: &Context<'_>,
    booting: &Booting,
    release: &ReleaseDir,
    checks: &Checks,
) -> Result<(), BootError> {
    let limit = match checks.start_timeout {
        0 => START_TIMEOUT,
        seconds => Duration::from_secs(seconds),
    };
    let socket = release.web_socket();
    let _waiting = stretch::of_app("uWSGI loads the application");
    let begun = Instant::now();
    let mut asked = begun;
    loop {
        match uwsgi::ping(&socket, PATIENCE) {
            Ok(()) => return Ok(()),
            Err(_) if begun.elapsed() > limit => {
                return Err(BootError::Slow(limit, booting.tail.lines()));
            }
            Err(_) => {}
        }
        if asked.elapsed() > Duration::from_millis(100) {
            asked = Instant::now();
            let process = ctx.supervisor().process(&booting.program)?;
            if process
                .is_none_or(|process| process.state == State::Backoff || process.state.is_stopped())
            {
                return Err(BootError::Ended(booting.tail.lines()));
            }
        }
        thread::sleep(POLL);
    }
}

/// Ends a web process that was started too early. Nobody was sent to it, so it ends at once.
pub fn end(
    ctx: &Context<'_>,
    processes: &Processes,
    release: &ReleaseDir,
) -> Result<(), BootError> {
    let supervisor = ctx.supervisor();
    let program = processes.program(WEB, release.id());
    supervisor.stop(&program)?;
    // It may have ended by now, which is as good.
    let _ = supervisor.signal(&program, "INT");
    let _waiting = stretch::of_app("uWSGI ends");
    Ok(supervisor.stop_and_wait(&program, START_TIMEOUT)?)
}
