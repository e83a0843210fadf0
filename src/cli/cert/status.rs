//! `landfall cert status`
//!
//! takes: an app, all of them, or an address · gives: how its certificate is · touches: nothing

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::process::ExitCode;

use super::look::{Asked, Look};
use super::{notify, place};
use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::words::count;
use crate::cli::session;
use crate::cli::{Ended, Globals, output};
use crate::config::server::Mode;
use crate::tls::health::{Grade, Limits};
use crate::tls::roots::Roots;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Expiry, names, chain, modes of files, what nginx shows beside what is on disk, and requests that wait. It warns when a third of \
the certificate's life is left (half, if that is ten days or less), and is critical at a sixth: --warn and --crit set days instead.

The exit code is what monitoring programs expect, not that of other commands: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. The timer \
landfall-cert-status.timer asks for all apps once a day; with --notify, /etc/landfall/notify is told what has changed.

Examples:
  landfall cert status --app notes
  landfall cert status --all --json
  landfall cert status --host example.org:443 --warn 20 --crit 7")]
pub(in crate::cli) struct Args {
    /// Every app of the server.
    #[arg(long, conflicts_with = "host")]
    all: bool,
    /// What that server shows, whoever's it is.
    #[arg(long, value_name = "HOST:PORT")]
    host: Option<String>,
    /// Tell /etc/landfall/notify what has changed since it was told last, and once a week what stays bad.
    #[arg(long, requires = "all")]
    notify: bool,
    /// Warn when so many days are left, not at a share of its life.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16))]
    warn: Option<u16>,
    /// Critical when so many days are left.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16))]
    crit: Option<u16>,
    /// The roots to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

impl Args {
    /// True if it reads what the app's own user can read, and connects nowhere else.
    pub(super) fn is_of_one_app(&self) -> bool {
        !self.all && self.host.is_none() && self.roots.is_none()
    }
}

/// It cannot be asked.
#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error("`{0}` is not HOST:PORT")]
    Address(String),
    #[error("the address of {0} cannot be found")]
    Resolve(String, #[source] std::io::Error),
    #[error("{0} has no address")]
    NoAddress(String),
}

impl Hint for StatusError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Address(_) => vec!["--host example.org:443".into()],
            Self::Resolve(..) | Self::NoAddress(_) => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Address(_) => Kind::Usage,
            Self::Resolve(..) | Self::NoAddress(_) => Kind::NotFound,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let looks = match looks(host, globals, args) {
        Ok(looks) => looks,
        // A monitoring program reads the code: what could not be asked is not known.
        Err(Ended::Error(error)) => {
            output::error(error.as_ref());
            return Err(Ended::Said(ExitCode::from(Grade::Unknown as u8)));
        }
        Err(said) => return Err(said),
    };
    let grade = looks
        .iter()
        .fold(Grade::Ok, |worst, look| worst.worst(look.grade));
    if globals.json {
        output::json(&looks);
    } else {
        for look in &looks {
            for line in lines(look) {
                output::line(line);
            }
        }
        if looks.is_empty() {
            output::say("no app of this server has a certificate");
        }
    }
    let grade = if args.notify {
        told(host, &looks, grade)
    } else {
        grade
    };
    match grade {
        Grade::Ok => Ok(()),
        grade => Err(Ended::Said(ExitCode::from(grade as u8))),
    }
}

/// The grade, once people were told. Where they could not be, that is not OK either.
fn told(host: &Host, looks: &[Look], grade: Grade) -> Grade {
    match notify::tell(host, looks) {
        Ok(()) => grade,
        Err(error) => {
            output::error(&error);
            grade.worst(Grade::Unknown)
        }
    }
}

fn looks(host: &Host, globals: &Globals, args: &Args) -> Result<Vec<Look>, Ended> {
    let roots = match &args.roots {
        Some(file) => Roots::of_file(&fs::read_bytes(&host.absolute(file))?)?,
        None => Roots::of_system(),
    };
    let asked = Asked {
        roots: &roots,
        limits: Limits {
            warn: args.warn.map(i64::from),
            crit: args.crit.map(i64::from),
        },
        now: host.now_unix(),
    };
    if let Some(to) = &args.host {
        return Ok(vec![elsewhere(to, &asked)?]);
    }
    if !args.all {
        let place = place::of_file(&session::find(host, globals)?)?;
        return Ok(vec![Look::at_app(&place, &asked)]);
    }
    let mut looks = Vec::new();
    for (name, file) in session::all_apps(host)? {
        match session::read_settings(&file) {
            Ok(app) if app.mode() != Mode::Server => {}
            Ok(_) => looks.push(Look::at_app(&place::of_file(&file)?, &asked)),
            Err(error) => looks.push(Look::unknown(name.to_string(), error.to_string())),
        }
    }
    Ok(looks)
}

fn elsewhere(to: &str, asked: &Asked<'_>) -> Result<Look, StatusError> {
    let shown = output::fit(to);
    let (host, port) = to
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .ok_or_else(|| StatusError::Address(shown.clone()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| StatusError::Resolve(shown.clone(), error))?;
    let address = addresses
        .next()
        .ok_or_else(|| StatusError::NoAddress(shown.clone()))?;
    Ok(Look::at_address(&shown, host, address, asked))
}

/// The first line is what monitoring programs show.
fn lines(look: &Look) -> Vec<String> {
    let mut head = format!("{} {}", look.grade.word(), look.of);
    if let Some(life) = look.life {
        let until = look.not_after.as_deref().unwrap_or_default();
        let (left, percent) = (life.days_left, life.percent_left);
        head = format!(
            "{head}: {left} of {} days left ({percent} %), until {until}",
            life.days
        );
    }
    let mut lines = vec![head];
    for problem in &look.problems {
        lines.push(format!(
            "  {}: {}",
            problem.grade.word().to_lowercase(),
            problem.message
        ));
    }
    let mut row = |name: &str, value: String| lines.push(format!("  {name:<8} {value}"));
    if !look.names.is_empty() {
        row("names", look.names.join(", "));
    }
    if !look.names_extra.is_empty() {
        row("besides", look.names_extra.join(", "));
    }
    if let (Some(issuer), Some(key)) = (&look.issuer, &look.key) {
        row(
            "issuer",
            format!(
                "{issuer}, and {}",
                count(look.intermediates, "intermediate")
            ),
        );
        row("key", key.clone());
    }
    if let Some(renewal) = &look.renewal {
        row(
            "renewal",
            format!("from {} on, by {}", renewal.next, renewal.directory),
        );
        if let Some(failure) = &renewal.last_failure {
            row("failed", failure.clone());
        }
    }
    for waiting in look.pending.iter().flatten() {
        row(
            "waiting",
            format!(
                "a request since {} ({})",
                waiting.since,
                count(usize::try_from(waiting.days).unwrap_or(0), "day")
            ),
        );
    }
    lines
}
