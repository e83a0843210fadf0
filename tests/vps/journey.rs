//! The page `docs/using/first-server.md`, block by block: from a server that was just installed to a reboot.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::{Layer, Vps, error_of, package, poll, text_of};

const PAGE: &str = include_str!("../../docs/using/first-server.md");

/// The blocks of the page: where each runs, and its lines.
fn blocks() -> Vec<(&'static str, &'static str)> {
    PAGE.split("\n```sh ")
        .skip(1)
        .map(|rest| {
            let (place, rest) = rest.split_once('\n').unwrap();
            (place, rest.split_once("\n```").unwrap().0)
        })
        .collect()
}

/// A person's machine: a clone, a key, and names that lead to the test host.
struct Laptop {
    dir: tempfile::TempDir,
}

impl Laptop {
    fn new(address: &str) -> Self {
        let laptop = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/notes/.");
        let dir = laptop.dir.path().display().to_string();
        let known = format!("{dir}/known_hosts");
        laptop.write(
            "ssh_config",
            &format!("Host notes.example.org\n  HostName {address}\n  IdentityFile {dir}/key\n  IdentitiesOnly yes\n  BatchMode yes\n  UserKnownHostsFile {known}\n  StrictHostKeyChecking accept-new\n"),
        );
        // ssh takes the home of the user's entry, not of the environment, so the name is led astray here.
        laptop.write(
            "bin/ssh",
            &format!("#!/bin/sh\nexec /usr/bin/ssh -F {dir}/ssh_config \"$@\"\n"),
        );
        fs::set_permissions(laptop.path("bin/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        laptop.write(
            ".curlrc",
            &format!("connect-to = \"notes.example.org::{address}:\"\ncacert = \"{dir}/stand-in.pem\"\nsilent\nshow-error\nfail\n"),
        );
        laptop.ok(&format!(
            "cd {dir} && ssh-keygen -q -t ed25519 -N '' -C ana@laptop -f key && cp -r {example} notes && cd notes && git init --quiet --initial-branch master \
             && git add --all && git commit --quiet --message 'First' \
             && sed 's/^ALLOWED_HOSTS = .*/ALLOWED_HOSTS = [\"notes.example.org\"]/' notesBackEnd/notesBackEnd/localsettings.py.example >localsettings.py \
             && cp notes-front-end/src/variables/localVariables.js.example localVariables.js && printf 'localsettings.py\\nlocalVariables.js\\n' >>.git/info/exclude"
        ));
        laptop
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, script: &str) -> Output {
        let landfall = Path::new(env!("CARGO_BIN_EXE_landfall")).parent().unwrap();
        let place = if self.path("notes").exists() {
            "notes"
        } else {
            ""
        };
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.path(place))
            .env_clear()
            .env(
                "PATH",
                format!(
                    "{}:{}:/usr/local/bin:/usr/bin:/bin",
                    self.path("bin").display(),
                    landfall.display()
                ),
            )
            .env("HOME", self.dir.path())
            .env("CURL_HOME", self.dir.path())
            .env("LANG", "C.UTF-8")
            .envs([
                ("GIT_AUTHOR_NAME", "Ana"),
                ("GIT_AUTHOR_EMAIL", "ana@example.org"),
                ("GIT_COMMITTER_NAME", "Ana"),
                ("GIT_COMMITTER_EMAIL", "ana@example.org"),
            ])
            .output()
            .unwrap()
    }

    #[track_caller]
    fn ok(&self, script: &str) -> String {
        let output = self.run(script);
        let said = format!("{}{}", text_of(&output), error_of(&output));
        assert!(output.status.success(), "on the laptop:\n{script}\n{said}");
        said
    }
}

