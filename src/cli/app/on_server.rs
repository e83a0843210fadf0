//! `landfall app create` and `app remove` as root: apps of the server, each with its own system user.

use nix::unistd::User;

use super::create::Args;
use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{AppName, Domain};
use crate::base::server_paths::ServerPaths;
use crate::base::user;
use crate::cli::session;
use crate::cli::{Ended, Globals, output};
use crate::config::server::AppSettings;
use crate::provision::{self, Services, postgres, redis};

/// An app that the server cannot have.
#[derive(Debug, thiserror::Error)]
enum OnServerError {
    #[error("`{0}` needs a domain: the server's nginx serves several sites")]
    NoDomain(AppName),
    #[error("`{domain}` is a domain of `{app}` already")]
    DomainTaken { domain: Domain, app: AppName },
    #[error("removing `{0}` takes root")]
    NotRoot(AppName),
}

impl Hint for OnServerError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoDomain(name) => vec![
                format!("landfall app create {name} --domain example.org"),
                format!(
                    "with an nginx of its own, on a port: landfall app create {name} --user-mode"
                ),
            ],
            Self::DomainTaken { app, .. } => vec![format!("landfall app show {app}")],
            Self::NotRoot(name) => vec![format!("sudo landfall app remove {name} --yes")],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoDomain(_) => Kind::Usage,
            Self::DomainTaken { .. } | Self::NotRoot(_) => Kind::Refused,
        }
    }
}

pub(super) fn create(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let (settings, services) = make(host, args)?;
    if globals.json {
        output::json(&settings);
    } else {
        next_steps(&settings, services);
    }
    Ok(())
}

/// Makes the app, saying what is made.
pub(super) fn make(host: &Host, args: &Args) -> Result<(AppSettings, Services), Ended> {
    let paths = ServerPaths::default();
    let settings = settings(&paths, args)?;
    check_domains(host, &settings)?;
    let services = Services {
        database: !args.leaves_out_database() && postgres::is_installed(),
        redis: !args.leaves_out_redis() && redis::is_installed(),
    };
    provision::create(host, &paths, &settings, services, &mut |part| {
        output::say(part);
    })?;
    Ok((settings, services))
}

fn settings(paths: &ServerPaths, args: &Args) -> Result<AppSettings, OnServerError> {
    let home = paths.home(&args.name);
    let mut settings = AppSettings::new(args.name.clone(), home, args.branch.clone());
    settings.domains.clone_from(&args.domains);
    settings.redirect_domains.clone_from(&args.redirect_domains);
    settings.layout = args.layout();
    if settings.domains.is_empty() {
        return Err(OnServerError::NoDomain(args.name.clone()));
    }
    Ok(settings)
}

/// nginx would let the first of two sites with one name win.
fn check_domains(host: &Host, settings: &AppSettings) -> Result<(), Ended> {
    for (app, file) in session::all_apps(host)? {
        if app == settings.name {
            // What a killed run left, or an app that is there: `provision` tells them apart.
            continue;
        }
        // An app whose settings cannot be read is somebody else's trouble.
        let Ok(other) = session::read_settings(&file) else {
            continue;
        };
        let theirs = other.domains.iter().chain(&other.redirect_domains);
        let ours = settings.domains.iter().chain(&settings.redirect_domains);
        let theirs: Vec<&Domain> = theirs.collect();
        if let Some(domain) = ours.into_iter().find(|domain| theirs.contains(domain)) {
            let domain = domain.clone();
            return Err(OnServerError::DomainTaken { domain, app }.into());
        }
    }
    Ok(())
}

fn next_steps(settings: &AppSettings, services: Services) {
    let name = &settings.name;
    let mut has = vec!["SECRET_KEY"];
    has.extend(services.database.then_some("DATABASE_URL"));
    has.extend(services.redis.then_some("REDIS_URL"));
    output::say(format!(
        "{name} is made: {}, where a certificate that browsers do not trust stands in",
        settings.url()
    ));
    output::say(format!("its environment has {}", has.join(", ")));
    output::say("next, here: who may push");
    output::line(format!("  landfall key add {name} KEY.pub"));
    output::say("then, in your project:");
    let at = settings
        .domains
        .first()
        .map_or_else(user::hostname, ToString::to_string);
    output::line(format!(
        "  git remote add production {name}@{at}:{name}.git"
    ));
    output::line(format!("  git push production {}", settings.branch));
}

/// Takes a server's app away; a last backup first, unless there is to be none.
pub(super) fn remove(host: &Host, app: &AppSettings, backup: bool) -> Result<(), Ended> {
    if !user::is_root() {
        return Err(OnServerError::NotRoot(app.name.clone()).into());
    }
    let paths = ServerPaths::default();
    if backup && User::from_name(app.name.as_str()).is_ok_and(|user| user.is_some()) {
        output::say("taking a last backup");
        for file in provision::backup::take(host, &paths, app)? {
            let size = fs::size(&file)?;
            output::line(format!("  {} ({size})", file.display()));
        }
    }
    provision::remove(&paths, app, &mut |part| output::say(part))?;
    output::say(format!("{} is removed", app.name));
    Ok(())
}
