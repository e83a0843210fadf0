//! L5: an app of the server's, made and taken away: what `landfall app create` and `app remove` do as root.
//!
//! takes: the settings of the app, the services it wants · gives: an app that can be pushed to · touches: a system user, its
//! home, files of root's for it ([`crate::base::server_paths`]), a database, two services, its site · undone by: [`remove`],
//! which takes away exactly what [`create`] made, in the other order; what fails in the middle is taken away too
//!
//! What is made stands in `/var/lib/landfall/apps/NAME.json`, first as not whole: a run that was killed is cleared away by the
//! next, and nothing is taken away that was not made here.

mod account;
pub mod backup;
mod furnish;
pub mod hooks;
pub mod limits;
mod logs;
pub mod postgres;
pub mod redis;
mod sudoers;
mod system;
pub mod trusted;

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::User;
use serde::{Deserialize, Serialize};

use crate::base::flock::{self, Attempt, FileLock};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind, Report};
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::secret::Secret;
use crate::base::server_paths::ServerPaths;
use crate::config::server::{self, AppSettings};
use crate::release::layout::Home;
use crate::site;
use crate::template::site::Needs;

pub use account::AccountError;
pub use furnish::furnish;
pub use system::SystemError;
pub use trusted::TrustedError;

/// Mode of what root writes and the app's group may read.
const GROUP_READABLE: u32 = 0o640;

/// What an app gets besides its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Services {
    /// A role and a database of its own in the server's PostgreSQL.
    pub database: bool,
    /// A Redis of its own.
    pub redis: bool,
}

/// An app that could not be made or taken away.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The user.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A program of the system failed.
    #[error(transparent)]
    System(#[from] SystemError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A step that has errors of its own.
    #[error("{what}")]
    Step {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Cause,
    },
    /// `server setup` has not run.
    #[error("this server is not set up: {0}")]
    NotSetUp(&'static str),
    /// The program is not root's alone.
    #[error(transparent)]
    Trusted(#[from] TrustedError),
    /// A program of the system that has said why.
    #[error("{0} failed")]
    Failed(&'static str),
    /// Somebody else is at it.
    #[error("another app is being made or removed")]
    Busy,
    /// A path that a new app would take is there.
    #[error("{0} is there already")]
    Taken(PathBuf),
}

impl Hint for ProvisionError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Account(error) => error.hints(),
            Self::System(error) => error.hints(),
            Self::Fs(error) => error.hints(),
            Self::Step { source, .. } => source.0.hints(),
            Self::NotSetUp(_) => vec!["landfall server setup".into()],
            Self::Trusted(error) => error.hints(),
            Self::Busy => vec!["try again in a moment".into()],
            Self::Failed(_) => Vec::new(),
            Self::Taken(path) => vec![format!("look what it is: ls -la {}", path.display())],
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::System(error) => error.tool_output(),
            Self::Account(error) => error.tool_output(),
            Self::Step { source, .. } => source.0.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotSetUp(_) | Self::Taken(_) | Self::Trusted(_) => Kind::Refused,
            Self::Busy => Kind::Busy,
            Self::Account(error) => error.kind(),
            _ => Kind::Failed,
        }
    }
}

fn step<E: Hint + 'static>(what: &'static str) -> impl Fn(E) -> ProvisionError {
    move |error| ProvisionError::Step {
        what,
        source: Cause(Box::new(error)),
    }
}

/// Any error with its hints, as another's cause.
#[derive(Debug)]
pub struct Cause(Report);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// What was made for an app, and whether it is whole: `/var/lib/landfall/apps/NAME.json`. Only what stands here is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    /// All of it is made.
    whole: bool,
    /// A role and a database, of the app's name, are its own.
    database: bool,
}

/// How long another run that makes or removes an app is waited for.
const TURN: Duration = Duration::from_secs(120);

