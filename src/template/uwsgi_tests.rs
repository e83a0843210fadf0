//! The rendered configuration in a real uWSGI, from the wheel that a release's environment gets it from.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::golden::uwsgi;
use super::{Template, render};
use crate::base::command::{Cmd, output};
use crate::base::fs;
use crate::base::host::SYSTEM_PATH;
use crate::tool::http::HttpError;
use crate::tool::uwsgi::{get, ping};

const WAIT: Duration = Duration::from_secs(20);

/// What requests are answered with: a slow page, and the variables that matter.
const APP: &str = r#"
import os, time
def application(env, start_response):
    if env["PATH_INFO"] == "/slow":
        open("slow", "w").close()
        time.sleep(1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("wsgi.url_scheme", "PATH_INFO", "QUERY_STRING", "HTTP_HOST", "SCRIPT_NAME", "HTTP_X_FORWARDED_PROTO")
    return [" ".join([os.getcwd()] + [repr(env.get(name)) for name in names]).encode()]
"#;

/// An environment with uWSGI, made once: `target/uwsgi-for-tests`.
pub(crate) fn environment() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/uwsgi-for-tests");
        let run = |program: PathBuf, args: &[&str]| {
            let cmd = Cmd::new(program)
                .args(args.iter().copied())
                .env("PATH", SYSTEM_PATH)
                .env("HOME", "/tmp");
            output(&cmd.timeout(Duration::from_secs(180)))
        };
        if !place.join("bin/uwsgi").exists() {
            run(
                "/usr/bin/python3".into(),
                &["-m", "venv", place.to_str().unwrap()],
            )
            .expect("no Python environment: apt install python3-venv");
            run(
                place.join("bin/pip"),
                &["install", "--quiet", "pyuwsgi==2.0.30"],
            )
            .expect("no uWSGI from PyPI");
        }
        place
    })
}

struct Running {
    dir: TempDir,
    socket: PathBuf,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The workers notice that their master is gone, and end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(app: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("land 5%fall")
            .tempdir()
            .unwrap();
        let socket = dir.path().join("web.sock");
        fs::create_folder(&dir.path().join("notes")).unwrap();
        fs::write(
            &dir.path().join("notes/wsgi.py"),
            app.as_bytes(),
            fs::PUBLIC,
        )
        .unwrap();
        let ini = dir.path().join("uwsgi.ini");
        let text = render(Template::Uwsgi, &uwsgi(socket.clone())).unwrap();
        fs::write(&ini, text.as_bytes(), fs::PUBLIC).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Cmd::new(environment().join("bin/uwsgi"))
            .arg("--ini")
            .path_arg(&ini)
            .cwd(dir.path())
            .env("PATH", SYSTEM_PATH)
            .to_std()
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        Self { dir, socket, child }
    }

    /// As a deploy waits: while there is no answer yet, the application loads. Then until the master has started its last
    /// worker: a signal before that may wait for the mercy's end.
    fn wait(&self) -> Result<(), HttpError> {
        let deadline = Instant::now() + WAIT;
        loop {
            match ping(&self.socket, WAIT) {
                Ok(()) if self.log().contains("spawned uWSGI worker 2") => return Ok(()),
                Err(error) if !error.may_be_starting() || Instant::now() > deadline => {
                    return Err(error);
                }
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn log(&self) -> String {
        fs::read(&self.dir.path().join("log")).unwrap()
    }
}

#[test]
fn it_answers_as_behind_nginx_in_the_folder_it_was_started_in() {
    let running = Running::start(APP);
    running
        .wait()
        .unwrap_or_else(|error| panic!("{error}: {}", running.log()));
    let ask = |https| {
        get(
            &running.socket,
            "notes.example.org",
            "/a%20b/?q=1",
            https,
            WAIT,
        )
        .unwrap()
    };
    let folder = running.dir.path().canonicalize().unwrap();
    let rest = "'/a b/' 'q=1' 'notes.example.org' ''";
    assert_eq!(
        ask(true).text(),
        format!("{} 'https' {rest} 'https'", folder.display())
    );
    assert_eq!(
        ask(false).text(),
        format!("{} 'http' {rest} 'http'", folder.display())
    );
    assert_eq!(fs::mode(&running.socket).unwrap(), 0o666);
    assert_eq!(
        get(&running.socket, "x", "/", false, WAIT).unwrap().status,
        200
    );
}

#[test]
fn hup_lets_requests_finish_and_leaves_the_socket_to_a_successor() {
    let mut running = Running::start(APP);
    running.wait().unwrap();
    let socket = running.socket.clone();
    let slow = thread::spawn(move || get(&socket, "x", "/slow", false, WAIT));
    let deadline = Instant::now() + WAIT;
    while !running.dir.path().join("slow").exists() {
        assert!(Instant::now() < deadline, "the slow request never came");
        thread::sleep(Duration::from_millis(10));
    }
    kill(
        Pid::from_raw(running.child.id().cast_signed()),
        Signal::SIGHUP,
    )
    .unwrap();
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
    assert!(running.child.wait().unwrap().success());
    assert!(running.socket.exists());
    assert!(matches!(
        ping(&running.socket, WAIT),
        Err(HttpError::Refused(_))
    ));
}

#[test]
fn an_application_that_cannot_be_loaded_ends_it() {
    let mut running = Running::start("import no_such_module");
    assert!(!running.child.wait().unwrap().success());
    assert!(
        running.log().contains("no_such_module"),
        "{}",
        running.log()
    );
    assert!(matches!(
        ping(&running.socket, WAIT),
        Err(HttpError::Refused(_) | HttpError::NoSocket(_))
    ));
}
