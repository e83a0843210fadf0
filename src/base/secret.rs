//! Values that must not be shown, and the filter that keeps them out of what tools print.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::fs::FsError;
use super::hint::Hint;

/// What is shown instead of a secret.
pub const REDACTED: &str = "[REDACTED]";

/// A value of the app's environment. `Debug` and `Display` print `[REDACTED]`; only [`Secret::expose`] gives it out,
/// and what it held is wiped from memory when it goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// 64 of them, so that each value of a random byte is as likely as any other.
const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// The kernel gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("cannot read random bytes")]
pub struct RandomError(#[source] std::io::Error);

impl Hint for RandomError {}

/// The whole file, wiped from memory when it goes; at most a mebibyte of it.
pub fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, FsError> {
    const MOST: u64 = 1024 * 1024;
    let failed = |source| FsError::new("read", path, source);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len().min(MOST);
    // Its whole size at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 64));
    file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// `length` random letters, digits, `-` and `_`, each as likely as any other.
    pub fn random(length: usize) -> Result<Self, RandomError> {
        let mut bytes = vec![0_u8; length];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .map_err(RandomError)?;
        let letters = bytes
            .iter()
            .map(|byte| char::from(LETTERS[usize::from(byte % 64)]));
        Ok(Self(letters.collect()))
    }

    /// The value itself, for the process that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Replaces known secret values in lines of text by `[REDACTED]`.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a value that contains another is replaced whole.
    needles: Vec<String>,
}

/// Values as short as these stand in ordinary output everywhere; they are hidden only under a name that says secret.
const SHORT: usize = 6;

impl Redactor {
    /// Takes the names and values of the app's environment. Each line of a value of several lines is a secret of its own.
    pub fn new<'a>(variables: impl IntoIterator<Item = (&'a str, &'a Secret)>) -> Self {
        let mut needles: Vec<String> = Vec::new();
        for (name, value) in variables {
            for line in value.expose().lines().map(str::trim) {
                let ordinary = line.len() < SHORT && !names_a_secret(name);
                if line.is_empty() || ordinary || is_everyday(line) {
                    continue;
                }
                needles.push(line.to_owned());
            }
        }
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        needles.dedup();
        Self { needles }
    }

    /// `text` with every known value replaced.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for needle in &self.needles {
            if clean.contains(needle.as_str()) {
                clean = clean.replace(needle.as_str(), REDACTED);
            }
        }
        clean
    }
}

fn names_a_secret(name: &str) -> bool {
    ["KEY", "SECRET", "PASS", "TOKEN", "CREDENTIAL", "PIN"]
        .iter()
        .any(|word| name.to_ascii_uppercase().contains(word))
}

/// Words that settings hold and tools print; hiding them would garble the log and protect nothing.
fn is_everyday(value: &str) -> bool {
    [
        "production",
        "staging",
        "development",
        "localhost",
        "127.0.0.1",
        "true",
        "false",
    ]
    .contains(&value.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter22");
        assert_eq!(format!("{secret} {secret:?}"), "[REDACTED] [REDACTED]");
    }

    #[test]
    fn values_are_replaced_longest_first_and_line_by_line() {
        let values = [
            ("A", Secret::new("abcdef")),
            ("B", Secret::new("abcdefgh\nsecond-line")),
            ("PIN", Secret::new("1234")),
        ];
        let redactor = Redactor::new(values.iter().map(|(n, v)| (*n, v)));
        assert_eq!(
            redactor.clean("x abcdefgh y abcdef second-line 1234"),
            "x [REDACTED] y [REDACTED] [REDACTED] [REDACTED]"
        );
    }

    #[test]
    fn short_and_everyday_values_stay_readable() {
        let values = [
            ("DEBUG", Secret::new("1")),
            ("MODE", Secret::new("production")),
        ];
        let redactor = Redactor::new(values.iter().map(|(n, v)| (*n, v)));
        assert_eq!(
            redactor.clean("1 migration in production"),
            "1 migration in production"
        );
    }
}
