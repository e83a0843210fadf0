//! Celery's worker and beat.
//!
//! takes: a tree, the backend · gives: workers · touches: nothing

use super::backend::Found;
use super::python::names_package;
use super::scan::{Language, without_comments};
use super::sources::module_of;
use super::{is_own, workers};
use crate::config::settings::{PythonPackages, Worker};
use crate::config::tree::{Tree, depth, parent};

/// Files that hold the Celery application. For the first, Celery takes the package's name.
const FILES: [&str; 3] = ["celery.py", "celery_app.py", "celeryapp.py"];
/// Settings that give beat something to do.
const SCHEDULES: [&str; 4] = [
    "beat_schedule",
    "CELERY_BEAT_SCHEDULE",
    "CELERYBEAT_SCHEDULE",
    "add_periodic_task",
];

/// The worker, and beat where there is a schedule.
pub(super) fn detect(
    tree: &dyn Tree,
    backend: &Found,
    packages: Option<&PythonPackages>,
    notes: &mut Vec<String>,
) -> Vec<Worker> {
    let asked_for = packages.is_some_and(|packages| names_package(tree, packages, "celery"));
    let Some((app, text)) = application(tree, backend.dir.as_str()).filter(|_| asked_for) else {
        return Vec::new();
    };
    let mention = |word: &str| text.contains(word) || backend.sources.mention(word);
    let mut found = vec![workers::plain(
        "celery",
        &format!("celery -A {app} worker --loglevel=INFO"),
    )];
    if (mention("task_routes") || mention("CELERY_TASK_ROUTES") || mention("CELERY_ROUTES"))
        && !mention("task_queues")
        && !mention("CELERY_TASK_QUEUES")
        && !mention("CELERY_QUEUES")
    {
        notes.push("tasks are routed to queues by name; the worker takes only the default one: name them with -Q in the command of [workers.celery]".into());
    }
    if mention("django_celery_beat") {
        found.push(workers::plain(
            "beat",
            &format!(
                "celery -A {app} beat --loglevel=INFO --scheduler django_celery_beat.schedulers:DatabaseScheduler"
            ),
        ));
    } else if SCHEDULES.iter().any(|word| mention(word)) {
        found.push(workers::plain(
            "beat",
            &format!(
                "celery -A {app} beat --loglevel=INFO --schedule {{shared}}/celerybeat-schedule"
            ),
        ));
    }
    found.into_iter().flatten().collect()
}

/// What `-A` takes, and the file's text.
fn application(tree: &dyn Tree, dir: &str) -> Option<(String, String)> {
    let mut files: Vec<String> = tree
        .files()
        .named(dir, FILES)
        .filter(|file| parent(file) != dir && is_own(file))
        .collect();
    files.sort_by_cached_key(|file| (depth(file), file.clone()));
    files.into_iter().find_map(|file| {
        let text = without_comments(&tree.text(&file)?, Language::Python);
        let module = module_of(dir, &file)?;
        let app = module.strip_suffix(".celery").unwrap_or(&module).to_owned();
        text.contains("Celery(").then_some((app, text))
    })
}
