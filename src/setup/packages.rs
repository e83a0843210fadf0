//! The packages of each group, in Debian's and Ubuntu's names.
//!
//! takes: facts · gives: packages, and notes where a program is there in another way · touches: nothing

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::Plan;
use crate::tool::nginx_version::Version;

/// git, sudo for `site apply`, and what Python wheels are built with where none is ready-made: PostgreSQL's client, images,
/// foreign functions, TLS.
const BASE: [&str; 15] = [
    "ca-certificates",
    "g++",
    "gcc",
    "git",
    "libffi-dev",
    "libjpeg-dev",
    "libpq-dev",
    "libssl-dev",
    "make",
    "openssl",
    "pkg-config",
    "python3-dev",
    "python3-venv",
    "sudo",
    "zlib1g-dev",
];

/// Packages of the other groups.
const REST: [(Group, &[&str]); 9] = [
    (Group::Node, &["nodejs", "npm"]),
    (Group::Nginx, &["nginx"]),
    (Group::Supervisor, &["supervisor"]),
    (Group::Postgresql, &["postgresql"]),
    (Group::Redis, &["redis-server"]),
    (Group::Logs, &["logrotate"]),
    (Group::Firewall, &["nftables"]),
    // It reads the journal by Python, and bans by nftables.
    (
        Group::Fail2ban,
        &["fail2ban", "nftables", "python3-systemd"],
    ),
    (Group::Upgrades, &["unattended-upgrades"]),
];

/// The oldest Node.js that today's build tools run on.
const OLDEST_NODE: Version = Version(18, 0, 0);

/// All names that the plan may want: what apt is asked about.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    let rest = REST.iter().flat_map(|(_, names)| names.iter());
    BASE.iter().chain(rest).chain(&["ufw"]).copied()
}

pub(super) fn plan(plan: &mut Plan, facts: &Facts, _: &Memory) {
    plan.packages(Group::Base, &BASE);
    for (group, names) in REST {
        let wanted: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !is_there_otherwise(facts, name))
            .collect();
        plan.packages(group, &wanted);
    }
    if super::firewall::is_ufw(facts) {
        plan.packages
            .retain(|package| package.group != Group::Firewall);
        plan.packages(Group::Firewall, &["ufw"]);
    }
    let node = facts
        .installed
        .get("nodejs")
        .or(facts.candidates.get("nodejs"));
    if let Some(version) = node.and_then(|text| Version::parse(text))
        && version < OLDEST_NODE
    {
        plan.note(
            Group::Node,
            format!(
                "this release has Node.js {version}; today's build tools want {} or later: see https://github.com/nodesource/distributions",
                OLDEST_NODE.0
            ),
        );
    }
}

/// The program came by another package (nginx-extras, NodeSource's nodejs with its npm) or none (/usr/local).
fn is_there_otherwise(facts: &Facts, package: &str) -> bool {
    let program = match package {
        "nodejs" => "node",
        "supervisor" => "supervisord",
        same => same,
    };
    facts.has_program(program) && !facts.installed.contains_key(package)
}
