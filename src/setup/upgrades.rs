//! What keeps a server safe while nobody looks: security updates, and bans of addresses that guess at ssh.
//!
//! takes: facts · gives: items · touches: nothing

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Plan, Reaction};

/// Which updates are taken is the package's own setting: security ones, on Debian and Ubuntu.
const UPGRADES: &str = "APT::Periodic::Update-Package-Lists \"1\";
APT::Periodic::Unattended-Upgrade \"1\";
APT::Periodic::AutocleanInterval \"7\";
Unattended-Upgrade::Remove-Unused-Kernel-Packages \"true\";
";

/// sshd's lines in the journal, by fields that the kernel vouches for. A `+` is an "or"; from OpenSSH 9.8 on, sshd is made of
/// several programs.
const JOURNAL: &str = "_UID=0 _COMM=sshd + _UID=0 _COMM=sshd-session + _UID=0 _COMM=sshd-auth";

pub(super) fn plan(plan: &mut Plan, facts: &Facts, _: &Memory) {
    plan.file(
        Group::Fail2ban,
        "/etc/fail2ban/jail.d/landfall.conf",
        &jail(facts),
        Reaction::Fail2ban,
        "an address that fails at ssh eight times in ten minutes is banned for an hour",
    );
    plan.unit(Group::Fail2ban, "fail2ban.service", true, "it watches ssh");
    plan.file(
        Group::Upgrades,
        "/etc/apt/apt.conf.d/52landfall",
        UPGRADES,
        Reaction::Nobody,
        "security updates are installed daily",
    );
    plan.unit(
        Group::Upgrades,
        "unattended-upgrades.service",
        true,
        "an update under way is finished before a shutdown",
    );
}

fn jail(facts: &Facts) -> String {
    let ports: Vec<String> = facts.ssh_ports().iter().map(ToString::to_string).collect();
    format!(
        "[DEFAULT]
banaction = nftables[type=multiport]
banaction_allports = nftables[type=allports]
ignoreip = 127.0.0.1/8 ::1

[sshd]
enabled = true
# Not a log file: Debian 12 writes none.
backend = systemd
# Root's processes alone: the filter's own match takes any process called sshd, so that an app could have anybody banned.
filter = sshd[mode=%(mode)s, journalmatch=\"{JOURNAL}\"]
# fail2ban 1.1 knows it as the jail's, too, and Debian 13 sets that: both are added up.
journalmatch = {JOURNAL}
port = {}
# A developer whose agent offers several keys must not be taken for one who guesses.
maxretry = 8
findtime = 10m
bantime = 1h
",
        ports.join(",")
    )
}
