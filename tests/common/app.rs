//! The projects that are deployed.

use std::fs;
use std::path::{Path, PathBuf};

/// A project to deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    /// The example: Vue, Django REST framework, Celery worker and beat, uploads.
    Notes,
    /// Django, and a frontend that builds in a moment; `tests/fixtures/small`.
    Small,
    /// Files as they are; `tests/fixtures/static`.
    Static,
}

impl App {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notes => "notes",
            Self::Small => "small",
            Self::Static => "static",
        }
    }

    pub(crate) fn has_caches(self) -> bool {
        self != Self::Static
    }

    fn folder(self) -> PathBuf {
        let folder = match self {
            Self::Notes => "examples/notes",
            Self::Small => "tests/fixtures/small",
            Self::Static => "tests/fixtures/static",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
    }

    /// Every file of the project that belongs into git.
    pub(crate) fn files(self) -> Vec<(String, Vec<u8>)> {
        let (root, mut files) = (self.folder(), Vec::new());
        walk(&root, &mut |path| {
            let name = path
                .strip_prefix(&root)
                .expect("it lies below")
                .to_string_lossy();
            let content = fs::read(path).expect("a file of the fixture can be read");
            files.push((name.into_owned(), content));
        });
        files.sort();
        files
    }

    /// The frontend's folder and the backend's file that name the release.
    pub(crate) fn release_files(self) -> (&'static str, &'static str) {
        match self {
            Self::Notes => (
                "notes-front-end/src/release.js",
                "notesBackEnd/notesBackEnd/release.py",
            ),
            Self::Small => ("frontend/src/release.js", "backend/small/release.py"),
            Self::Static => ("index.html", "index.html"),
        }
    }

    /// The files that are not in git, each with the example to make it from.
    pub(crate) fn shared_files(self) -> &'static [&'static str] {
        match self {
            Self::Notes => &[
                "notes-front-end/src/variables/localVariables.js",
                "notesBackEnd/notesBackEnd/localsettings.py",
            ],
            _ => &[],
        }
    }
}

fn walk(folder: &Path, each: &mut dyn FnMut(&Path)) {
    const MADE: [&str; 7] = [
        "node_modules",
        "dist",
        "__pycache__",
        "staticroot",
        "data",
        "venv",
        ".venv",
    ];
    let entries = fs::read_dir(folder).expect("a folder of the fixture can be read");
    for entry in entries.map(|entry| entry.expect("and its entries")) {
        let path = entry.path();
        if path.is_dir() {
            if !MADE.contains(&entry.file_name().to_string_lossy().as_ref()) {
                walk(&path, each);
            }
        } else {
            each(&path);
        }
    }
}
