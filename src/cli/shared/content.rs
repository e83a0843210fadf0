//! Putting content into `shared/`: whole or not at all, and never over what is there without keeping it.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::scene::Scene;
use crate::base::command::CommandError;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::{Host, rfc3339};
use crate::base::names::RepoPath;
use crate::cli::Ended;
use crate::tool::{self, sqlite};

/// Where the content comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A file or a folder the caller names.
    Given(PathBuf),
    /// Standard input.
    Input(Vec<u8>),
    /// The live release's own.
    Live(PathBuf),
    /// git's.
    Git(Vec<u8>),
    /// Nothing: an empty file, which `SQLite` takes for an empty database, or an empty folder.
    Empty,
}

impl Source {
    fn is_given(&self) -> bool {
        matches!(self, Self::Given(_) | Self::Input(_))
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Given(path) => format!("copied from {}", path.display()),
            Self::Input(_) => "read from standard input".into(),
            Self::Live(_) => "copied from the live release".into(),
            Self::Git(_) => "as it is in git".into(),
            Self::Empty => "empty".into(),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there now.
    New,
    /// It stands in the place of another, which is kept here.
    Replaced(PathBuf),
    /// It was there, and is as it was.
    Kept,
}

/// Content that cannot be put there.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContentError {
    #[error("{} exists, and is something else", .0.display())]
    Exists(PathBuf),
    #[error(
        "nothing says what belongs into `{path}`: it is not in git, and no live release has it"
    )]
    NoSource {
        path: RepoPath,
        example: Option<String>,
    },
    #[error("the database {} cannot be copied while it may be in use: python3 is not installed", .0.display())]
    NoPython(PathBuf),
    #[error("the database cannot be copied")]
    Database(#[from] CommandError),
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("standard input cannot be read")]
    Input(#[source] std::io::Error),
}

impl Hint for ContentError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists(_) => {
                vec!["with --force the old one is kept beside it, as NAME.before-TIME".into()]
            }
            Self::NoSource { path, example } => example
                .iter()
                .map(|example| format!("git has `{example}`: copy it, fill it in"))
                .chain([format!("landfall shared add {path} --from FILE")])
                .collect(),
            Self::NoPython(_) => vec!["sudo apt install python3".into()],
            Self::Database(error) => error.hints(),
            Self::Fs(error) => error.hints(),
            Self::Input(_) => Vec::new(),
        }
    }

    fn tool_output(&self) -> &[String] {
        if let Self::Database(error) = self {
            error.tool_output()
        } else {
            &[]
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Exists(_) => Kind::Refused,
            Self::NoSource { .. } => Kind::Usage,
            _ => Kind::Failed,
        }
    }
}

/// The source of a file: the one named, else the live release's, git's, or for a database nothing.
pub(super) fn of_file(scene: &Scene<'_>, path: &RepoPath) -> Result<Source, Ended> {
    if let Some(live) = scene.in_live_release(path) {
        return Ok(Source::Live(live));
    }
    if let Some(content) = scene.in_git(path)? {
        return Ok(Source::Git(content));
    }
    if sqlite::is_database_name(path.as_str()) {
        return Ok(Source::Empty);
    }
    Err(ContentError::NoSource {
        path: path.clone(),
        example: scene.example(path),
    }
    .into())
}

/// The file or folder named on the command line, or standard input.
pub(super) fn given(host: &Host, from: &Path) -> Result<Source, ContentError> {
    if from != Path::new("-") {
        let from = host.absolute(from);
        std::fs::File::open(&from).map_err(|source| FsError::new("read", &from, source))?;
        return Ok(Source::Given(from));
    }
    let mut content = Vec::new();
    std::io::stdin()
        .read_to_end(&mut content)
        .map_err(ContentError::Input)?;
    Ok(Source::Input(content))
}

/// Puts a file.
pub(super) fn put_file(
    host: &Host,
    scene: &Scene<'_>,
    target: &Path,
    source: &Source,
    force: bool,
) -> Result<Put, ContentError> {
    let there = target.exists();
    if there && (!source.is_given() || is_same(source, target)?) {
        return Ok(Put::Kept);
    }
    if there && !force {
        return Err(ContentError::Exists(target.to_owned()));
    }
    if let Some(folder) = target.parent() {
        fs::create_folder(folder)?;
    }
    let aside = there.then(|| aside(host, target));
    fs::put(target, fs::PRIVATE, |place| {
        fill(scene, source, place)?;
        if let Some(aside) = &aside {
            fs::link_file(target, aside)?;
            // The log of a database belongs to the old one; with it, the new one would be taken for it.
            for (old, kept) in sqlite::companions(target)
                .iter()
                .zip(sqlite::companions(aside))
            {
                if old.exists() {
                    fs::rename(old, &kept)?;
                }
            }
        }
        Ok(())
    })
    .map(|()| aside.map_or(Put::New, Put::Replaced))
}

fn fill(scene: &Scene<'_>, source: &Source, place: &Path) -> Result<(), ContentError> {
    match source {
        Source::Given(from) | Source::Live(from) if sqlite::is_database(from) => {
            let own = scene.home.current().join("venv/bin/python");
            let python = Some(own).filter(|python| python.exists());
            let python = python.or_else(|| tool::find_program("python3"));
            let python = python.ok_or_else(|| ContentError::NoPython(from.clone()))?;
            Ok(sqlite::copy(&python, from, place)?)
        }
        Source::Given(from) | Source::Live(from) => Ok(fs::copy_content(from, place)?),
        Source::Input(content) | Source::Git(content) => Ok(std::fs::OpenOptions::new()
            .write(true)
            .open(place)
            .and_then(|mut file| std::io::Write::write_all(&mut file, content))
            .map_err(|source| FsError::new("write", place, source))?),
        Source::Empty => Ok(()),
    }
}

fn is_same(source: &Source, target: &Path) -> Result<bool, FsError> {
    if let Source::Given(from) = source
        && from.metadata().map(|meta| meta.len()).ok()
            != target.metadata().map(|meta| meta.len()).ok()
    {
        return Ok(false);
    }
    let there = fs::read_bytes(target)?;
    Ok(match source {
        Source::Given(from) | Source::Live(from) => fs::read_bytes(from)? == there,
        Source::Input(content) | Source::Git(content) => *content == there,
        Source::Empty => there.is_empty(),
    })
}

/// Puts a folder. One that is there and empty is as good as none.
pub(super) fn put_folder(
    host: &Host,
    target: &Path,
    source: &Source,
    force: bool,
) -> Result<Put, ContentError> {
    let full = !fs::list(target)?.is_empty();
    let from = match source {
        Source::Given(from) | Source::Live(from) if !full || source.is_given() => from,
        _ => {
            fs::create_folder(target)?;
            return Ok(if full { Put::Kept } else { Put::New });
        }
    };
    if full && !force {
        return Err(ContentError::Exists(target.to_owned()));
    }
    let new = target.with_extension(format!("new-{}", std::process::id()));
    let copied = fs::copy_tree(from, &new).and_then(|()| {
        let aside = full.then(|| aside(host, target));
        match &aside {
            Some(aside) => fs::rename(target, aside)?,
            None => fs::remove_tree(target)?,
        }
        fs::rename(&new, target)?;
        Ok(aside.map_or(Put::New, Put::Replaced))
    });
    if copied.is_err() {
        fs::remove_tree(&new)?;
    }
    Ok(copied?)
}

/// `NAME.before-20261120T095500Z`
fn aside(host: &Host, target: &Path) -> PathBuf {
    let time = rfc3339(host.now_unix()).replace(['-', ':'], "");
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".before-{time}"));
    name.into()
}
