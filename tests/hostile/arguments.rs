//! Each value on the command line of the real binary.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::message::assert_clear;
use crate::values::{all, brief};

/// The longest argument that Linux passes on (`MAX_ARG_STRLEN`).
const LONGEST: usize = 128 * 1024;

/// Command lines with a place for the value. None of them may change anything, whatever stands there: where it is valid,
/// the rest of the line is wrong.
const LINES: [&[&str]; 8] = [
    &[
        "app",
        "create",
        "--user-mode",
        "--redirect",
        "a.org",
        "--",
        "{}",
    ],
    &[
        "app",
        "create",
        "notes",
        "--user-mode",
        "--redirect",
        "a.org",
        "--domain={}",
    ],
    &["app", "create", "notes", "--user-mode", "--redirect={}"],
    &[
        "app",
        "create",
        "notes",
        "--user-mode",
        "--redirect",
        "a.org",
        "--branch={}",
    ],
    &[
        "app",
        "create",
        "notes",
        "--user-mode",
        "--redirect",
        "a.org",
        "--listen={}",
    ],
    &["app", "create", "notes", "--layout={}", "--user-mode"],
    &["--app={}", "app", "show"],
    &["site", "apply", "--", "{}"],
];

#[test]
fn an_argument_is_refused_and_repeated_in_a_form_that_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for value in all() {
        if value.contains('\0') || value.len() >= LONGEST - 100 {
            continue;
        }
        for line in LINES {
            let place = line.join(" ");
            let output = Command::new(env!("CARGO_BIN_EXE_landfall"))
                .args(line.iter().map(|word| word.replace("{}", &value)))
                .env_clear()
                .env("HOME", dir.path())
                .env("LANDFALL_CONFIG_DIR", dir.path().join("config"))
                .current_dir(dir.path())
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let code = output.status.code();
            assert!(
                matches!(code, Some(2..=5)),
                "{place} ← {}: {code:?} {said}",
                brief(&value)
            );
            assert!(output.stdout.is_empty(), "{place} ← {}", brief(&value));
            for line in said.lines().filter(|line| !line.is_empty()) {
                assert_clear(&place, &value, line);
            }
            tried += 1;
        }
    }
    println!("arguments: {tried}");
    assert!(tried > 400, "{tried}");
    assert!(is_empty(dir.path()), "something was made");
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}
