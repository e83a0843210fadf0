//! Which ports are open: ssh as it is used, http, https. ufw where it is at home, else rules of our own beside anybody's.
//!
//! takes: facts · gives: items, notes · touches: nothing

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Plan, Reaction, What};
use crate::base::words::list;

/// http, https, and the backend's port in the split layout.
const WEB: [u16; 3] = [80, 443, 8443];

const RULES: &str = "/etc/landfall/firewall.nft";
const UNIT: &str = "landfall-firewall.service";

/// ufw is used where it is installed, and on Ubuntu, which has it from the start.
pub(super) fn is_ufw(facts: &Facts) -> bool {
    facts.ufw.is_some() || facts.is_ubuntu()
}

pub(super) fn plan(plan: &mut Plan, facts: &Facts, _: &Memory) {
    let state = facts.unit("firewalld.service");
    if state.active || state.enabled {
        plan.note(
            Group::Firewall,
            "firewalld runs here and stays; let it allow ssh, http, https and 8443/tcp",
        );
        return;
    }
    let mut open = facts.ssh_ports();
    open.extend(WEB);
    open.sort_unstable();
    open.dedup();
    let closed: Vec<String> = facts
        .listens
        .iter()
        .filter(|port| !open.contains(port))
        .filter(|port| {
            !facts
                .ufw
                .as_ref()
                .is_some_and(|ufw| ufw.allowed.contains(port))
        })
        .map(ToString::to_string)
        .collect();
    if !closed.is_empty() {
        let are = if closed.len() == 1 { "port" } else { "ports" };
        plan.note(
            Group::Firewall,
            format!(
                "something listens for other machines on {are} {}, which the firewall closes; leave it out by --without firewall",
                list(&closed)
            ),
        );
    }
    let ports: Vec<String> = open.iter().map(ToString::to_string).collect();
    let why = format!("only {} are open", list(&ports));
    if is_ufw(facts) {
        plan.item(Group::Firewall, What::Ufw(open), &why);
        return;
    }
    plan.file(
        Group::Firewall,
        RULES,
        &rules(&ports),
        Reaction::Firewall,
        &why,
    );
    plan.file(
        Group::Firewall,
        &format!("/etc/systemd/system/{UNIT}"),
        SERVICE,
        Reaction::Systemd,
        "loads these rules, and touches no others: Docker's and fail2ban's stay",
    );
    plan.unit(Group::Firewall, UNIT, true, "the rules hold from boot");
}

/// A table of our own, replaced whole in one transaction.
fn rules(ports: &[String]) -> String {
    format!(
        "table inet landfall
delete table inet landfall
table inet landfall {{
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
        iif \"lo\" accept
        meta l4proto {{ icmp, ipv6-icmp }} accept
        ip6 saddr fe80::/10 udp dport 546 accept comment \"DHCPv6\"
        tcp dport {{ {} }} accept
    }}
}}
",
        ports.join(", ")
    )
}

const SERVICE: &str = "[Unit]
Description=Packet filter of Landfall
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/landfall/firewall.nft
ExecReload=/usr/sbin/nft -f /etc/landfall/firewall.nft
ExecStop=/usr/sbin/nft delete table inet landfall

[Install]
WantedBy=sysinit.target
";
