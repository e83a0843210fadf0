//! Programs that supervisor runs, as values. `template::render` writes them.
//!
//! takes: names, commands, times · gives: what `templates/supervisor/` is rendered from · touches: nothing
//!
//! Each program is a group of its own, so that one release's are added and removed without touching another's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::names::{AppName, ReleaseId};

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its name, and its group's: `web-42`, `celery-42`, `web-41.2`, `nginx`. No space, `:` or `/`.
    pub name: String,
    /// The program and its arguments.
    #[serde(serialize_with = "command_line")]
    pub command: Vec<String>,
    /// Started with supervisord; false in the file of a release that is being prepared.
    pub autostart: bool,
    /// Started again whenever it ends.
    pub restart: bool,
    /// How long it must have run to count as started; whole seconds, rounded up.
    #[serde(rename = "start_seconds", serialize_with = "whole_seconds")]
    pub ready_after: Duration,
    /// What asks it to end.
    pub stop_signal: StopSignal,
    /// How long it may take to end before its whole process group gets KILL; whole seconds, rounded up.
    #[serde(rename = "stop_seconds", serialize_with = "whole_seconds")]
    pub stop_wait: Duration,
    /// Where both of its outputs go; rotated at 10 MB, three old files kept.
    #[serde(rename = "log_file", serialize_with = "log_file")]
    pub log: PathBuf,
}

/// The signal that asks a program to end. It goes to the program alone, never to its process group: a Celery parent
/// lets its children finish their tasks, and a uWSGI master its workers their requests; a child that got the signal too
/// would drop its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    /// uWSGI with `exit-on-reload`: finish the requests, then exit.
    Hup,
    /// Celery: finish the tasks, then exit ("warm shutdown"). The usual request to others.
    Term,
    /// nginx: finish the requests, then exit.
    Quit,
}

/// The programs of one release: `releases/N/supervisor.conf`, or, with `autostart` false, `run/next.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleasePrograms {
    /// The app.
    pub app: AppName,
    /// The release.
    pub release: ReleaseId,
    /// Its programs.
    pub programs: Vec<Program>,
}

/// The configuration of an app's supervisord: `run/supervisord.conf`.
///
/// It includes `run/next.conf`, then `current/supervisor.conf`. The order matters: where both define a program, the later
/// file decides, so after a commit that died before it removed `next.conf`, a boot still starts what is live. The two are
/// named relative to `run/`, as supervisor splits the list at spaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Supervisord {
    /// The app.
    pub app: AppName,
    /// The app's home. One with `*`, `?` or `[` is an error: supervisor reads the included paths as patterns, and would
    /// find none at the next boot.
    #[serde(serialize_with = "no_pattern")]
    pub home: PathBuf,
    /// The user to become; only where root starts it.
    pub user: Option<String>,
    /// Programs of every release: nginx in user mode.
    pub programs: Vec<Program>,
}

/// Quoted so that Python's `shlex.split`, which supervisor reads a command with, gives back the same words
/// (supervisor/process.py, `get_execv_args`).
fn command_line<S: Serializer>(command: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shell_words::join(command))
}

fn whole_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

fn no_pattern<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    if path.to_string_lossy().contains(['*', '?', '[']) {
        let problem = format!("supervisor would read {} as a pattern", path.display());
        return Err(serde::ser::Error::custom(problem));
    }
    path.serialize(serializer)
}

/// supervisor expands `%` in log file names twice (supervisor/options.py, `_processes_from_section`: once in `get`, once
/// in `expand`), in everything else once; the template's own escape is the other doubling.
fn log_file<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    match path.to_str() {
        Some(text) => serializer.serialize_str(&text.replace('%', "%%")),
        None => Err(serde::ser::Error::custom("a log file's path is not UTF-8")),
    }
}
