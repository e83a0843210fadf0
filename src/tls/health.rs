//! How much life a certificate has left, and when that is too little: by its own lifetime, not by a number of days.
//!
//! takes: its dates, the time · gives: a grade · touches: nothing

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;

const DAY: i64 = 24 * 60 * 60;
/// Certificates of at most this life are renewed at half of it.
const SHORT: i64 = 10 * DAY;

/// As monitoring programs grade: the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Grade {
    /// Nothing to do.
    Ok,
    /// Time to act.
    Warning,
    /// Visitors are, or will soon be, turned away.
    Critical,
    /// It could not be found out.
    Unknown,
}

impl Grade {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// What is worse. Not knowing is not as bad as knowing that it is over.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        let rank = |grade: Self| match grade {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

/// What is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Life {
    /// Whole days left; below zero once it is over.
    pub days_left: i64,
    /// Share of its life left, in hundredths.
    pub percent_left: i64,
    /// Of its life, in days.
    pub days: i64,
}

/// Limits in days that take the place of the shares.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Warn at this many days.
    pub warn: Option<i64>,
    /// Critical at this many.
    pub crit: Option<i64>,
}

impl Life {
    /// Of this certificate.
    pub fn of(certificate: &Certificate, now: u64) -> Self {
        Self::between(certificate.not_before, certificate.not_after, now)
    }

    /// Of these dates.
    pub fn between(not_before: i64, not_after: i64, now: u64) -> Self {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let whole = not_after.saturating_sub(not_before).max(1);
        let left = not_after.saturating_sub(now);
        Self {
            days_left: left.div_euclid(DAY),
            percent_left: (left.clamp(0, whole)).saturating_mul(100) / whole,
            days: whole / DAY,
        }
    }

    /// Warning at a third of life left (half, if life is ten days or less), critical at a sixth.
    pub fn grade(&self, not_before: i64, not_after: i64, now: u64, limits: Limits) -> Grade {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let whole = not_after.saturating_sub(not_before).max(1);
        let left = not_after.saturating_sub(now);
        let share = if whole <= SHORT { 2 } else { 3 };
        // Days are compared as they are shown, in whole ones.
        let is_below = |limit: Option<i64>, seconds: i64| {
            limit.map_or(left <= seconds, |days| self.days_left <= days)
        };
        if now < not_before || left <= 0 || is_below(limits.crit, whole / 6) {
            Grade::Critical
        } else if is_below(limits.warn, whole / share) {
            Grade::Warning
        } else {
            Grade::Ok
        }
    }
}

/// When it is renewed, in seconds since 1970: at the share of its life at which [`Life::grade`] begins to warn.
pub fn renew_at(certificate: &Certificate) -> i64 {
    let (not_before, not_after) = (certificate.not_before, certificate.not_after);
    let whole = not_after.saturating_sub(not_before).max(1);
    let share = if whole <= SHORT { 2 } else { 3 };
    not_after.saturating_sub(whole / share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_follow_the_lifetime() {
        for (life, left, grade) in [
            (90 * DAY, 31 * DAY, Grade::Ok),
            (90 * DAY, 30 * DAY, Grade::Warning),
            (90 * DAY, 15 * DAY, Grade::Critical),
            (199 * DAY, 67 * DAY, Grade::Ok),
            (199 * DAY, 66 * DAY, Grade::Warning),
            (6 * DAY, 3 * DAY + 1, Grade::Ok),
            (6 * DAY, 3 * DAY, Grade::Warning),
            (6 * DAY, DAY, Grade::Critical),
            (90 * DAY, -1, Grade::Critical),
            (90 * DAY, 91 * DAY, Grade::Critical),
        ] {
            let now = 1_790_000_000_u64;
            let end = 1_790_000_000 + left;
            let found =
                Life::between(end - life, end, now).grade(end - life, end, now, Limits::default());
            assert_eq!(found, grade, "{life} {left}");
        }
        let fixed = Limits {
            warn: Some(20),
            crit: Some(5),
        };
        let now = 1_790_000_000;
        let end = 1_790_000_000 + 19 * DAY;
        let life = Life::between(end - 90 * DAY, end, now);
        assert_eq!(life.grade(end - 90 * DAY, end, now, fixed), Grade::Warning);
        for (days, grade) in [(19, Grade::Warning), (18, Grade::Ok)] {
            let limits = Limits {
                warn: Some(days),
                crit: Some(0),
            };
            assert_eq!(life.grade(end - 90 * DAY, end, now - 3600, limits), grade);
        }
        assert_eq!((life.days_left, life.percent_left, life.days), (19, 21, 90));
    }

    #[test]
    fn the_worst_counts_and_not_knowing_hides_nothing() {
        assert_eq!(Grade::Unknown.worst(Grade::Critical), Grade::Critical);
        assert_eq!(Grade::Ok.worst(Grade::Unknown), Grade::Unknown);
        assert_eq!(Grade::Warning.worst(Grade::Ok), Grade::Warning);
    }
}
