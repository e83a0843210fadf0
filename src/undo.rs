//! L5: takes away a release that did not become live, with what it did to the database.
//!
//! takes: a release's number · gives: nothing · touches: what [`discard`] takes away, and the database · undone by: -. What
//! cannot be undone is said.

use crate::base::names::ReleaseId;
use crate::release::process::Processes;
use crate::release::store;
use crate::stage::discard::{self, DiscardError, Served};
use crate::stage::django::Django;
use crate::stage::{Context, migrate};

/// Unapplies the migrations the release applied, with its own files, then takes it away.
pub fn take_away(ctx: &Context<'_>, id: ReleaseId, served: Served) -> Result<(), DiscardError> {
    if store::live(ctx.home)? != Some(id) {
        migrations(ctx, id);
    }
    discard::run(ctx, id, served)
}

/// What its record says it set out to apply, less what is still pending.
fn migrations(ctx: &Context<'_>, id: ReleaseId) {
    let release = ctx.home.release(id);
    let Ok(record) = store::read(&release) else {
        return;
    };
    if record.migrations.is_empty() {
        return;
    }
    let Ok(processes) = Processes::read(&release) else {
        return;
    };
    let Some(web) = processes.processes.values().next() else {
        return;
    };
    let undone = Django::start_from(ctx, web, &release).and_then(|mut django| {
        let pending = django.migration_plan(ctx)?.pending;
        let mut applied = record.migrations.clone();
        applied.retain(|migration| {
            let is_it = |other: &crate::tool::django::PendingMigration| {
                other.app == migration.app && other.name == migration.name
            };
            !pending.iter().any(is_it)
        });
        migrate::undo(ctx, &mut django, &applied);
        Ok(())
    });
    if let Err(error) = undone {
        ctx.events.undone("unapply its migrations", Err(&error));
    }
}
