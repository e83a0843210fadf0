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
    /// It stands in a `try` block, and the code goes on without it.
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
    let lines: Vec<&str> = text.lines().collect();
    // The `try` blocks a line stands in: their indents, and whether the code goes on without what is tried.
    let mut tries: Vec<(usize, bool)> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let (indent, statement) = (indent(line), line.trim());
        if statement.is_empty() {
            continue;
        }
        tries.retain(|(level, _)| indent > *level);
        if statement.starts_with("try:") {
            tries.push((indent, goes_on(&lines[number + 1..], indent)));
        }
        let stems = import_stems(path, statement.trim_start_matches("try:").trim(), folder);
        let is_tried = tries.iter().any(|(_, goes_on)| *goes_on);
        found.extend(stems.into_iter().map(|stem| Import {
            stem,
            tried: is_tried,
        }));
    }
    found
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// True if one of the handlers of the `try` block that `rest` begins in, at `level`, does not end in `raise`.
fn goes_on(rest: &[&str], level: usize) -> bool {
    // Of the handler that is being read: its body's indent, and whether it raises whatever happens.
    let mut handler: Option<(Option<usize>, bool)> = None;
    for line in rest.iter().filter(|line| !line.trim().is_empty()) {
        let (indent, statement) = (indent(line), line.trim());
        if indent <= level {
            if handler.is_some_and(|(_, raises)| !raises) {
                return true;
            }
            let is_clause = indent == level
                && ["except", "else", "finally"]
                    .iter()
                    .any(|word| statement.starts_with(word));
            if !is_clause {
                return false;
            }
            handler = statement.starts_with("except").then(|| {
                let body = statement.split_once(':').map_or("", |(_, body)| body);
                (None, raises(body.trim()))
            });
        } else if let Some((body, raised)) = &mut handler {
            let body = *body.get_or_insert(indent);
            *raised |= indent == body && raises(statement);
        }
    }
    handler.is_some_and(|(_, raises)| !raises)
}

fn raises(statement: &str) -> bool {
    statement == "raise"
        || ["raise ", "sys.exit(", "exit("]
            .iter()
            .any(|word| statement.starts_with(word))
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
    fn a_tried_import_is_required_where_every_handler_raises() {
        let tried = |handlers: &str| {
            let text = format!("try:\n    from .local import A\n{handlers}\nB = 1\n");
            let found = imports("app/settings.py", &text, "");
            assert_eq!(found[0].stem, "app/local");
            found[0].tried
        };
        for raising in [
            "except ImportError:\n    raise",
            "except ImportError: raise ValueError('x')",
            "except ModuleNotFoundError as error:\n    if error.name != 'x':\n        raise\n    raise Bad(\n        'x'\n    ) from None",
            "except A:\n    print('x')\n    sys.exit(1)\nexcept B:\n    raise\nelse:\n    C = 1",
            "finally:\n    pass",
        ] {
            assert!(!tried(raising), "{raising}");
        }
        for going_on in [
            "except ImportError:\n    pass",
            "except ImportError: pass",
            "except ImportError:\n    if DEBUG:\n        raise\n    A = 2",
            "except A:\n    raise\nexcept B:\n    from .other import A",
            "except ImportError:\n    raised = 1",
        ] {
            assert!(tried(going_on), "{going_on}");
        }
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
