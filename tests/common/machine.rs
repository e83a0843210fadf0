//! The machine the tests run on: its programs, its processes, its free ports.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};

/// The PATH of everything a sandbox runs, the same as Landfall's own.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What must be installed, and the apt package that brings it.
const PROGRAMS: [(&str, &str); 7] = [
    ("git", "git"),
    ("nginx", "nginx"),
    ("supervisord", "supervisor"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("sh", "dash"),
];

/// Fails with the names of the packages that are missing; a test is never skipped for want of a program.
pub(crate) fn require_programs() {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    let python = find("python3");
    let has_venv = python.is_some_and(|python| {
        std::process::Command::new(python)
            .args(["-c", "import venv, ensurepip"])
            .status()
            .is_ok_and(|status| status.success())
    });
    if !has_venv {
        missing.push("python3-venv");
    }
    assert!(
        missing.is_empty(),
        "the end-to-end tests need more of this machine: sudo apt install {}",
        missing.join(" ")
    );
}

/// The first program of that name in [`PATH`].
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    PATH.split(':')
        .map(|folder| Path::new(folder).join(program))
        .find(|file| file.is_file())
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) command: String,
    /// The release it belongs to: its folder is the process's, or its number stands in the environment.
    pub(crate) release: Option<u32>,
}

/// The processes that have to do with a folder, as [`all_of`] finds them; not what a push leaves behind: what ends as soon as it
/// sees that post-receive has done its work, and the upkeep.
pub(crate) fn processes_of(folder: &Path) -> Vec<Process> {
    let mut found = all_of(folder);
    found.retain(|process| !process.is_left_behind());
    found
}

impl Process {
    /// A push has left it behind, and nobody waits for it. One that becomes another program has no command line for a moment, and
    /// what is left behind does.
    pub(crate) fn is_left_behind(&self) -> bool {
        // git's programs of an upkeep have a repository for an argument, and no client.
        self.command.is_empty()
            || [
                "hook finish",
                "hook upkeep",
                "pack.threads=1",
                "git pack-objects",
            ]
            .iter()
            .any(|words| self.command.contains(words))
    }
}

/// The processes that have to do with a folder: it stands in their command line, their environment or their working
/// directory.
pub(crate) fn all_of(folder: &Path) -> Vec<Process> {
    let folder = folder.to_string_lossy().into_owned();
    let me = std::process::id().cast_signed();
    let mut found: Vec<Process> = fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != me)
        .filter_map(|pid: i32| {
            let proc = PathBuf::from(format!("/proc/{pid}"));
            let text = |name: &str| {
                let bytes = fs::read(proc.join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let command = text("cmdline");
            let cwd = fs::read_link(proc.join("cwd")).unwrap_or_default();
            let (cwd, environ) = (cwd.to_string_lossy().into_owned(), text("environ"));
            let is_its = [&command, &cwd, &environ]
                .iter()
                .any(|text| text.contains(&folder));
            let stat = text("stat");
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            // A zombie has ended; its parent has not looked yet.
            let is_zombie = fields.next()? == "Z";
            let parent = fields.next()?.parse().ok()?;
            (is_its && !is_zombie).then(|| Process {
                pid,
                parent,
                command: command.trim().to_owned(),
                release: number_after(&cwd, "/releases/")
                    .or_else(|| number_after(&environ, "LANDFALL_RELEASE=")),
            })
        })
        .collect();
    found.sort_by(|a, b| (&a.command, a.pid).cmp(&(&b.command, b.pid)));
    found
}

/// Those that descend from none of the others of that program: what a daemon has nothing to do with.
pub(crate) fn strays<'a>(processes: &'a [Process], daemon: &str) -> Vec<&'a Process> {
    let is_under = |process: &Process| {
        let mut now = Some(process);
        while let Some(each) = now {
            if each.command.contains(daemon) {
                return true;
            }
            now = processes.iter().find(|other| other.pid == each.parent);
        }
        false
    };
    processes
        .iter()
        .filter(|process| !is_under(process))
        .collect()
}

fn number_after(text: &str, word: &str) -> Option<u32> {
    let (_, rest) = text.split_once(word)?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// The most memory a process has had at once so far, in KiB (proc(5), `VmHWM`).
pub(crate) fn peak_memory(pid: i32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .ok()
}

/// A port nobody listens on, below those the kernel hands to outgoing connections, so that none of them takes it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = u16::try_from(std::process::id() % 500).unwrap_or_default() * 20;
    for _ in 0..2000 {
        let port = 20_000 + (spread + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 32000 on 127.0.0.1");
}
