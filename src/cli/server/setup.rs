//! `landfall server setup`

use std::collections::BTreeSet;

use serde::Serialize;

use super::{require_root, say_notes};
use crate::base::host::Host;
use crate::base::server_paths::ServerPaths;
use crate::base::words::count;
use crate::cli::{Ended, Globals, output};
use crate::setup::Group;
use crate::setup::apply::{self, Options};
use crate::setup::differ::{self, Difference};
use crate::setup::facts::Facts;
use crate::setup::memory::Memory;
use crate::setup::plan::{Note, Plan};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Debian 12 or 13, Ubuntu 22.04 or later. Only what is missing is done, so a run that was stopped is finished by the next, and one on \
a server that is as planned changes nothing. A file changed by hand is left as it is and shown.

The groups: base, node, nginx, supervisor, postgresql, redis, logs, ssh, firewall, fail2ban, upgrades, swap.

Examples:
  landfall server setup --dry-run                            what would be done: commands, and files as diffs
  landfall server setup
  landfall server setup --without postgresql --without swap")]
pub(in crate::cli) struct Args {
    /// Print what would be done; change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Leave a group out; several times for several.
    #[arg(long, value_name = "GROUP")]
    without: Vec<Group>,

    /// Replace files that were changed by hand; they are kept below /var/lib/landfall/kept.
    #[arg(long)]
    overwrite: bool,
}

/// What a dry run gives as JSON.
#[derive(Serialize)]
struct Planned {
    packages: Vec<String>,
    differences: Vec<Difference>,
    notes: Vec<Note>,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    require_root("setup")?;
    let without: BTreeSet<Group> = args.without.iter().copied().collect();
    let paths = ServerPaths::default();
    if args.dry_run {
        return show(host, globals, &paths, &without);
    }
    let options = Options {
        without,
        overwrite: args.overwrite,
    };
    let done = apply::run(host, &paths, &options, &|line| output::say(line))?;
    if globals.json {
        output::json(&done);
        return Ok(());
    }
    for kept in &done.kept {
        output::say(format!("kept: {} {}", kept.name(), kept.words()));
        output::text(kept.diff().unwrap_or_default());
    }
    say_notes(&done.notes);
    if !done.kept.is_empty() {
        output::say("to replace what was changed by hand: landfall server setup --overwrite");
    }
    output::say(match done.changed.len() {
        0 => "nothing to do: the server is as planned".to_owned(),
        changes => format!("done: {}", count(changes, "change")),
    });
    Ok(())
}

fn show(
    host: &Host,
    globals: &Globals,
    paths: &ServerPaths,
    without: &BTreeSet<Group>,
) -> Result<(), Ended> {
    let memory = Memory::read(paths)?;
    let facts = Facts::gather(host)?;
    let plan = Plan::make(&facts, &memory, without);
    let packages = differ::missing_packages(&plan, &facts);
    let differences = differ::differences(&plan, &facts, &memory, paths)?;
    if globals.json {
        output::json(&Planned {
            packages,
            differences,
            notes: plan.notes,
        });
        return Ok(());
    }
    output::text(differ::describe(&packages, &differences));
    say_notes(&plan.notes);
    if packages.is_empty() && differences.is_empty() {
        output::say("nothing to do: the server is as planned");
    }
    Ok(())
}
