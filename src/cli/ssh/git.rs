//! git's side of a push or a fetch over ssh: becomes `git receive-pack` or `git upload-pack` on this app's repository.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use crate::base::checkpoint;
use crate::base::command::Cmd;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::user;
use crate::base::words::{printable, shorten};
use crate::keys::role::Role;
use crate::release::layout::Home;

/// What git asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// A push.
    ReceivePack,
    /// A fetch or a clone.
    UploadPack,
}

impl Service {
    /// The service and the path that two or three words name; `git-receive-pack PATH` is what git sends.
    pub(super) fn parse(words: &[String]) -> Option<(Self, &str)> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["git-receive-pack", path] | ["git", "receive-pack", path] => {
                Some((Self::ReceivePack, path))
            }
            ["git-upload-pack", path] | ["git", "upload-pack", path] => {
                Some((Self::UploadPack, path))
            }
            _ => None,
        }
    }

    /// Who may ask.
    pub(super) fn role(self) -> Role {
        match self {
            Self::ReceivePack => Role::Deploy,
            Self::UploadPack => Role::Read,
        }
    }

    /// What people type for it.
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::ReceivePack => "git push",
            Self::UploadPack => "git fetch",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::ReceivePack => "receive-pack",
            Self::UploadPack => "upload-pack",
        }
    }
}

/// git does not serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitError {
    #[error("there is no repository `{given}` for this key")]
    OtherRepository { given: String, own: String },
    #[error("git cannot be started")]
    Start(#[source] std::io::Error),
}

impl Hint for GitError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::OtherRepository { own, .. } => {
                vec![format!("git remote set-url REMOTE USER@HOST:{own}")]
            }
            Self::Start(_) => vec!["sudo apt install git".into()],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::OtherRepository { .. } => Kind::Refused,
            Self::Start(_) => Kind::Failed,
        }
    }
}

/// Lets git take this process's place; comes back only with an error.
pub(super) fn serve(
    host: &Host,
    real: &Host,
    service: Service,
    home: &Home,
    path: &str,
) -> GitError {
    if !is_own(home, &host.path_var("HOME").unwrap_or_default(), path) {
        return GitError::OtherRepository {
            given: printable(&shorten(path, 60)),
            own: format!("{}.git", home.app()),
        };
    }
    let command = command(host, real, service, &home.repository());
    let mut command = command.to_std();
    GitError::Start(command.stdin(Stdio::inherit()).exec())
}

/// The names under which this app's repository is asked for: by itself, below the user's home, by its whole path.
fn is_own(home: &Home, user_home: &Path, path: &str) -> bool {
    let name = format!("{}.git", home.app());
    let path = path.strip_suffix('/').unwrap_or(path);
    let whole = home.repository();
    if Some(path) == whole.to_str() {
        return true;
    }
    // In user mode the repository lies deeper in the account's home.
    let below = whole
        .strip_prefix(user_home)
        .ok()
        .and_then(Path::to_str)
        .filter(|_| user_home.is_absolute());
    [Some(name.as_str()), below]
        .into_iter()
        .flatten()
        .any(|own| {
            let rest = path.strip_suffix(own);
            rest.is_some_and(|start| ["", "/", "./", "~/"].contains(&start))
        })
}

fn command(host: &Host, real: &Host, service: Service, repository: &Path) -> Cmd {
    // git's own protocol version; sshd passes it on where it accepts the variable.
    let protocol = real.var("GIT_PROTOCOL").filter(|value| is_protocol(value));
    let of_caller = ["HOME", "LANG", "PATH", user::WHO, user::KEY]
        .map(|name| host.var(name).map(|value| (name, value)));
    Cmd::new("git")
        .arg(service.command())
        .path_arg(repository)
        .envs(host.machine_variables())
        .envs(of_caller.into_iter().flatten())
        .envs(protocol.map(|value| ("GIT_PROTOCOL", value)))
        .envs(checkpoint::environment())
}

/// `version=2`, and others like it with colons between.
fn is_protocol(value: &str) -> bool {
    value.len() <= 100
        && value.split(':').all(|part| {
            part.strip_prefix("version=").is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
            })
        })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn only_this_apps_repository_is_served() {
        let notes = "notes".parse().unwrap();
        let home = Home::new("/srv/landfall/notes".into(), notes);
        let is = |path: &str| is_own(&home, Path::new("/srv/landfall/notes"), path);
        for path in [
            "notes.git",
            "notes.git/",
            "/notes.git",
            "~/notes.git",
            "./notes.git",
            "/srv/landfall/notes/notes.git",
        ] {
            assert!(is(path), "{path}");
        }
        for path in [
            "",
            "/",
            "notes",
            "x.git",
            "shop.git",
            "xnotes.git",
            "x/notes.git",
            "../notes.git",
            "/../notes.git",
            "~/../notes/notes.git",
            "~ana/notes.git",
            "~/x/notes.git",
            "//notes.git",
            "/notes.git/..",
            "notes.git/hooks",
            "/srv/landfall/notes/../notes/notes.git",
            "/srv/landfall/shop/shop.git",
            "/srv/landfall/notes",
            "nоtes.git", // a Cyrillic o
            "notes.git\u{200b}",
            "--upload-pack=id",
            "-oProxyCommand=id",
            "$(id)",
            "`id`",
            "notes.git;id",
        ] {
            assert!(!is(path), "{path}");
        }
        let home = Home::new("/home/me/landfall/notes".into(), home.app().clone());
        let is = |path: &str| is_own(&home, Path::new("/home/me"), path);
        for path in [
            "landfall/notes/notes.git",
            "~/landfall/notes/notes.git",
            "notes.git",
        ] {
            assert!(is(path), "{path}");
        }
        assert!(!is("landfall/notes/../shop/shop.git"));
    }

    #[test]
    fn git_gets_a_chosen_environment() {
        let with = |protocol: &str| {
            let env = [
                ("GIT_PROTOCOL", protocol),
                ("GIT_SSH_COMMAND", "id"),
                ("HOME", "/h"),
                ("LD_PRELOAD", "/x.so"),
                (user::WHO, "Ana"),
                ("https_proxy", "http://proxy"),
            ];
            let host = Host::fixed(&env, Path::new("/"), UNIX_EPOCH);
            command(&host, &host, Service::UploadPack, Path::new("/a.git"))
        };
        let git = with("version=2");
        assert_eq!(git.argv(), ["git", "upload-pack", "/a.git"]);
        let names: Vec<&str> = git.environment().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["GIT_PROTOCOL", "HOME", "LANDFALL_WHO", "https_proxy"]
        );
        for odd in ["version=2:x", "", "version=", "version=2\n", "a=$(id)"] {
            assert!(
                !with(odd).environment().contains_key("GIT_PROTOCOL"),
                "{odd:?}"
            );
        }
    }
}
