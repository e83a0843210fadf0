//! The page that says which test attacks each boundary names tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of all tests below `folder`.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = text.split("#[test]").skip(1);
            found.extend(after.filter_map(|after| {
                let (_, rest) = after.split_once("fn ")?;
                rest.split_once('(').map(|(name, _)| name.to_owned())
            }));
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/internals/security.md")).unwrap();
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        tests_below(&root.join(folder), &mut tests);
    }
    let is_name = |word: &&str| {
        word.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && word.matches('_').count() >= 3
    };
    let named: BTreeSet<&str> = page.split('`').filter(is_name).collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !tests.contains(**name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(named.len() >= 25, "only {} are named", named.len());
}
