//! The other side of a key: a real sshd on this machine runs the forced command, and git and `landfall --remote` talk to it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::checkpoints::Checkpoints;
use crate::common::machine::{self, free_port};
use crate::common::sandbox::said;
use crate::common::{App, Sandbox, until};

/// The folder of the instants at which programs that sshd started stop ([`Checkpoints`]).
///
/// [`Checkpoints`]: crate::common::checkpoints::Checkpoints
pub(crate) const CHECKPOINTS: &str = "ssh";

/// An sshd of the test's own, for the account the test runs as, with a key for each role; it ends with the test.
pub(crate) struct Sshd {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Sshd {
    fn start(sandbox: &Sandbox) -> Self {
        let folder = sandbox.root.join("ssh");
        fs::create_dir_all(&folder).unwrap();
        for key in ["host", "read", "deploy", "operate", "stranger"] {
            make_key(sandbox, &folder.join(key), key);
        }
        let port = free_port();
        let user = sandbox.root.join("user");
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile none\nAuthorizedKeysFile {1}/.ssh/authorized_keys\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\nSetEnv HOME={1} LANDFALL_CHECKPOINTS={2}\n",
            folder.display(),
            user.display(),
            Checkpoints::new(sandbox, CHECKPOINTS).folder().display(),
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        if nix::unistd::Uid::effective().is_root() {
            // Where root's sshd puts itself away before anybody has logged in; Debian's service makes it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let sshd = machine::find("sshd").expect("sudo apt install openssh-server");
        let log = fs::File::create(folder.join("log")).unwrap();
        let process = sandbox
            .command(sshd)
            .args(["-D", "-e", "-f"])
            .arg(folder.join("sshd_config"))
            .stderr(log)
            .spawn()
            .unwrap();
        let host_key = fs::read_to_string(folder.join("host.pub")).unwrap();
        fs::write(
            folder.join("known_hosts"),
            format!("[127.0.0.1]:{port} {host_key}"),
        )
        .unwrap();
        let sshd = Self {
            process,
            port,
            folder,
        };
        until("sshd listens", Duration::from_secs(60), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        sshd
    }

    /// ssh with one of the keys, and nothing of the machine's own settings.
    fn program(&self, key: &str) -> String {
        let folder = self.folder.display();
        format!(
            "ssh -F none -i {folder}/{key} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes \
             -o UserKnownHostsFile={folder}/known_hosts -o LogLevel=ERROR"
        )
    }

    fn url(&self, path: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}/{path}", account(), self.port)
    }

    /// `ssh HOST WORDS…` with a key, as typed.
    fn ssh(&self, sandbox: &Sandbox, key: &str, words: &[&str]) -> Command {
        let program = self.program(key);
        let mut parts = program.split_whitespace();
        let mut command = sandbox.command(parts.next().unwrap());
        command
            .args(parts)
            .args([
                "-p",
                &self.port.to_string(),
                &format!("{}@127.0.0.1", account()),
            ])
            .args(words);
        command
    }

    /// Kills what serves its connections, as a network that is gone does in the end; gives how many processes that were.
    pub(crate) fn drop_sessions(&self) -> usize {
        let all = machine::all_of(Path::new("/"));
        let (mut under, mut dropped) = (vec![self.process.id().cast_signed()], 0);
        while let Some(parent) = under.pop() {
            // Only sshd's own; what runs for the client goes on.
            let sessions = all
                .iter()
                .filter(|each| each.parent == parent && each.command.starts_with("sshd"));
            for session in sessions {
                under.push(session.pid);
                dropped += 1;
                let _ = kill(Pid::from_raw(session.pid), Signal::SIGKILL);
            }
        }
        dropped
    }

    fn run(&self, sandbox: &Sandbox, key: &str, words: &[&str]) -> Output {
        self.ssh(sandbox, key, words).output().unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn account() -> String {
    landfall::base::user::name()
}

fn make_key(sandbox: &Sandbox, path: &Path, comment: &str) {
    let made = sandbox
        .command("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A sandbox whose keys are let in, each with the role it is called after.
pub(crate) fn with_keys(name: &str, app: App) -> (Sandbox, Sshd) {
    let sandbox = Sandbox::new(name).app(app).create();
    let sshd = Sshd::start(&sandbox);
    for role in ["read", "deploy", "operate"] {
        let file = sshd.folder.join(format!("{role}.pub"));
        let who = format!("{} of \"Ours\"", role.to_uppercase());
        sandbox.landfall_ok(&[
            "key",
            "add",
            app.name(),
            &file.to_string_lossy(),
            "--role",
            role,
            "--who",
            &who,
        ]);
    }
    let repository = format!("~/{}.git", app.name());
    sandbox.git(&["remote", "set-url", "production", &sshd.url(&repository)]);
    sandbox.git(&["config", "core.sshCommand", &sshd.program("deploy")]);
    (sandbox, sshd)
}

/// What the other side said, and that it refused.
#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(5), "{}", said(output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_key_pushes_and_its_owner_stands_in_the_record() {
    let (sandbox, sshd) = with_keys("ssh-push", App::Small);
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "1");
    let record = fs::read_to_string(sandbox.home.join("releases/1/release.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["who"], "DEPLOY of \"Ours\"");
    let keys: serde_json::Value =
        serde_json::from_str(&sandbox.landfall_ok(&["key", "list", "--json"])).unwrap();
    assert_eq!(record["key"], keys[1]["fingerprint"]);
    let short = &keys[1]["fingerprint"].as_str().unwrap()[..15];
    let by = format!("DEPLOY of \"Ours\" ({short})");

    // The same commands as on the server.
    let remote = |words: &[&str]| {
        let words = [&["--remote", "production"], words].concat();
        sandbox.landfall(&words)
    };
    let output = remote(&["releases"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains(&by),
        "{}",
        said(&output)
    );
    let status = remote(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["deployed_by"], "DEPLOY of \"Ours\"");
    let direct = sshd.run(&sandbox, "read", &["releases"]);
    assert_eq!(direct.stdout, output.stdout, "{}", said(&direct));

    // A second release, and back again, from the laptop.
    sandbox.name_release("2");
    sandbox.commit("Release 2");
    let _ = sandbox.push().accepted();
    let output = remote(&["rollback", "1"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(sandbox.release_shown(), "1");
    // Exit codes come through.
    assert_eq!(remote(&["rollback", "77"]).status.code(), Some(3));
    let output = remote(&["env", "set", "A=b c"]);
    assert!(refused(&output).contains("`env set` needs a key with the role `operate`"));
}

#[test]
fn nothing_but_the_roles_commands_is_served() {
    let (sandbox, sshd) = with_keys("ssh-refused", App::Static);
    let marker = sandbox.root.join("marker");
    let touch = format!("touch {}", marker.display());
    let no_shell =
        |role: &str| format!("error: there is no shell here\nhint: `{role}` may do this: ");
    for role in ["read", "deploy", "operate"] {
        let told = refused(&sshd.run(&sandbox, role, &[]));
        assert!(told.starts_with(&no_shell(role)), "{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
        for words in [
            &[&*touch][..],
            &["sh", "-c", &touch],
            &["status;", &touch],
            &["status\n", &touch],
            &[&*format!("$({touch})")],
            &[&*format!("status $({touch})")],
            &[&*format!("`{touch}`")],
            &["git-receive-pack 'x.git';", &touch],
            &[&*format!("git-receive-pack '$({touch})'")],
            &["git-upload-pack", "/etc"],
            &["git-upload-pack", "../static.git"],
            &["git-upload-archive", "static.git"],
            &["git", "-c", "core.pager=x", "log"],
            &["scp", "-t", "/tmp"],
            &["app", "remove", "static", "--yes"],
            &["app", "create", "other"],
            &["key", "add", "static", "-"],
            &["hook", "finish", "--settings", "/etc/passwd"],
            &["landfall", "--app", "other", "status"],
            &["LANDFALL_APP=other", "status"],
            &["env", "import", "/etc/passwd"],
        ] {
            let output = sshd.run(&sandbox, role, words);
            let code = output.status.code();
            assert!(
                matches!(code, Some(2 | 5)),
                "{words:?} as {role}: {}",
                said(&output)
            );
            assert!(!marker.exists(), "{words:?} as {role}");
        }
    }
    // Neither a terminal, nor a tunnel, nor files.
    let forward = format!("{}:127.0.0.1:{}", free_port(), sandbox.address.port());
    let tunnel = sshd
        .ssh(&sandbox, "operate", &[])
        .args(["-N", "-o", "ExitOnForwardFailure=yes", "-R", &forward])
        .output()
        .unwrap();
    assert!(!tunnel.status.success(), "{}", said(&tunnel));
    let sftp = sshd.run(&sandbox, "operate", &["-s", "sftp"]);
    assert!(!sftp.status.success(), "{}", said(&sftp));
    let stranger = sshd.run(&sandbox, "stranger", &["status"]);
    assert_eq!(stranger.status.code(), Some(255), "{}", said(&stranger));

    // A key for looking clones, and cannot push.
    sandbox.git(&["config", "core.sshCommand", &sshd.program("read")]);
    let push = sandbox.push_with(&["production", "HEAD:refs/heads/master"]);
    assert_ne!(push.code, Some(0));
    assert!(
        push.stderr
            .contains("error: this key may not do that: its role is `read`"),
        "{}",
        push.stderr
    );
    assert_eq!(sandbox.remote_ref("refs/heads/master"), None);
    sandbox.git(&["fetch", "--quiet", "production"]);

    // An operator's value arrives as it was sent, whatever is in it.
    sandbox.git(&["config", "core.sshCommand", &sshd.program("operate")]);
    let value = "VALUE=a 'b' \"c\" $(id) `id` \\ ; ä";
    sandbox.landfall_ok(&["--remote", "production", "env", "set", value]);
    let env = fs::read_to_string(sandbox.home.join("env")).unwrap();
    let env = landfall::config::env_file::EnvFile::parse(&env).unwrap();
    let stored = env
        .get(&"VALUE".parse().unwrap())
        .unwrap()
        .expose()
        .to_owned();
    assert_eq!(stored, value.strip_prefix("VALUE=").unwrap());

    // What is let in no more is let in no more.
    sandbox.landfall_ok(&["key", "remove", "static", "OPERATE of \"Ours\""]);
    assert_eq!(
        sshd.run(&sandbox, "operate", &["status"]).status.code(),
        Some(255)
    );
}

/// A follower ends with its client, though it has nothing to say and sshd sends it no signal.
#[test]
fn a_follower_ends_with_its_client() {
    let (sandbox, sshd) = with_keys("ssh-follow", App::Static);
    let log = sandbox.home.join("log/nginx-error.log");
    fs::write(&log, "a line\n").unwrap();
    let mut client = sshd
        .ssh(&sandbox, "read", &["logs", "nginx-error", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(client.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "a line\n");
    let followers = || {
        let all = machine::processes_of(&sandbox.root);
        all.into_iter()
            .filter(|process| process.command.contains("landfall ssh --app static"))
            .count()
    };
    assert!(followers() > 0);
    client.kill().unwrap();
    client.wait().unwrap();
    until("the follower has ended", Duration::from_secs(5), || {
        followers() == 0
    });
}
