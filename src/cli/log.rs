//! `landfall log`: what one deploy or rollback did, with everything the tools printed.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::ReleaseId;
use crate::base::tail::Tail;
use crate::base::terminal;
use crate::handover;
use crate::release::layout::Home;
use crate::release::lock;
use crate::report::log::TRACE;
use crate::report::timing::Timing;
use crate::report::trace;

use super::session::Session;
use super::{Ended, Globals, output};

/// How often a log that is written is looked at.
const POLL: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A rollback is written into the log of the release it goes back to. The logs of the last 200 deploys are kept, also of \
those that failed. With --json, each line is an object with `time` and `text`.

Examples:
  landfall log          the newest, whatever came of it
  landfall log 41       that of release 41
  landfall log -f       the running deploy, until it ends
  landfall log --timing      where its time went: stages, the app's own programs, Landfall's own share
  landfall log 41 --trace    the same for Perfetto (ui.perfetto.dev) or chrome://tracing, as JSON")]
pub(super) struct Args {
    /// The number of the deploy [default: the one that was written last].
    #[arg(value_name = "N")]
    number: Option<ReleaseId>,
    /// Go on until the deploy has ended.
    #[arg(long, short)]
    follow: bool,
    /// Where the time of its last run went.
    #[arg(long, conflicts_with = "follow")]
    timing: bool,
    /// Its trace, in the format that Perfetto and Chrome's trace view open.
    #[arg(long, conflicts_with_all = ["follow", "timing"])]
    trace: bool,
}

/// There is no such log.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error("nothing was deployed yet, so there is no log")]
    None,
    #[error("there is no log of a deploy {0}")]
    NoSuchLog(ReleaseId, ReleaseId, ReleaseId),
    #[error("deploy {0} has no trace")]
    NoTrace(ReleaseId),
    #[error("no run of deploy {0} has ended yet")]
    NotEnded(ReleaseId),
}

impl Hint for LogError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::NoTrace(number) | Self::NotEnded(number) => {
                vec![format!("its log: landfall log {number}")]
            }
            Self::NoSuchLog(_, first, last) if first == last => {
                vec![format!("there is one: landfall log {last}")]
            }
            Self::NoSuchLog(_, first, last) => {
                vec![format!(
                    "there are logs from {first} to {last}: landfall log {last}"
                )]
            }
        }
    }

    fn kind(&self) -> Kind {
        Kind::NotFound
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let mut number = match args.number {
        Some(number) => number,
        None => newest(&session.home)?.ok_or(LogError::None)?,
    };
    if args.timing || args.trace {
        return show_times(&session.home, number, args.trace, globals.json);
    }
    loop {
        let mut tail = open(&session.home, number, globals.json)?;
        if !args.follow {
            return Ok(());
        }
        match follow(host, &session.home, number, &mut tail, globals.json)? {
            Some(next) if args.number.is_none() => number = next,
            _ => return Ok(()),
        }
    }
}

fn show_times(home: &Home, number: ReleaseId, raw: bool, json: bool) -> Result<(), Ended> {
    let path = home.deploy_log(number).with_extension(TRACE);
    let text = fs::read_if_exists(&path)?.ok_or(LogError::NoTrace(number))?;
    if raw {
        output::line(trace::closed(&text));
        return Ok(());
    }
    let timing = Timing::read(&text).ok_or(LogError::NotEnded(number))?;
    if json {
        output::json(&timing);
        return Ok(());
    }
    print_timing(&timing);
    Ok(())
}

/// A table of stages, the app's programs, and the sum.
fn print_timing(timing: &Timing) {
    let rows: Vec<Vec<String>> = timing
        .stages
        .iter()
        .map(|stage| {
            let own = stage.ms - stage.app_ms;
            let times = [stage.ms, stage.app_ms, own].map(|ms| format!("{ms:.1}"));
            std::iter::once(stage.stage.clone()).chain(times).collect()
        })
        .collect();
    output::table(&["STAGE", "MS", "THE APP'S", "LANDFALL'S"], &rows);
    for (head, named) in [
        ("THE APP'S PROGRAMS", &timing.programs),
        ("LANDFALL BESIDES", &timing.own),
    ] {
        let rows: Vec<Vec<String>> = named
            .iter()
            .map(|named| vec![named.what.clone(), format!("{:.1}", named.ms)])
            .collect();
        output::line("");
        output::table(&[head, "MS"], &rows);
    }
    output::line(format!(
        "\n{:.1} ms: {:.1} the app's programs, {:.1} Landfall, {:.1} git between its hooks",
        timing.total_ms, timing.app_ms, timing.own_ms, timing.git_ms
    ));
}

