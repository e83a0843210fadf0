//! The processes above this one, from `/proc` (proc(5)).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::fs;

/// How far up is looked.
const MOST: usize = 8;

/// A process, told from a later one with the same number by its start time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    pid: u32,
    /// In clock ticks since the machine's start (proc(5), field 22).
    started: u64,
}

impl Ancestor {
    /// True while it runs.
    pub fn is_alive(&self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.started == self.started && stat.state != 'Z')
    }
}

/// The git process that runs this hook.
pub fn git() -> Option<Ancestor> {
    let mut pid = std::process::id();
    for _ in 0..MOST {
        pid = Stat::of(pid)?.parent;
        let stat = Stat::of(pid)?;
        if stat.name.starts_with("git") {
            return Some(Ancestor {
                pid,
                started: stat.started,
            });
        }
    }
    None
}

/// True while a process with this number runs that has this one's name. After a reboot a number may be anybody's.
pub fn is_of_this_program(pid: u32) -> bool {
    match (Stat::of(pid), Stat::of(std::process::id())) {
        (Some(stat), Some(own)) => stat.name == own.name && stat.state != 'Z',
        _ => false,
    }
}

/// Who started a process, or took it over.
pub fn parent(pid: u32) -> Option<u32> {
    Stat::of(pid).map(|stat| stat.parent)
}

/// The state of a process as proc(5) has it, if there is one of that number.
pub fn state(pid: u32) -> Option<char> {
    Stat::of(pid).map(|stat| stat.state)
}

struct Stat {
    name: String,
    state: char,
    parent: u32,
    started: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read(&PathBuf::from(format!("/proc/{pid}/stat"))).ok()?)
    }

    /// `PID (NAME) STATE PPID …`; the name may hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            name: head.split_once('(')?.1.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_number_and_start() {
        let me = Stat::of(std::process::id()).unwrap();
        let alive = Ancestor {
            pid: std::process::id(),
            started: me.started,
        };
        assert!(alive.is_alive());
        assert!(
            !Ancestor {
                started: me.started + 1,
                ..alive
            }
            .is_alive()
        );
    }

    #[test]
    fn odd_names_are_parsed() {
        let stat = Stat::parse("12 (a) b) S 7 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1")
            .unwrap();
        assert_eq!(
            (stat.name.as_str(), stat.parent, stat.started),
            ("a) b", 7, 4242)
        );
    }
}
