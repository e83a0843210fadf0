//! Who runs this process.

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{Uid, User, gethostname, initgroups, setgid, setuid};

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

/// True if the machine has a user of this name.
pub fn exists(name: &str) -> bool {
    ids(name).is_some()
}

/// The user's and its primary group's number.
pub fn ids(name: &str) -> Option<(u32, u32)> {
    let user = User::from_name(name).ok().flatten()?;
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

/// Becomes the user `name`, with its groups and for good; only root can.
pub fn become_user(name: &str) -> std::io::Result<()> {
    let user = User::from_name(name)?.ok_or(std::io::ErrorKind::NotFound)?;
    let login = CString::new(name)?;
    initgroups(&login, user.gid)?;
    setgid(user.gid)?;
    setuid(user.uid)?;
    Ok(())
}

/// The machine's host name, or `localhost` where it cannot be told.
pub fn hostname() -> String {
    gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".into())
}
