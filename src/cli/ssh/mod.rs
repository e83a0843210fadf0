//! `landfall ssh`: what sshd runs for a key that `landfall key` let in, whatever the client asked for.
//!
//! takes: SSH_ORIGINAL_COMMAND · gives: git's side of a push or a fetch, or one of Landfall's commands on this app ·
//! touches: what these do · undone by: as these are
//!
//! What the client sends is split into words and parsed as a command line of this program; no shell sees it.

mod again;
pub(super) mod allowed;
mod git;
mod request;

use std::path::{Path, PathBuf};

use clap::Parser;

use self::request::Request;
use super::key::place::Place;
use super::{Command, Ended, Globals, output, session};
use crate::base::hint::{Hint, Kind, Report};
use crate::base::host::{Host, SYSTEM_PATH};
use crate::base::names::{AppName, Fingerprint};
use crate::base::server_paths::ServerPaths;
use crate::base::user;
use crate::config::server::AppSettings;
use crate::keys::authorized::Entry;
use crate::keys::role::Role;
use crate::release::layout::Home;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The app's settings file, where it is not the server's.
    #[arg(long)]
    settings: Option<PathBuf>,
    /// The key that let the client in.
    #[arg(long)]
    key: Fingerprint,
    /// What it may do.
    #[arg(long)]
    role: Role,
}

/// The client is not served.
#[derive(Debug, thiserror::Error)]
enum SshError {
    #[error("no app is named")]
    NoApp,
    #[error("the key {0} is let in no more")]
    Unknown(Fingerprint),
    #[error("there is no shell here")]
    NoShell(Role),
    #[error("this key may not do that: its role is `{}`", .1)]
    NotAllowed(String, Role),
    #[error("`{0}` reads a file of the server")]
    ServersFile(String),
    #[error("this key is for `{0}` alone")]
    OtherApp(AppName),
}

impl Hint for SshError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoApp | Self::Unknown(_) => Vec::new(),
            Self::NoShell(role) => vec![allowed::sentence(*role)],
            Self::NotAllowed(command, role) => {
                let needed = allowed::role_of(command);
                let other = needed
                    .map(|needed| format!("`{command}` needs a key with the role `{needed}`"));
                other
                    .into_iter()
                    .chain([allowed::sentence(*role)])
                    .collect()
            }
            Self::ServersFile(command) => vec![format!("send it: {command} - < FILE")],
            Self::OtherApp(app) => vec![format!("leave it out, or say --app {app}")],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoApp => Kind::Usage,
            _ => Kind::Refused,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let app = globals.app.as_ref().ok_or(SshError::NoApp)?;
    let settings_file = match &args.settings {
        Some(file) => file.clone(),
        None => ServerPaths::default().app_settings(app),
    };
    let settings = session::read_settings(&settings_file)?;
    let entry = Place::of(host, &settings, &settings_file)
        .entry(&args.key)
        .ok_or_else(|| SshError::Unknown(args.key.clone()))?;
    // What stands in the file now, should a connection be older than it.
    let role = entry.role.min(args.role);
    let client = Client {
        host: surroundings(host, &settings_file, &entry),
        settings,
        settings_file,
    };
    match judge(
        &client.settings.name,
        role,
        host.path_var("SSH_ORIGINAL_COMMAND"),
    ) {
        Ok(Asked::Git(service, path)) => client.git(host, service, &path),
        Ok(Asked::Command(globals, command)) => super::run(&client.host, &globals, command),
        Err(Refused::Usage(error)) => Err(Ended::Said(output::clap_error(&error))),
        Err(Refused::Error(error)) => Err(Ended::Error(error)),
    }
}

/// What a client asks for and may have. Nothing of it has run.
#[derive(Debug)]
enum Asked {
    Git(git::Service, String),
    Command(Globals, Command),
}

/// What a client does not get.
enum Refused {
    /// The words of a command are not as it takes them; or help was asked for.
    Usage(clap::Error),
    Error(Report),
}

impl<E: Hint> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Error(Box::new(error))
    }
}

/// What `original` asks for, where a key of `app` with that role may have it.
fn judge(app: &AppName, role: Role, original: Option<PathBuf>) -> Result<Asked, Refused> {
    match request::parse(original)? {
        None => Err(SshError::NoShell(role).into()),
        Some(Request::Git(service, _)) if role < service.role() => {
            Err(SshError::NotAllowed(service.phrase().into(), role).into())
        }
        Some(Request::Git(service, path)) => Ok(Asked::Git(service, path)),
        Some(Request::Landfall(words)) => judge_command(app, role, &words),
    }
}

