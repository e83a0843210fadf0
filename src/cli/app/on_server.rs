//! `landfall app create` and `app remove` as root: apps of the server, each with its own system user.

use super::create::Args;
use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::server_paths::ServerPaths;
use crate::base::user;
use crate::cli::{Ended, output};
use crate::config::server::AppSettings;
use crate::provision::{self, Services, postgres, redis};
use crate::site;

/// An app that the server cannot have.
#[derive(Debug, thiserror::Error)]
enum OnServerError {
    #[error("`{0}` needs a domain: the server's nginx serves several sites")]
    NoDomain(AppName),
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
            Self::NotRoot(name) => vec![format!("sudo landfall app remove {name} --yes")],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoDomain(_) => Kind::Usage,
            Self::NotRoot(_) => Kind::Refused,
        }
    }
}

pub(super) fn create(host: &Host, args: &Args) -> Result<AppSettings, Ended> {
    let paths = ServerPaths::default();
    let settings = settings(&paths, args)?;
    site::check_domains(&paths, &settings)?;
    let services = Services {
        database: !args.leaves_out_database() && postgres::is_installed(),
        redis: !args.leaves_out_redis() && redis::is_installed(),
    };
    provision::create(host, &paths, &settings, services, &mut |part| {
        output::say(part);
    })?;
    let mut has = vec!["SECRET_KEY"];
    has.extend(services.database.then_some("DATABASE_URL"));
    has.extend(services.redis.then_some("REDIS_URL and CELERY_BROKER_URL"));
    output::say(format!("its environment has {}", has.join(", ")));
    Ok(settings)
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

pub(super) fn next_steps(settings: &AppSettings) {
    let name = &settings.name;
    output::say(format!(
        "{name} is made: {}, where a certificate that browsers do not trust stands in",
        settings.url()
    ));
    output::say("next, here: who may push");
    output::line(format!("  landfall key add {name} KEY.pub"));
    output::say("then, in your project:");
    output::line(format!("  git remote add production {}", address(settings)));
    output::line(format!("  git push production {}", settings.branch));
}

/// Where a server's app is pushed to.
pub(super) fn address(settings: &AppSettings) -> String {
    let name = &settings.name;
    let at = settings
        .domains
        .first()
        .map_or_else(user::hostname, ToString::to_string);
    format!("{name}@{at}:{name}.git")
}

/// Takes a server's app away; a last backup first, unless there is to be none.
pub(super) fn remove(host: &Host, app: &AppSettings, backup: bool) -> Result<(), Ended> {
    if !user::is_root() {
        return Err(OnServerError::NotRoot(app.name.clone()).into());
    }
    let paths = ServerPaths::default();
    for file in provision::remove(host, &paths, app, backup, &mut |part| output::say(part))? {
        let size = fs::size(&file)?;
        output::say(format!("the last backup: {} ({size})", file.display()));
    }
    output::say(format!("{} is removed", app.name));
    Ok(())
}
