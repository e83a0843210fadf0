//! L5: upkeep, after a push has had its answer: what makes the next one fast and the repository small. Nothing waits for it,
//! and what it does not come to is done after a later push.
//!
//! takes: an app at rest · gives: a spare for the next checkout, a tidy repository, smaller assets · touches: `cache/spare`,
//! `cache/trash`, `cache/compressed`, git's objects and refs (through git's own program) · undone by: -; what a killed one leaves is
//! taken away by the next

use std::time::Duration;

use crate::base::checkpoint;
use crate::base::command::{self, CommandError, Quiet};
use crate::base::disk;
use crate::base::flock::{self, Attempt, FileLock};
use crate::base::fs::{self, FsError};
use crate::base::hint::chain;
use crate::git::{GitError, Repo};
use crate::release::lock::{self, Holder, LockError};
use crate::release::record::Record;
use crate::release::{assets, compressed, spare, store, trash};
use crate::stage::checkout::{self, CheckoutError};
use crate::stage::{Context, commit, compress, site};
use crate::tool::git;

/// A checkout of fewer files takes a tenth of a second without a spare.
const WORTH_A_SPARE: u64 = 1_000;
/// So many times what a spare takes must be free.
const SPACIOUS: u64 = 4;
/// How long a deploy that runs meanwhile is waited for, before the spare is given up.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How often everything that nothing leads to is removed from the repository: what force-pushes left.
const COLLECT_EVERY: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest git may take. It goes on where it was, another time.
const GIT: Duration = Duration::from_secs(60 * 60);
/// More refs than this go into one file.
const LOOSE_REFS: usize = 100;

/// Something could not be done; the next upkeep tries again.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The spare could not be written.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// git could not read its objects.
    #[error(transparent)]
    Git(#[from] GitError),
    /// git's own program failed.
    #[error("git could not tidy the repository")]
    Maintenance(#[source] CommandError),
    /// Another run went on too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Does what there is to do; one upkeep of an app at a time, and a second one has nothing to do. What fails is said, and is no
/// reason not to do the rest.
pub fn run(ctx: &Context<'_>) {
    let Ok(Attempt::Taken(_alone)) = flock::try_lock(&ctx.home.upkeep_lock()) else {
        return;
    };
    let emptied = trash::empty(ctx.home).map_err(UpkeepError::Fs);
    let made = make_spare(ctx);
    let tidied = tidy_repository(ctx);
    let compressed = compress_more(ctx);
    for error in [emptied.err(), made.err(), tidied.err(), compressed.err()]
        .into_iter()
        .flatten()
    {
        ctx.events.note(format!(
            "upkeep after the push: {}",
            chain(&error).join(": ")
        ));
    }
}

/// Where the next checkout would have nothing to begin with, and has much to write, it gets the live release's files.
fn make_spare(ctx: &Context<'_>) -> Result<(), UpkeepError> {
    spare::give_up(ctx.home)?;
    let Ok(Some(live)) = store::live_record(ctx.home) else {
        return Ok(());
    };
    if spare::is_there(ctx.home) || !is_worth_it(ctx, &live)? {
        return Ok(());
    }
    let repo = Repo::open(&ctx.home.repository())?;
    checkpoint::reached(checkpoint::UPKEEP);
    let place = spare::begin(ctx.home)?;
    let written = checkout::whole(ctx.home, &repo, &live.tree, &place, live.release);
    if let Err(error) = written {
        spare::give_up(ctx.home)?;
        return Err(error.into());
    }
    // Its stamps must not outlast its files.
    fs::sync_all(place.root())?;
    let _lock = wait_for_lock(ctx)?;
    Ok(spare::put(ctx.home)?)
}

fn is_worth_it(ctx: &Context<'_>, live: &Record) -> Result<bool, UpkeepError> {
    let (takes, free) = (live.checked_out, disk::free(ctx.home.root())?);
    let is_spacious = |free: u64, takes: u64| free >= takes.saturating_mul(SPACIOUS);
    Ok(takes.files >= WORTH_A_SPARE
        && is_spacious(free.bytes, takes.bytes)
        && is_spacious(free.files, takes.files))
}

/// What is live is compressed by brotli too, where nginx serves such files: a sixth smaller than by gzip.
fn compress_more(ctx: &Context<'_>) -> Result<(), UpkeepError> {
    let Ok(Some(live)) = store::live_record(ctx.home) else {
        return Ok(());
    };
    if !site::serves_brotli(ctx) {
        return Ok(());
    }
    let release = ctx.home.release(live.release);
    let packed = compress::by_brotli(ctx, &release, &live)?;
    if packed.is_empty() {
        return Ok(());
    }
    let _lock = wait_for_lock(ctx)?;
    // Another release's files are for the upkeep after it, and this one may be gone.
    if store::live(ctx.home).ok().flatten() == Some(live.release) {
        compressed::place(&packed)?;
        assets::keep(ctx.home, &commit::served(&release, &live))?;
    }
    Ok(())
}

fn wait_for_lock(ctx: &Context<'_>) -> Result<FileLock, UpkeepError> {
    let holder = Holder::new(ctx.host, "upkeep", "landfall");
    Ok(lock::acquire(
        ctx.home,
        ctx.host,
        &holder,
        PATIENCE,
        &mut |_| {},
    )?)
}

/// Loose objects and small packs become few packs, many refs one file; once a month what nothing leads to is removed.
fn tidy_repository(ctx: &Context<'_>) -> Result<(), UpkeepError> {
    let repository = ctx.home.repository();
    let run = |cmd: command::Cmd| {
        command::run(&cmd.timeout(GIT), &Quiet).map_err(UpkeepError::Maintenance)
    };
    // First: an object is as young as the pack that a repack has put it into.
    if is_due(ctx)? {
        run(git::collect(&repository))?;
        fs::write(&ctx.home.collected(), b"", fs::PUBLIC)?;
    }
    run(git::repack(&repository))?;
    if fs::files_below(&repository.join("refs"))?.len() > LOOSE_REFS {
        run(git::pack_refs(&repository))?;
    }
    Ok(())
}

/// The month begins with the first upkeep.
fn is_due(ctx: &Context<'_>) -> Result<bool, UpkeepError> {
    let mark = ctx.home.collected();
    let Ok(since) = fs::modified_unix(&mark) else {
        fs::write(&mark, b"", fs::PUBLIC)?;
        return Ok(false);
    };
    Ok(ctx.host.now_unix().saturating_sub(since) > COLLECT_EVERY.as_secs())
}
