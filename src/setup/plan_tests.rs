//! The plan for invented servers, one for each release it is written for.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::setup::differ;
use crate::setup::facts::{DefaultSite, Os, Ufw};
use crate::tool::nginx_version::Version;
use crate::tool::sshd::SshdSettings;

/// A new server of a release: sshd and nothing else of ours, root's key in place.
fn server(id: &str, version: &str, nginx: Version) -> Facts {
    let sshd = SshdSettings {
        ports: vec![22],
        passwords: true,
        root_login: "prohibit-password".into(),
        key_files: vec![".ssh/authorized_keys".into()],
        restricted_to: Vec::new(),
    };
    let family = match id {
        "ubuntu" => vec!["ubuntu".to_owned(), "debian".to_owned()],
        _ => vec![id.to_owned()],
    };
    Facts {
        os: Os {
            id: id.into(),
            version: version.into(),
            name: format!("{id} {version}"),
            family,
        },
        nginx: Some(nginx),
        sshd: Some(sshd),
        sshd_reads_folder: true,
        admin_key: Some("/root/.ssh/authorized_keys".into()),
        has_ipv6: true,
        memory_mb: 3900,
        free_mb: 20_000,
        root_fs: "ext4".into(),
        ..Facts::default()
    }
}

fn bookworm() -> Facts {
    server("debian", "12", Version(1, 22, 1))
}

fn plan(facts: &Facts) -> Plan {
    Plan::make(facts, &Memory::default(), &BTreeSet::new())
}

