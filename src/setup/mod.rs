//! A new server made ready for apps: facts → plan → what differs → apply. `landfall server setup` and `server check`.
//!
//! [`facts`] looks, [`plan`] says what a server with these facts should have, [`differ`] compares the two, [`apply`] does what
//! is missing, [`memory`] keeps what was written, so that a file changed by hand is told from an old one of ours.

pub mod apply;
pub mod differ;
pub mod facts;
pub mod memory;
pub mod plan;

mod admin_key;
mod firewall;
mod folders;
mod logs;
mod nginx;
mod packages;
mod services;
mod ssh;
mod swap;
mod upgrades;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::base::hint::{Hint, Kind};
use crate::base::words::list;

/// A part of the setup that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Landfall's folders and group, git, Python, what wheels are built with.
    Base,
    /// Node.js and npm.
    Node,
    /// nginx and its defaults.
    Nginx,
    /// supervisor, of which each app runs one of its own.
    Supervisor,
    /// The PostgreSQL server.
    Postgresql,
    /// The Redis program, of which an app may run one of its own.
    Redis,
    /// Rotation of logs, and a limit for the journal.
    Logs,
    /// sshd's rules.
    Ssh,
    /// Which ports are open.
    Firewall,
    /// Bans addresses that guess at ssh.
    Fail2ban,
    /// Security updates by themselves.
    Upgrades,
    /// A swap file on small machines.
    Swap,
}

impl Group {
    /// All, in the order they are set up.
    pub const ALL: [Self; 12] = [
        Self::Base,
        Self::Node,
        Self::Nginx,
        Self::Supervisor,
        Self::Postgresql,
        Self::Redis,
        Self::Logs,
        Self::Ssh,
        Self::Firewall,
        Self::Fail2ban,
        Self::Upgrades,
        Self::Swap,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Node => "node",
            Self::Nginx => "nginx",
            Self::Supervisor => "supervisor",
            Self::Postgresql => "postgresql",
            Self::Redis => "redis",
            Self::Logs => "logs",
            Self::Ssh => "ssh",
            Self::Firewall => "firewall",
            Self::Fail2ban => "fail2ban",
            Self::Upgrades => "upgrades",
            Self::Swap => "swap",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No group of the setup.
#[derive(Debug, thiserror::Error)]
#[error("`{given}` is no part of the setup; there are {}", list(&Group::ALL.map(Group::name)))]
pub struct NoSuchGroup {
    given: String,
}

impl Hint for NoSuchGroup {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl FromStr for Group {
    type Err = NoSuchGroup;

    fn from_str(given: &str) -> Result<Self, NoSuchGroup> {
        let found = Self::ALL.into_iter().find(|group| group.name() == given);
        found.ok_or_else(|| NoSuchGroup {
            given: crate::base::words::printable(given),
        })
    }
}
