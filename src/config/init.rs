//! The landfall.toml that `landfall init` writes: what was found, written down.
//!
//! takes: settings · gives: the file's text · touches: nothing. Settled again, it gives the same settings.

use std::fmt::Write as _;
use std::time::Duration;

use toml::Value;

use super::command_line::join;
use super::defaults;
use super::detect::workers::{is_singleton, stop_timeout};
use super::settings::{Backend, Frontend, FrontendBuild, PythonPackages, Settings, Worker};
use super::tree::in_folder;
use crate::base::names::RepoPath;

const HEAD: &str = "\
# What Landfall deploys, and how. Every key is optional: without this file the same is found in the repository.
# Every key there is: examples/landfall.toml in Landfall's repository.
";

/// The file. What was found stands in it; what holds by default is commented out.
pub fn render(settings: &Settings) -> String {
    let mut file = File(HEAD.to_owned());
    if !settings.notes.is_empty() {
        file.line("#");
        file.line("# Found on the way:");
        for note in &settings.notes {
            file.line(&format!("# - {}", crate::base::words::printable(note)));
        }
    }
    match &settings.frontend {
        Some(frontend) => file.frontend(frontend),
        None => file.line("\n# No frontend was found.\n# [frontend]\n# dir = \"frontend\""),
    }
    match &settings.backend {
        Some(backend) => file.backend(backend),
        None => file.line("\n# No backend was found.\n# [backend]\n# dir = \"backend\""),
    }
    for worker in &settings.workers {
        file.worker(worker);
    }
    file.rest(settings);
    file.0
}

/// The text so far.
struct File(String);

impl File {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn section(&mut self, name: &str, comment: &str) {
        self.line(&format!("\n[{name}]  # {comment}"));
    }

