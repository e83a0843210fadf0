//! Each stage fails in turn. The old release answers all along, the push says what happened and what to do, nothing of
//! the failed release stays but its log, and a push after the fix works.

use std::time::Duration;

use crate::common::state::State;
use crate::common::{App, Probe, Push, Sandbox, golden, redact, until};

/// Both sides of the small app.
const PATHS: &[&str] = &["/", "/api/about/"];

/// How a failing push ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    /// In pre-receive: git rejects the push.
    Prepare,
    /// In post-receive: git has accepted it; the ref is put back.
    GoLive,
}

/// A deploy that fails: breaks the app, pushes, checks all that must hold, mends it, pushes again.
struct Failure {
    name: &'static str,
    half: Half,
    stage: &'static str,
    /// What the tool itself printed, to be found in its lines.
    tool: &'static [&'static str],
}

impl Failure {
    fn prepare(name: &'static str, stage: &'static str) -> Self {
        Self {
            name,
            half: Half::Prepare,
            stage,
            tool: &[],
        }
    }

    fn go_live(name: &'static str, stage: &'static str) -> Self {
        Self {
            half: Half::GoLive,
            ..Self::prepare(name, stage)
        }
    }

    fn tool_says(mut self, lines: &'static [&'static str]) -> Self {
        self.tool = lines;
        self
    }

    /// A commit that breaks it, a commit that mends it.
    fn by_commit(self, breaks: impl Fn(&Sandbox), mends: impl Fn(&Sandbox)) {
        let sandbox = self.sandbox();
        sandbox.name_release("2");
        breaks(&sandbox);
        sandbox.commit("Break it");
        self.fails(&sandbox);
        mends(&sandbox);
        sandbox.commit("Mend it");
        self.works(&sandbox);
    }

    /// Something on the server is amiss; once it is put right, the very same push works.
    fn by_server(self, breaks: impl Fn(&Sandbox), mends: impl Fn(&Sandbox)) {
        let sandbox = self.sandbox();
        sandbox.name_release("2");
        breaks(&sandbox);
        sandbox.commit("Ask for more");
        self.fails(&sandbox);
        mends(&sandbox);
        self.works(&sandbox);
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::new(&format!("broken-{}", self.name)).live()
    }

    /// Pushes what is broken.
    fn fails(&self, sandbox: &Sandbox) {
        let before = State::of(sandbox);
        let log = sandbox.releases().last().copied().unwrap_or_default() + 1;
        let probe = Probe::start(sandbox.address, PATHS);
        let push = sandbox.push();
        let seen = probe.stop().lost_nothing();
        let push = match self.half {
            Half::Prepare => {
                let push = push.rejected();
                let _ = seen.only("1");
                push
            }
            // The new release may have answered for a moment.
            Half::GoLive => push.said("git says the push succeeded, the deploy did not"),
        };
        assert_eq!(sandbox.release_shown(), "1");
        self.check_words(sandbox, &push);
        // A visitor may have got the new page in the moment it was live: the assets it names are kept as any release's.
        let may_stay: &[&str] = if self.half == Half::GoLive {
            &["assets/"]
        } else {
            &[]
        };
        before.comes_back(sandbox, may_stay);
        // Nothing of it but its log, which has what was said and every line of the tools.
        let log = sandbox.deploy_log(log);
        for wanted in std::iter::once(&"error: ").chain(self.tool) {
            assert!(log.contains(wanted), "no {wanted:?} in the log:\n{log}");
        }
        assert_eq!(sandbox.release_shown(), "1");
    }

    /// Stage, cause, the tool's last lines, the next command: the whole output is in the golden file.
    fn check_words(&self, sandbox: &Sandbox, push: &Push) {
        let start = format!("error: {}: ", self.stage);
        let at = push.remote.iter().position(|line| line.starts_with(&start));
        let Some(at) = at else {
            panic!("no {start:?} in\n{}", push.stderr);
        };
        let tool: Vec<&str> = push.remote[at..]
            .iter()
            .filter_map(|line| line.strip_prefix("  | "))
            .collect();
        for wanted in self.tool {
            assert!(
                tool.iter().any(|line| line.contains(wanted)),
                "the tool's last lines lack {wanted:?}:\n{}",
                push.stderr
            );
        }
        assert!(
            push.remote.iter().any(|line| line.starts_with("hint: ")),
            "no hint:\n{}",
            push.stderr
        );
        let root = sandbox.root.to_string_lossy().into_owned();
        let folders = [(root.as_str(), "[sandbox]")];
        golden::check(
            &format!("broken/{}.txt", self.name),
            &redact::lines(&steady_lines(&push.remote), &folders),
        );
    }

    /// Pushes what is mended.
    fn works(&self, sandbox: &Sandbox) {
        let push = sandbox.push().accepted();
        assert_eq!(sandbox.release_shown(), "2", "{}", push.stderr);
        assert_eq!(
            sandbox.remote_ref("refs/heads/master"),
            Some(sandbox.head())
        );
        let about = sandbox.get("/api/about/").ok().json();
        assert_eq!(about["commit"], sandbox.head().as_str());
        sandbox.settle();
    }
}

