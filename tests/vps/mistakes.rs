//! What a sysadmin may do by mistake, and what an app may do while root works: nobody's things are lost, and nginx always starts.

use crate::server::{create, set_up, status};
use crate::{error_of, text_of};

#[test]
fn what_was_not_made_for_an_app_is_not_taken_away_with_it() {
    let vps = set_up("mistakes");
    let psql = |sql: &str| vps.sh(&format!("cd /; runuser -u postgres -- psql -tAc \"{sql}\""));
    psql("CREATE ROLE shop");
    psql("CREATE DATABASE shop OWNER shop");
    let there = "SELECT count(*) FROM pg_database WHERE datname = 'shop'";
    let refused = vps.exec(&[
        "landfall",
        "app",
        "create",
        "shop",
        "--domain",
        "shop.example",
    ]);
    assert!(
        error_of(&refused).contains("--without database"),
        "{}",
        error_of(&refused)
    );
    // A create that fails at its last step, and takes away what it made.
    vps.sh("echo 'broken' >/etc/nginx/conf.d/zz.conf");
    let failed = vps.exec(&[
        "landfall",
        "app",
        "create",
        "shop",
        "--domain",
        "shop.example",
        "--without",
        "database",
    ]);
    assert_eq!(failed.status.code(), Some(1), "{}", error_of(&failed));
    vps.sh("rm /etc/nginx/conf.d/zz.conf");
    assert_eq!(psql(there), "1\n");
    vps.ok(&[
        "landfall",
        "app",
        "create",
        "shop",
        "--domain",
        "shop.example",
        "--without",
        "database",
    ]);
    vps.ok(&["landfall", "app", "remove", "shop", "--yes", "--no-backup"]);
    assert_eq!(psql(there), "1\n");

    // A copied file speaks of another app.
    create(&vps, "alpha", "alpha.example");
    vps.sh("cp -a /etc/landfall/apps/alpha.toml /etc/landfall/apps/staging.toml");
    for argv in [
        &[
            "landfall",
            "app",
            "remove",
            "staging",
            "--yes",
            "--no-backup",
        ][..],
        &["landfall", "--app", "staging", "status"],
        &["landfall", "site", "apply", "staging"],
    ] {
        let refused = vps.exec(argv);
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{argv:?}: {}",
            error_of(&refused)
        );
        assert!(
            error_of(&refused).contains("it is not what the file is called after"),
            "{}",
            error_of(&refused)
        );
    }
    vps.sh("rm /etc/landfall/apps/staging.toml; id alpha; landfall --app alpha status");
    for (line, said) in [
        (
            "listen = \"127.0.0.1:9000\"",
            "an app of the server's has no nginx of its own",
        ),
        (
            "home = \"/home\"",
            "an app of the server's lives in /srv/landfall/alpha",
        ),
    ] {
        let key = line.split(' ').next().unwrap();
        vps.sh(&format!("cp -a /etc/landfall/apps/alpha.toml /root/kept; sed -i '/^{key} = /d' /etc/landfall/apps/alpha.toml; echo '{line}' >>/etc/landfall/apps/alpha.toml"));
        for argv in [
            &["landfall", "--app", "alpha", "env", "list"][..],
            &["landfall", "app", "remove", "alpha", "--yes"],
        ] {
            let refused = vps.exec(argv);
            assert!(
                error_of(&refused).contains(said),
                "{argv:?}: {}",
                error_of(&refused)
            );
        }
        vps.sh("cp -a /root/kept /etc/landfall/apps/alpha.toml");
    }
    // A domain that another app has.
    create(&vps, "beta", "beta.example");
    vps.sh("sed -i 's/^domains = .*/domains = [\"beta.example\", \"Alpha.Example\"]/' /etc/landfall/apps/beta.toml");
    let refused = vps.exec(&["landfall", "site", "apply", "beta"]);
    assert!(
        error_of(&refused).contains("`alpha.example` is a domain of `alpha` already"),
        "{}",
        error_of(&refused)
    );
    // A program that others could replace.
    vps.sh("cp /usr/bin/landfall /tmp/landfall; chown nobody /tmp/landfall");
    let refused = vps.exec(&[
        "/tmp/landfall",
        "app",
        "create",
        "gamma",
        "--domain",
        "gamma.example",
    ]);
    assert_eq!(refused.status.code(), Some(5), "{}", error_of(&refused));
    vps.sh("test ! -e /etc/sudoers.d/landfall-gamma");
}

