//! migrate: static files are collected, migrations shown and applied.
//!
//! takes: the Django session, the release · gives: what was applied · touches: the database, `STATIC_ROOT` · undone by:
//! [`undo`], where every migration can be unapplied and touches the schema only

use std::path::{Path, PathBuf};

use super::Context;
use super::django::Django;
use super::plan::Plan;
use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::unchanged;
use crate::base::words::{count, first_of, list};
use crate::event::{Outcome, Stage};
use crate::release::compressed;
use crate::release::layout::ReleaseDir;
use crate::release::record::AppliedMigration;
use crate::release::store::{self, StoreError};
use crate::tool::django::{DjangoError, Introspection, MigrationPlan};

/// How many names a line shows.
const NAMED: usize = 4;

/// Data would be lost, or a migration failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Something the app writes lies in the release's folder, which the next deploy leaves behind.
    #[error("{what} `{path}` lies inside the release; the next deploy would start without it")]
    DataInRelease {
        /// What it is.
        what: &'static str,
        /// Its path in the repository.
        path: String,
        /// The command that keeps it.
        keep: String,
    },
    /// Django could not collect static files.
    #[error("collectstatic failed")]
    Static(#[source] DjangoError),
    /// The pending migrations could not be planned.
    #[error("the migrations cannot be planned")]
    Plan(#[source] DjangoError),
    /// A migration failed.
    #[error("a migration failed")]
    Apply(#[source] DjangoError),
    /// A record could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A link could not be made.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for MigrateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::DataInRelease { keep, .. } => vec![keep.clone()],
            Self::Static(error) | Self::Plan(error) | Self::Apply(error) => error.hints(),
            Self::Store(error) => error.hints(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Static(error) | Self::Plan(error) | Self::Apply(error) => error.tool_output(),
            _ => &[],
        }
    }
}

/// Stops the deploy where the app would lose what it writes: a database file or uploads inside the release.
pub fn guard_data(django: &Introspection, release: &ReleaseDir) -> Result<(), MigrateError> {
    for database in &django.databases {
        if database.vendor.as_deref() == Some("sqlite")
            && let Some(name) = database.name.as_deref()
        {
            guard("the SQLite database", "", Path::new(name), release)?;
        }
    }
    match django.media_root.as_deref().filter(|root| !root.is_empty()) {
        Some(root) => guard("MEDIA_ROOT", "--dir ", Path::new(root), release),
        None => Ok(()),
    }
}

fn guard(
    what: &'static str,
    flag: &str,
    path: &Path,
    release: &ReleaseDir,
) -> Result<(), MigrateError> {
    let below = |folder: PathBuf| {
        let folder = folder.canonicalize().ok()?;
        Some(real_path(path)?.strip_prefix(folder).ok()?.to_owned())
    };
    if let Some(relative) = below(release.src()).filter(|relative| !relative.as_os_str().is_empty())
    {
        let path = relative.to_string_lossy().into_owned();
        let keep = format!("landfall shared add {flag}{}", shell_words::quote(&path));
        return Err(MigrateError::DataInRelease { what, path, keep });
    }
    if below(release.root().to_owned()).is_some() {
        let path = path.display().to_string();
        let keep = "give it a folder of its own in the repository, such as BASE_DIR / \"media\", and share that: \
                    landfall shared add --dir PATH"
            .to_owned();
        return Err(MigrateError::DataInRelease { what, path, keep });
    }
    Ok(())
}

/// `path` with links followed as far as it exists.
fn real_path(path: &Path) -> Option<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return Some(real);
    }
    if let Ok(Some(target)) = fs::link_target(path) {
        return Some(path.parent()?.canonicalize().ok()?.join(target));
    }
    Some(real_path(path.parent()?)?.join(path.file_name()?))
}

/// Collects static files, and links them and the uploads into the release for nginx.
pub fn collect_static(
    ctx: &Context<'_>,
    plan: &Plan,
    django: &mut Django,
    facts: &Introspection,
    release: &ReleaseDir,
) -> Result<Option<usize>, MigrateError> {
    if let Some(media) = facts.media_root.as_deref().filter(|root| !root.is_empty()) {
        fs::symlink(Path::new(media), &release.media())?;
    }
    let wanted = plan
        .settings
        .backend
        .as_ref()
        .is_some_and(|backend| backend.collectstatic);
    if !wanted {
        if let Some(root) = facts.static_root.as_deref() {
            fs::symlink(Path::new(root), &release.static_files())?;
        }
        return Ok(None);
    }
    let collected = django
        .collect_static(ctx, &release.root().join("collected"))
        .map_err(MigrateError::Static)?;
    if let Some(root) = collected
        .root
        .as_deref()
        .filter(|root| !Path::new(root).starts_with(ctx.home.root()))
    {
        ctx.events.note(format!(
            "warning: STATIC_ROOT is {root}, outside the release: static files change before the switch and do not roll back"
        ));
    }
    if let Some(reason) = &collected.skipped {
        ctx.events
            .line(Stage::Migrate, &format!("collectstatic skipped: {reason}"));
    }
    if let Some(root) = &collected.root {
        fs::symlink(Path::new(root), &release.static_files())?;
    }
    ctx.events.line(
        Stage::Migrate,
        &format!(
            "collectstatic: {} copied, {} unmodified",
            collected.copied, collected.unmodified
        ),
    );
    Ok(Some(collected.copied + collected.unmodified))
}

