//! L1: one file per external program: its command lines as values, and parsers of what it says.

pub mod http;
pub mod nginx;
pub mod supervisord;
pub mod uwsgi;

use std::path::{Path, PathBuf};

use crate::base::host::SYSTEM_PATH;

/// The program `name` in the system's folders.
fn find_program(name: &str) -> Option<PathBuf> {
    SYSTEM_PATH
        .split(':')
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}
