//! The process's surroundings as one value: arguments, environment, directory, clock.
//!
//! Everything below `main` takes them from here, so tests run in threads with no global state.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Variables of the machine that builds need to reach registries through a proxy or a private certificate authority.
/// These alone pass from the caller to what Landfall runs; everything else is chosen.
const MACHINE_VARIABLES: [&str; 14] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "UV_INDEX_URL",
    "NPM_CONFIG_REGISTRY",
];

/// Where system programs live; the PATH of everything Landfall runs.
pub const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Arguments, environment, working directory and clock of this run.
#[derive(Debug, Clone)]
pub struct Host {
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    exe: PathBuf,
    fixed_time: Option<SystemTime>,
}

impl Host {
    /// Reads the real process, once, at start.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the process"
    )]
    pub fn from_process() -> Self {
        Self {
            args: std::env::args_os().collect(),
            env: std::env::vars_os().collect(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            exe: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("landfall")),
            fixed_time: None,
        }
    }

    /// A made-up host for tests: no arguments, the given environment, a fixed clock.
    pub fn fixed(env: &[(&str, &str)], cwd: &Path, time: SystemTime) -> Self {
        Self {
            args: Vec::new(),
            env: env
                .iter()
                .map(|(k, v)| (OsString::from(k), OsString::from(v)))
                .collect(),
            cwd: cwd.to_owned(),
            exe: PathBuf::from("/usr/bin/landfall"),
            fixed_time: Some(time),
        }
    }

    /// The command line, program name first.
    pub fn args(&self) -> &[OsString] {
        &self.args
    }

    /// What stays of the environment when root's command goes on as another user: the terminal, Landfall's own variables, the
    /// machine's, and who called sudo.
    pub fn own_variables(&self) -> BTreeMap<String, String> {
        let own = self.env.iter().filter_map(|(name, value)| {
            let (name, value) = (name.to_str()?, value.to_str()?);
            let stays = name.starts_with("LANDFALL_")
                || ["TERM", "LANG", "COLUMNS", "NO_COLOR", "SUDO_USER"].contains(&name);
            stays.then(|| (name.to_owned(), value.to_owned()))
        });
        own.chain(self.machine_variables()).collect()
    }

    /// A variable that is set, not empty, and UTF-8.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env
            .get(OsStr::new(name))
            .and_then(|value| value.to_str())
            .filter(|value| !value.is_empty())
    }

    /// The same host with another environment: only what is given, and the machine's variables.
    #[must_use]
    pub fn with_only(&self, env: &[(&str, &str)]) -> Self {
        let machine = self.machine_variables();
        let chosen = env
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let machine = machine
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        Self {
            env: machine.chain(chosen).collect(),
            ..self.clone()
        }
    }

    /// The whole environment, as far as it is UTF-8: for a program that is the caller's own, such as ssh.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let text = |value: &OsString| value.to_str().map(str::to_owned);
        self.env
            .iter()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .collect()
    }

    /// A variable that holds a path.
    pub fn path_var(&self, name: &str) -> Option<PathBuf> {
        self.env
            .get(OsStr::new(name))
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }

    /// The working directory at start.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The absolute path of this program.
    pub fn exe(&self) -> &Path {
        &self.exe
    }

    /// `path` made absolute against the working directory.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.cwd.join(path)
    }

    /// The time now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    pub fn now(&self) -> SystemTime {
        self.fixed_time.unwrap_or_else(SystemTime::now)
    }

    /// The time now, in whole seconds since 1970 (UTC).
    pub fn now_unix(&self) -> u64 {
        self.now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs()
    }

    /// The part of the caller's environment that builds may see: proxies and certificate authorities.
    pub fn machine_variables(&self) -> BTreeMap<String, String> {
        MACHINE_VARIABLES
            .iter()
            .filter_map(|name| {
                self.var(name)
                    .map(|value| ((*name).to_owned(), value.to_owned()))
            })
            .collect()
    }
}

/// `unix` (seconds since 1970) as RFC 3339 in UTC: `2026-11-20T09:55:00Z`.
pub fn rfc3339(unix: u64) -> String {
    /// 9999-12-31T23:59:59Z; the format has no later time, and a file may name one.
    const LAST: u64 = 253_402_300_799;
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix.min(LAST))).to_string()
}
