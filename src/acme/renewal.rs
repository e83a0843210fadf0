//! When a certificate is renewed: when its authority says so (RFC 9773), else at a third of its life left (half, if that is ten
//! days or less); and not before an attempt that failed has been left alone for a while.
//!
//! takes: a certificate, what is remembered, the time · gives: [`Due`] · touches: `renewal.json` of the store

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::fs::{self, FsError};
use crate::base::words::shorten;
use crate::tls::certificate::Certificate;
use crate::tls::health;
use crate::tls::store::Store;

const DAY: u64 = 24 * 60 * 60;
/// The timer comes by twice a day: what falls due before it comes again is due (RFC 9773, 4.2).
const WAKE: u64 = DAY / 2;
/// How long a failed attempt is left alone, by how many failed in a row; then a day (Let's Encrypt's own advice).
const PAUSES: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(100 * 60),
];
/// An authority's word is not obeyed for longer: a mistake of its would be the end of renewals.
const LONGEST_PAUSE: u64 = 7 * DAY;
/// The most characters of a failure that are remembered.
const MOST: usize = 800;

/// When the authority would like to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Of which certificate: SHA-256.
    pub of: String,
    /// From when, in seconds since 1970.
    pub start: u64,
    /// Until when.
    pub end: u64,
    /// A moment in between, drawn once: not all of its customers come at the same.
    pub chosen: u64,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When, in seconds since 1970.
    pub at: u64,
    /// The code's word, if it has one.
    pub code: Option<String>,
    /// What was said.
    pub message: String,
}

/// What is remembered between two runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// How many attempts failed in a row.
    pub failures: u32,
    /// The last of them.
    pub failed: Option<Failed>,
    /// The authority is not asked before.
    pub not_before: u64,
    /// What it said of the certificate.
    pub window: Option<Window>,
    /// When that is asked again.
    pub ask_at: u64,
}

/// An attempt that has just failed.
#[derive(Debug)]
pub struct Miss {
    /// The code's word, if it has one.
    pub code: Option<&'static str>,
    /// What was said.
    pub message: String,
    /// The authority was asked for a certificate: the attempt counts there.
    pub has_asked: bool,
    /// Before this time it does not want to be asked.
    pub again_at: Option<u64>,
}

/// Why now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The authority says so.
    Authority,
    /// Little of its life is left.
    Life,
    /// A domain of the app is missing in it.
    Names,
}

impl Why {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Authority => "the authority says it is time",
            Self::Life => "little of its life is left",
            Self::Names => "a domain of the app is missing in it",
        }
    }
}

/// Whether it is time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is.
    Now(Why),
    /// It would be, but an attempt failed: not before then.
    Paused(Why, u64),
    /// Not before then.
    At(u64),
}

impl Memory {
    /// Of an app. One that cannot be read is as good as none.
    pub fn of(store: &Store) -> Result<Self, FsError> {
        let text = fs::read_if_exists(&store.folder().join("renewal.json"))?;
        let read = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(read.unwrap_or_default())
    }

    /// Remembers it.
    pub fn keep(&self, store: &Store) -> Result<(), FsError> {
        store.create()?;
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        fs::write(
            &store.folder().join("renewal.json"),
            text.as_bytes(),
            fs::PUBLIC,
        )
    }

    /// What is remembered once a new certificate is served.
    pub fn after_success(ask_at: u64) -> Self {
        Self {
            ask_at,
            ..Self::default()
        }
    }

    /// Counts an attempt that failed. One for which nobody was asked for a certificate may be repeated at once.
    pub fn miss(&mut self, miss: &Miss, now: u64) {
        self.failed = Some(Failed {
            at: now,
            code: miss.code.map(str::to_owned),
            message: shorten(&miss.message, MOST),
        });
        let mut until = now;
        if miss.has_asked {
            let place = usize::try_from(self.failures).unwrap_or(usize::MAX);
            let pause = PAUSES.get(place).map_or(DAY, Duration::as_secs);
            until = now.saturating_add(pause);
            self.failures = self.failures.saturating_add(1);
        }
        // What it asked for before holds, too.
        let asked_for = miss.again_at.unwrap_or(0).max(self.not_before);
        let most = now.saturating_add(LONGEST_PAUSE);
        self.not_before = until.max(asked_for.min(most));
    }

    /// The window, if it is this certificate's.
    fn window_of(&self, certificate: &Certificate) -> Option<&Window> {
        let window = self.window.as_ref()?;
        (window.of == certificate.fingerprint()).then_some(window)
    }

    /// When its time comes, or came, whatever failed since.
    pub fn moment(&self, certificate: &Certificate) -> u64 {
        let third = u64::try_from(health::renew_at(certificate)).unwrap_or(0);
        self.window_of(certificate)
            .map_or(third, |window| window.chosen)
    }

