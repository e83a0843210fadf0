//! Workers: Celery, beat, a Procfile.

use std::time::Duration;

use super::*;
use crate::config::settings::Worker;

/// The Django project with Celery in package `app`.
fn celery(dir: &str) -> MemoryTree {
    let at = |path: &str| crate::config::tree::in_folder(dir, path);
    django(dir)
        .with(&at("app/celery.py"), b"app = Celery('app')\n")
        .with(&at("requirements.txt"), b"Django\ncelery[redis]==5.3\n")
}

fn commands(tree: &MemoryTree) -> Vec<String> {
    let line = |worker: &Worker| format!("{}: {}", worker.name, worker.command.join(" "));
    settled(tree).workers.iter().map(line).collect()
}

#[test]
fn celery_is_a_worker_that_may_take_its_time() {
    let tree = celery("api");
    let workers = settled(&tree).workers;
    assert_eq!(
        commands(&tree),
        ["celery: celery -A app worker --loglevel=INFO"]
    );
    assert_eq!(workers[0].stop_timeout, Duration::from_secs(60));
    assert_eq!(workers[0].ready_after, Duration::from_secs(3));
    assert!(!workers[0].singleton);
}

#[test]
fn celery_needs_its_package_and_its_application() {
    let without = celery("").with("requirements.txt", b"django-celery-results\ncelery-stubs\n");
    assert_eq!(commands(&without), [""; 0]);
    let other = django("")
        .with("requirements.txt", b"celery")
        .with("app/celery.py", b"# Celery(");
    assert_eq!(commands(&other), [""; 0]);
    let project = django("")
        .with("requirements.txt", b"-r more.txt")
        .with("more.txt", b"Celery>=5")
        .with("app/tasks/celery_app.py", b"x = Celery('x')");
    assert_eq!(
        commands(&project),
        ["celery: celery -A app.tasks.celery_app worker --loglevel=INFO"]
    );
}

#[test]
fn a_schedule_brings_beat_which_is_never_two() {
    for (path, text) in [
        ("app/settings.py", "CELERY_BEAT_SCHEDULE = {}"),
        (
            "app/celery.py",
            "app = Celery('a')\napp.conf.beat_schedule = {}",
        ),
    ] {
        let tree = celery("").with(path, text.as_bytes());
        let workers = settled(&tree).workers;
        assert_eq!(
            commands(&tree)[1],
            "beat: celery -A app beat --loglevel=INFO --schedule {shared}/celerybeat-schedule"
        );
        assert!(workers[1].singleton);
    }
    let tree = celery("").with(
        "app/settings.py",
        b"INSTALLED_APPS = ['django_celery_beat']",
    );
    assert_eq!(
        commands(&tree)[1],
        "beat: celery -A app beat --loglevel=INFO --scheduler django_celery_beat.schedulers:DatabaseScheduler"
    );
}

#[test]
fn queues_by_name_and_other_daemons_are_notes() {
    let tree = celery("").with(
        "app/settings.py",
        b"CELERY_TASK_ROUTES = {'a': {'queue': 'b'}}",
    );
    note(&tree, "name them with -Q");
    let tree = django("").with("requirements.txt", b"huey==2.5");
    note(&tree, "command = \"python manage.py run_huey\"");
}

#[test]
fn a_procfile_names_the_processes() {
    let tree = celery("api").with(
        "Procfile",
        b"# comment\nweb: gunicorn app.wsgi\nrelease: python manage.py migrate\nWorker: cd api && celery -A app worker -Q a,b\nbeat: celery -A app beat\nalerts: python api/manage.py sendalerts\nbad: a | b\nvite: npm run dev\n",
    );
    assert_eq!(
        commands(&tree),
        [
            "alerts: python manage.py sendalerts",
            "worker: celery -A app worker -Q a,b",
            "beat: celery -A app beat --schedule {shared}/celerybeat-schedule",
        ]
    );
    let workers = settled(&tree).workers;
    assert!(workers[2].singleton && !workers[1].singleton);
    assert_eq!(workers[0].stop_timeout, Duration::from_secs(10));
    for text in [
        "`web` is not started",
        "`release` is not run",
        "`bad` is not started",
        "`vite`",
    ] {
        note(&tree, text);
    }
}

#[test]
fn a_procfile_without_celery_leaves_it_to_detection() {
    let tree = celery("").with("Procfile", b"web: gunicorn app.wsgi\n");
    assert_eq!(
        commands(&tree),
        ["celery: celery -A app worker --loglevel=INFO"]
    );
}

#[test]
fn a_detected_worker_is_changed_or_switched_off() {
    let tree = celery("").with("app/settings.py", b"CELERY_BEAT_SCHEDULE = {}").with(
        "landfall.toml",
        b"[workers.celery]\nstop_timeout = \"5m\"\n[workers.beat]\nenabled = false\n[workers.mail]\ncommand = \"python manage.py mail\"\n",
    );
    assert_eq!(
        commands(&tree),
        [
            "celery: celery -A app worker --loglevel=INFO",
            "mail: python manage.py mail"
        ]
    );
    assert_eq!(
        settled(&tree).workers[0].stop_timeout,
        Duration::from_secs(300)
    );
}
