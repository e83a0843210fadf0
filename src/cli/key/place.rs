//! Where the keys of an app lie, read and written.
//!
//! The server's apps: `keys/NAME` beside the folder of their settings, root's, so that nothing an app runs can let anybody
//! in; its group reads it, for sshd reads it as the app's user. In user mode: the account's own `~/.ssh/authorized_keys`,
//! between marks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Gid, Group, chown};

use crate::base::flock::{self, Attempt, FileLock};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{AppName, Fingerprint};
use crate::base::server_paths::ServerPaths;
use crate::base::user;
use crate::config::server::{AppSettings, Mode};
use crate::keys::authorized::{Block, Entry, Forced, KeysFile};
use crate::keys::public_key::PublicKey;

/// Root writes, the app's group reads.
const OF_SERVER: u32 = 0o640;
/// How long a change waits for another.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keys that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum PlaceError {
    /// The server's are root's.
    #[error("the keys of `{app}` are root's")]
    NeedsRoot {
        /// The app.
        app: String,
        /// What was typed.
        command: String,
    },
    /// The app's user is not there.
    #[error("there is no group `{0}`, so sshd could not read the keys as its user")]
    NoGroup(AppName),
    /// Somebody else changes them.
    #[error("somebody else changes {} just now", .0.display())]
    Busy(PathBuf),
    /// The path of the program, or of the settings, has an odd character.
    #[error("{} has a character that a shell would read otherwise: letters, digits and / . _ - + @ only", .0.display())]
    OddPath(PathBuf),
    /// The file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for PlaceError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NeedsRoot { command, .. } => vec![format!("sudo {command}")],
            Self::NoGroup(app) => vec![format!("see what the app has: landfall app show {app}")],
            Self::OddPath(_) => vec!["install the program as /usr/bin/landfall".into()],
            Self::Busy(_) => Vec::new(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NeedsRoot { .. } => Kind::Refused,
            Self::Busy(_) => Kind::Busy,
            Self::NoGroup(_) | Self::OddPath(_) | Self::Fs(_) => Kind::Failed,
        }
    }
}

/// Where the keys of one app lie.
#[derive(Debug)]
pub(in crate::cli) struct Place {
    app: AppName,
    mode: Mode,
    settings: PathBuf,
    /// What sshd reads.
    pub(in crate::cli) file: PathBuf,
}

/// The keys of one app.
#[derive(Debug)]
pub(in crate::cli) enum Keys {
    /// A file of their own.
    Server(KeysFile),
    /// Their part of an account's file.
    Account(Block),
}

impl Keys {
    /// What is Landfall's to change.
    pub(in crate::cli) fn ours(&self) -> &KeysFile {
        match self {
            Self::Server(file) => file,
            Self::Account(block) => &block.inside,
        }
    }

    /// As [`Keys::ours`].
    pub(in crate::cli) fn ours_mut(&mut self) -> &mut KeysFile {
        match self {
            Self::Server(file) => file,
            Self::Account(block) => &mut block.inside,
        }
    }

    /// A line that Landfall did not write lets this key in.
    pub(in crate::cli) fn lets_in_otherwise(&self, key: &PublicKey) -> bool {
        let is_it = |line: &str| PublicKey::in_line(line).as_ref() == Some(key);
        let outside = match self {
            Self::Server(_) => false,
            Self::Account(block) => block.outside().any(is_it),
        };
        outside || self.ours().foreign().any(is_it)
    }

    fn render(&self) -> String {
        match self {
            Self::Server(file) => file.render(),
            Self::Account(block) => block.render(),
        }
    }
}

impl Place {
    /// Where an app's keys lie, by its settings and where these lie.
    pub(in crate::cli) fn of(host: &Host, app: &AppSettings, settings: &Path) -> Self {
        let file = match app.mode() {
            Mode::Server => {
                let base = settings.parent().and_then(Path::parent);
                let keys =
                    base.map_or_else(|| ServerPaths::default().keys(), |base| base.join("keys"));
                keys.join(app.name.as_str())
            }
            Mode::User(_) => {
                let home = host.path_var("HOME").or_else(user::home);
                let file = home
                    .unwrap_or_else(|| PathBuf::from("/"))
                    .join(".ssh/authorized_keys");
                // Some keep it elsewhere, with a link to it.
                file.canonicalize().unwrap_or(file)
            }
        };
        Self {
            app: app.name.clone(),
            mode: app.mode(),
            settings: settings.to_owned(),
            file,
        }
    }

