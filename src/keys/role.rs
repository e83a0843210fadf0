//! What the owner of a key may do.

use std::fmt;
use std::str::FromStr;

/// Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks: status, releases, logs; clones and fetches.
    Read,
    /// Also pushes, deploys and rolls back.
    Deploy,
    /// Also changes the environment and what is shared.
    Operate,
}

impl Role {
    /// All of them, from the one that may do least.
    pub const ALL: [Self; 3] = [Self::Read, Self::Deploy, Self::Operate];

    /// The word people write.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Operate => "operate",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// No role has this name.
#[derive(Debug, thiserror::Error)]
#[error("there are the roles read, deploy and operate")]
pub struct NoSuchRole;

impl FromStr for Role {
    type Err = NoSuchRole;
    fn from_str(given: &str) -> Result<Self, NoSuchRole> {
        let found = Self::ALL.into_iter().find(|role| role.word() == given);
        found.ok_or(NoSuchRole)
    }
}
