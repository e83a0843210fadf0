//! `landfall app`: create, list, show and remove apps.

mod adopt;
mod create;
mod list;
mod on_server;
mod remove;
mod show;

use super::{Ended, Globals};
use crate::base::host::Host;
use crate::base::names::AppName;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make an app: its home, its repository with the hooks, its servers.
    Create(create::Args),
    /// Make an app of a bare repository with a hand-written hook: history, branch, files beside it.
    Adopt(adopt::Args),
    /// List the apps.
    List(list::Args),
    /// Show an app's settings and where things lie.
    Show(show::Args),
    /// Stop an app and take its home away.
    Remove(remove::Args),
}

impl Command {
    /// Only shows something of one app.
    pub(super) fn only_shows(&self) -> bool {
        matches!(self, Self::Show(_))
    }

    /// The app it names, where it shows one.
    pub(super) fn app(&self) -> Option<&AppName> {
        match self {
            Self::Show(args) => args.name.as_ref(),
            Self::Create(_) | Self::Adopt(_) | Self::List(_) | Self::Remove(_) => None,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, command: Command) -> Result<(), Ended> {
    match command {
        Command::Create(args) => create::run(host, globals, &args),
        Command::Adopt(args) => adopt::run(host, globals, &args),
        Command::List(args) => list::run(host, globals, &args),
        Command::Show(args) => show::run(host, globals, &args),
        Command::Remove(args) => remove::run(host, globals, &args),
    }
}
