//! L6: arguments in, words out. A file per command, a folder per group.

mod app;
mod attach;
mod cancel;
mod cert;
mod completions;
mod csr;
mod demo;
mod deploy;
mod env;
mod exec;
mod exit_code;
mod head;
mod hook;
mod init;
mod key;
mod log;
mod logs;
mod man;
mod output;
mod owner;
mod plan;
mod processes;
mod ps;
mod reference;
mod releases;
mod remote;
mod rollback;
mod server;
mod session;
mod shared;
mod site;
mod ssh;
mod status;
mod working;

#[cfg(any(fuzzing, debug_assertions))]
pub use ssh::judged;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::base::hint::{Hint, Report, chain};
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::stretch;
use crate::report::trace::Recorder;

/// Deploys a Django and Vue app to your own server by `git push`: whole, or not at all.
#[derive(Debug, Parser)]
#[command(
    name = "landfall",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = exit_code::HELP
)]
struct Args {
    /// The app; default: `LANDFALL_APP`, the home the directory lies in, or the only app there is.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Options of every command"
    )]
    app: Option<AppName>,

    /// Run the command where this remote of the clone leads, over ssh; default: `LANDFALL_REMOTE`.
    #[arg(
        long,
        global = true,
        value_name = "REMOTE",
        help_heading = "Options of every command"
    )]
    remote: Option<String>,

    /// Print data as JSON.
    #[arg(long, global = true, help_heading = "Options of every command")]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

/// What is asked of the whole program, besides the command.
#[derive(Debug)]
struct Globals {
    app: Option<AppName>,
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, list, show and remove apps.
    #[command(subcommand)]
    App(app::Command),
    /// In a project: write landfall.toml from what is detected.
    Init(init::Args),
    /// Show what deploying a revision would do; builds nothing.
    Plan(plan::Args),
    /// Deploy a revision without a push: a retry, another commit.
    Deploy(deploy::Args),
    /// Go back to an earlier release.
    Rollback(rollback::Args),
    /// Follow the running deploy to its end, and end as it does.
    Attach(attach::Args),
    /// End the running deploy before its commit is live.
    Cancel(cancel::Args),
    /// Show what is live.
    Status(status::Args),
    /// List the releases.
    Releases(releases::Args),
    /// A whole server in a temporary directory, real pushes to it, and a URL to open.
    Demo(demo::Args),
    /// Show what runs: supervisor's own truth.
    Ps(ps::Args),
    /// Show the log of a deploy.
    Log(log::Args),
    /// Show the logs of the app's processes and servers.
    Logs(logs::Args),
    /// Show and change the app's environment.
    #[command(subcommand)]
    Env(env::Command),
    /// Keep files and folders that are not in git.
    #[command(subcommand)]
    Shared(shared::Command),
    /// Make a request for a certificate, with a new key.
    Csr(csr::Args),
    /// Install certificates, and see how long they last.
    #[command(subcommand)]
    Cert(cert::Command),
    /// Root's half of a site: the server's nginx.
    #[command(subcommand)]
    Site(site::Command),
    /// Let people's ssh keys in, list them, let them in no more.
    #[command(subcommand)]
    Key(key::Command),
    /// Set up the server that apps live on, and check it.
    #[command(subcommand)]
    Server(server::Command),
    /// Print what a shell needs to complete command lines.
    Completions(completions::Args),
    /// Print the manual page, or write one for each command.
    Man(man::Args),
    /// What the installed git hooks call.
    #[command(hide = true)]
    Hook(hook::Args),
    /// What supervisor calls to start a process of a release.
    #[command(hide = true)]
    Exec(exec::Args),
    /// What sshd runs for a key of `landfall key`.
    #[command(hide = true)]
    Ssh(ssh::Args),
}

/// Runs the program: the one thing `main` does.
pub fn main() -> ExitCode {
    // Files are nginx's to read and nobody's but their owner's to write, whatever umask the caller has; secrets have modes of
    // their own.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let host = Host::from_process();
    start_tracing(&host);
    let args = match Args::try_parse_from(host.args()) {
        Ok(args) => args,
        Err(error) => return output::clap_error(&error),
    };
    let ended = if let Some(remote) = remote::wanted(&host, &args) {
        Err(remote::run(&host, &args, &remote))
    } else {
        let globals = Globals {
            app: args.app,
            json: args.json,
        };
        run(&host, &globals, args.command)
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Said(code)) => code,
        Err(Ended::Error(error)) => {
            output::error(error.as_ref());
            exit_code::of(error.kind())
        }
    }
}

fn run(host: &Host, globals: &Globals, command: Command) -> Result<(), Ended> {
    match command {
        Command::App(command) => app::run(host, globals, command),
        Command::Plan(args) => plan::run(host, globals, &args),
        Command::Deploy(args) => deploy::run(host, globals, &args),
        Command::Rollback(args) => rollback::run(host, globals, &args),
        Command::Attach(args) => attach::run(host, globals, &args),
        Command::Cancel(args) => cancel::run(host, globals, &args),
        Command::Status(args) => status::run(host, globals, &args),
        Command::Releases(args) => releases::run(host, globals, &args),
        Command::Demo(args) => demo::run(host, &args),
        Command::Ps(args) => ps::run(host, globals, &args),
        Command::Log(args) => log::run(host, globals, &args),
        Command::Logs(args) => logs::run(host, globals, &args),
        Command::Env(command) => env::run(host, globals, &command),
        Command::Shared(command) => shared::run(host, globals, &command),
        Command::Csr(args) => csr::run(host, globals, &args),
        Command::Cert(command) => cert::run(host, globals, &command),
        Command::Site(command) => site::run(host, globals, &command),
        Command::Key(command) => key::run(host, globals, &command),
        Command::Server(command) => server::run(host, globals, &command),
        Command::Init(args) => init::run(host, globals, &args),
        Command::Completions(args) => {
            completions::run(&args);
            Ok(())
        }
        Command::Man(args) => man::run(host, &args),
        Command::Hook(args) => hook::run(host, &args),
        Command::Exec(args) => exec::run(host, &args),
        Command::Ssh(args) => ssh::run(host, globals, &args),
    }
}

/// How a command ends when it does not end well.
enum Ended {
    /// It has said what there is to say; this is the exit code.
    Said(ExitCode),
    /// An error to be printed.
    Error(Report),
}

impl<E: Hint> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Error(Box::new(error))
    }
}

/// `LANDFALL_LOG=debug` shows on stderr what is run and how long it takes; what a deploy's trace shows is recorded always.
fn start_tracing(host: &Host) {
    let shown = host.var("LANDFALL_LOG").map(|filter| {
        let filter = filter.parse::<Targets>();
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .with_filter(filter.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::DEBUG)))
    });
    let recorded = Recorder.with_filter(filter_fn(|data| data.target() == stretch::TARGET));
    let _ = tracing_subscriber::registry()
        .with(shown)
        .with(recorded)
        .try_init();
}

/// The messages of an error below its own, outermost first.
fn causes(error: &dyn Hint) -> Vec<String> {
    error.source().map(chain).unwrap_or_default()
}
