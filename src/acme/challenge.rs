//! The answers to an authority's challenges: files that nginx serves, records of DNS. Each is written down before it is made, so
//! that what a killed run left is taken away by the next.
//!
//! takes: answers · gives: nothing · touches: the folder of challenges, the hook's DNS, `challenges.json` of the store · undone
//! by: [`Answers::remove`], also where it is dropped

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::hook::Hook;
use crate::base::fs::{self, FsError};
use crate::base::hint::chain;
use crate::tls::finding::Code;
use crate::tls::store::Store;

/// Below the folder of challenges: what stands in every address that an authority asks for.
pub(super) const BELOW: &str = ".well-known/acme-challenge";
/// The longest token that is taken; authorities send 22 to 43 characters.
const LONGEST: usize = 200;

/// What was made and is not yet taken away.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Left {
    files: Vec<String>,
    records: Vec<Record>,
}

/// A record, and whose it is to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    hook: PathBuf,
    name: String,
    value: String,
}

impl Left {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.records.is_empty()
    }
}

/// Answers that stand.
pub(super) struct Answers {
    journal: PathBuf,
    folder: PathBuf,
    left: Left,
}

impl Answers {
    /// None stand: what a killed run left is taken away. Gives what could not be.
    pub(super) fn none(store: &Store, challenges: &Path) -> Result<(Self, Vec<String>), FsError> {
        store.create()?;
        let journal = store.folder().join("challenges.json");
        let text = fs::read_if_exists(&journal)?;
        let left = text.and_then(|text| serde_json::from_str(&text).ok());
        let mut answers = Self {
            journal,
            folder: challenges.join(BELOW),
            left: left.unwrap_or_default(),
        };
        let notes = answers.remove();
        Ok((answers, notes))
    }

    /// Where files stand.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a file where nginx serves it. Its name comes from the authority, and must be a token (RFC 8555, 8.3).
    pub(super) fn file(&mut self, token: &str, content: &str) -> Result<(), AnswerError> {
        if !is_token(token) {
            return Err(Failure::new(
                Code::AcmeDown,
                "the authority does not keep to the protocol: its token is none",
            )
            .because(token)
            .into());
        }
        self.left.files.push(token.to_owned());
        self.note()?;
        // nginx's workers read it, whatever the folders were left with.
        let well_known = self.folder.parent().unwrap_or(&self.folder);
        for folder in [well_known, &self.folder] {
            fs::create_folder_with_mode(folder, 0o755)?;
        }
        Ok(fs::write(
            &self.folder.join(token),
            content.as_bytes(),
            fs::PUBLIC,
        )?)
    }

    /// Has the hook set a record.
    pub(super) fn record(
        &mut self,
        hook: &Hook,
        name: &str,
        value: &str,
    ) -> Result<(), AnswerError> {
        self.left.records.push(Record {
            hook: hook.path().to_owned(),
            name: name.to_owned(),
            value: value.to_owned(),
        });
        self.note()?;
        Ok(hook.add(name, value)?)
    }

    /// Takes all of them away. Gives what could not be: it is tried again by the next run.
    pub(super) fn remove(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        let folder = &self.folder;
        // A journal that somebody changed must not lead out of the folder.
        self.left.files.retain(|token| {
            let removed = if is_token(token) {
                fs::remove_file(&folder.join(token))
            } else {
                Ok(())
            };
            removed
                .map_err(|error| notes.push(chain(&error).join(": ")))
                .is_err()
        });
        self.left.records.retain(|record| {
            let removed =
                Hook::at(&record.hook).and_then(|hook| hook.remove(&record.name, &record.value));
            removed
                .map_err(|error| notes.push(chain(&error).join(": ")))
                .is_err()
        });
        if let Err(error) = self.note() {
            notes.push(chain(&error).join(": "));
        }
        notes
    }

    fn note(&self) -> Result<(), FsError> {
        if self.left.is_empty() {
            return fs::remove_file(&self.journal);
        }
        let text = serde_json::to_string_pretty(&self.left).unwrap_or_default();
        fs::write(&self.journal, text.as_bytes(), fs::PRIVATE)
    }
}

impl Drop for Answers {
    /// The net: whatever ended the attempt, nothing stays.
    fn drop(&mut self) {
        if !self.left.is_empty() {
            self.remove();
        }
    }
}

/// An answer that does not stand.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The hook, or the authority.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

fn is_token(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(dir: &Path) -> Answers {
        let store = Store::new(dir.join("store"));
        Answers::none(&store, &dir.join("challenges")).unwrap().0
    }

    #[test]
    fn answers_stand_until_they_are_taken_away_and_a_killed_run_is_cleared_up() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir
            .path()
            .join("challenges/.well-known/acme-challenge/abc-_9");
        let others = file.with_file_name("of-another-client");
        let mut answers = none(dir.path());
        answers.file("abc-_9", "content").unwrap();
        std::fs::write(&others, "x").unwrap();
        assert_eq!(fs::read(&file).unwrap(), "content");
        assert_eq!(fs::mode(&file).unwrap(), 0o644);
        assert_eq!(fs::mode(answers.folder()).unwrap(), 0o755);
        // Killed: nothing is run any more.
        std::mem::forget(answers);
        assert!(file.exists());
        let mut answers = none(dir.path());
        assert!(!file.exists() && others.exists());
        assert!(!dir.path().join("store/challenges.json").exists());
        answers.file("again", "x").unwrap();
        drop(answers);
        assert!(!file.with_file_name("again").exists());
    }

    #[test]
    fn a_token_is_no_path() {
        let dir = tempfile::tempdir().unwrap();
        for token in [
            "",
            "../../x",
            "/etc/passwd",
            "a.b",
            "a\0b",
            &"x".repeat(300),
        ] {
            let mut answers = none(dir.path());
            let refused = answers.file(token, "x").unwrap_err();
            assert!(matches!(refused, AnswerError::Failure(_)), "{token}");
        }
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "x").unwrap();
        let journal = dir.path().join("store/challenges.json");
        std::fs::write(&journal, r#"{"files":["../../../victim"]}"#).unwrap();
        none(dir.path());
        assert!(victim.exists() && !journal.exists());
    }
}
