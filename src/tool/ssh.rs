//! ssh: where a remote's URL leads, and the command line that runs one of our commands there.

use crate::base::command::Cmd;
use crate::base::hint::{Hint, Kind};
use crate::base::names::AppName;
use crate::base::words::{printable, shorten};

/// Where an ssh URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
}

/// A URL that is not of ssh, or not one that could be meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// A path, or `file://`.
    #[error("`{0}` lies on this machine")]
    Local(String),
    /// `https://` and the like.
    #[error("`{0}` is not reached over ssh")]
    OtherProtocol(String),
    /// A user, host or port that ssh could take for something else.
    #[error("`{0}` is no address: a user and a host have letters, digits and - . _ only")]
    Address(String),
}

impl Hint for UrlError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Local(_) => {
                vec!["run the command here, without --remote; --app NAME says which app".into()]
            }
            Self::OtherProtocol(_) | Self::Address(_) => {
                vec!["git remote set-url REMOTE USER@HOST:NAME.git".into()]
            }
        }
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl Destination {
    /// `user@host:path` and `ssh://user@host:port/path`, as git has them.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let shown = || printable(&shorten(url, 80));
        if let Some((protocol, rest)) = url.split_once("://") {
            return match protocol {
                "ssh" | "git+ssh" | "ssh+git" => {
                    Self::of_url(rest).ok_or_else(|| UrlError::Address(shown()))
                }
                "file" => Err(UrlError::Local(shown())),
                _ => Err(UrlError::OtherProtocol(shown())),
            };
        }
        // git: what has a slash before its first colon is a path.
        let colon = if url.starts_with('[') || url.contains("@[") {
            url.find("]:").map(|at| at + 1)
        } else {
            url.find(':')
        };
        let is_path = |at: usize| url[..at].contains('/');
        match colon {
            // A helper of git's: `ext::`.
            Some(at) if url[at..].starts_with("::") => Err(UrlError::OtherProtocol(shown())),
            Some(at) if !is_path(at) => {
                Self::of_parts(&url[..at], &url[at + 1..]).ok_or_else(|| UrlError::Address(shown()))
            }
            _ => Err(UrlError::Local(shown())),
        }
    }

    fn of_url(rest: &str) -> Option<Self> {
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        let after_host = authority.rfind(']').unwrap_or(0);
        let colon = authority[after_host..].find(':').map(|at| after_host + at);
        let Some(colon) = colon else {
            return Self::of_parts(authority, path);
        };
        let port = &authority[colon + 1..];
        let destination = Self::of_parts(&authority[..colon], path)?;
        let is_number = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        Some(Self {
            port: Some(port.parse().ok().filter(|port| is_number && *port > 0)?),
            ..destination
        })
    }

    fn of_parts(authority: &str, path: &str) -> Option<Self> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        let inside = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_address = inside.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        let host = inside.filter(|_| is_address).unwrap_or(host);
        let valid = (is_address || is_word(host)) && user.as_deref().is_none_or(is_word);
        valid.then(|| Self {
            user,
            host: host.to_owned(),
            port: None,
            path: path.to_owned(),
        })
    }

    /// The app whose repository it is: `NAME.git`.
    pub fn app(&self) -> Option<AppName> {
        let name = self.path.trim_end_matches('/').rsplit('/').next()?;
        name.strip_suffix(".git")?.parse().ok()
    }

    fn address(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }
}

