//! L5: the rollback: an earlier release is booted again beside the live one, asked, and made live by the same rename.
//!
//! Its files, frontend and Python environment are all still there; nothing is built.

use std::time::Instant;

use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::names::ReleaseId;
use crate::base::words::{count, list};
use crate::deploy::{self, Failure, Goer};
use crate::event::{Event, Outcome, Stage};
use crate::recover;
use crate::release::layout::ReleaseDir;
use crate::release::process::Processes;
use crate::release::record::{AppliedMigration, Record};
use crate::release::store::{self, StoreError};
use crate::stage::{Context, boot, discard, health, render, replace, site};

/// A rollback that is not possible, or not without being told to.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// There is no earlier good release.
    #[error("there is no earlier release to go back to")]
    NothingEarlier,
    /// The release serves already.
    #[error("release {0} is live already")]
    AlreadyLive(ReleaseId),
    /// The release never was live.
    #[error("release {0} never was live")]
    NeverLive(ReleaseId),
    /// Later releases changed the database.
    #[error("{} applied after release {to}: {}", count(migrations.len(), "migration"), list(migrations))]
    Migrations {
        /// Where the rollback would go.
        to: ReleaseId,
        /// What later releases applied, as `app.name`.
        migrations: Vec<String>,
    },
    /// The releases on disk could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hint for RollbackError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Migrations { to, .. } => vec![
                format!(
                    "if release {to} works with the database as it is: landfall rollback {to} --keep-database"
                ),
                "else push a commit that reverts the change and its migrations".into(),
            ],
            Self::Store(error) => error.hints(),
            _ => vec!["landfall releases".into()],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Migrations { .. } => Kind::Refused,
            Self::Store(error) => error.kind(),
            _ => Kind::NotFound,
        }
    }
}

/// Finds the release to go back to: `wanted`, or the good one that was live last before the live one.
pub fn target(
    ctx: &Context<'_>,
    wanted: Option<ReleaseId>,
    keep_database: bool,
) -> Result<Record, RollbackError> {
    let live = store::live(ctx.home)?;
    let target = match wanted {
        Some(wanted) if Some(wanted) == live => return Err(RollbackError::AlreadyLive(wanted)),
        Some(wanted) => store::read(&ctx.home.release(wanted))?,
        None => store::rollback_targets(ctx.home)?
            .into_iter()
            .next()
            .ok_or(RollbackError::NothingEarlier)?,
    };
    if !target.state.is_good() {
        return Err(RollbackError::NeverLive(target.release));
    }
    let migrations = applied_since(ctx, &target)?;
    if !migrations.is_empty() && !keep_database {
        return Err(RollbackError::Migrations {
            to: target.release,
            migrations,
        });
    }
    Ok(target)
}

/// The migrations that releases made after `target` applied.
fn applied_since(ctx: &Context<'_>, target: &Record) -> Result<Vec<String>, RollbackError> {
    let later = store::records(ctx.home)?
        .into_iter()
        .filter(|record| record.release > target.release && record.state.is_good());
    Ok(later
        .flat_map(|record| record.migrations)
        .map(|migration: AppliedMigration| migration.label())
        .collect())
}

/// Goes back to `target`. What fails is undone, and the live release stays.
pub fn run(ctx: &Context<'_>, target: &Record) -> Result<(), Failure> {
    let begun = ctx.host.now();
    ctx.events.emit(&Event::Began {
        app: ctx.home.app().to_string(),
        source: format!("rollback to release {}", target.release),
        commit: target.commit.clone(),
        subject: target.subject.clone(),
    });
    let release = ctx.home.release(target.release);
    prepare(ctx, target, &release).inspect_err(|failure| {
        ctx.events.failed(failure.stage, failure.error.as_ref());
        let _ = fs::remove_file(&ctx.home.next_programs());
        discard::stop(ctx, target.release);
    })?;
    deploy::go_live(ctx, target.release, Goer::Again, begun)
}

fn prepare(ctx: &Context<'_>, target: &Record, release: &ReleaseDir) -> Result<(), Failure> {
    fn at<E: Hint>(stage: Stage) -> impl Fn(E) -> Failure {
        move |error| Failure {
            stage,
            error: Box::new(error),
        }
    }
    recover::run(ctx).map_err(at(Stage::Plan))?;
    let mut processes = Processes::read(release).map_err(at(Stage::Plan))?;
    // Its first processes may still be finishing; the new ones get names of their own.
    processes.start += 1;
    processes.write(release).map_err(at(Stage::Render))?;
    render::write_programs(ctx, &processes, release).map_err(at(Stage::Render))?;
    if site::changed(ctx, release).map_err(at(Stage::Render))? {
        site::test(ctx, release).map_err(at(Stage::Render))?;
    }
    if !target.checks.backend || replace::is_wanted(ctx) {
        // Where it replaces the live one, it starts when it goes live.
        return Ok(());
    }
    let running = ctx.events.start(Stage::Boot);
    let since = Instant::now();
    let booting = boot::start(ctx, &processes, release).map_err(at(Stage::Boot))?;
    boot::wait(ctx, &booting, release, &target.checks).map_err(at(Stage::Boot))?;
    tracing::debug!(ms = since.elapsed().as_millis(), "booted");
    running.end(Outcome::done("application loaded"));
    health::run(ctx, &target.checks, release).map_err(at(Stage::Health))
}
