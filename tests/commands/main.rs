//! The commands, run as people run them, on a home made by `app create`; nothing is deployed. Outputs are compared whole.

mod adopt;
mod app;
mod cert;
mod env;
mod key;
mod logs;
mod project;
mod remote;
mod server;
mod shared;