#[test]
fn from_a_new_server_to_the_first_push_and_beyond() {
    let vps = Vps::boot("journey", Layer::Bare);
    let laptop = Laptop::new(vps.address());
    vps.copy_in(&package(), "/root/landfall.deb");
    vps.copy_in(&laptop.path("key.pub"), "/root/ana.pub");

    let mut said = Vec::new();
    for (place, script) in blocks() {
        let output = match (place, script) {
            ("server", "reboot") => {
                vps.reboot();
                String::new()
            }
            ("server", script) => {
                // What the page's reader sees has no warning in it.
                let output = vps.sh(&format!("cd /root; exec 2>&1\n{script}"));
                assert!(!output.contains("warning: "), "{output}");
                if script.contains("app create") {
                    let stand_in =
                        vps.ok(&["cat", "/etc/ssl/landfall/notes/current/fullchain.pem"]);
                    laptop.write("stand-in.pem", &stand_in);
                }
                output
            }
            ("laptop", script) => laptop.ok(script),
            other => panic!("{other:?} is no place of the page"),
        };
        said.push(output);
    }
    let [_, _, _, _, push, first, change, _, after] = &said[..] else {
        panic!("the page has other blocks: {said:#?}");
    };
    assert!(
        push.contains("remote: https://notes.example.org is on "),
        "{push}"
    );
    assert!(
        first.contains("<title>Notes</title>")
            && first.contains("celery")
            && first.contains("running"),
        "{first}"
    );
    assert!(first.contains("Ana"), "{first}");
    let titles: Vec<&str> = change
        .lines()
        .filter(|line| line.contains("<title>"))
        .map(str::trim)
        .collect();
    assert_eq!(
        titles,
        ["<title>Better notes</title>", "<title>Notes</title>"],
        "{change}"
    );
    assert!(after.contains("<title>Notes</title>"), "{after}");
    assert!(
        after.contains("release 1") && after.contains("celery"),
        "{after}"
    );
    poll::until(
        "the processes run after the reboot",
        Duration::from_secs(60),
        || {
            let ps = laptop.ok("landfall --remote production ps");
            ps.matches("running").count() == 3
        },
    );

    // The database and Redis are the server's, not files.
    let tables = vps.sh("runuser -u notes -- psql \"$(grep ^DATABASE_URL /srv/landfall/notes/env | cut -d= -f2- | tr -d \\')\" -tAc '\\dt'");
    assert!(tables.contains("django_migrations"), "{tables}");
    everything_else_is_refused(&laptop);
    the_last_line_says_how_long_the_certificate_lasts(&vps, &laptop);
    a_push_that_fails_leaves_everything(&laptop);
    assets_are_smaller_after_a_push(&vps, &laptop);
}

/// Upkeep compresses by brotli: nobody waits, and the bytes come back whole.
fn assets_are_smaller_after_a_push(vps: &Vps, laptop: &Laptop) {
    laptop.ok("git reset --quiet --hard production/master; git commit --quiet --allow-empty --message Smaller; git push production master 2>&1");
    for folder in ["public/assets", "static/admin/css"] {
        let file = vps.sh(&format!(
            "find /srv/landfall/notes/current/{folder}/ -name '*.css' -size +1023c | sort | head -1"
        ));
        let file = file.trim();
        poll::until("the smaller file", Duration::from_secs(120), || {
            vps.exec(&["test", "-e", &format!("{file}.br")])
                .status
                .success()
        });
        let bytes = |path: &str| {
            let text = vps.ok(&["base64", "--wrap=0", path]);
            data_encoding::BASE64.decode(text.as_bytes()).unwrap()
        };
        let (plain, gzip, smaller) = (
            bytes(file),
            bytes(&format!("{file}.gz")),
            bytes(&format!("{file}.br")),
        );
        assert!(smaller.len() < gzip.len(), "{file}");
        let mut back = Vec::new();
        brotli::Decompressor::new(smaller.as_slice(), 4096)
            .read_to_end(&mut back)
            .unwrap();
        assert!(back == plain, "{file}: another content is compressed");
        let url = file.split_once("/current/").unwrap().1;
        let url = url.strip_prefix("public/").unwrap_or(url);
        vps.sh(&format!(
            "curl -sk --connect-to ::127.0.0.1: -H 'Accept-Encoding: gzip, br' -D /root/head https://notes.example.org/{url} | cmp - {file}.br
             grep -qi '^content-encoding: br' /root/head && grep -qi '^vary: accept-encoding' /root/head"
        ));
    }
}

