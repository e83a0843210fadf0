//! What the pusher sees: one line a stage. On a terminal the running stage's line is rewritten; piped, each line is
//! printed once, and a stage that takes long says what it is at from time to time.
//!
//! Writing happens on a thread of its own with a bounded queue, so a client that stops reading, or goes away, never
//! blocks the deploy (git gives a hook no signal for either).

use std::io::{self, Write};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::events::Sink;
use crate::base::words::{count, printable, seconds};
use crate::event::{CertificateLeft, Event, Outcome, Stage};

/// Lines held for a client that reads slowly; what comes on top is dropped for it (the log has everything).
const QUEUE: usize = 4096;
/// How long the end of a deploy waits for a client that does not read.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// A piped client hears of a running stage this often.
const PIPED_PROGRESS: Duration = Duration::from_secs(5);
/// The width of a stage line up to its time.
const WIDTH: usize = 60;

/// One line of a stage that ended: `  checkout  214 files, 3 changed                     0.04s`.
pub fn stage_line(stage: Stage, outcome: &Outcome, elapsed: Duration) -> String {
    let mark = if matches!(outcome, Outcome::Warning { .. }) {
        "warning: "
    } else {
        ""
    };
    let text = format!(
        "  {:<9} {mark}{}",
        stage.name(),
        printable(outcome.message())
    );
    let padding = WIDTH.saturating_sub(text.chars().count()).max(1);
    format!("{text}{}{:>7}", " ".repeat(padding), seconds(elapsed))
}

/// The lines of a failure: stage and cause, the causes below it, the tool's own last lines, what to do.
pub fn failure_lines(event: &Event) -> Vec<String> {
    let Event::Failed {
        stage,
        error,
        output,
        hints,
    } = event
    else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (depth, message) in error.iter().enumerate() {
        let head = if depth == 0 {
            format!("error: {}: ", stage.name())
        } else {
            "  caused by: ".to_owned()
        };
        for (number, line) in message.lines().enumerate() {
            lines.push(if number == 0 {
                format!("{head}{}", printable(line))
            } else {
                format!("    {}", printable(line))
            });
        }
    }
    lines.extend(output.iter().map(|line| format!("  | {}", printable(line))));
    lines.extend(hints.iter().map(|hint| format!("hint: {hint}")));
    lines
}

/// What the last line says of the site's certificate.
fn certificate_words(left: CertificateLeft) -> String {
    let days = count(usize::try_from(left.days).unwrap_or(0), "day");
    match left {
        CertificateLeft { days: ..0, .. } => " · its certificate has expired: landfall csr".into(),
        CertificateLeft {
            is_issued: false, ..
        } => " · certificate: browsers do not trust it".into(),
        CertificateLeft {
            is_pressing: true, ..
        } => format!(" · certificate: {days} left: landfall csr"),
        _ => format!(" · certificate: {days} left"),
    }
}

/// How the client shows lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A terminal of ours: the running stage's line is rewritten.
    Terminal,
    /// A pipe, or git's side band: each line once.
    Piped,
}

/// The display of a push or of `landfall deploy`.
pub struct Pusher {
    lines: Option<SyncSender<String>>,
    /// Where lines are written to where there is no thread for it.
    direct: Option<Arc<Mutex<dyn Write + Send>>>,
    writer: Option<JoinHandle<()>>,
    style: Style,
    /// The running stages: when each began, and when it was last heard of.
    running: Vec<(Stage, Instant, Instant)>,
    /// Lines of stages that ended while an earlier one still runs: stages are shown in the order of the path.
    held: Vec<(Stage, String)>,
    /// A transient line stands on the terminal and must be cleared before the next one.
    transient: bool,
}

