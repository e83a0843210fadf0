//! `landfall releases`: what there is to go back to.

use crate::base::host::{Host, rfc3339};
use crate::release::record::Record;
use crate::release::store;

use super::session::Session;
use super::{Ended, Globals, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Newest first. `live` serves; `retired` has served, and `landfall rollback N` goes back to it; `preparing` and `prepared` \
are on their way. Failed deploys leave a log and no release: landfall log.

Examples:
  landfall releases
  landfall releases --json | jq '.[0].commit'")]
pub(super) struct Args {}

pub(super) fn run(host: &Host, globals: &Globals, _args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let mut records = store::records(&session.home)?;
    records.reverse();
    if globals.json {
        output::json(&records);
        return Ok(());
    }
    if records.is_empty() {
        output::say("nothing is deployed yet");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|record| {
            vec![
                record.release.to_string(),
                state(record),
                record.commit.short().to_owned(),
                record.live_at.map_or_else(|| "-".into(), rfc3339),
                by(record),
                record.subject.clone(),
            ]
        })
        .collect();
    output::table(
        &["release", "state", "commit", "live at", "by", "subject"],
        &rows,
    );
    Ok(())
}

/// Who, and with which key, as far as `landfall key list` needs it.
fn by(record: &Record) -> String {
    match &record.key {
        Some(key) => format!("{} ({})", record.who, key.short()),
        None => record.who.clone(),
    }
}

/// The state, and what the default of `landfall rollback` makes of it.
fn state(record: &Record) -> String {
    let left = if record.rolled_back {
        ", rolled back"
    } else {
        ""
    };
    format!("{}{left}", record.state.word())
}
