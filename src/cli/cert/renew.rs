//! `landfall cert renew`
//!
//! takes: an app, or all of them · gives: a line for each: what was done, when next · touches: as `landfall cert issue`, where it
//! is time · undone by: itself, where anything fails

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::order::{Errand, take_turn};
use super::place::{self, Place};
use super::serve;
use crate::acme::account::Wish;
use crate::acme::renewal::{Due, Memory};
use crate::acme::standing::StandingOrder;
use crate::base::hint::{Hint, Kind, chain};
use crate::base::host::{Host, rfc3339};
use crate::base::names::AppName;
use crate::base::user;
use crate::cli::session;
use crate::cli::{Ended, Globals, output};
use crate::config::server::Mode;
use crate::tls::health::Life;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Root's. Renews what `landfall cert issue` ordered, with the same options, where it is time: when the authority says so, else when a \
third of the certificate's life is left (half, if that is ten days or less), or when a domain of the app is missing in it. After a \
failure the authority is left alone for a minute, then ten, a hundred, then a day, or as long as it asks for.

landfall-cert-renew.timer runs it for all apps twice a day. One app's failure does not keep the others; the exit code is 1 then.

Examples:
  sudo landfall cert renew --all
  sudo landfall cert renew --app notes --force
  sudo landfall cert renew --all --dry-run --json")]
pub(in crate::cli) struct Args {
    /// Every app of the server.
    #[arg(long)]
    all: bool,
    /// Renew though it is not time, or an attempt has just failed.
    #[arg(long)]
    force: bool,
    /// Say what would be done; ask nobody.
    #[arg(long)]
    dry_run: bool,
}

/// There is nothing to renew.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error(
        "the certificate of `{0}` was not ordered by `landfall cert issue`, and is not renewed"
    )]
    NotOrdered(AppName),
    #[error("certificates of the server's apps are root's")]
    NotRoot,
}

impl Hint for RenewError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotOrdered(app) => {
                vec![format!(
                    "have it renew itself: landfall cert issue --app {app}"
                )]
            }
            Self::NotRoot => vec!["sudo landfall cert renew".into()],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotOrdered(_) => Kind::NotFound,
            Self::NotRoot => Kind::Refused,
        }
    }
}

/// What came of it for one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Renewed,
    NotDue,
    Due,
    Waits,
    NotOrdered,
    Busy,
    Failed,
}

