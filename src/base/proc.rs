//! What the kernel says of running processes: /proc, read once; and a word to who reads what one of them says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{SysconfVar, sysconf};

use super::fs;

/// Writes a line to where a process of ours writes its errors, as far as somebody reads there now: a pipe or a terminal. For one
/// that is about to end and cannot say so itself.
pub fn say(pid: u32, line: &str) {
    // Neither a pipe that is full, nor one that nobody reads, may hold us; and no terminal becomes ours.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits())
        .open(format!("/proc/{pid}/fd/2"));
    let Ok(mut file) = file else {
        return;
    };
    let is_pipe = file
        .metadata()
        .is_ok_and(|metadata| metadata.file_type().is_fifo());
    // The line of a running stage stands there unfinished.
    let clear = if file.is_terminal() { "\r\u{1b}[K" } else { "" };
    if is_pipe || file.is_terminal() {
        // Who does not read misses it; the log has it.
        let _ = file.write_all(format!("{clear}{line}\n").as_bytes());
    }
}

/// The processes there were at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    processes: BTreeMap<u32, Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    parent: u32,
    resident_pages: u64,
}

impl Snapshot {
    /// Reads /proc. A process that ends meanwhile, or may not be looked at, is left out.
    pub fn take() -> Self {
        let mut processes = BTreeMap::new();
        for path in fs::list(Path::new("/proc")).unwrap_or_default() {
            let pid = path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            if let Some(pid) = pid
                && let Ok(bytes) = fs::read_bytes(&path.join("stat"))
                && let Some(entry) = parse(&String::from_utf8_lossy(&bytes))
            {
                processes.insert(pid, entry);
            }
        }
        Self { processes }
    }

    /// What it started and what still runs.
    pub fn children(&self, pid: u32) -> impl Iterator<Item = u32> {
        self.processes
            .iter()
            .filter(move |(_, entry)| entry.parent == pid)
            .map(|(child, _)| *child)
    }

    /// The resident memory of a process and of all it started, in bytes; pages they share count for each. `None` where
    /// there is no such process.
    pub fn memory(&self, pid: u32) -> Option<u64> {
        self.processes.get(&pid)?;
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        let page = page.and_then(|page| u64::try_from(page).ok())?;
        Some(self.pages(pid) * page)
    }

    /// A process and all it started.
    fn tree(&self, pid: u32) -> BTreeSet<u32> {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![pid]);
        while let Some(pid) = waiting.pop() {
            // A pid can be given away again while /proc is read; a loop of parents must not hold us.
            if !seen.insert(pid) {
                continue;
            }
            waiting.extend(self.children(pid));
        }
        seen
    }

    fn pages(&self, pid: u32) -> u64 {
        let entries = self.tree(pid);
        let entries = entries.iter().filter_map(|pid| self.processes.get(pid));
        entries.map(|entry| entry.resident_pages).sum()
    }

    /// As [`Snapshot::memory`], but of pages that several processes share each has its part (proc(5), `Pss`). Only of processes
    /// of one's own.
    pub fn own_memory(&self, pid: u32) -> u64 {
        self.tree(pid)
            .iter()
            .filter_map(|pid| {
                let file = format!("/proc/{pid}/smaps_rollup");
                kilobytes(&fs::read(Path::new(&file)).ok()?, "Pss")
            })
            .sum()
    }
}

/// The memory that could be given to programs now, and the swap that is free, in bytes.
pub fn free_memory() -> Option<u64> {
    let text = fs::read(Path::new("/proc/meminfo")).ok()?;
    Some(kilobytes(&text, "MemAvailable")? + kilobytes(&text, "SwapFree").unwrap_or_default())
}

/// A line such as `MemTotal:  2014140 kB` (proc(5)), in bytes.
pub fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let number = line.split_whitespace().next()?;
    Some(number.parse::<u64>().ok()? * 1024)
}

/// The fields of proc(5)'s `/proc/PID/stat`: the name in brackets may hold anything, so they are counted from its end.
fn parse(stat: &str) -> Option<Entry> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Some(Entry {
        parent: fields.get(1)?.parse().ok()?,
        resident_pages: fields.get(21)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_kilobytes() {
        let text = "MemTotal:        2014140 kB\nMemFree: 12 kB\nSwapTotal: 0 kB\n";
        assert_eq!(kilobytes(text, "MemTotal"), Some(2_014_140 * 1024));
        assert_eq!(kilobytes(text, "SwapTotal"), Some(0));
        assert_eq!(kilobytes(text, "Mem"), None);
        let pid = std::process::id();
        assert!(Snapshot::take().own_memory(pid) > 1024 * 1024);
        assert!(free_memory().is_some_and(|free| free > 0));
    }

    #[test]
    fn a_line_is_read_whatever_the_name() {
        let stat =
            "42 (a) b (c) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 100 4096 55 1844 0";
        let entry = Entry {
            parent: 7,
            resident_pages: 55,
        };
        assert_eq!(parse(stat), Some(entry));
        assert_eq!(parse("42 (a"), None);
    }

    #[test]
    fn children_count_and_loops_end() {
        let entry = |parent, resident_pages| Entry {
            parent,
            resident_pages,
        };
        let snapshot = Snapshot {
            processes: BTreeMap::from([
                (1, entry(0, 1)),
                (2, entry(1, 10)),
                (3, entry(2, 100)),
                (8, entry(9, 5)),
                (9, entry(8, 5)),
            ]),
        };
        assert_eq!((snapshot.pages(2), snapshot.pages(8)), (110, 10));
        assert_eq!(snapshot.memory(7), None);
    }

    #[test]
    fn this_process_has_memory() {
        let memory = Snapshot::take().memory(std::process::id());
        assert!(memory.is_some_and(|memory| memory > 100_000), "{memory:?}");
    }
}