/// Prints what is there.
pub(super) fn open(home: &Home, number: ReleaseId, json: bool) -> Result<Tail, Ended> {
    let path = home.deploy_log(number);
    if !path.exists() {
        let numbers: Vec<ReleaseId> = logs(home)?.into_iter().map(|(number, _)| number).collect();
        return Err(match (numbers.iter().min(), numbers.iter().max()) {
            (Some(first), Some(last)) => LogError::NoSuchLog(number, *first, *last).into(),
            _ => LogError::None.into(),
        });
    }
    let (tail, lines) = Tail::whole(&path)?;
    print(&lines, json);
    Ok(tail)
}

/// Prints what comes, until the run that writes has ended. Gives the log of the run after it, if one has begun.
pub(super) fn follow(
    host: &Host,
    home: &Home,
    number: ReleaseId,
    tail: &mut Tail,
    json: bool,
) -> Result<Option<ReleaseId>, Ended> {
    loop {
        // Asked before reading: what was written until then is read.
        let newest = newest(home)?.filter(|newest| *newest != number);
        let at_work = newest.is_none()
            && (lock::holder(home, host)?.is_some() || handover::under_way(home) == Some(number));
        let lines = tail.more()?;
        if !print(&lines, json) || !at_work || terminal::reader_is_gone() {
            return Ok(newest);
        }
        thread::sleep(POLL);
    }
}

/// The deploy whose log was written to last: a rollback writes into an old one.
pub(super) fn newest(home: &Home) -> Result<Option<ReleaseId>, FsError> {
    let mut newest = None;
    for (number, path) in logs(home)? {
        let modified = path.metadata().and_then(|meta| meta.modified()).ok();
        newest = newest.max(Some((modified, number)));
    }
    Ok(newest.map(|(_, number)| number))
}

fn logs(home: &Home) -> Result<Vec<(ReleaseId, PathBuf)>, FsError> {
    let logs = fs::list(&home.deploy_logs())?;
    Ok(logs
        .into_iter()
        .filter_map(|path| Some((path.file_stem()?.to_str()?.parse().ok()?, path)))
        .collect())
}

#[derive(Serialize)]
struct Line<'a> {
    time: Option<&'a str>,
    text: &'a str,
}

/// False if nobody reads any more.
fn print(lines: &[String], json: bool) -> bool {
    lines.iter().all(|line| {
        if json {
            output::json_line(&parse(line))
        } else {
            output::try_line(line)
        }
    })
}

/// `2026-11-20T09:55:00Z [build] text`.
fn parse(line: &str) -> Line<'_> {
    match line.split_once(' ') {
        Some((time, text)) if time.len() == 20 && time.ends_with('Z') => Line {
            time: Some(time),
            text,
        },
        _ => Line {
            time: None,
            text: line,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_time_and_a_text() {
        let line = parse("2026-11-20T09:55:00Z [boot] begins");
        assert_eq!(
            (line.time, line.text),
            (Some("2026-11-20T09:55:00Z"), "[boot] begins")
        );
        assert_eq!(parse("odd line").time, None);
    }

    #[test]
    fn the_newest_is_the_one_written_last() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().to_owned(), "app".parse().unwrap());
        assert_eq!(newest(&home).unwrap(), None);
        fs::create_folder(&home.deploy_logs()).unwrap();
        for number in [2, 1] {
            fs::write(&home.deploy_log(ReleaseId(number)), b"", fs::PRIVATE).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(newest(&home).unwrap(), Some(ReleaseId(1)));
    }
}
