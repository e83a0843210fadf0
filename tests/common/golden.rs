//! Whole outputs beside the tests. `UPDATE_GOLDEN=1 cargo test` writes them anew; git shows what changed.

use std::fs;
use std::path::Path;

/// Compares `actual` with `tests/golden/NAME`.
#[track_caller]
pub(crate) fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("tests/golden");
        fs::write(&path, actual).expect("the golden file can be written");
        return;
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == actual,
        "{} differs (UPDATE_GOLDEN=1 writes it anew)\n{}",
        path.display(),
        difference(&wanted, actual)
    );
}

fn difference(wanted: &str, actual: &str) -> String {
    let (wanted, actual): (Vec<_>, Vec<_>) = (wanted.lines().collect(), actual.lines().collect());
    let mut out = String::new();
    for number in 0..wanted.len().max(actual.len()) {
        match (wanted.get(number), actual.get(number)) {
            (Some(a), Some(b)) if a == b => out.push_str(&format!("  {a}\n")),
            (a, b) => {
                if let Some(a) = a {
                    out.push_str(&format!("- {a}\n"));
                }
                if let Some(b) = b {
                    out.push_str(&format!("+ {b}\n"));
                }
            }
        }
    }
    out
}
