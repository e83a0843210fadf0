//! Where a frontend's built files come out: options of the build script, the tool's configuration, the tool's default.
//!
//! takes: a tree, a package · gives: a path in the repository · touches: nothing

use super::package::Package;
use super::scan::{Language, javascript_path, value_of, without_comments};
use crate::base::names::RepoPath;
use crate::config::tree::{Tree, in_folder};

const SUFFIXES: [&str; 6] = ["js", "ts", "mjs", "mts", "cjs", "cts"];

/// What decided, where it could be told.
enum Answer {
    /// Relative to the package's folder.
    Path(String),
    /// This file sets it, in a way that only running it would tell.
    Computed(String),
    /// Nothing sets it.
    Default(&'static str),
}

/// The folder of the built files.
pub(super) fn detect(tree: &dyn Tree, package: &Package, notes: &mut Vec<String>) -> RepoPath {
    let dir: RepoPath = package.dir.parse().unwrap_or_else(|_| RepoPath::root());
    let default = default_of(package);
    let answer = script_option(package).map_or_else(|| configured(tree, package), Answer::Path);
    let relative = match answer {
        Answer::Path(path) => path,
        Answer::Default(path) => path.to_owned(),
        Answer::Computed(file) => {
            notes.push(format!(
                "`{file}` computes where the files come out; taken as `{default}` (write `output` in [frontend] if not)"
            ));
            default.to_owned()
        }
    };
    dir.join(relative.trim_end_matches('/')).unwrap_or_else(|_| {
        notes.push(format!(
            "the built files come out at `{relative}`, outside the repository: write `output` in [frontend]"
        ));
        dir.join(default).unwrap_or(dir)
    })
}

fn default_of(package: &Package) -> &'static str {
    if package.depends_on("react-scripts") {
        "build"
    } else if package.depends_on("next") {
        "out"
    } else {
        "dist"
    }
}

/// `vite build --outDir ../x`, `vue-cli-service build --dest x`, `BUILD_PATH=../x react-scripts build`.
fn script_option(package: &Package) -> Option<String> {
    let (_, script) = package.build.as_ref()?;
    let words = shell_words::split(script).ok()?;
    let options = [
        "--outDir",
        "--dest",
        "--output-path",
        "--dist-dir",
        "--out-dir",
    ];
    for (at, word) in words.iter().enumerate() {
        if let Some(path) = word.strip_prefix("BUILD_PATH=") {
            return Some(path.to_owned());
        }
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if options.contains(&name) {
            let value = if value.is_empty() {
                words.get(at + 1)?
            } else {
                value
            };
            return Some(value.to_owned());
        }
    }
    None
}

fn configured(tree: &dyn Tree, package: &Package) -> Answer {
    let config = |name: &str| {
        SUFFIXES
            .iter()
            .map(|suffix| in_folder(&package.dir, &format!("{name}.config.{suffix}")))
            .find(|path| tree.has(path))
    };
    let default = default_of(package);
    if package.depends_on("@vue/cli-service") {
        return match config("vue") {
            Some(file) => value_in(tree, file, "outputDir", default),
            None => Answer::Default(default),
        };
    }
    if package.depends_on("@angular/cli") {
        return angular(tree, package).map_or(Answer::Default(default), Answer::Path);
    }
    if let Some(file) = config("vite") {
        return vite(tree, file, default);
    }
    if !package.depends_on("react-scripts")
        && let Some(file) = config("webpack")
    {
        return webpack(tree, file, default);
    }
    Answer::Default(default)
}

fn source(tree: &dyn Tree, file: &str) -> String {
    without_comments(&tree.text(file).unwrap_or_default(), Language::JavaScript)
}

fn value_in(tree: &dyn Tree, file: String, name: &str, default: &'static str) -> Answer {
    match value_of(&source(tree, &file), name) {
        None => Answer::Default(default),
        Some(value) => javascript_path(value).map_or(Answer::Computed(file), Answer::Path),
    }
}

/// `build.outDir`, which is relative to `root`.
fn vite(tree: &dyn Tree, file: String, default: &'static str) -> Answer {
    let text = source(tree, &file);
    let root = value_of(&text, "root")
        .and_then(javascript_path)
        .unwrap_or_default();
    let absolute = value_of(&text, "outDir").is_some_and(|value| value.contains('('));
    match value_in(tree, file, "outDir", default) {
        Answer::Path(path) if !absolute => {
            Answer::Path(in_folder(root.trim_end_matches('/'), &path))
        }
        Answer::Default(path) if !root.is_empty() => {
            Answer::Path(in_folder(root.trim_end_matches('/'), path))
        }
        answer => answer,
    }
}

/// `output.path`; webpack takes an absolute path only, so it is always computed from `__dirname`.
fn webpack(tree: &dyn Tree, file: String, default: &'static str) -> Answer {
    let text = source(tree, &file);
    let path = value_of(&text, "output").and_then(|output| value_of(output, "path"));
    match path {
        None => Answer::Default(default),
        Some(path) => javascript_path(path).map_or(Answer::Computed(file), Answer::Path),
    }
}

/// `outputPath` of the first project in angular.json; the application builder puts the site into `browser` below it.
fn angular(tree: &dyn Tree, package: &Package) -> Option<String> {
    let text = tree.text(&in_folder(&package.dir, "angular.json"))?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    let (name, project) = json.get("projects")?.as_object()?.iter().next()?;
    let target = project
        .get("architect")
        .or(project.get("targets"))?
        .get("build")?;
    let path = target
        .pointer("/options/outputPath")
        .and_then(|path| path.as_str())
        .map_or_else(|| format!("dist/{name}"), str::to_owned);
    let below = target
        .get("builder")
        .and_then(|builder| builder.as_str())
        .is_some_and(|builder| builder.ends_with(":application"));
    Some(if below {
        format!("{path}/browser")
    } else {
        path
    })
}
