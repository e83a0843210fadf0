//! The app's processes as supervisor has them, for `ps` and `status`.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::hint::{Hint, Kind};
use crate::base::names::ReleaseId;
use crate::base::proc::Snapshot;
use crate::base::words::{count, first_of};
use crate::release::process::{Processes, parse_program};
use crate::release::store::{self, StoreError};
use crate::stage::Context;
use crate::supervisor::rpc::{Process, State};

/// What a process is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// It outlives releases: nginx.
    Server,
    /// It belongs to the live release.
    Live,
    /// It belongs to a release that is being made.
    Next,
    /// It finishes what it is at; its release is no longer live.
    Draining,
    /// It has ended with its release; the next deploy takes it out of supervisor's list.
    Old,
}

impl Role {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Live => "live",
            Self::Next => "next",
            Self::Draining => "draining",
            Self::Old => "old",
        }
    }

    /// The site is not whole while such a process does not run.
    fn must_run(self) -> bool {
        matches!(self, Self::Server | Self::Live)
    }
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// `web`, `celery`, `nginx`.
    pub(super) process: String,
    pub(super) release: Option<ReleaseId>,
    pub(super) role: Role,
    /// supervisor's word, or `missing`: supervisor does not know it.
    pub(super) state: &'static str,
    pub(super) runs: bool,
    pub(super) pid: Option<u32>,
    /// In seconds.
    #[serde(rename = "uptime_seconds", serialize_with = "whole_seconds")]
    pub(super) uptime: Duration,
    /// Resident, of the process and of all it started, in bytes.
    #[serde(rename = "memory_bytes")]
    pub(super) memory: Option<u64>,
    /// What is wrong, in supervisor's words.
    pub(super) problem: Option<String>,
}

fn whole_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

/// Something that should run does not.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRunning {
    #[error("the app's supervisord does not run, so nothing of the app does")]
    Supervisord,
    #[error("{} not running: {}", if .0.len() == 1 { "1 process is".to_owned() } else { format!("{} are", count(.0.len(), "process")) }, first_of(.0, 8))]
    Processes(Vec<String>),
}

impl Hint for NotRunning {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Supervisord => {
                vec!["landfall deploy   starts it, and what is live with it".into()]
            }
            Self::Processes(names) => names
                .iter()
                .take(3)
                .map(|name| format!("landfall logs {}", name.split(' ').next().unwrap_or(name)))
                .chain(["landfall deploy   starts them again".into()])
                .collect(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// The app's processes: servers first, then the live release's, then the others.
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    supervisord: bool,
}

impl Table {
    /// Asks supervisor and the kernel.
    pub(super) fn read(ctx: &Context<'_>) -> Result<Self, StoreError> {
        let live = store::live(ctx.home)?;
        let known = live.and_then(|live| {
            let processes = Processes::read(&ctx.home.release(live)).ok()?;
            Some((live, processes))
        });
        let being_made = |release: ReleaseId| {
            store::read(&ctx.home.release(release)).is_ok_and(|record| !record.state.is_good())
        };
        let answer = ctx.supervisor().processes();
        let supervisord = answer.is_ok();
        let mut rows = rows(&answer.unwrap_or_default(), known.as_ref(), &being_made);
        let memory = Snapshot::take();
        for row in &mut rows {
            row.memory = row.pid.and_then(|pid| memory.memory(pid));
        }
        Ok(Self { rows, supervisord })
    }

