//! The frontend: installed and built once for a tree, then linked.

use std::path::{Path, PathBuf};

use super::{Borrowed, BuildError, Built};
use crate::base::command::{self, Cmd};
use crate::base::fs::{self, FsError};
use crate::base::names::{ObjectId, RepoPath};
use crate::base::unchanged;
use crate::base::words::{count, first_of};
use crate::config::settings::{Frontend, FrontendBuild};
use crate::event::{Outcome, Stage};
use crate::release::cache::{self, Shelf};
use crate::release::compressed;
use crate::release::layout::ReleaseDir;
use crate::report::events::Running;
use crate::stage::plan::{Plan, Step};
use crate::stage::{Context, compress};

/// Builds or finds the frontend, and links it into the release as `public`.
pub fn run(
    ctx: &Context<'_>,
    plan: &Plan,
    frontend: &Frontend,
    release: &ReleaseDir,
    running: Running<'_>,
) -> Result<Built, BuildError> {
    let Some(build) = &frontend.build else {
        return as_committed(ctx, frontend, release, running).map(|()| Built::default());
    };
    let work = Work {
        ctx,
        frontend,
        build,
        plan,
        src: release.src(),
    };
    let borrowed = work.borrow_node_modules()?;
    let outcome = match &plan.frontend {
        Step::Build { key } => match work.build(key) {
            Ok(made) => Outcome::done(made.line()),
            Err(error) => {
                super::give_back(ctx, Built { borrowed });
                return Err(error);
            }
        },
        Step::Reuse { key } => {
            cache::touch(&cache::path(ctx.home, Shelf::Frontend, key))?;
            Outcome::reused(format!("reused ({})", key.short()))
        }
        Step::Nothing => Outcome::reused("nothing to build"),
    };
    if let Some(key) = plan.frontend.key() {
        work.link(key, release)?;
    }
    running.end(outcome);
    Ok(Built { borrowed })
}

/// Static files that are served as they are in the commit.
fn as_committed(
    ctx: &Context<'_>,
    frontend: &Frontend,
    release: &ReleaseDir,
    running: Running<'_>,
) -> Result<(), BuildError> {
    let output = real_folder(&frontend.output, &release.src())?;
    if !output.is_dir() {
        return Err(BuildError::NoOutput(frontend.output.clone()));
    }
    let links = fs::links_below(&output)?;
    if links.is_empty() {
        let target = frontend.output.under(Path::new("src"));
        fs::symlink(&target, &release.public())?;
    } else {
        // The backend may want them where they are; nginx must not meet them.
        for file in fs::files_below(&output)? {
            fs::link_file(&output.join(&file), &release.public().join(&file))?;
        }
        say_left_out(ctx, &links);
    }
    running.end(Outcome::reused("static files as committed"));
    Ok(())
}

/// A link in what is served could lead to anything of the app's; decision 7.
fn say_left_out(ctx: &Context<'_>, links: &[PathBuf]) {
    if !links.is_empty() {
        let names: Vec<String> = links
            .iter()
            .map(|link| link.display().to_string())
            .collect();
        ctx.events.note(format!(
            "symbolic links in the frontend are not served: {}",
            first_of(&names, 3)
        ));
    }
}

/// The folder `path` below `src`, if no part of it is a symbolic link.
fn real_folder(path: &RepoPath, src: &Path) -> Result<PathBuf, BuildError> {
    let mut place = src.to_owned();
    for part in path.as_str().split('/').filter(|part| !part.is_empty()) {
        place.push(part);
        if place.is_symlink() {
            return Err(BuildError::LinkedOutput(path.clone()));
        }
    }
    Ok(place)
}

/// Copies what the build made to where the backend reads it. Our compressed files stay: they are nginx's, and Django would take
/// them for files of the app.
fn bring(cached: &Path, output: &Path) -> Result<(), FsError> {
    fs::create_folder(output)?;
    for file in fs::files_below(cached)? {
        let target = output.join(&file);
        if let Some(folder) = target.parent() {
            fs::create_folder(folder)?;
        }
        if !compressed::is_ours(cached, &file) {
            fs::copy_file(&cached.join(&file), &target)?;
        }
    }
    Ok(())
}

/// What a build left.
struct Made {
    files: usize,
    compressed: usize,
}

impl Made {
    fn line(&self) -> String {
        let files = count(self.files, "file");
        match self.compressed {
            0 => format!("built, {files}"),
            compressed => format!("built, {files}, {compressed} compressed"),
        }
    }
}

struct Work<'a> {
    ctx: &'a Context<'a>,
    frontend: &'a Frontend,
    build: &'a FrontendBuild,
    plan: &'a Plan,
    src: PathBuf,
}

