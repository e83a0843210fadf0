//! What fails beside the live release: git rejects the push.

use super::Failure;

#[test]
fn a_key_that_does_not_exist() {
    Failure::prepare("unknown-key", "plan").by_commit(
        |sandbox| sandbox.write("landfall.toml", "[backend]\nproceses = 4\n"),
        |sandbox| sandbox.write("landfall.toml", "[backend]\nprocesses = 1\n"),
    );
}

#[test]
fn a_shared_file_that_is_missing() {
    Failure::prepare("missing-shared-file", "plan").by_server(
        |sandbox| {
            sandbox.write(
                "landfall.toml",
                "[shared]\nfiles = [\"backend/keys.json\"]\n",
            );
        },
        |sandbox| sandbox.share("backend/keys.json", "{}"),
    );
}

#[test]
fn a_variable_that_is_missing() {
    Failure::prepare("missing-variable", "plan").by_server(
        |sandbox| {
            sandbox.write(
                "landfall.toml",
                "[env]\nrequired = [\"API_KEY\", \"REGION\"]\n",
            );
        },
        |sandbox| {
            sandbox.env_set("API_KEY", "abc");
            sandbox.env_set("REGION", "eu");
        },
    );
}

#[test]
fn an_npm_build_that_fails() {
    const LINE: &str = "import { tiny } from \"tiny\";";
    Failure::prepare("npm-build", "frontend")
        .tool_says(&["Error: the build is broken"])
        .by_commit(
            |sandbox| {
                sandbox.edit(
                    "frontend/build.js",
                    LINE,
                    "import { tiny } from \"tiny\";\nthrow new Error(\"the build is broken\");",
                );
            },
            |sandbox| {
                sandbox.edit(
                    "frontend/build.js",
                    "throw new Error(\"the build is broken\");\n",
                    "",
                );
            },
        );
}

#[test]
fn an_npm_install_that_fails() {
    Failure::prepare("npm-install", "frontend")
        .tool_says(&["npm error"])
        .by_commit(
            |sandbox| {
                sandbox.edit(
                    "frontend/package.json",
                    "\"tiny\": \"file:vendor/tiny\"",
                    "\"tiny\": \"file:vendor/tiny\", \"huge\": \"file:vendor/huge.tgz\"",
                );
            },
            |sandbox| {
                sandbox.edit(
                    "frontend/package.json",
                    ", \"huge\": \"file:vendor/huge.tgz\"",
                    "",
                );
            },
        );
}

#[test]
fn a_build_that_leaves_nothing() {
    Failure::prepare("no-output", "frontend").by_commit(
        |sandbox| sandbox.edit("frontend/build.js", "dist", "public_html"),
        |sandbox| sandbox.edit("frontend/build.js", "public_html", "dist"),
    );
}

#[test]
fn packages_that_cannot_be_resolved() {
    Failure::prepare("pip-resolution", "python")
        .tool_says(&["django", "4.0.1"])
        .by_commit(
            |sandbox| sandbox.write("requirements.txt", "Django==5.2.19\nDjango==4.0.1\n"),
            |sandbox| sandbox.write("requirements.txt", "Django==5.2.19\n"),
        );
}

#[test]
fn a_check_of_the_apps_own_that_fails() {
    Failure::prepare("gate", "gate")
        .tool_says(&["2 tests failed"])
        .by_commit(
            |sandbox| {
                sandbox.write("landfall.toml", "[gate]\nrun = [\"sh check.sh\"]\n");
                sandbox.write("check.sh", "echo 2 tests failed\nexit 3\n");
            },
            |sandbox| sandbox.write("check.sh", "echo all well\n"),
        );
}

#[test]
fn a_system_check_of_django_that_fails() {
    Failure::prepare("django-check", "gate")
        .tool_says(&["fields.E121"])
        .by_commit(
            |sandbox| {
                sandbox.edit(
                    "backend/board/models.py",
                    "CharField(max_length=200)",
                    "CharField(max_length=-1)",
                );
            },
            |sandbox| {
                sandbox.edit(
                    "backend/board/models.py",
                    "CharField(max_length=-1)",
                    "CharField(max_length=200)",
                );
            },
        );
}

#[test]
fn settings_that_cannot_be_imported() {
    Failure::prepare("settings-import", "gate")
        .tool_says(&["ModuleNotFoundError: No module named 'nowhere'"])
        .by_commit(
            |sandbox| {
                sandbox.edit(
                    "backend/small/settings.py",
                    "import os\n",
                    "import os\nimport nowhere\n",
                );
            },
            |sandbox| sandbox.edit("backend/small/settings.py", "import nowhere\n", ""),
        );
}

