//! A hermetic sandbox: a project with its history, an app with its home, and nothing of the machine's own settings.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::app::App;
use super::disk::Disk;
use super::machine;
use super::push::Push;
use super::seed;

/// The variables of this process that reach a registry through a proxy or a private authority; the only ones that pass.
const MACHINE_VARIABLES: [&str; 14] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "UV_INDEX_URL",
    "NPM_CONFIG_REGISTRY",
];
/// The first commit's date; each commit is a minute later.
const EPOCH: u64 = 1_700_000_000;

/// A sandbox about to be made.
#[derive(Debug)]
#[must_use = "`create` makes it"]
pub(crate) struct Builder {
    name: String,
    app: App,
    settings: String,
    disk: Option<String>,
}

impl Builder {
    pub(crate) fn app(mut self, app: App) -> Self {
        self.app = app;
        self
    }

    /// The home lies on a small disk of its own; tmpfs's options.
    pub(crate) fn disk(mut self, options: &str) -> Self {
        self.disk = Some(options.to_owned());
        self
    }

    /// A line more in the server's settings of the app.
    pub(crate) fn setting(mut self, line: &str) -> Self {
        let _ = writeln!(self.settings, "{line}");
        self
    }

    pub(crate) fn create(self) -> Sandbox {
        let sandbox = Sandbox::make(&self.name, self.app, None, self.disk.as_deref());
        for line in self.settings.lines() {
            sandbox.setting(line);
        }
        seed::plant(self.app, &sandbox.home);
        sandbox
    }

    /// As [`Builder::create`], with an app that has had its first push.
    pub(crate) fn live(self) -> Sandbox {
        let sandbox = self.create();
        sandbox.push().accepted();
        sandbox
    }
}

/// A project, its app, and how to talk to both. Everything of it ends with it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) app: App,
    /// Everything of this sandbox lies below.
    pub(crate) root: PathBuf,
    /// The app's home.
    pub(crate) home: PathBuf,
    /// The project's working tree.
    pub(crate) work: PathBuf,
    pub(crate) address: SocketAddr,
    env: BTreeMap<String, String>,
    clock: AtomicU64,
    disk: Option<Disk>,
}

