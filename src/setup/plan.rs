//! What a server with these facts should have.
//!
//! takes: facts, the groups that are left out · gives: a [`Plan`]: packages, files with their whole text, units, each with its
//! reason · touches: nothing

use std::collections::BTreeSet;

use serde::Serialize;

use super::facts::Facts;
use super::memory::Memory;
use super::{Group, firewall, folders, logs, nginx, packages, services, ssh, swap, upgrades};

/// What a server should have, in the order it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Packages, all installed at once and first.
    pub packages: Vec<Package>,
    /// Everything else.
    pub items: Vec<Item>,
    /// What whoever runs it should know, and nothing is done about.
    pub notes: Vec<Note>,
}

/// A package that should be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Who wants it.
    pub group: Group,
}

/// Something on the server besides packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Who wants it.
    pub group: Group,
    /// What it is.
    pub what: What,
    /// Why.
    pub why: String,
}

/// Kinds of things on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A system group.
    UserGroup(String),
    /// A folder of root's.
    Folder {
        /// Where, absolute.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// A file that Landfall writes whole.
    File {
        /// Where, absolute.
        path: String,
        /// Its mode.
        mode: u32,
        /// All of it.
        text: String,
        /// Who must be told when it changes.
        then: Reaction,
    },
    /// A link that must not be there; what it leads to stays.
    Away {
        /// Where, absolute.
        path: String,
        /// Who must be told.
        then: Reaction,
    },
    /// A file that commands make, once.
    Made {
        /// Where, absolute; made under another name, and renamed.
        path: String,
        /// The commands; `{}` stands for the place.
        commands: Vec<Vec<String>>,
    },
    /// A unit that runs now and at boot, or doesn't.
    Unit {
        /// Its name.
        name: String,
        /// It should.
        on: bool,
    },
    /// Ports that ufw lets in.
    Ufw(Vec<u16>),
}

/// Who is told of a changed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// Nobody; it is read when it is needed.
    Nobody,
    /// nginx: the whole configuration is tested, then read.
    Nginx,
    /// sshd: the whole configuration is tested, then read.
    Ssh,
    /// systemd reads its units.
    Systemd,
    /// The packet filter's rules are loaded.
    Firewall,
    /// fail2ban starts again.
    Fail2ban,
    /// The journal starts again.
    Journal,
}

/// Something to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it belongs to.
    pub group: Group,
    /// In words.
    pub text: String,
}

/// The first line of each managed file, as a comment.
pub const MARK: &str = "Managed by `landfall server setup`; a change made here is kept, and shown by `landfall server check`.";

impl Plan {
    /// The plan for a server.
    pub fn make(facts: &Facts, memory: &Memory, without: &BTreeSet<Group>) -> Self {
        let mut plan = Self::default();
        let parts: [fn(&mut Self, &Facts, &Memory); 9] = [
            folders::plan,
            packages::plan,
            nginx::plan,
            services::plan,
            logs::plan,
            ssh::plan,
            firewall::plan,
            upgrades::plan,
            swap::plan,
        ];
        for part in parts {
            part(&mut plan, facts, memory);
        }
        plan.packages
            .retain(|package| !without.contains(&package.group));
        plan.items.retain(|item| !without.contains(&item.group));
        plan.notes.retain(|note| !without.contains(&note.group));
        plan
    }

    pub(super) fn packages(&mut self, group: Group, names: &[&str]) {
        self.packages.extend(names.iter().map(|name| Package {
            name: (*name).to_owned(),
            group,
        }));
    }

    pub(super) fn item(&mut self, group: Group, what: What, why: &str) {
        self.items.push(Item {
            group,
            what,
            why: why.to_owned(),
        });
    }

    /// A file of mode 0644, with the mark in its first line.
    pub(super) fn file(&mut self, group: Group, path: &str, body: &str, then: Reaction, why: &str) {
        let comment = if path.contains("/apt.conf.d/") {
            "//"
        } else {
            "#"
        };
        let what = What::File {
            path: path.to_owned(),
            mode: 0o644,
            text: format!("{comment} {MARK}\n{body}"),
            then,
        };
        self.item(group, what, why);
    }

    pub(super) fn unit(&mut self, group: Group, name: &str, on: bool, why: &str) {
        let name = name.to_owned();
        self.item(group, What::Unit { name, on }, why);
    }

    pub(super) fn note(&mut self, group: Group, text: impl Into<String>) {
        self.notes.push(Note {
            group,
            text: text.into(),
        });
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
