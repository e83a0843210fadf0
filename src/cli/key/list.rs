//! `landfall key list`

use super::Row;
use super::place::Place;
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::cli::{Ended, Globals, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
In the order they were added. Lines of the file that Landfall did not write are shown as `(not managed)`; they let in \
whom they let in.

Examples:
  landfall key list notes
  landfall key list --json | jq -r '.[] | select(.role == \"operate\").who'")]
pub(in crate::cli) struct Args {
    /// The app; as --app.
    #[arg(value_name = "NAME")]
    pub(super) name: Option<AppName>,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let name = args.name.as_ref().or(globals.app.as_ref());
    let (app, settings) = super::app(host, name)?;
    let keys = Place::of(host, &app, &settings).read()?;
    let mut rows: Vec<Row> = keys.ours().entries().map(Row::of).collect();
    rows.extend(keys.ours().foreign().map(Row::of_foreign));
    if globals.json {
        output::json(&rows);
    } else if rows.is_empty() {
        output::say(format!(
            "no key is let in: landfall key add {} FILE",
            app.name
        ));
    } else {
        let rows: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
        output::table(&["key", "kind", "role", "added", "who"], &rows);
    }
    Ok(())
}
