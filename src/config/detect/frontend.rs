//! The frontend: which folder, how it is built, where its files come out.
//!
//! takes: a tree, and what landfall.toml pins · gives: [`Frontend`] · touches: nothing

use std::collections::BTreeMap;

use super::manager;
use super::output;
use super::package::Package;
use crate::base::names::{EnvName, RepoPath};
use crate::config::settings::{Frontend, FrontendBuild, PackageManager};
use crate::config::tree::{Tree, depth, file_name, in_folder, is_installed, parent};
use crate::config::{defaults, detect};

/// Folders whose name says frontend.
const NAMES: [&str; 9] = [
    "frontend", "front", "client", "web", "ui", "app", "webapp", "vue", "react",
];

/// What landfall.toml says that changes what is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pins<'a> {
    /// The folder.
    pub dir: Option<&'a RepoPath>,
    /// The package manager.
    pub manager: Option<PackageManager>,
}

/// Looks for a frontend. With a pinned folder there always is one: built where its `package.json` has a build script,
/// served as it is otherwise.
pub fn detect(
    tree: &dyn Tree,
    pins: Pins<'_>,
    has_backend: bool,
    notes: &mut Vec<String>,
) -> Option<Frontend> {
    if let Some(dir) = pins.dir {
        let package = Package::read(tree, dir.as_str()).filter(|package| package.build.is_some());
        return Some(match package {
            Some(package) => built(tree, &package, pins.manager, notes)?,
            None => as_it_is(dir.clone()),
        });
    }
    match choose(tree, notes) {
        Some(package) => built(tree, &package, pins.manager, notes),
        None => committed(tree, has_backend, notes),
    }
}

/// All but the command, for a folder whose build command is written down.
pub fn around_command(
    tree: &dyn Tree,
    dir: &RepoPath,
    pinned: Option<PackageManager>,
    notes: &mut Vec<String>,
) -> FrontendBuild {
    match Package::read(tree, dir.as_str()) {
        Some(package) => {
            let mut build = build_of(tree, &package, pinned, "", notes);
            build.command = Vec::new();
            build
        }
        // Not a Node project: nothing to install before the command that is written down.
        None => FrontendBuild {
            manager: pinned.unwrap_or(PackageManager::Npm),
            lockfile: None,
            install: vec!["true".into()],
            command: Vec::new(),
            env: BTreeMap::new(),
            timeout: defaults::FRONTEND_TIMEOUT,
        },
    }
}

fn as_it_is(dir: RepoPath) -> Frontend {
    Frontend {
        output: dir.clone(),
        dir,
        build: None,
    }
}

/// The package that is the app's frontend.
fn choose(tree: &dyn Tree, notes: &mut Vec<String>) -> Option<Package> {
    let mut candidates: Vec<Package> = tree
        .files()
        .named("", ["package.json"])
        .filter(|file| detect::is_own(file))
        .filter_map(|file| Package::read(tree, parent(&file)))
        .filter(|package| package.build.is_some())
        .collect();
    candidates.sort_by_cached_key(|package| {
        (
            !package.has_build_tool(),
            !has_sources(tree, &package.dir),
            depth(&in_folder(&package.dir, "x")),
            !says_frontend(&package.dir),
            package.dir.clone(),
        )
    });
    // A second one is worth a word only if it could have been meant.
    let others: Vec<String> = candidates
        .iter()
        .skip(1)
        .filter(|package| package.has_build_tool())
        .map(|package| detect::shown(&package.dir))
        .collect();
    let chosen = candidates.into_iter().next()?;
    if !others.is_empty() {
        notes.push(format!(
            "the frontend is {}; also with a build script: {} (choose with `dir` in [frontend])",
            detect::shown(&chosen.dir),
            others.join(", ")
        ));
    }
    Some(chosen)
}

fn says_frontend(dir: &str) -> bool {
    let name = file_name(dir).to_lowercase();
    NAMES.contains(&name.as_str())
        || name.contains("front-end")
        || name.contains("frontend")
        || name.starts_with("vue")
}

/// An incomplete one has a package.json and little else.
fn has_sources(tree: &dyn Tree, dir: &str) -> bool {
    ["src", "app", "pages", "public"]
        .iter()
        .any(|folder| tree.has_folder(&in_folder(dir, folder)))
        || tree.has(&in_folder(dir, "index.html"))
}

