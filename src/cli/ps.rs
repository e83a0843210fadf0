//! `landfall ps`: what runs, as supervisor has it.

use crate::base::host::Host;
use crate::base::words::{bytes, span};

use super::processes::{Role, Row, Table};
use super::session::Session;
use super::{Ended, Globals, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The role of a process: `server` outlives releases (nginx); `live` belongs to the live release; `next` to one that is \
being deployed; `draining` finishes what it is at, its release is no longer live; `old` has ended. \
Memory is resident memory of the process and of all it started; pages they share count for each.

Exit code 1 if nginx or a process of the live release does not run.

Examples:
  landfall ps
  landfall ps --json | jq '.[] | select(.runs | not)'")]
pub(super) struct Args {
    /// Also processes that have ended with their release.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let table = Table::read(&session.context(host))?;
    let shown: Vec<&Row> = table
        .rows
        .iter()
        .filter(|row| args.all || row.role != Role::Old)
        .collect();
    if globals.json {
        output::json(&shown);
    } else {
        let rows: Vec<Vec<String>> = shown.iter().map(|row| cells(row)).collect();
        if !rows.is_empty() {
            output::table(
                &[
                    "process", "release", "role", "state", "pid", "uptime", "memory",
                ],
                &rows,
            );
        }
    }
    Ok(table.check()?)
}

fn cells(row: &Row) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    vec![
        row.process.clone(),
        or_dash(row.release.map(|release| release.to_string())),
        row.role.word().to_owned(),
        row.state.to_owned(),
        or_dash(row.pid.map(|pid| pid.to_string())),
        or_dash(row.pid.map(|_| span(row.uptime))),
        or_dash(row.memory.map(bytes)),
    ]
}
