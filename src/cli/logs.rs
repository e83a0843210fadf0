//! `landfall logs`: what the app's processes and servers write.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::secret::Redactor;
use crate::base::server_paths::ServerPaths;
use crate::base::tail::Tail;
use crate::base::terminal;
use crate::base::words::{list, without_escapes};
use crate::config::server::Mode;
use crate::release::layout::Home;
use crate::release::process::Processes;
use crate::release::store;

use super::session::Session;
use super::{Ended, Globals, output};

const POLL: Duration = Duration::from_millis(200);
/// The logs of what is not the app itself.
const SERVERS: [&str; 4] = ["nginx", "nginx-access", "nginx-error", "supervisord"];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The logs of the servers are nginx, nginx-error, nginx-access and supervisord. Values of the app's environment are shown \
as [REDACTED]. On a terminal, control characters are taken out. With --json, each line is an object with `process` and \
`line`.

Examples:
  landfall logs                   web and the workers, the last 100 lines of each
  landfall logs web -f            what web writes from now on, after its last lines
  landfall logs nginx-error -n 20")]
pub(super) struct Args {
    /// Whose log; can be given several times [default: all processes of the app].
    processes: Vec<String>,
    /// Go on with what comes, across rotation, until interrupted.
    #[arg(long, short)]
    follow: bool,
    /// How many of the last lines of each.
    #[arg(long, short = 'n', default_value_t = 100)]
    lines: usize,
}

/// There is no such log.
#[derive(Debug, thiserror::Error)]
enum LogsError {
    #[error("there is no log called `{name}`")]
    NoSuchLog { name: String, known: Vec<String> },
    #[error("the app has no processes yet")]
    NoProcesses,
}

impl Hint for LogsError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchLog { known, .. } => vec![format!("there are: {}", list(known))],
            Self::NoProcesses => vec!["landfall logs nginx   shows the server's".into()],
        }
    }

    fn kind(&self) -> Kind {
        Kind::NotFound
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let known = known(&session.home)?;
    let names = choose(&args.processes, known)?;
    let printer = Printer {
        width: names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0),
        prefixed: names.len() > 1,
        json: globals.json,
        plain: terminal::shows_stdout(),
        redactor: Redactor::new(
            session
                .env
                .iter()
                .map(|(name, value)| (name.as_str(), value)),
        ),
    };
    let mut tails = Vec::new();
    for name in &names {
        let (mut tail, mut lines) = Tail::of(&file_of(&session, name), args.lines)?;
        if !args.follow {
            lines.extend(tail.rest());
        }
        if !printer.print(name, &lines) {
            return Ok(());
        }
        tails.push((name, tail));
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        thread::sleep(POLL);
        if terminal::reader_is_gone() {
            return Ok(());
        }
        for (name, tail) in &mut tails {
            if !printer.print(name, &tail.more()?) {
                return Ok(());
            }
        }
    }
}

/// Where a log lies: what the server's nginx writes of the site is root's.
fn file_of(session: &Session, name: &str) -> PathBuf {
    match (session.app.mode(), name) {
        (Mode::Server, "nginx-access" | "nginx-error") => ServerPaths::default()
            .site_logs(&session.app.name)
            .join(name.replace("nginx-", "") + ".log"),
        _ => session.home.process_log(name),
    }
}

/// The names of all logs: of the live release's processes, whether or not they have written, and of what has a file.
fn known(home: &Home) -> Result<BTreeSet<String>, Ended> {
    let mut known: BTreeSet<String> = fs::list(&home.log())?
        .iter()
        .filter_map(|path| log_name(path))
        .collect();
    if let Some(live) = store::live(home)?
        && let Ok(processes) = Processes::read(&home.release(live))
    {
        known.extend(processes.processes.keys().map(ToString::to_string));
    }
    known.extend(SERVERS.map(str::to_owned));
    Ok(known)
}

/// `web.log` is `web`; rotated files are not logs of their own.
fn log_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    path.is_file().then(|| name.to_owned())
}

fn choose(wanted: &[String], known: BTreeSet<String>) -> Result<Vec<String>, LogsError> {
    if let Some(name) = wanted.iter().find(|name| !known.contains(*name)) {
        return Err(LogsError::NoSuchLog {
            name: name.clone(),
            known: known.into_iter().collect(),
        });
    }
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let own: Vec<String> = known
        .into_iter()
        .filter(|name| !SERVERS.contains(&name.as_str()))
        .collect();
    if own.is_empty() {
        return Err(LogsError::NoProcesses);
    }
    Ok(own)
}

struct Printer {
    width: usize,
    prefixed: bool,
    json: bool,
    plain: bool,
    redactor: Redactor,
}

#[derive(Serialize)]
struct Line<'a> {
    process: &'a str,
    line: &'a str,
}

impl Printer {
    /// False if nobody reads any more.
    fn print(&self, name: &str, lines: &[String]) -> bool {
        lines.iter().all(|line| {
            let line = self.redactor.clean(line);
            if self.json {
                return output::json_line(&Line {
                    process: name,
                    line: &line,
                });
            }
            output::try_line(self.format(name, &line))
        })
    }

    fn format(&self, name: &str, line: &str) -> String {
        let line = if self.plain {
            plain(line)
        } else {
            line.to_owned()
        };
        if self.prefixed {
            format!("{name:<width$} | {line}", width = self.width)
        } else {
            line
        }
    }
}

/// A line that cannot drive the terminal: whoever asks the site for a page may have chosen its text.
fn plain(line: &str) -> String {
    without_escapes(line)
        .chars()
        .filter(|c| *c == '\t' || !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<String> {
        ["web", "celery", "nginx", "supervisord"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn all_of_the_apps_own_are_the_default_and_unknown_names_list_the_known() {
        assert_eq!(choose(&[], known()).unwrap(), ["celery", "web"]);
        assert_eq!(choose(&["nginx".into()], known()).unwrap(), ["nginx"]);
        let error = choose(&["wbe".into()], known()).unwrap_err();
        assert_eq!(error.to_string(), "there is no log called `wbe`");
        assert_eq!(
            error.hints(),
            ["there are: celery, nginx, supervisord and web"]
        );
        let error = choose(&["../env".into()], known()).unwrap_err();
        assert_eq!(error.to_string(), "there is no log called `../env`");
    }

    #[test]
    fn lines_are_prefixed_redacted_and_cannot_drive_a_terminal() {
        let secret = crate::base::secret::Secret::new("hunter22");
        let mut printer = Printer {
            width: 6,
            prefixed: true,
            json: false,
            plain: true,
            redactor: Redactor::new([("PASSWORD", &secret)]),
        };
        assert_eq!(
            printer.format("web", "\u{1b}[31ma\tb\u{7}"),
            "web    | a\tb"
        );
        (printer.plain, printer.prefixed) = (false, false);
        assert_eq!(printer.format("web", "\u{1b}[31ma"), "\u{1b}[31ma");
        assert_eq!(printer.redactor.clean("it is hunter22"), "it is [REDACTED]");
    }
}