fn built(
    tree: &dyn Tree,
    package: &Package,
    pinned: Option<PackageManager>,
    notes: &mut Vec<String>,
) -> Option<Frontend> {
    let dir: RepoPath = package.dir.parse().ok()?;
    let (script, _) = package.build.as_ref()?;
    let output = output::detect(tree, package, notes);
    if tree.has(&in_folder(output.as_str(), "index.html")) && output != dir {
        notes.push(format!(
            "`{output}` is in git and built again at each deploy; to serve it as committed write `dir = \"{output}\"` in [frontend]"
        ));
    }
    Some(Frontend {
        build: Some(build_of(tree, package, pinned, script, notes)),
        dir,
        output,
    })
}

fn build_of(
    tree: &dyn Tree,
    package: &Package,
    pinned: Option<PackageManager>,
    script: &str,
    notes: &mut Vec<String>,
) -> FrontendBuild {
    let install = manager::detect(tree, package, pinned, notes);
    let command = [manager::program(install.manager), "run", script];
    FrontendBuild {
        manager: install.manager,
        lockfile: install.lockfile,
        install: install.command.split(' ').map(str::to_owned).collect(),
        command: command.map(str::to_owned).to_vec(),
        env: environment(package, notes),
        timeout: defaults::FRONTEND_TIMEOUT,
    }
}

fn environment(package: &Package, notes: &mut Vec<String>) -> BTreeMap<EnvName, String> {
    let mut env = BTreeMap::new();
    let script = package
        .build
        .as_ref()
        .map_or("", |(_, script)| script.as_str());
    let mut set = |name: &str, value: &str| {
        if let Ok(name) = name.parse() {
            env.insert(name, value.to_owned());
        }
    };
    if package.depends_on("cypress") {
        set("CYPRESS_INSTALL_BINARY", "0");
    }
    if package.depends_on("puppeteer") {
        set("PUPPETEER_SKIP_DOWNLOAD", "1");
    }
    if needs_legacy_openssl(package) && !script.contains("openssl-legacy-provider") {
        set("NODE_OPTIONS", "--openssl-legacy-provider");
    }
    // `set A=b && build`: elsewhere than on Windows the line runs, but the variable is not set.
    if let Some(first) = script
        .strip_prefix("set ")
        .and_then(|rest| rest.split('&').next())
        && let Some((name, value)) = first.trim().split_once('=')
    {
        set(name.trim(), value.trim().trim_matches('"'));
        notes.push(format!(
            "the build script begins with Windows' `set {name}=…`, which does nothing here: set from [frontend.env] instead"
        ));
    }
    env
}

/// webpack 4 hashes with MD4, which OpenSSL 3 (Node 17 and later) refuses.
fn needs_legacy_openssl(package: &Package) -> bool {
    [("@vue/cli-service", 5), ("react-scripts", 5), ("webpack", 5)]
        .iter()
        .any(|(tool, fixed)| package.major(tool).is_some_and(|major| major < *fixed))
        // A newer tool brings its own webpack.
        && package.major("@vue/cli-service").is_none_or(|major| major < 5)
}

/// Static files that are served as they are in git.
fn committed(tree: &dyn Tree, has_backend: bool, notes: &mut Vec<String>) -> Option<Frontend> {
    let mut pages: Vec<&str> = tree
        .files()
        .iter()
        .filter(|file| file.name == "index.html")
        .map(|file| file.folder)
        .filter(|folder| !is_installed(folder))
        .filter(|folder| {
            if has_backend {
                built_beside(tree, folder)
            } else {
                depth(folder) == 0 && ["", "public", "dist", "site", "build"].contains(folder)
                    || built_beside(tree, folder)
            }
        })
        .collect();
    pages.sort_by_key(|folder| (depth(&in_folder(folder, "x")), folder.len()));
    let folder = pages.first()?;
    notes.push(format!(
        "{} is served as committed: it has an index.html and nothing that builds it",
        detect::shown(folder)
    ));
    Some(as_it_is(folder.parse().ok()?))
}

/// A committed `dist` or `build` in what is a frontend's folder by its name or its `package.json`.
fn built_beside(tree: &dyn Tree, folder: &str) -> bool {
    let above = parent(folder);
    ["dist", "build"].contains(&file_name(folder))
        && (says_frontend(above) || tree.has(&in_folder(above, "package.json")))
}
