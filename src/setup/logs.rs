//! Logs that do not fill the disk: logrotate runs, the journal has a limit.
//!
//! takes: facts · gives: items · touches: nothing

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Plan, Reaction};

/// systemd's own limit is a tenth of the disk, up to 4 GB: much on a small server with databases beside it.
const JOURNAL: &str = "[Journal]\nSystemMaxUse=500M\nSystemKeepFree=1G\n";

pub(super) fn plan(plan: &mut Plan, _: &Facts, _: &Memory) {
    plan.file(
        Group::Logs,
        "/etc/systemd/journald.conf.d/landfall.conf",
        JOURNAL,
        Reaction::Journal,
        "the journal takes 500 MB at most",
    );
    plan.unit(
        Group::Logs,
        "logrotate.timer",
        true,
        "the apps' logs are rotated daily",
    );
}
