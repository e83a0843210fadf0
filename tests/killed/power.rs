//! What of a run is on the disk when the power fails: read from what strace(1) saw of it. Strictly: a file is there once it was
//! synced, a name once its folder was, and syncfs(2) does both for all that came before. No file system is that bad at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::Sandbox;

/// Every call that changes a file or a name, or makes a change last.
const CALLS: &str = "trace=openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,sendfile,\
                     copy_file_range,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat,\
                     rmdir,fsync,fdatasync,syncfs,sync,chdir,io_uring_enter";

/// The same command under strace, which writes what it sees into `trace`.
pub(crate) fn traced(sandbox: &Sandbox, command: &Command, trace: &Path) -> Command {
    let mut traced = sandbox.command("strace");
    traced
        .args([
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-T",
            "-y",
            "-s",
            "4096",
            "-e",
            CALLS,
            "-o",
        ])
        .arg(trace)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            traced.env(name, value);
        }
    }
    traced
}

/// What a run did to the home so far, and what of it would not outlast a power cut.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    home: PathBuf,
    /// What was there before; a file that is opened with `O_CREAT` may be.
    before: BTreeSet<PathBuf>,
    /// Files with content that was not synced, and when it was written.
    content: BTreeMap<PathBuf, usize>,
    /// Names that were made and whose folder was not synced since.
    names: BTreeMap<PathBuf, usize>,
    /// Where symbolic links lead.
    links: BTreeMap<PathBuf, PathBuf>,
    folders: BTreeMap<String, PathBuf>,
}

/// A change of the disk.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    FolderSynced(PathBuf),
    /// And how long that took, in seconds.
    AllSynced(f64),
    Other,
}

impl Disk {
    pub(crate) fn new(home: &Path) -> Self {
        let mut before = BTreeSet::new();
        walk(home, &mut before);
        Self {
            home: home.to_owned(),
            before,
            ..Self::default()
        }
    }

    /// Goes through a trace; `look` sees the disk before each change, with the thread that makes it.
    pub(crate) fn follow(&mut self, trace: &Path, look: &mut dyn FnMut(&Self, &str, &Change)) {
        let bytes = fs::read(trace).expect("strace wrote its trace");
        let text = String::from_utf8_lossy(&bytes);
        let mut unfinished: BTreeMap<&str, (String, usize)> = BTreeMap::new();
        for (now, line) in text.lines().enumerate() {
            let Some((thread, call)) = line.split_once(' ') else {
                continue;
            };
            let call = call.trim_start();
            if let Some((begin, _)) = call.split_once("<unfinished ...>") {
                unfinished.insert(thread, (begin.to_owned(), now));
                continue;
            }
            let (call, since) = match call.strip_prefix("<... ") {
                Some(rest) => {
                    let Some((_, end)) = rest.split_once("resumed>") else {
                        continue;
                    };
                    match unfinished.remove(thread) {
                        Some((begin, since)) => (begin + end, since),
                        None => continue,
                    }
                }
                None => (call.to_owned(), now),
            };
            assert!(
                !call.starts_with("io_uring"),
                "strace does not see what goes through io_uring"
            );
            self.apply(thread, &call, since, now, look);
        }
    }

    fn apply(
        &mut self,
        thread: &str,
        call: &str,
        since: usize,
        now: usize,
        look: &mut dyn FnMut(&Self, &str, &Change),
    ) {
        let Some((name, rest)) = call.split_once('(') else {
            return;
        };
        let Some((args, result)) = rest
            .rsplit_once(" = ")
            .filter(|(_, result)| !result.starts_with('-') && !result.starts_with('?'))
        else {
            return;
        };
        if let Some(folder) = between(args, "AT_FDCWD<", ">") {
            self.folders
                .insert(thread.to_owned(), PathBuf::from(folder));
        }
        let words = words(args);
        let fds = annotations(args);
        let path = |at: usize| -> PathBuf {
            let word = words.get(at).cloned().unwrap_or_default();
            let base = if name.ends_with("at") || name.ends_with("at2") {
                fds.get(at.min(fds.len().saturating_sub(1)))
                    .map(PathBuf::from)
            } else {
                self.folders.get(thread).cloned()
            };
            plain(&base.unwrap_or_default().join(word))
        };
        let change = match name {
            "rename" | "renameat" | "renameat2" => Change::Renamed {
                from: path(0),
                to: path(1),
            },
            "fsync" | "fdatasync" => match fds.first().map(PathBuf::from) {
                Some(path) if self.is_folder(&path) => Change::FolderSynced(path),
                _ => Change::Other,
            },
            "syncfs" | "sync" => {
                let took = result.rsplit_once('<').map_or("", |(_, took)| took);
                Change::AllSynced(took.trim_end_matches('>').parse().unwrap_or_default())
            }
            _ => Change::Other,
        };
        if !matches!(name, "openat" | "open" | "chdir") {
            look(self, thread, &change);
        }
        match (name, &change) {
            ("chdir", _) => {
                let to = path(0);
                self.folders.insert(thread.to_owned(), to);
            }
            ("openat" | "open" | "creat", _) => {
                let Some(file) = between(result, "<", ">").map(PathBuf::from) else {
                    return;
                };
                let is_new = args.contains("O_CREAT") && !self.before.contains(&file);
                if is_new {
                    self.made(file.clone(), now);
                }
                if args.contains("O_TRUNC") || (is_new && args.contains("O_EXCL")) {
                    self.wrote(file, now);
                }
            }
            (_, Change::Renamed { from, to }) => {
                let (from, to) = (from.clone(), to.clone());
                self.gone(&to);
                for set in [&mut self.content, &mut self.names] {
                    let moved: Vec<_> = set
                        .iter()
                        .filter(|(path, _)| path.starts_with(&from))
                        .map(|(path, time)| (path.clone(), *time))
                        .collect();
                    for (path, time) in moved {
                        set.remove(&path);
                        set.insert(to.join(path.strip_prefix(&from).unwrap()), time);
                    }
                }
                // `join("")` of a file gives it a slash at its end.
                for set in [&mut self.content, &mut self.names] {
                    if let Some(time) = set.remove(&to.join("")) {
                        set.insert(to.clone(), time);
                    }
                }
                if let Some(target) = self.links.remove(&from) {
                    self.links.insert(to.clone(), target);
                }
                self.made(to, now);
            }
            (_, Change::FolderSynced(folder)) => {
                self.names.retain(|path, _| path.parent() != Some(folder));
            }
            (_, Change::AllSynced(_)) => {
                self.content.retain(|_, time| *time > since);
                self.names.retain(|_, time| *time > since);
            }
            ("fsync" | "fdatasync", _) => {
                if let Some(file) = fds.first() {
                    self.content.remove(Path::new(file));
                }
            }
            ("symlink" | "symlinkat", _) => {
                let link = if name == "symlink" {
                    path(1)
                } else {
                    plain(&PathBuf::from(fds.first().cloned().unwrap_or_default()).join(&words[1]))
                };
                self.links.insert(link.clone(), PathBuf::from(&words[0]));
                self.made(link, now);
            }
            ("link" | "linkat", _) => {
                let (from, to) = (path(0), path(1));
                if let Some(time) = self.content.get(&from).copied() {
                    self.wrote(to.clone(), time);
                }
                self.made(to, now);
            }
            ("mkdir" | "mkdirat", _) => self.made(path(0), now),
            ("unlink" | "unlinkat" | "rmdir", _) => {
                let path = path(0);
                self.gone(&path);
            }
            ("copy_file_range", _) => {
                if let Some(file) = fds.get(1) {
                    self.wrote(PathBuf::from(file), now);
                }
            }
            ("truncate", _) => self.wrote(path(0), now),
            _ => {
                if let Some(file) = fds.first() {
                    self.wrote(PathBuf::from(file), now);
                }
            }
        }
    }

