//! `landfall server`: sets up the server that apps live on, and checks it.

mod check;
mod setup;

use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::user;
use crate::setup::plan::Note;

use super::{Ended, Globals, output};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a new server ready for apps: packages, nginx, sshd, firewall, updates.
    Setup(setup::Args),
    /// Show what differs from what `server setup` would make.
    Check(check::Args),
}

pub(super) fn run(host: &Host, globals: &Globals, command: &Command) -> Result<(), Ended> {
    match command {
        Command::Setup(args) => setup::run(host, globals, args),
        Command::Check(args) => check::run(host, globals, args),
    }
}

/// The server is root's.
#[derive(Debug, thiserror::Error)]
#[error("only root may look into a server's settings and change them")]
struct NotRoot {
    command: &'static str,
}

impl Hint for NotRoot {
    fn hints(&self) -> Vec<String> {
        vec![format!("sudo landfall server {}", self.command)]
    }

    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

fn require_root(command: &'static str) -> Result<(), NotRoot> {
    if user::is_root() {
        Ok(())
    } else {
        Err(NotRoot { command })
    }
}

fn say_notes(notes: &[Note]) {
    for note in notes {
        output::say(format!("note: {}: {}", note.group, note.text));
    }
}
