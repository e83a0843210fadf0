//! Finds the app a command is about, and opens what it needs of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::flock::FileLock;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind, Report};
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::secret::Redactor;
use crate::base::server_paths::ServerPaths;
use crate::base::user;
use crate::base::words::list;
use crate::config::env_file::EnvFile;
use crate::config::server::{self, AppSettings, Mode, SharedLists};
use crate::release::layout::Home;
use crate::release::lock::{self, Holder, LockError};
use crate::report::events::Events;
use crate::stage::Context;

use super::{Ended, Globals, output, owner};

/// How long a command waits for a deploy that runs.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The app could not be found.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// No app of that name.
    #[error("there is no app `{0}`")]
    NoSuchApp(AppName),
    /// No app at all.
    #[error("there is no app on this machine yet")]
    NoApps,
    /// Settings that do not fit where they lie.
    #[error("{}: `{key}`: {rule}", file.display())]
    Misplaced {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        rule: String,
    },
    /// Several, and none was named.
    #[error("there are several apps: {}", list(.0))]
    Several(Vec<AppName>),
}

impl Hint for SessionError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchApp(_) => vec!["landfall app list".into()],
            Self::NoApps => vec!["landfall app create NAME".into()],
            Self::Misplaced { .. } => {
                vec!["landfall app create makes an app with settings that fit".into()]
            }
            Self::Several(names) => vec![format!(
                "name one: --app {}, or LANDFALL_APP={}",
                names[0], names[0]
            )],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Several(_) | Self::Misplaced { .. } => Kind::Usage,
            Self::NoSuchApp(_) | Self::NoApps => Kind::NotFound,
        }
    }
}

/// An app, opened.
pub(super) struct Session {
    pub(super) app: AppSettings,
    pub(super) settings_file: PathBuf,
    pub(super) home: Home,
    pub(super) env: EnvFile,
    pub(super) events: Events,
}

impl Session {
    /// The app the command line, `LANDFALL_APP` or the working directory names, or the only one.
    pub(super) fn open(host: &Host, globals: &Globals) -> Result<Self, Ended> {
        let file = find(host, globals)?;
        owner::become_owner(host, &read_settings(&file)?)?;
        Self::open_file(&file)
    }

    /// The app of a settings file.
    pub(super) fn open_file(file: &Path) -> Result<Self, Ended> {
        let app = whole_settings(file)?;
        let home = Home::new(app.home.clone(), app.name.clone());
        let env = read_env(&home)?;
        let redactor = Redactor::new(env.iter().map(|(name, value)| (name.as_str(), value)));
        Ok(Self {
            app,
            settings_file: file.to_owned(),
            home,
            env,
            events: Events::new(redactor),
        })
    }

    /// What stages work with.
    pub(super) fn context<'a>(&'a self, host: &'a Host) -> Context<'a> {
        Context {
            host,
            app: &self.app,
            home: &self.home,
            env: &self.env,
            events: &self.events,
        }
    }
}

/// Settings and environment as they are once the lock is held.
pub(super) struct Fresh {
    app: AppSettings,
    env: EnvFile,
}

impl Session {
    /// Reads settings and environment again: they may have been changed while this run waited for the lock.
    pub(super) fn fresh(&self) -> Result<Fresh, Ended> {
        let app = whole_settings(&self.settings_file)?;
        let env = read_env(&self.home)?;
        self.events.hide(Redactor::new(
            env.iter().map(|(name, value)| (name.as_str(), value)),
        ));
        Ok(Fresh { app, env })
    }
}

impl Fresh {
    /// What stages work with.
    pub(super) fn context<'a>(&'a self, session: &'a Session, host: &'a Host) -> Context<'a> {
        Context {
            host,
            app: &self.app,
            home: &session.home,
            env: &self.env,
            events: &session.events,
        }
    }
}

impl Session {
    /// The app's lock, for changes that take no time; says for whom it waits.
    pub(super) fn lock(&self, host: &Host, what: &str) -> Result<FileLock, LockError> {
        let holder = Holder::new(host, what, user::caller(host).who);
        lock::acquire(&self.home, host, &holder, PATIENCE, &mut |holder| {
            output::say(format!("waiting for {holder}"));
        })
    }
}

/// The app's environment; none where there is no file yet.
pub(super) fn read_env(home: &Home) -> Result<EnvFile, Report> {
    match fs::read_if_exists(&home.env_file())? {
        Some(text) => Ok(EnvFile::parse(&text)?),
        None => Ok(EnvFile::default()),
    }
}

