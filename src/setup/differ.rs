//! What of a plan is not so on the server.
//!
//! takes: a plan, facts, what was written before · gives: [`Difference`]s, in the plan's order · touches: reads the files that
//! the plan names

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use similar::TextDiff;

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Item, Plan, What};
use crate::base::fs::{self, FsError};
use crate::base::server_paths::ServerPaths;
use crate::base::words::list;
use crate::tool::systemd::UnitState;

/// Something that is not as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What is planned.
    #[serde(flatten)]
    pub item: Item,
    /// How it is.
    pub state: State,
}

/// How something is, where it is not as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is not there.
    Missing,
    /// A file as an earlier run wrote it.
    Outdated {
        /// Its text.
        now: String,
    },
    /// A file that somebody else wrote or changed.
    Edited {
        /// Its text.
        now: String,
    },
    /// A file or folder with another mode.
    Mode {
        /// Its mode.
        now: u32,
    },
    /// It is there, and should not be.
    Present,
    /// A unit in another state.
    Unit(UnitState),
    /// ufw is off.
    Off,
    /// Ports that ufw does not let in.
    Closed(Vec<u16>),
}

impl Difference {
    /// What it is about: a path, a unit.
    pub fn name(&self) -> String {
        match &self.item.what {
            What::UserGroup(name) => format!("group {name}"),
            What::Folder { path, .. }
            | What::File { path, .. }
            | What::Away { path, .. }
            | What::Made { path, .. } => path.clone(),
            What::Unit { name, .. } => name.clone(),
            What::Ufw(_) => "ufw".into(),
        }
    }

    /// How it differs, in words.
    pub fn words(&self) -> String {
        match (&self.state, &self.item.what) {
            (State::Missing, What::Unit { .. }) => "is not installed".into(),
            (State::Missing, _) => "is missing".into(),
            (State::Outdated { .. }, _) => "is of an earlier setup".into(),
            (State::Edited { .. }, _) => "was changed by hand, or is not Landfall's".into(),
            (State::Mode { now }, What::File { mode, .. } | What::Folder { mode, .. }) => {
                format!("has mode {now:04o} instead of {mode:04o}")
            }
            (State::Mode { now }, _) => format!("has mode {now:04o}"),
            (State::Present, _) => "is there, and should not be".into(),
            (State::Unit(state), What::Unit { on: true, .. }) => {
                match (state.active, state.enabled) {
                    (false, false) => "is off".into(),
                    (false, true) => "does not run".into(),
                    (true, _) => "is not started at boot".into(),
                }
            }
            (State::Unit(_), _) => "is on, and nobody uses it".into(),
            (State::Off, _) => "is off".into(),
            (State::Closed(ports), _) => {
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                format!("does not let in {}", list(&ports))
            }
        }
    }

    /// A file that is somebody's: it is kept, unless it is said otherwise.
    pub fn is_edited(&self) -> bool {
        matches!(self.state, State::Edited { .. })
    }

    /// What changes in a file, in unified form; none for what is no file.
    pub fn diff(&self) -> Option<String> {
        let What::File { path, text, .. } = &self.item.what else {
            return None;
        };
        let (from, now) = match &self.state {
            State::Missing => ("/dev/null".to_owned(), ""),
            State::Outdated { now } | State::Edited { now } => (path.clone(), now.as_str()),
            _ => return None,
        };
        let diff = TextDiff::from_lines(now, text);
        let planned = format!("{path} (planned)");
        Some(diff.unified_diff().header(&from, &planned).to_string())
    }

    /// The commands that make it so, as they could be typed; none for a file that is written.
    pub fn commands(&self) -> Vec<String> {
        match &self.item.what {
            What::UserGroup(name) => vec![format!("groupadd --system {name}")],
            What::Folder { path, mode } => {
                vec![format!("install -d -o root -g root -m {mode:04o} {path}")]
            }
            What::File { path, mode, .. } => match &self.state {
                State::Mode { .. } => vec![format!("chmod {mode:04o} {path}")],
                _ => Vec::new(),
            },
            What::Away { path, .. } => vec![format!("rm {path}")],
            What::Made { path, commands } => commands
                .iter()
                .map(|words| {
                    shell_words::join(words)
                        .replace("'{}'", path)
                        .replace("{}", path)
                })
                .collect(),
            What::Unit { name, on: true } => vec![format!("systemctl enable --now {name}")],
            What::Unit { name, on: false } => vec![format!("systemctl disable --now {name}")],
            What::Ufw(ports) => {
                let mut commands: Vec<String> = ports
                    .iter()
                    .map(|port| format!("ufw allow {port}/tcp"))
                    .collect();
                commands.push("ufw --force enable".into());
                commands
            }
        }
    }
}

