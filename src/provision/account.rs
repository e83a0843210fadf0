//! The app's system user: a group of its own, no password, a shell only for the forced command of its keys.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Group, User};

use super::ProvisionError;
use super::system::{self, SystemError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::AppName;
use crate::base::server_paths::APPS_GROUP;
use crate::config::server::AppSettings;

/// How long a user's last processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A user that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name is somebody's.
    #[error("there is a system user or group `{0}` already")]
    Taken(AppName),
    /// useradd or groupadd failed.
    #[error(transparent)]
    System(#[from] SystemError),
    /// It was made, and is not there.
    #[error("the system user `{0}` was made and cannot be found")]
    Vanished(AppName),
}

impl Hint for AccountError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Taken(_) => vec!["choose another name for the app".into()],
            _ => Vec::new(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::System(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Taken(_) => Kind::Refused,
            _ => Kind::Failed,
        }
    }
}

fn find(name: &AppName) -> Option<User> {
    User::from_name(name.as_str()).ok().flatten()
}

fn is_group(name: &str) -> bool {
    matches!(Group::from_name(name), Ok(Some(_)))
}

/// The name is free, and the server has what an app's user needs.
pub(super) fn check(name: &AppName) -> Result<(), ProvisionError> {
    if !is_group(APPS_GROUP) || !Path::new("/usr/lib/systemd/system/landfall@.service").exists() {
        return Err(ProvisionError::NotSetUp(
            "the group landfall-apps or the unit landfall@.service is missing",
        ));
    }
    if find(name).is_some() || is_group(name.as_str()) {
        return Err(AccountError::Taken(name.clone()).into());
    }
    Ok(())
}

/// Makes the user. Its password field is `*`: none fits, and sshd does not take the account for a locked one.
pub(super) fn create(app: &AppSettings) -> Result<User, AccountError> {
    let name = app.name.as_str();
    system::run("groupadd", &["groupadd", "--system", name])?;
    system::run(
        "useradd",
        &[
            "useradd",
            "--system",
            "--gid",
            name,
            "--groups",
            APPS_GROUP,
            "--home-dir",
            &app.home.to_string_lossy(),
            "--no-create-home",
            "--shell",
            "/bin/sh",
            "--password",
            "*",
            "--comment",
            "Landfall app",
            name,
        ],
    )?;
    find(&app.name).ok_or_else(|| AccountError::Vanished(app.name.clone()))
}

/// Ends whatever still runs as the user: its builds, its ssh sessions.
pub(super) fn end_processes(name: &AppName) {
    if find(name).is_some() {
        // It fails where there was nothing to end.
        let _ = system::run("pkill", &["pkill", "-KILL", "-u", name.as_str()]);
    }
}

/// Takes user and group away, and what the user left outside its home: the next user may get its number.
pub(super) fn remove(name: &AppName) -> Result<(), SystemError> {
    if let Some(user) = find(name) {
        // It fails where there is none, or no cron.
        let _ = system::run("crontab", &["crontab", "-r", "-u", name.as_str()]);
        let uid = user.uid.to_string();
        let mut find = vec!["find", "/tmp", "/var/tmp", "/dev/shm", "-xdev"];
        find.extend(["-uid", &uid, "-delete"]);
        let _ = system::run("find", &find);
        let begun = Instant::now();
        // A process that was just ended may still be there for a moment.
        while let Err(error) = system::run("userdel", &["userdel", name.as_str()]) {
            if begun.elapsed() > PATIENCE {
                return Err(error);
            }
            end_processes(name);
            thread::sleep(Duration::from_millis(200));
        }
    }
    if is_group(name.as_str()) {
        system::run("groupdel", &["groupdel", name.as_str()])?;
    }
    Ok(())
}

/// The group of nginx's workers, which go through an app's home: Debian's name, else nginx.org's.
pub(super) fn nginx_group() -> Result<Gid, ProvisionError> {
    ["www-data", "nginx"]
        .iter()
        .find_map(|name| Group::from_name(name).ok().flatten())
        .map(|group| group.gid)
        .ok_or(ProvisionError::NotSetUp("nginx has no group"))
}
