//! What an app's home holds from the start: the repository with its hooks, the environment, the folders, supervisord's
//! configuration.

use std::path::Path;

use super::hooks;
use crate::base::fs;
use crate::base::hint::Report;
use crate::base::host::Host;
use crate::base::secret::{Redactor, Secret};
use crate::config::env_file::EnvFile;
use crate::config::server::AppSettings;
use crate::git::Repo;
use crate::release::layout::Home;
use crate::report::events::Events;
use crate::stage::{Context, home as servers};

/// Fills the home of `app`, whose settings lie in `settings_file`. The folder itself is there, and nobody else's.
pub fn furnish(
    host: &Host,
    app: &AppSettings,
    settings_file: &Path,
    variables: Vec<(&str, Secret)>,
) -> Result<(), Report> {
    let home = Home::new(app.home.clone(), app.name.clone());
    drop(Repo::init_bare(&home.repository(), &app.branch)?);
    // nginx's workers, who go through the home, have no business in these.
    for folder in [home.repository(), home.log()] {
        fs::create_folder_with_mode(&folder, 0o700)?;
    }
    let mut env = EnvFile::default();
    for (name, value) in variables {
        env.set(name.parse()?, value)?;
    }
    fs::write(&home.env_file(), env.serialise().as_bytes(), fs::PRIVATE)?;
    let ctx = Context {
        host,
        app,
        home: &home,
        env: &env,
        events: &Events::new(Redactor::default()),
    };
    servers::folders(&ctx)?;
    servers::write(&ctx)?;
    hooks::install(&home, host.exe(), settings_file)?;
    Ok(())
}
