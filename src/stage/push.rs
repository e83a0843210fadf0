//! push: reads what git gives its hook.
//!
//! takes: the hook's standard input and the push options · gives: ref updates and options · touches: nothing

use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{NameError, ObjectId, RefName};
use crate::base::words::{printable, shorten};
use crate::git::RefChange;

/// More input than this is no push (git itself sends one line a ref).
pub const INPUT_LIMIT: u64 = 64 * 1024 * 1024;

/// The options of `git push -o`, checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// `plan`: print the plan, build nothing, reject the push.
    pub plan: bool,
    /// `rebuild`: take nothing from the caches.
    pub rebuild: bool,
    /// `skip-gate`: leave the app's own checks out, where the server allows it.
    pub skip_gate: bool,
}

/// The hook's input is not what git sends.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// A line is not `old new ref`.
    #[error("line {line} of the hook's input is not `OLD NEW REF`: `{text}`")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What it holds.
        text: String,
    },
    /// An id or a ref name is not valid.
    #[error("line {line} of the hook's input")]
    Name {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        #[source]
        source: NameError,
    },
    /// An unknown push option.
    #[error("unknown push option `{0}`")]
    Option(String),
}

impl Hint for PushError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Option(_) => vec!["the options are: -o plan, -o rebuild, -o skip-gate".into()],
            _ => vec!["this command is called by git's hooks; git sends it what it needs".into()],
        }
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// Parses the input of pre-receive and post-receive (githooks(5)): a line `OLD SP NEW SP REF` for each ref.
pub fn parse(input: &str) -> Result<Vec<RefChange>, PushError> {
    let mut updates = Vec::new();
    for (number, text) in input.lines().enumerate() {
        let line = number + 1;
        let [old, new, name] = text.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            return Err(PushError::Line {
                line,
                text: printable(&shorten(text, 80)),
            });
        };
        let name_error = |source| PushError::Name { line, source };
        updates.push(RefChange {
            old: old.parse::<ObjectId>().map_err(name_error)?,
            new: new.parse::<ObjectId>().map_err(name_error)?,
            name: name.parse::<RefName>().map_err(name_error)?,
        });
    }
    Ok(updates)
}

/// Reads the push options from the hook's environment (`GIT_PUSH_OPTION_COUNT`, `GIT_PUSH_OPTION_0` …, githooks(5)).
pub fn options(host: &Host) -> Result<PushOptions, PushError> {
    let count: usize = host
        .var("GIT_PUSH_OPTION_COUNT")
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let mut options = PushOptions::default();
    for number in 0..count.min(64) {
        match host
            .var(&format!("GIT_PUSH_OPTION_{number}"))
            .unwrap_or_default()
        {
            "plan" => options.plan = true,
            "rebuild" => options.rebuild = true,
            "skip-gate" => options.skip_gate = true,
            other => return Err(PushError::Option(printable(&shorten(other, 60)))),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    const A: &str = "1111111111111111111111111111111111111111";
    const Z: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn a_push_of_several_refs_is_read() {
        let updates = parse(&format!(
            "{Z} {A} refs/heads/master\n{A} {Z} refs/tags/v1\n"
        ))
        .unwrap();
        assert_eq!(updates.len(), 2);
        assert!(updates[0].old.is_zero());
        assert_eq!(updates[1].name.as_str(), "refs/tags/v1");
        assert_eq!(parse("").unwrap(), vec![]);
    }

    #[test]
    fn garbage_is_refused_and_named() {
        assert_eq!(
            parse("hello\u{7}").unwrap_err().to_string(),
            "line 1 of the hook's input is not `OLD NEW REF`: `hello\\u{7}`"
        );
        parse(&format!("{A} {A} refs/heads/../x")).unwrap_err();
        parse(&format!("{A} zz refs/heads/x")).unwrap_err();
    }

    #[test]
    fn options_are_known_or_refused() {
        let host = |options: &[(&str, &str)]| Host::fixed(options, Path::new("/"), UNIX_EPOCH);
        let read = options(&host(&[
            ("GIT_PUSH_OPTION_COUNT", "2"),
            ("GIT_PUSH_OPTION_0", "plan"),
            ("GIT_PUSH_OPTION_1", "rebuild"),
        ]));
        assert_eq!(
            read.unwrap(),
            PushOptions {
                plan: true,
                rebuild: true,
                skip_gate: false
            }
        );
        let error = options(&host(&[
            ("GIT_PUSH_OPTION_COUNT", "1"),
            ("GIT_PUSH_OPTION_0", "fast"),
        ]))
        .unwrap_err();
        assert_eq!(error.to_string(), "unknown push option `fast`");
    }
}
