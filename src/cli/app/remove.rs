//! `landfall app remove`: stops the app's processes and takes its home and settings away.

use std::time::Duration;

use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::user;
use crate::cli::session::Session;
use crate::cli::{Ended, Globals, output};
use crate::recover;
use crate::release::lock::{self, Holder};

/// How long its processes may take to end.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The app.
    name: AppName,
    /// Really: its uploads, databases in `shared/`, environment and history go with it.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "this removes {home} with everything in it: the repository, uploads, SQLite databases, the environment"
)]
struct NotConfirmed {
    name: AppName,
    home: String,
}

impl Hint for NotConfirmed {
    fn hints(&self) -> Vec<String> {
        vec![
            format!(
                "keep what matters first: cp -a {}/shared {}/env SOMEWHERE",
                self.home, self.home
            ),
            format!("then: landfall app remove {} --yes", self.name),
        ]
    }

    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: Args) -> Result<(), Ended> {
    let session = Session::open(
        host,
        &Globals {
            app: Some(args.name.clone()),
            json: globals.json,
        },
    )?;
    if !args.yes {
        return Err(NotConfirmed {
            name: args.name,
            home: session.app.home.display().to_string(),
        }
        .into());
    }
    let ctx = session.context(host);
    let holder = Holder::new(host, "removal", user::name());
    let _lock = lock::acquire(ctx.home, host, &holder, Duration::ZERO, &mut |_| {})?;
    recover::daemon(&ctx).stop(PATIENCE)?;
    fs::remove_tree(&session.app.home)?;
    fs::remove_file(&session.settings_file)?;
    output::say(format!("{} is removed", args.name));
    Ok(())
}
