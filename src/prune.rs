//! L5: keeps the disk in bounds: old releases, cache entries nobody uses, old assets, old logs. Its failures are remarks.
//!
//! takes: the home · gives: nothing · touches: what no kept release needs · undone by: what is built again when it is needed

use std::collections::BTreeSet;

use crate::base::fs::{self, FsError};
use crate::base::names::ReleaseId;
use crate::base::stretch;
use crate::config::server::Mode;
use crate::release::assets;
use crate::release::cache::{self, Shelf};
use crate::release::compressed;
use crate::release::process::parse_program;
use crate::release::record::Record;
use crate::release::spare;
use crate::release::store;
use crate::report::log::TRACE;
use crate::stage::commit::NGINX;
use crate::stage::discard::{self, Served};
use crate::stage::{Context, commit};

/// Cache entries kept on each shelf besides those a release uses: for going back and forth between branches.
const SPARE_ENTRIES: usize = 3;
/// nginx writes its logs itself; beyond this many bytes they are put aside.
const NGINX_LOG: u64 = 10 * 1024 * 1024;
/// Old nginx logs kept.
const NGINX_LOGS: usize = 3;
/// Deploy logs kept.
const LOGS: usize = 200;

/// Prunes everything.
pub fn run(ctx: &Context<'_>) {
    let _time = stretch::of_us("prune");
    let kept = match releases(ctx) {
        Ok(kept) => kept,
        Err(message) => {
            return ctx
                .events
                .note(format!("old releases could not be pruned: {message}"));
        }
    };
    let pruned = caches(ctx, &kept).and_then(|()| logs(ctx)).and_then(|()| {
        let dirs: Vec<assets::Served> = kept
            .iter()
            .map(|record| commit::served(&ctx.home.release(record.release), record))
            .collect();
        assets::prune(ctx.home, &dirs, ctx.host.now_unix()).map(|_| ())
    });
    // What stood in the entries, releases and assets that have just gone stands nowhere any more.
    let pruned = pruned.and_then(|()| compressed::prune(ctx.home).map(|_| ()));
    let pruned = pruned.and_then(|()| nginx_logs(ctx));
    if let Err(error) = pruned {
        ctx.events
            .note(format!("caches could not be pruned: {error}"));
    }
}

/// Before a checkout: where there is no spare, a release that could not go earlier (its processes were still ending) may
/// become one now.
pub fn make_spare(ctx: &Context<'_>) {
    if !spare::is_there(ctx.home) {
        // What fails here fails again after the deploy, and is said there.
        let _ = releases(ctx);
    }
}

/// Removes good releases beyond the number to keep, oldest first; never the live one, nor one whose processes still run.
/// Gives those that stay.
fn releases(ctx: &Context<'_>) -> Result<Vec<Record>, String> {
    let mut records = store::records(ctx.home).map_err(|error| error.to_string())?;
    records.retain(|record| record.state.is_good());
    let live = store::live(ctx.home).map_err(|error| error.to_string())?;
    let busy: BTreeSet<ReleaseId> = ctx
        .supervisor()
        .processes()
        .map_err(|error| error.to_string())?
        .iter()
        .filter(|program| !program.state.is_stopped())
        .filter_map(|program| parse_program(&program.name).map(|(_, release)| release))
        .collect();
    records.sort_by_key(Record::order);
    let mut surplus = records.len().saturating_sub(ctx.app.keep_releases + 1);
    let mut kept = Vec::new();
    for record in records {
        if surplus > 0 && Some(record.release) != live && !busy.contains(&record.release) {
            let files = commit::served(&ctx.home.release(record.release), &record);
            assets::renew(ctx.home, &files).map_err(|error| error.to_string())?;
            discard::run(ctx, record.release, Served::Yes).map_err(|error| error.to_string())?;
            surplus -= 1;
        } else {
            kept.push(record);
        }
    }
    Ok(kept)
}

/// Removes cache entries that no kept release uses, but the newest few.
fn caches(ctx: &Context<'_>, kept: &[Record]) -> Result<(), FsError> {
    for shelf in Shelf::ALL {
        let used = |record: &Record| match shelf {
            Shelf::Frontend => record.keys.frontend.clone(),
            Shelf::NodeModules => record.keys.node_modules.clone(),
            Shelf::Venv => record.keys.venv.clone(),
        };
        let used: BTreeSet<_> = kept.iter().filter_map(used).collect();
        let mut unused = cache::entries(ctx.home, shelf)?;
        unused.retain(|(key, _)| !used.contains(key));
        let surplus = unused.len().saturating_sub(SPARE_ENTRIES);
        for (key, _) in unused.into_iter().take(surplus) {
            cache::discard(ctx.home, shelf, &key)?;
        }
    }
    Ok(())
}

fn logs(ctx: &Context<'_>) -> Result<(), FsError> {
    let mut logs: Vec<(u32, std::path::PathBuf)> = fs::list(&ctx.home.deploy_logs())?
        .into_iter()
        .filter_map(|path| Some((path.file_stem()?.to_str()?.parse().ok()?, path.clone())))
        .collect();
    logs.sort();
    let surplus = logs.len().saturating_sub(LOGS);
    for (_, path) in logs.into_iter().take(surplus) {
        fs::remove_file(&path.with_extension(TRACE))?;
        fs::remove_file(&path)?;
    }
    Ok(())
}

/// supervisor rotates what its programs print; nginx's own logs are put aside here, and nginx opens new ones (USR1, nginx's
/// "Controlling nginx").
fn nginx_logs(ctx: &Context<'_>) -> Result<(), FsError> {
    if ctx.app.mode() == Mode::Server {
        // They are root's, and logrotate's.
        return Ok(());
    }
    let mut moved = false;
    for name in ["nginx-access", "nginx-error"] {
        let log = ctx.home.process_log(name);
        if log.metadata().is_ok_and(|meta| meta.len() > NGINX_LOG) {
            let aside = |number: usize| log.with_extension(format!("log.{number}"));
            for number in (1..NGINX_LOGS)
                .rev()
                .filter(|number| aside(*number).exists())
            {
                fs::rename(&aside(number), &aside(number + 1))?;
            }
            fs::rename(&log, &aside(1))?;
            moved = true;
        }
    }
    if moved && let Err(error) = ctx.supervisor().signal(NGINX, "USR1") {
        ctx.events
            .note(format!("nginx could not be told to open new logs: {error}"));
    }
    Ok(())
}
