//! The reference file, the file `init` writes, and input nobody meant.

use crate::config::error::Document;
use crate::config::init::render;
use crate::config::settings::Settings;
use crate::config::settle::settle;
use crate::config::tree::{MemoryTree, Tree};
use crate::config::written::{
    BackendKeys, EnvKeys, FILE, FrontendKeys, GateKeys, HealthKeys, SharedKeys, WorkerKeys, Written,
};

const REFERENCE: &str = include_str!("../../../examples/landfall.toml");

/// A repository that the reference file fits.
pub(super) fn notes() -> MemoryTree {
    MemoryTree::new(&[
        (
            "notesBackEnd/manage.py",
            "setdefault('DJANGO_SETTINGS_MODULE', 'notes.settings')",
        ),
        (
            "notesBackEnd/notes/settings.py",
            "BASE_DIR = Path(__file__).resolve().parent.parent\nMEDIA_ROOT = BASE_DIR / 'media'\nCELERY_BEAT_SCHEDULE = {}\nfrom .localsettings import *\n",
        ),
        ("notesBackEnd/notes/wsgi.py", "application = 1"),
        ("notesBackEnd/notes/urls.py", "path('healthz/', h)"),
        ("notesBackEnd/notes/celery.py", "app = Celery('notes')"),
        ("requirements.txt", "Django\ncelery\n"),
        (".gitignore", "localsettings.py\nlocalVariables.js\n"),
        (".env.example", "SECRET_KEY=\nDATABASE_URL=\n"),
        (
            "notes-front-end/package.json",
            r#"{"scripts": {"build": "vue-cli-service build"}, "devDependencies": {"@vue/cli-service": "^4"}}"#,
        ),
        (
            "notes-front-end/package-lock.json",
            r#"{"node_modules/@vue/cli-service": 1}"#,
        ),
        (
            "notes-front-end/src/main.js",
            "import '@/variables/localVariables'",
        ),
    ])
}

fn with_file(tree: &MemoryTree, text: &str) -> MemoryTree {
    tree.clone().with(FILE, text.as_bytes())
}

/// Notes are about what was guessed; what is written down is not.
fn without_notes(settings: Settings) -> Settings {
    Settings {
        notes: Vec::new(),
        ..settings
    }
}

#[test]
fn the_reference_has_every_key() {
    let written = Written::parse(&Document::new(FILE, REFERENCE)).unwrap();
    // Taken apart without `..`: a new key does not compile until it stands here and in the file.
    let Written {
        frontend,
        backend,
        mut workers,
        shared,
        env,
        gate,
        health,
    } = written;
    let FrontendKeys {
        enabled: Some(_),
        dir: Some(_),
        manager: Some(_),
        install: Some(_),
        build: Some(_),
        output: Some(_),
        env: variables,
        timeout: Some(_),
    } = frontend
    else {
        panic!("{frontend:?}");
    };
    assert!(!variables.is_empty());
    let BackendKeys {
        enabled: Some(_),
        dir: Some(_),
        settings: Some(_),
        wsgi: Some(_),
        requirements: Some(_),
        install_timeout: Some(_),
        start_timeout: Some(_),
        migrate_timeout: Some(_),
        processes: Some(_),
        threads: Some(_),
        paths: Some(_),
        migrate: Some(_),
        collectstatic: Some(_),
    } = backend
    else {
        panic!("{backend:?}");
    };
    let celery = workers.remove(&"celery".parse().unwrap()).unwrap();
    let WorkerKeys {
        enabled: Some(_),
        command: Some(_),
        stop_timeout: Some(_),
        ready_after: Some(_),
        singleton: Some(_),
    } = celery
    else {
        panic!("{celery:?}");
    };
    let SharedKeys {
        files: Some(_),
        dirs: Some(_),
    } = shared
    else {
        panic!("{shared:?}");
    };
    let EnvKeys { required: Some(_) } = env else {
        panic!("{env:?}");
    };
    let GateKeys {
        run: Some(_),
        timeout: Some(_),
    } = gate
    else {
        panic!("{gate:?}");
    };
    let HealthKeys {
        path: Some(_),
        timeout: Some(_),
    } = health
    else {
        panic!("{health:?}");
    };
}

#[test]
fn the_reference_says_what_is_detected_anyway() {
    let mut reference = without_notes(settle(&with_file(&notes(), REFERENCE)).unwrap());
    let mut detected = without_notes(settle(&notes()).unwrap());
    assert_eq!(reference.gate.run.len(), 2);
    // What cannot be detected.
    reference.gate.run.clear();
    reference.backend.as_mut().unwrap().paths = None;
    let env = &mut reference
        .frontend
        .as_mut()
        .unwrap()
        .build
        .as_mut()
        .unwrap()
        .env;
    env.remove(&"VUE_APP_TITLE".parse().unwrap()).unwrap();
    detected.required_env.reverse();
    assert_eq!(reference, detected);
}

