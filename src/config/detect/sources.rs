//! The Django settings of an app as text: the module, and those it imports everything from.
//!
//! takes: a tree, the backend's folder, a module · gives: [`Sources`] · touches: nothing

use super::scan::{Language, without_comments};
use crate::config::tree::{Tree, file_name, in_folder, parent};

/// More files than this are no settings any more.
const MOST: usize = 40;

/// Settings files, the module named first; without comments.
#[derive(Debug, Default)]
pub struct Sources {
    /// The backend's folder.
    pub(super) folder: String,
    pub(super) files: Vec<Source>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

/// An import a settings file makes of a module of the app.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// Where its file would be, without `.py`.
    pub(super) stem: String,
    /// It stands in a `try` block.
    pub(super) tried: bool,
}

impl Sources {
    /// Follows the imports, each file once.
    pub(super) fn of(tree: &dyn Tree, folder: &str, module: &str) -> Self {
        let mut sources = Self {
            folder: folder.to_owned(),
            files: Vec::new(),
        };
        let mut waiting: Vec<String> = module_file(tree, folder, module).into_iter().collect();
        while let Some(path) = waiting.pop() {
            if sources.files.len() == MOST || sources.files.iter().any(|file| file.path == path) {
                continue;
            }
            let text = without_comments(&tree.text(&path).unwrap_or_default(), Language::Python);
            let found = imports(&path, &text, folder);
            waiting.extend(
                found
                    .iter()
                    .filter_map(|import| stem_file(tree, &import.stem)),
            );
            sources.files.push(Source { path, text });
        }
        sources
    }

    /// One of the files has this text.
    pub(super) fn mention(&self, text: &str) -> bool {
        self.files.iter().any(|file| file.text.contains(text))
    }
}

/// The file of a dotted module, looked for from the backend's folder.
pub(super) fn module_file(tree: &dyn Tree, folder: &str, module: &str) -> Option<String> {
    stem_file(tree, &in_folder(folder, &module.replace('.', "/")))
}

fn stem_file(tree: &dyn Tree, stem: &str) -> Option<String> {
    [format!("{stem}.py"), format!("{stem}/__init__.py")]
        .into_iter()
        .find(|path| tree.has(path))
}

/// Imports of the app's own modules: relative ones, and those whose first package lies in the backend's folder or is the
/// file's own.
pub(super) fn imports(path: &str, text: &str, folder: &str) -> Vec<Import> {
    let mut found = Vec::new();
    let mut tried: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let statement = line.trim();
        if statement.is_empty() {
            continue;
        }
        if tried.is_some_and(|level| indent <= level) {
            tried = None;
        }
        if statement.starts_with("try:") {
            tried = Some(indent);
        }
        let stems = import_stems(path, statement.trim_start_matches("try:").trim(), folder);
        found.extend(stems.into_iter().map(|stem| Import {
            stem,
            tried: tried.is_some(),
        }));
    }
    found
}

fn import_stems(path: &str, statement: &str, folder: &str) -> Vec<String> {
    let Some((module, names)) = statement
        .strip_prefix("from ")
        .and_then(|rest| rest.split_once(" import"))
    else {
        return Vec::new();
    };
    let module = module.trim();
    let dots = module.len() - module.trim_start_matches('.').len();
    let inner = module[dots..].replace('.', "/");
    if dots == 0 {
        let own = path
            .strip_prefix(folder)
            .unwrap_or(path)
            .trim_start_matches('/');
        let same_package = own.split('/').next() == inner.split('/').next();
        let stem = in_folder(folder, &inner);
        return if same_package { vec![stem] } else { Vec::new() };
    }
    let mut base = parent(path);
    for _ in 1..dots {
        base = parent(base);
    }
    if inner.is_empty() {
        // `from . import local`
        return names
            .split(',')
            .map(|name| name.trim().split(' ').next().unwrap_or_default())
            .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
            .filter(|name| !name.is_empty())
            .map(|name| in_folder(base, name))
            .collect();
    }
    vec![in_folder(base, &inner)]
}

/// The dotted module of a file below the backend's folder; `None` where a part is no Python name.
pub(super) fn module_of(folder: &str, path: &str) -> Option<String> {
    let inner = match folder {
        "" => path,
        folder => path.strip_prefix(folder)?.strip_prefix('/')?,
    };
    let stem = inner.strip_suffix(".py")?;
    let stem = if file_name(stem) == "__init__" {
        parent(stem)
    } else {
        stem
    };
    let module = stem.replace('/', ".");
    module
        .parse::<crate::base::names::PythonName>()
        .is_ok()
        .then_some(module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::MemoryTree;

    #[test]
    fn star_imports_are_followed_and_loops_end() {
        let tree = MemoryTree::new(&[
            (
                "api/app/settings/prod.py",
                "from .base import *\nfrom django.conf import x",
            ),
            (
                "api/app/settings/base.py",
                "from app.settings.prod import *\nfrom ..extra import y # z",
            ),
            ("api/app/extra.py", "A = 1"),
        ]);
        let sources = Sources::of(&tree, "api", "app.settings.prod");
        let paths: Vec<&str> = sources
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "api/app/settings/prod.py",
                "api/app/settings/base.py",
                "api/app/extra.py"
            ]
        );
        assert!(sources.mention("A = 1") && !sources.mention("# z"));
    }

    #[test]
    fn a_tried_import_is_optional() {
        let text = "try:\n    from .local import *\nexcept ImportError:\n    pass\nfrom .must import *\nfrom . import a, b as c";
        let stems: Vec<(String, bool)> = imports("app/settings.py", text, "")
            .into_iter()
            .map(|import| (import.stem, import.tried))
            .collect();
        let expected = [
            ("app/local", true),
            ("app/must", false),
            ("app/a", false),
            ("app/b", false),
        ];
        assert_eq!(
            stems,
            expected.map(|(stem, tried)| (stem.to_owned(), tried))
        );
    }
}
