//! Where a deploy's time went, read from its trace.

use std::collections::BTreeMap;

use serde::Serialize;

use super::trace::{BEGIN, Event};
use crate::base::stretch::{APP, OWN, PROCESS, STAGE, WAITING};
use crate::base::words::{printable, shorten};

/// The longest name that is shown, in characters.
const LONGEST: usize = 80;

/// The times of one run, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// From the first process's start to the last one's end; without waits for other deploys.
    pub total_ms: f64,
    /// The app's own programs, and waits for them.
    pub app_ms: f64,
    /// git's, between the hooks of a push.
    pub git_ms: f64,
    /// Landfall's own: what is left.
    pub own_ms: f64,
    /// The stages, in order.
    pub stages: Vec<StageTime>,
    /// What Landfall itself did that took its time, longest first; stages apart.
    pub own: Vec<Named>,
    /// The app's programs and what they were waited for, longest first.
    pub programs: Vec<Named>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageTime {
    /// Its name.
    pub stage: String,
    /// From its beginning to its end.
    pub ms: f64,
    /// How much of that the app's programs took.
    pub app_ms: f64,
}

/// Something the app's programs did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// What.
    pub what: String,
    /// How long, in all.
    pub ms: f64,
}

impl Timing {
    /// The times of the last run in the text of a trace; none where no run of it has ended.
    pub fn read(text: &str) -> Option<Self> {
        let events: Vec<Event> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line.trim_end_matches(',')).ok())
            // The file is the app's to write, and who reads may be root at a terminal.
            .map(|event: Event| Event {
                name: shorten(&printable(&event.name), LONGEST),
                ..event
            })
            .collect();
        let begin = events.iter().rposition(|event| event.name == BEGIN)?;
        Self::of(&events[begin + 1..])
    }

    fn of(events: &[Event]) -> Option<Self> {
        let of = |kind: &str| stretches(events.iter().filter(|event| event.cat == kind));
        let processes = joined(of(PROCESS));
        let app = joined(of(APP));
        let waits = joined(of(WAITING));
        let (first, last) = (processes.first()?.0, processes.last()?.1);
        let apart = covered(&joined([&app[..], &waits[..]].concat()), (first, last));
        let git = processes.windows(2).map(|pair| pair[1].0 - pair[0].1).sum();
        let waited = covered(&waits, (first, last));
        let total = last - first - waited;
        let mut stages: Vec<&Event> = events.iter().filter(|event| event.cat == STAGE).collect();
        stages.sort_by_key(|stage| stage.ts);
        Some(Self {
            total_ms: ms(total),
            app_ms: ms(apart - waited),
            git_ms: ms(git),
            own_ms: ms((last - first).saturating_sub(apart + git)),
            stages: stages
                .into_iter()
                .map(|stage| StageTime {
                    stage: stage.name.clone(),
                    ms: ms(stage.dur),
                    app_ms: ms(covered(&app, (stage.ts, stage.ts + stage.dur))),
                })
                .collect(),
            own: named(events, OWN),
            programs: named(events, APP),
        })
    }
}

/// The times of the events of one kind, by name, longest first.
fn named(events: &[Event], kind: &str) -> Vec<Named> {
    let mut times: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events.iter().filter(|event| event.cat == kind) {
        *times.entry(&event.name).or_default() += event.dur;
    }
    let mut named: Vec<Named> = times
        .into_iter()
        .map(|(what, dur)| Named {
            what: what.into(),
            ms: ms(dur),
        })
        .collect();
    named.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    named
}

/// Begin and end, in microseconds.
type Stretch = (u64, u64);

fn stretches<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<Stretch> {
    events
        .map(|event| (event.ts, event.ts + event.dur))
        .collect()
}

/// The same time, as stretches that do not overlap, in order.
fn joined(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_unstable();
    let mut joined: Vec<Stretch> = Vec::new();
    for (begin, end) in stretches {
        match joined.last_mut() {
            Some(last) if begin <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((begin, end)),
        }
    }
    joined
}

/// How much of `whole` the stretches cover, which do not overlap.
fn covered(stretches: &[Stretch], whole: Stretch) -> u64 {
    stretches
        .iter()
        .map(|(begin, end)| (*end).min(whole.1).saturating_sub((*begin).max(whole.0)))
        .sum()
}

/// Microseconds as milliseconds, to a tenth.
fn ms(us: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a deploy takes less than 2^52 microseconds"
    )]
    let ms = us as f64 / 1000.0;
    (ms * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, cat: &str, ts: u64, dur: u64) -> Event {
        Event {
            name: name.into(),
            cat: cat.into(),
            ph: 'X',
            ts,
            dur,
            pid: 1,
            tid: 1,
        }
    }

    #[test]
    fn what_is_neither_the_apps_nor_gits_nor_a_wait_is_our_own() {
        let events = [
            event("lock", WAITING, 2_000, 3_000),
            event("plan", STAGE, 5_000, 1_000),
            event("npm ci", APP, 7_000, 10_000),
            event("pip", APP, 9_000, 4_000),
            event("build", STAGE, 6_000, 12_000),
            event("pre-receive", PROCESS, 1_000, 18_000),
            event("post-receive", PROCESS, 21_000, 9_000),
            event("uWSGI", APP, 25_000, 1_000),
        ];
        let timing = Timing::of(&events).unwrap();
        // 1 to 30, less 3 for the lock; the app's 10 and 1; git's 2.
        assert_eq!(
            (timing.total_ms, timing.app_ms, timing.git_ms, timing.own_ms),
            (26.0, 11.0, 2.0, 13.0)
        );
        assert_eq!(timing.stages[1].app_ms, 10.0);
        assert_eq!(timing.programs[0].what, "npm ci");
    }

    #[test]
    fn what_an_app_has_written_into_a_trace_does_nothing_to_a_terminal() {
        let text = [
            event(BEGIN, BEGIN, 0, 0),
            event("npm\u{1b}[2J ci", APP, 1, 5),
            event("deploy", PROCESS, 0, 9),
        ]
        .map(|event| serde_json::to_string(&event).unwrap())
        .join(",\n");
        let timing = Timing::read(&text).unwrap();
        assert!(!timing.programs[0].what.contains(char::is_control));
        let raw = super::super::trace::closed("[\n{\"name\":\"\u{1b}[2J\"},\n");
        assert!(!raw.contains('\u{1b}'), "{raw:?}");
    }

    #[test]
    fn a_trace_without_its_end_is_read_and_only_its_last_run() {
        let text = format!(
            "[\n{},\n{},\n{},\n{},\n{{\"na",
            serde_json::to_string(&event(BEGIN, BEGIN, 0, 0)).unwrap(),
            serde_json::to_string(&event("deploy", PROCESS, 0, 9_000)).unwrap(),
            serde_json::to_string(&event(BEGIN, BEGIN, 20_000, 0)).unwrap(),
            serde_json::to_string(&event("rollback", PROCESS, 20_000, 4_000)).unwrap(),
        );
        assert_eq!(Timing::read(&text).unwrap().total_ms, 4.0);
        assert_eq!(Timing::read("[\n"), None);
    }
}
