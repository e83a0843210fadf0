//! Backends: manage.py, settings, wsgi, the health path.

use super::*;
use crate::base::hint::Hint;

#[test]
fn a_backend_lies_in_any_folder_or_at_the_root() {
    for dir in ["backend", "server", "src", "notesBackEnd", ""] {
        let found = backend(&django(dir));
        assert_eq!(found.dir.as_str(), dir);
        assert_eq!(found.settings.unwrap().as_str(), "app.settings");
        assert_eq!(found.wsgi.as_str(), "app.wsgi:application");
    }
}

#[test]
fn a_stray_second_settings_or_wsgi_changes_nothing() {
    let tree = django("api")
        .with("api/old/wsgi.py", b"application = 1")
        .with("api/old/settings.py", b"")
        .with("stray/wsgi.py", b"")
        .with("tests/manage.py", b"django")
        .with("{{cookiecutter.name}}/manage.py", b"django");
    assert_eq!(backend(&tree).wsgi.as_str(), "app.wsgi:application");
    assert_eq!(settled(&tree).notes, [""; 0]);
}

#[test]
fn of_two_manage_py_the_one_with_a_wsgi_below_is_chosen_and_the_other_named() {
    let tree = django("server/api").with("manage.py", b"import django");
    assert_eq!(backend(&tree).dir.as_str(), "server/api");
    note(&tree, "there is also `manage.py`");
}

#[test]
fn wsgi_may_lie_in_a_package_of_another_name() {
    let tree = MemoryTree::new(&[
        (
            "api/manage.py",
            "os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\",\n    \"config.settings.prod\")",
        ),
        ("api/config/settings/prod.py", "from .base import *"),
        (
            "api/config/settings/base.py",
            "WSGI_APPLICATION = 'gone.wsgi.application'",
        ),
        ("api/serve/wsgi.py", "app = get_wsgi_application()"),
        ("requirements.txt", ""),
    ]);
    let found = backend(&tree);
    assert_eq!(found.wsgi.as_str(), "serve.wsgi:app");
    assert_eq!(found.settings.unwrap().as_str(), "config.settings.prod");
}

#[test]
fn wsgi_wins_over_manage_where_their_settings_differ() {
    let tree = django("").with("app/prod.py", b"").with(
        "app/wsgi.py",
        b"os.environ['DJANGO_SETTINGS_MODULE'] = 'app.prod'\napplication = 1",
    );
    assert_eq!(backend(&tree).settings.unwrap().as_str(), "app.prod");
    assert_eq!(
        note(&tree, "different settings"),
        "wsgi.py and manage.py name different settings: `app.prod` of wsgi.py is used, not `app.settings`"
    );
    let stale = django("").with(
        "app/wsgi.py",
        b"setdefault('DJANGO_SETTINGS_MODULE', 'old.settings')",
    );
    assert_eq!(backend(&stale).settings.unwrap().as_str(), "app.settings");
    let none = django("").with("app/wsgi.py", b"application = 1");
    assert_eq!(backend(&none).settings.unwrap().as_str(), "app.settings");
}

#[test]
fn development_settings_by_default_are_a_note() {
    let tree = django("")
        .with(
            "app/wsgi.py",
            b"setdefault('DJANGO_SETTINGS_MODULE', 'app.conf.dev')",
        )
        .with("app/conf/dev.py", b"")
        .with("app/conf/production.py", b"");
    assert_eq!(backend(&tree).settings.unwrap().as_str(), "app.conf.dev");
    note(&tree, "there is `app.conf.production`");
}

#[test]
fn a_settings_module_kept_outside_git_is_a_shared_file() {
    let tree = django("api")
        .with(
            "api/app/wsgi.py",
            b"setdefault('DJANGO_SETTINGS_MODULE', 'app.production')",
        )
        .with("api/app/production.py.example", b"");
    assert_eq!(backend(&tree).settings.unwrap().as_str(), "app.production");
    let files = settled(&tree).shared.files;
    assert_eq!(files, ["api/app/production.py".parse().unwrap()]);
    note(&tree, "`app.production` is not in the repository");
}

#[test]
fn asgi_only_is_said_clearly() {
    let tree = MemoryTree::new(&[
        (
            "manage.py",
            "setdefault('DJANGO_SETTINGS_MODULE', 'app.settings')",
        ),
        ("app/asgi.py", ""),
        (
            "app/settings.py",
            "ASGI_APPLICATION = 'app.asgi.application'",
        ),
        ("requirements.txt", ""),
    ]);
    let error = settle(&tree).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the backend has an asgi.py and no wsgi.py: Landfall serves WSGI applications only"
    );
    assert_eq!(error.hints().len(), 2);
}

#[test]
fn a_route_called_health_is_asked_for() {
    for (urls, path) in [
        ("path('admin/', a), path('healthz/', h)", "/healthz/"),
        ("re_path(r'^api/ping/?$', p)", "/api/ping/"),
        ("url(r'^status$', s)", "/status"),
        ("# path('healthz/', h)\npath('a/', b)", "/"),
        ("path('health/<int:x>/', h), path('up', u)", "/up"),
    ] {
        let health = settled(&django("").with("app/urls.py", urls.as_bytes())).health;
        assert_eq!(
            (health.path.as_str(), health.named),
            (path, path != "/"),
            "{urls}"
        );
    }
}

#[test]
fn a_health_path_that_waits_for_workers_is_not_used() {
    let tree = django("")
        .with(
            "app/urls.py",
            b"path('health/', include('health_check.urls'))",
        )
        .with(
            "app/settings.py",
            b"INSTALLED_APPS = ['health_check.contrib.celery']",
        );
    assert!(!settled(&tree).health.named);
    note(&tree, "answers for Celery too");
}

#[test]
fn nothing_at_all_is_an_error_with_the_way_out() {
    let error = settle(&MemoryTree::new(&[("README.md", "")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "nothing to deploy was found: no manage.py, no package.json with a build script, no index.html"
    );
    assert_eq!(error.hints().len(), 2);
}
