//! The one place where a deploy speaks: hands each event to every display, secrets removed.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use crate::base::checkpoint;
use crate::base::command::LineSink;
use crate::base::hint::{Hint, chain};
use crate::base::secret::Redactor;
use crate::base::stretch;
use crate::base::words::without_escapes;
use crate::event::{Event, Outcome, Stage};

/// Consumes events.
pub trait Sink: Send {
    /// Takes one event. A display that cannot write (a client that is gone) drops it; it never blocks and never fails.
    fn take(&mut self, event: &Event);

    /// Writes out what is still held back, as far as somebody listens.
    fn flush(&mut self) {}
}

/// The displays of this run. Shared by the stages that work side by side.
pub struct Events {
    sinks: Mutex<Vec<Box<dyn Sink>>>,
    redactor: RwLock<Redactor>,
}

impl Events {
    /// Events that go nowhere yet.
    pub fn new(redactor: Redactor) -> Self {
        Self {
            sinks: Mutex::new(Vec::new()),
            redactor: RwLock::new(redactor),
        }
    }

    /// Hides these values from now on: the environment was changed while this run waited.
    pub fn hide(&self, redactor: Redactor) {
        *self
            .redactor
            .write()
            .unwrap_or_else(PoisonError::into_inner) = redactor;
    }

    fn redactor(&self) -> RwLockReadGuard<'_, Redactor> {
        self.redactor.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a display; it sees what comes from now on.
    pub fn add(&self, sink: Box<dyn Sink>) {
        self.lock().push(sink);
    }

    /// Hands an event to every display.
    pub fn emit(&self, event: &Event) {
        for sink in self.lock().iter_mut() {
            sink.take(event);
        }
    }

    /// Waits until the displays have written what they can.
    pub fn flush(&self) {
        for sink in self.lock().iter_mut() {
            sink.flush();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Sink>>> {
        // A display that panicked has lost its own state, not ours.
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a stage; its clock runs from here.
    pub fn start(&self, stage: Stage) -> Running<'_> {
        checkpoint::reached(stage.name());
        tracing::debug!(stage = stage.name(), "start");
        self.emit(&Event::Started { stage });
        Running {
            events: self,
            stage,
            since: Instant::now(),
            _stretch: stretch::begin(stretch::STAGE, stage.name()),
        }
    }

    /// A remark between the stages' lines.
    pub fn note(&self, message: impl Into<String>) {
        self.emit(&Event::Note {
            message: self.redactor().clean(&message.into()),
        });
    }

    /// Says that something was put back, or could not be.
    pub fn undone(&self, what: impl Into<String>, result: Result<(), &dyn Hint>) {
        let error = result.err().map(|error| chain_of(error).join(": "));
        let redactor = self.redactor();
        self.emit(&Event::Undone {
            what: redactor.clean(&what.into()),
            error: error.map(|error| redactor.clean(&error)),
        });
    }

    /// Says that a stage failed.
    pub fn failed(&self, stage: Stage, error: &dyn Hint) {
        let clean = |lines: Vec<String>| {
            lines
                .iter()
                .map(|line| self.redactor().clean(&without_escapes(line)))
                .collect()
        };
        self.emit(&Event::Failed {
            stage,
            error: clean(chain_of(error)),
            output: clean(error.tool_output().to_vec()),
            hints: clean(error.hints()),
        });
    }

    /// A line a tool printed during `stage`.
    pub fn line(&self, stage: Stage, text: &str) {
        self.emit(&Event::Line {
            stage,
            text: self.redactor().clean(&without_escapes(text)),
        });
    }

    /// Takes a tool's lines for `stage`.
    pub fn lines(&self, stage: Stage) -> impl LineSink + '_ {
        move |line: &str| self.line(stage, line)
    }
}

fn chain_of(error: &dyn Hint) -> Vec<String> {
    let head = error.to_string();
    let causes = error.source().map(chain).unwrap_or_default();
    std::iter::once(head.clone())
        .chain(
            causes
                .into_iter()
                .filter(|cause| !head.ends_with(cause.as_str())),
        )
        .collect()
}

/// A stage under way.
#[must_use = "a stage that began must end"]
pub struct Running<'a> {
    events: &'a Events,
    stage: Stage,
    since: Instant,
    _stretch: stretch::Stretch,
}

impl Running<'_> {
    /// What it is at, for long stages.
    pub fn progress(&self, message: impl Into<String>) {
        self.events.emit(&Event::Progress {
            stage: self.stage,
            message: self.events.redactor().clean(&message.into()),
        });
    }

    /// The stage ended well.
    pub fn end(self, outcome: Outcome) {
        let elapsed = self.since.elapsed();
        checkpoint::reached(self.stage.name());
        tracing::debug!(stage = self.stage.name(), ms = elapsed.as_millis(), "end");
        self.events.emit(&Event::Ended {
            stage: self.stage,
            outcome,
            elapsed,
        });
    }
}
