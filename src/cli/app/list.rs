//! `landfall app list`

use std::path::PathBuf;

use serde::Serialize;

use crate::base::host::Host;
use crate::base::names::{AppName, BranchName, ObjectId, ReleaseId};
use crate::cli::session::{self, Session};
use crate::cli::{Ended, Globals, output};
use crate::release::store;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Apps whose settings cannot be read are named on stderr and left out.

Examples:
  landfall app list
  landfall app list --json | jq -r '.[].name'")]
pub(in crate::cli) struct Args {}

#[derive(Serialize)]
struct Row {
    name: AppName,
    release: Option<ReleaseId>,
    commit: Option<ObjectId>,
    branch: BranchName,
    url: String,
    home: PathBuf,
}

pub(super) fn run(host: &Host, globals: &Globals, _args: &Args) -> Result<(), Ended> {
    let mut rows = Vec::new();
    for (name, file) in session::all_apps(host)? {
        match row(name, &file) {
            Ok(row) => rows.push(row),
            Err(Ended::Error(error)) => {
                output::say(format!("warning: {} is left out: {error}", file.display()));
            }
            Err(said @ Ended::Said(_)) => return Err(said),
        }
    }
    if globals.json {
        output::json(&rows);
    } else if rows.is_empty() {
        output::say("there is no app on this machine yet: landfall app create NAME");
    } else {
        let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        output::table(&["app", "live", "branch", "url", "home"], &rows);
    }
    Ok(())
}

fn row(name: AppName, file: &std::path::Path) -> Result<Row, Ended> {
    let session = Session::open_file(file)?;
    let live = store::live_record(&session.home)?;
    Ok(Row {
        name,
        release: live.as_ref().map(|live| live.release),
        commit: live.map(|live| live.commit),
        url: session.app.url(),
        branch: session.app.branch,
        home: session.app.home,
    })
}

fn cells(row: &Row) -> Vec<String> {
    let live = match (&row.commit, row.release) {
        (Some(commit), Some(release)) => format!("{} (release {release})", commit.short()),
        _ => "nothing yet".into(),
    };
    vec![
        row.name.to_string(),
        live,
        row.branch.to_string(),
        row.url.clone(),
        row.home.display().to_string(),
    ]
}
