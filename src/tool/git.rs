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

/// What git may take while the machine serves: one processor, little memory.
const MODEST: [&str; 6] = [
    "-c",
    "pack.threads=1",
    "-c",
    "pack.windowMemory=32m",
    "-c",
    "pack.deltaCacheSize=32m",
];

/// Puts loose objects into a pack, and packs together so that each has twice the objects of the next smaller one: their number
/// grows as the logarithm of the objects', and so does how often each is copied (git-repack(1), `--geometric`).
pub fn repack(repository: &Path) -> Cmd {
    patiently(repository).args(["repack", "-d", "--quiet", "--geometric=2"])
}

/// Puts all refs into one file (git-pack-refs(1)).
pub fn pack_refs(repository: &Path) -> Cmd {
    patiently(repository).args(["pack-refs", "--all"])
}

/// Packs everything anew, without what nothing leads to and is older than two weeks (git-gc(1)).
pub fn collect(repository: &Path) -> Cmd {
    patiently(repository).args(["gc", "--quiet"])
}

/// git in the bare `repository`, after everything else that wants the processor.
fn patiently(repository: &Path) -> Cmd {
    Cmd::new("nice")
        .args(["-n", "19", "git"])
        .args(MODEST)
        .arg("--git-dir")
        .path_arg(repository)
        .cwd(repository)
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
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
