//! The Django agent's own tests, in Python, with the Django of the example's environment.

#[path = "../common/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::print_stderr,
    reason = "only the seed is used here"
)]
mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{App, seed};

#[test]
fn the_django_agent_passes_its_own_tests() {
    let home = seed::grown(App::Small);
    let python = fs::read_dir(home.join("cache/venv"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("bin/python"))
        .find(|python| python.exists())
        .expect("the seed has an environment");
    let output = Command::new(python)
        .args(["-m", "unittest", "discover", "-s", "tests/django"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let ran = said
        .lines()
        .find(|line| line.starts_with("Ran "))
        .unwrap_or_default();
    assert!(
        ran.starts_with("Ran ") && !ran.starts_with("Ran 0 "),
        "{said}"
    );
}
