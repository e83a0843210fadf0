//! The log of one deploy: everything that was said and everything the tools printed, with the time of day.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::events::Sink;
use super::pusher::{failure_lines, stage_line};
use crate::base::fs::FsError;
use crate::base::host::{Host, rfc3339};
use crate::base::words::{printable, seconds};
use crate::event::Event;

/// Appends to `log/deploys/N.log`.
pub struct DeployLog {
    file: File,
    host: Host,
}

impl DeployLog {
    /// Opens the log, mode 0600 (tools print what they like).
    pub fn open(path: &Path, host: &Host) -> Result<Self, FsError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| FsError::new("open", path, source))?;
        Ok(Self {
            file,
            host: host.clone(),
        })
    }

    fn write(&mut self, text: &str) {
        let time = rfc3339(self.host.now_unix());
        // A full disk must not stop a deploy from being undone.
        let _ = writeln!(self.file, "{time} {}", printable(text));
    }
}

impl Sink for DeployLog {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Began {
                app,
                source,
                commit,
                subject,
            } => {
                self.write(&format!(
                    "landfall {} · {app} · {source} {commit} {subject:?}",
                    env!("CARGO_PKG_VERSION")
                ));
            }
            Event::Waiting { holder } => self.write(&format!("waiting for {holder}")),
            Event::Started { stage } => self.write(&format!("[{}] begins", stage.name())),
            Event::Line { stage, text } => self.write(&format!("[{}] {text}", stage.name())),
            Event::Progress { stage, message } => {
                self.write(&format!("[{}] {message}", stage.name()));
            }
            Event::Note { message } => self.write(message),
            Event::Ended {
                stage,
                outcome,
                elapsed,
            } => {
                self.write(&format!(
                    "[{}] {}",
                    stage.name(),
                    stage_line(*stage, outcome, *elapsed).trim_start()
                ));
            }
            Event::Failed { .. } => {
                for line in failure_lines(event) {
                    self.write(&line);
                }
            }
            Event::Undone { what, error } => {
                self.write(&error.as_ref().map_or_else(
                    || format!("undone: {what}"),
                    |e| format!("NOT undone: {what}: {e}"),
                ));
            }
            Event::Finished {
                url,
                commit,
                release,
                elapsed,
                ..
            } => {
                self.write(&format!(
                    "{url} is on {commit}, release {release}, after {}",
                    seconds(*elapsed)
                ));
            }
        }
    }
}
