//! `landfall demo`: a whole server in a temporary directory, real pushes to it, and a URL to open.
//!
//! takes: nothing · gives: a running site, exit code 0 only if every step was checked over HTTP · touches: one directory
//! and the processes in it · undone by: `landfall demo stop`

mod journey;
mod visitor;

use std::path::PathBuf;
use std::time::Duration;

use crate::base::command::CommandError;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::recover;

use super::session::Session;
use super::{Ended, output};

/// How long the demo's processes may take to end.
const STOP: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Makes an app in a temporary directory, commits the example project, really pushes it, then pushes a backend change, a
frontend change and a broken commit, and rolls back. Each step is checked over HTTP, and a visitor asks all the while.
The site is left running.

Examples:
  landfall demo
  landfall demo --dir /tmp/try      where everything lies
  landfall demo stop                end its processes, remove its directory"
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Where everything lies [default: landfall-demo-UID in the temporary directory].
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// End every process of the demo and remove its directory.
    #[command(after_help = "\
Ends only processes that the demo started, and removes only a directory that the demo made.

Examples:
  landfall demo stop
  landfall demo stop --dir /tmp/try")]
    Stop,
}

/// The demo did not go as it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    /// There is one already.
    #[error("a demo is there already, in {}", .0.display())]
    Running(PathBuf),
    /// The directory holds something else.
    #[error("{} is not a demo's directory", .0.display())]
    NotADemo(PathBuf),
    /// A command failed that should not.
    #[error("a command of the demo failed")]
    Command(#[from] CommandError),
    /// A broken commit was accepted.
    #[error("the broken commit was not rejected")]
    Accepted,
    /// The site does not show what it should.
    #[error("{url} should show {wanted}, but {found}")]
    Page {
        /// What was asked for.
        url: String,
        /// What should be there.
        wanted: String,
        /// What is.
        found: String,
    },
    /// Requests were lost.
    #[error("{failed} of {all} requests failed while the demo ran; the first: {first}")]
    Lost {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
        /// What happened to the first of them.
        first: String,
    },
    /// No port is free.
    #[error("no port between 8000 and 8999 is free")]
    NoPort,
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for DemoError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Running(_) => vec!["landfall demo stop".into()],
            Self::NotADemo(_) => vec!["choose another: landfall demo --dir DIR".into()],
            Self::Command(error) => error.hints(),
            Self::Fs(error) => error.hints(),
            _ => vec!["what was left is still there to look at; then: landfall demo stop".into()],
        }
    }

    fn tool_output(&self) -> &[String] {
        // The commands' output was shown as it came.
        &[]
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Running(_) => Kind::Busy,
            Self::NotADemo(_) => Kind::Usage,
            _ => Kind::Failed,
        }
    }
}

pub(super) fn run(host: &Host, args: &Args) -> Result<(), Ended> {
    let dir = args
        .dir
        .as_ref()
        .map_or_else(|| default_dir(host), |dir| host.absolute(dir));
    match args.action {
        None => journey::run(host, &Demo::at(dir)).map_err(Ended::from),
        Some(Action::Stop) => stop(host, &Demo::at(dir)),
    }
}

fn default_dir(host: &Host) -> PathBuf {
    let temporary = host
        .path_var("TMPDIR")
        .unwrap_or_else(|| PathBuf::from("/tmp"));
    temporary.join(format!("landfall-demo-{}", nix::unistd::Uid::effective()))
}

/// Where the demo's things lie.
struct Demo {
    dir: PathBuf,
}

impl Demo {
    /// The name of the demo's app.
    const APP: &'static str = "notes";

    fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn config(&self) -> PathBuf {
        self.dir.join("config")
    }

    fn home(&self) -> PathBuf {
        self.dir.join("server/notes")
    }

    fn project(&self) -> PathBuf {
        self.dir.join("notes")
    }

    fn settings(&self) -> PathBuf {
        self.config().join("apps/notes.toml")
    }

    /// A directory is a demo's when it holds its settings, or was begun by one.
    fn marker(&self) -> PathBuf {
        self.dir.join(".landfall-demo")
    }
}

fn stop(host: &Host, demo: &Demo) -> Result<(), Ended> {
    if !demo.dir.exists() {
        output::say("there is no demo to stop");
        return Ok(());
    }
    if !demo.marker().exists() {
        return Err(DemoError::NotADemo(demo.dir.clone()).into());
    }
    if demo.settings().exists() {
        let session = Session::open_file(&demo.settings())?;
        recover::daemon(&session.context(host)).stop(STOP)?;
    }
    fs::remove_tree(&demo.dir)?;
    output::say(format!(
        "the demo's processes are ended and {} is removed",
        demo.dir.display()
    ));
    Ok(())
}
