//! Where the Python packages come from.
//!
//! takes: a tree, the backend's folder · gives: [`PythonPackages`] · touches: nothing

use crate::base::names::RepoPath;
use crate::config::settings::PythonPackages;
use crate::config::tree::{Tree, file_name, in_folder, parent};

/// Requirement files by name, the best first.
const LISTS: [&str; 12] = [
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/deploy.txt",
    "requirements/requirements.txt",
    "requirements/base.txt",
    "requirements/common.txt",
    "requirements/main.txt",
    "requirements-prod.txt",
    "requirements_prod.txt",
    "requirements.prod.txt",
    "requirements.in",
];

/// Lists that hold a production's extras and, mostly, name the common list.
const PRODUCTION: [&str; 6] = [
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements-production.txt",
    "requirements-prod.txt",
    "requirements_prod.txt",
    "requirements.prod.txt",
];

/// Looks in the backend's folder, then in those above it.
pub fn detect(tree: &dyn Tree, dir: &RepoPath, notes: &mut Vec<String>) -> Option<PythonPackages> {
    let mut folder = dir.as_str();
    loop {
        if let Some(found) = detect_in(tree, folder, notes) {
            return Some(found);
        }
        if folder.is_empty() {
            return None;
        }
        folder = parent(folder);
    }
}

fn detect_in(tree: &dyn Tree, folder: &str, notes: &mut Vec<String>) -> Option<PythonPackages> {
    let here = |name: &str| tree.has(&in_folder(folder, name));
    let dir: RepoPath = folder.parse().ok()?;
    if here("pyproject.toml") && here("uv.lock") {
        return Some(PythonPackages::Uv { dir });
    }
    if here("pyproject.toml") && here("poetry.lock") {
        return Some(PythonPackages::Poetry { dir });
    }
    if here("Pipfile") && here("Pipfile.lock") {
        return Some(PythonPackages::Pipenv { dir, locked: true });
    }
    if let Some(list) = choose_list(tree, folder, notes) {
        return Some(requirements(tree, vec![list.parse().ok()?], notes));
    }
    if here("Pipfile") {
        notes
            .push("Pipfile has no Pipfile.lock: what is installed may differ from deploy to deploy; commit one".into());
        return Some(PythonPackages::Pipenv { dir, locked: false });
    }
    let project = tree.text(&in_folder(folder, "pyproject.toml"))?;
    let lists_packages = ["[project]", "[tool.poetry", "[dependency-groups]"]
        .iter()
        .any(|table| project.contains(table));
    if !lists_packages {
        return None;
    }
    notes.push(
        "pyproject.toml has no uv.lock or poetry.lock: what is installed may differ from deploy to deploy; commit one"
            .into(),
    );
    Some(PythonPackages::Project { dir })
}

fn choose_list(tree: &dyn Tree, folder: &str, notes: &mut Vec<String>) -> Option<String> {
    let found = |names: &[&str]| {
        names
            .iter()
            .map(|name| in_folder(folder, name))
            .find(|path| tree.has(path))
    };
    let list = found(&LISTS)?;
    let Some(production) = found(&PRODUCTION).filter(|path| *path != list) else {
        return Some(list);
    };
    let names = |from: &str, other: &str| follow(tree, from).0.iter().any(|path| path == other);
    if names(&production, &list) {
        notes.push(format!(
            "`{production}` names `{list}` and is installed instead of it"
        ));
        return Some(production);
    }
    if !names(&list, &production) {
        notes.push(format!(
            "`{list}` is installed, `{production}` is not (choose with `requirements` in [backend])"
        ));
    }
    Some(list)
}

/// The files given, and all that they name.
pub fn requirements(
    tree: &dyn Tree,
    files: Vec<RepoPath>,
    notes: &mut Vec<String>,
) -> PythonPackages {
    let mut all: Vec<RepoPath> = Vec::new();
    for file in &files {
        let (found, missing) = follow(tree, file.as_str());
        for path in found.iter().filter_map(|path| path.parse().ok()) {
            if !all.contains(&path) {
                all.push(path);
            }
        }
        notes.extend(missing.into_iter().map(|(file, name)| {
            format!("`{file}` names `{name}`, which is not in the repository")
        }));
    }
    let stub = all.iter().find(|file| {
        tree.text(file.as_str()).is_some_and(|text| {
            text.lines().any(|line| {
                line.trim().starts_with("pkg-resources==0.0.0")
                    || line.trim().starts_with("pkg_resources==0.0.0")
            })
        })
    });
    if let Some(file) = stub {
        notes.push(format!(
            "`{file}` asks for pkg-resources==0.0.0, a slip of Debian's pip that can never be installed: remove the line"
        ));
    }
    PythonPackages::Requirements { files, all }
}

/// A requirement file and those it names with `-r` or `-c`, each once, and what is missing (file, name).
fn follow(tree: &dyn Tree, file: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (mut all, mut missing) = (Vec::new(), Vec::new());
    let mut waiting = vec![file.to_owned()];
    while let Some(path) = waiting.pop() {
        if all.contains(&path) {
            continue;
        }
        let folder: RepoPath = parent(&path).parse().unwrap_or_else(|_| RepoPath::root());
        let text = tree.text(&path).unwrap_or_default();
        let mut named = Vec::new();
        for name in text.lines().filter_map(named_file) {
            match folder.join(name) {
                Ok(target) if tree.has(target.as_str()) => named.push(target.to_string()),
                _ => missing.push((path.clone(), name.to_owned())),
            }
        }
        all.push(path);
        waiting.extend(named.into_iter().rev());
    }
    (all, missing)
}

/// `-r x`, `-rx`, `--requirement x`, `--requirement=x`, and the same with `-c`.
fn named_file(line: &str) -> Option<&str> {
    let line = line.split(" #").next().unwrap_or(line).trim();
    let rest = ["--requirement", "--constraint", "-r", "-c"]
        .iter()
        .find_map(|option| line.strip_prefix(option))?;
    let name = rest.trim_start_matches(['=', ' ', '\t']).trim();
    (!name.is_empty() && !name.contains("://")).then_some(name)
}

/// The packages include this one, by name, in the list or the project file.
pub(super) fn names_package(tree: &dyn Tree, packages: &PythonPackages, package: &str) -> bool {
    files_of(packages).iter().any(|path| {
        tree.text(path).unwrap_or_default().lines().any(|line| {
            let line = line.trim().trim_start_matches(['"', '\'']);
            line.get(..package.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(package))
                && !line[package.len()..].starts_with(|c: char| c.is_alphanumeric() || "-_.".contains(c))
                // `dependencies = ["celery", …]` on one line
                || (file_name(path) == "pyproject.toml" && line.contains(&format!("\"{package}")))
        })
    })
}

fn files_of(packages: &PythonPackages) -> Vec<String> {
    let project = |dir: &RepoPath| vec![in_folder(dir.as_str(), "pyproject.toml")];
    match packages {
        PythonPackages::Requirements { all, .. } => all.iter().map(ToString::to_string).collect(),
        PythonPackages::Uv { dir }
        | PythonPackages::Poetry { dir }
        | PythonPackages::Project { dir } => project(dir),
        PythonPackages::Pipenv { dir, .. } => vec![in_folder(dir.as_str(), "Pipfile")],
    }
}
