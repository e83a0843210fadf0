//! `landfall env`: the app's environment. No message shows a value.

mod change;
mod import;
mod list;
mod set;
mod unset;

use std::path::Path;

use super::{Ended, Globals};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::EnvName;

/// What Landfall sets for the app's processes itself (`stage::Context::release_environment`), besides LANDFALL_*.
const CHOSEN: [&str; 6] = [
    "HOME",
    "LANG",
    "PATH",
    "PYTHONUNBUFFERED",
    "USER",
    "VIRTUAL_ENV",
];

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the variables; values are not shown.
    List(list::Args),
    /// Set variables.
    Set(set::Args),
    /// Remove variables.
    Unset(unset::Args),
    /// Set the variables of a .env file.
    Import(import::Args),
}

impl Command {
    /// Shows names only, and changes nothing.
    pub(super) fn only_shows(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// The file it reads, other than standard input.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Import(args) => args.file(),
            Self::List(_) | Self::Set(_) | Self::Unset(_) => None,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, command: &Command) -> Result<(), Ended> {
    match command {
        Command::List(args) => list::run(host, globals, args),
        Command::Set(args) => set::run(host, globals, args),
        Command::Unset(args) => unset::run(host, globals, args),
        Command::Import(args) => import::run(host, globals, args),
    }
}

/// A variable that the app's environment cannot have.
#[derive(Debug, thiserror::Error)]
enum Reserved {
    #[error("`{0}` is set by Landfall itself; a value given here would have no effect")]
    Chosen(EnvName),
    #[error("`PYTHONHOME` would keep every Python of the app from finding its own packages")]
    PythonHome,
}

impl Hint for Reserved {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Chosen(name) if name.as_str() == "PATH" => {
                vec!["`path` in the app's settings file says where programs are looked for: landfall app show".into()]
            }
            Self::Chosen(_) => {
                vec!["choose another name, and read that one in the app's settings".into()]
            }
            Self::PythonHome => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

fn check_name(name: &EnvName) -> Result<(), Reserved> {
    let text = name.as_str();
    if text.starts_with("LANDFALL_") || CHOSEN.contains(&text) {
        return Err(Reserved::Chosen(name.clone()));
    }
    if text == "PYTHONHOME" {
        return Err(Reserved::PythonHome);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::base::names::ReleaseId;
    use crate::base::secret::Redactor;
    use crate::config::env_file::EnvFile;
    use crate::config::server;
    use crate::release::layout::Home;
    use crate::report::events::Events;
    use crate::stage::{Context, ReleaseFacts};

    #[test]
    fn every_variable_that_landfall_sets_is_refused() {
        let text = "name = \"a\"\nhome = \"/a\"\nbranch = \"master\"\nlisten = \"127.0.0.1:80\"\n";
        let app = server::parse(text, "a.toml").unwrap();
        let home = Home::new("/a".into(), app.name.clone());
        let ctx = Context {
            host: &Host::fixed(&[], Path::new("/"), UNIX_EPOCH),
            app: &app,
            home: &home,
            env: &EnvFile::default(),
            events: &Events::new(Redactor::default()),
        };
        let facts = ReleaseFacts {
            commit: "",
            has_python: true,
            django_settings: None,
        };
        for name in ctx
            .release_environment(&home.release(ReleaseId(1)), &facts)
            .keys()
        {
            assert!(check_name(&name.parse().unwrap()).is_err(), "{name}");
        }
        for name in [
            "DJANGO_SETTINGS_MODULE",
            "PYTHONPATH",
            "LD_PRELOAD",
            "SECRET_KEY",
        ] {
            assert!(check_name(&name.parse().unwrap()).is_ok(), "{name}");
        }
    }
}
