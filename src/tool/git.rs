//! git's own program, for the side of the developer: the demo commits and pushes with it.

use std::path::Path;

use crate::base::command::Cmd;

/// `git` in the work tree `dir`, with an author and without the user's own configuration.
pub fn git(dir: &Path) -> Cmd {
    Cmd::new("git")
        .cwd(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Demo")
        .env("GIT_AUTHOR_EMAIL", "demo@localhost")
        .env("GIT_COMMITTER_NAME", "Demo")
        .env("GIT_COMMITTER_EMAIL", "demo@localhost")
        .env("LANG", "C.UTF-8")
}
