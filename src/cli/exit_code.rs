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

/// The table, for `landfall --help`, the manual page and `docs/using/cli.md`.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  it was tried and failed; what was before is still there
  2  the arguments or the settings are not valid; nothing was tried
  3  what was asked for does not exist
  4  another run holds the app's lock; try again
  5  refused by rule, or without the option that confirms it

Output is data on stdout, talk on stderr. An error is `error: …`, its causes, and `hint: …` with what to do next.
LANDFALL_APP names the app, LANDFALL_REMOTE the remote of the clone whose server is asked, LANDFALL_CONFIG_DIR the folder whose `apps/` has the apps' settings files, and \
LANDFALL_LOG=debug shows what is run and how long it takes.";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        for code in [FAILED, USAGE, NOT_FOUND, BUSY, REFUSED] {
            assert!(HELP.contains(&format!("\n  {code}  ")), "{code}");
        }
    }
}
