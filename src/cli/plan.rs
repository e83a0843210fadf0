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
    let mut lines = vec![format!(
        "{} \"{}\": {}",
        plan.commit.short(),
        plan.subject,
        plan.summary()
    )];
    let mut add = |name: &str, text: String| lines.push(format!("  {name:<13} {text}"));
    let changed = plan
        .changed_files
        .map(|changed| format!(", {changed} changed"))
        .unwrap_or_default();
    add(
        "checkout",
        format!("{}{changed}", count(plan.files, "file")),
    );
    if let Some(frontend) = &plan.settings.frontend {
        match &frontend.build {
            Some(build) => {
                add(
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
                    add(
                        "node_modules",
                        format!("{} ({})", step(&plan.node_modules), build.install.join(" ")),
                    );
                }
            }
            None => add(
                "frontend",
                format!("{} as committed", dir(&frontend.output)),
            ),
        }
    }
    if let Some(backend) = &plan.settings.backend {
        add("venv", step(&plan.venv));
        add(
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
        add(
            worker.name.as_str(),
            format!("{}{singleton}", worker.command.join(" ")),
        );
    }
    for check in &plan.settings.gate.run {
        add("gate", check.join(" "));
    }
    for path in plan
        .settings
        .shared
        .files
        .iter()
        .chain(&plan.settings.shared.dirs)
    {
        add("shared", path.to_string());
    }
    if plan.settings.backend.is_some() {
        add("health", plan.settings.health.path.to_string());
    }
    for note in &plan.settings.notes {
        add("note", note.clone());
    }
    lines
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