/// Makes the app. `say` hears of each part before it is made.
pub fn create(
    host: &Host,
    paths: &ServerPaths,
    app: &AppSettings,
    services: Services,
    say: &mut dyn FnMut(&str),
) -> Result<(), ProvisionError> {
    let _turn = take_turn(paths)?;
    trusted::check(host.exe())?;
    if let Some(made) = read_made(paths, &app.name)?
        && (!made.whole || paths.removing(&app.name).exists())
    {
        say("an earlier run was interrupted; what it left is taken away");
        take_away(paths, app, &made, say)?;
    }
    check(paths, app, services)?;
    let made = Made {
        whole: false,
        database: services.database,
    };
    write_made(paths, &app.name, &made)?;
    if let Err(error) = make(host, paths, app, services, say) {
        say("taking away what was made");
        // What cannot be taken away now is remembered, and the next run tries again.
        if let Err(error) = take_away(paths, app, &made, say) {
            say(&format!("warning: {error}"));
        }
        return Err(error);
    }
    let whole = Made {
        whole: true,
        ..made
    };
    write_made(paths, &app.name, &whole)
}

fn read_made(paths: &ServerPaths, app: &AppName) -> Result<Option<Made>, ProvisionError> {
    let text = fs::read_if_exists(&paths.made(app))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn write_made(paths: &ServerPaths, app: &AppName, made: &Made) -> Result<(), ProvisionError> {
    fs::create_folder_with_mode(&paths.state(), 0o700)?;
    let file = paths.made(app);
    if let Some(folder) = file.parent() {
        fs::create_folder_with_mode(folder, 0o700)?;
    }
    let text = serde_json::to_vec(made).unwrap_or_default();
    Ok(fs::write(&file, &text, fs::PRIVATE)?)
}

/// One at a time: two would take each other's half app for one that was left.
fn take_turn(paths: &ServerPaths) -> Result<FileLock, ProvisionError> {
    fs::create_folder_with_mode(&paths.run(), 0o755)?;
    match flock::lock(&paths.run().join("apps.lock"), TURN, &mut |_| ())? {
        Attempt::Taken(lock) => Ok(lock),
        Attempt::HeldBy(_) => Err(ProvisionError::Busy),
    }
}

/// Nothing that the app would be made of is there: what is taken away later is what was made here.
fn check(paths: &ServerPaths, app: &AppSettings, services: Services) -> Result<(), ProvisionError> {
    account::check(&app.name)?;
    let name = &app.name;
    let own = [
        app.home.clone(),
        paths.app_settings(name),
        paths.app_keys(name),
        paths.site(name),
        paths.site_logs(name),
        paths.sudoers(name),
        paths.service_limits(name),
        paths.redis_conf(name),
        paths.logrotate(name),
    ];
    if let Some(taken) = own.into_iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(ProvisionError::Taken(taken));
    }
    if services.database {
        postgres::check(name)?;
    }
    Ok(())
}

fn make(
    host: &Host,
    paths: &ServerPaths,
    app: &AppSettings,
    services: Services,
    say: &mut dyn FnMut(&str),
) -> Result<(), ProvisionError> {
    let name = &app.name;
    say("making the system user");
    let user = account::create(app)?;
    let mut variables = vec![(
        "SECRET_KEY",
        Secret::random(64).map_err(step("no random bytes"))?,
    )];
    if services.database {
        say("making a role and a database in PostgreSQL");
        variables.push(("DATABASE_URL", postgres::create(paths, name)?));
    }
    if services.redis {
        say("configuring a Redis of its own");
        variables.extend(redis::create(paths, app, &user)?);
    }
    say("making its home, with the repository and its hooks");
    write_for_group(&paths.app_settings(name), &server::render(app), &user)?;
    write_for_group(&paths.app_keys(name), "", &user)?;
    make_home(host, paths, app, &user, variables)?;
    logs::create(paths, app, &user)?;
    sudoers::create(paths, name, host.exe())?;
    say("starting its services");
    limits::create(paths, app)?;
    system::start_services(name, services.redis)?;
    say("serving its site");
    site::apply(paths, app, &Needs::default(), host.now(), false)
        .map_err(step("the site cannot be served"))?;
    Ok(())
}

