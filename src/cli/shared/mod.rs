//! `landfall shared`: what outlives releases.

mod add;
mod content;
mod list;
mod scene;

use std::path::Path;

use serde::Serialize;

use super::{Ended, Globals};
use crate::base::host::Host;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Keep a file or a folder on the server, linked into every release.
    Add(add::Args),
    /// List what is kept, and what is missing.
    List(list::Args),
}

impl Command {
    /// Changes nothing.
    pub(super) fn only_shows(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// The file it reads, other than standard input.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Add(args) => args.file(),
            Self::List(_) => None,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, command: &Command) -> Result<(), Ended> {
    match command {
        Command::Add(args) => add::run(host, globals, args),
        Command::List(args) => list::run(host, globals, args),
    }
}

/// What is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum What {
    File,
    Folder,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
        }
    }
}