impl Sandbox {
    /// `name` says what is tested; the folder is called after it.
    #[expect(
        clippy::new_ret_no_self,
        reason = "`Sandbox::new(..).create()` reads as what it does"
    )]
    pub(crate) fn new(name: &str) -> Builder {
        Builder {
            name: name.to_owned(),
            app: App::Small,
            settings: String::new(),
            disk: None,
        }
    }

    /// The app whose caches the others get.
    pub(crate) fn seedling(app: App, home: &Path) -> Self {
        Self::make("seed", app, Some(home), None)
    }

    fn make(name: &str, app: App, home: Option<&Path>, disk: Option<&str>) -> Self {
        static CHECKED: Once = Once::new();
        CHECKED.call_once(machine::require_programs);
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = seed::folder().join(format!("sb/{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let disk = disk.map(|options| Disk::mount(&root.join("disk"), options));
        let own = || root.join(if disk.is_some() { "disk/home" } else { "home" });
        let home = home.map_or_else(own, Path::to_owned);
        let sandbox = Self {
            app,
            disk,
            home,
            work: root.join("work"),
            address: SocketAddr::from(([127, 0, 0, 1], machine::free_port())),
            env: environment(&root),
            clock: AtomicU64::new(EPOCH),
            root,
        };
        sandbox.make_project();
        sandbox.make_app();
        sandbox
    }

    fn make_project(&self) {
        for folder in [
            self.root.join("user"),
            self.root.join("config"),
            self.work.clone(),
        ] {
            fs::create_dir_all(folder).expect("target/tmp can be written");
        }
        fs::write(
            self.root.join("gitconfig"),
            "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = master\n\
             [advice]\n\tdetachedHead = false\n[protocol \"file\"]\n\tallow = always\n[gc]\n\tauto = 0\n\
             [core]\n\tquotePath = true\n",
        )
        .expect("git's settings can be written");
        self.git(&["init", "--quiet"]);
        for (path, content) in self.app.files() {
            self.write(&path, content);
        }
        self.commit("First");
        let repository = self.repository();
        self.git(&["remote", "add", "production", &repository.to_string_lossy()]);
    }

    fn make_app(&self) {
        let (home, listen) = (self.home.to_string_lossy(), self.address.to_string());
        let made = self.landfall(&[
            "app",
            "create",
            self.app.name(),
            "--home",
            &home,
            "--listen",
            &listen,
        ]);
        assert!(made.status.success(), "{}", said(&made));
        // Real tools, counted.
        let counters = seed::counters();
        self.setting(&format!(
            "path = \"{}:{}\"",
            counters.display(),
            machine::PATH
        ));
        let shared = self.app.shared_files();
        if !shared.is_empty() {
            self.setting(&format!("shared_files = {shared:?}"));
        }
        for path in shared {
            let example = self.work.join(format!("{path}.example"));
            self.share(path, fs::read(example).expect("there is an example of it"));
        }
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        put(&self.work.join(path), content.as_ref());
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.work.join(path)).expect("a file of the project can be read")
    }

    /// Replaces a text that must be there.
    #[track_caller]
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from:?}:\n{text}");
        self.write(path, text.replace(from, to));
    }

    pub(crate) fn delete(&self, path: &str) {
        fs::remove_file(self.work.join(path)).expect("a file of the project can be removed");
    }

    /// Writes a file into the app's shared folder.
    pub(crate) fn share(&self, path: &str, content: impl AsRef<[u8]>) {
        put(&self.home.join("shared").join(path), content.as_ref());
    }

    /// Names the release in the frontend's and the backend's files.
    pub(crate) fn name_release(&self, name: &str) {
        self.name_frontend(name);
        self.name_backend(name);
    }

    pub(crate) fn name_frontend(&self, name: &str) {
        self.write(
            self.app.release_files().0,
            format!("export const RELEASE = \"{name}\";\n"),
        );
    }

    pub(crate) fn name_backend(&self, name: &str) {
        self.write(
            self.app.release_files().1,
            format!("RELEASE = \"{name}\"\n"),
        );
    }

    /// A worker and a singleton, which stay, and a check of the app's own: every stage of the path has something to do.
    pub(crate) fn add_workers(&self) {
        self.write(
            "landfall.toml",
            "[gate]\nrun = [\"true\"]\n[workers.ticker]\ncommand = \"python ticker.py\"\nready_after = \"0s\"\n\
             [workers.clock]\ncommand = \"python ticker.py\"\nready_after = \"0s\"\nsingleton = true\n",
        );
        self.write(
            "backend/ticker.py",
            "import time\nwhile True:\n    time.sleep(1)\n",
        );
    }

    /// Commits everything; gives the commit's id.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Runs git in the project; it must work.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = self.git_command().args(args).output().expect("git runs");
        assert!(output.status.success(), "git {args:?}\n{}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// git in the project, with the sandbox's environment.
    pub(crate) fn git_command(&self) -> Command {
        let mut command = self.command("git");
        let date = format!("{} +0000", self.clock.fetch_add(60, Ordering::Relaxed));
        command
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date);
        command
    }

    /// A program with the sandbox's environment, in the project's folder.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.work)
            .stdin(std::process::Stdio::null());
        command
    }

    /// `git push production master`.
    #[must_use]
    pub(crate) fn push(&self) -> Push {
        self.push_with(&["production", "HEAD:refs/heads/master"])
    }

    /// The same, not run yet; what it says goes into a pipe.
    pub(crate) fn push_command(&self) -> Command {
        let mut push = self.git_command();
        push.args(["push", "production", "HEAD:refs/heads/master"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped());
        push
    }

    /// `git push` with these arguments.
    #[must_use]
    pub(crate) fn push_with(&self, args: &[&str]) -> Push {
        let output = self
            .git_command()
            .arg("push")
            .args(args)
            .output()
            .expect("git runs");
        Push::new(&output)
    }

    /// Runs the program under test.
    pub(crate) fn landfall(&self, args: &[&str]) -> Output {
        self.landfall_command()
            .args(args)
            .output()
            .expect("it runs")
    }

    /// Runs the program under test; it must work. Gives what it printed.
    #[track_caller]
    pub(crate) fn landfall_ok(&self, args: &[&str]) -> String {
        let output = self.landfall(args);
        assert!(
            output.status.success(),
            "landfall {args:?}\n{}",
            said(&output)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    pub(crate) fn landfall_command(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_landfall"))
    }

    /// Sets a value of the server's settings of the app: `key = value`.
    pub(crate) fn setting(&self, line: &str) {
        let file = self.settings_file();
        let key = format!("{} =", line.split(" =").next().unwrap_or_default());
        let mut text: String = fs::read_to_string(&file)
            .expect("the app has settings")
            .lines()
            .filter(|each| !each.starts_with(&key))
            .map(|each| format!("{each}\n"))
            .collect();
        let _ = writeln!(text, "{line}");
        fs::write(file, text).expect("the app's settings can be written");
    }

    /// The disk that the home lies on.
    pub(crate) fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("it has one of its own")
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.root
            .join(format!("config/apps/{}.toml", self.app.name()))
    }

    /// Sets a variable of the app's environment, as `landfall env set` does.
    pub(crate) fn env_set(&self, name: &str, value: &str) {
        let file = self.home.join("env");
        let mut text = fs::read_to_string(&file).expect("the app has an environment");
        let _ = writeln!(text, "{name}={value}");
        fs::write(file, text).expect("the environment can be written");
    }

    /// The bare repository.
    pub(crate) fn repository(&self) -> PathBuf {
        self.home.join(format!("{}.git", self.app.name()))
    }

    /// What a ref of the bare repository points at.
    pub(crate) fn remote_ref(&self, name: &str) -> Option<String> {
        let output = self
            .command("git")
            .arg("--git-dir")
            .arg(self.repository())
            .args(["rev-parse", "--verify", "--quiet", name])
            .output()
            .expect("git runs");
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(id)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("KEEP_SANDBOX").is_some() {
            eprintln!("kept: {}", self.root.display());
            return;
        }
        let strays = self.strays();
        // supervisord takes seconds to end what it started, one after the other; only that it does is a test of its own.
        self.end_processes();
        let removed = self.landfall(&["app", "remove", self.app.name(), "--yes"]);
        let left = self.processes();
        self.end_processes();
        self.disk = None;
        let _ = fs::remove_dir_all(&self.root);
        if !std::thread::panicking() {
            assert!(removed.status.success(), "app remove: {}", said(&removed));
            assert!(left.is_empty(), "left running: {left:#?}");
            assert!(
                strays.is_empty(),
                "nobody's any more, and running: {strays:#?}"
            );
        }
    }
}

fn environment(root: &Path) -> BTreeMap<String, String> {
    let path = |name: &str| root.join(name).to_string_lossy().into_owned();
    let mut env: BTreeMap<String, String> = MACHINE_VARIABLES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect();
    for (name, value) in [
        ("PATH", machine::PATH.to_owned()),
        ("HOME", path("user")),
        ("LANG", "C.UTF-8".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("LANDFALL_CONFIG_DIR", path("config")),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("GIT_CONFIG_GLOBAL", path("gitconfig")),
        ("GIT_TERMINAL_PROMPT", "0".to_owned()),
    ] {
        env.insert(name.to_owned(), value);
    }
    env
}

fn put(path: &Path, content: &[u8]) {
    let folder = path.parent().expect("a file lies in a folder");
    fs::create_dir_all(folder).expect("the folder can be made");
    fs::write(path, content).expect("the file can be written");
}

/// Makes a file executable.
pub(crate) fn make_executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

/// Both outputs of a command, for messages.
pub(crate) fn said(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