#[derive(Debug, Serialize)]
struct Row {
    app: String,
    result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_left: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Row {
    fn new(app: &str, result: Outcome) -> Self {
        Self {
            app: app.to_owned(),
            result,
            why: None,
            next: None,
            days_left: None,
            code: None,
            error: None,
        }
    }

    /// What, and when next.
    fn line(&self) -> String {
        let next = self.next.as_deref().unwrap_or("the next run");
        let why = self.why.unwrap_or_default();
        let what = match self.result {
            Outcome::Renewed => format!(
                "renewed, {} days left; next from {next} on",
                self.days_left.unwrap_or_default()
            ),
            Outcome::NotDue => format!("not due before {next}"),
            Outcome::Due => format!("would be renewed: {why}"),
            Outcome::Waits => format!("an attempt failed ({}); not before {next}", self.reason()),
            Outcome::NotOrdered => "not ordered by `landfall cert issue`, and not renewed".into(),
            Outcome::Busy => "another run is at it".into(),
            Outcome::Failed => format!("failed ({}); not before {next}", self.reason()),
        };
        format!("{}: {what}", self.app)
    }

    fn reason(&self) -> &str {
        let error = self.error.as_deref().unwrap_or("see its log");
        self.code.as_deref().unwrap_or(error)
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    if !user::is_root() {
        return Err(RenewError::NotRoot.into());
    }
    let mut rows = Vec::new();
    if args.all {
        for (name, file) in session::all_apps(host)? {
            match session::read_settings(&file) {
                Ok(app) if app.mode() != Mode::Server => continue,
                _ => {}
            }
            let row = of_file(host, &name, &file, args);
            if !globals.json {
                output::line(row.line());
            }
            rows.push(row);
        }
    } else {
        let place = place::of_root(host, globals, "cert renew")?;
        let Some(standing) = serve::in_force(&place)? else {
            return Err(RenewError::NotOrdered(place.app.name).into());
        };
        let row = renew(host, &place, &standing, args)?;
        if !globals.json {
            output::line(row.line());
        }
        rows.push(row);
    }
    if globals.json {
        output::json(&rows);
    }
    if rows.iter().any(|row| row.result == Outcome::Failed) {
        return Err(Ended::Said(ExitCode::FAILURE));
    }
    Ok(())
}

/// Whatever is wrong with one app stays with it.
fn of_file(host: &Host, name: &AppName, file: &Path, args: &Args) -> Row {
    let row = place::of_roots_file(file).and_then(|place| match serve::in_force(&place)? {
        Some(standing) => renew(host, &place, &standing, args),
        None => Ok(Row::new(name.as_str(), Outcome::NotOrdered)),
    });
    match row {
        Ok(row) => row,
        Err(Ended::Error(error)) if error.kind() == Kind::Busy => {
            Row::new(name.as_str(), Outcome::Busy)
        }
        Err(Ended::Error(error)) => {
            output::error(error.as_ref());
            Row {
                error: Some(error.to_string()),
                ..Row::new(name.as_str(), Outcome::Failed)
            }
        }
        Err(Ended::Said(_)) => Row::new(name.as_str(), Outcome::Failed),
    }
}

fn renew(host: &Host, place: &Place, standing: &StandingOrder, args: &Args) -> Result<Row, Ended> {
    let app = place.app.name.as_str();
    let now = host.now_unix();
    let _turn = take_turn(place)?;
    let names = standing.names(&place.domains)?;
    let roots = standing.roots(&place.store)?;
    let wish = Wish::default();
    let errand = Errand {
        host,
        place,
        standing,
        names: &names,
        roots: &roots,
        roots_text: None,
        wish: &wish,
        is_trial: false,
        is_quiet: true,
    };
    let served = place.store.chain()?.unwrap_or_default();
    let Some(leaf) = served.first() else {
        return Err(RenewError::NotOrdered(place.app.name.clone()).into());
    };
    let mut memory = Memory::of(&place.store)?;
    if !args.dry_run && !args.force {
        errand.ask_window(leaf, &mut memory)?;
    }
    let has_all = names
        .iter()
        .all(|name| leaf.names.iter().any(|has| has == name.as_str()));
    let failed = memory.failed.clone();
    let why = match memory.due(leaf, !has_all, now) {
        _ if args.force => "--force",
        Due::Now(why) => why.words(),
        Due::At(next) => {
            return Ok(Row {
                next: Some(rfc3339(next)),
                ..Row::new(app, Outcome::NotDue)
            });
        }
        Due::Paused(why, next) => {
            return Ok(Row {
                why: Some(why.words()),
                next: Some(rfc3339(next)),
                code: failed.as_ref().and_then(|failed| failed.code.clone()),
                error: failed.map(|failed| failed.message),
                ..Row::new(app, Outcome::Waits)
            });
        }
    };
    if args.dry_run {
        errand.rehearse()?;
        return Ok(Row {
            why: Some(why),
            ..Row::new(app, Outcome::Due)
        });
    }
    match errand.run() {
        Ok(done) => {
            let next = match Memory::of(&place.store)?.due(&done.leaf, false, now) {
                Due::At(next) | Due::Paused(_, next) => next,
                Due::Now(_) => now,
            };
            Ok(Row {
                why: Some(why),
                next: Some(rfc3339(next)),
                days_left: Some(Life::of(&done.leaf, now).days_left),
                ..Row::new(app, Outcome::Renewed)
            })
        }
        Err(error) => {
            output::error(&error);
            let memory = Memory::of(&place.store)?;
            Ok(Row {
                why: Some(why),
                next: Some(rfc3339(memory.not_before)),
                code: memory.failed.and_then(|failed| failed.code),
                error: Some(chain(&error).join(": ")),
                ..Row::new(app, Outcome::Failed)
            })
        }
    }
}
