//! Two apps on one server, each with a shell as its own user: neither reaches the other, and none becomes root.
//!
//! Where it makes sense the same attempt is made on the app's own things first and must succeed there: an attempt that fails
//! for a reason of its own proves nothing.

use crate::server::{body, create, set_up, status};
use crate::{Vps, error_of, text_of};

/// Attempts on another app's things; `$1` is whose. Each succeeds on one's own.
const ON_THE_OTHER: &[(&str, &str)] = &[
    ("read the environment", "cat /srv/landfall/$1/env"),
    ("list the home", "ls /srv/landfall/$1"),
    ("write into the home", "touch /srv/landfall/$1/mine"),
    ("write into shared", "touch /srv/landfall/$1/shared/mine"),
    (
        "read the repository",
        "git -C /srv/landfall/$1/$1.git rev-parse --git-dir",
    ),
    ("write a hook", "touch /srv/landfall/$1/$1.git/hooks/update"),
    ("read the settings", "cat /etc/landfall/apps/$1.toml"),
    ("read the keys", "cat /etc/landfall/keys/$1"),
    (
        "read Redis's configuration",
        "cat /etc/landfall/redis/$1.conf",
    ),
    (
        "read nginx's log of the site",
        "cat /var/log/landfall/$1/access.log",
    ),
    (
        "talk to its supervisord",
        "python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('/srv/landfall/$1/run/supervisor.sock')\"",
    ),
    (
        "talk to its Redis",
        "python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('/srv/landfall/$1/redis/redis.sock')\"",
    ),
    (
        "stop its supervisord",
        "kill -0 $(systemctl show -P MainPID landfall@$1)",
    ),
    (
        "read a process's environment",
        "cat /proc/$(systemctl show -P MainPID landfall@$1)/environ",
    ),
    (
        "bind its socket",
        "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('/srv/landfall/$1/releases/taken.sock')\"; rm /srv/landfall/$1/releases/taken.sock",
    ),
    (
        "take its lock",
        "flock --nonblock /srv/landfall/$1/run/lock true",
    ),
    ("run a command on it", "landfall --app $1 releases"),
    (
        "change the environment",
        "echo EXTRA=1 | landfall --app $1 env import -",
    ),
];

/// Attempts on root, the system and the other (`beta`) that nobody may succeed with.
const ON_EVERYTHING: &[(&str, &str)] = &[
    ("sudo anything", "sudo -n true"),
    ("sudo a shell", "sudo -n sh -c id"),
    ("sudo Landfall", "sudo -n landfall app list"),
    (
        "apply the other's site",
        "sudo -n /usr/bin/landfall site apply beta",
    ),
    (
        "another word for sudo",
        "sudo -n /usr/bin/landfall site apply alpha --check",
    ),
    (
        "another path for sudo",
        "sudo -n /usr/bin/../bin/landfall site apply alpha",
    ),
    (
        "environment through sudo",
        "sudo -n LD_PRELOAD=/tmp/x.so /usr/bin/landfall site apply alpha",
    ),
    (
        "keep the environment through sudo",
        "sudo -n -E /usr/bin/landfall site apply alpha",
    ),
    (
        "sudo as the other",
        "sudo -n -u beta /usr/bin/landfall site apply alpha",
    ),
    (
        "edit through sudo",
        "sudo -n -e /etc/landfall/apps/alpha.toml",
    ),
    (
        "apply a site without root",
        "/usr/bin/landfall site apply beta",
    ),
    ("become the other", "su beta -c id </dev/null"),
    (
        "write its own settings",
        "echo >>/etc/landfall/apps/alpha.toml",
    ),
    (
        "add a key of its own",
        "echo ssh-ed25519 AAAA >>/etc/landfall/keys/alpha",
    ),
    (
        "replace its keys",
        "mv /etc/landfall/keys/alpha /etc/landfall/keys/alpha.old",
    ),
    ("write a template", "touch /etc/landfall/templates/mine"),
    (
        "make an app of the server's",
        "landfall app create gamma --domain gamma.example; test -e /etc/landfall/apps/gamma.toml",
    ),
    ("remove the other", "landfall app remove beta --yes"),
    (
        "add a key to the other",
        "echo ssh-ed25519 AAAA | landfall key add beta -",
    ),
    ("set the server up", "landfall server setup"),
    ("write a site", "touch /etc/nginx/conf.d/mine.conf"),
    ("write a line for sudo", "touch /etc/sudoers.d/mine"),
    (
        "read a certificate's key",
        "cat /etc/ssl/landfall/beta/current/privkey.pem",
    ),
    (
        "read its own certificate's key",
        "cat /etc/ssl/landfall/alpha/current/privkey.pem",
    ),
    ("list certificates", "ls /etc/ssl/landfall/beta/versions"),
    (
        "put a link into nginx's logs",
        "ln -s /etc/shadow /var/log/landfall/alpha/more.log",
    ),
    (
        "replace nginx's log",
        "mv /var/log/landfall/alpha/access.log /tmp/a",
    ),
    ("stop the other's service", "systemctl stop landfall@beta"),
    (
        "stop its own service by systemd",
        "systemctl stop landfall@alpha",
    ),
    (
        "change its limits",
        "systemctl set-property landfall@alpha MemoryMax=infinity",
    ),
    ("start a service as root", "systemd-run --wait true"),
    ("reload nginx", "nginx -s reload"),
    ("read the shadow file", "cat /etc/shadow"),
    ("read backups", "ls /var/backups/landfall"),
    ("read Landfall's state", "ls /var/lib/landfall"),
    ("make a lock of root's", "touch /run/landfall/mine"),
    (
        "the other's database with its own password",
        "psql \"$(grep ^DATABASE_URL /srv/landfall/alpha/env | cut -d= -f2- | tr -d \\' | sed s,/alpha$,/beta,)\" -c 'SELECT 1'",
    ),
    (
        "the superuser's database role",
        "psql -h /var/run/postgresql -U postgres -c 'SELECT 1'",
    ),
];