/// What tools print differs from version to version, and is checked apart; what a slow stage is at shows only on a slow
/// machine.
fn steady_lines(lines: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        if line.ends_with(" …") {
            continue;
        }
        if !line.starts_with("  |") {
            out.push(line.clone());
        } else if out
            .last()
            .is_none_or(|last| last != "  | [the tool's own lines]")
        {
            out.push("  | [the tool's own lines]".to_owned());
        }
    }
    out
}

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
            )
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
            )
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
                )
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
                )
            },
            |sandbox| {
                sandbox.edit(
                    "backend/board/models.py",
                    "CharField(max_length=-1)",
                    "CharField(max_length=200)",
                )
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
                )
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
                )
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
            sandbox.edit(
                "backend/board/views.py",
                "    import time; time.sleep(600)\n",
                "",
            )
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
            )
        },
        |sandbox| {
            sandbox.edit(
                "backend/small/settings.py",
                "BASE_DIR / \"db.sqlite3\"",
                "DATA / \"db.sqlite3\"",
            )
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

#[test]
fn a_worker_that_exits_at_once() {
    Failure::go_live("worker-exits", "workers")
        .tool_says(&["cannot reach the broker"])
        .by_commit(
            |sandbox| {
                sandbox.write(
                    "landfall.toml",
                    "[workers.ticker]\ncommand = \"python ticker.py\"\nready_after = \"1s\"\n",
                );
                sandbox.write(
                    "backend/ticker.py",
                    "raise SystemExit(\"cannot reach the broker\")\n",
                );
            },
            |sandbox| {
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
            sandbox.write(
                "landfall.toml",
                "[workers.ticker]\ncommand = \"python ticker.py\"\nready_after = \"1s\"\n",
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
            )
        },
        |sandbox| {
            sandbox.edit(
                "frontend/build.js",
                "src=\"/assets/gone.0123456789abcdef.js\"",
                "src=\"${main}\"",
            )
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

/// A first push that fails leaves an app to which the next push is the first.
#[test]
fn a_first_push_that_fails() {
    let sandbox = Sandbox::new("broken-first").create();
    let before = State::of(&sandbox);
    sandbox.edit(
        "backend/small/wsgi.py",
        "import os\n",
        "import os\nimport nowhere\n",
    );
    sandbox.commit("Break it");
    let _ = sandbox.push().rejected().said("error: boot: ");
    assert_eq!(sandbox.releases(), [] as [u32; 0]);
    before.comes_back(&sandbox, &["run/django-agent.py", "run/lock"]);
    sandbox.edit("backend/small/wsgi.py", "import nowhere\n", "");
    sandbox.commit("Mend it");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "1");
}

/// supervisord is gone, and everything with it: the next push brings it back and then works as ever.
#[test]
fn a_server_whose_supervisord_was_killed() {
    let sandbox = Sandbox::new("broken-supervisord").app(App::Small).live();
    let pids = sandbox.processes();
    for process in &pids {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(process.pid),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
    until("everything is gone", Duration::from_secs(10), || {
        sandbox.processes().is_empty()
    });
    sandbox.name_release("2");
    sandbox.commit("Second");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
    sandbox.settle();
}
