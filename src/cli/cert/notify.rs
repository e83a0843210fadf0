//! Telling people how certificates are, by a program of the server's own: on a change, then once a week while it is bad.
//!
//! takes: what was found of all apps · gives: nothing · touches: runs `/etc/landfall/notify`; `/var/lib/landfall/cert-told.json` ·
//! undone by: -

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::look::Look;
use crate::base::command::{self, Cmd, CommandError, Quiet};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::{Host, SYSTEM_PATH, rfc3339};
use crate::base::server_paths::ServerPaths;
use crate::base::user;
use crate::base::words::shown;
use crate::tls::health::Grade;

/// How often what stays bad is told again.
const WEEK: u64 = 7 * 24 * 60 * 60;
const TIMEOUT: Duration = Duration::from_secs(60);
/// Of the text, in characters.
const LONGEST: usize = 300;

/// Nobody was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotifyError {
    #[error("only root tells the server's people")]
    NotRoot,
    #[error("{} is not run: others than root can change it", .0.display())]
    NotRoots(PathBuf),
    #[error("{} is not run: it is no executable file", .0.display())]
    NotExecutable(PathBuf),
    #[error("nobody was told of it")]
    Program(#[source] CommandError),
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for NotifyError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotRoot => vec!["sudo landfall cert status --all --notify".into()],
            Self::NotRoots(path) => {
                let (path, folder) = (path.display(), path.parent().unwrap_or(path).display());
                vec![
                    format!("chown root {folder} {path} && chmod go-w {folder} {path}"),
                    "no link, but the file itself".into(),
                ]
            }
            Self::NotExecutable(path) => vec![format!("chmod 755 {}", path.display())],
            Self::Program(_) => {
                vec!["what it may do in the timer's service: docs/using/tls.md, Watching".into()]
            }
            Self::Fs(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Program(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotRoot | Self::NotRoots(_) | Self::NotExecutable(_) => Kind::Refused,
            Self::Program(_) | Self::Fs(_) => Kind::Failed,
        }
    }
}

/// What was told of each app: the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    apps: BTreeMap<String, Last>,
}

/// What was told last of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    grade: Grade,
    /// Seconds since 1970.
    at: u64,
}

/// What the program reads.
#[derive(Serialize)]
struct News<'a> {
    host: String,
    at: String,
    grade: Grade,
    text: &'a str,
    apps: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    app: &'a str,
    was: Grade,
    certificate: &'a Look,
}

/// Tells what is new; where there is no program, nothing is remembered either.
pub(super) fn tell(host: &Host, looks: &[Look]) -> Result<(), NotifyError> {
    if !user::is_root() {
        return Err(NotifyError::NotRoot);
    }
    let server = ServerPaths::default();
    let program = server.notify();
    if program.symlink_metadata().is_err() {
        return Ok(());
    }
    check(&program)?;
    let file = server.state().join("cert-told.json");
    let now = host.now_unix();
    let told: Told = fs::read_if_exists(&file)?
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let (items, next) = news(&told, looks, now);
    if !items.is_empty() {
        send(&program, items, now)?;
    }
    if next != told {
        let text = serde_json::to_string_pretty(&next).unwrap_or_default();
        fs::write(&file, text.as_bytes(), fs::PUBLIC)?;
    }
    Ok(())
}

/// It runs as root, so nobody else may be able to put another in its place.
fn check(program: &Path) -> Result<(), NotifyError> {
    let is_roots = |path: &Path| {
        path.symlink_metadata()
            .is_ok_and(|found| !found.is_symlink() && fs::is_roots_alone(&found))
    };
    if !is_roots(program) || !program.parent().is_some_and(is_roots) {
        return Err(NotifyError::NotRoots(program.to_owned()));
    }
    let is_program = program
        .metadata()
        .is_ok_and(|found| found.is_file() && found.mode() & 0o100 != 0);
    if is_program {
        Ok(())
    } else {
        Err(NotifyError::NotExecutable(program.to_owned()))
    }
}

/// What is to be told, and what is remembered then. An app that is gone is forgotten.
fn news<'a>(told: &Told, looks: &'a [Look], now: u64) -> (Vec<Item<'a>>, Told) {
    let (mut items, mut next) = (Vec::new(), Told::default());
    for look in looks {
        let last = told.apps.get(&look.of);
        let was = last.map_or(Grade::Ok, |last| last.grade);
        let since = last.map_or(now, |last| last.at);
        // A clock that was set back must not keep anybody silent.
        let is_due = look.grade != Grade::Ok && (now < since || now - since >= WEEK);
        let is_new = look.grade != was || is_due;
        if is_new {
            items.push(Item {
                app: &look.of,
                was,
                certificate: look,
            });
        }
        let last = Last {
            grade: look.grade,
            at: if is_new { now } else { since },
        };
        next.apps.insert(look.of.clone(), last);
    }
    (items, next)
}

