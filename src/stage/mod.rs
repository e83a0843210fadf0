//! L4: the stages of a deploy, in the order of the path. Each takes the previous one's value and gives the next.
//!
//! A stage never prints: it speaks through events. It undoes nothing either: what a stage leaves in a release's folder,
//! in supervisor or in `run/` is taken away by [`discard`], whoever calls it: a failed deploy, the next deploy after a
//! power cut, a rejected ref. The way back is one, and it is idempotent.

pub mod boot;
pub mod build;
pub mod checkout;
pub mod commit;
pub mod compress;
pub mod discard;
pub mod django;
pub mod gate;
pub mod health;
pub mod home;
mod logtail;
pub mod memory;
pub mod migrate;
pub mod orphans;
pub mod plan;
pub mod push;
pub mod refs;
pub mod render;
pub mod replace;
pub mod retire;
pub mod room;
pub mod site;
pub mod verify;
pub mod workers;

use std::collections::BTreeMap;

use crate::base::host::Host;
use crate::base::user;
use crate::config::env_file::EnvFile;
use crate::config::server::AppSettings;
use crate::release::layout::{Home, ReleaseDir};
use crate::report::events::Events;
use crate::supervisor::rpc::Supervisor;

pub use logtail::LogTail;

/// What every stage may use: the host, the app and its home, its environment, and the voice of this run.
pub struct Context<'a> {
    /// Arguments, clock, machine.
    pub host: &'a Host,
    /// The server's settings of the app.
    pub app: &'a AppSettings,
    /// Where it lies.
    pub home: &'a Home,
    /// The app's environment.
    pub env: &'a EnvFile,
    /// Who listens.
    pub events: &'a Events,
}

impl Context<'_> {
    /// The app's supervisord.
    pub fn supervisor(&self) -> Supervisor {
        Supervisor::new(self.home.supervisord_socket())
    }

    /// The PATH of what we run.
    pub fn path(&self) -> &str {
        &self.app.path
    }

    /// The environment of tools that build: chosen, with the machine's proxy and certificate settings, and nothing of the
    /// app's secrets.
    pub fn tool_environment(&self) -> BTreeMap<String, String> {
        let mut env = self.host.machine_variables();
        env.insert("PATH".into(), self.path().into());
        env.insert(
            "HOME".into(),
            self.home.root().to_string_lossy().into_owned(),
        );
        env.insert("USER".into(), user::name());
        env.insert("LANG".into(), "C.UTF-8".into());
        env
    }

    /// What the app's own commands and processes see besides its environment: the release's Python first in PATH, and
    /// which release they belong to.
    pub fn release_environment(
        &self,
        release: &ReleaseDir,
        facts: &ReleaseFacts<'_>,
    ) -> BTreeMap<String, String> {
        let mut env = self.tool_environment();
        let venv = release.venv();
        if facts.has_python {
            env.insert(
                "PATH".into(),
                format!("{}:{}", venv.join("bin").display(), self.path()),
            );
            env.insert("VIRTUAL_ENV".into(), venv.to_string_lossy().into_owned());
        }
        if let Some(settings) = facts.django_settings
            && self.env.get_str("DJANGO_SETTINGS_MODULE").is_none()
        {
            env.insert("DJANGO_SETTINGS_MODULE".into(), settings.into());
        }
        env.insert("PYTHONUNBUFFERED".into(), "1".into());
        env.insert("LANDFALL_APP".into(), self.home.app().to_string());
        env.insert("LANDFALL_RELEASE".into(), release.id().to_string());
        env.insert("LANDFALL_COMMIT".into(), facts.commit.into());
        env.insert(
            "LANDFALL_SHARED".into(),
            self.home.shared().to_string_lossy().into_owned(),
        );
        env
    }

    /// [`Context::release_environment`] with the app's own environment under it.
    pub fn app_environment(
        &self,
        release: &ReleaseDir,
        facts: &ReleaseFacts<'_>,
    ) -> BTreeMap<String, String> {
        let mut env: BTreeMap<String, String> = self
            .env
            .iter()
            .map(|(name, value)| (name.to_string(), value.expose().to_owned()))
            .collect();
        env.extend(self.release_environment(release, facts));
        env
    }
}

/// What of a release shows in the environment of its processes.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseFacts<'a> {
    /// The commit.
    pub commit: &'a str,
    /// It has a Python environment.
    pub has_python: bool,
    /// `DJANGO_SETTINGS_MODULE`, where the settings name one.
    pub django_settings: Option<&'a str>,
}