#[test]
fn what_init_writes_settles_to_the_same() {
    for tree in trees() {
        let settings = without_notes(settle(&tree).unwrap());
        let file = render(&settings);
        let again =
            settle(&with_file(&tree, &file)).unwrap_or_else(|error| panic!("{error}\n{file}"));
        assert_eq!(without_notes(again), settings, "{file}");
        // And once more, from a file with everything written.
        let written = settle(&with_file(&tree, &file)).unwrap();
        assert_eq!(render(&without_notes(written)), file);
    }
}

#[test]
fn what_was_written_survives_init() {
    let tree = with_file(&notes(), REFERENCE);
    let settings = settle(&tree).unwrap();
    let again = settle(&with_file(&tree, &render(&settings))).unwrap();
    assert_eq!(without_notes(again), without_notes(settings));
}

#[test]
fn init_names_what_was_guessed() {
    let mut settings = settle(&notes()).unwrap();
    settings.notes = vec!["line one\nenabled = false".into()];
    let file = render(&settings);
    assert!(
        file.contains("# - line one\\u{a}enabled = false\n"),
        "{file}"
    );
    assert!(
        file.contains("\n# processes = 2  # uWSGI's worker processes\n"),
        "{file}"
    );
    assert!(
        file.contains("\ncommand = \"celery -A notes worker --loglevel=INFO\""),
        "{file}"
    );
}

/// One repository of each kind.
fn trees() -> Vec<MemoryTree> {
    let mut trees = vec![notes(), MemoryTree::new(&[("index.html", "")])];
    trees.push(MemoryTree::new(&[("public/index.html", "")]));
    let outside = r#"{"scripts": {"build": "vite build --outDir ../api/static"}, "packageManager": "yarn@1"}"#;
    let backend = |files: &[(&str, &str)]| {
        files.iter().fold(
            MemoryTree::new(&[
                ("api/manage.py", "import django"),
                ("api/x/wsgi.py", "app = 1"),
            ]),
            |tree, (path, text)| tree.with(path, text.as_bytes()),
        )
    };
    trees.push(backend(&[
        ("requirements.txt", "-r b.txt"),
        ("b.txt", ""),
        ("web/package.json", outside),
    ]));
    trees.push(backend(&[("uv.lock", ""), ("pyproject.toml", "")]));
    trees.push(backend(&[
        ("api/poetry.lock", ""),
        ("api/pyproject.toml", ""),
    ]));
    trees.push(backend(&[("Pipfile", "")]));
    trees.push(backend(&[("Pipfile", ""), ("Pipfile.lock", "")]));
    trees.push(backend(&[("pyproject.toml", "[project]")]));
    trees.push(backend(&[
        ("requirements.txt", ""),
        (
            "Procfile",
            "odd: python manage.py x 'it is' \"a\\\"b\" ''\nworker: celery -A x worker -B",
        ),
    ]));
    trees
}

#[test]
fn no_input_makes_it_panic() {
    let refused = settle_mutations(FILE, REFERENCE.as_bytes());
    assert!((200..2000).contains(&refused), "{refused}");
    let tree = notes();
    for file in tree.files().iter().map(|file| file.to_string()) {
        let text = tree.read(&file).unwrap();
        if !text.is_empty() {
            settle_mutations(&file, &text);
        }
    }
}

/// Settles 2000 versions of the repository, with this file changed in a few places. How many were refused.
fn settle_mutations(file: &str, text: &[u8]) -> usize {
    let tree = notes();
    let pieces: [&[u8]; 16] = [
        b"[",
        b"]",
        b"\"",
        b"'",
        b"=",
        b"\n",
        b".",
        b"\\",
        b"\0",
        b"\xff",
        b"#",
        b"{",
        b"[[workers]]",
        b"\xc3\xa9",
        b"99999999999999999999",
        b"'''",
    ];
    let mut seed: u64 = 42;
    let mut next = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % limit.max(1)
    };
    let mut refused = 0;
    for _ in 0..2000 {
        let mut text = text.to_vec();
        for _ in 0..=next(4) {
            let at = next(text.len());
            let end = (at + next(12)).min(text.len());
            let piece = pieces[next(pieces.len())];
            text.splice(at..end, piece.iter().copied());
        }
        if let Err(error) = settle(&tree.clone().with(file, &text)) {
            assert!(!error.to_string().contains('\n'), "{error}");
            refused += 1;
        }
    }
    refused
}
