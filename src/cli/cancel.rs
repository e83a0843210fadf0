//! `landfall cancel`: ends the running deploy before its commit is live.

use crate::base::host::Host;
use crate::base::names::ReleaseId;
use crate::base::user;
use crate::cancel;
use crate::event::Event;
use crate::release::lock::Holder;
use crate::release::store;
use crate::report::events::Sink;
use crate::report::log::DeployLog;
use crate::report::pusher::{Pusher, Style};

use super::session::Session;
use super::{Ended, Globals};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What the deploy has made is taken away, and what serves is as it was; git rejects the push where it still waits, and whoever \
pushed reads who cancelled it. Once the commit is live it is too late, and the command is refused: landfall rollback goes back.

Examples:
  landfall cancel")]
pub(super) struct Args {}

pub(super) fn run(host: &Host, globals: &Globals, _: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let pusher = Pusher::new(std::io::stderr(), Style::Piped);
    session.events.add(Box::new(pusher));
    let ctx = session.context(host);
    let who = user::caller(host).who;
    let me = Holder::new(host, "end of a deploy that was cancelled", who.clone());
    let why = format!("cancelled by `landfall cancel` ({who})");
    let cancelled = cancel::run(&ctx, &me, &why, &mut |holder| {
        let message = why.clone();
        if holder.is_deploy()
            && let Ok(next) = store::next_number(&session.home)
            && next.0 > 1
        {
            let path = session.home.deploy_log(ReleaseId(next.0 - 1));
            DeployLog::open(&path, host)?.take(&Event::Note { message });
        }
        Ok(())
    })?;
    let events = &session.events;
    if cancelled.branch_is_back {
        events.note("git had moved the branch already; it is back where it was");
    }
    if cancelled.is_left_to_next {
        events.note("the next run has the lock already, and clears up");
    }
    events.note(format!("the {} is cancelled", cancelled.what));
    events.flush();
    Ok(())
}
