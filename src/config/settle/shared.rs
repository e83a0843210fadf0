//! `[shared]` over what is detected.
//!
//! takes: the keys, the tree · gives: [`Shared`] · touches: nothing

use super::Scene;
use crate::base::names::RepoPath;
use crate::config::detect::backend::Found;
use crate::config::detect::shared::detect;
use crate::config::error::ConfigError;
use crate::config::settings::{Frontend, Shared};
use crate::config::tree::{in_folder, parent};
use crate::config::written::SharedKeys;

pub(super) fn settle(
    scene: &Scene<'_>,
    keys: &SharedKeys,
    backend: Option<&Found>,
    frontend: Option<&Frontend>,
    notes: &mut Vec<String>,
) -> Result<Shared, ConfigError> {
    // What both keys replace is not worth a note.
    let mut found_notes = Vec::new();
    let found = detect(scene.tree, backend, frontend, &mut found_notes);
    if keys.files.is_none() || keys.dirs.is_none() {
        notes.append(&mut found_notes);
    }
    let mut dirs = match &keys.dirs {
        Some(dirs) => dirs.clone(),
        None => outermost(&found.dirs),
    };
    let mut files = match &keys.files {
        Some(files) => files.clone(),
        None => without_those_in(found.files, &dirs),
    };
    check(scene, "files", &files, &dirs)?;
    check(scene, "dirs", &dirs, &dirs)?;
    for paths in [&mut dirs, &mut files] {
        paths.sort();
        paths.dedup();
    }
    Ok(Shared { files, dirs })
}

fn outermost(dirs: &[RepoPath]) -> Vec<RepoPath> {
    let inside = |dir: &RepoPath| {
        dirs.iter()
            .any(|other| other != dir && dir.is_within(other))
    };
    dirs.iter().filter(|dir| !inside(dir)).cloned().collect()
}

fn without_those_in(files: Vec<RepoPath>, dirs: &[RepoPath]) -> Vec<RepoPath> {
    files
        .into_iter()
        .filter(|file| !dirs.iter().any(|dir| file.is_within(dir)))
        .collect()
}

fn check(
    scene: &Scene<'_>,
    key: &str,
    paths: &[RepoPath],
    dirs: &[RepoPath],
) -> Result<(), ConfigError> {
    for path in paths {
        let wrong = |what: &str| Err(scene.wrong(&["shared", key], what));
        if path.is_root() {
            return wrong("the repository's root cannot be shared");
        }
        if let Some(dir) = dirs.iter().find(|dir| *dir != path && path.is_within(dir)) {
            return wrong(&format!(
                "`{path}` lies in `{dir}`, which is shared already"
            ));
        }
        if scene.tree.has(path.as_str()) {
            return Err(scene.wrong(&["shared", key], &format!("`{path}` is in git and shared")).hint(format!(
                "take it out of git (`git rm --cached {}`, and a line in .gitignore), or out of `{key}`",
                shell_words::quote(path.as_str())
            )));
        }
        if let Some(file) = folders_of(path).find(|folder| scene.tree.has(folder)) {
            return wrong(&format!("`{path}` cannot exist: `{file}` is a file in git"));
        }
        if key == "files" && scene.tree.has_folder(path.as_str()) {
            return Err(scene
                .wrong(&["shared", key], &format!("`{path}` is a folder in git"))
                .hint("name folders in `dirs`"));
        }
        if let Some(program) = ["manage.py", "package.json"]
            .iter()
            .map(|name| in_folder(path.as_str(), name))
            .find(|file| scene.tree.has(file))
        {
            return wrong(&format!("`{path}` holds the code itself (`{program}`)"));
        }
    }
    Ok(())
}

fn folders_of(path: &RepoPath) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(parent(path.as_str())), |folder| Some(parent(folder)))
        .take_while(|folder| !folder.is_empty())
}
