//! Root's commands on an app of the server's go on as the app's user.
//!
//! takes: the app · gives: a process of its user's, or what it ended with · touches: nothing of root's reaches the app: neither
//! its environment (git reads `HOME`) nor its terminal, which a program of the app's could otherwise type into

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitCode, Stdio};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use super::Ended;
use crate::base::command::Cmd;
use crate::base::hint::{Hint, Kind};
use crate::base::host::{Host, SYSTEM_PATH};
use crate::base::names::AppName;
use crate::base::user;
use crate::config::server::{AppSettings, Mode};

/// Set for the process between the two: still root, about to leave the terminal.
const HALFWAY: &str = "LANDFALL_HALFWAY";

/// The command cannot go on as the app's user.
#[derive(Debug, thiserror::Error)]
enum OwnerError {
    /// A server's app, and neither root nor its user.
    #[error("`{0}` is the server's: only root and its own user work on it")]
    NotOwner(AppName),
    /// Its user is gone, or the program cannot be started again.
    #[error("cannot go on as the system user `{0}`")]
    NotBecome(AppName, #[source] io::Error),
}

impl Hint for OwnerError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotOwner(name) => vec![format!("sudo landfall --app {name} COMMAND")],
            Self::NotBecome(name, _) => vec![format!("is it there? id {name}")],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotOwner(_) => Kind::Refused,
            Self::NotBecome(..) => Kind::Failed,
        }
    }
}

/// What a server's app has is its own user's. Root starts the command again in a session of its own, which becomes that user
/// before it touches anything; this process then only waits. Anybody else is sent away.
pub(super) fn become_owner(host: &Host, app: &AppSettings) -> Result<(), Ended> {
    let name = app.name.as_str();
    if app.mode() != Mode::Server || user::name() == name {
        return Ok(());
    }
    let fail = |source| OwnerError::NotBecome(app.name.clone(), source);
    if !user::is_root() {
        return Err(OwnerError::NotOwner(app.name.clone()).into());
    }
    if host.var(HALFWAY).is_none() {
        let code = run_halfway(host).map_err(fail)?;
        return Err(Ended::Said(code));
    }
    user::leave_terminal()
        .and_then(|()| user::become_user(name))
        .map_err(fail)?;
    let mut variables = host.own_variables();
    variables.remove(HALFWAY);
    let again = again(host)
        .envs(variables)
        .env("PATH", SYSTEM_PATH)
        .env("HOME", app.home.to_string_lossy())
        .env("USER", name)
        .env(user::WHO, host.var("SUDO_USER").unwrap_or("root"));
    Err(fail(again.to_std().stdin(Stdio::inherit()).exec()).into())
}

/// The same command line.
fn again(host: &Host) -> Cmd {
    let args = host.args().iter().skip(1);
    Cmd::new(host.exe()).args(args.map(|arg| arg.to_string_lossy()))
}

/// Starts the same command as a child, which may leave the session (a process that a shell started may not), hands on the
/// signals that are meant for it, and gives its exit code.
fn run_halfway(host: &Host) -> io::Result<ExitCode> {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGCHLD,
    ] {
        signals.add(signal);
    }
    // Before the child is there, so that none is missed; the standard library gives the child a mask of its own.
    signals.thread_block()?;
    let mut child = again(host)
        .envs(host.own_variables())
        .env("PATH", SYSTEM_PATH)
        .env(HALFWAY, "1")
        .to_std()
        .stdin(Stdio::inherit())
        .spawn()?;
    wait_for(&mut child, &signals)
}

fn wait_for(child: &mut Child, signals: &SigSet) -> io::Result<ExitCode> {
    let pid = Pid::from_raw(child.id().cast_signed());
    loop {
        if let Some(status) = child.try_wait()? {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
        match signals.wait()? {
            Signal::SIGCHLD => {}
            signal => {
                // It may have ended just now.
                let _ = kill(pid, signal);
            }
        }
    }
}