/// Collected files that are as in the live release keep their times, and the compressed files beside them where they lie in the
/// release's own folder.
pub fn keep_what_is_the_same(ctx: &Context<'_>, release: &ReleaseDir) {
    let kept = (|| {
        let Some(root) = fs::link_target(&release.static_files())? else {
            return Ok(());
        };
        let live = ctx.home.current().join("static");
        let same = unchanged::keep_times(&live, &root)?;
        if root.starts_with(release.root()) {
            compressed::carry(&live, &root, &same)?;
        }
        Ok::<_, FsError>(())
    })();
    if let Err(error) = kept {
        let log = format!("browsers will fetch static files again that are as before: {error}");
        ctx.events.line(Stage::Migrate, &log);
    }
}

/// Shows the migration plan and applies it. What is applied is written into the release's record before it is.
pub fn run(
    ctx: &Context<'_>,
    plan: &Plan,
    django: &mut Django,
    release: &ReleaseDir,
) -> Result<Vec<AppliedMigration>, MigrateError> {
    let wanted = plan
        .settings
        .backend
        .as_ref()
        .is_some_and(|backend| backend.migrate);
    if !wanted {
        return Ok(Vec::new());
    }
    let running = ctx.events.start(Stage::Migrate);
    let pending = django.migration_plan(ctx).map_err(MigrateError::Plan)?;
    remarks(ctx, &pending);
    let migrations: Vec<AppliedMigration> = pending
        .pending
        .iter()
        .map(|migration| AppliedMigration {
            app: migration.app.clone(),
            name: migration.name.clone(),
            reversible: migration.reversible,
            schema_only: migration.schema_only,
        })
        .collect();
    if migrations.is_empty() {
        running.end(Outcome::reused("nothing to apply"));
        return Ok(migrations);
    }
    store::update(release, |record| record.migrations.clone_from(&migrations))?;
    django
        .migrate(ctx, &mut |name| {
            running.progress(format!("applying {name}"));
        })
        .map_err(MigrateError::Apply)?;
    let names: Vec<String> = migrations.iter().map(short_name).collect();
    running.end(Outcome::done(format!(
        "{} applied: {}",
        names.len(),
        first_of(&names, NAMED)
    )));
    Ok(migrations)
}

/// `dossiers.0014`: the app and the number, which is how people name them.
fn short_name(migration: &AppliedMigration) -> String {
    let number = migration.name.split('_').next().unwrap_or(&migration.name);
    format!("{}.{number}", migration.app)
}

/// What people should know before a migration runs: what breaks the code that still serves, what cannot be taken back.
fn remarks(ctx: &Context<'_>, plan: &MigrationPlan) {
    let is_first = crate::release::store::live(ctx.home)
        .ok()
        .flatten()
        .is_none();
    for migration in plan.pending.iter().filter(|_| !is_first) {
        for operation in &migration.operations {
            if let Some(why) = &operation.breaks {
                ctx.events.note(format!(
                    "{}.{}: {} — {why}",
                    migration.app, migration.name, operation.describe
                ));
            }
            if let Some(what) = &operation.loses {
                ctx.events.note(format!(
                    "{}.{}: {} — {what}",
                    migration.app, migration.name, operation.describe
                ));
            }
        }
        if !migration.reversible {
            ctx.events.note(format!(
                "{}.{} cannot be unapplied",
                migration.app, migration.name
            ));
        }
    }
    if !plan.unknown.is_empty() {
        let names: Vec<String> = plan
            .unknown
            .iter()
            .map(|migration| format!("{}.{}", migration.app, migration.name))
            .collect();
        ctx.events.note(format!(
            "the database has {} this commit does not know: {}",
            count(names.len(), "migration"),
            first_of(&names, NAMED)
        ));
    }
    if !plan.unmade.is_empty() {
        ctx.events.note(format!(
            "models changed without a migration in {}: run makemigrations and commit it",
            list(&plan.unmade)
        ));
    }
}

/// Unapplies migrations with the new release's files, where each can be and touches the schema only; otherwise says
/// exactly which stay.
pub fn undo(ctx: &Context<'_>, django: &mut Django, migrations: &[AppliedMigration]) {
    if migrations.is_empty() {
        return;
    }
    let names: Vec<String> = migrations.iter().map(AppliedMigration::label).collect();
    let stays: Vec<String> = migrations
        .iter()
        .filter(|m| !(m.reversible && m.schema_only))
        .map(AppliedMigration::label)
        .collect();
    if !stays.is_empty() {
        ctx.events.note(format!(
            "{} applied and left in the database: {} ({} cannot be unapplied without touching data)",
            count(names.len(), "migration"),
            first_of(&names, NAMED),
            first_of(&stays, NAMED)
        ));
        return;
    }
    let pairs = migrations
        .iter()
        .map(|migration| (migration.app.as_str(), migration.name.as_str()));
    match django.unapply(ctx, pairs) {
        Ok(()) => ctx
            .events
            .undone(format!("unapplied {}", list(&names)), Ok(())),
        Err(error) => ctx
            .events
            .undone(format!("unapply {}", list(&names)), Err(&error)),
    }
}
