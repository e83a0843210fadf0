//! Before a push: one that was killed after git had moved the branch, and before the commit was live, has left the branch where
//! git would answer the same push with "Everything up-to-date". It goes back, so that the push can be repeated.
//!
//! takes: what the killed push left · gives: a branch that is no further than what is live · touches: that release, the branch ·
//! undone by: the push

use std::path::Path;
use std::time::Duration;

use crate::base::host::Host;
use crate::base::user;
use crate::cli::Ended;
use crate::cli::session::Session;
use crate::git::{RefChange, Repo};
use crate::handover;
use crate::release::lock::Holder;
use crate::report::pusher::{Pusher, Style};

/// How long a push waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Puts the branch back where a killed push left it ahead.
pub(super) fn make_possible(host: &Host, settings: &Path) -> Result<(), Ended> {
    let session = Session::open_file(settings)?;
    let home = &session.home;
    let Some(left) = handover::waiting(home).filter(|pending| !pending.is_expected()) else {
        return Ok(());
    };
    // git's own words go over stdout.
    let pusher = Pusher::new(std::io::stderr(), Style::Piped);
    session.events.add(Box::new(pusher));
    let ctx = session.context(host);
    let holder = Holder::new(
        host,
        "end of a push that was cut off",
        user::caller(host).who,
    );
    let _lock = handover::lock(&ctx, &holder, PATIENCE)?;
    let repo = Repo::open(&home.repository())?;
    let is_there = repo.ref_target(&left.ref_name)?.as_ref() == Some(&left.commit);
    if is_there && !handover::went_live(&ctx, left.release) {
        let back = RefChange {
            name: left.ref_name,
            old: left.commit,
            new: left.old,
        };
        repo.change_ref(&back, "landfall: the deploy was cut off")?;
        session
            .events
            .note("the push before this one was cut off before its commit was live; the branch is back where it was");
    }
    session.events.flush();
    Ok(())
}