fn as_user(vps: &Vps, user: &str, script: &str, other: &str) -> std::process::Output {
    vps.exec(&[
        "/usr/sbin/runuser",
        "--user",
        user,
        "--",
        "env",
        "-C",
        "/",
        "sh",
        "-c",
        script,
        "_",
        other,
    ])
}

fn two_apps(name: &str) -> Vps {
    let vps = set_up(name);
    create(&vps, "alpha", "alpha.example");
    create(&vps, "beta", "beta.example");
    vps
}

#[test]
fn an_app_with_a_shell_reaches_neither_its_neighbour_nor_root() {
    let vps = two_apps("attacks");
    let mut succeeded = Vec::new();
    for (name, script) in ON_THE_OTHER {
        let own = as_user(&vps, "alpha", script, "alpha");
        assert!(
            own.status.success(),
            "`{name}` does not even work on one's own: {}{}",
            text_of(&own),
            error_of(&own)
        );
        for (user, other) in [("alpha", "beta"), ("beta", "alpha")] {
            let output = as_user(&vps, user, script, other);
            if output.status.success() {
                succeeded.push(format!("{user} on {other}: {name}: {}", text_of(&output)));
            }
        }
    }
    for (name, script) in ON_EVERYTHING {
        let output = as_user(&vps, "alpha", script, "beta");
        if output.status.success() {
            succeeded.push(format!("{name}: {}", text_of(&output)));
        }
    }
    assert!(succeeded.is_empty(), "{succeeded:#?}");
    // What it may do is one thing, and that works.
    let allowed = text_of(&as_user(&vps, "alpha", "sudo -n -l", ""));
    assert!(
        allowed
            .trim_end()
            .ends_with("(root) NOPASSWD: /usr/bin/landfall site apply alpha"),
        "{allowed}"
    );
    its_own_supervisord_cannot_become_another(&vps);
}

/// The app writes supervisord's configuration: naming another user there gives it nothing.
fn its_own_supervisord_cannot_become_another(vps: &Vps) {
    for user in ["root", "beta"] {
        let script = format!(
            "set -e; cd /srv/landfall/alpha/run; cp -n supervisord.conf kept; sed 's/^\\[supervisord\\]/[supervisord]\\nuser = {user}/' kept >supervisord.conf
             printf '[program:x]\\ncommand = sh -c \"id -un >/srv/landfall/alpha/shared/who; sleep 60\"\\nuser = {user}\\n' >>supervisord.conf
             pid=$(systemctl show -P MainPID landfall@alpha); [ $pid = 0 ] || kill $pid || true"
        );
        let edited = as_user(vps, "alpha", &script, "");
        assert!(edited.status.success(), "{}", error_of(&edited));
        vps.sh("sleep 4");
        let who = vps.sh("cat /srv/landfall/alpha/shared/who 2>/dev/null || true");
        assert!(
            matches!(who.trim(), "" | "alpha"),
            "a process of alpha's ran as {who}"
        );
    }
}

/// What an app of its own needs of the site, asked for by sudo as a deploy does.
fn request(vps: &Vps, needs: &str) -> std::process::Output {
    let script = format!(
        "rm -rf /srv/landfall/alpha/run/site.json; printf '%s' '{needs}' >/srv/landfall/alpha/run/site.json; sudo -n /usr/bin/landfall site apply alpha"
    );
    as_user(vps, "alpha", &script, "")
}

const WHOLE: &str = r#"{"action":"apply","needs":{"frontend":"files","backend":{"paths":[],"static_url":"/static/","media_url":"/media/"}}}"#;

