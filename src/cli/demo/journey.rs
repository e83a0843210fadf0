//! The demo's steps, each checked over HTTP.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use include_dir::{Dir, include_dir};

use super::visitor::Visitor;
use super::{Demo, DemoError};
use crate::base::command::{self, Cmd};
use crate::base::fs;
use crate::base::hint::Hint;
use crate::base::host::{Host, SYSTEM_PATH};
use crate::base::words::shorten;
use crate::cli::output;
use crate::tool::{git, http};

/// The example app, as it is in `examples/notes`.
static EXAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/notes");

const BACKEND: &str = "notesBackEnd/notesBackEnd/release.py";
const FRONTEND: &str = "notes-front-end/src/release.js";
const VIEWS: &str = "notesBackEnd/board/views.py";
/// The two files that are not in git, with the examples they are made from.
const OUTSIDE_GIT: [&str; 2] = [
    "notesBackEnd/notesBackEnd/localsettings.py",
    "notes-front-end/src/variables/localVariables.js",
];
const REQUEST: Duration = Duration::from_secs(10);

/// Makes the server, pushes to it, breaks a commit, rolls back.
pub(super) fn run(host: &Host, demo: &Demo) -> Result<(), DemoError> {
    let address = begin(demo)?;
    let journey = Journey {
        host,
        demo,
        address,
    };
    journey.an_app()?;
    journey.first_push()?;
    let visitor = Visitor::send(address);
    let walked = journey.changes();
    let asked = visitor.call_back();
    walked?;
    journey.farewell(asked?);
    Ok(())
}

/// An empty directory, and a free port.
fn begin(demo: &Demo) -> Result<SocketAddr, DemoError> {
    if demo.marker().exists() {
        return Err(DemoError::Running(demo.dir.clone()));
    }
    if !fs::list(&demo.dir)?.is_empty() {
        return Err(DemoError::NotADemo(demo.dir.clone()));
    }
    fs::create_folder_with_mode(&demo.dir, 0o700)?;
    fs::write(
        &demo.marker(),
        b"made by landfall demo; landfall demo stop removes this directory\n",
        fs::PUBLIC,
    )?;
    (8000..9000)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .ok_or(DemoError::NoPort)
}

struct Journey<'a> {
    host: &'a Host,
    demo: &'a Demo,
    address: SocketAddr,
}

