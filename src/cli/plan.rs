//! `landfall plan`: what deploying a revision would do.

use crate::base::host::Host;
use crate::base::words::count;
use crate::git::Repo;
use crate::stage::plan::{self, Plan, Step, Wishes};

use super::session::Session;
use super::{Ended, Globals, head, output};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
`git push -o plan` shows the same for a commit that is not pushed yet, and pushes nothing.

Examples:
  landfall plan                 the branch that deploys
  landfall plan feature-x       another branch that was pushed
  landfall plan HEAD~1 --json")]
pub(super) struct Args {
    /// A branch, a tag or a commit that was pushed here [default: the branch that deploys].
    revision: Option<String>,
    /// As if nothing were in the caches.
    #[arg(long)]
    rebuild: bool,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let ctx = session.context(host);
    let repo = Repo::open(&session.home.repository())?;
    let (commit, revision) = head::resolve(&session, &repo, args.revision.as_deref())?;
    let plan = plan::run(
        &ctx,
        &repo,
        &commit,
        &revision,
        Wishes {
            rebuild: args.rebuild,
            skip_gate: false,
        },
    )?;
    if globals.json {
        output::json(&plan);
    } else {
        for line in lines(&plan) {
            output::line(line);
        }
    }
    Ok(())
}

/// The plan for people.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let changed = plan
        .changed_files
        .map(|changed| format!(", {changed} changed"))
        .unwrap_or_default();
    let mut lines = Lines(vec![format!(
        "{} \"{}\": {}",
        plan.commit.short(),
        plan.subject,
        plan.summary()
    )]);
    lines.add(
        "checkout",
        format!("{}{changed}", count(plan.files, "file")),
    );
    lines.frontend(plan);
    lines.processes(plan);
    let settings = &plan.settings;
    for check in &settings.gate.run {
        let skipped = if plan.skip_gate { " (skipped)" } else { "" };
        lines.add("gate", format!("{}{skipped}", check.join(" ")));
    }
    for path in settings.shared.files.iter().chain(&settings.shared.dirs) {
        lines.add("shared", path);
    }
    if settings.backend.is_some() {
        lines.add("health", &settings.health.path);
    }
    for note in settings.notes.iter().chain(&plan.memory) {
        lines.add("note", note);
    }
    lines.0
}

struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, name: &str, text: impl AsRef<str>) {
        let text = text.as_ref();
        self.0.push(format!("  {name:<13} {text}"));
    }

    fn frontend(&mut self, plan: &Plan) {
        let Some(frontend) = &plan.settings.frontend else {
            return;
        };
        let Some(build) = &frontend.build else {
            return self.add(
                "frontend",
                format!("{} as committed", dir(&frontend.output)),
            );
        };
        self.add(
            "frontend",
            format!(
                "{} ({}: {} → {})",
                step(&plan.frontend),
                dir(&frontend.dir),
                build.command.join(" "),
                frontend.output
            ),
        );
        if plan.node_modules != Step::Nothing {
            self.add(
                "node_modules",
                format!("{} ({})", step(&plan.node_modules), build.install.join(" ")),
            );
        }
    }

    fn processes(&mut self, plan: &Plan) {
        if let Some(backend) = &plan.settings.backend {
            self.add("venv", step(&plan.venv));
            self.add(
                "web",
                format!(
                    "{} in {}, {} × {}",
                    backend.wsgi,
                    dir(&backend.dir),
                    count(backend.processes.into(), "process"),
                    count(backend.threads.into(), "thread")
                ),
            );
        }
        for worker in &plan.settings.workers {
            let singleton = if worker.singleton {
                " (one at a time)"
            } else {
                ""
            };
            self.add(
                worker.name.as_str(),
                format!("{}{singleton}", worker.command.join(" ")),
            );
        }
    }
}

/// A folder in a sentence.
pub(super) fn dir(path: &crate::base::names::RepoPath) -> String {
    if path.is_root() {
        "the root".into()
    } else {
        path.to_string()
    }
}

fn step(step: &Step) -> String {
    match step {
        Step::Nothing => "nothing to do".into(),
        Step::Reuse { key } => format!("reused ({})", key.short()),
        Step::Build { .. } => "to build".into(),
    }
}
