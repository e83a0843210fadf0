//! `landfall deploy`: the whole path without a push.

use std::time::Duration;

use crate::base::host::Host;
use crate::base::stretch;
use crate::base::user;
use crate::deploy::{self, Goer, Request};
use crate::git::{Commit, Repo};
use crate::handover;
use crate::release::lock::Holder;
use crate::release::store;
use crate::report::json::JsonLines;
use crate::report::log::DeployLog;
use crate::report::pusher::{Pusher, Style};
use crate::stage::plan::Wishes;

use super::session::Session;
use super::{Ended, Globals, exit_code, head, output};

/// How long a deploy waits for the one before it, in seconds.
const PATIENCE: u64 = 3600;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Walks the same path as a push: prepares a release beside the live one, proves that it works, goes live by one rename. \
What fails is undone, and the live release stays. What did not change is not built again.

Examples:
  landfall deploy                   the branch that deploys, again: a retry, or a new environment
  landfall deploy v1.4              a tag that was pushed
  landfall deploy --rebuild         as if nothing had been built before
  landfall deploy --json            each event as a line of JSON, the last is `finished` or `failed`")]
pub(super) struct Args {
    /// A branch, a tag or a commit that was pushed here [default: the branch that deploys].
    revision: Option<String>,
    /// The commit that is live, again.
    #[arg(long, conflicts_with = "revision")]
    live: bool,
    /// Take nothing from the caches.
    #[arg(long)]
    rebuild: bool,
    /// Leave the app's own checks out, where the app's settings allow it.
    #[arg(long)]
    skip_gate: bool,
    /// How long to wait for a deploy that runs, in seconds.
    #[arg(long, default_value_t = PATIENCE, value_name = "SECONDS")]
    wait: u64,
}

impl Args {
    /// A plain deploy of what is live.
    pub(super) fn of_live() -> Self {
        Self {
            revision: None,
            live: true,
            rebuild: false,
            skip_gate: false,
            wait: PATIENCE,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let _process = stretch::begin(stretch::PROCESS, "deploy");
    let session = Session::open(host, globals)?;
    show_progress(&session, globals);
    let repo = Repo::open(&session.home.repository())?;
    let begun = host.now();
    let what = args
        .revision
        .clone()
        .unwrap_or_else(|| session.app.branch.to_string());
    let caller = user::caller(host);
    let holder = Holder::new(host, format!("{}{what}", Holder::DEPLOY), &*caller.who);
    let wait = Duration::from_secs(args.wait);
    let _lock = handover::lock(&session.context(host), &holder, wait)?;
    // Under the lock: the push this one waited for may have moved the branch, or the settings.
    let fresh = session.fresh()?;
    let ctx = fresh.context(&session, host);
    let (commit, revision) = if args.live {
        live(&session, &repo)?
    } else {
        head::resolve(&session, &repo, args.revision.as_deref())?
    };
    let id = store::next_number(ctx.home)?;
    session
        .events
        .add(Box::new(DeployLog::open(&ctx.home.deploy_log(id), host)?));
    let request = Request {
        commit,
        source: revision,
        caller,
        wishes: Wishes {
            rebuild: args.rebuild,
            skip_gate: args.skip_gate,
        },
    };
    let result = deploy::prepare(&ctx, &repo, &request, id)
        .and_then(|()| deploy::go_live(&ctx, id, Goer::New, begun));
    session.events.flush();
    // The failure has been shown where it happened.
    result.map_err(|failure| Ended::Said(exit_code::of(failure.error.kind())))
}

/// The commit that is live; named by what it was asked for by, where that still is its commit.
fn live(session: &Session, repo: &Repo) -> Result<(Commit, String), Ended> {
    let Some(live) = store::live_record(&session.home)? else {
        return head::resolve(session, repo, None);
    };
    let commit = repo.commit(&live.commit)?;
    let same = repo
        .resolve(&live.source)
        .is_ok_and(|commit| commit == live.commit);
    let name = if same {
        live.source
    } else {
        live.commit.short().to_owned()
    };
    Ok((commit, name))
}

/// Shows a run on stderr, as on a push; with `--json`, its events on stdout, one a line.
pub(super) fn show_progress(session: &Session, globals: &Globals) {
    if globals.json {
        session
            .events
            .add(Box::new(JsonLines::new(|line: &str| output::line(line))));
    } else {
        let style = if output::stderr_is_terminal() {
            Style::Terminal
        } else {
            Style::Piped
        };
        session
            .events
            .add(Box::new(Pusher::new(std::io::stderr(), style)));
    }
}
