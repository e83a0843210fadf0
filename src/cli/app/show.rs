//! `landfall app show`

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::words::count;
use crate::cli::session::Session;
use crate::cli::{Ended, Globals, output};
use crate::config::server::AppSettings;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The settings file is to be edited by hand; the next deploy takes what it says.

Examples:
  landfall app show notes
  landfall app show --json | jq -r .settings.branch
  git remote add production $(landfall app show --json | jq -r .repository)")]
pub(in crate::cli) struct Args {
    /// The app; as --app.
    #[arg(value_name = "NAME")]
    pub(super) name: Option<AppName>,
}

#[derive(Serialize)]
struct Shown<'a> {
    url: String,
    repository: PathBuf,
    settings_file: &'a Path,
    settings: &'a AppSettings,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let globals = Globals {
        app: args.name.clone().or_else(|| globals.app.clone()),
        json: globals.json,
    };
    let session = Session::open(host, &globals)?;
    let shown = Shown {
        url: session.app.url(),
        repository: session.home.repository(),
        settings_file: &session.settings_file,
        settings: &session.app,
    };
    if globals.json {
        output::json(&shown);
        return Ok(());
    }
    for (name, value) in rows(&shown) {
        output::line(format!("{name:<11} {value}"));
    }
    Ok(())
}

fn rows(shown: &Shown<'_>) -> Vec<(&'static str, String)> {
    let app = shown.settings;
    let keeps = format!(
        "{} besides the live one",
        count(app.keep_releases, "release")
    );
    vec![
        ("app", app.name.to_string()),
        ("url", shown.url.clone()),
        ("branch", app.branch.to_string()),
        ("repository", shown.repository.display().to_string()),
        ("home", app.home.display().to_string()),
        ("settings", shown.settings_file.display().to_string()),
        (
            "listens on",
            app.listen.map_or_else(
                || "80 and 443, the server's nginx".into(),
                |listen| listen.to_string(),
            ),
        ),
        ("keeps", keeps),
    ]
}
