//! `landfall app list`

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::command::{Cmd, output as run_and_read};
use crate::base::host::{Host, SYSTEM_PATH};
use crate::base::names::{AppName, BranchName, ObjectId, ReleaseId};
use crate::cli::session;
use crate::cli::{Ended, Globals, output};
use crate::config::server::{AppSettings, Mode};
use crate::release::layout::Home;
use crate::release::store;

/// How long an app may take to say what is live.
const PATIENCE: Duration = Duration::from_secs(10);

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
        match row(host, name, &file) {
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

fn row(host: &Host, name: AppName, file: &std::path::Path) -> Result<Row, Ended> {
    let app = session::read_settings(file)?;
    let (release, commit) = if app.mode() == Mode::Server {
        asked(host, &app).unwrap_or_default()
    } else {
        let home = Home::new(app.home.clone(), app.name.clone());
        let live = store::live_record(&home)?;
        (
            live.as_ref().map(|live| live.release),
            live.map(|live| live.commit),
        )
    };
    Ok(Row {
        name,
        release,
        commit,
        url: app.url(),
        branch: app.branch,
        home: app.home,
    })
}

/// What a server's app says of itself: a command that becomes its user looks, for root follows nothing in its home.
fn asked(host: &Host, app: &AppSettings) -> Option<(Option<ReleaseId>, Option<ObjectId>)> {
    let status = Cmd::new(host.exe())
        .args(["--app", app.name.as_str(), "--json", "releases"])
        .env("PATH", SYSTEM_PATH)
        .timeout(PATIENCE);
    let releases: Vec<Listed> = serde_json::from_str(&run_and_read(&status).ok()?).ok()?;
    let live = releases
        .into_iter()
        .find(|release| release.state == "live")?;
    Some((Some(live.release), Some(live.commit)))
}

/// What of `landfall releases --json` is shown.
#[derive(Deserialize)]
struct Listed {
    release: ReleaseId,
    commit: ObjectId,
    state: String,
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