impl Work<'_> {
    /// Moves cached `node_modules` to where the build expects them, or installs them there.
    fn borrow_node_modules(&self) -> Result<Option<Borrowed>, BuildError> {
        let (key, is_new) = match &self.plan.node_modules {
            Step::Nothing => return Ok(None),
            Step::Reuse { key } => (key, false),
            Step::Build { key } => (key, true),
        };
        if self.plan.workspace {
            self.execute(&self.build.install)?;
            return Ok(None);
        }
        let place = self.root().join("node_modules");
        let shelf = cache::path(self.ctx.home, Shelf::NodeModules, key);
        let cached = shelf.join("node_modules");
        let mut taken = None;
        if !is_new && cached.is_dir() && !place.exists() {
            // Taken off the shelf before it moves: a run killed now has no half entry, only an install to repeat.
            taken = cache::reopen(&shelf)?;
            fs::move_tree(&cached, &place)?;
        } else if !is_new && place.exists() {
            // node_modules are in git; there is nothing to bring.
            return Ok(None);
        } else {
            cache::begin(self.ctx.home, Shelf::NodeModules, key)?;
            self.execute(&self.build.install)?;
        }
        Ok(Some(Borrowed {
            place,
            shelf,
            taken,
        }))
    }

    /// Runs the build and puts its output on the shelf.
    fn build(&self, key: &ObjectId) -> Result<Made, BuildError> {
        self.execute(&self.build.command)?;
        let output = self.real_output()?;
        if !output.is_dir() {
            return Err(BuildError::NoOutput(self.frontend.output.clone()));
        }
        let entry = cache::begin(self.ctx.home, Shelf::Frontend, key)?;
        let files = entry.join("files");
        if self.output_stays() {
            fs::copy_tree(&output, &files)?;
        } else {
            fs::move_tree(&output, &files)?;
        }
        let links = fs::links_below(&files)?;
        for link in &links {
            fs::remove_file(&files.join(link))?;
        }
        say_left_out(self.ctx, &links);
        let built = fs::files_below(&files)?;
        if !self.output_stays()
            && !built
                .iter()
                .any(|file| file.file_name().is_some_and(|name| name == "index.html"))
        {
            cache::discard(self.ctx.home, Shelf::Frontend, key)?;
            return Err(BuildError::NoIndex(self.frontend.output.clone()));
        }
        let live = self.ctx.home.current().join("public");
        if let Err(error) = unchanged::keep_times(&live, &files) {
            let log = format!("browsers will fetch files again that are as before: {error}");
            self.ctx.events.line(Stage::Frontend, &log);
        }
        let compressed = compress::files(self.ctx, &files, &built);
        cache::complete(&entry)?;
        Ok(Made {
            files: built.len(),
            compressed,
        })
    }

    /// `public` → the cache; where the output lies outside the frontend's folder, the backend reads it there too.
    fn link(&self, key: &ObjectId, release: &ReleaseDir) -> Result<(), BuildError> {
        let files = Path::new("../../cache/frontend")
            .join(key.as_str())
            .join("files");
        fs::symlink(&files, &release.public())?;
        let output = self.real_output()?;
        if self.output_stays() && matches!(self.plan.frontend, Step::Reuse { .. }) {
            let cached = cache::path(self.ctx.home, Shelf::Frontend, key).join("files");
            bring(&cached, &output)?;
        }
        Ok(())
    }

    /// Where the output lies. A link on the way there could lead anywhere, and is not followed.
    fn real_output(&self) -> Result<PathBuf, BuildError> {
        real_folder(&self.frontend.output, &self.src)
    }

    /// The output is part of the backend's files (Django's `static/` or `templates/`).
    fn output_stays(&self) -> bool {
        !self.frontend.output.is_within(&self.frontend.dir)
            || self.plan.settings.backend.as_ref().is_some_and(|backend| {
                !backend.dir.is_root() && self.frontend.output.is_within(&backend.dir)
            })
    }

    fn root(&self) -> PathBuf {
        self.frontend.dir.under(&self.src)
    }

    fn execute(&self, argv: &[String]) -> Result<(), BuildError> {
        let mut env = self.ctx.tool_environment();
        // What the build finds in its folder's own node_modules comes first, as npm and Yarn have it.
        env.insert(
            "npm_config_cache".into(),
            self.ctx
                .home
                .cache()
                .join("npm")
                .to_string_lossy()
                .into_owned(),
        );
        env.insert("npm_config_update_notifier".into(), "false".into());
        env.insert("npm_config_fund".into(), "false".into());
        env.insert("npm_config_audit".into(), "false".into());
        env.extend(
            self.build
                .env
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone())),
        );
        let cmd = Cmd::from_argv(argv)
            .envs(env)
            .cwd(&self.root())
            .of_run(self.ctx.home.root())
            .timeout(self.build.timeout);
        self.ctx
            .events
            .line(Stage::Frontend, &format!("$ {}", cmd.display()));
        command::run(&cmd, &self.ctx.events.lines(Stage::Frontend)).map_err(BuildError::Node)
    }
}