/// What neither ssh nor a shell takes for anything but a name; also the aliases of `~/.ssh/config`.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// Runs `words` there. `program` is ssh, with options of the user's own.
pub fn command(program: &[String], destination: &Destination, words: &[String]) -> Cmd {
    let port = destination
        .port
        .map(|port| ["-p".to_owned(), port.to_string()]);
    // ssh joins what follows the address with spaces, so it gets one word; the other side splits that into words again.
    Cmd::from_argv(program)
        .args(port.into_iter().flatten())
        .arg("--")
        .arg(destination.address())
        .arg(shell_words::join(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(url: &str) -> Vec<String> {
        let destination = Destination::parse(url).unwrap();
        command(
            &["ssh".into()],
            &destination,
            &["landfall".into(), "env".into(), "set A=b".into()],
        )
        .argv()
    }

    #[test]
    fn a_url_becomes_a_command_line() {
        let words = "landfall env 'set A=b'";
        for (url, line) in [
            (
                "notes@example.org:notes.git",
                &["ssh", "--", "notes@example.org", words][..],
            ),
            (
                "example.org:~/notes.git",
                &["ssh", "--", "example.org", words],
            ),
            ("my_alias:notes.git", &["ssh", "--", "my_alias", words]),
            (
                "ssh://notes@example.org/notes.git",
                &["ssh", "--", "notes@example.org", words],
            ),
            (
                "ssh://notes@10.0.0.1:2222/~/notes.git",
                &["ssh", "-p", "2222", "--", "notes@10.0.0.1", words],
            ),
            (
                "ssh://notes@[::1]:22/notes.git",
                &["ssh", "-p", "22", "--", "notes@::1", words],
            ),
            ("notes@[::1]:notes.git", &["ssh", "--", "notes@::1", words]),
        ] {
            assert_eq!(argv(url), line, "{url}");
        }
    }

    #[test]
    fn the_app_is_the_repositorys_name() {
        for (url, app) in [
            ("notes@h:notes.git", Some("notes")),
            (
                "ssh://me@h:2222/home/me/landfall/shop/shop.git/",
                Some("shop"),
            ),
            ("me@h:project", None),
            ("me@h:My.git", None),
        ] {
            let found = Destination::parse(url).unwrap().app();
            assert_eq!(found.as_ref().map(AppName::as_str), app, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "-oProxyCommand=id:notes.git",
            "ssh://-oProxyCommand=id/notes.git",
            "ssh://-l@host/x",
            "-x@host:y",
            "me@-host:y",
            "me@:y",
            "@host:y",
            "a b@host:y",
            "me@ho st:y",
            "me@$(id):y",
            "me@host;id:y",
            "ssh://host:0/x",
            "ssh://host:99999/x",
            "ssh://host:+22/x",
            "ssh://host:22;id/x",
            "ssh://me@[::1/x",
            "ssh://me@[-o]:22/x",
            "ssh:///x",
            "mе@host:y", // a Cyrillic е
        ] {
            let error = Destination::parse(url).unwrap_err();
            assert!(matches!(error, UrlError::Address(_)), "{url}: {error}");
        }
        for url in [
            "/srv/notes.git",
            "../notes.git",
            "./a:b",
            "file:///srv/notes.git",
            "notes.git",
        ] {
            assert!(
                matches!(Destination::parse(url), Err(UrlError::Local(_))),
                "{url}"
            );
        }
        for url in ["https://h/x.git", "git://h/x.git", "ext::sh -c id"] {
            let error = Destination::parse(url).unwrap_err();
            assert!(!matches!(error, UrlError::Local(_)), "{url}");
        }
    }

    /// Whatever words are sent, these words arrive.
    #[test]
    fn words_arrive_as_they_were_sent() {
        const PIECES: [&str; 16] = [
            "a", "'", "\"", "\\", " ", "$(id)", "`", ";", "-", "ä", "*", "~", "#", "!", "=", "",
        ];
        let mut state = 3_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..5000 {
            let words: Vec<String> = (0..1 + next(5))
                .map(|_| (0..next(8)).map(|_| PIECES[next(PIECES.len())]).collect())
                .collect();
            let destination = Destination::parse("me@host:x").unwrap();
            let sent = command(&["ssh".into()], &destination, &words)
                .argv()
                .pop()
                .unwrap();
            assert_eq!(shell_words::split(&sent).unwrap(), words, "{sent}");
        }
    }
}
