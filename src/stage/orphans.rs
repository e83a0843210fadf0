//! orphans: what a supervisord or an nginx left that was killed: processes on their ports that nobody ends any more.
//!
//! takes: the home · gives: a home in which only what supervisord started runs · touches: those processes · undone by: -
//!
//! On a server systemd ends them with the unit; here nobody does.

use super::Context;
use super::commit::NGINX;
use crate::base::occupants;
use crate::config::server::Mode;
use crate::supervisor::fault::RpcError;
use crate::supervisor::rpc::State;

/// Before supervisord is started: none of its programs may run yet.
pub fn of_supervisord(ctx: &Context<'_>) {
    // What belongs to a release is told so (`Context::release_environment`); nginx hides its environment.
    let shared = ctx.home.shared().to_string_lossy().into_owned();
    occupants::end_with("LANDFALL_SHARED", &shared);
    occupants::end_strays(NGINX, ctx.home.root(), None);
}

/// While supervisord runs: workers of an nginx that was killed hold its port, and the new one cannot start.
pub fn of_nginx(ctx: &Context<'_>, supervisord: Option<u32>) -> Result<(), RpcError> {
    if ctx.app.mode() == Mode::Server {
        return Ok(());
    }
    let supervisor = ctx.supervisor();
    let ended = occupants::end_strays(NGINX, ctx.home.root(), supervisord);
    let state = supervisor.process(NGINX)?.map(|process| process.state);
    if ended > 0 || state.is_some_and(|state| state == State::Backoff || state.is_stopped()) {
        // It would wait longer before each attempt of its own. One that just started is fine.
        let _ = supervisor.start(NGINX);
    }
    Ok(())
}
