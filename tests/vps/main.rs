//! On whole servers: Debian hosts with systemd, an address and sshd (`tests/vps/host`), with Landfall from its own package.
//!
//! One binary, a file for each part of a server. `cargo test --test vps`, as root; the first run builds an image and a layer.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs,
    reason = "tests look at the machine itself, and a failed unwrap is a failed test"
)]

mod acme;
mod apps;
mod attacks;
mod cert;
mod cert_killed;
mod cert_mistakes;
mod cert_watch;
mod journey;
mod mistakes;
mod package;
#[allow(
    dead_code,
    reason = "of the end-to-end tests' module, one function is needed here"
)]
#[path = "../common/poll.rs"]
mod poll;
mod races;
mod server;
mod setup;
mod site;
mod vps;

pub(crate) use vps::{Debian, Layer, Vps, error_of, package, text_of};
