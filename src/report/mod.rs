//! L3: who listens to events. Each display consumes events and never touches the deploy.

pub mod events;
pub mod json;
pub mod log;
pub mod pusher;
pub mod timing;
pub mod trace;