#[test]
fn links_in_a_home_lead_neither_nginx_nor_root_anywhere() {
    let vps = two_apps("links");
    vps.sh(
        "for app in alpha beta; do cd /srv/landfall/$app; mkdir -p releases/1/public releases/1/static shared/media assets
           echo page of $app >releases/1/public/index.html; echo secret of $app >shared/db.sqlite3; echo secret of $app >releases/1/settings.py
           ln -sfn ../../shared/media releases/1/media; ln -sfn releases/1 current; chown -Rh $app:$app releases shared assets current; done",
    );
    let applied = request(&vps, WHOLE);
    assert!(applied.status.success(), "{}", error_of(&applied));
    assert_eq!(body(&vps, "alpha.example", "/"), "page of alpha\n");

    // Every way by which nginx finds a file of the app, led to what others own and nginx's workers can read.
    vps.sh("chmod o+r /srv/landfall/beta/shared/db.sqlite3; /usr/sbin/runuser -u www-data -- cat /srv/landfall/beta/shared/db.sqlite3 >/dev/null");
    for target in [
        "/srv/landfall/beta/shared/db.sqlite3",
        "/srv/landfall/beta/releases/1/settings.py",
        "/etc/passwd",
        "/etc/nginx/nginx.conf",
    ] {
        for (place, path) in [
            ("releases/1/public/stolen.txt", "/stolen.txt"),
            ("releases/1/static/stolen.txt", "/static/stolen.txt"),
            ("shared/media/stolen.txt", "/media/stolen.txt"),
            ("assets/stolen.txt", "/stolen.txt"),
            ("releases/1/public/index.html", "/index.html"),
        ] {
            let script =
                format!("cd /srv/landfall/alpha && ln -sf {target} {place} && readlink {place}");
            let linked = as_user(&vps, "alpha", &script, "");
            assert!(linked.status.success(), "{}", error_of(&linked));
            let answer = status(&vps, "alpha.example", path);
            assert!(
                ["403", "404"].contains(&answer.as_str()),
                "{place} → {target}: {answer}"
            );
            as_user(
                &vps,
                "alpha",
                &format!("rm -f /srv/landfall/alpha/{place}"),
                "",
            );
        }
    }
    // Folders on the way.
    for (link, target, path) in [
        ("current", "/srv/landfall/beta/current", "/index.html"),
        ("current", "/srv/landfall/beta/releases/1", "/index.html"),
        (
            "releases/1/public",
            "/srv/landfall/beta/shared",
            "/db.sqlite3",
        ),
        (
            "releases/1/static",
            "/srv/landfall/beta/shared",
            "/static/db.sqlite3",
        ),
        ("releases/1/static", "/etc", "/static/passwd"),
        ("releases/1/media", "/etc", "/media/passwd"),
        ("assets", "/etc", "/passwd"),
    ] {
        let script = format!(
            "cd /srv/landfall/alpha && mv {link} aside && ln -s {target} {link} && readlink {link}"
        );
        let linked = as_user(&vps, "alpha", &script, "");
        assert!(linked.status.success(), "{}", error_of(&linked));
        let answer = status(&vps, "alpha.example", path);
        assert!(
            ["403", "404"].contains(&answer.as_str()),
            "{link} → {target}: {answer}"
        );
        as_user(
            &vps,
            "alpha",
            &format!("cd /srv/landfall/alpha && rm {link} && mv aside {link}"),
            "",
        );
    }

    // What root reads of the home.
    for (name, make) in [
        ("a link to a secret", "ln -s /etc/shadow run/site.json"),
        ("a hard link", "ln run/lock run/site.json"),
        ("a pipe", "mkfifo run/site.json"),
        ("a folder", "mkdir run/site.json"),
        ("a device's link", "ln -s /dev/zero run/site.json"),
        ("ten megabytes", "head -c 10485760 /dev/zero >run/site.json"),
        ("nothing", "true"),
        ("no JSON", "echo root:x:0:0 >run/site.json"),
        (
            "an unknown key",
            "printf '{\"action\":\"apply\",\"needs\":{},\"include\":\"/etc/passwd\"}' >run/site.json",
        ),
    ] {
        let script = format!(
            "cd /srv/landfall/alpha && touch run/lock && rm -rf run/site.json && {make} && timeout 20 sudo -n /usr/bin/landfall site apply alpha"
        );
        let output = as_user(&vps, "alpha", &script, "");
        let said = format!("{}{}", text_of(&output), error_of(&output));
        assert_eq!(output.status.code(), Some(5), "{name}: {said}");
        assert!(!said.contains("root:"), "{name}: {said}");
    }
    for hostile in [
        r#"/x" { } server { listen 81; } #"#,
        "/x;}\\n",
        "/$document_root",
        "/../../etc",
        "/x y",
        "//",
    ] {
        let needs = format!(
            r#"{{"action":"apply","needs":{{"frontend":null,"backend":{{"paths":["{}"],"static_url":null,"media_url":null}}}}}}"#,
            hostile.replace('"', "\\\"")
        );
        let before = vps.ok(&["cat", "/etc/nginx/conf.d/landfall-alpha.conf"]);
        let output = request(&vps, &needs);
        assert!(
            !output.status.success()
                || !vps
                    .ok(&["cat", "/etc/nginx/conf.d/landfall-alpha.conf"])
                    .contains(hostile),
            "{hostile}"
        );
        if !output.status.success() {
            let after = vps.ok(&["cat", "/etc/nginx/conf.d/landfall-alpha.conf"]);
            assert_eq!(before, after, "{hostile}");
        }
    }
    assert_eq!(status(&vps, "beta.example", "/.well-known/landfall"), "200");
}
