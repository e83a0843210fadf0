//! `landfall server setup` and `server check` on servers from nothing, stopped in the middle, and changed by hand.

use std::net::{TcpStream, ToSocketAddrs};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use crate::package::install;
use crate::poll::{until, until_some};
use crate::{Debian, Layer, Vps, error_of, text_of};

/// Everything that a dry run must leave alone: files with modes, owners and contents, packages, units, rules.
const STATE: &str = "find /etc /srv /var/lib/landfall /var/backups /usr/local /root -xdev -type f -exec sha256sum {} + 2>/dev/null | sort -k 2; \
                     find /etc /srv -xdev -printf '%p %m %u %l\\n' | sort; dpkg --list; \
                     systemctl list-unit-files --no-legend | grep -v '^run-'; nft list ruleset 2>/dev/null || :";

fn state(vps: &Vps) -> Vec<String> {
    vps.sh(STATE).lines().map(str::to_owned).collect()
}

/// Fails with the lines that came and went.
#[track_caller]
fn is_unchanged(vps: &Vps, before: &[String], what: &str) {
    let after = state(vps);
    let gone: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
    let new: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "{what}: {gone:#?} became {new:#?}"
    );
}

fn setup(vps: &Vps, options: &[&str]) -> Output {
    let mut argv = vec!["landfall", "server", "setup"];
    argv.extend(options);
    vps.exec(&argv)
}

#[track_caller]
fn set_up(vps: &Vps) -> String {
    let done = setup(vps, &[]);
    assert!(done.status.success(), "{}", error_of(&done));
    error_of(&done)
}

#[track_caller]
fn is_as_planned(vps: &Vps) {
    let check = vps.exec(&["landfall", "server", "check"]);
    assert_eq!(
        (check.status.code(), text_of(&check).as_str()),
        (Some(0), ""),
        "{}",
        error_of(&check)
    );
}

/// What sshd offers somebody who has no key: `publickey`, or `publickey,password`.
fn offered(vps: &Vps, user: &str) -> String {
    // sshd starts itself again to reload, and refuses connections for a moment.
    until_some("sshd answers", Duration::from_secs(60), || {
        let refused = vps
            .ssh_with(user, &["-o", "PubkeyAuthentication=no"], &["true"])
            .output()
            .expect("ssh starts");
        let said = error_of(&refused);
        let (_, methods) = said.rsplit_once("Permission denied (")?;
        Some(methods.trim_end().trim_end_matches(").").to_owned())
    })
}

