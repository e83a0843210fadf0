//! `landfall app remove`: stops the app's processes and takes its home and settings away.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::flock;
use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::user;
use crate::cli::app::on_server;
use crate::cli::session;
use crate::cli::{Ended, Globals, output};
use crate::config::server::Mode;
use crate::recover;
use crate::release::layout::Home;
use crate::release::lock::{self, Holder};

/// How long its processes may take to end.
const PATIENCE: Duration = Duration::from_secs(90);
/// A deploy is not waited for; a look at the lock by another command is.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Its processes finish what they are at. Nothing is removed while a deploy runs, or without --yes. Of a server's app a last \
backup is taken, then everything that `app create` made goes: user, home, database, services, site.

Examples:
  cp -a ~/landfall/notes/shared ~/landfall/notes/env ~/kept     what cannot be made again
  landfall app remove notes --yes")]
pub(in crate::cli) struct Args {
    /// The app.
    name: AppName,
    /// A server's app: no last backup in /var/backups/landfall.
    #[arg(long)]
    no_backup: bool,
    /// Really: its repository, uploads, databases in `shared/`, environment and history go with it.
    #[arg(long)]
    yes: bool,
}

impl Args {
    /// For what was made just now, and holds nothing yet.
    pub(super) fn confirmed(name: AppName) -> Self {
        Self {
            name,
            no_backup: true,
            yes: true,
        }
    }
}

/// Nothing was removed.
#[derive(Debug, thiserror::Error)]
enum RemoveError {
    #[error(
        "this removes {} with everything in it: the repository, uploads, SQLite databases, the environment", home.display()
    )]
    NotConfirmed { name: AppName, home: PathBuf },
    #[error("{} does not look like the home of `{name}`: it has no {name}.git", home.display())]
    NoHome { name: AppName, home: PathBuf },
}

impl Hint for RemoveError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotConfirmed { name, home } => {
                let home = home.display();
                vec![
                    format!("keep what matters first: cp -a {home}/shared {home}/env SOMEWHERE"),
                    format!("then: landfall app remove {name} --yes"),
                ]
            }
            Self::NoHome { name, .. } => {
                vec![format!(
                    "see `home` in the settings: landfall app show {name}"
                )]
            }
        }
    }

    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let of_app = Globals {
        app: Some(args.name.clone()),
        json: globals.json,
    };
    let file = session::find(host, &of_app)?;
    // Not a whole session: an environment that cannot be read must not keep an app from being removed.
    let app = session::read_settings(&file)?;
    let home = Home::new(app.home.clone(), app.name.clone());
    if !args.yes {
        return Err(RemoveError::NotConfirmed {
            name: app.name,
            home: app.home,
        }
        .into());
    }
    if app.mode() == Mode::Server {
        return on_server::remove(host, &app, !args.no_backup);
    }
    if home.root().exists() {
        if !home.repository().is_dir() {
            return Err(RemoveError::NoHome {
                name: app.name,
                home: app.home,
            }
            .into());
        }
        fs::create_folder(&home.run())?;
        let holder = Holder::new(host, "removal", user::caller(host).who);
        let _lock = lock::acquire(&home, host, &holder, LOCK_PATIENCE, &mut |_| {})?;
        recover::daemon_of(&home).stop(PATIENCE)?;
        // An upkeep would go on writing where everything is taken away. There may be no cache yet.
        let _upkeep = flock::lock(&home.upkeep_lock(), PATIENCE, &mut |_| {});
        fs::remove_tree(home.root())?;
    }
    fs::remove_file(&file)?;
    output::say(format!("{} is removed", args.name));
    Ok(())
}
