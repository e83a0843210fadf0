//! The Python environment: built once for a set of requirement files, at its final place (its scripts name it).
//!
//! Where requirement files are all there is to it, what pip would install just so is copied from the last environment
//! ([`super::inherit`]), and pip installs the rest.

use std::path::{Path, PathBuf};

use super::BuildError;
use super::inherit::{self, Last, Made};
use crate::base::command::{self, Cmd, CommandError, Problem};
use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::names::{ObjectId, RepoPath};
use crate::base::words;
use crate::config::settings::{Backend, PythonPackages};
use crate::event::{Outcome, Stage};
use crate::release::cache::{self, KeyBuilder, Shelf};
use crate::release::layout::ReleaseDir;
use crate::report::events::Running;
use crate::stage::Context;
use crate::stage::plan::{Plan, Step};
use crate::tool::pip::{self, Named, Package};
use crate::tool::program;
use crate::tool::python::{self, Installer, Local, UWSGI_REQUIREMENT};

/// What pip reports, in the environment while it is made.
const REPORT: &str = ".landfall-report.json";

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
            key,
            generation: plan.generation,
            venv: &venv,
            src: release.src(),
            installer: python::installer(ctx.path()),
        };
        running.progress(format!("building with {}", build.installer.name()));
        let how = match build.run() {
            Ok(how) => how,
            Err(error) => {
                cache::discard(ctx.home, Shelf::Venv, key)?;
                return Err(error);
            }
        };
        cache::complete(&venv)?;
        format!("venv built with {}{how}", build.installer.name())
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
    key: &'a ObjectId,
    generation: u32,
    venv: &'a Path,
    src: PathBuf,
    installer: Installer,
}

/// Why an environment was not begun with the last one.
enum Failed {
    /// The tools' answer: it would be the same without.
    Answer(BuildError),
    /// The way of building failed, and another may not.
    Way(String),
}

impl From<FsError> for Failed {
    fn from(error: FsError) -> Self {
        Self::Way(error.to_string())
    }
}

