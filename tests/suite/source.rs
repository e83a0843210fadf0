//! The files of `src/`, without their tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of `src/`.
pub(crate) struct Source {
    /// Its path from `src/`: `stage/boot.rs`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// It holds nothing but tests.
    pub(crate) is_test: bool,
}

impl Source {
    /// The first part of its path: `stage`, `deploy`.
    pub(crate) fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// Its lines that are code of the program: no comments, nothing below `#[cfg(test)] mod`.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = if self.is_test { "" } else { self.text.as_str() };
        let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        text[..end]
            .lines()
            .enumerate()
            .map(|(number, line)| (number + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Every file of `src/`, by path.
pub(crate) fn files() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let tests = test_modules(&paths);
    paths
        .into_iter()
        .map(|path| Source {
            text: fs::read_to_string(&path).unwrap(),
            is_test: tests.iter().any(|test| path.starts_with(test)),
            path: path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned(),
        })
        .collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The files and folders of modules that are declared `#[cfg(test)] mod NAME;`, with or without a `#[path]`.
fn test_modules(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        let folder = path.parent().unwrap();
        for declared in text.split("#[cfg(test)]\n").skip(1) {
            let mut lines = declared.lines();
            let first = lines.next().unwrap_or_default();
            if let Some(file) = first
                .strip_prefix("#[path = \"")
                .and_then(|rest| rest.strip_suffix("\"]"))
            {
                found.push(folder.join(file));
            } else if let Some(name) = first
                .split("mod ")
                .nth(1)
                .and_then(|rest| rest.strip_suffix(';'))
            {
                let folder = match path.file_stem().unwrap().to_str().unwrap() {
                    "mod" | "lib" | "main" => folder.to_owned(),
                    stem => folder.join(stem),
                };
                found.push(folder.join(name));
                found.push(folder.join(format!("{name}.rs")));
            }
        }
    }
    found
}
