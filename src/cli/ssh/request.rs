//! What a client asks for, as words.
//!
//! takes: the text the client sent · gives: a [`Request`] · touches: nothing

use std::path::PathBuf;

use clap::CommandFactory;

use super::git::Service;
use crate::base::hint::{Hint, Kind};

/// The longest text that is looked at, in bytes. A value that is longer is sent on standard input.
const LONGEST: usize = 16 * 1024;
/// The most words.
const MOST: usize = 200;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// git's other side, on the repository of this name.
    Git(Service, String),
    /// A command of ours: the words after `landfall`, at least one.
    Landfall(Vec<String>),
}

/// A text that is not taken. Never shows it: it may hold a value of the environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("the command is longer than {LONGEST} bytes, or has more than {MOST} words")]
    TooLong,
    #[error("the command is not UTF-8")]
    NotText,
    #[error("the command has a control character in it")]
    Control,
    #[error("the command's quotes do not end")]
    Quotes,
}

impl Hint for RequestError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::TooLong | Self::Control => {
                vec!["send a long value, or one of several lines, on standard input: env set --stdin NAME".into()]
            }
            Self::NotText | Self::Quotes => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// Splits what the client sent; `None` where it asked for a shell.
pub(super) fn parse(original: Option<PathBuf>) -> Result<Option<Request>, RequestError> {
    let Some(original) = original else {
        return Ok(None);
    };
    let text = original
        .into_os_string()
        .into_string()
        .map_err(|_| RequestError::NotText)?;
    if text.len() > LONGEST {
        return Err(RequestError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(RequestError::Control);
    }
    // Words and quotes as a shell has them, and nothing else of it.
    let mut words = shell_words::split(&text).map_err(|_| RequestError::Quotes)?;
    if words.len() > MOST {
        return Err(RequestError::TooLong);
    }
    if let Some((service, path)) = Service::parse(&words) {
        return Ok(Some(Request::Git(service, path.to_owned())));
    }
    if words.first().is_some_and(|word| word == "landfall") {
        words.remove(0);
        if words.is_empty() {
            words.push("--help".into());
        }
    }
    Ok((!words.is_empty()).then_some(Request::Landfall(words)))
}

/// The first word is one of our commands or options: what is wrong with the others is worth telling.
pub(super) fn is_of_landfall(words: &[String]) -> bool {
    let first = words.first().map(String::as_str).unwrap_or_default();
    let ours = crate::cli::Args::command();
    first.starts_with('-')
        || ours
            .get_subcommands()
            .any(|command| command.get_name() == first && !command.is_hide_set())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn of(text: &str) -> Result<Option<Request>, RequestError> {
        parse(Some(PathBuf::from(text)))
    }

    fn landfall(words: &[&str]) -> Request {
        Request::Landfall(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn words_are_git_s_or_ours() {
        let push = |path: &str| Request::Git(Service::ReceivePack, path.into());
        let fetch = |path: &str| Request::Git(Service::UploadPack, path.into());
        for (text, request) in [
            ("git-receive-pack 'notes.git'", push("notes.git")),
            ("git receive-pack '/notes.git'", push("/notes.git")),
            ("git-upload-pack 'a b'", fetch("a b")),
            ("landfall status --json", landfall(&["status", "--json"])),
            ("status", landfall(&["status"])),
            ("landfall", landfall(&["--help"])),
            (
                "env set 'A=b c' \"D=$E\"",
                landfall(&["env", "set", "A=b c", "D=$E"]),
            ),
            // No shell: these are words, and no commands of ours.
            (
                "git-receive-pack 'x.git'; id",
                landfall(&["git-receive-pack", "x.git;", "id"]),
            ),
            ("git-receive-pack $(id)", push("$(id)")),
            ("git-receive-pack `id`", push("`id`")),
            (
                "git-receive-pack '--upload-pack=id'",
                push("--upload-pack=id"),
            ),
            (
                "git-receive-pack -oProxyCommand=id",
                push("-oProxyCommand=id"),
            ),
            (
                "git-receive-pack --advertise-refs notes.git",
                landfall(&["git-receive-pack", "--advertise-refs", "notes.git"]),
            ),
            (
                "git-upload-archive notes.git",
                landfall(&["git-upload-archive", "notes.git"]),
            ),
            (
                "git -c x=y receive-pack notes.git",
                landfall(&["git", "-c", "x=y", "receive-pack", "notes.git"]),
            ),
            (
                "status && id | sh > /tmp/x",
                landfall(&["status", "&&", "id", "|", "sh", ">", "/tmp/x"]),
            ),
        ] {
            assert_eq!(of(text), Ok(Some(request)), "{text}");
        }
        assert_eq!(parse(None), Ok(None));
        assert_eq!(of("  "), Ok(None));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for (text, error) in [
            ("status\nid", RequestError::Control),
            ("status\0id", RequestError::Control),
            ("status \u{1b}[2J", RequestError::Control),
            ("status \u{85}", RequestError::Control),
            ("status 'x", RequestError::Quotes),
            (&*"a".repeat(LONGEST + 1), RequestError::TooLong),
            (&*"a ".repeat(MOST + 1), RequestError::TooLong),
        ] {
            assert_eq!(of(text), Err(error));
        }
        let bytes = std::ffi::OsString::from_vec(vec![b's', 0xff]);
        assert_eq!(parse(Some(bytes.into())), Err(RequestError::NotText));
    }
}
