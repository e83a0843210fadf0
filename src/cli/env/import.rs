//! `landfall env import`

use std::io::Read;
use std::path::{Path, PathBuf};

use super::change::{self, Changes, Restart};
use super::check_name;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::cli::{Ended, Globals, output};
use crate::config::env_file::{EnvFile, EnvFileError, LARGEST_FILE};

/// The largest file that is read, in bytes.
const LARGEST: u64 = LARGEST_FILE as u64;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file has lines of NAME=value, as .env files do: `export NAME=value`, comments, and quotes for values with spaces or \
several lines. Variables that are not in the file stay as they are. Those that Landfall sets itself (PATH, HOME …) are \
left out with a warning.

Examples:
  landfall env import .env.production
  ssh old-server cat app/.env | landfall env import -")]
pub(in crate::cli) struct Args {
    /// A .env file, or `-` for standard input.
    file: PathBuf,
    #[command(flatten)]
    restart: Restart,
}

impl Args {
    /// The file it reads, other than standard input.
    pub(super) fn file(&self) -> Option<&Path> {
        Some(&*self.file).filter(|file| *file != Path::new("-"))
    }
}

/// A file that cannot be imported.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("{0} is not a file of variables")]
    Lines(String, #[source] EnvFileError),
    #[error("standard input cannot be read as text")]
    Input(#[source] std::io::Error),
    #[error("{0} is larger than 1 MiB, too large for a file of variables")]
    TooLarge(String),
    #[error("{0} has no variables")]
    Empty(String),
}

impl Hint for ImportError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Lines(_, error) => error.hints(),
            _ => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let name = if args.file == Path::new("-") {
        "standard input".to_owned()
    } else {
        args.file.display().to_string()
    };
    let text = read(host, &args.file, &name)?;
    let file = EnvFile::parse(&text).map_err(|error| ImportError::Lines(name.clone(), error))?;
    if file.is_empty() {
        return Err(ImportError::Empty(name).into());
    }
    change::apply(host, globals, &args.restart, |env| {
        let mut changes = Changes::default();
        for (name, value) in file.iter() {
            match check_name(name) {
                Ok(()) => changes.set(env, name.clone(), value.clone())?,
                Err(reason) => output::say(format!("warning: left out: {reason}")),
            }
        }
        Ok(changes)
    })
}

fn read(host: &Host, file: &Path, name: &str) -> Result<String, Ended> {
    if file == Path::new("-") {
        let mut text = String::new();
        let mut input = std::io::stdin().take(LARGEST + 1);
        input
            .read_to_string(&mut text)
            .map_err(ImportError::Input)?;
        return within_limit(text.len() as u64, name).map(|()| text);
    }
    let path = host.absolute(file);
    let meta = path
        .metadata()
        .map_err(|source| FsError::new("read", file, source))?;
    within_limit(meta.len(), name)?;
    Ok(fs::read(&path)?)
}

fn within_limit(length: u64, name: &str) -> Result<(), Ended> {
    if length > LARGEST {
        return Err(ImportError::TooLarge(name.to_owned()).into());
    }
    Ok(())
}
