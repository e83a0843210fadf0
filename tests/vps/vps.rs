//! A test host as a value: booted when made, removed when dropped. At most three run at once, whatever tests run beside.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

/// How many hosts may run at once on a machine: they share two cores with the tests.
const AT_ONCE: u32 = 3;

/// How many hosts this process made: no two of them are called the same.
static MADE: AtomicU32 = AtomicU32::new(0);

/// What a host has from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Debian and sshd: a new server.
    Bare,
    /// The packages that `landfall server setup` asks for (`tests/vps/packages`), installed but not set up.
    Packages,
    /// Landfall installed from its package, and the server set up by it.
    SetUp,
}

/// The releases of Debian that are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debian {
    Bookworm,
    Trixie,
}

impl Debian {
    fn codename(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// A running host.
pub(crate) struct Vps {
    name: String,
    address: String,
    _slot: Flock<File>,
}

impl Vps {
    /// Boots a host with Debian 12. The first of a machine waits for the image and the layer to be built, a minute each.
    pub(crate) fn boot(name: &str, layer: Layer) -> Self {
        Self::boot_release(name, Debian::Bookworm, layer)
    }

    /// Boots a host with that release.
    pub(crate) fn boot_release(name: &str, release: Debian, layer: Layer) -> Self {
        let model = (layer == Layer::SetUp).then(model);
        let slot = slot();
        let stale = host(&["down", "--stale"]);
        assert!(stale.status.success(), "{}", error_of(&stale));
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        let packages = manifest("tests/vps/packages");
        let owner = std::process::id().to_string();
        let mut args = vec!["up", &name, "--owner", &owner];
        args.extend(["--release", release.codename()]);
        if layer == Layer::Packages {
            args.extend(["--layer", &packages]);
        }
        if let Some(model) = model {
            args.extend(["--like", model]);
        }
        let up = host(&args);
        assert!(
            up.status.success(),
            "a test host does not boot:\n{}",
            error_of(&up)
        );
        let address = String::from_utf8_lossy(&up.stdout).trim().to_owned();
        Self {
            name,
            address,
            _slot: slot,
        }
    }

    /// Its address, as this machine sees it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The file for `ssh -F`; [`Vps::address`] is an alias of the host, the key is root's.
    pub(crate) fn ssh_config(&self) -> PathBuf {
        cache().join("hosts").join(&self.name).join("ssh_config")
    }

    /// Runs a command on the host as root, as a service of its systemd: not over ssh, so it works whatever ssh does.
    pub(crate) fn exec(&self, argv: &[&str]) -> Output {
        self.exec_with(argv, b"")
    }

    /// [`Vps::exec`] with bytes for its standard input.
    pub(crate) fn exec_with(&self, argv: &[&str], input: &[u8]) -> Output {
        let mut args = vec!["exec", &self.name];
        args.extend(argv);
        run(&args, input)
    }

    /// Runs a command that must succeed, and gives what it printed on standard output.
    #[track_caller]
    pub(crate) fn ok(&self, argv: &[&str]) -> String {
        let output = self.exec(argv);
        assert!(
            output.status.success(),
            "{argv:?} on {} ended with {:?}:\n{}{}",
            self.name,
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            error_of(&output)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a script of sh that must succeed. Not as an argument: systemd replaces `${…}` in those (systemd.service(5)).
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let argv = [
            "sh",
            "-c",
            "script=$(cat); exec sh -euc \"$script\" </dev/null",
        ];
        let output = self.exec_with(&argv, script.as_bytes());
        assert!(
            output.status.success(),
            "this script on {} ended with {:?}:\n{script}\n{}{}",
            self.name,
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            error_of(&output)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Copies a file of this machine onto the host.
    pub(crate) fn copy_in(&self, from: &Path, to: &str) {
        let from = from.to_string_lossy();
        let copied = host(&["copy", &self.name, &from, to]);
        assert!(copied.status.success(), "{}", error_of(&copied));
    }

    /// Writes a file on the host.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let script = "mkdir -p \"$(dirname \"$1\")\" && cat >\"$1\"";
        let written = self.exec_with(&["sh", "-c", script, "_", path], text.as_bytes());
        assert!(written.status.success(), "{}", error_of(&written));
    }

    /// Reboots it in order; ends when it is back.
    pub(crate) fn reboot(&self) {
        let done = host(&["reboot", &self.name]);
        assert!(done.status.success(), "{}", error_of(&done));
    }

    /// Ends all its processes at once, as a power cut does, and boots it again. What its kernel had accepted is on its disk:
    /// this shows what a crash leaves of files, not of a disk's cache.
    pub(crate) fn power_cut(&self) {
        for action in ["cut", "up"] {
            let done = host(&[action, &self.name]);
            assert!(done.status.success(), "{}", error_of(&done));
        }
    }

    /// ssh to the host as `user` with root's key, not yet started.
    pub(crate) fn ssh(&self, user: &str, argv: &[&str]) -> Command {
        self.ssh_with(user, &[], argv)
    }

    /// [`Vps::ssh`] with options of ssh's own.
    pub(crate) fn ssh_with(&self, user: &str, options: &[&str], argv: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(self.ssh_config()).args(options);
        command.arg(format!("{user}@{}", self.address));
        command.args(argv).stdin(Stdio::null());
        command
    }
}

/// A server that was set up, made once for all tests of this process: what they begin with. Only the tests of the setup itself
/// see each run of it.
fn model() -> &'static str {
    static MODEL: OnceLock<String> = OnceLock::new();
    MODEL.get_or_init(|| {
        let vps = Vps::boot("model", Layer::Packages);
        crate::package::install(&vps);
        vps.ok(&["landfall", "server", "setup"]);
        let done = host(&["model", &vps.name]);
        assert!(done.status.success(), "{}", error_of(&done));
        vps.name.clone()
    })
}

impl Drop for Vps {
    fn drop(&mut self) {
        // A host to look at after a failure; the next run of any test removes it.
        if std::env::var_os("LANDFALL_VPS_KEEP").is_some() {
            eprintln!("{} is kept: {}", self.name, self.address);
            return;
        }
        let _ = host(&["down", &self.name]);
    }
}

/// A built package of this source, with the binary that the tests were built with: `make deb` makes the same package from a
/// release build, which takes minutes.
pub(crate) fn package() -> PathBuf {
    let dir = PathBuf::from(manifest("target/vps"));
    fs::create_dir_all(&dir).expect("a folder for the package");
    let lock = File::create(dir.join("lock")).expect("a lock");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("locked");
    let made = Command::new(manifest(".ci/deb"))
        .args([env!("CARGO_BIN_EXE_landfall"), &manifest("target/vps")])
        .output()
        .expect(".ci/deb runs");
    assert!(made.status.success(), "no package:\n{}", error_of(&made));
    PathBuf::from(String::from_utf8_lossy(&made.stdout).trim())
}

/// What a command said on standard error.
pub(crate) fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command printed on standard output.
pub(crate) fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn manifest(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

fn cache() -> PathBuf {
    std::env::var_os("LANDFALL_VPS_CACHE")
        .map_or_else(|| PathBuf::from("/var/tmp/landfall-vps"), PathBuf::from)
}

/// Waits until fewer than [`AT_ONCE`] hosts run; the kernel frees the place when this process ends, however it ends.
fn slot() -> Flock<File> {
    let dir = cache().join("slots");
    fs::create_dir_all(&dir).unwrap_or_else(|error| {
        panic!(
            "cannot make {}: {error} (the tests of whole servers need root)",
            dir.display()
        )
    });
    loop {
        for place in 0..AT_ONCE {
            let file = File::create(dir.join(place.to_string())).expect("a lock file");
            if let Ok(slot) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                return slot;
            }
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn host(args: &[&str]) -> Output {
    run(args, b"")
}

fn run(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(manifest("tests/vps/host"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/vps/host starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // A command that prints before it has read everything must not wait for us.
    let writer = thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the input is written");
    output
}