fn send(program: &Path, items: Vec<Item<'_>>, now: u64) -> Result<(), NotifyError> {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let host = shown(&host.to_string_lossy(), 64);
    let words: Vec<String> = items.iter().map(words).collect();
    let text = shown(&format!("{host}: {}", words.join("; ")), LONGEST);
    let grades = items.iter().map(|item| item.certificate.grade);
    let news = News {
        at: rfc3339(now),
        grade: grades.fold(Grade::Ok, Grade::worst),
        text: &text,
        host,
        apps: items,
    };
    let json = serde_json::to_string(&news).unwrap_or_default();
    let command = Cmd::new(program)
        .arg(text.as_str())
        .input(format!("{json}\n"))
        .cwd(Path::new("/"))
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .timeout(TIMEOUT);
    command::run(&command, &Quiet).map_err(NotifyError::Program)
}

/// One app in a few words.
fn words(item: &Item<'_>) -> String {
    let look = item.certificate;
    let head = format!("{} {}", look.grade.word(), item.app);
    if let Some(problem) = look.problems.first() {
        return format!("{head}: {}", problem.message);
    }
    let days = look.life.map_or(0, |life| life.days_left);
    format!("{head}: {days} days left, was {}", item.was.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn look(of: &str, grade: Grade) -> Look {
        let mut look = Look::unknown(of.into(), format!("it is {}", grade.word()));
        look.grade = grade;
        if grade == Grade::Ok {
            look.problems.clear();
        }
        look
    }

    /// The days on which somebody is told, and what.
    fn told(grades: &[Grade]) -> Vec<(usize, String)> {
        let (mut state, mut said) = (Told::default(), Vec::new());
        for (day, grade) in grades.iter().enumerate() {
            let looks = [look("notes", *grade)];
            let now = 1_790_000_000 + day as u64 * DAY;
            let (items, next) = news(&state, &looks, now);
            said.extend(items.iter().map(|item| (day, words(item))));
            state = next;
        }
        said
    }

    #[test]
    fn a_month_of_trouble_is_a_few_messages() {
        use Grade::{Critical, Ok, Warning};
        assert!(told(&[Ok; 30]).is_empty());
        let mut month = vec![Ok, Ok];
        month.extend([Warning; 16]);
        month.extend([Critical; 9]);
        month.extend([Ok; 5]);
        let said = told(&month);
        let (warning, critical) = (
            "WARNING notes: it is WARNING",
            "CRITICAL notes: it is CRITICAL",
        );
        let expected = [
            (2, warning),
            (9, warning),
            (16, warning),
            (18, critical),
            (25, critical),
            (27, "OK notes: 0 days left, was CRITICAL"),
        ];
        assert_eq!(said, expected.map(|(day, text)| (day, text.to_owned())));
        // Bad from the first look on.
        assert_eq!(told(&[Critical, Critical]), [(0, critical.to_owned())]);
    }

    #[test]
    fn each_app_by_itself_one_that_is_gone_is_forgotten_and_a_clock_may_go_back() {
        let now = 1_790_000_000;
        let both = [look("notes", Grade::Warning), look("shop", Grade::Ok)];
        let (items, state) = news(&Told::default(), &both, now);
        assert_eq!(
            items.iter().map(|item| item.app).collect::<Vec<_>>(),
            ["notes"]
        );
        let other = [look("shop", Grade::Unknown)];
        let (items, state) = news(&state, &other, now + DAY);
        assert_eq!(
            items.iter().map(|item| item.app).collect::<Vec<_>>(),
            ["shop"]
        );
        assert_eq!(state.apps.keys().collect::<Vec<_>>(), ["shop"]);
        let (items, _) = news(&state, &other, now);
        assert_eq!(items.len(), 1);
    }

    #[test]
    fn a_program_that_others_can_change_is_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("notify");
        let refused = |mode| {
            fs::write(&program, b"#!/bin/sh\n", mode).unwrap();
            check(&program).unwrap_err().to_string()
        };
        assert!(refused(0o775).contains("others than root can change it"));
        if user::is_root() {
            assert!(refused(0o644).contains("no executable file"));
            fs::write(&program, b"#!/bin/sh\n", 0o755).unwrap();
            check(&program).unwrap();
            let link = dir.path().join("link");
            fs::symlink(&program, &link).unwrap();
            assert!(check(&link).is_err());
        }
    }
}