/// An app's settings with what its own home adds to them; to be read as its user.
pub(super) fn whole_settings(file: &Path) -> Result<AppSettings, Report> {
    let mut app = read_settings(file)?;
    if app.mode() == Mode::Server {
        let list = Home::new(app.home.clone(), app.name.clone()).shared_list();
        let text = fs::read_if_exists(&list)?.unwrap_or_default();
        let own = SharedLists::parse(&text, &list.display().to_string())?;
        app.shared_files.extend(own.shared_files);
        app.shared_dirs.extend(own.shared_dirs);
    }
    Ok(app)
}

/// Reads a server's settings file of an app. What it says must fit where it lies: a copied file would speak of another app,
/// and root acts on its word.
pub(super) fn read_settings(file: &Path) -> Result<AppSettings, Report> {
    let shown = file.display().to_string();
    let app = server::parse(&fs::read(file)?, &shown)?;
    let paths = ServerPaths::default();
    let is_servers = file.parent() == Some(&paths.apps());
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let wrong = if stem != Some(app.name.as_str()) {
        Some(("name", "it is not what the file is called after".to_owned()))
    } else if is_servers && app.listen.is_some() {
        Some((
            "listen",
            "an app of the server's has no nginx of its own".into(),
        ))
    } else if is_servers && app.home != paths.home(&app.name) {
        let home = paths.home(&app.name);
        Some((
            "home",
            format!("an app of the server's lives in {}", home.display()),
        ))
    } else {
        None
    };
    match wrong {
        None => Ok(app),
        Some((key, rule)) => Err(SessionError::Misplaced {
            file: file.to_owned(),
            key,
            rule,
        }
        .into()),
    }
}

impl From<Report> for Ended {
    fn from(error: Report) -> Self {
        Self::Error(error)
    }
}

/// Where the settings files of apps lie, in the order they are looked at: the caller's own (user mode), then the server's.
pub(super) fn app_folders(host: &Host) -> Vec<PathBuf> {
    if let Some(dir) = host.path_var("LANDFALL_CONFIG_DIR") {
        return vec![dir.join("apps")];
    }
    vec![user_folder(host), PathBuf::from("/etc/landfall/apps")]
}

/// Where this user's own apps are listed.
pub(super) fn user_folder(host: &Host) -> PathBuf {
    if let Some(dir) = host.path_var("LANDFALL_CONFIG_DIR") {
        return dir.join("apps");
    }
    let home = host
        .path_var("HOME")
        .or_else(user::home)
        .unwrap_or_else(|| PathBuf::from("/"));
    host.path_var("XDG_CONFIG_HOME")
        .unwrap_or_else(|| home.join(".config"))
        .join("landfall/apps")
}

/// The settings files of all apps, by name.
pub(super) fn all_apps(host: &Host) -> Result<Vec<(AppName, PathBuf)>, FsError> {
    let mut apps: Vec<(AppName, PathBuf)> = Vec::new();
    for folder in app_folders(host) {
        for path in fs::list(&folder)? {
            let is_settings = path
                .extension()
                .is_some_and(|extension| extension == "toml");
            if let Some(name) = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok())
                .filter(|_| is_settings)
                && !apps.iter().any(|(known, _)| *known == name)
            {
                apps.push((name, path));
            }
        }
    }
    apps.sort();
    Ok(apps)
}

/// The settings file of the app that is meant.
pub(super) fn find(host: &Host, globals: &Globals) -> Result<PathBuf, Ended> {
    let apps = all_apps(host)?;
    let by_name = |name: &AppName| -> Result<PathBuf, Ended> {
        let found = apps
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, path)| path.clone());
        Ok(found.ok_or_else(|| SessionError::NoSuchApp(name.clone()))?)
    };
    if let Some(name) = &globals.app {
        return by_name(name);
    }
    if let Some(name) = host.var("LANDFALL_APP") {
        return by_name(&name.parse::<AppName>()?);
    }
    for (_, path) in &apps {
        if read_settings(path).is_ok_and(|app| host.cwd().starts_with(&app.home)) {
            return Ok(path.clone());
        }
    }
    match &apps[..] {
        [] => Err(SessionError::NoApps.into()),
        [(_, path)] => Ok(path.clone()),
        several => Err(SessionError::Several(
            several.iter().map(|(name, _)| name.clone()).collect(),
        )
        .into()),
    }
}
