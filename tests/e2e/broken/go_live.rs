//! What fails after git has moved the ref: the ref is put back, and the release that was live is live again.

use super::Failure;

#[test]
fn a_worker_that_exits_at_once() {
    let runs_for = |ready_after: &str| {
        format!(
            "[workers.ticker]\ncommand = \"python ticker.py\"\nready_after = \"{ready_after}\"\n"
        )
    };
    Failure::go_live("worker-exits", "workers")
        .tool_says(&["cannot reach the broker"])
        .by_commit(
            |sandbox| {
                // Python may take a while to start and to exit; nobody waits for longer.
                sandbox.write("landfall.toml", runs_for("10s"));
                sandbox.write(
                    "backend/ticker.py",
                    "raise SystemExit(\"cannot reach the broker\")\n",
                );
            },
            |sandbox| {
                sandbox.write("landfall.toml", runs_for("1s"));
                sandbox.write(
                    "backend/ticker.py",
                    "import time\nwhile True:\n    time.sleep(1)\n",
                );
            },
        );
}

/// The same, for what the server lacks: the push that failed is repeated as it is.
#[test]
fn a_worker_that_needs_what_the_server_lacks() {
    Failure::go_live("worker-needs", "workers").by_server(
        |sandbox| {
            // Long enough for Python to start and to fail; the push that works waits for it.
            sandbox.write(
                "landfall.toml",
                "[workers.ticker]\ncommand = \"python ticker.py\"\nready_after = \"5s\"\n",
            );
            sandbox.write(
                "backend/ticker.py",
                "import os, time\nos.environ[\"BROKER\"]\nwhile True:\n    time.sleep(1)\n",
            );
        },
        |sandbox| sandbox.env_set("BROKER", "here"),
    );
}

/// A page that names a script that is not there: nothing before the switch can see that.
#[test]
fn a_page_whose_script_is_missing() {
    Failure::go_live("verify", "verify").by_commit(
        |sandbox| {
            sandbox.edit(
                "frontend/build.js",
                "src=\"${main}\"",
                "src=\"/assets/gone.0123456789abcdef.js\"",
            );
        },
        |sandbox| {
            sandbox.edit(
                "frontend/build.js",
                "src=\"/assets/gone.0123456789abcdef.js\"",
                "src=\"${main}\"",
            );
        },
    );
}

/// What is migrated before the switch fails is unapplied too.
#[test]
fn a_verify_failure_after_a_migration() {
    Failure::go_live("verify-after-migration", "verify").by_commit(
        |sandbox| {
            sandbox.write(
                "backend/board/migrations/0002_stars.py",
                "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n    \
                 dependencies = [(\"board\", \"0001_initial\")]\n    operations = [\n        \
                 migrations.CreateModel(\"Star\", [(\"id\", models.BigAutoField(primary_key=True))]),\n    ]\n",
            );
            sandbox.edit("frontend/build.js", "src=\"${main}\"", "src=\"/assets/gone.0123456789abcdef.js\"");
        },
        |sandbox| sandbox.edit("frontend/build.js", "src=\"/assets/gone.0123456789abcdef.js\"", "src=\"${main}\""),
    );
}
