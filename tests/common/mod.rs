//! What the end-to-end tests stand on: a sandbox with a home, a repository and a client of its own. Real git, npm, pip,
//! nginx, uWSGI and supervisor; nothing is faked.

pub(crate) mod app;
pub(crate) mod checkpoints;
pub(crate) mod client;
pub(crate) mod disk;
pub(crate) mod golden;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod peak;
pub(crate) mod poll;
pub(crate) mod probe;
pub(crate) mod push;
pub(crate) mod redact;
pub(crate) mod sandbox;
pub(crate) mod seed;
pub(crate) mod site;
pub(crate) mod state;
pub(crate) mod tasks;

pub(crate) use app::App;
pub(crate) use peak::with_peak;
pub(crate) use poll::{until, until_some};
pub(crate) use probe::Probe;
pub(crate) use push::Push;
pub(crate) use sandbox::Sandbox;
pub(crate) use state::State;
pub(crate) use tasks::Tasks;
