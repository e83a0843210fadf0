//! `landfall env unset`

use super::change::{self, Changes, Restart};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::EnvName;
use crate::base::words::list;
use crate::cli::{Ended, Globals};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
If one of them is not set, nothing is removed.

Examples:
  landfall env unset EMAIL_HOST
  landfall env unset OLD_KEY OLDER_KEY --restart")]
pub(in crate::cli) struct Args {
    /// Variables to remove.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<EnvName>,
    #[command(flatten)]
    restart: Restart,
}

/// Variables that there are not.
#[derive(Debug, thiserror::Error)]
#[error("{} not set; nothing was removed", if .0.len() == 1 { format!("`{}` is", .0[0]) } else { format!("{} are", list(.0)) })]
struct NotSet(Vec<EnvName>);

impl Hint for NotSet {
    fn hints(&self) -> Vec<String> {
        vec!["landfall env list".into()]
    }

    fn kind(&self) -> Kind {
        Kind::NotFound
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    change::apply(host, globals, &args.restart, |env| {
        let unknown: Vec<EnvName> = args
            .names
            .iter()
            .filter(|name| env.get(name).is_none())
            .cloned()
            .collect();
        if !unknown.is_empty() {
            return Err(NotSet(unknown).into());
        }
        let mut changes = Changes::default();
        for name in &args.names {
            changes.unset(env, name.clone());
        }
        Ok(changes)
    })
}