    /// Fails early for a caller who could not write the server's keys.
    pub(in crate::cli) fn check_root(&self, host: &Host) -> Result<(), PlaceError> {
        if self.mode == Mode::Server && self.is_of_system() && !user::is_root() {
            return Err(needs_root(&self.settings, host));
        }
        Ok(())
    }

    /// The file that tells sshd to read the server's keys, where it is not there.
    pub(in crate::cli) fn missing_rules(&self) -> Option<PathBuf> {
        let rules = ServerPaths::default().ssh_rules();
        (self.is_of_system() && !rules.exists()).then_some(rules)
    }

    /// What sshd runs for a key of this app.
    pub(in crate::cli) fn forced(&self, landfall: &Path) -> Result<Forced, PlaceError> {
        let settings = (!self.is_of_system()).then_some(self.settings.as_path());
        Forced::new(landfall, &self.app, settings).ok_or_else(|| {
            let is_odd = Forced::new(landfall, &self.app, None).is_none();
            let odd = settings.filter(|_| !is_odd).unwrap_or(landfall);
            PlaceError::OddPath(odd.to_owned())
        })
    }

    /// Reads the keys.
    pub(in crate::cli) fn read(&self) -> Result<Keys, FsError> {
        let text = fs::read_if_exists(&self.file)?.unwrap_or_default();
        Ok(match self.mode {
            Mode::Server => Keys::Server(KeysFile::parse(&text)),
            Mode::User(_) => Keys::Account(Block::parse(&text, &self.app)),
        })
    }

    /// The entry of a key that is let in.
    pub(in crate::cli) fn entry(&self, key: &Fingerprint) -> Option<Entry> {
        let keys = self.read().ok()?;
        let mut entries = keys.ours().entries();
        entries
            .find(|entry| entry.key.fingerprint() == key)
            .cloned()
    }

    /// Keeps others from changing the keys until it is dropped.
    pub(in crate::cli) fn lock(&self) -> Result<FileLock, PlaceError> {
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        if !folder.is_dir() {
            let mode = match self.mode {
                Mode::Server => 0o755,
                Mode::User(_) => 0o700,
            };
            fs::create_folder_with_mode(folder, mode)?;
        }
        // sshd looks for files called as users are; none is called so.
        match flock::lock(&folder.join(".landfall.lock"), PATIENCE, &mut |_| ())? {
            Attempt::Taken(lock) => Ok(lock),
            Attempt::HeldBy(_) => Err(PlaceError::Busy(self.file.clone())),
        }
    }

    /// Writes the keys, whole.
    pub(in crate::cli) fn write(&self, keys: &Keys) -> Result<(), PlaceError> {
        let text = keys.render();
        match self.mode {
            Mode::User(_) => Ok(fs::write(&self.file, text.as_bytes(), fs::PRIVATE)?),
            Mode::Server => {
                let group = self.group()?;
                fs::put(&self.file, OF_SERVER, |path| {
                    fs::write(path, text.as_bytes(), OF_SERVER)?;
                    chown(path, None, group)
                        .map_err(|errno| FsError::new("change the group of", path, errno.into()))?;
                    Ok(())
                })
            }
        }
    }

    /// The group that is to read the file: the app's. Settings that lie elsewhere may be of an app that is not made yet.
    fn group(&self) -> Result<Option<Gid>, PlaceError> {
        match Group::from_name(self.app.as_str()) {
            Ok(Some(group)) => Ok(Some(group.gid)),
            _ if self.is_of_system() => Err(PlaceError::NoGroup(self.app.clone())),
            _ => Ok(None),
        }
    }

    fn is_of_system(&self) -> bool {
        is_of_system(&self.settings)
    }
}

/// Settings that only root and the app's own user can read: says so, before reading fails.
pub(super) fn check_root_for(settings: &Path, host: &Host) -> Result<(), PlaceError> {
    let readable = std::fs::File::open(settings).is_ok();
    if is_of_system(settings) && !user::is_root() && !readable {
        return Err(needs_root(settings, host));
    }
    Ok(())
}

fn is_of_system(settings: &Path) -> bool {
    settings.parent() == Some(&ServerPaths::default().apps())
}

fn needs_root(settings: &Path, host: &Host) -> PlaceError {
    let words = host.args().iter().skip(1).map(|arg| arg.to_string_lossy());
    PlaceError::NeedsRoot {
        app: settings
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        command: shell_words::join(std::iter::once("landfall".into()).chain(words)),
    }
}
