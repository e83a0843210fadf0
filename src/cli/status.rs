//! `landfall status`: what is live.

use serde::Serialize;

use crate::base::host::{Host, rfc3339};
use crate::base::words::span;
use crate::release::{lock, process::Processes, store};

use super::session::Session;
use super::{Ended, Globals, output};

#[derive(Serialize)]
struct Status {
    app: String,
    url: String,
    release: Option<u32>,
    commit: Option<String>,
    subject: Option<String>,
    live_since: Option<String>,
    deployed_by: Option<String>,
    running: Option<String>,
    processes: Vec<ProcessStatus>,
}

#[derive(Serialize)]
struct ProcessStatus {
    name: String,
    state: String,
    pid: Option<u32>,
}

pub(super) fn run(host: &Host, globals: &Globals) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let ctx = session.context(host);
    let live = store::live_record(&session.home)?;
    let programs = ctx.supervisor().processes().unwrap_or_default();
    let mut processes = Vec::new();
    if let Some(live) = &live
        && let Ok(known) = Processes::read(&session.home.release(live.release))
    {
        for name in known.processes.keys() {
            let program = programs
                .iter()
                .find(|program| program.name == known.program(name.as_str(), live.release));
            processes.push(ProcessStatus {
                name: name.to_string(),
                state: program.map_or_else(
                    || "not running".into(),
                    |program| format!("{:?}", program.state).to_lowercase(),
                ),
                pid: program.and_then(|program| program.pid),
            });
        }
    }
    let status = Status {
        app: session.app.name.to_string(),
        url: session.app.url(),
        release: live.as_ref().map(|live| live.release.0),
        commit: live.as_ref().map(|live| live.commit.to_string()),
        subject: live.as_ref().map(|live| live.subject.clone()),
        live_since: live.as_ref().and_then(|live| live.live_at).map(rfc3339),
        deployed_by: live.as_ref().map(|live| live.who.clone()),
        running: lock::holder(&session.home, host)?,
        processes,
    };
    if globals.json {
        output::json(&status);
        return Ok(());
    }
    match &live {
        None => output::line(format!(
            "{} · nothing is deployed yet · {}",
            status.app, status.url
        )),
        Some(live) => {
            let age = live
                .live_at
                .map(|at| {
                    span(std::time::Duration::from_secs(
                        host.now_unix().saturating_sub(at),
                    ))
                })
                .unwrap_or_default();
            output::line(format!(
                "{} · release {} · {} \"{}\"",
                status.app,
                live.release,
                live.commit.short(),
                live.subject
            ));
            output::line(format!(
                "{} · live for {age} · deployed by {}",
                status.url, live.who
            ));
        }
    }
    for process in &status.processes {
        let pid = process
            .pid
            .map(|pid| format!(" (pid {pid})"))
            .unwrap_or_default();
        output::line(format!("  {:<12} {}{pid}", process.name, process.state));
    }
    if let Some(running) = &status.running {
        output::line(format!("now: {running}"));
    }
    Ok(())
}