impl Journey<'_> {
    fn an_app(&self) -> Result<(), DemoError> {
        title("A server for one app, in a directory of its own");
        let project = self.demo.project();
        fs::create_folder(&project)?;
        extract(&EXAMPLE, &project)?;
        let home = self.demo.home().to_string_lossy().into_owned();
        let listen = self.address.to_string();
        self.landfall(&[
            "app",
            "create",
            Demo::APP,
            "--home",
            &home,
            "--listen",
            &listen,
        ])?;
        title("Two files are not in git; the server keeps them");
        for path in OUTSIDE_GIT {
            let example = format!("{path}.example");
            shown(&format!("landfall shared add {path} \\"));
            say(&format!("      --from {example}"));
            self.quietly(self.landfall_command(&["shared", "add", path, "--from", &example]))?;
        }
        Ok(())
    }

    fn first_push(&self) -> Result<(), DemoError> {
        title("The first push: Django, Vue, Celery, from nothing");
        self.git(&["init", "--quiet", "--initial-branch=master"])?;
        let repository = self
            .demo
            .home()
            .join("notes.git")
            .to_string_lossy()
            .into_owned();
        self.git(&["remote", "add", "production", &repository])?;
        self.commit("Notes")?;
        self.push()?;
        self.expect("/", "release 1", r#"<meta name="release" content="1">"#)?;
        self.expect("/api/about/", "release 1", r#""release":"1""#)?;
        self.expect("/admin/login/", "Django's login", "csrfmiddlewaretoken")
    }

    /// What happens under the visitor's eyes.
    fn changes(&self) -> Result<(), DemoError> {
        title("A backend change: nothing of the frontend is built");
        self.change(BACKEND, "\"1\"", "\"2\"")?;
        self.commit("Backend: release 2")?;
        self.push()?;
        self.expect("/api/about/", "release 2", r#""release":"2""#)?;

        title("A frontend change: nothing of Python is built");
        self.change(FRONTEND, "\"1\"", "\"2\"")?;
        self.commit("Frontend: release 2")?;
        self.push()?;
        self.expect("/", "release 2", r#"<meta name="release" content="2">"#)?;

        title("A broken commit: rejected, while the site goes on");
        self.change(VIEWS, "import os\n", "import os\nimport no_such_module\n")?;
        self.commit("Backend: import what is not there")?;
        if self.push().is_ok() {
            return Err(DemoError::Accepted);
        }
        self.expect("/api/about/", "release 2", r#""release":"2""#)?;
        self.git(&["reset", "--quiet", "--hard", "HEAD~1"])?;

        title("A rollback: no build, one rename");
        self.landfall(&["rollback"])?;
        self.expect("/", "release 1", r#"<meta name="release" content="1">"#)?;
        self.expect("/api/about/", "release 2", r#""release":"2""#)
    }

    fn farewell(&self, requests: usize) {
        let exe = self.host.exe().display();
        let config = self.demo.config();
        title("Done");
        say(&format!(
            "{requests} requests were made meanwhile; every one was answered"
        ));
        output::line("");
        output::line(format!("  http://{}", self.address));
        output::line("");
        say("to try next:");
        say(&format!(
            "  cd {}        # change something, commit, git push production master",
            self.demo.project().display()
        ));
        say(&format!(
            "  export LANDFALL_CONFIG_DIR={}",
            config.display()
        ));
        for command in [
            "status", "releases", "ps", "log", "logs web", "plan", "rollback",
        ] {
            say(&format!("  {exe} {command}"));
        }
        say("to end it and remove everything:");
        say(&format!("  {exe} demo stop"));
    }

    /// Changes a file of the project.
    fn change(&self, path: &str, from: &str, to: &str) -> Result<(), DemoError> {
        let file = self.demo.project().join(path);
        let text = fs::read(&file)?.replacen(from, to, 1);
        Ok(fs::write(&file, text.as_bytes(), fs::PUBLIC)?)
    }

    fn commit(&self, message: &str) -> Result<(), DemoError> {
        self.git(&["add", "--all"])?;
        shown(&format!("git commit -m \"{message}\""));
        self.git(&["commit", "--quiet", "--message", message])
    }

    fn push(&self) -> Result<(), DemoError> {
        shown("git push production master");
        self.run(git::git(&self.demo.project()).args(["push", "production", "master"]))
    }

    fn git(&self, args: &[&str]) -> Result<(), DemoError> {
        self.run(git::git(&self.demo.project()).args(args.iter().copied()))
    }

    fn landfall(&self, args: &[&str]) -> Result<(), DemoError> {
        shown(&format!("landfall {}", shell_words::join(args)));
        self.run(self.landfall_command(args))
    }

    fn landfall_command(&self, args: &[&str]) -> Cmd {
        let config = self.demo.config().to_string_lossy().into_owned();
        Cmd::new(self.host.exe())
            .args(args.iter().copied())
            .cwd(&self.demo.project())
            .env("LANDFALL_CONFIG_DIR", config)
    }

    /// Runs a command and shows what it prints, as it comes.
    fn run(&self, cmd: Cmd) -> Result<(), DemoError> {
        Ok(command::run(&self.prepared(cmd), &|line: &str| {
            say(line.trim_end());
        })?)
    }

    /// Runs a command whose success says enough.
    fn quietly(&self, cmd: Cmd) -> Result<(), DemoError> {
        if let Err(error) = command::output(&self.prepared(cmd)) {
            for line in error.tool_output() {
                say(line);
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// With the caller's PATH: this is the developer's side.
    fn prepared(&self, cmd: Cmd) -> Cmd {
        let path = self.host.var("PATH").unwrap_or(SYSTEM_PATH).to_owned();
        cmd.env("PATH", path).envs(self.host.machine_variables())
    }

    /// Asks the site; the answer must be 200 and hold `text`.
    fn expect(&self, path: &str, wanted: &str, text: &str) -> Result<(), DemoError> {
        let url = format!("http://{}{path}", self.address);
        let failed = |found: String| DemoError::Page {
            url: url.clone(),
            wanted: wanted.into(),
            found,
        };
        match http::get(self.address, &self.address.to_string(), path, REQUEST) {
            Ok(response) if response.status == 200 && response.text().contains(text) => {
                output::say(format!("   ✓ {url} shows {wanted}"));
                Ok(())
            }
            Ok(response) => Err(failed(format!(
                "answers {}: {}",
                response.status,
                shorten(response.text().trim(), 120)
            ))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

fn extract(dir: &Dir<'_>, to: &std::path::Path) -> Result<(), DemoError> {
    for file in dir.files() {
        let path = to.join(file.path());
        if let Some(folder) = path.parent() {
            fs::create_folder(folder)?;
        }
        fs::write(
            &path,
            file.contents(),
            if path.ends_with("manage.py") {
                0o755
            } else {
                fs::PUBLIC
            },
        )?;
    }
    for folder in dir.dirs() {
        extract(folder, to)?;
    }
    Ok(())
}

fn title(text: &str) {
    output::say(format!("\n── {text}"));
}

fn shown(command: &str) {
    output::say(format!("   $ {command}"));
}

fn say(text: &str) {
    if !text.is_empty() {
        output::say(format!("   {text}"));
    }
}
