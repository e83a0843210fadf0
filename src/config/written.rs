//! `landfall.toml` as written: every key optional, nothing checked but its type.
//!
//! takes: the file's text · gives: [`Written`] · touches: nothing. `settle` checks the values.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::error::{ConfigError, Document};
use super::settings::PackageManager;
use crate::base::names::{
    EnvName, NameError, ProcessName, PythonName, RepoPath, UrlPath, WsgiTarget,
};

/// The file's name, at the repository's root.
pub const FILE: &str = "landfall.toml";

/// The whole file. `examples/landfall.toml` says what each key does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// `[frontend]`
    pub frontend: FrontendKeys,
    /// `[backend]`
    pub backend: BackendKeys,
    /// `[workers.NAME]`
    pub workers: BTreeMap<ProcessName, WorkerKeys>,
    /// `[shared]`
    pub shared: SharedKeys,
    /// `[env]`
    pub env: EnvKeys,
    /// `[gate]`
    pub gate: GateKeys,
    /// `[health]`
    pub health: HealthKeys,
}

/// `[frontend]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontendKeys {
    /// False: there is none, whatever is detected.
    pub enabled: Option<bool>,
    /// The folder with `package.json`.
    #[serde(deserialize_with = "path")]
    pub dir: Option<RepoPath>,
    /// The package manager.
    pub manager: Option<PackageManager>,
    /// The install command.
    pub install: Option<String>,
    /// The build command.
    pub build: Option<String>,
    /// The built files, from `dir`.
    pub output: Option<String>,
    /// Variables for install and build, over the detected ones.
    pub env: BTreeMap<EnvName, String>,
    /// The longest that install, and that build, may take.
    pub timeout: Option<String>,
}

/// `[backend]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackendKeys {
    /// False: there is none, whatever is detected.
    pub enabled: Option<bool>,
    /// The folder with `manage.py`.
    #[serde(deserialize_with = "path")]
    pub dir: Option<RepoPath>,
    /// `DJANGO_SETTINGS_MODULE`.
    pub settings: Option<PythonName>,
    /// What uWSGI calls.
    pub wsgi: Option<WsgiTarget>,
    /// The files with the Python packages, from the repository's root.
    #[serde(deserialize_with = "paths")]
    pub requirements: Option<Vec<RepoPath>>,
    /// The longest that the Python environment may take to build.
    pub install_timeout: Option<String>,
    /// The longest until the application is loaded.
    pub start_timeout: Option<String>,
    /// The longest that migrating may take.
    pub migrate_timeout: Option<String>,
    /// uWSGI's worker processes.
    pub processes: Option<u16>,
    /// Threads in each.
    pub threads: Option<u16>,
    /// URL prefixes that go to Django.
    pub paths: Option<Vec<UrlPath>>,
    /// `manage.py migrate` is part of a deploy.
    pub migrate: Option<bool>,
    /// `manage.py collectstatic` is part of a deploy.
    pub collectstatic: Option<bool>,
}

/// `[workers.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerKeys {
    /// False: a detected one is not started.
    pub enabled: Option<bool>,
    /// The command.
    pub command: Option<String>,
    /// How long it may take to finish.
    pub stop_timeout: Option<String>,
    /// How long it must have run to count as started.
    pub ready_after: Option<String>,
    /// Never two at once.
    pub singleton: Option<bool>,
}

/// `[shared]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SharedKeys {
    /// Files that are not in git, instead of the detected ones.
    #[serde(deserialize_with = "paths")]
    pub files: Option<Vec<RepoPath>>,
    /// Folders that outlive releases, instead of the detected ones.
    #[serde(deserialize_with = "paths")]
    pub dirs: Option<Vec<RepoPath>>,
}

/// `[env]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvKeys {
    /// Variables the app cannot run without, instead of the detected ones.
    pub required: Option<Vec<EnvName>>,
}

/// `[gate]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateKeys {
    /// The app's own checks.
    pub run: Option<Vec<String>>,
    /// The longest that each may take.
    pub timeout: Option<String>,
}

/// `[health]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthKeys {
    /// The path asked for.
    pub path: Option<UrlPath>,
    /// The longest until the first good answer.
    pub timeout: Option<String>,
}

impl Written {
    /// Reads the file's text.
    pub fn parse(document: &Document<'_>) -> Result<Self, ConfigError> {
        document.parse()
    }
}

/// A path as people write them: `.` is the root, `./media/` is `media`.
fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RepoPath>, D::Error> {
    let given = String::deserialize(deserializer)?;
    tidy(&given).map(Some).map_err(serde::de::Error::custom)
}

fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<RepoPath>>, D::Error> {
    let given = Vec::<String>::deserialize(deserializer)?;
    let paths: Result<_, _> = given.iter().map(|given| tidy(given)).collect();
    paths.map(Some).map_err(serde::de::Error::custom)
}

fn tidy(given: &str) -> Result<RepoPath, NameError> {
    if given.starts_with('/') {
        return given.parse();
    }
    match given.trim_start_matches("./").trim_end_matches('/') {
        "." => Ok(RepoPath::root()),
        path => path.parse(),
    }
}
