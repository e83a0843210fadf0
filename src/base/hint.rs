//! Errors that know the reader's next move.
//!
//! `Display` of an error says one level; the chain is printed once, at the edge, and the hints after it, each naming
//! a command or a file.

use std::error::Error;

/// An error with what the person who reads it can do next.
pub trait Hint: Error + Send + Sync + 'static {
    /// One line each, in the order to try them: the command to run or the file to change.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// The last lines of the failed tool's own output, if it was a tool that failed.
    fn tool_output(&self) -> &[String] {
        &[]
    }

    /// What kind of failure this is; decides the exit code.
    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// Kinds of failure, one exit code each (`cli::exit_code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The work was tried and failed; what was before is still there.
    Failed,
    /// The input (arguments, settings, names) is not valid; nothing was tried.
    Usage,
    /// What was asked for does not exist: the app, the release, the process.
    NotFound,
    /// Somebody else holds the lock, or the state changed meanwhile; try again.
    Busy,
    /// Refused by rule: a branch that does not deploy, a gate that may not be skipped.
    Refused,
}

/// Any error with hints, owned.
pub type Report = Box<dyn Hint>;

impl<E: Hint> From<E> for Report {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

/// The messages of `error` and of its sources, outermost first. A level that only repeats the one above is left out.
pub fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let message = error.to_string();
        if messages.last() != Some(&message) {
            messages.push(message);
        }
        next = error.source();
    }
    messages
}