fn judge_command(app: &AppName, role: Role, words: &[String]) -> Result<Asked, Refused> {
    let program = std::iter::once("landfall".to_owned());
    let args = match super::Args::try_parse_from(program.chain(words.iter().cloned())) {
        Ok(args) => args,
        Err(_) if !request::is_of_landfall(words) => {
            return Err(SshError::NotAllowed(words[0].clone(), role).into());
        }
        Err(error) => return Err(Refused::Usage(error)),
    };
    let phrase = allowed::phrase(words);
    let access = allowed::of(&args.command);
    if access.role.is_none_or(|needed| needed > role) || args.remote.is_some() {
        return Err(SshError::NotAllowed(phrase, role).into());
    }
    if access.file.is_some() {
        return Err(SshError::ServersFile(phrase).into());
    }
    if [args.app.as_ref(), access.app]
        .into_iter()
        .flatten()
        .any(|named| named != app)
    {
        return Err(SshError::OtherApp(app.clone()).into());
    }
    let globals = Globals {
        app: Some(app.clone()),
        json: args.json,
    };
    Ok(Asked::Command(globals, args.command))
}

/// For the fuzz target `request`: what would run, in the words of `Debug`, or the lines that are said.
#[cfg(any(fuzzing, debug_assertions))]
pub fn judged(app: &AppName, role: Role, original: &[u8]) -> Result<String, Vec<String>> {
    use std::os::unix::ffi::OsStrExt;
    let original = std::ffi::OsStr::from_bytes(original);
    judge(app, role, Some(original.into()))
        .map(|asked| format!("{asked:?}"))
        .map_err(|refused| match refused {
            Refused::Usage(error) => output::clap_text(&error)
                .lines()
                .map(str::to_owned)
                .collect(),
            Refused::Error(error) => output::error_lines(error.as_ref()),
        })
}

/// What the commands see of the machine: nothing that the client or the account's own settings could have chosen.
fn surroundings(host: &Host, settings: &Path, entry: &Entry) -> Host {
    let home = home(host);
    let config = settings.parent().and_then(Path::parent);
    let config = config.map_or_else(String::new, |path| path.to_string_lossy().into_owned());
    host.with_only(&[
        ("HOME", &home.to_string_lossy()),
        ("LANG", "C.UTF-8"),
        ("LANDFALL_CONFIG_DIR", &config),
        ("PATH", SYSTEM_PATH),
        (user::WHO, entry.who.as_str()),
        (user::KEY, entry.key.fingerprint().as_str()),
    ])
}

fn home(host: &Host) -> PathBuf {
    let home = host.path_var("HOME").or_else(user::home);
    home.unwrap_or_else(|| PathBuf::from("/"))
}

struct Client {
    /// See [`surroundings`].
    host: Host,
    settings: AppSettings,
    settings_file: PathBuf,
}