    /// Whether the certificate is to be renewed; `is_missing` if a domain of the app is missing in it.
    pub fn due(&self, certificate: &Certificate, is_missing: bool, now: u64) -> Due {
        let moment = self.moment(certificate);
        let has_word = self.window_of(certificate).is_some();
        let why = if is_missing {
            Why::Names
        } else if has_word && moment <= now.saturating_add(WAKE) {
            Why::Authority
        } else if !has_word && moment <= now {
            Why::Life
        } else {
            return Due::At(moment);
        };
        if self.not_before > now {
            Due::Paused(why, self.not_before)
        } else {
            Due::Now(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;

    const NOW: u64 = 1_790_000_000;

    /// One that is valid from an hour before [`NOW`].
    fn certificate(days: u64) -> Certificate {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(NOW);
        let names = ["example.org".parse().unwrap()];
        let pair = self_signed::make_for(&names, now, Duration::from_secs(days * DAY)).unwrap();
        let taken = crate::tls::intake::read(pair.certificate.as_bytes()).unwrap();
        taken.certificates[0].clone()
    }

    fn asked(again_at: Option<u64>) -> Miss {
        Miss {
            code: Some("E_ACME_DNS"),
            message: "no".into(),
            has_asked: true,
            again_at,
        }
    }

    #[test]
    fn without_a_word_of_the_authority_a_third_of_life_decides_or_half_of_a_short_one() {
        let memory = Memory::default();
        for (days, left) in [(90, 30), (45, 15), (199, 66), (6, 3)] {
            let certificate = certificate(days);
            let Due::At(at) = memory.due(&certificate, false, NOW) else {
                panic!("{days}");
            };
            let found = NOW + days * DAY - at;
            assert!(
                (left * DAY..=(left + 1) * DAY).contains(&found),
                "{days}: {found}"
            );
            assert_eq!(memory.due(&certificate, false, at - 1), Due::At(at));
            assert_eq!(memory.due(&certificate, false, at), Due::Now(Why::Life));
            assert_eq!(memory.due(&certificate, true, NOW), Due::Now(Why::Names));
        }
    }

    #[test]
    fn the_authoritys_word_counts_and_only_for_its_certificate() {
        let certificate = certificate(90);
        let window = |of: String, chosen: u64| Memory {
            window: Some(Window {
                of,
                start: chosen - 10,
                end: chosen + 10,
                chosen,
            }),
            ..Memory::default()
        };
        let memory = window(certificate.fingerprint(), NOW + 5 * DAY);
        assert_eq!(memory.due(&certificate, false, NOW), Due::At(NOW + 5 * DAY));
        // Before the timer comes again.
        let before = NOW + 5 * DAY - WAKE;
        assert_eq!(
            memory.due(&certificate, false, before),
            Due::Now(Why::Authority)
        );
        // Revoked: at once.
        let past = window(certificate.fingerprint(), NOW - DAY);
        assert_eq!(past.due(&certificate, false, NOW), Due::Now(Why::Authority));
        // It may wait longer than our own rule would.
        let late = window(certificate.fingerprint(), NOW + 80 * DAY);
        assert_eq!(
            late.due(&certificate, false, NOW + 70 * DAY),
            Due::At(NOW + 80 * DAY)
        );
        let others = window("AB".into(), NOW);
        assert!(matches!(others.due(&certificate, false, NOW), Due::At(at) if at > NOW + 50 * DAY));
    }

    #[test]
    fn pauses_grow_and_the_authoritys_own_is_kept() {
        let certificate = certificate(1);
        let mut memory = Memory::default();
        let mut now = NOW + 2 * DAY;
        for pause in [60, 600, 6000, DAY, DAY] {
            memory.miss(&asked(None), now);
            let until = now + pause;
            let due = |at| memory.due(&certificate, false, at);
            assert_eq!(due(now), Due::Paused(Why::Life, until));
            assert_eq!(due(until - 1), Due::Paused(Why::Life, until));
            assert_eq!(due(until), Due::Now(Why::Life));
            now = until;
        }
        assert_eq!(memory.failures, 5);
        let failed = memory.failed.as_ref().unwrap();
        assert_eq!(failed.code.as_deref(), Some("E_ACME_DNS"));
        for (again_at, until) in [
            (NOW + 3 * DAY, NOW + 3 * DAY),
            (NOW + 5, NOW + 60),
            (u64::MAX, NOW + 7 * DAY),
        ] {
            let mut memory = Memory::default();
            memory.miss(&asked(Some(again_at)), NOW);
            assert_eq!(memory.not_before, until);
        }
    }

    #[test]
    fn what_nobody_was_asked_for_may_be_repeated_at_once_and_takes_no_pause_away() {
        let mut memory = Memory::default();
        let local = Miss {
            has_asked: false,
            ..asked(None)
        };
        memory.miss(&local, NOW);
        assert!(memory.failures == 0 && memory.not_before <= NOW && memory.failed.is_some());
        memory.miss(&asked(None), NOW);
        memory.miss(&local, NOW + 1);
        assert_eq!((memory.failures, memory.not_before), (1, NOW + 60));
    }

    #[test]
    fn it_is_remembered_and_a_damaged_memory_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("notes"));
        assert_eq!(Memory::of(&store).unwrap(), Memory::default());
        let mut memory = Memory::after_success(5);
        memory.miss(&asked(None), NOW);
        memory.keep(&store).unwrap();
        assert_eq!(Memory::of(&store).unwrap(), memory);
        fs::write(&dir.path().join("notes/renewal.json"), b"{", fs::PUBLIC).unwrap();
        assert_eq!(Memory::of(&store).unwrap(), Memory::default());
    }
}
