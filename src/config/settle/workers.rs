//! `[workers.NAME]` over what is detected.
//!
//! takes: the keys, the backend · gives: [`Worker`]s in the order they start · touches: nothing

use std::collections::BTreeMap;

use super::Scene;
use super::backend::SettledBackend;
use crate::base::names::ProcessName;
use crate::config::defaults;
use crate::config::detect::workers::{detect, is_singleton, stop_timeout};
use crate::config::error::ConfigError;
use crate::config::settings::Worker;
use crate::config::written::WorkerKeys;

/// Names with a meaning of their own in commands and programs.
const RESERVED: [&str; 5] = ["web", "nginx", "all", "supervisord", "landfall"];

pub(super) fn settle(
    scene: &Scene<'_>,
    written: &BTreeMap<ProcessName, WorkerKeys>,
    backend: Option<&SettledBackend>,
    notes: &mut Vec<String>,
) -> Result<Vec<Worker>, ConfigError> {
    let detected = backend.map(|backend| {
        detect(
            scene.tree,
            &backend.found,
            Some(&backend.settled.python),
            notes,
        )
    });
    let mut workers: BTreeMap<ProcessName, Worker> = BTreeMap::new();
    for worker in detected.into_iter().flatten() {
        if RESERVED.contains(&worker.name.as_str()) {
            notes.push(format!(
                "the process `{0}` is not started: `{0}` has a meaning of its own; write it as [workers.NAME] with another name",
                worker.name
            ));
        } else {
            workers.insert(worker.name.clone(), worker);
        }
    }
    for (name, keys) in written {
        let path = ["workers", name.as_str()];
        if RESERVED.contains(&name.as_str()) {
            return Err(scene
                .wrong(&path, &format!("`{name}` has a meaning of its own"))
                .hint("choose another name for the worker"));
        }
        let detected = workers.remove(name);
        if keys.enabled == Some(false) {
            continue;
        }
        if backend.is_none() {
            return Err(scene.wrong(&path, "there is no backend to run it in"));
        }
        workers.insert(name.clone(), overlay(scene, name, keys, detected.as_ref())?);
    }
    let mut workers: Vec<Worker> = workers.into_values().collect();
    // What only one may do starts last, when those it gives work to are there.
    workers.sort_by_key(|worker| worker.singleton);
    Ok(workers)
}

fn overlay(
    scene: &Scene<'_>,
    name: &ProcessName,
    keys: &WorkerKeys,
    detected: Option<&Worker>,
) -> Result<Worker, ConfigError> {
    let path = |key| ["workers", name.as_str(), key];
    let command = match (&keys.command, detected) {
        (Some(line), _) => scene.command(&path("command"), line)?,
        (None, Some(worker)) => worker.command.clone(),
        (None, None) => {
            return Err(scene
                .wrong(&["workers", name.as_str()], "it has no command")
                .hint("write `command`: the program and its arguments"));
        }
    };
    let stop_timeout = stop_timeout(&command);
    Ok(Worker {
        name: name.clone(),
        stop_timeout: scene.timeout(
            &path("stop_timeout"),
            keys.stop_timeout.as_ref(),
            stop_timeout,
        )?,
        ready_after: scene.duration(
            &path("ready_after"),
            keys.ready_after.as_ref(),
            defaults::READY_AFTER,
        )?,
        singleton: keys.singleton.unwrap_or_else(|| is_singleton(&command)),
        command,
    })
}
