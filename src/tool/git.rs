//! git's own program: for the side of the developer (the demo commits and pushes with it), and for what libgit2 cannot
//! read.

use std::path::Path;

use crate::base::command::Cmd;
use crate::base::host::SYSTEM_PATH;
use crate::base::names::ObjectId;

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

/// Prints a blob, without ever holding the whole of it in memory (git streams what is larger than `core.bigFileThreshold`;
/// libgit2 reads packed objects whole). `more` is a further folder of objects.
pub fn print_blob(repository: &Path, more: Option<&Path>, blob: &ObjectId) -> Cmd {
    let more = more.map(|folder| {
        let folder = folder.to_string_lossy().into_owned();
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", folder)
    });
    Cmd::new("git")
        .args(["-c", "core.bigFileThreshold=1m", "--git-dir"])
        .path_arg(repository)
        .args(["cat-file", "blob", blob.as_str()])
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(more)
}

/// Brings all refs, and what they lead to, from a bundle or another repository into the bare `repository`, which has none
/// of its own yet.
pub fn fetch_all(repository: &Path, from: &Path) -> Cmd {
    Cmd::new("git")
        // Root fetches for an app whose user owns the repository, which was made just now.
        .arg("-c")
        .arg(format!("safe.directory={}", repository.display()))
        .arg("--git-dir")
        .path_arg(repository)
        .args(["fetch", "--quiet", "--no-write-fetch-head", "--no-auto-gc"])
        .path_arg(from)
        .arg("+refs/*:refs/*")
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
}
