//! End to end: a real `git push` to a real home, with real git, npm, pip, nginx, uWSGI, supervisor and Celery.
//!
//! One binary, a file for each promise. `cargo test --test e2e`; the first run installs the fixtures' packages once
//! (`tests/common/seed.rs`), later runs start from those.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs,
    reason = "tests look at the machine itself, and a failed unwrap is a failed test"
)]

mod adopt;
mod assets;
mod broken;
mod cache;
#[path = "../common/mod.rs"]
mod common;
mod crash;
mod environments;
mod gone;
mod hostile;
#[path = "../killed/left.rs"]
mod left;
mod load;
mod lost;
mod output;
mod path;
mod races;
mod refs;
mod replace;
mod rollback;
mod scarce;
mod small_machine;
mod spare;
mod ssh;
mod stuck;
mod tree;
mod upkeep;