    /// An error if something that should run does not.
    pub(super) fn check(&self) -> Result<(), NotRunning> {
        if !self.supervisord {
            return Err(NotRunning::Supervisord);
        }
        let down: Vec<String> = self
            .rows
            .iter()
            .filter(|row| row.role.must_run() && !row.runs)
            .map(|row| match &row.problem {
                Some(problem) => format!("{} ({}: {problem})", row.process, row.state),
                None => format!("{} ({})", row.process, row.state),
            })
            .collect();
        if down.is_empty() {
            Ok(())
        } else {
            Err(NotRunning::Processes(down))
        }
    }
}

fn rows(
    programs: &[Process],
    live: Option<&(ReleaseId, Processes)>,
    being_made: &dyn Fn(ReleaseId) -> bool,
) -> Vec<Row> {
    let expected: Vec<(String, String)> = live.map_or_else(Vec::new, |(release, processes)| {
        let names = processes.processes.keys();
        names
            .map(|name| (name.to_string(), processes.program(name.as_str(), *release)))
            .collect()
    });
    let mut rows: Vec<Row> = programs
        .iter()
        .map(|program| {
            let wanted = expected.iter().any(|(_, name)| *name == program.name);
            let parsed = parse_program(&program.name);
            let role = match parsed {
                None => Role::Server,
                Some(_) if wanted => Role::Live,
                Some(_) if program.state.is_stopped() => Role::Old,
                Some((_, release)) if being_made(release) => Role::Next,
                Some(_) => Role::Draining,
            };
            row(program, parsed, role)
        })
        .collect();
    let missing = expected
        .iter()
        .filter(|(_, name)| !programs.iter().any(|program| program.name == *name));
    rows.extend(missing.map(|(process, _)| Row {
        process: process.clone(),
        release: live.map(|(release, _)| *release),
        role: Role::Live,
        state: "missing",
        runs: false,
        pid: None,
        uptime: Duration::ZERO,
        memory: None,
        problem: None,
    }));
    rows.sort_by(|a, b| (a.role, b.release, &a.process).cmp(&(b.role, a.release, &b.process)));
    rows
}

fn row(program: &Process, parsed: Option<(&str, ReleaseId)>, role: Role) -> Row {
    let runs = matches!(program.state, State::Running | State::Starting);
    Row {
        process: parsed
            .map_or(program.name.as_str(), |(process, _)| process)
            .to_owned(),
        release: parsed.map(|(_, release)| release),
        role,
        state: program.state.word(),
        runs,
        pid: program.pid,
        uptime: program.uptime,
        memory: None,
        problem: (!runs && !program.problem.is_empty()).then(|| program.problem.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, state: State) -> Process {
        Process {
            name: name.into(),
            state,
            pid: None,
            started_unix: None,
            uptime: Duration::ZERO,
            exit_status: 0,
            problem: String::new(),
        }
    }

    #[test]
    fn roles_follow_the_live_release_and_what_is_missing_shows() {
        let json = r#"{"start": 2, "processes": {
            "web": {"argv": [], "cwd": "/", "env": {}, "stop_seconds": 1, "ready_seconds": 1, "singleton": false},
            "celery": {"argv": [], "cwd": "/", "env": {}, "stop_seconds": 1, "ready_seconds": 1, "singleton": false}
        }}"#;
        let live = (ReleaseId(4), serde_json::from_str(json).unwrap());
        let programs = [
            program("web-4.2", State::Running),
            program("web-4", State::Stopping),
            program("web-3", State::Exited),
            program("celery-3", State::Stopping),
            program("web-5", State::Starting),
            program("nginx", State::Fatal),
        ];
        let rows = rows(&programs, Some(&live), &|release| release == ReleaseId(5));
        let shown: Vec<String> = rows
            .iter()
            .map(|row| {
                let release = row
                    .release
                    .map_or("-".into(), |release| release.to_string());
                format!(
                    "{} {release} {} {}",
                    row.process,
                    row.role.word(),
                    row.state
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "nginx - server fatal",
                "celery 4 live missing",
                "web 4 live running",
                "web 5 next starting",
                "web 4 draining stopping",
                "celery 3 draining stopping",
                "web 3 old exited",
            ]
        );
        let table = Table {
            rows,
            supervisord: true,
        };
        assert_eq!(
            table.check().unwrap_err().to_string(),
            "2 processes are not running: nginx (fatal) and celery (missing)"
        );
    }
}
