//! The exit codes, documented: `docs/using/cli.md` and `landfall man` show this table.

use std::process::ExitCode;

use crate::base::hint::Kind;

/// The work was tried and failed; what was before is still there.
pub(super) const FAILED: u8 = 1;
/// The input is not valid; nothing was tried.
pub(super) const USAGE: u8 = 2;
/// What was asked for does not exist.
pub(super) const NOT_FOUND: u8 = 3;
/// Somebody else holds the lock; try again.
pub(super) const BUSY: u8 = 4;
/// Refused by rule.
pub(super) const REFUSED: u8 = 5;

/// The code of a kind of failure.
pub(super) fn of(kind: Kind) -> ExitCode {
    ExitCode::from(match kind {
        Kind::Failed => FAILED,
        Kind::Usage => USAGE,
        Kind::NotFound => NOT_FOUND,
        Kind::Busy => BUSY,
        Kind::Refused => REFUSED,
    })
}
