//! landfall.toml over what is detected over the defaults, all of it checked.
//!
//! takes: a tree · gives: [`Settings`], or the first thing that is wrong · touches: nothing

mod backend;
mod frontend;
mod shared;
mod workers;

use std::time::Duration;

use super::command_line;
use super::defaults;
use super::detect;
use super::error::{ConfigError, Document};
use super::settings::{Gate, Health, Settings};
use super::tree::Tree;
use super::written::{FILE, Written};
use crate::base::names::UrlPath;
use crate::base::words::shown;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;

/// No step waits longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of a commit.
///
/// # Errors
/// landfall.toml is not valid or names what is not in the tree; there is nothing to deploy; something that cannot be
/// detected has to be written down. All are for the person who pushes, with file and line where there is one.
pub fn settle(tree: &dyn Tree) -> Result<Settings, ConfigError> {
    let text = landfall_toml(tree)?;
    let document = Document::new(FILE, &text);
    let written = Written::parse(&document)?;
    let scene = Scene { tree, document };
    let mut notes = Vec::new();
    let backend = backend::settle(&scene, &written, &mut notes)?;
    let frontend = frontend::settle(&scene, &written.frontend, backend.as_ref(), &mut notes)?;
    if backend.is_none() && frontend.is_none() {
        return Err(nothing_found(&written));
    }
    let found = backend.as_ref().map(|backend| &backend.found);
    let workers = workers::settle(&scene, &written.workers, backend.as_ref(), &mut notes)?;
    let shared = shared::settle(
        &scene,
        &written.shared,
        found,
        frontend.as_ref(),
        &mut notes,
    )?;
    if let Some(backend) = &backend {
        backend.check_settings_exist(&scene, &written, &shared)?;
    }
    let required_env = written.env.required.unwrap_or_else(|| {
        found
            .map(|found| detect::required_env(tree, &found.dir))
            .unwrap_or_default()
    });
    Ok(Settings {
        gate: gate(&scene, &written.gate)?,
        health: health(&scene, &written.health, found, &mut notes)?,
        frontend,
        backend: backend.map(|backend| backend.settled),
        workers,
        shared,
        required_env,
        notes,
    })
}

/// Where values are checked: the tree, and the file they stand in.
struct Scene<'a> {
    tree: &'a dyn Tree,
    document: Document<'a>,
}

impl Scene<'_> {
    /// An error at `section.key`, which the message names.
    fn wrong(&self, path: &[&str], what: &str) -> ConfigError {
        self.document
            .at_key(path, format!("{}: {what}", path.join(".")))
    }

    fn command(&self, path: &[&str], line: &str) -> Result<Vec<String>, ConfigError> {
        command_line::split(line).map_err(|error| self.wrong(path, &error.what).hint(error.hint))
    }

    /// A written duration, or the default.
    fn duration(
        &self,
        path: &[&str],
        text: Option<&String>,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(text) = text else {
            return Ok(default);
        };
        match humantime::parse_duration(text) {
            Ok(duration) if duration <= LONGEST => Ok(duration),
            Ok(_) => Err(self.wrong(path, "longer than a day")),
            Err(_) => Err(self
                .wrong(path, &format!("`{}` is not a duration", shown(text, 40)))
                .hint("write a number and a unit: \"30s\", \"15m\", \"1h\"")),
        }
    }

    /// As [`Scene::duration`], but waiting no time at all would always fail.
    fn timeout(
        &self,
        path: &[&str],
        text: Option<&String>,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        let duration = self.duration(path, text, default)?;
        if duration.is_zero() {
            return Err(self.wrong(path, "it must be longer than 0"));
        }
        Ok(duration)
    }
}

fn landfall_toml(tree: &dyn Tree) -> Result<String, ConfigError> {
    if !tree.has(FILE) {
        return Ok(String::new());
    }
    let bytes = tree
        .read(FILE)
        .ok_or_else(|| ConfigError::new(format!("{FILE} is larger than 1 MiB")))?;
    String::from_utf8(bytes).map_err(|_| ConfigError::new(format!("{FILE} is not UTF-8 text")))
}

fn nothing_found(written: &Written) -> ConfigError {
    let off = |enabled: Option<bool>| enabled == Some(false);
    if off(written.backend.enabled) || off(written.frontend.enabled) {
        return ConfigError::new(
            "nothing is left to deploy: what there is, landfall.toml switches off",
        )
        .hint("remove `enabled = false` from [frontend] or [backend]");
    }
    ConfigError::new("nothing to deploy was found: no manage.py, no package.json with a build script, no index.html")
        .hint("write landfall.toml: `dir` in [backend] is the folder with manage.py, `dir` in [frontend] the one with package.json")
        .hint("`landfall init` in the project shows what is found and writes the file")
}

fn gate(scene: &Scene<'_>, keys: &super::written::GateKeys) -> Result<Gate, ConfigError> {
    let path = ["gate", "run"];
    let run = keys.run.as_deref().unwrap_or_default();
    Ok(Gate {
        run: run
            .iter()
            .map(|line| scene.command(&path, line))
            .collect::<Result<_, _>>()?,
        timeout: scene.timeout(
            &["gate", "timeout"],
            keys.timeout.as_ref(),
            defaults::GATE_TIMEOUT,
        )?,
    })
}

fn health(
    scene: &Scene<'_>,
    keys: &super::written::HealthKeys,
    found: Option<&detect::backend::Found>,
    notes: &mut Vec<String>,
) -> Result<Health, ConfigError> {
    let path: Option<UrlPath> = match (&keys.path, found) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(found)) => detect::health::detect(scene.tree, found, notes),
        (None, None) => None,
    };
    let named = path.is_some();
    let default = || {
        defaults::HEALTH_PATH
            .parse()
            .map_err(|_| ConfigError::new("the default health path is not valid"))
    };
    Ok(Health {
        path: path.map_or_else(default, Ok)?,
        named,
        timeout: scene.timeout(
            &["health", "timeout"],
            keys.timeout.as_ref(),
            defaults::HEALTH_TIMEOUT,
        )?,
    })
}
