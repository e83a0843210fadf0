//! What lies outside git: shared files, shared folders, the environment.

use super::*;

fn shared(tree: &MemoryTree) -> (Vec<String>, Vec<String>) {
    let shared = settled(tree).shared;
    let texts =
        |paths: Vec<crate::base::names::RepoPath>| paths.iter().map(ToString::to_string).collect();
    (texts(shared.files), texts(shared.dirs))
}

#[test]
fn settings_that_import_a_module_kept_outside_git() {
    let settings = b"from .localsettings import *\n";
    let tree = django("api").with("api/app/settings.py", settings);
    assert_eq!(shared(&tree).0, [""; 0]);
    note(&tree, "if the app needs it, name it in `files` of [shared]");
    let ignored = tree.clone().with(".gitignore", b"localsettings.py\n");
    assert_eq!(shared(&ignored).0, ["api/app/localsettings.py"]);
    let example = tree.clone().with("api/app/localsettings.example.py", b"");
    assert_eq!(shared(&example).0, ["api/app/localsettings.py"]);
    let there = ignored.with("api/app/localsettings.py", b"");
    assert_eq!(shared(&there).0, [""; 0]);
    let optional = tree
        .with(
            "api/app/settings.py",
            b"try:\n    from .localsettings import *\nexcept ImportError:\n    pass\n",
        )
        .with(".gitignore", b"localsettings.py\n");
    assert_eq!(shared(&optional).0, [""; 0]);
    note(&optional, "is imported where it exists");
}

#[test]
fn a_tried_import_whose_handler_raises_is_a_shared_file() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/notes");
    let tree = crate::config::tree::WorkTree::open(root.as_ref()).unwrap();
    let settings = settle(&tree).unwrap();
    assert_eq!(
        settings
            .shared
            .files
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<&str>>(),
        [
            "notes-front-end/src/variables/localVariables.js",
            "notesBackEnd/notesBackEnd/localsettings.py"
        ]
    );
}

#[test]
fn a_json_settings_file_beside_the_code() {
    let tree = django("api")
        .with(
            "api/app/settings.py",
            b"with open(os.path.join(BASE_DIR, 'secrets.json')) as f:\n    S = json.load(f)\n",
        )
        .with("api/.gitignore", b"secrets.json\n");
    assert_eq!(shared(&tree).0, ["api/secrets.json"]);
    assert_eq!(shared(&tree.with("api/secrets.json", b"{}")).0, [""; 0]);
}

#[test]
fn a_frontend_that_imports_a_file_kept_outside_git() {
    let tree = vite(django("api"), "web")
        .with("web/.gitignore", b"/src/variables/localVariables.js\ndist\n")
        .with("web/src/a.vue", b"<script>\nimport { x } from '@/variables/localVariables'\nimport y from './gone'\nimport z from '../dist/z'\n// import q from './variables/localVariables2'\n</script>");
    assert_eq!(shared(&tree).0, ["web/src/variables/localVariables.js"]);
    let tree = vite(MemoryTree::default(), "")
        .with("src/main.js", b"const c = require('./config/local.ts')")
        .with("src/config/local.example.ts", b"");
    assert_eq!(shared(&tree).0, ["src/config/local.ts"]);
}

#[test]
fn media_and_log_folders_outlive_releases() {
    let tree = django("api").with(
        "api/app/settings.py",
        b"BASE_DIR = Path(__file__).resolve().parent.parent\nMEDIA_ROOT = BASE_DIR / 'media'\nLOGGING = {'h': {'filename': os.path.join(BASE_DIR, 'logs', 'debug.log')}, 'i': {'filename': BASE_DIR / 'x.log'}}\n",
    );
    assert_eq!(shared(&tree).1, ["api/logs", "api/media"]);
    let tracked = tree.clone().with("api/media/a.png", b"");
    assert_eq!(shared(&tracked).1, ["api/logs", "api/media"]);
    note(&tracked, "`api/media` has 1 file in git");
    let outside = tree.with("api/app/settings.py", b"MEDIA_ROOT = '/var/media'");
    assert_eq!(shared(&outside).1, [""; 0]);
    let code = django("").with("app/settings.py", b"MEDIA_ROOT = os.path.dirname(__file__)");
    assert_eq!(shared(&code).1, [""; 0]);
    note(&code, "uploads would be lost");
}

#[test]
fn the_names_of_env_example_are_required() {
    let tree = django("").with(".env.example", b"SECRET_KEY=x\nDEBUG=1\nDATABASE_URL=\n");
    let names: Vec<String> = settled(&tree)
        .required_env
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["DATABASE_URL", "SECRET_KEY"]);
    let folder = django("").with(".env/x", b"A=");
    assert!(settled(&folder).required_env.is_empty());
}
