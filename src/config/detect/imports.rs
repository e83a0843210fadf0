//! Files a frontend imports that are not in the repository.
//!
//! takes: a tree, the frontend's folder · gives: paths · touches: nothing

use super::has_example;
use super::package::Package;
use super::scan::{Language, after_word, literal, without_comments};
use crate::config::ignored::Ignored;
use crate::config::tree::{Tree, file_name, in_folder, is_installed, parent};

/// A frontend with more sources than this is not read through.
const MOST_FILES: usize = 4000;
const SOURCES: [&str; 6] = [".js", ".ts", ".vue", ".jsx", ".tsx", ".mjs"];
const RESOLVED: [&str; 9] = [
    "",
    ".js",
    ".ts",
    ".vue",
    ".jsx",
    ".tsx",
    ".json",
    "/index.js",
    "/index.ts",
];

/// Imported by path, absent, and meant to be: ignored by git, or with an example beside it. What the app's own scripts
/// name is made by them.
pub(super) fn missing(tree: &dyn Tree, dir: &str) -> Vec<String> {
    let ignored = Ignored::of(tree);
    let scripts = Package::read(tree, dir)
        .map(|package| package.scripts.join("\n"))
        .unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    let sources = tree
        .files()
        .below(dir)
        .filter(|file| SOURCES.iter().any(|suffix| file.name.ends_with(suffix)))
        .map(|file| file.to_string())
        .filter(|file| !is_installed(file));
    for file in sources.take(MOST_FILES) {
        let text = without_comments(&tree.text(&file).unwrap_or_default(), Language::JavaScript);
        for target in imported(&text)
            .iter()
            .filter_map(|path| resolve(dir, &file, path))
        {
            let absent = RESOLVED
                .iter()
                .all(|suffix| !tree.has(&format!("{target}{suffix}")));
            if !absent || found.iter().any(|path| path.starts_with(&target)) {
                continue;
            }
            let made = scripts.contains(file_name(&target)) || is_generated(&target);
            let meant = |path: &String| ignored.names(path) || has_example(tree, path);
            let candidates = ["", ".js", ".ts", ".json"].map(|suffix| format!("{target}{suffix}"));
            let candidates = candidates
                .iter()
                .filter(|path| file_name(path).contains('.'));
            if !made {
                found.extend(candidates.filter(|path| meant(path)).take(1).cloned());
            }
        }
    }
    found.sort();
    found
}

fn is_generated(path: &str) -> bool {
    path.split('/').any(|part| {
        [
            "dist",
            "build",
            "generated",
            "__generated__",
            ".nuxt",
            "coverage",
        ]
        .contains(&part)
    })
}

/// The paths in `import … from 'x'`, `import 'x'`, `import('x')`, `require('x')`.
fn imported(text: &str) -> Vec<String> {
    ["from", "import", "require"]
        .iter()
        .flat_map(|word| after_word(text, word))
        .filter_map(|rest| {
            let rest = rest.trim_start();
            literal(rest.strip_prefix('(').unwrap_or(rest).trim_start())
        })
        .map(|(path, _)| path.split('?').next().unwrap_or(path).to_owned())
        .collect()
}

/// `./x`, `../x`, and `@/x` for the sources' folder.
fn resolve(dir: &str, file: &str, path: &str) -> Option<String> {
    let (folder, relative) = if let Some(rest) = path.strip_prefix("@/") {
        (in_folder(dir, "src"), rest)
    } else if path.starts_with("./") || path.starts_with("../") {
        (parent(file).to_owned(), path)
    } else {
        return None;
    };
    let folder: crate::base::names::RepoPath = folder.parse().ok()?;
    folder.join(relative).ok().map(|path| path.to_string())
}
