//! Stretches of time that a trace shows, and whose they are.
//!
//! Spans of `tracing`; where nobody records them (`report::trace`) they cost nothing.

/// The target of the spans that are recorded.
pub const TARGET: &str = "landfall::stretch";
/// The spans of a stage.
pub const STAGE: &str = "stage";
/// The spans of one process of Landfall's: a hook, a command.
pub const PROCESS: &str = "process";
/// The app's own programs work, and a deploy waits for them: npm, pip, Django, uWSGI, Celery.
pub const APP: &str = "app";
/// Something of Landfall's own that no stage's line shows.
pub const OWN: &str = "landfall";
/// Somebody else's deploy is waited for.
pub const WAITING: &str = "waiting";

/// A stretch of time; ends where this is dropped.
#[must_use = "it ends when it is dropped"]
#[derive(Debug)]
pub struct Stretch {
    _span: tracing::Span,
}

/// Begins a stretch of the kind `whose` (one of this module's), called `what`.
pub fn begin(whose: &'static str, what: &str) -> Stretch {
    Stretch {
        _span: tracing::info_span!(target: TARGET, "stretch", whose, what),
    }
}

/// Begins something of Landfall's own.
pub fn of_us(what: &str) -> Stretch {
    begin(OWN, what)
}

/// Begins a wait for the app's own programs.
pub fn of_app(what: &str) -> Stretch {
    begin(APP, what)
}
