//! Where an app's certificates are, for the commands that change them.

use std::path::{Path, PathBuf};

use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{AppName, Domain};
use crate::base::secret;
use crate::base::server_paths::ServerPaths;
use crate::base::user;
use crate::cli::session;
use crate::cli::{Ended, Globals};
use crate::config::server::{AppSettings, Mode};
use crate::tls::finding::{Code, Refusal};
use crate::tls::key::PrivateKey;
use crate::tls::store::Store;

/// An app of the server, with its certificates.
pub(in crate::cli) struct Place {
    pub(in crate::cli) app: AppSettings,
    pub(in crate::cli) server: ServerPaths,
    pub(in crate::cli) store: Store,
    /// Every name that visitors come by.
    pub(in crate::cli) domains: Vec<Domain>,
}

/// There is nothing to work on.
#[derive(Debug, thiserror::Error)]
enum PlaceError {
    #[error("certificates of the server's apps are root's")]
    NotRoot(&'static str),
    #[error("`{0}` is served by an nginx of its own, without TLS")]
    UserMode(AppName),
    #[error("{} can be written by others than root", .0.display())]
    NotRoots(PathBuf),
}

impl Hint for PlaceError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotRoot(command) => vec![format!("sudo landfall {command}")],
            Self::UserMode(_) => {
                vec![
                    "apps of the server have TLS: sudo landfall app create NAME --domain DOMAIN"
                        .into(),
                ]
            }
            Self::NotRoots(file) => {
                let file = file.display();
                vec![format!("chown root {file} && chmod go-w {file}")]
            }
        }
    }

    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

/// The app that is meant, to be changed by root.
pub(in crate::cli) fn of_root(
    host: &Host,
    globals: &Globals,
    command: &'static str,
) -> Result<Place, Ended> {
    if !user::is_root() {
        return Err(PlaceError::NotRoot(command).into());
    }
    of_roots_file(&session::find(host, globals)?)
}

/// The app of a settings file, to be changed by root.
pub(in crate::cli) fn of_roots_file(file: &Path) -> Result<Place, Ended> {
    // A crash writes no core, which would have keys in it. Where the kernel refuses, a core is root's alone all the same.
    let _ = nix::sys::prctl::set_dumpable(false);
    let place = of_file(file)?;
    // Settings that others write would tell root where to work.
    let is_roots = file
        .symlink_metadata()
        .is_ok_and(|metadata| fs::is_roots_alone(&metadata));
    if !is_roots {
        return Err(PlaceError::NotRoots(file.to_owned()).into());
    }
    Ok(place)
}

/// The app of a settings file, to be looked at.
pub(in crate::cli) fn of_file(file: &Path) -> Result<Place, Ended> {
    let app = session::read_settings(file)?;
    if app.mode() != Mode::Server {
        return Err(PlaceError::UserMode(app.name).into());
    }
    let server = ServerPaths::default();
    let store = Store::new(server.tls(&app.name));
    let domains = app.domains.iter().chain(&app.redirect_domains);
    let domains = domains.cloned().collect();
    Ok(Place {
        app,
        server,
        store,
        domains,
    })
}

/// A key that was brought: nobody else may have read it.
pub(in crate::cli) fn read_key(file: &Path) -> Result<PrivateKey, Ended> {
    let key = PrivateKey::read(&secret::read_file(file)?)?;
    if fs::mode_of_target(file)? & 0o077 != 0 {
        return Err(Refusal::new(
            Code::KeyPermissions,
            format!("others than its owner may read {}", file.display()),
        )
        .hint(format!("chmod 600 {}", file.display()))
        .hint("if others could log in here, take a new key: landfall csr --new")
        .into());
    }
    Ok(key)
}
