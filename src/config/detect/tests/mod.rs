//! Repositories as they are met, one test for each peculiarity. Whole trees are settled, so that detection is seen as a
//! push sees it.

mod backend;
mod frontend;
mod outside;
mod packages;
mod processes;

use crate::config::settings::{Backend, Frontend, FrontendBuild, Settings};
use crate::config::settle::settle;
use crate::config::tree::MemoryTree;

/// A small Django project in `dir`, its package called `app`.
fn django(dir: &str) -> MemoryTree {
    let at = |path: &str| crate::config::tree::in_folder(dir, path);
    MemoryTree::default()
        .with(
            &at("manage.py"),
            b"import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'app.settings')\n",
        )
        .with(
            &at("app/settings.py"),
            b"BASE_DIR = Path(__file__).resolve().parent.parent\nROOT_URLCONF = 'app.urls'\nWSGI_APPLICATION = 'app.wsgi.application'\n",
        )
        .with(
            &at("app/wsgi.py"),
            b"os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'app.settings')\napplication = get_wsgi_application()\n",
        )
        .with(&at("app/urls.py"), b"urlpatterns = [path('admin/', admin.site.urls)]\n")
        .with(&at("requirements.txt"), b"Django==4.2\n")
}

/// A Vite frontend in `dir`.
fn vite(tree: MemoryTree, dir: &str) -> MemoryTree {
    let at = |path: &str| crate::config::tree::in_folder(dir, path);
    tree.with(
        &at("package.json"),
        br#"{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "^5"}}"#,
    )
    .with(
        &at("package-lock.json"),
        br#"{"packages": {"node_modules/vite": {}}}"#,
    )
    .with(&at("index.html"), b"")
    .with(&at("src/main.js"), b"")
}

fn settled(tree: &MemoryTree) -> Settings {
    settle(tree).unwrap_or_else(|error| panic!("{error}"))
}

fn frontend(tree: &MemoryTree) -> Frontend {
    settled(tree).frontend.expect("a frontend")
}

fn build(tree: &MemoryTree) -> FrontendBuild {
    frontend(tree).build.expect("a build")
}

fn backend(tree: &MemoryTree) -> Backend {
    settled(tree).backend.expect("a backend")
}

/// The one note that has this text.
fn note(tree: &MemoryTree, text: &str) -> String {
    let notes = settled(tree).notes;
    let found: Vec<&String> = notes.iter().filter(|note| note.contains(text)).collect();
    assert_eq!(found.len(), 1, "{text}: {notes:#?}");
    found[0].clone()
}
