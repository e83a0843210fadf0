//! `landfall app list`

use serde::Serialize;

use crate::base::host::Host;
use crate::cli::session::{self, Session};
use crate::cli::{Ended, Globals, output};
use crate::release::store;

#[derive(Serialize)]
struct Row {
    name: String,
    url: String,
    branch: String,
    live: Option<String>,
    home: String,
}

pub(super) fn run(host: &Host, globals: &Globals) -> Result<(), Ended> {
    let mut rows = Vec::new();
    for (name, file) in session::all_apps(host)? {
        let Ok(session) = Session::open_file(&file) else {
            output::say(format!(
                "warning: the settings of `{name}` cannot be read: {}",
                file.display()
            ));
            continue;
        };
        let live = store::live_record(&session.home).ok().flatten();
        rows.push(Row {
            name: name.to_string(),
            url: session.app.url(),
            branch: session.app.branch.to_string(),
            live: live.map(|live| format!("{} ({})", live.commit.short(), live.release)),
            home: session.app.home.display().to_string(),
        });
    }
    if globals.json {
        output::json(&rows);
        return Ok(());
    }
    if rows.is_empty() {
        output::say("there is no app on this machine yet: landfall app create NAME");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            vec![
                row.name,
                row.live.unwrap_or_else(|| "nothing yet".into()),
                row.branch,
                row.url,
                row.home,
            ]
        })
        .collect();
    output::table(&["app", "live", "branch", "url", "home"], &rows);
    Ok(())
}