fn write(out: &Mutex<dyn Write + Send>, text: &str) -> io::Result<()> {
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

impl Pusher {
    /// Writes to `out`.
    pub fn new(out: impl Write + Send + 'static, style: Style) -> Self {
        let (lines, queue) = mpsc::sync_channel::<String>(QUEUE);
        let out: Arc<Mutex<dyn Write + Send>> = Arc::new(Mutex::new(out));
        let of_writer = Arc::clone(&out);
        let writer = thread::Builder::new().spawn(move || {
            for text in queue {
                if write(&of_writer, &text).is_err() {
                    break;
                }
            }
        });
        // Without a thread to be had, the words still have to reach somebody.
        let direct = writer.is_err().then_some(out);
        Self {
            lines: Some(lines),
            direct,
            writer: writer.ok(),
            style,
            running: Vec::new(),
            held: Vec::new(),
            transient: false,
        }
    }

    fn send(&mut self, text: String) {
        if let Some(out) = &self.direct {
            let _ = write(out, &text);
            return;
        }
        if let Some(lines) = &self.lines
            && let Err(TrySendError::Disconnected(_)) = lines.try_send(text)
        {
            self.lines = None;
        }
    }

    fn print(&mut self, line: &str) {
        let clear = if self.transient { "\r\u{1b}[K" } else { "" };
        self.transient = false;
        self.send(format!("{clear}{line}\n"));
    }

    fn print_transient(&mut self, line: &str) {
        let clear = if self.transient { "\r\u{1b}[K" } else { "" };
        self.transient = true;
        self.send(format!("{clear}{line}"));
    }

    /// Prints the held lines that no running stage comes before.
    fn release_held(&mut self) {
        self.held.sort_by_key(|(stage, _)| *stage);
        while let Some((stage, _)) = self.held.first() {
            if self.running.iter().any(|(running, ..)| running < stage) {
                return;
            }
            let (_, line) = self.held.remove(0);
            self.print(&line);
        }
    }

    fn progress(&mut self, stage: Stage, message: &str) {
        let line = format!("  {:<9} {}", stage.name(), printable(message));
        match self.style {
            Style::Terminal => self.print_transient(&line),
            Style::Piped => {
                let now = Instant::now();
                let Some((_, begun, told)) = self
                    .running
                    .iter_mut()
                    .find(|(running, ..)| *running == stage)
                else {
                    return;
                };
                if now.duration_since(*told) >= PIPED_PROGRESS {
                    *told = now;
                    let elapsed = now.duration_since(*begun);
                    let padding = WIDTH.saturating_sub(line.chars().count()).max(1);
                    self.print(&format!(
                        "{line}{}{:>5}s …",
                        " ".repeat(padding),
                        elapsed.as_secs()
                    ));
                }
            }
        }
    }
}

impl Sink for Pusher {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Began {
                app,
                source,
                commit,
                subject,
            } => {
                self.print(&format!(
                    "landfall · {app} · {source} {} \"{}\"",
                    commit.short(),
                    printable(subject)
                ));
            }
            Event::Waiting { holder } => self.print(&format!("  waiting for {holder}")),
            Event::Started { stage } => {
                let now = Instant::now();
                self.running.push((*stage, now, now));
                if self.style == Style::Terminal {
                    self.print_transient(&format!("  {:<9} …", stage.name()));
                }
            }
            // Tools' lines are for the log; the pusher sees the last ones if the tool fails.
            Event::Line { stage, text } => {
                if !text.trim().is_empty() {
                    self.progress(*stage, &crate::base::words::shorten(text.trim(), 46));
                }
            }
            Event::Progress { stage, message } => self.progress(*stage, message),
            Event::Note { message } => self.print(&format!("  {}", printable(message))),
            Event::Ended {
                stage,
                outcome,
                elapsed,
            } => {
                self.running.retain(|(running, ..)| running != stage);
                self.held
                    .push((*stage, stage_line(*stage, outcome, *elapsed)));
                self.release_held();
            }
            Event::Failed { .. } => {
                self.running.clear();
                self.release_held();
                for line in failure_lines(event) {
                    self.print(&line);
                }
            }
            Event::Undone { what, error: None } => {
                self.print(&format!("  undone    {}", printable(what)));
            }
            Event::Undone {
                what,
                error: Some(error),
            } => {
                self.print(&format!(
                    "  NOT undone: {}: {}",
                    printable(what),
                    printable(error)
                ));
            }
            Event::Finished {
                url,
                commit,
                elapsed,
                certificate,
                ..
            } => {
                let certificate = certificate.map(certificate_words).unwrap_or_default();
                self.print(&format!(
                    "{url} is on {} · {:.1}s{certificate}",
                    commit.short(),
                    elapsed.as_secs_f64()
                ));
            }
        }
    }

    fn flush(&mut self) {
        self.lines = None;
        let Some(writer) = self.writer.take() else {
            return;
        };
        let deadline = Instant::now() + FLUSH_PATIENCE;
        while !writer.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_line_keeps_its_columns() {
        let line = stage_line(
            Stage::Checkout,
            &Outcome::done("214 files, 3 changed"),
            Duration::from_millis(40),
        );
        assert_eq!(
            line,
            "  checkout  214 files, 3 changed                              0.04s"
        );
    }

    #[test]
    fn a_failure_shows_stage_causes_output_and_hints() {
        let event = Event::Failed {
            stage: Stage::Frontend,
            error: vec![
                "`npm run build` failed with exit code 1".into(),
                "deeper".into(),
            ],
            output: vec!["src/App.vue: \u{1b}[31munexpected token".into()],
            hints: vec!["landfall log 3".into()],
        };
        assert_eq!(
            failure_lines(&event),
            [
                "error: frontend: `npm run build` failed with exit code 1",
                "  caused by: deeper",
                "  | src/App.vue: \\u{1b}[31munexpected token",
                "hint: landfall log 3"
            ]
        );
    }

    /// What a client with this style gets for these events.
    fn shown(style: Style, events: &[Event]) -> String {
        #[derive(Clone, Default)]
        struct Page(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Page {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let page = Page::default();
        let mut pusher = Pusher::new(page.clone(), style);
        for event in events {
            pusher.take(event);
        }
        pusher.flush();
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn started(stage: Stage) -> Event {
        Event::Started { stage }
    }

    fn ended(stage: Stage) -> Event {
        Event::Ended {
            stage,
            outcome: Outcome::done("x"),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn stages_side_by_side_are_shown_in_the_order_of_the_path() {
        let (one, other) = (Stage::Frontend, Stage::Python);
        let events = [started(one), started(other), ended(other), ended(one)];
        let text = shown(Style::Piped, &events);
        let names: Vec<&str> = text.split_whitespace().step_by(3).collect();
        assert_eq!(names, ["frontend", "python"]);
    }

    #[test]
    fn the_last_line_says_how_long_the_certificate_lasts() {
        let last = |days, is_issued, is_pressing| {
            let finished = Event::Finished {
                url: "https://example.org".into(),
                commit: crate::base::names::ObjectId::zero(),
                release: crate::base::names::ReleaseId(3),
                elapsed: Duration::from_secs(2),
                certificate: Some(CertificateLeft {
                    days,
                    is_issued,
                    is_pressing,
                }),
            };
            shown(Style::Piped, &[finished])
        };
        for (left, words) in [
            (last(178, true, false), "certificate: 178 days left"),
            (last(1, true, true), "certificate: 1 day left: landfall csr"),
            (
                last(-1, true, true),
                "its certificate has expired: landfall csr",
            ),
            (
                last(3649, false, false),
                "certificate: browsers do not trust it",
            ),
        ] {
            assert_eq!(
                left,
                format!("https://example.org is on 0000000 · 2.0s · {words}\n")
            );
        }
    }

    #[test]
    fn a_terminal_has_the_running_stage_rewritten_and_a_pipe_each_line_once() {
        let line = Event::Line {
            stage: Stage::Python,
            text: "Collecting django".into(),
        };
        let note = Event::Note {
            message: "by the way".into(),
        };
        let events = [started(Stage::Python), line, note, ended(Stage::Python)];
        let end = "  python    x                                                 0.00s\n";
        assert_eq!(shown(Style::Piped, &events), format!("  by the way\n{end}"));
        assert_eq!(
            shown(Style::Terminal, &events),
            format!(
                "  python    …\r\u{1b}[K  python    Collecting django\r\u{1b}[K  by the way\n{end}"
            )
        );
    }

    #[test]
    fn a_client_that_never_reads_does_not_block() {
        struct Stuck;
        impl Write for Stuck {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                loop {
                    thread::sleep(Duration::from_secs(60));
                }
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut pusher = Pusher::new(Stuck, Style::Piped);
        for _ in 0..QUEUE * 2 {
            pusher.take(&Event::Note {
                message: "x".into(),
            });
        }
        let begun = Instant::now();
        pusher.flush();
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
