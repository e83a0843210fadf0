//! `landfall shared list`

use std::path::Path;

use serde::Serialize;

use super::What;
use super::scene::Scene;
use crate::base::fs::{self, FsError};
use crate::base::host::Host;
use crate::base::names::RepoPath;
use crate::base::words::{bytes, count};
use crate::cli::session::Session;
use crate::cli::{Ended, Globals, output};
use crate::git::Repo;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What the branch that deploys shares (its landfall.toml, or what is detected), and what the app's settings file adds. A \
file must be there before a deploy; a folder is made when it is missing.

Examples:
  landfall shared list
  landfall shared list --json | jq -r '.[] | select(.present | not).path'")]
pub(in crate::cli) struct Args {}

#[derive(Debug, Serialize)]
struct Row {
    path: RepoPath,
    kind: What,
    present: bool,
    files: usize,
    bytes: u64,
    /// `repository` or `server`: whose settings name it.
    named_by: &'static str,
}

pub(super) fn run(host: &Host, globals: &Globals, _args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let repo = Repo::open(&session.home.repository())?;
    let scene = Scene::of(&session, &session.app, &repo)?;
    let named = |paths: &[RepoPath], kind| {
        let rows = paths.iter().map(|path| row(&scene, path, kind));
        rows.collect::<Result<Vec<_>, _>>()
    };
    let mut rows = named(&scene.all.files, What::File)?;
    rows.extend(named(&scene.all.dirs, What::Folder)?);
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    if globals.json {
        output::json(&rows);
    } else if rows.is_empty() {
        output::say("nothing is shared: landfall shared add PATH --from FILE");
    } else {
        let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        output::table(&["path", "kind", "state", "size", "named by"], &rows);
    }
    Ok(())
}

fn row(scene: &Scene<'_>, path: &RepoPath, kind: What) -> Result<Row, FsError> {
    let place = path.under(&scene.home.shared());
    let (files, bytes) = match kind {
        What::File => (1, size(&place)),
        What::Folder => {
            let files = fs::files_below(&place)?;
            (
                files.len(),
                files.iter().map(|file| size(&place.join(file))).sum(),
            )
        }
    };
    Ok(Row {
        path: path.clone(),
        kind,
        present: place.exists(),
        files,
        bytes,
        named_by: if Scene::names(&scene.by_repository, path) {
            "repository"
        } else {
            "server"
        },
    })
}

/// 0 for a file that is not there (any more).
fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

fn cells(row: &Row) -> Vec<String> {
    let (state, size) = match (row.present, row.kind) {
        (true, What::File) => ("present", bytes(row.bytes)),
        (true, What::Folder) => (
            "present",
            format!("{}, {}", count(row.files, "file"), bytes(row.bytes)),
        ),
        (false, _) => ("missing", "-".to_owned()),
    };
    vec![
        row.path.to_string(),
        row.kind.word().to_owned(),
        state.to_owned(),
        size,
        row.named_by.to_owned(),
    ]
}
