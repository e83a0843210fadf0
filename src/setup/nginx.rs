//! nginx: what holds for all sites, and the answer to names that are nobody's.
//!
//! takes: nginx's version, what its main file has · gives: items · touches: nothing

use std::fmt::Write as _;

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Plan, Reaction, What};
use crate::tool::nginx_version::NginxVersion;

/// The pair that old versions need to answer a handshake at all; nobody is meant to trust it.
const PAIR: (&str, &str) = (
    "/etc/ssl/landfall/nobody.key",
    "/etc/ssl/landfall/nobody.pem",
);

/// What holds for all sites, where the main file does not say it.
const DEFAULTS: [(&str, &str); 5] = [
    ("server_tokens", "off"),
    // The longest host name has 253 characters.
    ("server_names_hash_bucket_size", "512"),
    ("ssl_session_cache", "shared:landfall:10m"),
    ("ssl_session_timeout", "1d"),
    ("ssl_session_tickets", "off"),
];

pub(super) fn plan(plan: &mut Plan, facts: &Facts, _: &Memory) {
    let Some(version) = facts.nginx else {
        let text = "nginx's version is not known before `apt-get update`; its file is planned once it is installed";
        plan.note(Group::Nginx, text);
        return;
    };
    let nginx = NginxVersion {
        nginx: version,
        openssl: None,
    };
    if !facts.has_program("nginx") {
        plan.note(
            Group::Nginx,
            "the example site that the package brings will be taken out of sites-enabled; this file may say less, \
             where the package's nginx.conf says it already",
        );
    }
    let default = facts.nginx_default_site.as_ref();
    if default.is_some_and(|site| site.is_changed) {
        plan.note(
            Group::Nginx,
            "/etc/nginx/sites-enabled/default was changed, so it stays, and answers to names that are nobody's; \
             without it Landfall would: remove the link and run again",
        );
        plan.file(
            Group::Nginx,
            CONF,
            &defaults(facts),
            Reaction::Nginx,
            "what holds for all sites",
        );
    } else {
        if !nginx.can_reject_handshake() {
            plan.item(
                Group::Nginx,
                pair(),
                "this nginx cannot refuse a handshake without a certificate",
            );
        }
        let text = format!("{}\n{}", defaults(facts), catch_all(&nginx, facts));
        plan.file(
            Group::Nginx,
            CONF,
            &text,
            Reaction::Nginx,
            "unknown host names see no app's page; what holds for all sites",
        );
        let away = What::Away {
            path: "/etc/nginx/sites-enabled/default".into(),
            then: Reaction::Nginx,
        };
        plan.item(
            Group::Nginx,
            away,
            "Debian's example site answers to every name",
        );
    }
    plan.file(
        Group::Nginx,
        "/etc/systemd/system/nginx.service.d/landfall.conf",
        RESTART,
        Reaction::Systemd,
        "nginx starts again by itself, as soon as what hindered it is gone",
    );
    plan.unit(Group::Nginx, "nginx.service", true, "it serves the sites");
    // Of the package; a binary that was copied here has no units.
    if facts.unit(CERTIFICATES).exists {
        plan.unit(
            Group::Nginx,
            CERTIFICATES,
            true,
            "it looks once a day how long the sites' certificates last",
        );
    }
    if facts.unit(RENEWALS).exists {
        plan.unit(
            Group::Nginx,
            RENEWALS,
            true,
            "it renews certificates that `landfall cert issue` ordered",
        );
    }
}

const RENEWALS: &str = "landfall-cert-renew.timer";
const CERTIFICATES: &str = "landfall-cert-status.timer";
/// The distribution's unit gives up at once. A port that somebody else holds for a moment must not be the end of all sites.
const RESTART: &str = "[Unit]
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=2s
";

const CONF: &str = "/etc/nginx/conf.d/landfall.conf";

fn defaults(facts: &Facts) -> String {
    let mut text = String::new();
    for (name, value) in DEFAULTS {
        if !facts.nginx_main.iter().any(|word| word == name) {
            let _ = writeln!(text, "{name} {value};");
        }
    }
    text
}

/// The servers for names that are nobody's: 80 closes the connection, TLS is refused before any certificate is shown.
///
/// They listen on the port of backends only where an app has one there. Any user may take a port above 1023 while nginx is
/// down, and an nginx that lacks one port does not start: what no site needs must not be what all depend on.
fn catch_all(nginx: &NginxVersion, facts: &Facts) -> String {
    let mut text = String::from("# Names that are nobody's: no page of any app.\n");
    let listen = |port: u16, options: &str| {
        let mut lines = format!("    listen {port} {options};\n");
        if facts.has_ipv6 {
            let _ = writeln!(lines, "    listen [::]:{port} {options};");
        }
        lines
    };
    let _ = write!(
        text,
        "server {{\n{}    server_name _;\n    return 444;\n}}\n",
        listen(80, "default_server")
    );
    let options = format!("{} default_server", nginx.tls_listen_options());
    // OpenSSL settles the version before it knows the name, so the default server decides it for all.
    let mut tls = String::from("    ssl_protocols TLSv1.2 TLSv1.3;\n");
    if let Some(line) = nginx.http2_line() {
        let _ = writeln!(tls, "    {line}");
    }
    if nginx.can_reject_handshake() {
        tls.push_str("    ssl_reject_handshake on;\n");
    } else {
        let (key, certificate) = PAIR;
        let _ = write!(
            tls,
            "    ssl_certificate {certificate};\n    ssl_certificate_key {key};\n    return 444;\n"
        );
    }
    let mut listens = listen(443, &options);
    for port in &facts.backend_ports {
        listens.push_str(&listen(*port, &options));
    }
    let _ = write!(text, "server {{\n{listens}    server_name _;\n{tls}}}\n");
    text
}

fn pair() -> What {
    let words =
        "req -x509 -newkey rsa:2048 -nodes -days 7300 -subj /CN=nobody.invalid -keyout {} -out";
    let mut command: Vec<String> = vec!["openssl".into()];
    command.extend(words.split(' ').map(str::to_owned));
    command.push(PAIR.1.into());
    What::Made {
        path: PAIR.0.into(),
        commands: vec![command],
    }
}
