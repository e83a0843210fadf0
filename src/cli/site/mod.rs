//! `landfall site`: root's half of a site.

mod apply;

use super::{Ended, Globals};
use crate::base::host::Host;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make the server's nginx serve an app's site as its settings say.
    Apply(apply::Args),
}

pub(super) fn run(host: &Host, globals: &Globals, command: &Command) -> Result<(), Ended> {
    match command {
        Command::Apply(args) => apply::run(host, globals, args),
    }
}
