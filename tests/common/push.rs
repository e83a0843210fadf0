//! What `git push` said and how it ended.

use std::process::Output;

/// A push that has ended.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) code: Option<i32>,
    /// All that git printed.
    pub(crate) stderr: String,
    /// What the other side said, without git's prefix and padding.
    pub(crate) remote: Vec<String>,
}

impl Push {
    pub(crate) fn new(output: &Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let remote = stderr
            .lines()
            .filter_map(|line| line.strip_prefix("remote: "))
            .map(|line| line.trim_end_matches("\u{1b}[K").trim_end().to_owned())
            .collect();
        Self {
            code: output.status.code(),
            stderr,
            remote,
        }
    }

    /// git says it worked, and Landfall does too.
    #[track_caller]
    pub(crate) fn accepted(self) -> Self {
        assert_eq!(self.code, Some(0), "the push failed:\n{}", self.stderr);
        assert!(
            !self.stderr.contains("error: "),
            "git says it worked, Landfall does not:\n{}",
            self.stderr
        );
        self
    }

    /// git rejected it: nothing has moved.
    #[track_caller]
    pub(crate) fn rejected(self) -> Self {
        assert_eq!(
            self.code,
            Some(1),
            "the push was not refused:\n{}",
            self.stderr
        );
        assert!(
            self.stderr.contains("pre-receive hook declined"),
            "{}",
            self.stderr
        );
        self
    }

    /// The other side said `text` somewhere.
    #[track_caller]
    pub(crate) fn said(self, text: &str) -> Self {
        assert!(
            self.remote.iter().any(|line| line.contains(text)),
            "nobody said {text:?}:\n{}",
            self.stderr
        );
        self
    }

    /// The other side said `text` nowhere.
    #[track_caller]
    pub(crate) fn never_said(self, text: &str) -> Self {
        assert!(
            !self.stderr.contains(text),
            "{text:?} was said:\n{}",
            self.stderr
        );
        self
    }

    /// The line of a stage that ended.
    pub(crate) fn stage(&self, name: &str) -> Option<&str> {
        let start = format!("  {name:<9} ");
        self.remote
            .iter()
            .find_map(|line| line.strip_prefix(start.as_str()))
            .map(str::trim)
    }
}
