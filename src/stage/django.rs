//! The Django session of a deploy: one Python process, set up once, asked by gate, render and migrate.
//!
//! takes: the built release · gives: answers · touches: a process · undone by: ending it

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Context, ReleaseFacts};
use crate::base::fs;
use crate::config::defaults;
use crate::config::settings::Backend;
use crate::event::Stage;
use crate::release::layout::ReleaseDir;
use crate::release::process::Process;
use crate::tool::django::{
    Agent, Collected, DjangoError, Introspection, MigrationPlan, SCRIPT, Setup,
};

/// A Django that is set up, or about to be.
pub struct Django {
    agent: Agent,
    setup: Option<Setup>,
    /// The longest that a question may take which touches no data.
    question: Duration,
    /// The longest that migrating and collecting may take; a migration that waits for a lock must not wait for ever.
    work: Duration,
}

impl Django {
    /// Starts Python for `backend` in `release` and sends the first request; [`Django::ready`] waits for its answer.
    pub fn start(
        ctx: &Context<'_>,
        backend: &Backend,
        release: &ReleaseDir,
        facts: &ReleaseFacts<'_>,
    ) -> Result<Self, DjangoError> {
        let script =
            write_script(ctx).map_err(|error| DjangoError::Start(std::io::Error::other(error)))?;
        let dir = backend.dir.under(&release.src());
        let command = Agent::command(&release.venv(), &script, &dir)
            .envs(ctx.app_environment(release, facts));
        ctx.events
            .line(Stage::Gate, &format!("$ {}", command.display()));
        let mut agent = Agent::start(&command.of_run(ctx.home.root()))?;
        agent.send(&json!({"do": "setup"}))?;
        Ok(Self {
            agent,
            setup: None,
            question: backend.start_timeout,
            work: backend.migrate_timeout,
        })
    }

    /// Starts Python as an existing release's web process is started, with the app's environment of now.
    pub fn start_from(
        ctx: &Context<'_>,
        web: &Process,
        release: &ReleaseDir,
    ) -> Result<Self, DjangoError> {
        let script =
            write_script(ctx).map_err(|error| DjangoError::Start(std::io::Error::other(error)))?;
        let env = ctx
            .env
            .iter()
            .map(|(name, value)| (name.to_string(), value.expose().to_owned()));
        let command = Agent::command(&release.venv(), &script, &web.cwd)
            .envs(env)
            .envs(web.env.clone());
        let mut agent = Agent::start(&command.of_run(ctx.home.root()))?;
        agent.send(&json!({"do": "setup"}))?;
        Ok(Self {
            agent,
            setup: None,
            question: defaults::START_TIMEOUT,
            work: defaults::MIGRATE_TIMEOUT,
        })
    }

    /// Waits until Django is set up; gives its version.
    pub fn ready(&mut self, ctx: &Context<'_>, stage: Stage) -> Result<Setup, DjangoError> {
        if self.setup.is_none() {
            self.setup = Some(self.agent.answer(
                "setup",
                self.question,
                &ctx.events.lines(stage),
                &mut |_| {},
            )?);
        }
        Ok(self.setup.clone().unwrap_or(Setup {
            django: String::new(),
        }))
    }

    fn ask<T: DeserializeOwned>(
        &mut self,
        ctx: &Context<'_>,
        stage: Stage,
        request: &Value,
        limit: Duration,
    ) -> Result<T, DjangoError> {
        self.ready(ctx, stage)?;
        self.agent.ask(request, limit, &ctx.events.lines(stage))
    }

    /// Django's own system checks.
    pub fn check(
        &mut self,
        ctx: &Context<'_>,
    ) -> Result<Vec<crate::tool::django::CheckMessage>, DjangoError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            messages: Vec<crate::tool::django::CheckMessage>,
        }
        self.ask::<Answer>(ctx, Stage::Gate, &json!({"do": "check"}), self.question)
            .map(|answer| answer.messages)
    }

    /// The settings that matter.
    pub fn introspect(&mut self, ctx: &Context<'_>) -> Result<Introspection, DjangoError> {
        self.ask(
            ctx,
            Stage::Render,
            &json!({"do": "introspect"}),
            self.question,
        )
    }

    /// Collects static files into `STATIC_ROOT`, or into `root` where the settings name none.
    pub fn collect_static(
        &mut self,
        ctx: &Context<'_>,
        root: &Path,
    ) -> Result<Collected, DjangoError> {
        self.ask(
            ctx,
            Stage::Migrate,
            &json!({"do": "collectstatic", "root": root}),
            self.work,
        )
    }

    /// Nothing more will be asked: Python ends by itself. Who drops it waits for that.
    pub fn dismiss(&mut self) {
        self.agent.dismiss();
    }

    /// The pending migrations.
    pub fn migration_plan(&mut self, ctx: &Context<'_>) -> Result<MigrationPlan, DjangoError> {
        self.ask(ctx, Stage::Migrate, &json!({"do": "plan"}), self.question)
    }

    /// Applies them; `progress` is told each one's name.
    pub fn migrate(
        &mut self,
        ctx: &Context<'_>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), DjangoError> {
        self.ready(ctx, Stage::Migrate)?;
        self.agent.send(&crate::tool::django::migrate())?;
        let mut told = |line: &Value| {
            if line.get("progress").and_then(Value::as_str) == Some("applying") {
                let text = |key| line.get(key).and_then(Value::as_str).unwrap_or_default();
                progress(&format!("{}.{}", text("app"), text("name")));
            }
        };
        self.agent
            .answer::<Value>(
                "migrate",
                self.work,
                &ctx.events.lines(Stage::Migrate),
                &mut told,
            )
            .map(|_| ())
    }

    /// Unapplies migrations, given in the order they were applied.
    pub fn unapply<'a>(
        &mut self,
        ctx: &Context<'_>,
        migrations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), DjangoError> {
        self.ask::<Value>(
            ctx,
            Stage::Migrate,
            &crate::tool::django::unapply(migrations),
            self.work,
        )
        .map(|_| ())
    }
}

/// The agent as a file; its name has Landfall's version, so an old one is never run by a new Landfall.
fn write_script(ctx: &Context<'_>) -> Result<PathBuf, fs::FsError> {
    let path = ctx.home.run().join("django-agent.py");
    fs::write_if_changed(&path, SCRIPT.as_bytes(), fs::PUBLIC)?;
    Ok(path)
}