#[test]
fn a_wsgi_module_that_cannot_be_imported() {
    Failure::prepare("wsgi-import", "boot")
        .tool_says(&["ModuleNotFoundError: No module named 'nowhere'"])
        .by_commit(
            |sandbox| {
                sandbox.edit(
                    "backend/small/wsgi.py",
                    "import os\n",
                    "import os\nimport nowhere\n",
                );
            },
            |sandbox| sandbox.edit("backend/small/wsgi.py", "import nowhere\n", ""),
        );
}

/// One migration that works and one that fails after it: both are gone afterwards.
#[test]
fn a_migration_that_fails() {
    const GOOD: &str = "from django.db import migrations, models\n\n\n\
        class Migration(migrations.Migration):\n    dependencies = [(\"board\", \"0001_initial\")]\n    operations = [\n        \
        migrations.AddField(\"note\", \"stars\", models.IntegerField(default=0)),\n    ]\n";
    const BAD: &str = "from django.db import migrations\n\n\n\
        class Migration(migrations.Migration):\n    dependencies = [(\"board\", \"0002_stars\")]\n    operations = [\n        \
        migrations.RunSQL(\"INSERT INTO no_such_table VALUES (1)\", migrations.RunSQL.noop),\n    ]\n";
    Failure::prepare("migration", "migrate")
        .tool_says(&["no such table: no_such_table"])
        .by_commit(
            |sandbox| {
                sandbox.edit(
                    "backend/board/models.py",
                    "    text = models.CharField(max_length=200)\n",
                    "    text = models.CharField(max_length=200)\n    stars = models.IntegerField(default=0)\n",
                );
                sandbox.write("backend/board/migrations/0002_stars.py", GOOD);
                sandbox.write("backend/board/migrations/0003_bad.py", BAD);
            },
            |sandbox| sandbox.delete("backend/board/migrations/0003_bad.py"),
        );
}

#[test]
fn a_health_path_that_answers_500() {
    Failure::prepare("health-500", "health")
        .tool_says(&["ZeroDivisionError"])
        .by_commit(
            |sandbox| {
                sandbox.edit(
                    "backend/board/views.py",
                    "    return HttpResponse(\"ok\"",
                    "    1 / 0\n    return HttpResponse(\"ok\"",
                );
            },
            |sandbox| sandbox.edit("backend/board/views.py", "    1 / 0\n", ""),
        );
}

#[test]
fn a_health_path_that_never_answers() {
    Failure::prepare("health-timeout", "health").by_commit(
        |sandbox| {
            sandbox.write("landfall.toml", "[health]\ntimeout = \"2s\"\n");
            sandbox.edit(
                "backend/board/views.py",
                "def healthz(request):\n",
                "def healthz(request):\n    import time; time.sleep(600)\n",
            );
        },
        |sandbox| {
            sandbox.write("landfall.toml", "");
            sandbox.edit(
                "backend/board/views.py",
                "    import time; time.sleep(600)\n",
                "",
            );
        },
    );
}

/// What is migrated before the health check fails is unapplied, so that the old release has the database it knows.
#[test]
fn a_health_failure_after_a_migration() {
    Failure::prepare("health-after-migration", "health").by_commit(
        |sandbox| {
            sandbox.write(
                "backend/board/migrations/0002_stars.py",
                "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n    \
                 dependencies = [(\"board\", \"0001_initial\")]\n    operations = [\n        \
                 migrations.CreateModel(\"Star\", [(\"id\", models.BigAutoField(primary_key=True))]),\n    ]\n",
            );
            sandbox.edit("backend/board/views.py", "    return HttpResponse(\"ok\"", "    1 / 0\n    return HttpResponse(\"ok\"");
        },
        |sandbox| sandbox.edit("backend/board/views.py", "    1 / 0\n", ""),
    );
}

#[test]
fn a_database_inside_the_release() {
    Failure::prepare("data-in-release", "migrate").by_commit(
        |sandbox| {
            sandbox.edit(
                "backend/small/settings.py",
                "DATA / \"db.sqlite3\"",
                "BASE_DIR / \"db.sqlite3\"",
            );
        },
        |sandbox| {
            sandbox.edit(
                "backend/small/settings.py",
                "BASE_DIR / \"db.sqlite3\"",
                "DATA / \"db.sqlite3\"",
            );
        },
    );
}

#[test]
fn uploads_inside_the_release() {
    Failure::prepare("media-in-release", "migrate").by_commit(
        |sandbox| {
            let settings = sandbox.read("backend/small/settings.py");
            // Made up at run time, so that it is not found by reading the settings.
            let media = "MEDIA_URL = \"/media/\"\nMEDIA_ROOT = str(BASE_DIR) + chr(47) + \"up\" + \"loads\"\n";
            sandbox.write("backend/small/settings.py", settings + media);
        },
        |sandbox| sandbox.edit("backend/small/settings.py", "MEDIA_ROOT = str(BASE_DIR)", "MEDIA_ROOT = str(DATA)"),
    );
}
