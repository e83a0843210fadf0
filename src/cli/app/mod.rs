//! `landfall app`: create, list, show and remove apps.

mod create;
mod list;
mod on_server;
mod remove;
mod show;

use super::{Ended, Globals};
use crate::base::host::Host;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make an app: its home, its repository with the hooks, its servers.
    Create(create::Args),
    /// List the apps.
    List(list::Args),
    /// Show an app's settings and where things lie.
    Show(show::Args),
    /// Stop an app and take its home away.
    Remove(remove::Args),
}

pub(super) fn run(host: &Host, globals: &Globals, command: Command) -> Result<(), Ended> {
    match command {
        Command::Create(args) => create::run(host, globals, &args),
        Command::List(args) => list::run(host, globals, &args),
        Command::Show(args) => show::run(host, globals, &args),
        Command::Remove(args) => remove::run(host, globals, &args),
    }
}
