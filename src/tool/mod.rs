//! L1: one file per external program: argv as values, answers parsed by pure functions.

pub mod apt;
pub mod django;
pub mod git;
pub mod http;
pub mod https;
pub mod nginx;
pub mod nginx_version;
pub mod node;
pub mod pip;
pub mod program;
pub mod python;
pub mod sqlite;
pub mod ssh;
pub mod sshd;
pub mod supervisord;
pub mod systemd;
pub mod uwsgi;
pub mod web;

use std::path::PathBuf;

use crate::base::host::SYSTEM_PATH;

/// The program `name` in the system's folders.
pub fn find_program(name: &str) -> Option<PathBuf> {
    program::find(name, SYSTEM_PATH)
}
