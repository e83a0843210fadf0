//! Names that come from outside, parsed once into types. A value of one of these types is safe to put into a path, an
//! argument or a message.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::hint::{Hint, Kind};
use super::words::shorten;

/// A name that is not valid: what it was meant to be, what was given, what the rule is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {what}: {rule}")]
pub struct NameError {
    what: &'static str,
    given: String,
    rule: &'static str,
}

impl NameError {
    fn new(what: &'static str, given: &str, rule: &'static str) -> Self {
        Self {
            what,
            given: ascii(&shorten(given, 60)),
            rule,
        }
    }
}

/// Other letters are shown by their number: `еxample.org` with a Cyrillic `е` looks valid.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' '..='~' | '…' => c.to_string(),
            _ => c.escape_unicode().to_string(),
        })
        .collect()
}

impl Hint for NameError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// Declares a checked string type: its doc, its name in messages, its rule in words, its rule in code.
macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(given: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(given) { Ok(Self(given.to_owned())) } else { Err(NameError::new($what, given, $rule)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(given: String) -> Result<Self, NameError> {
                given.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

checked_name!(
    /// The name of an app: also its system user, its home's folder and its service.
    AppName,
    "app name",
    "lower-case letters, digits and `-`, at most 30, starting with a letter",
    |s| s.len() <= 30
        && s.starts_with(|c: char| c.is_ascii_lowercase())
        && !s.ends_with('-')
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

checked_name!(
    /// The name of a process of the app: `web`, `celery`, `beat`.
    ProcessName,
    "process name",
    "lower-case letters, digits, `-` and `_`, at most 30, starting with a letter",
    |s| s.len() <= 30
        && s.starts_with(|c: char| c.is_ascii_lowercase())
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
);

checked_name!(
    /// The name of an environment variable (POSIX: letters, digits and `_`, not starting with a digit).
    EnvName,
    "variable name",
    "letters, digits and `_`, not starting with a digit",
    |s| !s.is_empty()
        && s.len() <= 200
        && !s.starts_with(|c: char| c.is_ascii_digit())
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);

checked_name!(
    /// A branch's short name, by the rules of `git check-ref-format --branch`.
    BranchName,
    "branch name",
    "see `git help check-ref-format`",
    valid_ref_part
);

checked_name!(
    /// A ref's full name: `refs/heads/master`.
    RefName,
    "ref name",
    "it starts with `refs/` and follows `git help check-ref-format`",
    |s| s.starts_with("refs/") && valid_ref_part(s)
);

checked_name!(
    /// A git object id: 40 lower-case hexadecimal digits (SHA-1).
    ObjectId,
    "object id",
    "40 hexadecimal digits",
    |s| s.len() == 40 && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

checked_name!(
    /// A host name: `example.org`, `localhost`, ASCII (IDNs in their `xn--` form).
    Domain,
    "domain",
    "letters, digits, `-` and `.`, at most 253, each label at most 63",
    |s| !s.is_empty()
        && s.len() <= 253
        && s.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
);

checked_name!(
    /// The path part of a URL, as nginx can take it in a `location`: starts with `/`, no query, no escapes.
    UrlPath,
    "URL path",
    "it starts with `/` and has letters, digits and `/ - _ . ~` only, no `.` or `..` between slashes, at most 200",
    |s| s.starts_with('/')
        && s.len() <= 200
        && !s.contains("//")
        && !s.split('/').any(|part| part == "." || part == "..")
        && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b))
);

checked_name!(
    /// A dotted Python name: `notes.settings`.
    PythonName,
    "Python module name",
    "identifiers joined by dots",
    valid_python_name
);

checked_name!(
    /// What uWSGI calls: `notes.wsgi:application`.
    WsgiTarget,
    "WSGI target",
    "`package.module:callable`",
    |s| s.split_once(':').is_some_and(|(module, callable)| {
        valid_python_name(module) && valid_python_name(callable) && !callable.contains('.')
    })
);

checked_name!(
    /// A path inside the repository: relative, `/` between its parts, no `.` or `..`, never into `.git`. The empty path
    /// is the root.
    RepoPath,
    "path in the repository",
    "relative, without `..`, without control characters, outside `.git`",
    valid_repo_path
);

checked_name!(
    /// Whom a key belongs to, as people write it: `Ana Müller`, `ana@laptop`.
    Who,
    "name of somebody",
    "1 to 60 characters, none of them invisible, no space at either end",
    |s| !s.is_empty() && s.chars().count() <= 60 && s.trim() == s && s.chars().all(is_visible)
);

checked_name!(
    /// The fingerprint of an ssh key, as `ssh-keygen -l` shows it: `SHA256:` and 43 characters of base64.
    Fingerprint,
    "fingerprint",
    "`SHA256:` and 43 letters, digits, `+` and `/`",
    |s| s.strip_prefix("SHA256:").is_some_and(|hash| {
        hash.len() == 43 && hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
    })
);

/// Neither a control character nor one that changes how its neighbours are shown (Unicode's bidirectional marks,
/// zero-width characters, line separators): what is read is what is there.
fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// By `git help check-ref-format`.
fn valid_ref_part(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 250
        && !s.starts_with(['-', '/'])
        && !s.ends_with(['/', '.'])
        && !s.contains("..")
        && !s.contains("//")
        && !s.contains("@{")
        && s != "@"
        && s.split('/').all(|part| {
            !part.starts_with('.') && Path::new(part).extension().is_none_or(|e| e != "lock")
        })
        && s.bytes()
            .all(|b| b > b' ' && b != 0x7f && !b"~^:?*[\\".contains(&b))
}

fn valid_python_name(s: &str) -> bool {
    s.len() <= 200
        && s.split('.').all(|part| {
            part.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_alphanumeric() || c == '_')
        })
}

fn valid_repo_path(s: &str) -> bool {
    s.is_empty()
        || (s.len() <= 1000
            && !s.chars().any(char::is_control)
            && s.split('/').all(|part| {
                !part.is_empty()
                    && part != "."
                    && part != ".."
                    && !part.eq_ignore_ascii_case(".git")
                    && part.len() <= 255
            }))
}

impl ObjectId {
    /// The first seven digits, as git's own messages show them.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }

    /// The id git uses for "nothing": the old side of a new ref, the new side of a deleted one.
    pub fn zero() -> Self {
        Self("0".repeat(40))
    }

    /// True for [`ObjectId::zero`].
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl Fingerprint {
    /// Enough of it to tell one key from another: `SHA256:AbCdEfGh`.
    pub fn short(&self) -> &str {
        &self.0[..15]
    }
}

impl BranchName {
    /// `refs/heads/NAME`.
    pub fn to_ref(&self) -> RefName {
        RefName(format!("refs/heads/{}", self.0))
    }
}

impl RefName {
    /// The branch, if the ref is one.
    pub fn branch(&self) -> Option<BranchName> {
        self.0
            .strip_prefix("refs/heads/")
            .and_then(|name| name.parse().ok())
    }
}

impl WsgiTarget {
    /// The module part.
    pub fn module(&self) -> &str {
        self.0
            .split_once(':')
            .map_or(self.0.as_str(), |(module, _)| module)
    }
}

impl RepoPath {
    /// The repository's root.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// True for the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// `self/relative`, where `relative` may climb with `..` but not out of the repository.
    pub fn join(&self, relative: &str) -> Result<Self, NameError> {
        let mut parts: Vec<&str> = self.0.split('/').filter(|part| !part.is_empty()).collect();
        for part in relative
            .trim_start_matches("./")
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
        {
            if part != ".." {
                parts.push(part);
            } else if parts.pop().is_none() {
                return Err(NameError::new(
                    "path in the repository",
                    relative,
                    "it leaves the repository",
                ));
            }
        }
        parts.join("/").parse()
    }

    /// The folder this path lies in, and its own name.
    pub fn split(&self) -> (Self, &str) {
        match self.0.rsplit_once('/') {
            Some((dir, name)) => (Self(dir.to_owned()), name),
            None => (Self::root(), &self.0),
        }
    }

    /// True if `self` is `dir` or lies below it.
    pub fn is_within(&self, dir: &Self) -> bool {
        dir.is_root()
            || self.0 == dir.0
            || self
                .0
                .strip_prefix(&dir.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The path on disk below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        if self.is_root() {
            root.to_owned()
        } else {
            root.join(&self.0)
        }
    }
}

/// The number of a release, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseId(pub u32);

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ReleaseId {
    type Err = NameError;
    fn from_str(given: &str) -> Result<Self, NameError> {
        match given.parse() {
            Ok(number) if number > 0 && !given.starts_with('+') => Ok(Self(number)),
            _ => Err(NameError::new("release number", given, "a number from 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_what_is_valid_and_say_what_is_not() {
        for good in ["notes", "a1-b"] {
            good.parse::<AppName>().unwrap();
        }
        for bad in [
            "",
            "Notes",
            "1a",
            "a_b",
            "a/b",
            "../x",
            "a b",
            "a-",
            &"a".repeat(31),
        ] {
            bad.parse::<AppName>().unwrap_err();
        }
        assert_eq!(
            "a\u{1b}[2J".parse::<AppName>().unwrap_err().to_string(),
            "`a\\u{1b}[2J` is not a valid app name: lower-case letters, digits and `-`, at most 30, starting with a letter"
        );
        let look_alike = "\u{435}xample.org".parse::<Domain>().unwrap_err();
        assert!(look_alike.to_string().starts_with("`\\u{435}xample.org`"));
    }

    #[test]
    fn somebodys_name_is_what_it_looks_like() {
        for good in ["Ana Müller", "ana@laptop", "李雷", "O'Neil \"x\""] {
            good.parse::<Who>().unwrap();
        }
        let long = "a".repeat(61);
        for bad in [
            "",
            " a",
            "a\nb",
            "a\u{0}",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{feff}",
            &long,
        ] {
            bad.parse::<Who>().unwrap_err();
        }
        let hash = "a+/".repeat(14) + "b";
        let fingerprint: Fingerprint = format!("SHA256:{hash}").parse().unwrap();
        assert_eq!(fingerprint.short(), "SHA256:a+/a+/a+");
        for bad in [
            "SHA256:",
            &hash,
            "MD5:aa",
            &format!("SHA256:{hash}="),
            &format!("SHA256:{}\n", &hash[1..]),
        ] {
            bad.parse::<Fingerprint>().unwrap_err();
        }
    }

    #[test]
    fn refs_follow_git() {
        for good in [
            "refs/heads/master",
            "refs/heads/feature/x-1",
            "refs/tags/v1.0",
        ] {
            good.parse::<RefName>().unwrap();
        }
        for bad in [
            "heads/x",
            "refs/heads/..",
            "refs/heads/a b",
            "refs/heads/a.lock",
            "refs/heads/.a",
            "refs/heads/a^",
            "refs/x/",
        ] {
            bad.parse::<RefName>().unwrap_err();
        }
        assert_eq!(
            "refs/heads/a/b"
                .parse::<RefName>()
                .unwrap()
                .branch()
                .unwrap()
                .as_str(),
            "a/b"
        );
    }

    #[test]
    fn repository_paths_stay_inside() {
        for bad in [
            "/etc",
            "a//b",
            "../a",
            "a/../b",
            ".git/config",
            "a/.GIT/b",
            "./a",
            "a\nb",
        ] {
            bad.parse::<RepoPath>().unwrap_err();
        }
        let dir: RepoPath = "web".parse().unwrap();
        assert_eq!(dir.join("../api/static").unwrap().as_str(), "api/static");
        assert_eq!(dir.join("dist").unwrap().as_str(), "web/dist");
        dir.join("../../x").unwrap_err();
        assert!(dir.join("dist").unwrap().is_within(&dir));
        assert!(!"website".parse::<RepoPath>().unwrap().is_within(&dir));
    }

    #[test]
    fn url_paths_cannot_end_an_nginx_statement() {
        "/healthz/".parse::<UrlPath>().unwrap();
        for bad in [
            "", "x", "/a;b", "/a b", "/{", "/a\n", "/a?b", "/../etc", "/a/./b", "/.",
        ] {
            bad.parse::<UrlPath>().unwrap_err();
        }
    }
}
