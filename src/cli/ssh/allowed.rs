//! What each role may do over ssh.
//!
//! takes: a parsed command · gives: who may ask for it · touches: nothing

use std::path::Path;

use crate::base::names::AppName;
use crate::base::words::list;
use crate::cli::Command;
use crate::keys::role::Role;

/// What decides whether a command runs.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Access<'a> {
    /// The role it takes; `None` for what never runs over ssh.
    pub(in crate::cli) role: Option<Role>,
    /// The app it names besides `--app`.
    pub(in crate::cli) app: Option<&'a AppName>,
    /// The file it reads where it runs.
    pub(in crate::cli) file: Option<&'a Path>,
}

/// Who may ask for a command. Each has a line of its own here, so that a new one is thought of.
pub(in crate::cli) fn of(command: &Command) -> Access<'_> {
    let (mut app, mut file) = (None, None);
    let role = match command {
        Command::Status(_)
        | Command::Releases(_)
        | Command::Ps(_)
        | Command::Log(_)
        | Command::Attach(_)
        | Command::Logs(_)
        | Command::Plan(_) => Some(Role::Read),
        Command::App(command) => {
            app = command.app();
            command.only_shows().then_some(Role::Read)
        }
        // Root's work, but for a look at what the app's user can see too.
        Command::Cert(command) => command.only_shows().then_some(Role::Read),
        Command::Key(command) => {
            app = command.app();
            command.only_shows().then_some(Role::Read)
        }
        Command::Deploy(_) | Command::Rollback(_) | Command::Cancel(_) => Some(Role::Deploy),
        Command::Env(command) => {
            file = command.file();
            Some(if command.only_shows() {
                Role::Read
            } else {
                Role::Operate
            })
        }
        Command::Shared(command) => {
            file = command.file();
            Some(if command.only_shows() {
                Role::Read
            } else {
                Role::Operate
            })
        }
        Command::Site(_)
        | Command::Csr(_)
        | Command::Init(_)
        | Command::Demo(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Hook(_)
        | Command::Exec(_)
        | Command::Server(_)
        | Command::Ssh(_) => None,
    };
    Access { role, app, file }
}

/// What people type, each with the role it takes.
const PHRASES: [(Role, &[&str]); 3] = [
    (
        Role::Read,
        &[
            "git fetch",
            "status",
            "releases",
            "ps",
            "log",
            "attach",
            "logs",
            "plan",
            "env list",
            "shared list",
            "app show",
            "key list",
            "cert status",
        ],
    ),
    (Role::Deploy, &["git push", "deploy", "rollback", "cancel"]),
    (
        Role::Operate,
        &["env set", "env unset", "env import", "shared add"],
    ),
];

/// What a role may do, in a sentence.
pub(super) fn sentence(role: Role) -> String {
    let all: Vec<&str> = PHRASES
        .iter()
        .filter(|(needed, _)| *needed <= role)
        .flat_map(|(_, phrases)| phrases.iter().copied())
        .collect();
    format!("`{role}` may do this: {}", list(&all))
}

/// The role a phrase takes.
pub(super) fn role_of(phrase: &str) -> Option<Role> {
    PHRASES
        .iter()
        .find(|(_, phrases)| phrases.contains(&phrase))
        .map(|(role, _)| *role)
}

/// The words that name a command, without its arguments: these may be secret.
pub(in crate::cli) fn phrase(words: &[String]) -> String {
    let mut names = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if ["--app", "--remote"].contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            names.push(word);
        }
    }
    match names[..] {
        [
            group @ ("app" | "cert" | "env" | "key" | "shared"),
            command,
            ..,
        ] => format!("{group} {command}"),
        [command, ..] => command.to_owned(),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Args;

    const PAGE: &str = include_str!("../../../docs/using/keys.md");

    fn parse(line: &str) -> Command {
        let words = std::iter::once("landfall").chain(line.split(' '));
        Args::try_parse_from(words)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .command
    }

    fn role(line: &str) -> Option<Role> {
        of(&parse(line)).role
    }

    #[test]
    fn the_sentence_says_what_is_so() {
        let with_arguments = |phrase: &str| match phrase {
            "env set" => "env set A=b".to_owned(),
            "env unset" => "env unset A".to_owned(),
            "env import" => "env import -".to_owned(),
            "shared add" => "shared add a".to_owned(),
            other => other.to_owned(),
        };
        for (needed, phrases) in PHRASES {
            for said in phrases.iter().filter(|said| !said.starts_with("git ")) {
                let line = with_arguments(said);
                assert_eq!(role(&line), Some(needed), "{said}");
                let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
                assert_eq!(phrase(&words), *said);
                let with_app = ["--app".to_owned(), "notes".into()];
                assert_eq!(phrase(&[&with_app[..], &words].concat()), *said);
                assert_eq!(role_of(said), Some(needed));
                let row = PAGE
                    .lines()
                    .find(|row| row.starts_with(&format!("| `{needed}`")));
                assert!(row.unwrap().contains(&format!("`{said}")), "docs: {said}");
            }
        }
        assert_eq!(
            sentence(Role::Read),
            "`read` may do this: git fetch, status, releases, ps, log, attach, logs, plan, env list, shared list, app show, key list and cert status"
        );
    }

    #[test]
    fn what_is_roots_or_runs_elsewhere_never_runs() {
        for line in [
            "app create x",
            "app list",
            "app remove notes --yes",
            "key add notes x.pub",
            "key remove notes Ana",
            "csr",
            "cert install -",
            "cert self-signed",
            "cert issue --agree-tos",
            "cert issue --dns-hook /tmp/x --agree-tos",
            "cert renew",
            "cert renew --all --force",
            "cert status --all",
            "cert status --host 127.0.0.1:22",
            "cert status --roots /etc/shadow",
            "init",
            "demo",
            "completions bash",
            "man",
            "hook pre-receive --settings /x",
            "exec --home /x --name x --release 1 web",
            "ssh --key SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ --role operate",
        ] {
            assert_eq!(role(line), None, "{line}");
        }
    }

    #[test]
    fn files_and_apps_that_are_named_are_seen() {
        for line in [
            "env import /etc/passwd",
            "env import .env",
            "shared add a --from /etc/passwd",
        ] {
            assert!(of(&parse(line)).file.is_some(), "{line}");
        }
        for line in [
            "env import -",
            "shared add a --from -",
            "shared add a",
            "env set A=/etc/passwd",
        ] {
            assert_eq!(of(&parse(line)).file, None, "{line}");
        }
        for line in ["app show shop", "key list shop"] {
            let command = parse(line);
            assert_eq!(
                of(&command).app.map(AppName::as_str),
                Some("shop"),
                "{line}"
            );
        }
    }
}
