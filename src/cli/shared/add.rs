//! `landfall shared add`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::What;
use super::content::{self, Put, Source};
use super::scene::{self, Scene};
use crate::base::fs;
use crate::base::host::Host;
use crate::base::names::RepoPath;
use crate::cli::session::{self, Session};
use crate::cli::{Ended, Globals, output};
use crate::config::server::Mode;
use crate::config::server_edit::{self, List};
use crate::git::Repo;
use crate::release::store;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is shared lies in `shared/` in the app's home, under the same path as in the repository, and is linked into every \
release from the next deploy on. Paths that the repository's settings don't name are written into the app's settings \
file. Files are readable by the app's user only.

Without --from, the content is the live release's own (a SQLite database is copied whole while it is in use), else the \
file as it is in git, else, for a .sqlite3 file, an empty database. What is there already stays.

Examples:
  landfall shared add api/app/localsettings.py --from localsettings.py
  ssh old-server cat app/localsettings.py | landfall shared add api/app/localsettings.py --from -
  landfall shared add api/db.sqlite3            a database that would be lost with its release
  landfall shared add --dir api/media           a folder of uploads")]
pub(in crate::cli) struct Args {
    /// A path in the repository.
    path: String,
    /// The content: a file, a folder, or `-` for standard input.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The path is a folder.
    #[arg(long)]
    dir: bool,
    /// Replace what is there; it is kept beside the new one as NAME.before-TIME.
    #[arg(long)]
    force: bool,
}

impl Args {
    /// The file it reads, other than standard input.
    pub(super) fn file(&self) -> Option<&Path> {
        self.from.as_deref().filter(|from| *from != Path::new("-"))
    }
}

/// What was done, for programs.
#[derive(Debug, Serialize)]
struct Report {
    path: RepoPath,
    kind: What,
    lies: PathBuf,
    /// `new`, `replaced` or `kept`.
    content: &'static str,
    old_content: Option<PathBuf>,
    /// It was written into the app's settings file just now.
    added_to_settings: bool,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let (path, told) = scene::parse(&args.path)?;
    let from = match &args.from {
        Some(from) => Some(content::given(host, from)?),
        None => None,
    };
    let told = match &from {
        _ if args.dir => Some(What::Folder),
        Some(Source::Given(from)) if from.is_dir() => Some(What::Folder),
        Some(_) if told.is_none() => Some(What::File),
        _ => told,
    };
    let _lock = session.lock(host, "change of what is shared")?;
    let repo = Repo::open(&session.home.repository())?;
    // As they are now that nobody else changes them.
    let app = session::whole_settings(&session.settings_file)?;
    let scene = Scene::of(&session, &app, &repo)?;
    let what = scene.what(&path, told)?;
    let (source, put) = put(host, &scene, (&path, what), from, args.force)?;
    let report = Report {
        content: match put {
            Put::New => "new",
            Put::Replaced(_) => "replaced",
            Put::Kept => "kept",
        },
        old_content: match &put {
            Put::Replaced(old) => Some(old.clone()),
            _ => None,
        },
        added_to_settings: name(&session, &scene, &path, what)?,
        lies: path.under(&session.home.shared()),
        kind: what,
        path,
    };
    if globals.json {
        output::json(&report);
    }
    for line in lines(&session, &report, &source, &put)? {
        output::say(line);
    }
    Ok(())
}

/// Finds the content, unless it is given, and puts it into `shared/`.
fn put(
    host: &Host,
    scene: &Scene<'_>,
    (path, what): (&RepoPath, What),
    from: Option<Source>,
    force: bool,
) -> Result<(Source, Put), Ended> {
    let target = path.under(&scene.home.shared());
    let source = match (from, what) {
        (Some(source), _) => source,
        // What is there needs no source.
        (None, What::File) if target.exists() => Source::Empty,
        (None, What::File) => content::of_file(scene, path)?,
        (None, What::Folder) => scene
            .in_live_release(path)
            .map_or(Source::Empty, Source::Live),
    };
    let put = match what {
        What::File => content::put_file(host, scene, &target, &source, force)?,
        What::Folder => content::put_folder(host, &target, &source, force)?,
    };
    Ok((source, put))
}

/// Writes the path into the settings file, unless it is named already. True if it was written.
fn name(session: &Session, scene: &Scene<'_>, path: &RepoPath, what: What) -> Result<bool, Ended> {
    if Scene::names(&scene.all, path) {
        return Ok(false);
    }
    let list = match what {
        What::File => List::Files,
        What::Folder => List::Dirs,
    };
    let file = list_file(session);
    let shown = file.display().to_string();
    if session.app.mode() == Mode::Server {
        let text = fs::read_if_exists(&file)?.unwrap_or_default();
        let text = server_edit::add_own(&text, &shown, list, path)?;
        fs::write(&file, text.as_bytes(), fs::PUBLIC)?;
    } else {
        let text = server_edit::add(&fs::read(&file)?, &shown, list, path)?;
        fs::write(&file, text.as_bytes(), fs::mode(&file)?)?;
    }
    Ok(true)
}

/// The file with the list: the settings, or where those are root's, the home's own.
fn list_file(session: &Session) -> PathBuf {
    match session.app.mode() {
        Mode::User(_) => session.settings_file.clone(),
        Mode::Server => session.home.shared_list(),
    }
}

fn lines(
    session: &Session,
    report: &Report,
    source: &Source,
    put: &Put,
) -> Result<Vec<String>, Ended> {
    let Report { path, lies, .. } = report;
    let how = match put {
        Put::Kept => "it was there and stays as it is".into(),
        Put::New => source.describe(),
        Put::Replaced(old) => format!(
            "{}; the old one is kept in {}",
            source.describe(),
            old.display()
        ),
    };
    let mut lines = vec![format!("`{path}` is kept in {} ({how})", lies.display())];
    if report.added_to_settings {
        lines.push(format!(
            "it is named in {} from now on",
            list_file(session).display()
        ));
    }
    if store::live(&session.home)?.is_none() {
        return Ok(lines);
    }
    match (put, source) {
        (Put::Kept, _) if !report.added_to_settings => {}
        (Put::New, Source::Live(_)) => lines.push(
            "what the live release writes to its own until the next deploy is not in it: run `landfall deploy` now".into(),
        ),
        (Put::Replaced(_), _) => lines.push(
            "processes that have read the old one go on with it until they start again: landfall deploy".into(),
        ),
        _ => lines.push("the next deploy links it into its release: landfall deploy".into()),
    }
    Ok(lines)
}
