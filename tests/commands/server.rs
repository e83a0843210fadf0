//! A server in a temporary directory: apps made by `app create`, commands run by the real binary, outputs whole.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Django project that is enough for detection.
pub(super) const PROJECT: [(&str, &str); 5] = [
    (
        "manage.py",
        "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'app.settings')\n",
    ),
    (
        "app/settings.py",
        "from .localsettings import *\nfrom pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\nMEDIA_ROOT = BASE_DIR / 'media'\nWSGI_APPLICATION = 'app.wsgi.application'\n",
    ),
    ("app/localsettings.py.example", "DEBUG = False\n"),
    ("app/wsgi.py", "application = None\n"),
    ("requirements.txt", "Django\n"),
];

/// A directory with the apps' settings, homes, and whatever a test puts there. Its apps end with it.
pub(super) struct Server {
    dir: tempfile::TempDir,
}

/// What a command printed, with what differs from run to run replaced: `DIR`, `PORT`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ran {
    /// Its exit code.
    pub(super) code: i32,
    /// What it gave.
    pub(super) out: String,
    /// What it said.
    pub(super) err: String,
}

/// What is expected of a command that says nothing but its data.
pub(super) fn gives(out: &str) -> Ran {
    Ran {
        code: 0,
        out: out.to_owned(),
        err: String::new(),
    }
}

/// What is expected of a command that gives no data.
pub(super) fn says(code: i32, err: &str) -> Ran {
    Ran {
        code,
        out: String::new(),
        err: err.to_owned(),
    }
}

impl Server {
    /// An empty one.
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("lf").tempdir();
        Self {
            dir: dir.expect("a temporary directory"),
        }
    }

    /// One with the app `notes`.
    pub(super) fn with_app() -> Self {
        let server = Self::new();
        let listen = format!("127.0.0.1:{}", free_port());
        let made = server.run(&[
            "app", "create", "notes", "--home", "home", "--listen", &listen,
        ]);
        assert_eq!(made.code, 0, "{made:?}");
        server
    }

    /// A path in the directory.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file.
    pub(super) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        landfall::base::fs::create_folder(path.parent().expect("a folder")).expect("made");
        landfall::base::fs::write(&path, text.as_bytes(), 0o644).expect("written");
        path
    }

    /// Reads a file.
    pub(super) fn read(&self, path: &str) -> String {
        landfall::base::fs::read(&self.path(path)).expect("there")
    }

    /// Makes a commit of these files the head of the app's branch, as an accepted push would, but without a deploy.
    pub(super) fn commit(&self, files: &[(&str, &str)]) {
        self.commit_to("project", files);
        let repository = self.path("home/notes.git");
        let from = self.path("project").to_string_lossy().into_owned();
        self.git(&repository, &["fetch", "--quiet", &from, "master:master"]);
    }

    /// Makes a commit of these files in a clone.
    pub(super) fn commit_to(&self, clone: &str, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.write(&format!("{clone}/{path}"), text);
        }
        let project = self.path(clone);
        for args in [
            &["init", "--quiet", "--initial-branch=master"][..],
            &["add", "--all"],
            &[
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "commit",
                "--quiet",
                "-m",
                "First",
            ],
        ] {
            self.git(&project, args);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test runs programs itself")]
    pub(super) fn git(&self, dir: &Path, args: &[&str]) {
        let status = Command::new("git")
            .args(args)
            .current_dir(dir)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .status();
        assert!(
            status.expect("git is not installed").success(),
            "git {args:?}"
        );
    }

    /// Gives everything below a path to another user.
    #[expect(clippy::disallowed_methods, reason = "a test runs programs itself")]
    pub(super) fn chown(&self, path: &str, user: u32) {
        let status = Command::new("chown")
            .args(["-R", &user.to_string()])
            .arg(self.path(path))
            .status();
        assert!(status.expect("chown runs").success());
    }

    /// Runs a command, in the directory.
    pub(super) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs a command with text for its standard input.
    pub(super) fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).spawn().expect("landfall starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that does not read its input may have ended already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        self.ran(&output)
    }

    /// Runs a command of [`Server::command`] to its end.
    pub(super) fn finish(&self, command: &mut Command) -> Ran {
        let output = command.stdin(Stdio::null()).output().expect("it starts");
        self.ran(&output)
    }

    fn ran(&self, output: &std::process::Output) -> Ran {
        let clean = |bytes: &[u8]| self.clean(&String::from_utf8_lossy(bytes));
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: clean(&output.stdout),
            err: clean(&output.stderr),
        }
    }

    /// The command, not started.
    #[expect(clippy::disallowed_methods, reason = "a test runs programs itself")]
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", self.dir.path())
            .env("LANDFALL_CONFIG_DIR", self.path("config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The port of the app `notes`.
    pub(super) fn port(&self) -> Option<String> {
        let settings = landfall::base::fs::read(&self.path("config/apps/notes.toml")).ok()?;
        let listen = settings
            .lines()
            .find(|line| line.starts_with("listen = "))?;
        Some(listen.rsplit(':').next()?.trim_end_matches('"').to_owned())
    }

    fn clean(&self, text: &str) -> String {
        let text = text.replace(&*self.dir.path().to_string_lossy(), "DIR");
        match self.port() {
            Some(port) => text.replace(&port, "PORT"),
            None => text,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let apps = landfall::base::fs::list(&self.path("config/apps")).unwrap_or_default();
        for app in apps {
            let name = app
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned());
            let _ = self.run(&["app", "remove", &name.unwrap_or_default(), "--yes"]);
        }
    }
}

/// A port that is free now.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
