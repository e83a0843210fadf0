//! Variables the app cannot run without, from `.env.example`.
//!
//! takes: a tree, the backend's folder · gives: names · touches: nothing

use crate::base::names::{EnvName, RepoPath};
use crate::config::env_file::EnvFile;
use crate::config::tree::{Tree, in_folder};

const FILES: [&str; 7] = [
    ".env.example",
    ".env.sample",
    ".env.dist",
    ".env.template",
    "env.example",
    "env.sample",
    "example.env",
];
/// Values that stand for one to be filled in.
const PLACEHOLDERS: [&str; 7] = ["change", "your", "<", "xxx", "todo", "...", "secret"];
/// Names whose value in a public file is never the one to use.
const SECRETS: [&str; 6] = [
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "TOKEN",
    "API_KEY",
    "PRIVATE_KEY",
];
/// Names the frontend's build reads.
const FRONTEND: [&str; 5] = ["VUE_APP_", "VITE_", "REACT_APP_", "NEXT_PUBLIC_", "NUXT_"];

/// Names in the backend's example file (or the root's) that have no usable value there: empty, a placeholder, or a
/// secret's. What has a value is taken to have a default in the code too.
pub fn required(tree: &dyn Tree, dir: &RepoPath) -> Vec<EnvName> {
    let folders = [dir.as_str(), ""];
    let Some(text) = folders
        .iter()
        .flat_map(|folder| FILES.map(|name| in_folder(folder, name)))
        .find_map(|path| tree.text(&path))
    else {
        return Vec::new();
    };
    // Example files hold more than assignments now and then: read what can be read.
    let parsed = EnvFile::parse(&text).ok().unwrap_or_else(|| by_line(&text));
    parsed
        .iter()
        .filter(|(name, value)| !is_frontends(name) && has_no_default(name, value.expose()))
        .map(|(name, _)| name.clone())
        .collect()
}

fn by_line(text: &str) -> EnvFile {
    let mut all = EnvFile::default();
    for line in text.lines().filter_map(|line| EnvFile::parse(line).ok()) {
        for (name, value) in line.iter() {
            // A value read from a line has no NUL.
            let _ = all.set(name.clone(), value.clone());
        }
    }
    all
}

fn is_frontends(name: &EnvName) -> bool {
    FRONTEND
        .iter()
        .any(|prefix| name.as_str().starts_with(prefix))
}

fn has_no_default(name: &EnvName, value: &str) -> bool {
    let value = value.to_lowercase();
    value.is_empty()
        || PLACEHOLDERS.iter().any(|word| value.contains(word))
        || SECRETS.iter().any(|word| name.as_str().contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::MemoryTree;

    #[test]
    fn names_without_a_usable_value_are_required() {
        let text = "# comment\nDEBUG=False\nSECRET_KEY=abc\nDATABASE_URL=\nMAIL=<address>\nVITE_X=\nexport PORT=1\nnot a line\n";
        let tree = MemoryTree::new(&[(".env.example", text), ("api/manage.py", "")]);
        let names = required(&tree, &"api".parse().unwrap());
        let names: Vec<&str> = names.iter().map(EnvName::as_str).collect();
        assert_eq!(names, ["DATABASE_URL", "MAIL", "SECRET_KEY"]);
        let tree = tree.with("api/.env.sample", b"A=");
        assert_eq!(required(&tree, &"api".parse().unwrap()).len(), 1);
    }
}
