//! What a repository says by itself: frontend, backend, workers, what outlives releases. Nothing is run; what cannot be
//! told is a note, not a guess.
//!
//! takes: a tree, and what landfall.toml pins · gives: parts of [`super::settings::Settings`] and notes · touches: nothing

pub mod backend;
mod celery;
mod env;
pub mod frontend;
pub mod health;
mod imports;
mod manager;
mod output;
mod package;
mod procfile;
pub mod python;
mod python_path;
mod scan;
pub mod shared;
mod sources;
pub mod workers;

pub use env::required as required_env;

use super::tree::{Tree, file_name, in_folder, is_installed};

/// Folders whose files show or test something and are not the app.
const ASIDE: [&str; 10] = [
    "tests", "test", "testing", "fixtures", "examples", "example", "samples", "docs", "doc", "e2e",
];

/// A file of the app itself: not installed, not a test's, not a template of a project generator.
fn is_own(path: &str) -> bool {
    !is_installed(path)
        && !path.contains("{{")
        && !super::tree::parent(path)
            .split('/')
            .any(|part| ASIDE.contains(&part))
}

/// A folder in a message.
pub fn shown(dir: &str) -> String {
    if dir.is_empty() {
        "the repository's root".into()
    } else {
        format!("`{dir}`")
    }
}

/// Files that stand for one that is not in git: `local.py.example`, `local.example.py`, `example.local.py`.
fn has_example(tree: &dyn Tree, path: &str) -> bool {
    const WORDS: [&str; 6] = ["example", "sample", "dist", "template", "default", "tpl"];
    let folder = super::tree::parent(path);
    let name = file_name(path);
    let (stem, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
    WORDS.iter().any(|word| {
        [
            format!("{name}.{word}"),
            format!("{word}.{name}"),
            format!("{stem}.{word}.{suffix}"),
            format!("{stem}_{word}.{suffix}"),
            format!("{stem}-{word}.{suffix}"),
            format!("{word}_{name}"),
        ]
        .iter()
        .any(|candidate| tree.has(&in_folder(folder, candidate)))
    })
}

#[cfg(test)]
mod tests;