    fn is_folder(&self, path: &Path) -> bool {
        // Those of this run may be gone by now; a file that was written is none.
        path.is_dir() || self.names.keys().any(|each| each.parent() == Some(path))
    }

    fn wrote(&mut self, file: PathBuf, now: usize) {
        if file.starts_with(&self.home) {
            self.content.insert(file, now);
        }
    }

    fn made(&mut self, name: PathBuf, now: usize) {
        if name.starts_with(&self.home) {
            self.names.insert(name, now);
        }
    }

    fn gone(&mut self, path: &Path) {
        self.content.retain(|each, _| !each.starts_with(path));
        self.names.retain(|each, _| !each.starts_with(path));
        self.before.remove(path);
    }

    /// What below `folder` a power cut would take: files that are empty, names that are not there.
    pub(crate) fn lost_below(&self, folder: &Path) -> Vec<String> {
        let below = |set: &BTreeMap<PathBuf, usize>, what: &str| {
            set.keys()
                .filter(|path| path.starts_with(folder))
                .map(|path| format!("{what} {}", path.display()))
                .collect::<Vec<_>>()
        };
        let mut lost = below(&self.content, "content of");
        lost.extend(below(&self.names, "name"));
        lost
    }

    pub(crate) fn has_content(&self, file: &Path) -> bool {
        !self.content.contains_key(file)
    }

    /// Where a link leads that this run made.
    pub(crate) fn link(&self, link: &Path) -> Option<&Path> {
        self.links.get(link).map(PathBuf::as_path)
    }

    /// Does to the home what the power cut does. Files that were not synced are empty; with `names`, what was not named on the
    /// disk is gone. Gives how much that was.
    pub(crate) fn cut(&self, names: bool) -> usize {
        let mut lost = 0;
        for file in self.content.keys().filter(|file| is_file(file)) {
            // Never in place: it may have another name elsewhere, which nothing happened to.
            let mode = fs::metadata(file).unwrap().permissions();
            fs::remove_file(file).unwrap();
            fs::write(file, b"").unwrap();
            fs::set_permissions(file, mode).unwrap();
            lost += 1;
        }
        // Git's names are left to it, and to the journals that it counts on.
        let is_gits = |name: &Path| {
            name.components()
                .any(|part| part.as_os_str() == "small.git")
        };
        for name in self.names.keys().filter(|name| names && !is_gits(name)) {
            if name.is_dir() && !name.is_symlink() {
                let _ = fs::remove_dir_all(name);
                lost += 1;
            } else if fs::remove_file(name).is_ok() {
                lost += 1;
            }
        }
        lost
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
}

fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), found);
        }
        found.insert(entry.path());
    }
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(found, _)| found)
}

/// The strings among a call's arguments.
fn words(args: &str) -> Vec<String> {
    let (mut words, mut chars) = (Vec::new(), args.chars());
    while chars.by_ref().any(|c| c == '"') {
        let mut word = String::new();
        while let Some(c) = chars.next().filter(|c| *c != '"') {
            word.push(if c == '\\' {
                chars.next().unwrap_or_default()
            } else {
                c
            });
        }
        words.push(word);
    }
    words
}

/// The paths that `-y` gives with file descriptors, outside strings.
fn annotations(args: &str) -> Vec<String> {
    let (mut found, mut chars) = (Vec::new(), args.chars());
    while let Some(c) = chars.next() {
        if c == '"' {
            while let Some(c) = chars.next().filter(|c| *c != '"') {
                if c == '\\' {
                    chars.next();
                }
            }
        } else if c == '<' {
            found.push(chars.by_ref().take_while(|c| *c != '>').collect());
        }
    }
    found
}
