//! What outlives releases: files the code needs that are not in git, folders it writes to.
//!
//! takes: a tree, backend and frontend · gives: [`Shared`] · touches: nothing

use super::backend::Found;
use super::scan::{after_word, literals, values_of};
use super::sources::{imports, module_file};
use super::{has_example, imports as frontend_imports, python_path};
use crate::base::names::RepoPath;
use crate::config::ignored::Ignored;
use crate::config::settings::{Frontend, Shared};
use crate::config::tree::{Tree, file_name, in_folder, parent};

/// Data files settings are read from.
const DATA: [&str; 7] = [".json", ".ini", ".cfg", ".yaml", ".yml", ".toml", ".conf"];

/// Files and folders, each with a note.
pub fn detect(
    tree: &dyn Tree,
    backend: Option<&Found>,
    frontend: Option<&Frontend>,
    notes: &mut Vec<String>,
) -> Shared {
    let (mut files, mut dirs) = (Vec::new(), Vec::new());
    if let Some(backend) = backend {
        files.extend(python_files(tree, backend, notes));
        files.extend(data_files(tree, backend));
        dirs.extend(media(tree, backend, notes));
        dirs.extend(log_folders(tree, backend));
    }
    if let Some(frontend) = frontend.filter(|frontend| frontend.build.is_some()) {
        files.extend(frontend_imports::missing(tree, frontend.dir.as_str()));
    }
    let checked = |paths: Vec<String>| {
        let mut paths: Vec<RepoPath> = paths.iter().filter_map(|path| path.parse().ok()).collect();
        paths.sort();
        paths.dedup();
        paths
    };
    let shared = Shared {
        files: checked(files),
        dirs: checked(dirs),
    };
    for file in &shared.files {
        notes.push(format!(
            "`{file}` is used and not in git: it is a shared file"
        ));
    }
    for dir in &shared.dirs {
        notes.push(format!("the app writes to `{dir}`: it is a shared folder"));
    }
    shared
}

/// Modules the settings import, and the settings module itself, where they are kept outside git on purpose.
fn python_files(tree: &dyn Tree, backend: &Found, notes: &mut Vec<String>) -> Vec<String> {
    let ignored = Ignored::of(tree);
    let mut found = Vec::new();
    let dir = backend.dir.as_str();
    if let Some(settings) = &backend.settings
        && module_file(tree, dir, settings.as_str()).is_none()
    {
        let path = in_folder(dir, &format!("{}.py", settings.as_str().replace('.', "/")));
        if ignored.names(&path) || has_example(tree, &path) {
            found.push(path);
        }
    }
    for source in &backend.sources.files {
        for import in imports(&source.path, &source.text, dir) {
            let path = format!("{}.py", import.stem);
            let there = tree.has(&path) || tree.has_folder(&import.stem);
            // `from . import x` may name a variable of the package.
            let name = file_name(&import.stem);
            if there || source.text.contains(&format!("{name} =")) {
                continue;
            }
            if !ignored.names(&path) && !has_example(tree, &path) {
                if !import.tried {
                    notes.push(format!(
                        "`{}` imports `{path}`, which is not in git: if the app needs it, name it in `files` of [shared]",
                        source.path
                    ));
                }
            } else if import.tried {
                notes.push(format!(
                    "`{path}` is imported where it exists: to keep one on the server, name it in `files` of [shared]"
                ));
            } else {
                found.push(path);
            }
        }
    }
    found
}

/// `open(BASE_DIR / 'settings.json')` of a file that is not there.
fn data_files(tree: &dyn Tree, backend: &Found) -> Vec<String> {
    let ignored = Ignored::of(tree);
    let mut found = Vec::new();
    for source in &backend.sources.files {
        for rest in after_word(&source.text, "open") {
            let Some(arguments) = rest.strip_prefix('(') else {
                continue;
            };
            let call = &arguments[..arguments.find(['\n', ':']).unwrap_or(arguments.len())];
            let name = literals(call)
                .into_iter()
                .find(|text| DATA.iter().any(|suffix| text.ends_with(suffix)));
            let Some(name) = name.filter(|name| !name.starts_with('/')) else {
                continue;
            };
            let folders = [
                backend.dir.as_str(),
                parent(&source.path),
                parent(parent(&source.path)),
                "",
            ];
            let paths = folders.map(|folder| in_folder(folder, name.trim_start_matches("./")));
            if paths.iter().any(|path| tree.has(path)) {
                continue;
            }
            let meant = |path: &&String| ignored.names(path) || has_example(tree, path);
            found.extend(paths.iter().find(meant).cloned());
        }
    }
    found
}

/// `MEDIA_ROOT` inside the repository.
fn media(tree: &dyn Tree, backend: &Found, notes: &mut Vec<String>) -> Option<String> {
    let path = named_paths(backend, "MEDIA_ROOT").into_iter().next()?;
    let tracked = tree.files().below(&path).count();
    if path.is_empty() || path == backend.dir.as_str() || holds_code(tree, &path) {
        notes.push(format!(
            "MEDIA_ROOT is `{path}`, a folder with code in it: uploads would be lost at the next deploy; give them a folder of their own"
        ));
        return None;
    }
    if tracked > 0 {
        notes.push(format!(
            "`{path}` has {} in git, and the shared folder stands in its place: copy what the app needs with `landfall shared add`",
            crate::base::words::count(tracked, "file")
        ));
    }
    Some(path)
}

/// Folders of log files named in LOGGING: logging fails before the first command if they don't exist.
fn log_folders(tree: &dyn Tree, backend: &Found) -> Vec<String> {
    named_paths(backend, "filename")
        .iter()
        .map(|path| parent(path))
        .filter(|folder| !folder.is_empty() && *folder != backend.dir.as_str())
        .filter(|folder| !holds_code(tree, folder))
        .map(str::to_owned)
        .collect()
}

fn holds_code(tree: &dyn Tree, folder: &str) -> bool {
    tree.files().below(folder).any(|file| {
        file.name
            .rsplit_once('.')
            .is_some_and(|(_, suffix)| suffix == "py")
    })
}

/// The paths in the repository given to a name in the settings; the most specific file first.
fn named_paths(backend: &Found, name: &str) -> Vec<String> {
    let sources = &backend.sources;
    sources
        .files
        .iter()
        .enumerate()
        .flat_map(|(index, source)| {
            values_of(&source.text, name)
                .into_iter()
                .filter_map(move |expression| python_path::resolve(sources, index, expression))
        })
        .collect()
}
