//! `landfall init`: writes landfall.toml from what is detected.

use std::path::{Path, PathBuf};

use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::words::list;
use crate::config::init;
use crate::config::paths::Paths;
use crate::config::settings::Settings;
use crate::config::settle::settle;
use crate::config::tree::{Tree, WorkTree};
use crate::config::written::FILE;

use super::{Ended, Globals, output, plan};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
No file is needed where what is detected is right: it is for what has to be changed, and for those who want to see it. \
Files are read, nothing is run. With --json, the settings are printed, every default filled in.

Examples:
  landfall init                 in a project: writes landfall.toml at the repository's root
  landfall init --stdout        only shows it
  landfall init ~/src/notes")]
pub(super) struct Args {
    /// The project [default: the repository that the working directory lies in].
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the file, write nothing.
    #[arg(long)]
    stdout: bool,
    /// Replace a landfall.toml that is there; what stands in it is not looked at.
    #[arg(long)]
    force: bool,
}

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    #[error("{} is not a folder", .0.display())]
    NoFolder(PathBuf),
    #[error("{} is no project's folder", .0.display())]
    TooMuch(PathBuf),
}

impl Hint for InitError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists(_) => vec![
                "landfall init --stdout   shows what would be written".into(),
                "landfall init --force    replaces it".into(),
            ],
            Self::NoFolder(_) | Self::TooMuch(_) => {
                vec!["landfall init DIR, where DIR is the root of the project's repository".into()]
            }
        }
    }

    fn kind(&self) -> Kind {
        if matches!(self, Self::Exists(_)) {
            Kind::Refused
        } else {
            Kind::Usage
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let dir = match &args.dir {
        Some(dir) => host.absolute(dir),
        None => repository_of(host.cwd()),
    };
    let file = dir.join(FILE);
    if !dir.is_dir() {
        return Err(InitError::NoFolder(dir).into());
    }
    if dir.parent().is_none() {
        return Err(InitError::TooMuch(dir).into());
    }
    if file.exists() && !args.force && !args.stdout {
        return Err(InitError::Exists(file).into());
    }
    let settings = settle(&Unwritten::open(&dir)?)?;
    let text = init::render(&settings);
    if globals.json {
        output::json(&settings);
    } else if args.stdout {
        output::text(&text);
    }
    if args.stdout {
        return Ok(());
    }
    fs::write(&file, text.as_bytes(), fs::PUBLIC)?;
    output::say(format!("{} is written; found:", file.display()));
    for line in found(&settings) {
        output::say(line);
    }
    output::say("look it over, then: git add landfall.toml");
    Ok(())
}

/// The folder above that holds `.git`, or the folder itself.
fn repository_of(dir: &Path) -> PathBuf {
    let root = dir.ancestors().find(|dir| dir.join(".git").exists());
    root.unwrap_or(dir).to_owned()
}

/// A folder as if it had no landfall.toml.
struct Unwritten {
    tree: WorkTree,
    files: Paths,
}

impl Unwritten {
    fn open(dir: &Path) -> Result<Self, FsError> {
        let tree = WorkTree::open(dir)?;
        let files = tree.files().iter().map(|file| file.to_string());
        let files = files.filter(|file| file != FILE).collect();
        Ok(Self { tree, files })
    }
}

impl Tree for Unwritten {
    fn files(&self) -> &Paths {
        &self.files
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.has(path).then(|| self.tree.read(path)).flatten()
    }
}

/// What was found, one line each.
fn found(settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |name: &str, text: String| lines.push(format!("  {name:<9} {text}"));
    match &settings.frontend {
        None => add("frontend", "none".into()),
        Some(frontend) => match &frontend.build {
            Some(build) => add(
                "frontend",
                format!(
                    "{}: {} → {}",
                    plan::dir(&frontend.dir),
                    build.command.join(" "),
                    frontend.output
                ),
            ),
            None => add(
                "frontend",
                format!("{} as committed", plan::dir(&frontend.output)),
            ),
        },
    }
    match &settings.backend {
        None => add("backend", "none".into()),
        Some(backend) => add(
            "backend",
            format!("{}: {}", plan::dir(&backend.dir), backend.wsgi),
        ),
    }
    for worker in &settings.workers {
        add(worker.name.as_str(), worker.command.join(" "));
    }
    let shared = settings.shared.files.iter().chain(&settings.shared.dirs);
    for path in shared {
        add("shared", path.to_string());
    }
    if !settings.required_env.is_empty() {
        add(
            "env",
            format!("{} must be set", list(&settings.required_env)),
        );
    }
    for note in &settings.notes {
        add("note", note.clone());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_old_file_is_not_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(&dir.path().join(FILE), b"nonsense", fs::PUBLIC).unwrap();
        fs::write(&dir.path().join("index.html"), b"", fs::PUBLIC).unwrap();
        let settings = settle(&Unwritten::open(dir.path()).unwrap()).unwrap();
        assert_eq!(
            found(&settings)[..2],
            ["  frontend  the root as committed", "  backend   none"]
        );
    }

    #[test]
    fn the_repository_is_found_from_below() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        fs::create_folder(&inner).unwrap();
        assert_eq!(repository_of(&inner), inner);
        fs::create_folder(&dir.path().join(".git")).unwrap();
        assert_eq!(repository_of(&inner), dir.path());
    }
}