/// Made by root in a folder that is root's until it is whole; only then does it become the app's.
fn make_home(
    host: &Host,
    paths: &ServerPaths,
    app: &AppSettings,
    user: &User,
    variables: Vec<(&'static str, Secret)>,
) -> Result<(), ProvisionError> {
    fs::create_folder(&paths.homes())?;
    fs::create_folder_with_mode(&app.home, 0o700)?;
    furnish(host, app, &paths.app_settings(&app.name), variables).map_err(|source| {
        ProvisionError::Step {
            what: "the home cannot be furnished",
            source: Cause(source),
        }
    })?;
    fs::create_folder_with_mode(&app.home.join(redis::FOLDER), 0o700)?;
    fs::chown_tree(&app.home, user.uid.as_raw(), user.gid.as_raw())?;
    // nginx's workers go through it, and list nothing; nobody else does.
    fs::chown(
        &app.home,
        user.uid.as_raw(),
        account::nginx_group()?.as_raw(),
    )?;
    fs::create_folder_with_mode(&app.home, 0o710)?;
    Ok(())
}

fn write_for_group(path: &Path, text: &str, user: &User) -> Result<(), ProvisionError> {
    if let Some(folder) = path.parent() {
        fs::create_folder(folder)?;
    }
    fs::write(path, text.as_bytes(), GROUP_READABLE)?;
    Ok(fs::chown(path, 0, user.gid.as_raw())?)
}

/// Takes the app away: all that [`create`] makes, whatever of it is there. A last backup is taken once nothing of it runs, with
/// `backup`, and gives its files.
pub fn remove(
    host: &Host,
    paths: &ServerPaths,
    app: &AppSettings,
    backup: bool,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<PathBuf>, ProvisionError> {
    let _turn = take_turn(paths)?;
    // An app that was made before this was remembered may have a database that is somebody else's: it stays.
    let made = read_made(paths, &app.name)?.unwrap_or(Made {
        whole: true,
        database: false,
    });
    say("stopping its services");
    shut_out(paths, &app.name)?;
    let mut files = Vec::new();
    if backup {
        say("taking a last backup");
        files = backup::take(host, paths, app, made.database)?;
    }
    take_away(paths, app, &made, say)?;
    Ok(files)
}

/// Nobody comes in any more, and nothing of the app runs.
fn shut_out(paths: &ServerPaths, name: &AppName) -> Result<(), ProvisionError> {
    for file in [paths.sudoers(name), paths.app_keys(name)] {
        fs::remove_file(&file)?;
    }
    system::stop_services(name)?;
    account::end_processes(name);
    Ok(())
}

fn take_away(
    paths: &ServerPaths,
    app: &AppSettings,
    made: &Made,
    say: &mut dyn FnMut(&str),
) -> Result<(), ProvisionError> {
    let name = &app.name;
    // A run that is killed in here is finished by the next `app create` or `app remove` of that name. A `site apply` that
    // waits for its turn finds this, and makes nothing anew.
    write_made(paths, name, made)?;
    fs::write(&paths.removing(name), b"", fs::PRIVATE)?;
    shut_out(paths, name)?;
    say("taking its site out of nginx");
    site::remove(paths, app).map_err(step("the site cannot be taken out of nginx"))?;
    say("removing its files");
    if made.database {
        postgres::remove(paths, name)?;
    }
    for file in [paths.redis_conf(name), paths.logrotate(name)] {
        fs::remove_file(&file)?;
    }
    if let Some(folder) = paths.service_limits(name).parent() {
        fs::remove_tree(folder)?;
    }
    system::reload_units()?;
    for folder in [&app.home, &paths.site_logs(name), &paths.tls(name)] {
        fs::remove_tree(folder)?;
    }
    account::remove(name)?;
    for file in [
        paths.app_settings(name),
        paths.made(name),
        paths.removing(name),
    ] {
        fs::remove_file(&file)?;
    }
    Ok(())
}

/// The home of an app as its layout.
fn home_of(app: &AppSettings) -> Home {
    Home::new(app.home.clone(), app.name.clone())
}
