//! A visitor who never stops: asks the demo's page and API all the time, and counts what is lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::DemoError;
use crate::tool::http;

/// Time between two requests.
const PAUSE: Duration = Duration::from_millis(25);
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the visitor saw.
#[derive(Debug, Default)]
struct Seen {
    all: usize,
    failed: usize,
    first: Option<String>,
}

/// The visitor, at work.
pub(super) struct Visitor {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Visitor {
    /// Sends a visitor to the site.
    pub(super) fn send(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            for path in ["/", "/api/about/"].iter().cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                seen.all += 1;
                let problem = match http::get(address, &address.to_string(), path, TIMEOUT) {
                    Ok(response) if response.status == 200 => None,
                    Ok(response) => Some(format!("{path} answered {}", response.status)),
                    Err(error) => Some(format!("{path}: {error}")),
                };
                if let Some(problem) = problem {
                    seen.failed += 1;
                    seen.first.get_or_insert(problem);
                }
                thread::sleep(PAUSE);
            }
            seen
        });
        Self { stop, thread }
    }

    /// Calls the visitor back; gives the number of requests, all of them answered.
    pub(super) fn call_back(self) -> Result<usize, DemoError> {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.join().unwrap_or_default();
        match seen.first {
            None => Ok(seen.all),
            Some(first) => Err(DemoError::Lost {
                failed: seen.failed,
                all: seen.all,
                first,
            }),
        }
    }
}