fn is_open(vps: &Vps, port: u16) -> bool {
    let address = (vps.address(), port)
        .to_socket_addrs()
        .unwrap()
        .next()
        .unwrap();
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// An app with the backend on a port of its own.
const SPLIT: &str = "name = \"split\"\nhome = \"/srv/landfall/split\"\nbranch = \"main\"\ndomains = [\"split.example\"]\nlayout = \"split\"\nbackend_port = 9443\n";

/// A port that any user may take is no condition of nginx's start; one that an app needs is waited for.
fn a_taken_port_is_not_the_end_of_all_sites(vps: &Vps) {
    vps.sh("systemctl stop nginx
            systemd-run --quiet --unit taker --property User=nobody python3 -m http.server --bind 127.0.0.1 8443
            for i in $(seq 600); do curl -so /dev/null http://127.0.0.1:8443/ && break; sleep 0.1; done
            systemctl start nginx && systemctl stop taker");

    vps.write("/etc/landfall/apps/split.toml", SPLIT);
    let check = text_of(&vps.exec(&["landfall", "server", "check"]));
    assert!(check.contains("\n+    listen 9443 ssl"), "{check}");
    set_up(vps);
    is_as_planned(vps);
    vps.sh("systemctl stop nginx
            systemd-run --quiet --unit taker --property User=nobody python3 -m http.server --bind 127.0.0.1 9443
            for i in $(seq 600); do curl -so /dev/null http://127.0.0.1:9443/ && break; sleep 0.1; done
            ! systemctl start nginx && systemctl stop taker");
    until_some("nginx is back", Duration::from_secs(20), || {
        is_open(vps, 80).then_some(())
    });
}

/// Names that are nobody's see no page, on any port, though a neighbour has one.
fn names_that_are_nobodys_get_nothing(vps: &Vps) {
    vps.write(
        "/etc/nginx/conf.d/landfall-notes.conf",
        "server { listen 80; listen [::]:80; server_name notes.example; return 200 'the page of notes'; }\n",
    );
    vps.sh("nginx -t -q && systemctl reload nginx");
    let address = vps.address();
    vps.sh(&format!(
        "for i in $(seq 600); do curl -s -H 'Host: notes.example' http://{address}/ | grep -qx 'the page of notes' && exit; sleep 0.1; done; exit 1"
    ));
    for name in ["unknown.example", address] {
        let page = vps.exec(&[
            "curl",
            "-s",
            "-H",
            &format!("Host: {name}"),
            &format!("http://{address}/"),
        ]);
        assert_eq!(
            (page.status.code(), text_of(&page).as_str()),
            (Some(52), ""),
            "{name}: an empty reply"
        );
        for port in [443, 9443] {
            let page = vps.exec(&[
                "curl",
                "-sk",
                "--resolve",
                &format!("unknown.example:{port}:{address}"),
                &format!("https://unknown.example:{port}/"),
            ]);
            assert_eq!(
                (page.status.code(), text_of(&page).as_str()),
                (Some(35), ""),
                "{port}: no handshake"
            );
        }
    }
    let head = vps.sh(&format!(
        "curl -si -H 'Host: notes.example' http://{address}/ | grep -i '^server:'"
    ));
    assert_eq!(head.trim(), "Server: nginx", "no version");
}

/// An app's user gets in by the key that root registered, to the one command, and by no key of its own.
fn apps_log_in_by_roots_keys_alone(vps: &Vps) {
    let mut key = vps.sh("cat /root/.ssh/authorized_keys");
    vps.sh("useradd --system --user-group --groups landfall-apps --create-home --home-dir /srv/landfall/notes --shell /bin/sh notes");
    let own = "/srv/landfall/notes/.ssh/authorized_keys";
    vps.write(own, &key);
    vps.sh("chown -R notes: /srv/landfall/notes; chmod -R go-rwx /srv/landfall/notes");
    let try_it = || {
        vps.ssh("notes", &["id", "-un"])
            .output()
            .expect("ssh starts")
    };
    assert!(!try_it().status.success(), "its own file lets nobody in");

    key.insert_str(0, "restrict,command=\"echo only this\" ");
    vps.write("/etc/landfall/keys/notes", &key);
    vps.sh("chgrp notes /etc/landfall/keys/notes; chmod 640 /etc/landfall/keys/notes");
    let ran = try_it();
    assert_eq!(text_of(&ran), "only this\n", "{}", error_of(&ran));
}

/// fail2ban's service counts as started before it takes questions and has its jails.
fn fail2ban_answers(vps: &Vps) {
    until("fail2ban answers", Duration::from_secs(60), || {
        vps.exec(&["fail2ban-client", "status", "sshd"])
            .status
            .success()
    });
}

/// What fail2ban's jail of ssh has counted.
fn failures(vps: &Vps) -> u32 {
    let status = vps.ok(&["fail2ban-client", "status", "sshd"]);
    let count = status
        .lines()
        .find_map(|line| line.split_once("Total failed:"));
    count.expect("a count").1.trim().parse().expect("a number")
}

/// A failed login counts; what a user writes into the journal by a program that it calls sshd does not.
fn only_sshds_own_failures_are_counted(vps: &Vps) {
    let before = failures(vps);
    vps.sh(
        "install -m 755 /usr/bin/logger /tmp/sshd
         for i in 1 2 3; do runuser -u nobody -- /tmp/sshd -t sshd 'Failed password for root from 203.0.113.9 port 4711 ssh2'; done
         for i in $(seq 600); do [ $(journalctl -q _UID=65534 | grep -c 203.0.113.9) = 3 ] && exit; sleep 0.2; done; exit 1",
    );
    assert!(offered(vps, "nobody-knows-me").contains("publickey"));
    // It reads the journal in order: with the login counted, it has passed the lines before.
    let counted = until_some(
        "the login is counted",
        Duration::from_secs(20),
        || match failures(vps) {
            now if now > before => Some(now - before),
            _ => None,
        },
    );
    assert_eq!(counted, 1);
    let status = vps.ok(&["fail2ban-client", "get", "sshd", "banip"]);
    assert!(!status.contains("203.0.113.9"), "{status}");
}

/// An app's Redis works by its socket alone, and a link in the app's home does not lead it into a neighbour's.
fn an_apps_redis_stays_in_its_home(vps: &Vps) {
    vps.sh(
        "id notes >/dev/null 2>&1 || useradd --system --user-group --create-home --home-dir /srv/landfall/notes notes
         useradd --system --user-group --create-home --home-dir /srv/landfall/other other
         home=/srv/landfall/notes; install -d -o notes -g notes $home/redis; install -d -m 777 /srv/landfall/other /srv/landfall/other/redis
         printf 'port 0\\nunixsocket %s/redis/redis.sock\\ndir %s/redis\\n' $home $home >/etc/landfall/redis/notes.conf
         chgrp notes /etc/landfall/redis/notes.conf; chmod 640 /etc/landfall/redis/notes.conf
         systemctl start landfall-redis@notes
         runuser -u notes -- redis-cli -s $home/redis/redis.sock set a b | grep -qx OK
         systemctl show -P RestrictAddressFamilies landfall-redis@notes | grep -qx AF_UNIX
         systemctl stop landfall-redis@notes; test -s $home/redis/dump.rdb

         rm -r $home/redis; runuser -u notes -- ln -s /srv/landfall/other/redis $home/redis
         timeout 20 systemctl start landfall-redis@notes && exit 1
         systemctl stop landfall-redis@notes
         test -z \"$(ls -A /srv/landfall/other/redis)\"",
    );
}

/// A new server: what cloud images have, and nothing else.
fn new_server(name: &str, release: Debian) -> Vps {
    let vps = Vps::boot_release(name, release, Layer::Bare);
    install(&vps);
    vps.write(
        "/etc/ssh/sshd_config.d/50-cloud-init.conf",
        "PasswordAuthentication yes\n",
    );
    vps.sh("useradd --create-home ana && echo ana:secret | chpasswd && systemctl reload ssh");
    vps
}

fn a_new_server_is_set_up(release: Debian, name: &str) -> Vps {
    let vps = new_server(name, release);
    assert!(offered(&vps, "ana").contains("password"));

    let before = state(&vps);
    let dry = setup(&vps, &["--dry-run"]);
    assert!(dry.status.success(), "{}", error_of(&dry));
    for words in [
        "\n$ systemctl enable --now nginx.service\n",
        "\n+PasswordAuthentication no\n",
        "apt-get install",
    ] {
        assert!(
            text_of(&dry).contains(words),
            "{words:?} in {}",
            text_of(&dry)
        );
    }
    is_unchanged(&vps, &before, "a dry run changes nothing");

    set_up(&vps);
    is_as_planned(&vps);
    let before = state(&vps);
    let started = Instant::now();
    let again = set_up(&vps);
    eprintln!(
        "{name}: the second run took {:.2} s",
        started.elapsed().as_secs_f64()
    );
    assert!(
        again.ends_with("nothing to do: the server is as planned\n"),
        "{again}"
    );
    is_unchanged(&vps, &before, "a second run changes nothing");

    let root = vps
        .ssh("root", &["id", "-un"])
        .output()
        .expect("ssh starts");
    assert_eq!(text_of(&root), "root\n", "{}", error_of(&root));
    assert_eq!(
        offered(&vps, "ana"),
        "publickey",
        "a cloud image's own file is read later"
    );
    vps.sh("sshd -T | grep -qx 'passwordauthentication no'");
    fail2ban_answers(&vps);
    vps.sh("fail2ban-client status sshd | grep -q 'Journal matches'");
    vps.sh(
        "systemctl is-active postgresql nginx && ! systemctl is-enabled supervisor redis-server",
    );
    only_sshds_own_failures_are_counted(&vps);
    a_taken_port_is_not_the_end_of_all_sites(&vps);
    names_that_are_nobodys_get_nothing(&vps);
    vps
}

#[test]
fn a_new_debian_12_is_set_up_by_one_command_and_stays_so() {
    let vps = a_new_server_is_set_up(Debian::Bookworm, "new12");
    apps_log_in_by_roots_keys_alone(&vps);
    an_apps_redis_stays_in_its_home(&vps);

    vps.sh("systemd-run --quiet python3 -m http.server 9999 && for i in $(seq 600); do curl -so /dev/null http://127.0.0.1:9999/ && exit; sleep 0.1; done; exit 1");
    assert!(is_open(&vps, 22) && is_open(&vps, 80) && is_open(&vps, 443));
    assert!(!is_open(&vps, 8443), "no app has a backend there");
    assert!(
        !is_open(&vps, 9999),
        "the firewall closes what nobody asked for"
    );

    vps.reboot();
    is_as_planned(&vps);
    assert!(is_open(&vps, 80));
    vps.sh("nft list table inet landfall >/dev/null");
    let root = vps.ssh("root", &["true"]).status().expect("ssh starts");
    assert!(root.success());
}

#[test]
fn a_new_debian_13_is_set_up_by_one_command() {
    let vps = a_new_server_is_set_up(Debian::Trixie, "new13");
    apps_log_in_by_roots_keys_alone(&vps);
    an_apps_redis_stays_in_its_home(&vps);
}

/// What Ubuntu 24.04 says of itself; the packages stay Debian's.
const UBUNTU: &str = "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n\
                      PRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\n";

#[test]
fn a_server_that_says_it_is_ubuntu_takes_ufw_and_keeps_sshs_socket() {
    let vps = Vps::boot("ubuntu", Layer::Packages);
    install(&vps);
    vps.write("/etc/os-release", UBUNTU);
    vps.sh("systemctl disable --now ssh.service 2>/dev/null; systemctl enable --now ssh.socket 2>/dev/null; echo ana:secret | (useradd -m ana; chpasswd)");
    assert!(offered(&vps, "ana").contains("password"));
    set_up(&vps);
    is_as_planned(&vps);
    let again = set_up(&vps);
    assert!(
        again.ends_with("nothing to do: the server is as planned\n"),
        "{again}"
    );
    assert_eq!(offered(&vps, "ana"), "publickey");
    let root = vps.ssh("root", &["true"]).status().expect("ssh starts");
    assert!(root.success());
    let ufw = vps.ok(&["ufw", "status"]);
    for port in ["22/tcp", "80/tcp", "443/tcp", "8443/tcp"] {
        assert!(ufw.contains(port), "{port} in {ufw}");
    }
    vps.sh("systemd-run --quiet python3 -m http.server 9999 && for i in $(seq 600); do curl -so /dev/null http://127.0.0.1:9999/ && exit; sleep 0.1; done; exit 1");
    assert!(is_open(&vps, 80) && !is_open(&vps, 9999));
    vps.sh("systemctl is-active ssh.socket");
    vps.reboot();
    assert!(is_open(&vps, 443));
    vps.sh("ufw status | grep -qx 'Status: active'");
    is_as_planned(&vps);
}

#[test]
fn a_power_cut_while_packages_are_installed_is_made_good_by_the_next_run() {
    let vps = new_server("cut", Debian::Bookworm);
    // A while into what apt does, and twice into what dpkg does, whenever that begins.
    let dpkg = "dpk[g] .*--(unpack|configure)";
    for (begun, seconds) in [("apt-ge[t] .*install", 2), (dpkg, 2), (dpkg, 4)] {
        thread::scope(|scope| {
            let run = scope.spawn(|| setup(&vps, &[]));
            until("packages are installed", Duration::from_secs(600), || {
                vps.exec(&["pgrep", "-f", begun]).status.success()
            });
            thread::sleep(Duration::from_secs(seconds));
            vps.power_cut();
            let said = error_of(&run.join().unwrap());
            assert!(!said.contains("done: "), "it was not cut: {said}");
            assert!(said.contains("install"), "it had not begun: {said}");
        });
    }
    let half = vps.sh("dpkg --audit; dpkg --list | grep -c '^i[^i]' || :");
    eprintln!(
        "after three power cuts: {}",
        half.lines().last().unwrap_or_default()
    );
    set_up(&vps);
    is_as_planned(&vps);
    assert!(vps.sh("dpkg --audit").trim().is_empty());
}

/// A systemctl that ends the setup by KILL, the first time it is asked for each change: the file is written, and nobody was told.
const DEADLY: &str = r#"#!/bin/sh
if [ "$1" != show ] && ! grep -qxF "$*" /run/died 2>/dev/null; then
    echo "$*" >>/run/died
    kill -9 $PPID
    exit 1
fi
exec /usr/bin/systemctl "$@"
"#;

#[test]
fn a_run_killed_before_a_reader_was_told_is_finished_by_the_next() {
    let vps = Vps::boot("killed", Layer::Packages);
    install(&vps);
    // The layer lacks what is not worth a layer; from here on only files and units are made.
    vps.sh("apt-get -qq install -y --no-install-recommends $(landfall server setup --dry-run 2>/dev/null | sed -n 's/^\\$ apt-get install //p') >/dev/null 2>&1");
    vps.sh("systemctl restart nginx && curl -s http://127.0.0.1/ | grep -q 'Welcome to nginx'");
    assert!(offered(&vps, "ana").contains("password"));

    vps.write("/usr/local/sbin/systemctl", DEADLY);
    vps.sh("chmod 755 /usr/local/sbin/systemctl");
    let mut killed = 0;
    while !setup(&vps, &[]).status.success() {
        killed += 1;
        assert!(killed < 30, "{}", vps.sh("cat /run/died"));
        // nginx and sshd could be started at any moment with what is there.
        vps.sh("nginx -t -q && sshd -t");
    }
    let died = vps.sh("cat /run/died; rm /usr/local/sbin/systemctl");
    for change in [
        "nginx.service",
        "ssh.service",
        "daemon-reload",
        "landfall-firewall.service",
        "fail2ban.service",
    ] {
        assert!(died.contains(change), "no run died before {change}: {died}");
    }

    // Everybody was told all the same.
    let page = vps.exec(&["curl", "-s", "http://127.0.0.1/"]);
    assert_eq!(
        (page.status.code(), text_of(&page).as_str()),
        (Some(52), ""),
        "nginx was told"
    );
    assert_eq!(offered(&vps, "ana"), "publickey", "sshd was told");
    fail2ban_answers(&vps);
    vps.sh(
        "nft list table inet landfall >/dev/null && fail2ban-client get sshd maxretry | grep -qx 8",
    );
    let memory = vps.sh("cat /var/lib/landfall/setup.json");
    assert!(memory.contains("\"pending\": []"), "{memory}");
    is_as_planned(&vps);

    // And at moments that nobody chose.
    vps.sh("rm /etc/nginx/conf.d/landfall.conf /etc/ssh/sshd_config.d/00-landfall.conf /etc/fail2ban/jail.d/landfall.conf /etc/landfall/firewall.nft");
    for step in 1..=12 {
        let wait = format!("{:.3}", f64::from(step) * 0.05);
        let _ = vps.exec(&[
            "timeout",
            "--signal=KILL",
            &wait,
            "landfall",
            "server",
            "setup",
        ]);
        vps.sh("nginx -t -q && sshd -t");
    }
    set_up(&vps);

    // Systemd refuses a sixth start within ten seconds; what others started does not stop a run.
    let answers = "until fail2ban-client ping >/dev/null 2>&1; do sleep 0.05; done";
    vps.sh(&format!("{answers}; systemctl reset-failed fail2ban; for start in 1 2 3 4 5; do systemctl restart fail2ban; {answers}; done; rm /etc/fail2ban/jail.d/landfall.conf"));
    set_up(&vps);
    is_as_planned(&vps);
    fail2ban_answers(&vps);
}

#[test]
fn a_change_by_hand_is_kept_and_shown_and_a_refused_file_is_put_back() {
    let vps = Vps::boot("hand", Layer::Packages);
    install(&vps);

    // A key of root's lets nobody in where root may not log in.
    let shut = "/etc/ssh/sshd_config.d/10-root.conf";
    let plans = |words: &str| text_of(&setup(&vps, &["--dry-run"])).contains(words);
    assert!(plans("\n+PasswordAuthentication no\n"));
    vps.write(shut, "PermitRootLogin no\n");
    assert!(!plans("\n+PasswordAuthentication no\n"));
    vps.ok(&["rm", shut]);

    // A neighbour that answers to every name already: nginx refuses a second one.
    let neighbour = "/etc/nginx/conf.d/other.conf";
    vps.write(
        neighbour,
        "server { listen 80 default_server; listen [::]:80 default_server; return 200 other; }\n",
    );
    vps.sh("rm /etc/nginx/sites-enabled/default; nginx -t -q && systemctl restart nginx");
    let refused = setup(&vps, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        error_of(&refused)
            .contains("error: nginx refuses its configuration: a duplicate default server"),
        "{}",
        error_of(&refused)
    );
    vps.sh("nginx -t -q && test ! -e /etc/nginx/conf.d/landfall.conf && curl -s http://127.0.0.1/ | grep -q other");
    vps.ok(&["rm", neighbour]);
    set_up(&vps);
    is_as_planned(&vps);

    let file = "/etc/fail2ban/jail.d/landfall.conf";
    vps.sh(&format!("sed -i 's/^bantime = .*/bantime = 7d/' {file}"));
    let edited = vps.ok(&["cat", file]);
    let check = vps.exec(&["landfall", "server", "check"]);
    assert_eq!(check.status.code(), Some(1));
    let said = text_of(&check);
    assert!(
        said.starts_with(&format!(
            "{file} was changed by hand, or is not Landfall's\n"
        )),
        "{said}"
    );
    assert!(said.contains("\n-bantime = 7d\n+bantime = 1h\n"), "{said}");
    let json = vps.exec(&["landfall", "server", "check", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["differences"][0]["name"], file);

    let kept = set_up(&vps);
    assert!(
        kept.contains(&format!("kept: {file} was changed by hand")),
        "{kept}"
    );
    assert_eq!(vps.ok(&["cat", file]), edited);

    let replaced = setup(&vps, &["--overwrite"]);
    assert!(replaced.status.success(), "{}", error_of(&replaced));
    is_as_planned(&vps);
    assert_eq!(
        vps.sh(&format!("cat /var/lib/landfall/kept/*{file}")),
        edited
    );

    // What is taken away or switched off is named, and made again.
    vps.sh("rm /etc/apt/apt.conf.d/52landfall; chmod 777 /etc/landfall/keys; systemctl disable --now --quiet fail2ban; apt-get -qq purge -y logrotate >/dev/null 2>&1");
    let said = text_of(&vps.exec(&["landfall", "server", "check"]));
    for words in [
        "package logrotate is not installed\n",
        "/etc/apt/apt.conf.d/52landfall is missing\n",
        "/etc/landfall/keys has mode 0777 instead of 0755\n",
        "fail2ban.service is off\n",
    ] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    set_up(&vps);
    is_as_planned(&vps);

    // Somebody shuts root out, in a file that sshd reads after ours.
    vps.sh("sshd -T | grep -qx 'permitrootlogin without-password'; echo 'PermitRootLogin no' >>/etc/ssh/sshd_config");
    let said = set_up(&vps);
    assert!(said.contains("(PermitRootLogin no)"), "{said}");
    vps.sh(
        "sshd -T | grep -qx 'permitrootlogin no'; sshd -T | grep -qx 'passwordauthentication no'",
    );
    is_as_planned(&vps);
    let again = set_up(&vps);
    assert!(
        again.ends_with("nothing to do: the server is as planned\n"),
        "{again}"
    );

    let user = vps.exec(&[
        "runuser", "-u", "nobody", "--", "landfall", "server", "setup",
    ]);
    assert_eq!(
        (user.status.code(), error_of(&user).as_str()),
        (
            Some(5),
            "error: only root may look into a server's settings and change them\nhint: sudo landfall server setup\n"
        )
    );
}