    fn key(&mut self, name: &str, value: impl Into<Value>, comment: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name} = {}  # {comment}", value.into());
    }

    /// A key that holds by default: commented out while it has that value.
    fn optional(&mut self, name: &str, value: impl Into<Value>, is_default: bool, comment: &str) {
        if is_default {
            self.0.push_str("# ");
        }
        self.key(name, value, comment);
    }

    fn frontend(&mut self, frontend: &Frontend) {
        self.section("frontend", "built to static files, served by nginx");
        let Frontend { dir, output, build } = frontend;
        let Some(build) = build else {
            return self.key("dir", folder(dir), "served as committed");
        };
        self.key("dir", folder(dir), "the folder with package.json");
        let manager = format!("{:?}", build.manager).to_lowercase();
        self.key("manager", string(&manager), "npm, yarn or pnpm");
        self.command("install", &build.install, "installs the packages");
        self.command("build", &build.command, "builds the site");
        let output = relative(dir, output);
        self.key("output", string(&output), "the built files, from `dir`");
        self.duration(
            "timeout",
            build.timeout,
            defaults::FRONTEND_TIMEOUT,
            "the longest that install, and that build, may take",
        );
        self.build_env(build);
    }

    fn build_env(&mut self, build: &FrontendBuild) {
        if build.env.is_empty() {
            return;
        }
        self.section("frontend.env", "variables for install and build");
        for (name, value) in &build.env {
            let _ = writeln!(self.0, "{name} = {}", string(value));
        }
    }

    fn backend(&mut self, backend: &Backend) {
        self.section("backend", "Django, run by uWSGI");
        self.key("dir", folder(&backend.dir), "the folder with manage.py");
        match &backend.settings {
            Some(module) => self.key(
                "settings",
                string(module.as_str()),
                "DJANGO_SETTINGS_MODULE",
            ),
            None => self.line("# settings = \"package.settings\"  # DJANGO_SETTINGS_MODULE"),
        }
        self.key("wsgi", string(backend.wsgi.as_str()), "what uWSGI calls");
        let files = requirement_files(&backend.python);
        self.key(
            "requirements",
            strings(&files),
            "the Python packages, from the repository's root",
        );
        self.backend_runs(backend);
        self.duration(
            "install_timeout",
            backend.install_timeout,
            defaults::INSTALL_TIMEOUT,
            "the longest that installing the packages may take",
        );
        self.duration(
            "start_timeout",
            backend.start_timeout,
            defaults::START_TIMEOUT,
            "the longest until the application is loaded",
        );
        self.duration(
            "migrate_timeout",
            backend.migrate_timeout,
            defaults::MIGRATE_TIMEOUT,
            "the longest that migrating, and collecting static files, may take",
        );
    }

    fn backend_runs(&mut self, backend: &Backend) {
        let (processes, threads) = (backend.processes, backend.threads);
        let is_default = processes == defaults::PROCESSES;
        self.optional(
            "processes",
            i64::from(processes),
            is_default,
            "uWSGI's worker processes",
        );
        let is_default = threads == defaults::THREADS;
        self.optional("threads", i64::from(threads), is_default, "threads in each");
        match &backend.paths {
            Some(paths) => self.key("paths", strings(paths), "URL prefixes that go to Django"),
            None => {
                self.line("# paths = [\"/api/\", \"/admin/\"]  # URL prefixes that go to Django; default: Django's own");
            }
        }
        self.optional(
            "migrate",
            backend.migrate,
            backend.migrate,
            "apply migrations",
        );
        self.optional(
            "collectstatic",
            backend.collectstatic,
            backend.collectstatic,
            "collect static files",
        );
    }

    fn worker(&mut self, worker: &Worker) {
        self.section(&format!("workers.{}", worker.name), "a process besides web");
        self.command("command", &worker.command, "run in the backend's folder");
        self.duration(
            "stop_timeout",
            worker.stop_timeout,
            stop_timeout(&worker.command),
            "to finish its tasks when it is told to stop",
        );
        self.duration(
            "ready_after",
            worker.ready_after,
            defaults::READY_AFTER,
            "to have run so long counts as started",
        );
        let is_default = worker.singleton == is_singleton(&worker.command);
        self.optional(
            "singleton",
            worker.singleton,
            is_default,
            "never two at once",
        );
    }

    fn rest(&mut self, settings: &Settings) {
        self.section(
            "shared",
            "not in git, kept on the server, linked into each release",
        );
        self.key(
            "files",
            strings(&settings.shared.files),
            "must be there before a deploy",
        );
        self.key("dirs", strings(&settings.shared.dirs), "made when missing");
        self.section("env", "the app's environment, set with `landfall env set`");
        self.key(
            "required",
            strings(&settings.required_env),
            "the app cannot run without these",
        );
        self.section("gate", "the app's own checks, before anything goes live");
        let run: Vec<String> = settings.gate.run.iter().map(|words| join(words)).collect();
        self.optional(
            "run",
            strings(&run),
            run.is_empty(),
            "commands, run at the repository's root",
        );
        self.duration(
            "timeout",
            settings.gate.timeout,
            defaults::GATE_TIMEOUT,
            "the longest that each may take",
        );
        self.section("health", "how the new release is asked whether it works");
        let (health, path) = (&settings.health, settings.health.path.as_str());
        self.optional(
            "path",
            string(path),
            !health.named,
            "must answer with a status below 400",
        );
        self.duration(
            "timeout",
            health.timeout,
            defaults::HEALTH_TIMEOUT,
            "the longest until it does",
        );
    }

    fn command(&mut self, name: &str, words: &[String], comment: &str) {
        self.key(name, string(&join(words)), comment);
    }

    fn duration(&mut self, name: &str, value: Duration, default: Duration, comment: &str) {
        let text = humantime::format_duration(value).to_string();
        self.optional(name, string(&text), value == default, comment);
    }
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn folder(dir: &RepoPath) -> Value {
    string(if dir.is_root() { "." } else { dir.as_str() })
}

fn strings<T: AsRef<str>>(items: &[T]) -> Value {
    Value::Array(items.iter().map(|item| string(item.as_ref())).collect())
}

/// The files that `requirements` names: a lock or project file stands for its tool.
fn requirement_files(python: &PythonPackages) -> Vec<String> {
    let one = |dir: &RepoPath, name: &str| vec![in_folder(dir.as_str(), name)];
    match python {
        PythonPackages::Requirements { files, .. } => {
            files.iter().map(ToString::to_string).collect()
        }
        PythonPackages::Uv { dir } => one(dir, "uv.lock"),
        PythonPackages::Poetry { dir } => one(dir, "poetry.lock"),
        PythonPackages::Pipenv { dir, locked: true } => one(dir, "Pipfile.lock"),
        PythonPackages::Pipenv { dir, locked: false } => one(dir, "Pipfile"),
        PythonPackages::Project { dir } => one(dir, "pyproject.toml"),
    }
}

/// `to` as seen from `from`: `../api/static`.
fn relative(from: &RepoPath, to: &RepoPath) -> String {
    let parts = |path: &RepoPath| -> Vec<String> {
        path.as_str()
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (from, to) = (parts(from), parts(to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - common);
    let path: Vec<String> = up.chain(to[common..].iter().cloned()).collect();
    if path.is_empty() {
        ".".into()
    } else {
        path.join("/")
    }
}
