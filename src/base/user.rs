//! Who runs this process.

use std::path::PathBuf;

use nix::unistd::{Uid, User, gethostname};

/// True for root.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// The login name of the effective user, or its number where the user has no name.
pub fn name() -> String {
    let uid = Uid::effective();
    User::from_uid(uid)
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |user| user.name)
}

/// The home directory of the effective user, from the user database.
pub fn home() -> Option<PathBuf> {
    User::from_uid(Uid::effective())
        .ok()
        .flatten()
        .map(|user| user.dir)
}

/// The machine's host name, or `localhost` where it cannot be told.
pub fn hostname() -> String {
    gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".into())
}
