//! health: a real request to the new release, over its own socket, before anything of it is live.
//!
//! takes: the booted release · gives: nothing, or why it does not work · touches: nothing · undone by: -

use std::thread;
use std::time::{Duration, Instant};

use super::{Context, LogTail};
use crate::base::hint::Hint;
use crate::base::stretch;
use crate::base::words::{shorten, span};
use crate::event::{Outcome, Stage};
use crate::release::layout::ReleaseDir;
use crate::release::process::WEB;
use crate::release::record::Checks;
use crate::tool::http::{HttpError, Response};
use crate::tool::uwsgi;

/// An application that answers 5xx gets this long to think better of it; one that answers 503 says that it is warming up
/// and gets the whole time.
const SECOND_THOUGHTS: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(200);

/// The new release does not work.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// It answers, but not well.
    #[error("{path} answered {status} (asked as {host})")]
    Status {
        /// What was asked for.
        path: String,
        /// With which Host header.
        host: String,
        /// The answer's status.
        status: u16,
        /// The application's own last lines, then the start of the answer.
        output: Vec<String>,
    },
    /// It does not answer.
    #[error("{path} did not answer well within {}", span(*.limit))]
    Silent {
        /// What was asked for.
        path: String,
        /// How long.
        limit: Duration,
        /// What came of the last try.
        #[source]
        source: HttpError,
        /// The application's own last lines.
        output: Vec<String>,
    },
}

impl Hint for HealthError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Status {
                status: 400, host, ..
            } => vec![format!("is `{host}` in ALLOWED_HOSTS?")],
            Self::Status { status: 404, .. } => {
                vec!["in landfall.toml: [health] path = \"/a/path/that/exists/\"".into()]
            }
            Self::Status { .. } => {
                vec!["landfall logs web   shows the application's own log".into()]
            }
            Self::Silent { .. } => {
                vec!["in landfall.toml: [health] timeout = \"60s\", if it needs longer".into()]
            }
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Status { output, .. } | Self::Silent { output, .. } => output,
        }
    }
}

/// Asks until the answer is good, or it is clear that it will not be.
pub fn run(ctx: &Context<'_>, checks: &Checks, release: &ReleaseDir) -> Result<(), HealthError> {
    let running = ctx.events.start(Stage::Health);
    let tail = LogTail::new(ctx.home.process_log(WEB));
    let limit = Duration::from_secs(checks.health_timeout);
    let path = checks.health_path.as_str();
    let begun = Instant::now();
    loop {
        let left = limit
            .saturating_sub(begun.elapsed())
            .max(Duration::from_millis(100));
        let asking = stretch::of_app("health request");
        let answer = uwsgi::get(&release.web_socket(), &checks.host, path, false, left);
        drop(asking);
        let out_of_time = begun.elapsed() >= limit;
        match answer {
            Ok(response) if is_good(response.status, checks.health_named) => {
                running.end(Outcome::done(format!("{path} {}", response.status)));
                return Ok(());
            }
            Ok(response) => {
                let hopeless = response.status < 500
                    || (response.status != 503 && begun.elapsed() >= SECOND_THOUGHTS.min(limit));
                if hopeless || out_of_time {
                    return Err(HealthError::Status {
                        path: path.into(),
                        host: checks.host.clone(),
                        status: response.status,
                        output: explain(&tail, &response),
                    });
                }
            }
            Err(source) if out_of_time => {
                return Err(HealthError::Silent {
                    path: path.into(),
                    limit,
                    source,
                    output: tail.lines(),
                });
            }
            Err(_) => {}
        }
        running.progress(format!("asking {path}"));
        thread::sleep(RETRY);
    }
}

/// Below 400 is good. Where the path is only a guess, any answer of the application is: it may want a login, or have no
/// page there. But 400 is what Django says to a host it does not know.
pub fn is_good(status: u16, named: bool) -> bool {
    (200..400).contains(&status) || (!named && (401..500).contains(&status))
}

fn explain(tail: &LogTail, response: &Response) -> Vec<String> {
    let mut lines = tail.lines();
    let body = response.text();
    if let Some(first) = body.lines().map(str::trim).find(|line| !line.is_empty()) {
        lines.push(format!("the answer begins: {}", shorten(first, 160)));
    }
    lines
}
