//! Settings as an attack: values that somebody hopes to reach a shell, a configuration file or a terminal with. Each is
//! refused with a word, or ends up as data: what is rendered is read back by the program it is for.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests look at the files themselves, and a failed unwrap is a failed test"
)]

mod arguments;
mod files;
mod message;
mod names;
mod nginx;
mod project;
mod random;
mod sizes;
mod supervisor;
mod uwsgi;
mod values;