impl Client {
    fn git(&self, real: &Host, service: git::Service, path: &str) -> Result<(), Ended> {
        let home = Home::new(self.settings.home.clone(), self.settings.name.clone());
        if service == git::Service::ReceivePack
            && let Err(Ended::Error(error)) = again::make_possible(&self.host, &self.settings_file)
        {
            // The push meets the same and says more.
            output::error(error.as_ref());
        }
        Err(git::serve(&self.host, real, service, &home, path).into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::config::server;

    const SETTINGS: &str = "name = \"notes\"\nhome = \"/nowhere/notes\"\nbranch = \"master\"\nlisten = \"127.0.0.1:80\"\n";

    fn client() -> Client {
        Client {
            host: Host::fixed(
                &[("LANDFALL_CONFIG_DIR", "/nowhere")],
                Path::new("/"),
                UNIX_EPOCH,
            ),
            settings: server::parse(SETTINGS, "notes.toml").unwrap(),
            settings_file: "/nowhere/apps/notes.toml".into(),
        }
    }

    /// How a request ends, in a word: what the command itself makes of an app that is not there is `ran`.
    fn ends(role: Role, text: &str) -> String {
        let client = client();
        let result = match judge(&client.settings.name, role, Some(text.into())) {
            Ok(Asked::Git(service, path)) => client.git(&client.host, service, &path),
            Ok(Asked::Command(globals, command)) => {
                super::super::run(&client.host, &globals, command)
            }
            Err(Refused::Usage(_)) => return "usage".into(),
            Err(Refused::Error(error)) if error.kind() == Kind::Usage => {
                return format!("{:?}", error.kind());
            }
            Err(Refused::Error(error)) => Err(Ended::Error(error)),
        };
        match result {
            Ok(()) => "ran".into(),
            Err(Ended::Said(_)) => "usage".into(),
            Err(Ended::Error(error)) if error.kind() == Kind::NotFound => "ran".into(),
            Err(Ended::Error(error)) => error.to_string(),
        }
    }

    #[test]
    fn a_role_does_what_it_may_and_nothing_else() {
        let no = |role: Role| format!("this key may not do that: its role is `{role}`");
        let (read, deploy, operate) = (Role::Read, Role::Deploy, Role::Operate);
        for (role, text, end) in [
            (read, "status", "ran".to_owned()),
            (read, "landfall status --json", "ran".into()),
            (read, "--app notes env list", "ran".into()),
            (read, "deploy", no(read)),
            (read, "rollback 1", no(read)),
            (read, "env set A=b", no(read)),
            (read, "git-receive-pack 'notes.git'", no(read)),
            (deploy, "rollback", "ran".into()),
            (deploy, "env set A=b", no(deploy)),
            (
                deploy,
                "git-receive-pack 'shop.git'",
                "there is no repository `shop.git` for this key".into(),
            ),
            (deploy, "git-receive-pack 'notes.git' --x", no(deploy)),
            (operate, "env set A=b", "ran".into()),
            (
                operate,
                "env import /etc/passwd",
                "`env import` reads a file of the server".into(),
            ),
            (
                operate,
                "shared add a --from /etc/passwd",
                "`shared add` reads a file of the server".into(),
            ),
            (
                operate,
                "--app shop status",
                "this key is for `notes` alone".into(),
            ),
            (
                operate,
                "app show shop",
                "this key is for `notes` alone".into(),
            ),
            (
                operate,
                "key list shop",
                "this key is for `notes` alone".into(),
            ),
            (operate, "app remove notes --yes", no(operate)),
            (operate, "app create x", no(operate)),
            (operate, "app list", no(operate)),
            (operate, "key add notes -", no(operate)),
            (operate, "demo", no(operate)),
            (operate, "hook finish --settings /x", no(operate)),
            (operate, "hook", no(operate)),
            (
                operate,
                "exec --home / --name notes --release 1 web",
                no(operate),
            ),
            (
                operate,
                "ssh --key SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ --role operate",
                no(operate),
            ),
            (operate, "--remote x status", no(operate)),
            (operate, "status --nonsense", "usage".into()),
            (operate, "status; id", no(operate)),
            (operate, "sh", no(operate)),
            (operate, "sh -c 'landfall status'", no(operate)),
            (operate, "scp -t /tmp", no(operate)),
            (operate, "/usr/lib/openssh/sftp-server", no(operate)),
            (operate, "git status", no(operate)),
            (operate, "git-upload-archive 'notes.git'", no(operate)),
            (operate, "git-shell -c id", no(operate)),
            (operate, "rsync --server . /", no(operate)),
            (operate, "LANDFALL_APP=shop status", no(operate)),
            (operate, "$(id)", no(operate)),
            (operate, "`id`", no(operate)),
            (operate, "|| id", no(operate)),
            (operate, "ѕtatus", no(operate)),
            (operate, "status\nid", "Usage".into()),
            (operate, "", "there is no shell here".into()),
        ] {
            assert_eq!(ends(role, text), end, "{text:?} as {role}");
        }
    }

    /// Words of a command line, pieces of shell and random bytes, put together in any order: an answer, and no panic; and
    /// nothing runs that the role may not do.
    #[test]
    fn requests_of_any_kind_end_in_an_answer() {
        const PIECES: [&str; 32] = [
            "status",
            "env",
            "set",
            "A=b",
            "import",
            "-",
            "/etc/passwd",
            "--from",
            "shared",
            "add",
            "git-receive-pack",
            "'notes.git'",
            "git",
            "upload-pack",
            "landfall",
            "--app",
            "notes",
            "shop",
            "--json",
            "--",
            "-h",
            ";",
            "$(id)",
            "\"",
            "'",
            "\\",
            "../",
            "--help",
            "key",
            "app",
            "remove",
            "hook",
        ];
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..3000 {
            let text: String = if round % 2 == 0 {
                (0..next(12))
                    .map(|_| format!("{} ", PIECES[next(PIECES.len())]))
                    .collect()
            } else {
                let bytes: Vec<u8> = (0..next(60))
                    .map(|_| u8::try_from(next(256)).unwrap())
                    .collect();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            let Ok(Some(Request::Landfall(words))) = request::parse(Some(PathBuf::from(&text)))
            else {
                continue;
            };
            let program = std::iter::once("landfall".to_owned());
            if let Ok(args) =
                super::super::Args::try_parse_from(program.chain(words.iter().cloned()))
            {
                let may = allowed::of(&args.command).role == Some(Role::Read);
                let judged = judge(
                    &client().settings.name,
                    Role::Read,
                    Some(text.clone().into()),
                );
                assert!(may || judged.is_err(), "{text:?}");
            }
        }
    }
}
