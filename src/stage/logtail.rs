//! What a process has written to its log since a moment: the cause, when it does not come up.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::base::command::TAIL_LINES;

/// Not more than this much of a log is read, in bytes.
const LIMIT: u64 = 256 * 1024;

/// A log from its present end on.
#[derive(Debug, Clone)]
pub struct LogTail {
    path: PathBuf,
    from: u64,
}

impl LogTail {
    /// Remembers where the log ends now.
    pub fn new(path: PathBuf) -> Self {
        let from = path.metadata().map_or(0, |meta| meta.len());
        Self { path, from }
    }

    /// What was written since, the last [`TAIL_LINES`] lines of it.
    pub fn lines(&self) -> Vec<String> {
        let text = self.text();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect()
    }

    /// True if something written since contains `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    fn text(&self) -> String {
        let Ok(mut file) = File::open(&self.path) else {
            return String::new();
        };
        let length = file.metadata().map_or(0, |meta| meta.len());
        // A log that is shorter than it was has been rotated.
        let from = if length < self.from {
            0
        } else {
            self.from.max(length.saturating_sub(LIMIT))
        };
        let mut bytes = Vec::new();
        if file
            .seek(SeekFrom::Start(from))
            .and_then(|_| file.take(LIMIT).read_to_end(&mut bytes))
            .is_err()
        {
            return String::new();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