/// The planned packages that are not installed, each once.
pub fn missing_packages(plan: &Plan, facts: &Facts) -> Vec<String> {
    let mut missing: Vec<String> = plan
        .packages
        .iter()
        .filter(|package| !facts.installed.contains_key(&package.name))
        .map(|package| package.name.clone())
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

/// What of the plan's items is not so.
pub fn differences(
    plan: &Plan,
    facts: &Facts,
    memory: &Memory,
    paths: &ServerPaths,
) -> Result<Vec<Difference>, FsError> {
    let mut found = Vec::new();
    for item in &plan.items {
        if let Some(state) = look(item, facts, memory, paths)? {
            found.push(Difference {
                item: item.clone(),
                state,
            });
        }
    }
    Ok(found)
}

fn look(
    item: &Item,
    facts: &Facts,
    memory: &Memory,
    paths: &ServerPaths,
) -> Result<Option<State>, FsError> {
    Ok(match &item.what {
        What::UserGroup(_) => (!facts.has_apps_group).then_some(State::Missing),
        What::Folder { path, mode } => {
            let folder = paths.at(path);
            if folder.is_dir() {
                other_mode(&folder, *mode)?
            } else {
                Some(State::Missing)
            }
        }
        What::File {
            path, mode, text, ..
        } => {
            let file = paths.at(path);
            match fs::read_if_exists(&file)? {
                None => Some(State::Missing),
                Some(now) if now == *text => other_mode(&file, *mode)?,
                Some(now) if memory.is_ours(path, &now) => Some(State::Outdated { now }),
                Some(now) => Some(State::Edited { now }),
            }
        }
        What::Away { path, .. } => paths.at(path).is_symlink().then_some(State::Present),
        What::Made { path, .. } => (!paths.at(path).exists()).then_some(State::Missing),
        What::Unit { name, on } => {
            let state = facts.unit(name);
            let is_so = if *on {
                state.active && state.enabled
            } else {
                !state.active && !state.enabled
            };
            match (is_so, state.exists || !on) {
                (true, _) => None,
                (false, true) => Some(State::Unit(state)),
                (false, false) => Some(State::Missing),
            }
        }
        What::Ufw(ports) => match &facts.ufw {
            None => Some(State::Missing),
            Some(ufw) if !ufw.active => Some(State::Off),
            Some(ufw) => {
                let closed = ports
                    .iter()
                    .copied()
                    .filter(|port| !ufw.allowed.contains(port));
                let closed: Vec<u16> = closed.collect();
                (!closed.is_empty()).then_some(State::Closed(closed))
            }
        },
    })
}

fn other_mode(path: &Path, mode: u32) -> Result<Option<State>, FsError> {
    let now = fs::mode(path)? & 0o7777;
    Ok((now != mode).then_some(State::Mode { now }))
}

/// All that differs, for people: packages, then each group's things with their reasons, files as diffs.
pub fn describe(packages: &[String], differences: &[Difference]) -> String {
    let mut text = String::new();
    if !packages.is_empty() {
        let _ = writeln!(
            text,
            "# packages\n$ apt-get install {}\n",
            packages.join(" ")
        );
    }
    for group in Group::ALL {
        let of_group: Vec<&Difference> = differences
            .iter()
            .filter(|difference| difference.item.group == group)
            .collect();
        if of_group.is_empty() {
            continue;
        }
        let _ = writeln!(text, "# {group}");
        for difference in of_group {
            let _ = writeln!(
                text,
                "# {} {}: {}",
                difference.name(),
                difference.words(),
                difference.item.why
            );
            for command in difference.commands() {
                let _ = writeln!(text, "$ {command}");
            }
            text.push_str(&difference.diff().unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::plan::Reaction;

    fn planned(path: &str) -> Plan {
        let mut plan = Plan::default();
        plan.file(Group::Logs, path, "a = 1\n", Reaction::Nobody, "a reason");
        plan
    }

    fn differ(plan: &Plan, memory: &Memory, paths: &ServerPaths) -> Vec<Difference> {
        differences(plan, &Facts::default(), memory, paths).unwrap()
    }

    #[test]
    fn a_file_is_missing_old_edited_or_of_another_mode() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ServerPaths::under(dir.path());
        let plan = planned("/x.conf");
        let file = dir.path().join("x.conf");
        let mut memory = Memory::default();

        let missing = differ(&plan, &memory, &paths);
        assert_eq!(missing[0].state, State::Missing);
        assert!(
            missing[0]
                .diff()
                .unwrap()
                .starts_with("--- /dev/null\n+++ /x.conf (planned)\n@@ -0,0 +1,2 @@\n+# Managed")
        );

        fs::write(&file, b"a = 0\n", 0o644).unwrap();
        let edited = differ(&plan, &memory, &paths);
        assert!(edited[0].is_edited());
        assert!(edited[0].diff().unwrap().contains("\n-a = 0\n"));

        memory.files.insert("/x.conf".into(), "a = 0\n".into());
        let old = differ(&plan, &memory, &paths);
        assert_eq!(
            old[0].state,
            State::Outdated {
                now: "a = 0\n".into()
            }
        );

        let What::File { text, .. } = &plan.items[0].what else {
            panic!("no file")
        };
        fs::write(&file, text.as_bytes(), 0o600).unwrap();
        let mode = differ(&plan, &memory, &paths);
        assert_eq!(mode[0].words(), "has mode 0600 instead of 0644");
        assert_eq!(mode[0].commands(), ["chmod 0644 /x.conf"]);

        fs::write(&file, text.as_bytes(), 0o644).unwrap();
        assert_eq!(differ(&plan, &memory, &paths), []);
    }

    #[test]
    fn a_dry_run_reads_as_commands_and_diffs() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ServerPaths::under(dir.path());
        let mut plan = planned("/x.conf");
        let folder = What::Folder {
            path: "/srv/x".into(),
            mode: 0o711,
        };
        plan.item(Group::Base, folder, "homes");
        plan.unit(Group::Logs, "x.service", true, "it works");
        let differences = differ(&plan, &Memory::default(), &paths);
        let text = describe(&["git".into(), "make".into()], &differences);
        assert_eq!(
            text,
            format!(
                "# packages\n$ apt-get install git make\n\n# base\n# /srv/x is missing: homes\n\
                 $ install -d -o root -g root -m 0711 /srv/x\n\n# logs\n# /x.conf is missing: a reason\n\
                 --- /dev/null\n+++ /x.conf (planned)\n@@ -0,0 +1,2 @@\n+# {}\n+a = 1\n\
                 # x.service is not installed: it works\n$ systemctl enable --now x.service\n\n",
                super::super::plan::MARK
            )
        );
    }
}
