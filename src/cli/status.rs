//! `landfall status`: what is live.

use std::time::Duration;

use serde::Serialize;

use crate::base::host::{Host, rfc3339};
use crate::base::names::{ObjectId, ReleaseId};
use crate::base::words::span;
use crate::git::Repo;
use crate::release::record::Record;
use crate::release::{lock, store};

use super::processes::{Role, Row, Table};
use super::session::Session;
use super::{Ended, Globals, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code 0 whatever it shows; `landfall ps` fails where a process does not run.

Examples:
  landfall status
  landfall --app staging status --json | jq -r .commit")]
pub(super) struct Args {}

#[derive(Debug, Serialize)]
struct Status {
    app: String,
    url: String,
    branch: String,
    release: Option<ReleaseId>,
    commit: Option<ObjectId>,
    subject: Option<String>,
    live_since: Option<String>,
    deployed_by: Option<String>,
    /// What holds the app's lock now: a deploy, a rollback.
    /// What the branch points at, where that is not live.
    branch_commit: Option<ObjectId>,
    running: Option<String>,
    processes: Vec<Row>,
}

pub(super) fn run(host: &Host, globals: &Globals, _args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let live = store::live_record(&session.home)?;
    let table = Table::read(&session.context(host))?;
    let trouble = table.check().err();
    let status = Status {
        app: session.app.name.to_string(),
        url: session.app.url(),
        branch: session.app.branch.to_string(),
        release: live.as_ref().map(|live| live.release),
        commit: live.as_ref().map(|live| live.commit.clone()),
        subject: live.as_ref().map(|live| live.subject.clone()),
        live_since: live.as_ref().and_then(|live| live.live_at).map(rfc3339),
        deployed_by: live.as_ref().map(|live| live.who.clone()),
        branch_commit: branch_commit(&session),
        running: lock::holder(&session.home, host)?,
        processes: table
            .rows
            .into_iter()
            .filter(|row| row.role != Role::Old)
            .collect(),
    };
    if globals.json {
        output::json(&status);
        return Ok(());
    }
    for line in lines(&status, live.as_ref(), host.now_unix()) {
        output::line(line);
    }
    if let Some(trouble) = trouble {
        output::say(format!("warning: {trouble}"));
    }
    Ok(())
}

/// The branch's commit, where it is not the live one: after a rollback, or a run that was killed before the switch.
fn branch_commit(session: &Session) -> Option<ObjectId> {
    let repo = Repo::open(&session.home.repository()).ok()?;
    let head = repo.branch_head(&session.app.branch).ok()??;
    let live = store::live_record(&session.home).ok()??;
    (live.commit != head).then_some(head)
}

/// The status for people.
fn lines(status: &Status, live: Option<&Record>, now: u64) -> Vec<String> {
    let mut lines = match live {
        None => vec![
            format!("{} · nothing is deployed yet", status.app),
            format!("{} · git push deploys `{}`", status.url, status.branch),
        ],
        Some(live) => {
            let age = live.live_at.map_or_else(String::new, |at| {
                let age = span(Duration::from_secs(now.saturating_sub(at)));
                format!("live for {age} · ")
            });
            vec![
                format!(
                    "{} · release {} · {} \"{}\"",
                    status.app,
                    live.release,
                    live.commit.short(),
                    live.subject
                ),
                format!("{} · {age}deployed by {}", status.url, live.who),
            ]
        }
    };
    for process in &status.processes {
        let pid = process
            .pid
            .map(|pid| format!(" (pid {pid})"))
            .unwrap_or_default();
        let role = match (process.role, process.release) {
            (Role::Next | Role::Draining, Some(release)) => {
                format!(", {} (release {release})", process.role.word())
            }
            _ => String::new(),
        };
        lines.push(format!(
            "  {:<12} {}{pid}{role}",
            process.process, process.state
        ));
    }
    if let (Some(commit), None) = (&status.branch_commit, &status.running) {
        lines.push(format!(
            "`{}` is at {}, which is not live: landfall deploy",
            status.branch,
            commit.short()
        ));
    }
    lines.extend(
        status
            .running
            .as_ref()
            .map(|running| format!("now: {running}")),
    );
    lines
}
