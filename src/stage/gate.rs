//! gate: the app's own checks, and Django's. They run in the new release before any of it serves.
//!
//! takes: the built release · gives: nothing, or the check that failed · touches: nothing lasting · undone by: -

use super::django::Django;
use super::plan::Plan;
use super::{Context, ReleaseFacts};
use crate::base::command::{self, Cmd, CommandError};
use crate::base::hint::Hint;
use crate::base::words::count;
use crate::event::{Outcome, Stage};
use crate::release::layout::ReleaseDir;
use crate::tool::django::DjangoError;

/// A check that did not pass.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// One of the app's own.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Django's system checks.
    #[error("Django's checks found {}", count(.0.len(), "error"))]
    Checks(Vec<String>),
    /// Django could not be set up with this commit.
    #[error("Django cannot start with this commit")]
    Django(#[from] DjangoError),
}

impl Hint for GateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Command(error) => {
                let mut hints = error.hints();
                hints.push(format!("the same here: {}", error.command()));
                hints
            }
            Self::Checks(_) => vec!["the same here: python manage.py check".into()],
            Self::Django(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Command(error) => error.tool_output(),
            Self::Checks(lines) => lines,
            Self::Django(error) => error.tool_output(),
        }
    }
}

/// Runs the app's own checks, one after the other.
pub fn commands(
    ctx: &Context<'_>,
    plan: &Plan,
    release: &ReleaseDir,
    facts: &ReleaseFacts<'_>,
) -> Result<(), GateError> {
    let gate = &plan.settings.gate;
    if gate.run.is_empty() {
        return Ok(());
    }
    let running = ctx.events.start(Stage::Gate);
    if plan.skip_gate {
        running.end(Outcome::warning(format!(
            "{} left out (skip-gate)",
            count(gate.run.len(), "check")
        )));
        return Ok(());
    }
    for argv in &gate.run {
        let cmd = Cmd::from_argv(argv)
            .envs(ctx.app_environment(release, facts))
            .cwd(&release.src())
            .of_run(ctx.home.root())
            .timeout(gate.timeout);
        running.progress(cmd.display());
        ctx.events
            .line(Stage::Gate, &format!("$ {}", cmd.display()));
        command::run(&cmd, &ctx.events.lines(Stage::Gate))?;
    }
    running.end(Outcome::done(format!(
        "{} passed",
        count(gate.run.len(), "check")
    )));
    Ok(())
}

/// Waits for Django and runs its system checks. Warnings go to the log.
pub fn django(ctx: &Context<'_>, django: &mut Django) -> Result<String, GateError> {
    let running = ctx.events.start(Stage::Gate);
    let setup = django.ready(ctx, Stage::Gate)?;
    let messages = django.check(ctx)?;
    for message in &messages {
        ctx.events.line(
            Stage::Gate,
            &format!("check: {}: {}", message.level, message.line()),
        );
    }
    let errors: Vec<String> = messages
        .iter()
        .filter(|message| message.is_error())
        .map(crate::tool::django::CheckMessage::line)
        .collect();
    if !errors.is_empty() {
        return Err(GateError::Checks(errors));
    }
    let warnings = match messages.len() {
        0 => String::new(),
        some => format!(", {} in the log", count(some, "warning")),
    };
    running.end(Outcome::done(format!(
        "Django {} checked{warnings}",
        setup.django
    )));
    Ok(setup.django)
}
