//! commit: the release becomes live, by one rename.
//!
//! nginx resolves `current/public` and `current/web.sock` at every request, so frontend and backend switch together, and
//! what a boot starts with them. nginx is reloaded only when the site's own configuration changed.
//!
//! takes: a healthy release · gives: the release that was live · touches: `current`, `assets/`, records · undone by:
//! [`back`]

use std::path::Path;

use super::Context;
use super::site::{self, SiteError};
use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::names::ReleaseId;
use crate::base::stretch;
use crate::event::{Outcome, Stage};
use crate::release::assets;
use crate::release::layout::ReleaseDir;
use crate::release::record::{Record, State};
use crate::release::store::{self, StoreError};

/// The name of nginx among supervisor's programs, in user mode.
pub const NGINX: &str = "nginx";

/// The switch could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The link or an asset.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// nginx does not serve the site.
    #[error(transparent)]
    Site(#[from] SiteError),
}

impl Hint for CommitError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Fs(error) => error.hints(),
            Self::Store(error) => error.hints(),
            Self::Site(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Site(error) => error.tool_output(),
            _ => &[],
        }
    }
}

/// Makes `release` live.
pub fn run(
    ctx: &Context<'_>,
    release: &ReleaseDir,
    site_changed: bool,
) -> Result<Option<ReleaseId>, CommitError> {
    let running = ctx.events.start(Stage::Live);
    let previous = store::live(ctx.home)?;
    // Before the switch: a page of this release must find its chunks also after the next one.
    let turn = store::next_turn(ctx.home)?;
    let record = store::update(release, |record| {
        record.live_at = Some(ctx.host.now_unix());
        record.turn = turn;
    })?;
    let keeping = stretch::of_us("keep hashed assets");
    assets::keep(ctx.home, &served(release, &record))?;
    drop(keeping);
    point_at(ctx, release.id())?;
    fs::remove_file(&ctx.home.next_programs())?;
    store::update(release, |record| {
        record.state = State::Live;
        record.rolled_back = false;
    })?;
    if let Some(previous) = previous.filter(|previous| *previous != release.id()) {
        // Its record is for people; a missing one must not stop the switch.
        let _ = store::update(&ctx.home.release(previous), |record| {
            record.state = State::Retired;
            record.rolled_back = previous > release.id();
        });
    }
    if site_changed {
        site::apply(ctx, Some(release.id()))?;
    }
    let nginx = if site_changed { ", nginx reloaded" } else { "" };
    running.end(Outcome::done(format!("release {}{nginx}", release.id())));
    Ok(previous)
}

/// The release's files as visitors see them.
pub fn served(release: &ReleaseDir, record: &Record) -> assets::Served {
    let static_url = record
        .django
        .as_ref()
        .and_then(|django| django.static_url.as_ref());
    assets::Served::of(release, static_url)
}

/// Makes the release that was live before live again, or none.
///
/// `failed` is the record of the release that could not go live, as it was before it tried.
pub fn back(
    ctx: &Context<'_>,
    failed: &Record,
    previous: Option<ReleaseId>,
    site_changed: bool,
) -> Result<(), CommitError> {
    // First of all: a new release that failed is not good, and no rollback may choose it. One that was live before stays so.
    let noted = store::write(&ctx.home.release(failed.release), failed);
    match previous {
        Some(previous) => {
            point_at(ctx, previous)?;
            let _ = store::update(&ctx.home.release(previous), |record| {
                record.state = State::Live;
                record.rolled_back = false;
            });
        }
        None => fs::remove_file(&ctx.home.current())?,
    }
    noted?;
    if site_changed {
        site::apply(ctx, previous)?;
    }
    Ok(())
}

fn point_at(ctx: &Context<'_>, id: ReleaseId) -> Result<(), FsError> {
    fs::swap_link(
        &Path::new("releases").join(id.to_string()),
        &ctx.home.current(),
    )
}
