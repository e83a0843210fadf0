//! The trace of a deploy: each stage and each wait for the app's own programs, with its time, in the form that Perfetto and
//! Chrome's trace view open (Trace Event Format, the JSON array form, whose last bracket may be missing: what is appended is
//! valid at any time).
//!
//! Spans are recorded from the start of the process; where they go is known once the deploy has its number.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::base::stretch::TARGET;
use crate::base::words::printable;

/// Events kept for a file that is not known yet.
const MOST_WAITING: usize = 1000;
/// The name of the event that begins a run in a file.
pub(super) const BEGIN: &str = "begin";

/// One event of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    /// What it shows.
    pub(super) name: String,
    /// Whose time it is (`base::stretch`).
    pub(super) cat: String,
    /// `X`, a stretch of time, or `i`, an instant.
    pub(super) ph: char,
    /// When it began, in microseconds since 1970.
    pub(super) ts: u64,
    /// How long it took, in microseconds.
    #[serde(default)]
    pub(super) dur: u64,
    /// The process.
    pub(super) pid: u32,
    /// The thread.
    pub(super) tid: i32,
}

/// Where events go.
struct Place {
    path: Option<PathBuf>,
    file: Option<File>,
    waiting: Vec<String>,
}

static PLACE: Mutex<Place> = Mutex::new(Place {
    path: None,
    file: None,
    waiting: Vec::new(),
});

/// What is recorded from now on, and what was so far, goes into this file.
pub fn write_to(path: PathBuf) {
    place().path = Some(path);
}

/// A run begins in the file that was named. Before what was recorded so far, which belongs to it.
pub fn begin_run() {
    let mut place = place();
    let line = line_of(&Event {
        name: BEGIN.into(),
        cat: BEGIN.into(),
        ph: 'i',
        ts: since_1970(now()),
        dur: 0,
        pid: std::process::id(),
        tid: nix::unistd::gettid().as_raw(),
    });
    place.waiting.insert(0, line);
    place.write_waiting();
}

/// A trace's text with its last bracket, as strict readers of JSON want it. A line that was cut off is left out.
pub fn closed(text: &str) -> String {
    let whole: Vec<String> = text
        .lines()
        .map(|line| line.trim_end_matches(','))
        .filter(|line| line.starts_with('{') && line.ends_with('}'))
        // The file is the app's to write, and who reads may be root at a terminal.
        .map(printable)
        .collect();
    format!("[\n{}\n]", whole.join(",\n"))
}

fn place() -> MutexGuard<'static, Place> {
    PLACE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    fn take(&mut self, event: &Event) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push(line_of(event));
        }
        self.write_waiting();
    }

    /// A trace that cannot be written is no reason to fail.
    fn write_waiting(&mut self) {
        let Some(path) = &self.path else {
            return;
        };
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            options.create(true).append(true).mode(0o600);
            let Ok(mut file) = options.open(path) else {
                return;
            };
            if file.metadata().is_ok_and(|meta| meta.len() == 0) {
                let _ = file.write_all(b"[\n");
            }
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            // In one write each time: both hooks of a push append.
            let _ = file.write_all(self.waiting.concat().as_bytes());
            self.waiting.clear();
        }
    }
}

fn line_of(event: &Event) -> String {
    let text = serde_json::to_string(event).unwrap_or_default();
    format!("{text},\n")
}

#[expect(
    clippy::disallowed_methods,
    reason = "tracing calls us, and has no host to give"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

/// Records the spans of [`TARGET`].
pub struct Recorder;

/// What a span is, from its beginning to its end.
struct Recorded {
    fields: Fields,
    at: SystemTime,
    begun: Instant,
    thread: i32,
}

#[derive(Default)]
struct Fields {
    whose: String,
    what: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "whose" => value.clone_into(&mut self.whose),
            "what" => value.clone_into(&mut self.what),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() != TARGET {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Recorded {
                fields,
                at: now(),
                begun: Instant::now(),
                thread: nix::unistd::gettid().as_raw(),
            });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        if let Some(ended) = span.extensions_mut().remove::<Recorded>() {
            place().take(&Event {
                name: ended.fields.what,
                cat: ended.fields.whose,
                ph: 'X',
                ts: since_1970(ended.at),
                dur: u64::try_from(ended.begun.elapsed().as_micros()).unwrap_or_default(),
                pid: std::process::id(),
                tid: ended.thread,
            });
        }
    }
}