fn file<'a>(plan: &'a Plan, wanted: &str) -> &'a str {
    let found = plan.items.iter().find_map(|item| match &item.what {
        What::File { path, text, .. } if path == wanted => Some(text.as_str()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no {wanted} in the plan"))
}

fn has_file(plan: &Plan, wanted: &str) -> bool {
    plan.items
        .iter()
        .any(|item| matches!(&item.what, What::File { path, .. } if path == wanted))
}

fn unit(plan: &Plan, wanted: &str) -> Option<bool> {
    plan.items.iter().find_map(|item| match &item.what {
        What::Unit { name, on } if name == wanted => Some(*on),
        _ => None,
    })
}

fn note(plan: &Plan, group: Group, words: &str) -> bool {
    plan.notes
        .iter()
        .any(|note| note.group == group && note.text.contains(words))
}

const NGINX: &str = "/etc/nginx/conf.d/landfall.conf";
const SSHD: &str = "/etc/ssh/sshd_config.d/00-landfall.conf";

#[test]
fn each_release_gets_an_nginx_file_that_its_version_knows() {
    let old = plan(&server("ubuntu", "22.04", Version(1, 18, 0)));
    let text = file(&old, NGINX);
    assert!(text.contains("listen 443 ssl http2 default_server;"));
    assert!(text.contains("ssl_certificate /etc/ssl/landfall/nobody.pem;"));
    assert!(!text.contains("ssl_reject_handshake"));
    assert!(old.items.iter().any(
        |item| matches!(&item.what, What::Made { path, .. } if path == "/etc/ssl/landfall/nobody.key")
    ));

    for (id, version, nginx) in [
        ("debian", "12", Version(1, 22, 1)),
        ("ubuntu", "24.04", Version(1, 24, 0)),
    ] {
        let plan = plan(&server(id, version, nginx));
        let text = file(&plan, NGINX);
        assert!(text.contains("listen [::]:443 ssl http2 default_server;"));
        assert!(text.contains("ssl_reject_handshake on;") && !text.contains("http2 on;"));
    }

    for (id, version, nginx) in [
        ("debian", "13", Version(1, 26, 3)),
        ("ubuntu", "26.04", Version(1, 28, 0)),
    ] {
        let plan = plan(&server(id, version, nginx));
        let text = file(&plan, NGINX);
        assert!(text.contains("listen 443 ssl default_server;\n"));
        assert!(text.contains("http2 on;\n"));
    }
}

#[test]
fn what_nginxs_main_file_says_is_not_said_twice() {
    let mut facts = bookworm();
    assert!(file(&plan(&facts), NGINX).contains("\nserver_tokens off;"));
    facts.nginx_main = vec!["http".into(), "server_tokens".into()];
    let plan = plan(&facts);
    let text = file(&plan, NGINX);
    assert!(!text.contains("server_tokens") && text.contains("server_names_hash_bucket_size"));
}

#[test]
fn nginx_takes_a_backends_port_only_where_an_app_has_one_and_comes_back_by_itself() {
    let mut facts = bookworm();
    let alone = plan(&facts);
    assert!(!file(&alone, NGINX).contains("8443"));
    facts.backend_ports = vec![8443, 9443];
    let plan = plan(&facts);
    for listen in ["8443", "[::]:8443", "9443", "[::]:9443"] {
        let line = format!("    listen {listen} ssl http2 default_server;\n");
        assert!(file(&plan, NGINX).contains(&line), "{line}");
    }
    let unit = file(&plan, "/etc/systemd/system/nginx.service.d/landfall.conf");
    assert!(unit.contains("[Unit]\nStartLimitIntervalSec=0\n"));
    assert!(unit.contains("[Service]\nRestart=on-failure\nRestartSec=2s\n"));
}

#[test]
fn without_ipv6_nothing_listens_on_it() {
    let mut facts = bookworm();
    facts.has_ipv6 = false;
    assert!(!file(&plan(&facts), NGINX).contains("[::]"));
}

#[test]
fn an_example_site_that_somebody_changed_stays_the_default() {
    let mut facts = bookworm();
    facts.nginx_default_site = Some(DefaultSite { is_changed: true });
    let plan = plan(&facts);
    assert!(!file(&plan, NGINX).contains("default_server"));
    assert!(
        !plan
            .items
            .iter()
            .any(|item| matches!(item.what, What::Away { .. }))
    );
    assert!(note(&plan, Group::Nginx, "was changed, so it stays"));
}

#[test]
fn an_unknown_nginx_is_said_and_not_guessed() {
    let mut facts = bookworm();
    facts.nginx = None;
    let plan = plan(&facts);
    assert!(!has_file(&plan, NGINX));
    assert!(note(&plan, Group::Nginx, "apt-get update"));
}

#[test]
fn passwords_go_only_where_a_key_lets_the_caller_in() {
    let mut facts = bookworm();
    let with_key = plan(&facts);
    assert!(file(&with_key, SSHD).contains("\nPasswordAuthentication no\n"));
    assert!(file(&with_key, SSHD).contains("\nPermitRootLogin prohibit-password\n"));

    facts.admin_key = None;
    let without = plan(&facts);
    let (global, apps) = file(&without, SSHD).split_once("Match Group").unwrap();
    assert!(!global.contains("\nPasswordAuthentication") && !global.contains("PermitRootLogin"));
    assert!(apps.contains("    PasswordAuthentication no\n"));
    assert!(note(&without, Group::Ssh, "stay allowed"));

    // A timer's `server check` finds nobody's key, and still plans what was found before.
    let mut memory = Memory::default();
    let hardened = file(&with_key, SSHD).to_owned();
    memory.files.insert(SSHD.into(), hardened.clone());
    let later = Plan::make(&facts, &memory, &BTreeSet::new());
    assert_eq!(file(&later, SSHD), hardened);
    assert!(note(&later, Group::Ssh, "lets passwords in although"));
}

#[test]
fn what_is_stricter_for_root_than_ours_stays() {
    let mut facts = bookworm();
    let ours = file(&plan(&facts), SSHD).to_owned();
    for word in ["no", "forced-commands-only"] {
        facts.sshd.as_mut().unwrap().root_login = word.into();
        // Also after a run that wrote the line, with somebody's rule come later.
        let mut memory = Memory::default();
        for _ in 0..2 {
            let plan = Plan::make(&facts, &memory, &BTreeSet::new());
            let text = file(&plan, SSHD);
            assert!(text.contains("\nPasswordAuthentication no\n"));
            assert!(!text.contains("PermitRootLogin"));
            assert!(note(&plan, Group::Ssh, &format!("PermitRootLogin {word}")));
            memory.files.insert(SSHD.into(), ours.clone());
        }
    }
    for word in ["yes", "prohibit-password"] {
        facts.sshd.as_mut().unwrap().root_login = word.into();
        assert_eq!(file(&plan(&facts), SSHD), ours);
    }
}

#[test]
fn apps_log_in_by_roots_key_files_alone_and_get_nothing_else() {
    let plan = plan(&bookworm());
    let (_, block) = file(&plan, SSHD)
        .split_once("Match Group landfall-apps\n")
        .unwrap();
    for line in [
        "AuthorizedKeysFile /etc/landfall/keys/%u",
        "AuthenticationMethods publickey",
        "AllowTcpForwarding no",
        "AllowStreamLocalForwarding no",
        "AllowAgentForwarding no",
        "X11Forwarding no",
        "PermitTunnel no",
        "PermitTTY no",
        "PermitUserRC no",
    ] {
        assert!(block.contains(&format!("    {line}\n")), "{line}");
    }
    assert!(block.ends_with("\nMatch all\n"));
}

#[test]
fn what_keeps_apps_out_of_ssh_is_said() {
    let mut facts = bookworm();
    facts.sshd_reads_folder = false;
    let blind = plan(&facts);
    assert!(!has_file(&blind, SSHD));
    assert!(note(
        &blind,
        Group::Ssh,
        "Include /etc/ssh/sshd_config.d/*.conf"
    ));

    let mut facts = bookworm();
    facts.sshd.as_mut().unwrap().restricted_to = vec!["allowgroups admins".into()];
    assert!(note(&plan(&facts), Group::Ssh, "allowgroups admins"));
}

#[test]
fn the_firewall_lets_in_ssh_where_it_really_listens() {
    let mut facts = bookworm();
    facts.sshd.as_mut().unwrap().ports = vec![2222];
    facts.ssh_listens = vec![22022];
    facts.listens = vec![25, 2222, 80];
    let plan = plan(&facts);
    let rules = file(&plan, "/etc/landfall/firewall.nft");
    assert!(rules.contains("tcp dport { 80, 443, 2222, 8443, 22022 } accept"));
    assert!(note(&plan, Group::Firewall, "on port 25, which"));
    assert!(file(&plan, "/etc/fail2ban/jail.d/landfall.conf").contains("\nport = 2222,22022\n"));
}

#[test]
fn only_roots_own_sshd_is_believed_when_it_reports_a_failure() {
    let plan = plan(&bookworm());
    let jail = file(&plan, "/etc/fail2ban/jail.d/landfall.conf");
    let (_, rest) = jail.split_once("journalmatch=\"").unwrap();
    let (matches, _) = rest.split_once('"').unwrap();
    let programs: Vec<&str> = matches
        .split(" + ")
        .map(|one| one.strip_prefix("_UID=0 _COMM=").unwrap())
        .collect();
    assert!(
        jail.contains(&format!("\njournalmatch = {matches}\n")),
        "the jail's own"
    );
    assert_eq!(programs, ["sshd", "sshd-session", "sshd-auth"]);
}

#[test]
fn every_folder_that_apps_share_is_roots_from_the_start() {
    let paths = crate::base::server_paths::ServerPaths::default();
    let plan = plan(&bookworm());
    let mode = |wanted: std::path::PathBuf| {
        plan.items.iter().find_map(|item| match &item.what {
            What::Folder { path, mode } if *path == wanted.to_string_lossy() => Some(*mode),
            _ => None,
        })
    };
    assert_eq!(mode(paths.challenges()), Some(0o755));
    assert_eq!(mode(paths.homes()), Some(0o755));
    assert_eq!(mode(paths.keys()), Some(0o755));
    assert_eq!(mode(paths.state()), Some(0o700));
    assert_eq!(mode(paths.backups()), Some(0o700));
}

#[test]
fn ubuntu_and_whoever_has_it_keep_ufw() {
    let ubuntu = plan(&server("ubuntu", "24.04", Version(1, 24, 0)));
    let mut debian = bookworm();
    debian.ufw = Some(Ufw::default());
    for plan in [ubuntu, plan(&debian)] {
        assert!(!has_file(&plan, "/etc/landfall/firewall.nft"));
        let ports = plan.items.iter().find_map(|item| match &item.what {
            What::Ufw(ports) => Some(ports.clone()),
            _ => None,
        });
        assert_eq!(ports, Some(vec![22, 80, 443, 8443]));
        let firewall: Vec<&Package> = plan
            .packages
            .iter()
            .filter(|package| package.group == Group::Firewall)
            .collect();
        assert_eq!(firewall.len(), 1);
        assert_eq!(firewall[0].name, "ufw");
    }
}

#[test]
fn another_firewall_is_left_alone() {
    let mut facts = bookworm();
    let running = crate::tool::systemd::UnitState {
        exists: true,
        active: true,
        enabled: true,
    };
    facts.units.insert("firewalld.service".into(), running);
    let plan = plan(&facts);
    assert!(!has_file(&plan, "/etc/landfall/firewall.nft"));
    assert!(note(&plan, Group::Firewall, "firewalld runs here"));
}

#[test]
fn small_machines_get_swap_where_a_file_can_be_swap() {
    let made = |facts: &Facts| unit(&plan(facts), "swapfile.swap") == Some(true);
    let mut facts = bookworm();
    assert!(!made(&facts), "4 GB is enough");
    facts.memory_mb = 1966;
    assert!(made(&facts));
    facts.swap_mb = 512;
    assert!(!made(&facts), "it has some");
    facts.swap_mb = 0;
    facts.root_fs = "btrfs".into();
    assert!(!made(&facts) && note(&plan(&facts), Group::Swap, "btrfs"));
    facts.root_fs = "ext4".into();
    facts.free_mb = 3000;
    assert!(!made(&facts) && note(&plan(&facts), Group::Swap, "3000 MiB"));
    facts.free_mb = 20_000;
    facts.container = Some("lxc".into());
    assert!(!made(&facts) && note(&plan(&facts), Group::Swap, "lxc"));
}

#[test]
fn our_own_swap_stays_planned_once_it_is_used() {
    let mut facts = bookworm();
    facts.memory_mb = 1966;
    facts.swap_mb = 2048;
    let mut memory = Memory::default();
    memory
        .files
        .insert("/etc/systemd/system/swapfile.swap".into(), String::new());
    let plan = Plan::make(&facts, &memory, &BTreeSet::new());
    assert_eq!(unit(&plan, "swapfile.swap"), Some(true));
}

#[test]
fn services_that_somebody_uses_stay() {
    let mut facts = bookworm();
    let new = plan(&facts);
    assert_eq!(unit(&new, "supervisor.service"), Some(false));
    assert_eq!(unit(&new, "redis-server.service"), Some(false));

    facts.supervisor_programs = vec!["/etc/supervisor/conf.d/old.conf".into()];
    facts.installed = BTreeMap::from([("redis-server".into(), "7".into())]);
    let used = plan(&facts);
    assert_eq!(unit(&used, "supervisor.service"), None);
    assert_eq!(unit(&used, "redis-server.service"), None);
    assert!(note(&used, Group::Supervisor, "old.conf"));

    // Installed by an earlier run of ours, which was killed before it switched the service off.
    let mut memory = Memory::default();
    memory.installed.insert("redis-server".into());
    let again = Plan::make(&facts, &memory, &BTreeSet::new());
    assert_eq!(unit(&again, "redis-server.service"), Some(false));
    facts.redis_has_data = true;
    let with_data = Plan::make(&facts, &memory, &BTreeSet::new());
    assert_eq!(unit(&with_data, "redis-server.service"), None);
}

#[test]
fn programs_that_came_in_another_way_are_not_installed_again() {
    let mut facts = bookworm();
    facts.programs = vec!["nginx".into(), "node".into(), "npm".into()];
    facts.installed = BTreeMap::from([
        ("nginx-extras".into(), "1.22.1".into()),
        ("nodejs".into(), "20.19.0-1nodesource1".into()),
    ]);
    let missing = differ::missing_packages(&plan(&facts), &facts);
    for name in ["nginx", "nodejs", "npm"] {
        assert!(!missing.iter().any(|package| package == name), "{name}");
    }
    assert!(missing.iter().any(|package| package == "postgresql"));
}

#[test]
fn an_old_node_is_named() {
    let mut facts = server("ubuntu", "22.04", Version(1, 18, 0));
    facts.candidates = BTreeMap::from([("nodejs".into(), "12.22.9~dfsg-1ubuntu3".into())]);
    assert!(note(&plan(&facts), Group::Node, "Node.js 12.22.9"));
    facts.candidates = BTreeMap::from([("nodejs".into(), "18.19.1+dfsg-6".into())]);
    assert!(!note(&plan(&facts), Group::Node, "Node.js"));
}

#[test]
fn a_group_that_is_left_out_leaves_nothing_of_it() {
    for group in Group::ALL {
        let plan = Plan::make(&bookworm(), &Memory::default(), &BTreeSet::from([group]));
        let has_it = plan.items.iter().any(|item| item.group == group)
            || plan.packages.iter().any(|package| package.group == group)
            || plan.notes.iter().any(|note| note.group == group);
        assert!(!has_it, "{group}");
        assert_eq!(group.name().parse::<Group>().unwrap(), group);
    }
    assert_eq!(
        "mysql".parse::<Group>().unwrap_err().to_string(),
        "`mysql` is no part of the setup; there are base, node, nginx, supervisor, postgresql, redis, logs, ssh, firewall, \
         fail2ban, upgrades and swap"
    );
}

#[test]
fn every_file_begins_with_the_mark() {
    let mut facts = bookworm();
    facts.memory_mb = 1000;
    for item in plan(&facts).items {
        if let What::File { path, text, .. } = item.what {
            let first = text.lines().next().unwrap_or_default();
            assert!(first.ends_with(MARK), "{path}: {first}");
        }
    }
}
