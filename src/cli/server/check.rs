//! `landfall server check`

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde::Serialize;

use super::{require_root, say_notes};
use crate::base::host::Host;
use crate::base::server_paths::ServerPaths;
use crate::base::words::count;
use crate::cli::{Ended, Globals, exit_code, output};
use crate::setup::Group;
use crate::setup::differ::{self, Difference};
use crate::setup::facts::Facts;
use crate::setup::memory::Memory;
use crate::setup::plan::{Note, Plan};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Ends with 0 when the server is as `server setup` would make it, with 1 when something differs. The groups that the last setup left out \
are left out here too.

Examples:
  landfall server check
  landfall server check --json | jq -r '.differences[].name'")]
pub(in crate::cli) struct Args {
    /// Leave a group out, instead of those that the last setup left out.
    #[arg(long, value_name = "GROUP")]
    without: Vec<Group>,
}

#[derive(Serialize)]
struct Checked {
    packages: Vec<String>,
    differences: Vec<Row>,
    notes: Vec<Note>,
}

#[derive(Serialize)]
struct Row {
    group: Group,
    name: String,
    state: String,
    diff: Option<String>,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    require_root("check")?;
    let paths = ServerPaths::default();
    let memory = Memory::read(&paths)?;
    let without: BTreeSet<Group> = if args.without.is_empty() {
        memory.left_out()
    } else {
        args.without.iter().copied().collect()
    };
    let facts = Facts::gather(host)?;
    let plan = Plan::make(&facts, &memory, &without);
    let packages = differ::missing_packages(&plan, &facts);
    let differences = differ::differences(&plan, &facts, &memory, &paths)?;
    let found = packages.len() + differences.len();
    if globals.json {
        output::json(&Checked {
            packages,
            differences: differences.iter().map(row).collect(),
            notes: plan.notes,
        });
    } else {
        for package in &packages {
            output::line(format!("package {package} is not installed"));
        }
        for difference in &differences {
            output::line(format!("{} {}", difference.name(), difference.words()));
            output::text(difference.diff().unwrap_or_default());
        }
        say_notes(&plan.notes);
        if found == 0 {
            output::say("the server is as planned");
        } else {
            let verb = if found == 1 { "differs" } else { "differ" };
            output::say(format!("{} {verb} from the plan", count(found, "thing")));
            output::say("hint: landfall server setup --dry-run, then landfall server setup");
        }
    }
    match found {
        0 => Ok(()),
        _ => Err(Ended::Said(ExitCode::from(exit_code::FAILED))),
    }
}

fn row(difference: &Difference) -> Row {
    Row {
        group: difference.item.group,
        name: difference.name(),
        state: difference.words(),
        diff: difference.diff(),
    }
}
