//! Events as JSON lines, for programs.

use super::events::Sink;
use crate::event::Event;

/// Writes one JSON object a line, through a function that takes whole lines.
pub struct JsonLines<W: FnMut(&str) + Send> {
    write: W,
}

impl<W: FnMut(&str) + Send> JsonLines<W> {
    /// `write` gets each line without its newline.
    pub fn new(write: W) -> Self {
        Self { write }
    }
}

impl<W: FnMut(&str) + Send> Sink for JsonLines<W> {
    fn take(&mut self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            (self.write)(&line);
        }
    }
}
