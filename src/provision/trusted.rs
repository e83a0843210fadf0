//! The program that root runs for apps must be root's alone: sudo's line and the keys' commands name it.

use std::path::{Path, PathBuf};

use crate::base::fs;
use crate::base::hint::{Hint, Kind};

/// A program that others could replace.
#[derive(Debug, thiserror::Error)]
pub enum TrustedError {
    /// It, or a folder above it, can be written by others than root.
    #[error("{} can be written by others than root, and apps' keys and sudo would run it", .0.display())]
    Writable(PathBuf),
    /// Its path has a character that sudo or a shell would read otherwise.
    #[error("{} has a character that sudo would read otherwise", .0.display())]
    Odd(PathBuf),
}

impl Hint for TrustedError {
    fn hints(&self) -> Vec<String> {
        vec!["install it as a package, or as /usr/bin/landfall, owned by root".into()]
    }

    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

/// The program and every folder above it are root's, and nobody else may write there.
pub fn check(program: &Path) -> Result<(), TrustedError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+".contains(&b);
    if !program.to_string_lossy().bytes().all(is_plain) {
        return Err(TrustedError::Odd(program.to_owned()));
    }
    for path in program.ancestors() {
        let is_roots = path
            .metadata()
            .is_ok_and(|metadata| fs::is_roots_alone(&metadata));
        if !is_roots {
            return Err(TrustedError::Writable(path.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_others_could_replace_is_refused() {
        check(Path::new("/usr/bin/env")).unwrap();
        // A temporary folder lies below one that everybody may write to.
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("landfall");
        fs::write(&program, b"", 0o755).unwrap();
        let error = check(&program).unwrap_err();
        assert!(matches!(error, TrustedError::Writable(_)), "{error}");
        let error = check(Path::new("/opt/a b/landfall")).unwrap_err();
        assert!(matches!(error, TrustedError::Odd(_)), "{error}");
    }
}
