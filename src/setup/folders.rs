//! Landfall's own folders and its group.
//!
//! takes: nothing · gives: items · touches: nothing

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Plan, What};
use crate::base::server_paths::APPS_GROUP;

const FOLDERS: [(&str, u32, &str); 11] = [
    ("/etc/landfall", 0o755, "settings of this server"),
    ("/etc/landfall/apps", 0o755, "settings of its apps"),
    (
        "/etc/landfall/templates",
        0o755,
        "templates that replace the built-in ones",
    ),
    (
        "/etc/landfall/keys",
        0o755,
        "the ssh keys of apps, read by sshd",
    ),
    (
        "/etc/landfall/redis",
        0o755,
        "the settings of the apps' own Redis servers",
    ),
    ("/etc/ssl/landfall", 0o711, "certificates and their keys"),
    ("/srv/landfall", 0o755, "the homes of apps"),
    ("/var/lib/landfall", 0o700, "what was done here"),
    (
        "/var/lib/landfall-challenges",
        0o755,
        "answers to certificate authorities, served by nginx",
    ),
    (
        "/var/backups/landfall",
        0o700,
        "the last backups of removed apps",
    ),
    ("/var/log/landfall", 0o755, "nginx's logs of apps"),
];

pub(super) fn plan(plan: &mut Plan, _: &Facts, _: &Memory) {
    let group = What::UserGroup(APPS_GROUP.into());
    plan.item(Group::Base, group, "sshd's rules for apps match it");
    for (path, mode, why) in FOLDERS {
        let path = path.to_owned();
        plan.item(Group::Base, What::Folder { path, mode }, why);
    }
}
