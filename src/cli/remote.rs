//! `landfall --remote REMOTE COMMAND…`: the command on the other side of a git remote, over ssh.
//!
//! takes: the words of the command line · gives: what the other side prints, and its exit code · touches: nothing here

use std::os::unix::process::CommandExt;
use std::process::Stdio;

use super::ssh::allowed;
use super::{Args, Ended, output};
use crate::base::command::Cmd;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::words::list;
use crate::git::{GitError, Repo};
use crate::tool::ssh::{self, Destination};

/// The variable that names the remote.
const VARIABLE: &str = "LANDFALL_REMOTE";

/// The other side cannot be asked.
#[derive(Debug, thiserror::Error)]
enum RemoteError {
    #[error("`{0}` runs on this machine only")]
    Here(String),
    #[error("`{0}` would read a file of the server")]
    ServersFile(String),
    #[error("this is no clone, so it has no remotes")]
    NoClone(#[source] GitError),
    #[error("this clone has no remote `{given}`")]
    NoSuchRemote { given: String, known: Vec<String> },
    #[error("the command line has bytes that are not UTF-8")]
    NotText,
    #[error("{0} cannot be split into words: its quotes do not end")]
    Quotes(&'static str),
    #[error("`{program}` cannot be started")]
    Start {
        program: String,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for RemoteError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Here(_) => vec!["leave --remote out, and unset LANDFALL_REMOTE".into()],
            Self::ServersFile(command) => {
                vec![format!(
                    "send it: landfall --remote REMOTE {command} - < FILE"
                )]
            }
            Self::NoClone(_) => vec!["run it in the project whose remote it is".into()],
            Self::NoSuchRemote { known, .. } if known.is_empty() => {
                vec!["git remote add production USER@HOST:NAME.git".into()]
            }
            Self::NoSuchRemote { known, .. } => vec![format!("there are: {}", list(known))],
            Self::Start { .. } => {
                vec!["is ssh installed? GIT_SSH_COMMAND and core.sshCommand name another".into()]
            }
            Self::NotText | Self::Quotes(_) => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoClone(_) | Self::NoSuchRemote { .. } => Kind::NotFound,
            Self::Start { .. } => Kind::Failed,
            _ => Kind::Usage,
        }
    }
}

/// The remote that is asked, if one is: `--remote`, or the variable for commands that run over ssh at all.
pub(super) fn wanted(host: &Host, args: &Args) -> Option<String> {
    let by_variable = || {
        let runs_there = allowed::of(&args.command).role.is_some();
        host.var(VARIABLE).filter(|_| runs_there).map(str::to_owned)
    };
    args.remote.clone().or_else(by_variable)
}

/// Lets ssh take this process's place; comes back only with an error.
pub(super) fn run(host: &Host, args: &Args, remote: &str) -> Ended {
    let command = match command(host, args, remote) {
        Ok(command) => command,
        Err(ended) => return ended,
    };
    tracing::debug!(command = %command.display(), "becomes");
    let source = command.to_std().stdin(Stdio::inherit()).exec();
    let program = command.argv().remove(0);
    RemoteError::Start { program, source }.into()
}

fn command(host: &Host, args: &Args, remote: &str) -> Result<Cmd, Ended> {
    let words = words(host)?;
    let phrase = || allowed::phrase(&words);
    let access = allowed::of(&args.command);
    if access.role.is_none() {
        return Err(RemoteError::Here(phrase()).into());
    }
    if access.file.is_some() {
        return Err(RemoteError::ServersFile(phrase()).into());
    }
    let repo = Repo::discover(host.cwd()).map_err(RemoteError::NoClone)?;
    let Some(url) = repo.remote_url(remote)? else {
        return Err(RemoteError::NoSuchRemote {
            given: output::fit(remote),
            known: repo.remotes()?,
        }
        .into());
    };
    let destination = Destination::parse(&url)?;
    let program = program(host, &repo)?;
    let own = args.app.is_none().then(|| destination.app()).flatten();
    let app = own.map(|app| ["--app".to_owned(), app.to_string()]);
    let words: Vec<String> = std::iter::once("landfall".to_owned())
        .chain(app.into_iter().flatten())
        .chain(words)
        .collect();
    // ssh is the caller's own, with their agent, their settings, their terminal.
    Ok(ssh::command(&program, &destination, &words).envs(host.environment()))
}

/// The command line as it was typed, without `--remote`.
fn words(host: &Host) -> Result<Vec<String>, RemoteError> {
    let mut words = Vec::new();
    let mut args = host.args().iter().skip(1);
    let mut is_option = true;
    while let Some(arg) = args.next() {
        let arg = arg.to_str().ok_or(RemoteError::NotText)?;
        is_option &= arg != "--";
        if is_option && arg == "--remote" {
            args.next();
        } else if !(is_option && arg.starts_with("--remote=")) {
            words.push(arg.to_owned());
        }
    }
    Ok(words)
}

/// ssh, as git would find it. What git hands to a shell is split into words here; it is a program and options.
fn program(host: &Host, repo: &Repo) -> Result<Vec<String>, RemoteError> {
    let split = |name, line: &str| {
        let words = shell_words::split(line)
            .ok()
            .filter(|words| !words.is_empty());
        words.ok_or(RemoteError::Quotes(name))
    };
    if let Some(line) = host.var("GIT_SSH_COMMAND") {
        return split("GIT_SSH_COMMAND", line);
    }
    if let Some(line) = repo.config_value("core.sshCommand") {
        return split("core.sshCommand", &line);
    }
    Ok(vec![host.var("GIT_SSH").unwrap_or("ssh").to_owned()])
}
