//! Programs of the system that root runs for an app: no shell, a chosen environment, a time limit.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use super::ProvisionError;
use crate::base::command::{Cmd, CommandError, output};
use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::host::SYSTEM_PATH;
use crate::base::names::AppName;
use crate::tool::systemd::systemctl;

/// Starting and stopping may wait for the app's last requests and tasks.
const TIMEOUT: Duration = Duration::from_secs(12 * 60);

/// A program of the system that failed.
#[derive(Debug, thiserror::Error)]
#[error("{what} failed")]
pub struct SystemError {
    what: &'static str,
    #[source]
    source: Box<CommandError>,
}

impl Hint for SystemError {
    fn tool_output(&self) -> &[String] {
        self.source.tool_output()
    }
}

/// Runs a program found in the system's PATH; `what` names the step in the error.
pub(super) fn run(what: &'static str, argv: &[&str]) -> Result<String, SystemError> {
    let words: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let cmd = Cmd::from_argv(&words)
        .cwd(Path::new("/"))
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .timeout(TIMEOUT);
    run_command(what, &cmd)
}

fn run_command(what: &'static str, command: &Cmd) -> Result<String, SystemError> {
    output(command).map_err(|error| SystemError {
        what,
        source: Box::new(error),
    })
}

/// As [`run`], with what it prints in `file`, which is root's alone; where it fails there is no file.
pub(super) fn run_into(
    what: &'static str,
    argv: &[&str],
    file: &Path,
) -> Result<(), ProvisionError> {
    fs::write(file, b"", fs::PRIVATE)?;
    let words: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let target = OpenOptions::new()
        .write(true)
        .open(file)
        .map_err(|source| FsError::new("open", file, source))?;
    let status = Cmd::from_argv(&words)
        .cwd(Path::new("/"))
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .to_std()
        .stdout(target)
        .status();
    if status.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    fs::remove_file(file)?;
    Err(ProvisionError::Failed(what))
}

fn units(app: &AppName) -> [String; 2] {
    [
        format!("landfall@{app}.service"),
        format!("landfall-redis@{app}.service"),
    ]
}

/// systemd reads its units again.
pub(super) fn reload_units() -> Result<(), SystemError> {
    let reload = systemctl(&["daemon-reload"]);
    run_command("systemctl daemon-reload", &reload).map(drop)
}

/// Starts the app's services, now and at every boot.
pub(super) fn start_services(app: &AppName, redis: bool) -> Result<(), SystemError> {
    reload_units()?;
    let [own, its_redis] = units(app);
    if redis {
        let start = systemctl(&["enable", "--now", &its_redis]);
        run_command("starting the app's Redis", &start)?;
    }
    let start = systemctl(&["enable", "--now", &own]);
    run_command("starting the app's service", &start).map(drop)
}

/// Stops them, for good; what does not run is fine.
pub(super) fn stop_services(app: &AppName) -> Result<(), SystemError> {
    for unit in units(app) {
        let stop = systemctl(&["disable", "--now", &unit]);
        run_command("stopping the app's services", &stop)?;
        // A unit that failed would be listed as such for ever.
        let _ = run_command("", &systemctl(&["reset-failed", &unit]));
    }
    Ok(())
}
