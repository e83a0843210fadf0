//! Processes besides web: a Procfile's, and Celery's.
//!
//! takes: a tree, the backend · gives: [`Worker`]s · touches: nothing

use std::time::Duration;

use super::backend::Found;
use super::python::names_package;
use super::{celery, procfile};
use crate::config::settings::{PythonPackages, Worker};
use crate::config::tree::Tree;
use crate::config::{command_line, defaults};

/// Task queues that need a process of their own, and its command.
const DAEMONS: [(&str, &str); 4] = [
    ("huey", "python manage.py run_huey"),
    ("django-q", "python manage.py qcluster"),
    ("django-q2", "python manage.py qcluster"),
    ("django-rq", "python manage.py rqworker"),
];

/// What runs besides web, with Landfall's defaults.
pub fn detect(
    tree: &dyn Tree,
    backend: &Found,
    packages: Option<&PythonPackages>,
    notes: &mut Vec<String>,
) -> Vec<Worker> {
    let mut found = procfile::detect(tree, backend.dir.as_str(), notes).unwrap_or_default();
    let by_procfile = |words: &[&str]| {
        found.iter().any(|worker: &Worker| {
            words
                .iter()
                .all(|word| worker.command.iter().any(|given| given == word))
        })
    };
    let (worker, beat) = (
        by_procfile(&["celery", "worker"]),
        by_procfile(&["celery", "beat"]) || found.iter().any(|worker| worker.singleton),
    );
    let mut celery_notes = Vec::new();
    let celery = celery::detect(tree, backend, packages, &mut celery_notes);
    if !worker {
        notes.append(&mut celery_notes);
    }
    found.extend(
        celery
            .into_iter()
            .filter(|found| if found.singleton { !beat } else { !worker }),
    );
    for (package, command) in DAEMONS {
        let runs = || {
            let daemon = command.rsplit(' ').next().unwrap_or_default();
            found
                .iter()
                .any(|worker| worker.command.iter().any(|word| word == daemon))
        };
        if packages.is_some_and(|packages| names_package(tree, packages, package)) && !runs() {
            notes.push(format!(
                "the packages include `{package}`, and nothing runs its tasks: write [workers.{package}] with `command = \"{command}\"`"
            ));
        }
    }
    found
}

/// A worker with the defaults its command asks for; `None` where name or command are not valid.
pub(super) fn plain(name: &str, command: &str) -> Option<Worker> {
    let command = command_line::split(command).ok()?;
    Some(Worker {
        name: name.parse().ok()?,
        stop_timeout: stop_timeout(&command),
        ready_after: defaults::READY_AFTER,
        singleton: is_singleton(&command),
        command,
    })
}

/// How long a command may take to finish by default: a Celery worker has tasks to end.
pub fn stop_timeout(command: &[String]) -> Duration {
    let is = |word: &str| command.iter().any(|given| given == word);
    if is("celery") && is("worker") {
        defaults::CELERY_STOP_TIMEOUT
    } else {
        defaults::STOP_TIMEOUT
    }
}

/// Two schedulers would run each task twice: `celery beat`, and a worker with beat inside.
pub fn is_singleton(command: &[String]) -> bool {
    let is = |word: &str| command.iter().any(|given| given == word);
    is("celery") && (is("beat") || is("-B") || is("--beat"))
}
