//! Who runs this process.

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{Uid, User, gethostname, initgroups, setgid, setsid, setuid};

use super::host::Host;
use super::names::{Fingerprint, Who};

/// Names the person for whom a process runs, where that is not its user: set by `landfall ssh` for whoever's key let them
/// in. The app's own user could set it too, and would lie to nobody but itself.
pub const WHO: &str = "LANDFALL_WHO";
/// The fingerprint of that person's key.
pub const KEY: &str = "LANDFALL_KEY";

/// For whom this process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of whoever's key let them in, else the login name.
    pub who: String,
    /// That key.
    pub key: Option<Fingerprint>,
}

/// For whom this process runs. Variables that are not valid are as good as not set.
pub fn caller(host: &Host) -> Caller {
    let who = host.var(WHO).and_then(|who| who.parse::<Who>().ok());
    Caller {
        key: host.var(KEY).and_then(|key| key.parse().ok()),
        who: who.map_or_else(name, String::from),
    }
}

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

/// Leaves the caller's session, and with it its terminal: what runs from here cannot type into it (`TIOCSTI` asks for one's
/// own controlling terminal, ioctl_tty(2)).
pub fn leave_terminal() -> std::io::Result<()> {
    setsid()?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn whoever_came_in_by_a_key_is_named_if_the_name_is_one() {
        let hash = "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ";
        let of = |who: &str, key: &str| {
            caller(&Host::fixed(
                &[(WHO, who), (KEY, key)],
                Path::new("/"),
                UNIX_EPOCH,
            ))
        };
        let ana = of("Ana", hash);
        assert_eq!(
            (ana.who.as_str(), ana.key.as_ref().map(Fingerprint::as_str)),
            ("Ana", Some(hash))
        );
        let odd = of("a\u{1b}[2J", "x");
        assert_eq!((odd.who, odd.key), (name(), None));
    }
}
