//! An open-loop load: requests begin at fixed times whether or not earlier ones have ended, as visitors do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Connection, Response};

/// Requests that may be on their way at once.
const VISITORS: usize = 24;

/// A load that runs.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<Answer>>>,
    visitors: Vec<JoinHandle<()>>,
}

/// One request and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) path: &'static str,
    pub(crate) kept_alive: bool,
    /// From the load's begin: when it was due, when it was sent, when its answer had come.
    pub(crate) due: Duration,
    pub(crate) sent: Duration,
    pub(crate) done: Duration,
    /// The release that answered, or what went wrong.
    pub(crate) result: Result<String, String>,
}

impl Answer {
    /// What a visitor waits: from when the request was due.
    pub(crate) fn latency(&self) -> Duration {
        self.done.saturating_sub(self.due)
    }
}

impl Load {
    /// `rate` requests a second in all, over `paths` in turn; every other visitor keeps its connection.
    pub(crate) fn start(address: SocketAddr, paths: &'static [&'static str], rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(Mutex::new(Vec::new()));
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let visitors = (0..VISITORS)
            .map(|number| {
                let mut visitor = Visitor {
                    address,
                    begun,
                    keeps: number % 2 == 0,
                    kept: None,
                };
                let (stop, answers, next) =
                    (Arc::clone(&stop), Arc::clone(&answers), Arc::clone(&next));
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let turn = next.fetch_add(1, Ordering::Relaxed);
                        let due = Duration::from_secs(1)
                            * u32::try_from(turn).expect("the test ends before")
                            / rate;
                        thread::sleep(due.saturating_sub(begun.elapsed()));
                        // Not in step with the visitors' own turns, so that each asks for every path.
                        let path = paths[(turn + turn / VISITORS) % paths.len()];
                        let answer = visitor.ask(path, due);
                        answers.lock().expect("nobody panics").push(answer);
                    }
                })
            })
            .collect();
        Self {
            stop,
            answers,
            visitors,
        }
    }

    /// How many answers have come so far.
    pub(crate) fn count(&self) -> usize {
        self.answers.lock().expect("nobody panics").len()
    }

    /// Ends it; gives every answer, in the order the requests were sent.
    pub(crate) fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        for visitor in self.visitors {
            visitor.join().expect("a visitor does not panic");
        }
        let mut answers = std::mem::take(&mut *self.answers.lock().expect("nobody panics"));
        answers.sort_by_key(|answer| answer.sent);
        Report { answers }
    }
}

struct Visitor {
    address: SocketAddr,
    begun: Instant,
    keeps: bool,
    kept: Option<Connection>,
}

impl Visitor {
    fn ask(&mut self, path: &'static str, due: Duration) -> Answer {
        let sent = self.begun.elapsed();
        let response = self.send(path);
        let done = self.begun.elapsed();
        let result = match response {
            Ok(response) if response.status == 200 => response
                .release()
                .ok_or_else(|| format!("no release in {:?}", response.text())),
            Ok(response) => Err(format!("status {}", response.status)),
            Err(error) => Err(error.to_string()),
        };
        Answer {
            path,
            kept_alive: self.keeps,
            due,
            sent,
            done,
            result,
        }
    }

    /// A connection that nginx has said it closes is not used again; one that it closes unsaid is a failure.
    fn send(&mut self, path: &str) -> std::io::Result<Response> {
        let mut connection = match self.kept.take() {
            Some(connection) => connection,
            None => Connection::open(self.address)?,
        };
        let response = connection.send("GET", path, &[], &[], self.keeps)?;
        if self.keeps && !connection.is_closing {
            self.kept = Some(connection);
        }
        Ok(response)
    }
}

/// All answers of a load.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) answers: Vec<Answer>,
}

impl Report {
    /// The requests that were not answered well.
    pub(crate) fn failures(&self) -> Vec<&Answer> {
        self.answers
            .iter()
            .filter(|answer| answer.result.is_err())
            .collect()
    }

    /// Requests a second, over the whole time.
    pub(crate) fn rate(&self) -> f64 {
        let time = self
            .answers
            .last()
            .map_or(0.0, |last| last.sent.as_secs_f64());
        f64::from(u32::try_from(self.answers.len()).unwrap_or(u32::MAX)) / time.max(0.001)
    }

    /// The latency that this share of the answers does not exceed.
    pub(crate) fn latency(&self, share: f64) -> Duration {
        let mut all: Vec<Duration> = self.answers.iter().map(Answer::latency).collect();
        all.sort();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a few thousand answers"
        )]
        let index = ((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1));
        all.get(index).copied().unwrap_or_default()
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} requests at {:.0}/s, {} failed; p50 {:?}, p99 {:?}, max {:?}",
            self.answers.len(),
            self.rate(),
            self.failures().len(),
            self.latency(0.5),
            self.latency(0.99),
            self.latency(1.0),
        )
    }

    /// Checks that releases answered in the order they went live: what was sent after another answer had come may not be
    /// of an earlier release. `lives` are the releases in that order; one that was live twice stands there twice.
    pub(crate) fn out_of_order(&self, lives: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        // (when the answer had come, its place in `lives`), for those that may still bound a later one.
        let mut placed: Vec<(Duration, usize)> = Vec::new();
        for answer in &self.answers {
            let Ok(release) = &answer.result else {
                continue;
            };
            let least = placed
                .iter()
                .filter(|(done, _)| *done < answer.sent)
                .map(|(_, place)| *place)
                .max()
                .unwrap_or(0);
            let place = (least..lives.len()).find(|place| lives[*place] == release);
            match place {
                Some(place) => placed.push((answer.done, place)),
                None => faults.push(format!(
                    "{} sent at {:?} was answered by {release}, after {} had answered",
                    answer.path, answer.sent, lives[least]
                )),
            }
            // Of those that are over, only the furthest matters.
            if placed.len() > 4 * VISITORS {
                placed.retain(|(done, place)| *done >= answer.sent || *place == least);
                let mut kept_one = false;
                placed.retain(|(done, place)| {
                    let is_old = *done < answer.sent && *place == least;
                    !is_old || !std::mem::replace(&mut kept_one, true)
                });
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(answers: &[(u64, u64, &str)]) -> Report {
        let answers = answers
            .iter()
            .map(|(sent, done, release)| Answer {
                path: "/",
                kept_alive: false,
                due: Duration::from_millis(*sent),
                sent: Duration::from_millis(*sent),
                done: Duration::from_millis(*done),
                result: Ok((*release).to_owned()),
            })
            .collect();
        Report { answers }
    }

    #[test]
    fn an_old_release_after_a_new_one_is_found() {
        let lives = ["a", "b", "a"];
        let fine = report(&[
            (0, 5, "a"),
            (4, 9, "b"),
            (5, 8, "a"),
            (10, 12, "b"),
            (13, 14, "a"),
        ]);
        assert!(fine.out_of_order(&lives).is_empty());
        let back = report(&[(0, 5, "b"), (6, 9, "a"), (10, 12, "b")]);
        assert_eq!(back.out_of_order(&lives).len(), 1);
        assert_eq!(back.out_of_order(&lives[..2]).len(), 1);
    }

    #[test]
    fn many_answers_do_not_hide_one_that_is_late() {
        let mut answers: Vec<(u64, u64, &str)> = (0..500).map(|at| (at, at + 1, "b")).collect();
        answers.push((600, 601, "a"));
        assert_eq!(report(&answers).out_of_order(&["a", "b"]).len(), 1);
    }
}
