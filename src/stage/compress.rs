//! compress, for the frontend's build and for what is live: nginx finds `FILE.gz` or `FILE.br` beside a file and need not make one for
//! each visitor.
//!
//! takes: a folder that is served · gives: how many files were compressed · touches: that folder, `cache/compressed` · undone by:
//! removing it. A failure is a remark: what has no compressed file is compressed by nginx.

use std::path::{Path, PathBuf};

use super::{Context, commit};
use crate::base::compress::Coding;
use crate::base::fs::{self, FsError};
use crate::base::stretch;
use crate::release::compressed::Packed;
use crate::release::layout::ReleaseDir;
use crate::release::record::Record;
use crate::release::{assets, compressed};

/// Compresses `files` of `folder`; gives how many.
pub fn files(ctx: &Context<'_>, folder: &Path, files: &[PathBuf]) -> usize {
    let _time = stretch::of_us("compress assets");
    let done = compressed::beside(ctx.home, folder, files);
    remark(ctx, done)
}

/// Compresses the static files that were collected for the live release. They serve already.
pub fn static_files(ctx: &Context<'_>, release: &ReleaseDir, record: &Record) {
    let Some(folder) = collected(release, record) else {
        return;
    };
    let done = fs::files_below(&folder).map(|names| files(ctx, &folder, &names));
    if remark(ctx, done) > 0 {
        // With the hashed ones go their compressed files.
        let kept = assets::keep(ctx.home, &commit::served(release, record));
        remark(ctx, kept);
    }
}

/// Compresses what the live release serves a second time, by brotli: smaller, and slow, so that no push waits for it. What comes
/// of it waits for its place ([`compressed::place`]).
pub fn by_brotli(
    ctx: &Context<'_>,
    release: &ReleaseDir,
    record: &Record,
) -> Result<Vec<Packed>, FsError> {
    let mut packed = Vec::new();
    for folder in [built(ctx, release), collected(release, record)]
        .into_iter()
        .flatten()
    {
        let files = fs::files_below(&folder)?;
        packed.extend(compressed::pack(ctx.home, &folder, &files, Coding::Brotli)?);
    }
    Ok(packed)
}

/// The folder of the frontend's build; files as committed are the commit's alone.
fn built(ctx: &Context<'_>, release: &ReleaseDir) -> Option<PathBuf> {
    let folder = release.public().canonicalize().ok()?;
    let cache = ctx.home.cache().canonicalize().ok()?;
    folder.starts_with(cache).then_some(folder)
}

/// The folder that static files were collected into, if it is the release's own. In one that releases share, a file that is
/// written anew would stand beside the compressed one of before.
fn collected(release: &ReleaseDir, record: &Record) -> Option<PathBuf> {
    let was_collected = record
        .django
        .as_ref()
        .is_some_and(|django| django.collected);
    let folder = release.static_files().canonicalize().ok()?;
    let own = release.root().canonicalize().ok()?;
    (was_collected && folder.starts_with(own)).then_some(folder)
}

fn remark(ctx: &Context<'_>, done: Result<usize, FsError>) -> usize {
    done.unwrap_or_else(|error| {
        ctx.events
            .note(format!("assets could not be compressed: {error}"));
        0
    })
}
