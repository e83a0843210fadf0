//! One file per case under `tests/cases/settings`: `valid/REASON.toml` settles, `invalid/REASON.toml` says exactly what
//! `invalid/REASON.txt` holds.

use std::path::{Path, PathBuf};

use super::tests::notes;
use crate::base::fs;
use crate::base::hint::Hint;
use crate::config::settle::settle;
use crate::config::written::FILE;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/settings");

fn cases(kind: &str) -> Vec<PathBuf> {
    let files = fs::list(&Path::new(ROOT).join(kind)).unwrap();
    let cases: Vec<PathBuf> = files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|suffix| suffix == "toml"))
        .collect();
    assert!(cases.len() > 5, "{kind}: {cases:?}");
    cases
}

#[test]
fn valid_files_settle() {
    for case in cases("valid") {
        let tree = notes().with(FILE, &fs::read_bytes(&case).unwrap());
        settle(&tree).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    }
}

#[test]
fn invalid_files_say_why() {
    let mut wrong = Vec::new();
    for case in cases("invalid") {
        let tree = notes().with(FILE, &fs::read_bytes(&case).unwrap());
        let said = match settle(&tree) {
            Ok(_) => "it settles\n".to_owned(),
            Err(error) => {
                let hints = error.hints();
                let hints = hints.iter().map(|hint| format!("hint: {hint}\n"));
                std::iter::once(format!("error: {error}\n"))
                    .chain(hints)
                    .collect()
            }
        };
        let expected = fs::read_if_exists(&case.with_extension("txt")).unwrap();
        if expected.as_ref() != Some(&said) {
            wrong.push(format!("== {}\n{said}", case.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "what they say instead:\n{}",
        wrong.concat()
    );
}
