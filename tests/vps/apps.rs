//! Apps of the server's made and taken away: exactly what was made goes.

use crate::server::set_up;
use crate::{Vps, error_of};

/// Everything outside the app's own database that making an app could leave, with owners, modes and links.
fn snapshot(vps: &Vps) -> String {
    vps.sh(
        "find /etc /srv /var/lib/landfall /var/log/landfall /usr/lib/systemd -xdev \\( -name '*.dpkg-*' -o -name 'adjtime' \\) -prune -o -printf '%p %u:%g %m %l\\n' | sort
         getent passwd; getent group; runuser -u postgres -- psql -tAc 'SELECT rolname FROM pg_roles UNION SELECT datname FROM pg_database ORDER BY 1'
         systemctl list-units --all --plain --no-legend 'landfall*' | awk '{print $1}' | sort",
    )
}

fn without_backups_of_accounts(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| {
            ![
                "/etc/passwd-",
                "/etc/group-",
                "/etc/shadow-",
                "/etc/gshadow-",
            ]
            .iter()
            .any(|path| line.starts_with(path))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn removing_an_app_leaves_nothing_but_its_backup() {
    let vps = set_up("apps");
    // What the first app of a server makes for all.
    vps.sh("landfall app create zero --domain zero.example && landfall app remove zero --yes --no-backup");
    let before = without_backups_of_accounts(&snapshot(&vps));

    vps.ok(&[
        "landfall",
        "app",
        "create",
        "notes",
        "--domain",
        "notes.example",
    ]);
    assert_ne!(without_backups_of_accounts(&snapshot(&vps)), before);
    let taken = vps.exec(&[
        "landfall",
        "app",
        "create",
        "notes",
        "--domain",
        "other.example",
    ]);
    assert_eq!(taken.status.code(), Some(5), "{}", error_of(&taken));
    let domain = vps.exec(&[
        "landfall",
        "app",
        "create",
        "other",
        "--domain",
        "notes.example",
    ]);
    assert!(
        error_of(&domain).contains("`notes.example` is a domain of `notes` already"),
        "{}",
        error_of(&domain)
    );
    for name in ["root", "www-data", "postgres", "sshd"] {
        let system = vps.exec(&[
            "landfall",
            "app",
            "create",
            name,
            "--domain",
            "system.example",
        ]);
        assert_eq!(
            system.status.code(),
            Some(5),
            "{name}: {}",
            error_of(&system)
        );
        assert!(
            error_of(&system).contains("already"),
            "{name}: {}",
            error_of(&system)
        );
    }
    vps.sh("echo precious >/srv/landfall/notes/shared/upload.txt
            runuser -u notes -- psql \"$(grep ^DATABASE_URL /srv/landfall/notes/env | cut -d= -f2- | tr -d \\')\" -qc 'CREATE TABLE kept AS SELECT 42 AS answer'
            url=$(grep ^REDIS_URL /srv/landfall/notes/env | cut -d= -f2- | tr -d '\"'); auth=${url#unix://:}; path=${auth#*@}
            test \"$(REDISCLI_AUTH=${auth%@*} redis-cli -s ${path%\\?*} PING)\" = PONG");

    let removed = vps.exec(&["landfall", "app", "remove", "notes"]);
    assert_eq!(
        removed.status.code(),
        Some(5),
        "without --yes: {}",
        error_of(&removed)
    );
    vps.ok(&["landfall", "app", "remove", "notes", "--yes"]);
    assert_eq!(without_backups_of_accounts(&snapshot(&vps)), before);
    // The backup holds what cannot be made again.
    vps.sh("cd /var/backups/landfall && test \"$(stat -c %a .)\" = 700 && tar -xzOf notes-*.tar.gz shared/upload.txt | grep -qx precious
            tar -tzf notes-*.tar.gz | grep -qx env && tar -tzf notes-*.tar.gz | grep -q '^notes.git/HEAD$' && tar -tzf notes-*.tar.gz | grep -qx notes.toml
            pg_restore --file=- notes-*.dump | grep -q 'CREATE TABLE public.kept'
            for file in *; do test \"$(stat -c '%U %a' $file)\" = 'root 600'; done");
}

#[test]
fn making_an_app_that_is_killed_is_cleared_away_by_the_next() {
    let vps = set_up("killed");
    for milliseconds in [20, 60, 120, 200, 300, 450, 600] {
        let script = format!(
            "landfall app create notes --domain notes.example >/dev/null 2>&1 & pid=$!; sleep {}; kill -KILL $pid 2>/dev/null || true; wait $pid 2>/dev/null || true",
            f64::from(milliseconds) / 1000.0
        );
        vps.sh(&script);
        vps.sh("nginx -t -q");
        let again = vps.exec(&[
            "landfall",
            "app",
            "create",
            "notes",
            "--domain",
            "notes.example",
        ]);
        let made = again.status.success();
        // A run that was through before it was killed is no half one.
        assert!(
            made || error_of(&again).contains("already"),
            "after {milliseconds} ms: {}",
            error_of(&again)
        );
        assert_eq!(vps.sh("systemctl is-active landfall@notes"), "active\n");
        vps.ok(&["landfall", "app", "remove", "notes", "--yes", "--no-backup"]);
    }
}