/// As long as a certificate stands in, it says so; with one that was issued, the days.
fn the_last_line_says_how_long_the_certificate_lasts(vps: &Vps, laptop: &Laptop) {
    let push = "git commit --quiet --allow-empty --message Again; git push production master 2>&1";
    let last_line = |days: u32| {
        if days > 0 {
            vps.sh(&format!("mkdir -p /root/ca; cd /root/ca; [ -e root.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -subj '/CN=Test root' -days 3650 -out root.pem 2>/dev/null
                landfall csr --app notes --new --out notes.csr; printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:notes.example.org\n' >notes.cnf
                openssl x509 -req -in notes.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile notes.cnf -days {days} -out notes.pem 2>/dev/null
                landfall cert install notes.pem --app notes --roots root.pem"));
            laptop.write("stand-in.pem", &vps.ok(&["cat", "/root/ca/root.pem"]));
        }
        let said = laptop.ok(push);
        let last = said.lines().rfind(|line| line.contains(" is on "));
        last.unwrap_or_default().trim_end().to_owned()
    };
    for (days, words) in [
        (0, " · certificate: browsers do not trust it"),
        (60, " · certificate: 59 days left"),
    ] {
        let last = last_line(days);
        assert!(last.contains("https://notes.example.org is on "), "{last}");
        assert!(last.ends_with(words), "{last}");
    }
}

/// What a key may do is a list; the answer to anything else says it.
fn everything_else_is_refused(laptop: &Laptop) {
    for command in [
        "",
        "id",
        "bash",
        "sh -c id",
        "git-receive-pack '../other.git'",
        "git-receive-pack 'notes.git'; id",
        "git-upload-archive notes.git",
        "scp -t /tmp",
        "rsync --server . /",
        "app remove notes --yes",
        "server setup",
        "site apply notes",
        "key add notes -",
        "--app other status",
        "status; id",
        "$(id)",
        "env list | cat",
        "hook pre-receive --settings /tmp/x",
        "exec --home / --name x --release 1 web",
    ] {
        let quoted = shell_words::quote(command);
        let output = laptop.run(&format!("ssh notes@notes.example.org -- {quoted}"));
        let said = format!("{}{}", text_of(&output), error_of(&output));
        assert_ne!(output.status.code(), Some(0), "{command}: {said}");
        assert!(
            said.contains("may do this: ") || said.contains("error: "),
            "{command}: {said}"
        );
        assert!(!said.contains("uid="), "{command}: {said}");
    }
    let output = laptop.run("ssh notes@notes.example.org 'anything else'");
    assert_eq!(output.status.code(), Some(5), "{}", error_of(&output));
    assert!(
        error_of(&output).contains("`operate` may do this: "),
        "{}",
        error_of(&output)
    );
    for forward in ["-L 8080:127.0.0.1:80", "-R 8080:127.0.0.1:80", "-D 1080"] {
        let output = laptop.run(&format!(
            "timeout 5 ssh -o ExitOnForwardFailure=yes -N {forward} notes@notes.example.org"
        ));
        let said = error_of(&output);
        assert!(!output.status.success(), "{forward}: {said}");
    }
}

fn a_push_that_fails_leaves_everything(laptop: &Laptop) {
    let before = laptop.ok("ssh notes@notes.example.org releases --json");
    let page = laptop.ok("curl https://notes.example.org/");
    assert!(page.contains("<title>Better notes</title>"), "{page}");
    let output = laptop.run("echo 'syntax error here' >>notesBackEnd/notesBackEnd/urls.py; git commit --quiet --all --message Broken; git push production master");
    let said = error_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("pre-receive hook declined"), "{said}");
    assert_eq!(
        laptop.ok("ssh notes@notes.example.org releases --json"),
        before
    );
    assert_eq!(laptop.ok("curl https://notes.example.org/"), page);
}
