//! Asks a site over and over while something happens to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::client;

const EVERY: Duration = Duration::from_millis(25);

/// A visitor that never stops.
pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What it saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answers: usize,
    /// How often each release answered, over page and API.
    pub(crate) releases: BTreeMap<String, usize>,
    pub(crate) failures: Vec<String>,
}

impl Probe {
    pub(crate) fn start(address: SocketAddr, paths: &'static [&'static str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            while !told.load(Ordering::Relaxed) {
                for path in paths {
                    seen.note(path, client::get(address, path));
                }
                thread::sleep(EVERY);
            }
            seen
        });
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the probe does not panic")
    }
}

impl Seen {
    fn note(&mut self, path: &str, answer: std::io::Result<client::Response>) {
        self.answers += 1;
        match answer {
            Ok(response) if response.status == 200 => {
                let release = response.release().unwrap_or_else(|| "none".into());
                *self.releases.entry(release).or_default() += 1;
            }
            Ok(response) => self.failures.push(format!("{path}: {}", response.status)),
            Err(error) => self.failures.push(format!("{path}: {error}")),
        }
    }

    /// Every request was answered well.
    #[track_caller]
    pub(crate) fn lost_nothing(self) -> Self {
        assert!(self.answers > 0, "the probe asked nothing");
        assert!(
            self.failures.is_empty(),
            "{} of {} requests failed: {:?}",
            self.failures.len(),
            self.answers,
            &self.failures[..self.failures.len().min(10)]
        );
        self
    }

    /// And by this release alone.
    #[track_caller]
    pub(crate) fn only(self, release: &str) -> Self {
        let seen: Vec<&String> = self.releases.keys().collect();
        assert_eq!(seen, [release], "{:?}", self.releases);
        self
    }
}