impl Build<'_> {
    /// Gives what is to be said of how it was built.
    fn run(&self) -> Result<String, BuildError> {
        let recipe = self.recipe();
        let last = recipe
            .as_ref()
            .and_then(|recipe| inherit::last(self.ctx.home, recipe));
        if let Some(last) = last {
            match self.begin_with(&last) {
                Ok(how) => return Ok(how),
                Err(Failed::Answer(error)) => return Err(error),
                Err(Failed::Way(why)) => {
                    self.say(&format!(
                        "nothing is taken from the last environment: {why}"
                    ));
                    cache::begin(self.ctx.home, Shelf::Venv, self.key)?;
                }
            }
        }
        self.begin_with_nothing(recipe)?;
        Ok(String::new())
    }

    fn begin_with_nothing(&self, recipe: Option<ObjectId>) -> Result<(), BuildError> {
        self.execute(python::create(self.installer, self.venv))?;
        let bare: Vec<Named> = inherit::installed(self.venv)?.into_iter().collect();
        let recipe = recipe.filter(|_| bare.iter().any(Named::is_reporting_pip));
        match (&recipe, &self.backend.python) {
            (Some(_), PythonPackages::Requirements { files, .. }) => {
                let what = self.requirements(files);
                self.execute(python::install_reporting(self.venv, &self.report(), &what))?;
            }
            _ => self.install_packages()?,
        }
        self.add_uwsgi()?;
        if let Some(recipe) = recipe
            && let Some(packages) = self.read_report()?
        {
            self.note(recipe, bare, packages)?;
        }
        Ok(())
    }

    /// Asks pip, in an environment with nothing but pip, what it would install; copies what the last environment has of that,
    /// and lets pip install the rest.
    fn begin_with(&self, last: &Last) -> Result<String, Failed> {
        let PythonPackages::Requirements { files, .. } = &self.backend.python else {
            return Err(Failed::Way("it is not made from requirement files".into()));
        };
        let (what, bare) = (self.requirements(files), &last.made.bare);
        self.attempt(python::create_bare(self.venv))?;
        if !last.copy(bare, self.venv)?.is_empty() {
            self.say("the last environment's pip is not as Python brought it: made anew");
            self.attempt(python::create(self.installer, self.venv))?;
        }
        self.attempt(python::resolve(self.venv, &self.report(), &what))?;
        let packages = self.read_report()?;
        let packages = packages.ok_or_else(|| Failed::Way("pip's report cannot be read".into()))?;
        let taken = self.copy(last, &packages)?;
        if taken < packages.len() {
            self.attempt(python::install(self.installer, self.venv, &what))?;
        }
        self.check(bare, &packages)?;
        self.add_uwsgi().map_err(Failed::Answer)?;
        let anew = packages.len() - taken;
        self.note(last.made.recipe.clone(), bare.clone(), packages)?;
        Ok(format!(
            ": {} installed, {taken} copied from the last",
            words::count(anew, "package")
        ))
    }

    /// Copies the packages that pip would install as it did for the last environment; gives how many.
    fn copy(&self, last: &Last, packages: &[Package]) -> Result<usize, Failed> {
        let same = |package: &&Package| {
            !package.is_direct
                && !last.made.bare.iter().any(|bare| bare.name == package.name)
                && last.made.packages.contains(package)
        };
        let same: Vec<Named> = packages.iter().filter(same).map(Package::named).collect();
        let left = last.copy(&same, self.venv)?;
        for named in &left {
            self.say(&format!(
                "{} {} of the last environment is not as pip left it: installed anew",
                named.name, named.version
            ));
        }
        Ok(same.len() - left.len())
    }

    /// What is there is what pip said.
    fn check(&self, bare: &[Named], packages: &[Package]) -> Result<(), Failed> {
        let named = packages.iter().map(Package::named);
        let mut wanted: Vec<String> = named
            .chain(bare.iter().cloned())
            .map(|named| named.name)
            .collect();
        let found = inherit::installed(self.venv)?;
        let mut found: Vec<String> = found.into_iter().map(|named| named.name).collect();
        wanted.sort();
        wanted.dedup();
        found.sort();
        if wanted == found {
            return Ok(());
        }
        Err(Failed::Way("it holds other packages than pip said".into()))
    }

    /// What decides an environment besides its requirement files. `None` where those are not all that is installed, or say
    /// how.
    fn recipe(&self) -> Option<ObjectId> {
        let PythonPackages::Requirements { files, all } = &self.backend.python else {
            return None;
        };
        let is_plain = |file: &RepoPath| {
            fs::read(&file.under(&self.src)).is_ok_and(|text| {
                python::local_packages(&text) == Local::Nothing && !python::says_how_to_build(&text)
            })
        };
        if self.installer != Installer::Pip || files.is_empty() || !all.iter().all(is_plain) {
            return None;
        }
        let python = program::identity("python3", self.ctx.path())?;
        let recipe = KeyBuilder::new("venv begun 1").generation(self.generation);
        Some(recipe.with("python", &python).finish())
    }

    fn note(
        &self,
        recipe: ObjectId,
        bare: Vec<Named>,
        packages: Vec<Package>,
    ) -> Result<(), FsError> {
        let place = self.venv.to_owned();
        Made {
            recipe,
            place,
            bare,
            packages,
        }
        .note()
    }

    fn report(&self) -> PathBuf {
        self.venv.join(REPORT)
    }

    fn read_report(&self) -> Result<Option<Vec<Package>>, FsError> {
        let text = fs::read_if_exists(&self.report())?;
        fs::remove_file(&self.report())?;
        Ok(text.and_then(|text| pip::report(&text)))
    }

    fn say(&self, text: &str) {
        self.ctx.events.line(Stage::Python, text);
    }

    fn add_uwsgi(&self) -> Result<(), BuildError> {
        if self.venv.join("bin/uwsgi").exists() {
            return Ok(());
        }
        self.pip(&[UWSGI_REQUIREMENT.to_owned()])
    }

    /// The requirement files as the installer's arguments.
    fn requirements(&self, files: &[RepoPath]) -> Vec<String> {
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
        what
    }

    fn install_packages(&self) -> Result<(), BuildError> {
        match &self.backend.python {
            PythonPackages::Requirements { files, .. } if files.is_empty() => Ok(()),
            PythonPackages::Requirements { files, .. } => self.pip(&self.requirements(files)),
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

    /// [`Build::execute`], where a failure may be the way's and not the requirements'.
    fn attempt(&self, cmd: Cmd) -> Result<(), Failed> {
        self.execute(cmd).map_err(|error| match &error {
            BuildError::Python(failed) if !is_final(failed) => Failed::Way(failed.to_string()),
            _ => Failed::Answer(error),
        })
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

/// It would fail again however it is built: pip has answered, or something stopped it.
fn is_final(failed: &CommandError) -> bool {
    match failed.problem() {
        Problem::Signal(_) | Problem::Timeout(_) => true,
        Problem::Code(_) => pip::answers(failed.tool_output()),
        Problem::NotFound(_) | Problem::Start(_) => false,
    }
}
