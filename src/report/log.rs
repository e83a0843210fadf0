//! The log of one deploy: everything that was said and everything the tools printed, with the time of day.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::events::Sink;
use super::pusher::{failure_lines, stage_line};
use super::trace;
use crate::base::fs::FsError;
use crate::base::host::{Host, rfc3339};
use crate::base::words::{bytes, printable, seconds};
use crate::event::Event;

/// So much of what tools print goes into one log, in bytes: a build that prints all day must not fill the disk.
const TOOLS_MOST: usize = 16 * 1024 * 1024;

/// A log's trace lies beside it, with this ending.
pub const TRACE: &str = "trace.json";

/// About what is put before each line.
const PREFIX: usize = 40;

/// Appends to `log/deploys/N.log`.
pub struct DeployLog {
    file: File,
    host: Host,
    /// What tools may still print.
    room: usize,
}

impl DeployLog {
    /// Opens the log, mode 0600 (tools print what they like), and its trace.
    pub fn open(path: &Path, host: &Host) -> Result<Self, FsError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| FsError::new("open", path, source))?;
        trace::write_to(path.with_extension(TRACE));
        Ok(Self {
            file,
            host: host.clone(),
            room: TOOLS_MOST,
        })
    }

    fn write(&mut self, text: &str) {
        let time = rfc3339(self.host.now_unix());
        // A full disk must not stop a deploy from being undone.
        let _ = writeln!(self.file, "{time} {}", printable(text));
    }

    fn line(&mut self, stage: &str, text: &str) {
        if self.room == 0 {
            return;
        }
        self.room = self.room.saturating_sub(text.len() + PREFIX);
        if self.room == 0 {
            self.write(&format!(
                "[{stage}] … what tools print from here on is left out, after {}",
                bytes(TOOLS_MOST as u64)
            ));
            return;
        }
        self.write(&format!("[{stage}] {text}"));
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
                trace::begin_run();
                self.write(&format!(
                    "landfall {} · {app} · {source} {commit} {subject:?}",
                    env!("CARGO_PKG_VERSION")
                ));
            }
            Event::Waiting { holder } => self.write(&format!("waiting for {holder}")),
            Event::Started { stage } => self.write(&format!("[{}] begins", stage.name())),
            Event::Line { stage, text } => self.line(stage.name(), text),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stage;

    #[test]
    fn a_tool_that_prints_all_day_fills_no_disk_and_what_is_said_after_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("7.log");
        let host = Host::fixed(&[], dir.path(), std::time::UNIX_EPOCH);
        let mut log = DeployLog::open(&path, &host).unwrap();
        let text = "x".repeat(16 * 1024);
        for _ in 0..1100 {
            log.take(&Event::Line {
                stage: Stage::Frontend,
                text: text.clone(),
            });
        }
        log.take(&Event::Note {
            message: "the end".into(),
        });
        let written = crate::base::fs::read(&path).unwrap();
        assert!(written.len() < TOOLS_MOST + TOOLS_MOST / 100);
        assert!(written.len() > TOOLS_MOST - TOOLS_MOST / 100);
        assert_eq!(written.matches("left out, after").count(), 1);
        assert!(written.ends_with("the end\n"));
    }
}
