//! `landfall rollback`: back to an earlier release.

use std::time::Duration;

use crate::base::host::Host;
use crate::base::names::ReleaseId;
use crate::base::stretch;
use crate::base::user;
use crate::handover;
use crate::release::lock::Holder;
use crate::report::log::DeployLog;
use crate::rollback;

use super::session::Session;
use super::{Ended, Globals, deploy, exit_code};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The release is booted beside the live one and asked, then made live by one rename; nothing is built. The branch in the \
repository stays where it is: the next push deploys what is pushed.

Refused where later releases migrated the database, unless --keep-database says that the release works with it as it is.

Examples:
  landfall rollback           to the release that was live before
  landfall rollback 41        to release 41 (landfall releases)")]
pub(super) struct Args {
    /// The release to go back to [default: the good one that was live before].
    release: Option<ReleaseId>,
    /// Go back although later releases migrated the database, which stays as it is.
    #[arg(long)]
    keep_database: bool,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let _process = stretch::begin(stretch::PROCESS, "rollback");
    let session = Session::open(host, globals)?;
    deploy::show_progress(&session, globals);
    let holder = Holder::new(host, Holder::ROLLBACK, user::caller(host).who);
    let _lock = handover::lock(&session.context(host), &holder, Duration::from_secs(600))?;
    let fresh = session.fresh()?;
    let ctx = fresh.context(&session, host);
    let target = rollback::target(&ctx, args.release, args.keep_database)?;
    session.events.add(Box::new(DeployLog::open(
        &ctx.home.deploy_log(target.release),
        host,
    )?));
    let result = rollback::run(&ctx, &target);
    session.events.flush();
    result.map_err(|failure| Ended::Said(exit_code::of(failure.error.kind())))
}
