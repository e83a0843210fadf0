//! Conditions are looked at until they hold, with a deadline; nothing sleeps and hopes.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    until_some(what, limit, || condition().then_some(()));
}

/// Waits until `look` finds something, and gives it.
#[track_caller]
pub(crate) fn until_some<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "not within {}s: {what}",
            limit.as_secs_f64()
        );
        thread::sleep(EVERY);
    }
}