#[test]
fn an_odd_umask_and_a_terminal_give_nothing_away() {
    let vps = set_up("umask");
    for (umask, app) in [("000", "open"), ("077", "shut")] {
        vps.sh(&format!(
            "umask {umask}; landfall app create {app} --domain {app}.example"
        ));
        let writable = vps.sh("find /etc/systemd /etc/landfall /etc/nginx /etc/ssl/landfall /var/log/landfall /var/lib/landfall* /srv/landfall /run/landfall -perm /022 ! -type l ! -type s");
        assert_eq!(writable, "", "umask {umask}");
        vps.sh(&format!("cd /srv/landfall/{app}; test $(stat -c %a releases) = 755; test $(stat -c %a assets) = 755; test $(stat -c %a run) = 700"));
    }
    // What runs as the app has no terminal of root's to type into.
    let seen = vps.sh("script -qec 'landfall --app open logs -f supervisord' /dev/null >/dev/null 2>&1 & for n in $(seq 600); do ps -o tty=,args= -u open | grep 'logs -f' && break; sleep 0.1; done; pkill -f 'logs -f' || true");
    assert!(seen.trim_start().starts_with('?'), "{seen}");
    // An exit code, and a signal, come through.
    let missing = vps.exec(&["landfall", "--app", "open", "rollback"]);
    assert_eq!(missing.status.code(), Some(3), "{}", error_of(&missing));
}

#[test]
fn an_app_that_is_removed_while_it_asks_for_its_site_leaves_nginx_whole() {
    let vps = set_up("removal");
    create(&vps, "beta", "beta.example");
    for round in 0..4 {
        create(&vps, "alpha", "alpha.example");
        vps.write("/root/loop", "while :; do printf '{\"action\":\"apply\",\"needs\":{}}' >/srv/landfall/alpha/run/site.json; sudo -n /usr/bin/landfall site apply alpha; done");
        vps.sh("chmod 755 /root; chmod 644 /root/loop; for n in 1 2; do systemd-run --quiet --uid alpha --unit loop$n --collect sh /root/loop; done; sleep 1");
        let removed = vps.exec(&["landfall", "app", "remove", "alpha", "--yes", "--no-backup"]);
        vps.sh("systemctl stop loop1 loop2 2>/dev/null || true");
        assert!(
            removed.status.success(),
            "round {round}: {}{}",
            text_of(&removed),
            error_of(&removed)
        );
        vps.sh("sleep 1; test ! -e /etc/nginx/conf.d/landfall-alpha.conf; nginx -t -q; systemctl restart nginx");
        assert_eq!(status(&vps, "beta.example", "/.well-known/landfall"), "200");
    }
    // Two at once wait for each other.
    vps.sh("landfall app create one --domain one.example >/dev/null 2>&1 & landfall app create two --domain two.example >/dev/null 2>&1; wait; id one; id two; systemctl is-active landfall@one landfall@two");
    // A connection to template1, and a large object in the common database, are no obstacles.
    vps.sh("cd /; systemd-run --quiet --unit holder --collect runuser -u postgres -- psql template1 -c 'SELECT pg_sleep(600)'
            for n in $(seq 600); do runuser -u postgres -- psql -tAc \"SELECT query FROM pg_stat_activity WHERE datname = 'template1'\" | grep -q pg_sleep && break; sleep 0.1; done
            landfall app create three --domain three.example
            url=$(grep ^DATABASE_URL /srv/landfall/three/env | cut -d= -f2- | tr -d \\'); runuser -u three -- psql \"${url%/*}/postgres\" -qc 'SELECT lo_create(0)' >/dev/null
            landfall app remove three --yes --no-backup; systemctl stop holder");
}
