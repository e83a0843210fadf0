//! A role and a database of the app's own in the server's PostgreSQL, closed to other apps' roles.
//!
//! takes: the app's name · gives: its `DATABASE_URL` · touches: the cluster on this machine · undone by: [`remove`]

use std::path::Path;

use super::ProvisionError;
use super::system::{self, SystemError};
use crate::base::fs;
use crate::base::names::AppName;
use crate::base::secret::Secret;
use crate::base::server_paths::ServerPaths;

/// The most connections of one app; PostgreSQL's default is 100 for all.
const MOST_CONNECTIONS: u32 = 30;
/// PostgreSQL's own system user, whom it lets in without a password (peer authentication).
const SUPERUSER: &str = "postgres";

/// True where there is a PostgreSQL to ask.
pub fn is_installed() -> bool {
    Path::new("/usr/bin/psql").exists() && crate::base::user::exists(SUPERUSER)
}

/// Neither role nor database of that name is there.
pub(super) fn check(app: &AppName) -> Result<(), ProvisionError> {
    if !is_installed() {
        return Err(ProvisionError::NotSetUp("PostgreSQL is not installed"));
    }
    let names = query("SELECT rolname FROM pg_roles UNION SELECT datname FROM pg_database")?;
    if names.lines().any(|name| name == app.as_str()) {
        return Err(ProvisionError::Step {
            what: "PostgreSQL has a role or a database of that name already",
            source: super::Cause(Box::new(Taken(app.clone()))),
        });
    }
    Ok(())
}

/// What is there is not touched.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is somebody's")]
struct Taken(AppName);

impl crate::base::hint::Hint for Taken {
    fn hints(&self) -> Vec<String> {
        vec![
            "look at it: sudo -u postgres psql -l".into(),
            "an app without a database: --without database".into(),
        ]
    }
}

/// Makes both, with a password of its own.
pub(super) fn create(paths: &ServerPaths, app: &AppName) -> Result<Secret, ProvisionError> {
    let password = Secret::random(40).map_err(super::step("no random bytes"))?;
    // Names are lower-case letters, digits and `-`; the password has letters, digits, `-` and `_`. Nothing to escape.
    // `template0`, for a connection to `template1` blocks a copy of it, and what others put there would come along. The
    // limit leaves connections for the neighbours.
    let sql = format!(
        "CREATE ROLE \"{app}\" LOGIN CONNECTION LIMIT {MOST_CONNECTIONS} PASSWORD '{}';\nCREATE DATABASE \"{app}\" OWNER \"{app}\" TEMPLATE template0;\nREVOKE ALL ON DATABASE \"{app}\" FROM PUBLIC;\n",
        password.expose()
    );
    execute(paths, app, &sql)?;
    let (socket, port) = (query("SHOW unix_socket_directories")?, query("SHOW port")?);
    let folder = socket
        .split(',')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    // Not 127.0.0.1: any app could listen on the port while PostgreSQL does not, and would be told the password.
    Ok(Secret::new(format!(
        "postgres://{app}:{}@{}:{}/{app}",
        password.expose(),
        folder.replace('/', "%2F"),
        port.trim()
    )))
}

/// Takes both away, with everything in them; what is not there is fine.
pub(super) fn remove(paths: &ServerPaths, app: &AppName) -> Result<(), ProvisionError> {
    if !is_installed() {
        return Ok(());
    }
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{app}';\nDROP DATABASE IF EXISTS \"{app}\";\n"
    );
    execute(paths, app, &sql)?;
    if !query("SELECT rolname FROM pg_roles")?
        .lines()
        .any(|name| name == app.as_str())
    {
        return Ok(());
    }
    // What it may have left in the one database that everybody may enter.
    execute(
        paths,
        app,
        &format!("DROP OWNED BY \"{app}\";\nDROP ROLE \"{app}\";\n"),
    )
}

/// Runs statements from a file that only the superuser of PostgreSQL may read: no password stands in an argument.
fn execute(paths: &ServerPaths, app: &AppName, sql: &str) -> Result<(), ProvisionError> {
    fs::create_folder_with_mode(&paths.run(), 0o755)?;
    let file = paths.run().join(format!("{app}.sql"));
    fs::write(&file, sql.as_bytes(), fs::PRIVATE)?;
    let owner = crate::base::user::ids(SUPERUSER).unwrap_or_default();
    let result = fs::chown(&file, owner.0, owner.1)
        .map_err(ProvisionError::from)
        .and_then(|()| Ok(psql(&["--file", &file.to_string_lossy()])?));
    fs::remove_file(&file)?;
    result.map(drop)
}

/// The answer of one statement, a row a line.
fn query(sql: &str) -> Result<String, SystemError> {
    psql(&["--tuples-only", "--no-align", "--command", sql])
}

fn psql(args: &[&str]) -> Result<String, SystemError> {
    let mut argv = vec![
        "runuser",
        "--user",
        SUPERUSER,
        "--",
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--set",
        "ON_ERROR_STOP=1",
        "--dbname",
        "postgres",
    ];
    argv.extend(args);
    system::run("psql", &argv)
}

/// Dumps the app's database into `file`, in PostgreSQL's own format.
pub(super) fn dump(app: &AppName, file: &Path) -> Result<(), ProvisionError> {
    let argv = [
        "runuser",
        "--user",
        SUPERUSER,
        "--",
        "pg_dump",
        "--format=custom",
        // A lock that somebody holds is no reason to wait for ever.
        "--lock-wait-timeout=60s",
        app.as_str(),
    ];
    system::run_into("pg_dump", &argv, file)
}
