//! The Python environment: built once for a set of requirement files, at its final place (its scripts name it).

use std::path::{Path, PathBuf};

use super::BuildError;
use crate::base::command::{self, Cmd};
use crate::base::fs;
use crate::base::names::RepoPath;
use crate::config::settings::{Backend, PythonPackages};
use crate::event::{Outcome, Stage};
use crate::release::cache::{self, Shelf};
use crate::release::layout::ReleaseDir;
use crate::report::events::Running;
use crate::stage::Context;
use crate::stage::plan::{Plan, Step};
use crate::tool::python::{self, Installer, UWSGI_REQUIREMENT};

/// Builds or finds the environment, and links it into the release as `venv`.
pub fn run(
    ctx: &Context<'_>,
    plan: &Plan,
    backend: &Backend,
    release: &ReleaseDir,
    running: Running<'_>,
) -> Result<(), BuildError> {
    let (key, is_new) = match &plan.venv {
        Step::Nothing => return Ok(()),
        Step::Reuse { key } => (key, false),
        Step::Build { key } => (key, true),
    };
    let message = if is_new {
        let venv = cache::begin(ctx.home, Shelf::Venv, key)?;
        let build = Build {
            ctx,
            backend,
            venv: &venv,
            src: release.src(),
            installer: python::installer(ctx.path()),
        };
        running.progress(format!("building with {}", build.installer.name()));
        if let Err(error) = build.run() {
            cache::discard(ctx.home, Shelf::Venv, key)?;
            return Err(error);
        }
        cache::complete(&venv)?;
        format!("venv built with {}", build.installer.name())
    } else {
        cache::touch(&cache::path(ctx.home, Shelf::Venv, key))?;
        format!("venv reused ({})", key.short())
    };
    fs::symlink(
        &Path::new("../../cache/venv").join(key.as_str()),
        &release.venv(),
    )?;
    running.end(if is_new {
        Outcome::done(message)
    } else {
        Outcome::reused(message)
    });
    Ok(())
}

struct Build<'a> {
    ctx: &'a Context<'a>,
    backend: &'a Backend,
    venv: &'a Path,
    src: PathBuf,
    installer: Installer,
}

impl Build<'_> {
    fn run(&self) -> Result<(), BuildError> {
        self.execute(python::create(self.installer, self.venv))?;
        self.install_packages()?;
        if !self.venv.join("bin/uwsgi").exists() {
            self.pip(&[UWSGI_REQUIREMENT.to_owned()])?;
        }
        Ok(())
    }

    fn install_packages(&self) -> Result<(), BuildError> {
        match &self.backend.python {
            PythonPackages::Requirements { files, .. } if files.is_empty() => Ok(()),
            PythonPackages::Requirements { files, .. } => {
                let mut what = Vec::new();
                for file in files {
                    what.extend([
                        "-r".to_owned(),
                        file.under(&self.src).to_string_lossy().into_owned(),
                    ]);
                }
                // uWSGI in the same run where the app does not bring it: one resolution instead of two.
                if !self.brings_uwsgi(files) {
                    what.push(UWSGI_REQUIREMENT.to_owned());
                }
                self.pip(&what)
            }
            PythonPackages::Uv { dir } => {
                let uv = self.tool("uv")?;
                self.execute(python::uv_sync(&uv, self.venv).cwd(&dir.under(&self.src)))
            }
            PythonPackages::Poetry { dir } => {
                let poetry = self.tool("poetry")?;
                self.execute(python::poetry_install(&poetry, self.venv).cwd(&dir.under(&self.src)))
            }
            PythonPackages::Pipenv { dir, locked } => {
                let pipenv = self.tool("pipenv")?;
                self.execute(
                    python::pipenv_install(&pipenv, self.venv, *locked).cwd(&dir.under(&self.src)),
                )
            }
            PythonPackages::Project { dir } => {
                self.pip(&[dir.under(&self.src).to_string_lossy().into_owned()])
            }
        }
    }

    fn brings_uwsgi(&self, files: &[RepoPath]) -> bool {
        files.iter().any(|file| {
            fs::read_bytes(&file.under(&self.src)).is_ok_and(|bytes| {
                String::from_utf8_lossy(&bytes)
                    .to_ascii_lowercase()
                    .contains("uwsgi")
            })
        })
    }

    /// A tool the app's lock file needs: the machine's, else one installed for Landfall in an environment of its own.
    fn tool(&self, name: &str) -> Result<PathBuf, BuildError> {
        if let Some(found) = crate::tool::program::find(name, self.ctx.path()) {
            return Ok(found);
        }
        let place = self.ctx.home.cache().join("tools").join(name);
        let program = place.join("bin").join(name);
        if !program.exists() {
            fs::remove_tree(&place)?;
            fs::create_folder(&place)?;
            self.execute(python::create(Installer::Pip, &place))?;
            self.execute(python::install(Installer::Pip, &place, &[name.to_owned()]))?;
        }
        Ok(program)
    }

    fn pip(&self, what: &[String]) -> Result<(), BuildError> {
        self.execute(python::install(self.installer, self.venv, what))
    }

    fn execute(&self, cmd: Cmd) -> Result<(), BuildError> {
        let env = self.environment(&cmd);
        let cmd = cmd
            .envs(env)
            .of_run(self.ctx.home.root())
            .timeout(self.backend.install_timeout);
        let cmd = if cmd.has_cwd() {
            cmd
        } else {
            cmd.cwd(&self.src)
        };
        self.ctx
            .events
            .line(Stage::Python, &format!("$ {}", cmd.display()));
        command::run(&cmd, &self.ctx.events.lines(Stage::Python)).map_err(BuildError::Python)
    }

    /// The tools' environment under what the command itself sets, with caches in the app's home.
    fn environment(&self, cmd: &Cmd) -> Vec<(String, String)> {
        let mut env = self.ctx.tool_environment();
        env.insert("PIP_DISABLE_PIP_VERSION_CHECK".into(), "1".into());
        env.extend(cmd.environment().clone());
        env.into_iter().collect()
    }
}
