//! `landfall app show`

use crate::base::host::Host;
use crate::base::names::AppName;
use crate::cli::session::Session;
use crate::cli::{Ended, Globals, output};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The app.
    name: Option<AppName>,
}

pub(super) fn run(host: &Host, globals: &Globals, args: Args) -> Result<(), Ended> {
    let globals = Globals {
        app: args.name.or_else(|| globals.app.clone()),
        json: globals.json,
    };
    let session = Session::open(host, &globals)?;
    if globals.json {
        output::json(&session.app);
        return Ok(());
    }
    let app = &session.app;
    let rows = [
        ("app", app.name.to_string()),
        ("url", app.url()),
        ("branch", app.branch.to_string()),
        (
            "repository",
            session.home.repository().display().to_string(),
        ),
        ("home", app.home.display().to_string()),
        ("settings", session.settings_file.display().to_string()),
        ("listens on", app.listen.to_string()),
        (
            "keeps",
            format!("{} releases besides the live one", app.keep_releases),
        ),
    ];
    for (name, value) in rows {
        output::line(format!("{name:<11} {value}"));
    }
    Ok(())
}
