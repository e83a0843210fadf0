//! `landfall app adopt`: an app out of a bare repository with a hand-written hook.
//!
//! takes: the old repository · gives: what was brought and what stays to be done · touches: what `app create` does; the old
//! repository stays as it is · undone by: `landfall app remove`; what fails in the middle is taken away

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Serialize;

use super::{create, on_server, remove};
use crate::adopt::old::Old;
use crate::adopt::survey::{self, Survey};
use crate::base::command::{self, Quiet};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{AppName, BranchName, Domain, NameError};
use crate::base::user;
use crate::cli::session;
use crate::cli::{Ended, Globals, output};
use crate::config::server::{AppSettings, Mode};
use crate::config::server_edit::{self, List};
use crate::release::layout::Home;
use crate::tool::git;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The old repository is read and stays as it is, and so does what it deployed: both work until the first push to the new \
one. Brought are all branches and tags, the branch that deploys, and the files beside the code that git does not have \
(localsettings.py, .env and the like): they come into `shared/`. The old hook is read line by line, never run, and kept \
as post-receive.before-landfall; what it does that a deploy does not is listed.

Databases and uploads are in use, so they are not copied: the commands that do are listed.

Examples:
  landfall app adopt /home/me/name-project.git --dry-run
  landfall app adopt /home/me/name-project.git --name shop --domain shop.example.org
  landfall app adopt ~/project.git --branch production --listen 127.0.0.1:8001")]
pub(in crate::cli) struct Args {
    /// The old repository.
    path: PathBuf,
    /// The app's name [default: the repository's].
    #[arg(long, value_name = "NAME")]
    name: Option<AppName>,
    /// The branch that deploys [default: the one the hook names, else the repository's HEAD].
    #[arg(long, value_name = "BRANCH")]
    branch: Option<BranchName>,
    /// A host name the site answers to; can be given several times.
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<Domain>,
    /// Where nginx listens.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Where the app's home lies, as for `app create`.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Only show what would be brought, and what would stay to be done.
    #[arg(long)]
    dry_run: bool,
}

/// An app that cannot be made of it.
#[derive(Debug, thiserror::Error)]
enum AdoptError {
    #[error("the repository's name is no name of an app")]
    Name(#[source] NameError),
    #[error("the history cannot be brought")]
    Fetch(#[source] command::CommandError),
}

impl Hint for AdoptError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Name(_) => vec!["give one: --name NAME".into()],
            Self::Fetch(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Fetch(error) => error.tool_output(),
            Self::Name(_) => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Name(_) => Kind::Usage,
            Self::Fetch(_) => Kind::Failed,
        }
    }
}

/// The options of `app create`, made by its own parser so that its defaults are its own.
#[derive(Debug, Parser)]
struct Create {
    #[command(flatten)]
    args: create::Args,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let old = Old::open(&host.absolute(&args.path))?;
    let name = name(args, &old)?;
    let folder = Scratch::make(host)?;
    let copy = survey::copy_history(&old, &folder.0)?;
    let survey = survey::run(&old, &copy, args.branch.as_ref())?;
    if args.dry_run {
        show(globals, &name, &survey, None);
        return Ok(());
    }
    let create = create_args(&name, args, &survey.branch)?;
    let settings = create::make_app(host, &create)?;
    if let Err(error) = bring(host, &settings, &copy, &survey) {
        // The old one has everything still.
        if let Err(Ended::Error(left)) = remove::run(host, globals, &remove::Args::confirmed(name))
        {
            output::say(format!("warning: what was made is not taken away: {left}"));
        }
        return Err(error);
    }
    show(globals, &name, &survey, Some(&settings));
    Ok(())
}

fn name(args: &Args, old: &Old) -> Result<AppName, AdoptError> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let stem = old.path().file_stem().unwrap_or_default().to_string_lossy();
    stem.to_lowercase()
        .replace(['_', '.'], "-")
        .parse()
        .map_err(AdoptError::Name)
}

fn create_args(name: &AppName, args: &Args, branch: &BranchName) -> Result<create::Args, Ended> {
    let mut words = vec![
        "landfall app create".to_owned(),
        name.to_string(),
        format!("--branch={branch}"),
    ];
    words.extend(
        args.domains
            .iter()
            .map(|domain| format!("--domain={domain}")),
    );
    words.extend(args.listen.map(|listen| format!("--listen={listen}")));
    let home = args.home.as_ref().map(|home| home.to_string_lossy());
    words.extend(home.map(|home| format!("--home={home}")));
    match Create::try_parse_from(words) {
        Ok(create) => Ok(create.args),
        Err(error) => Err(Ended::Said(output::clap_error(&error))),
    }
}

/// Puts what was found into the app that was just made.
fn bring(host: &Host, app: &AppSettings, copy: &Path, survey: &Survey) -> Result<(), Ended> {
    let home = Home::new(app.home.clone(), app.name.clone());
    command::run(&git::fetch_all(&home.repository(), copy), &Quiet).map_err(AdoptError::Fetch)?;
    for hook in &survey.hooks {
        let path = home
            .repository()
            .join("hooks")
            .join(format!("{}.before-landfall", hook.name));
        // Without its executable bit: git runs no file of this name, and nobody else shall either.
        fs::write(&path, &hook.content, fs::PUBLIC)?;
    }
    for found in &survey.files {
        let place = found.path.under(&home.shared());
        if let Some(folder) = place.parent() {
            fs::create_folder(folder)?;
        }
        fs::write(&place, &found.content, fs::PRIVATE)?;
    }
    name_in_settings(host, app, survey)?;
    hand_over(app, &home)?;
    Ok(())
}

/// Names the files where `shared add` would: in the settings, or in the home's own list where those are root's.
fn name_in_settings(host: &Host, app: &AppSettings, survey: &Survey) -> Result<(), Ended> {
    let of_app = Globals {
        app: Some(app.name.clone()),
        json: false,
    };
    let home = Home::new(app.home.clone(), app.name.clone());
    for found in survey.files.iter().filter(|found| found.to_settings) {
        if app.mode() == Mode::Server {
            let file = home.shared_list();
            let text = fs::read_if_exists(&file)?.unwrap_or_default();
            let shown = file.display().to_string();
            let text = server_edit::add_own(&text, &shown, List::Files, &found.path)?;
            fs::write(&file, text.as_bytes(), fs::PUBLIC)?;
        } else {
            let file = session::find(host, &of_app)?;
            let shown = file.display().to_string();
            let text = server_edit::add(&fs::read(&file)?, &shown, List::Files, &found.path)?;
            fs::write(&file, text.as_bytes(), fs::mode(&file)?)?;
        }
    }
    Ok(())
}

/// Gives what root wrote to the app's own user. Nothing of the app runs yet that could lay a trap, and no link is followed.
fn hand_over(app: &AppSettings, home: &Home) -> Result<(), FsError> {
    let Some((user, group)) = user::ids(app.name.as_str()).filter(|_| app.mode() == Mode::Server)
    else {
        return Ok(());
    };
    fs::chown_tree(&home.repository(), user, group)?;
    fs::chown_tree(&home.shared(), user, group)?;
    if home.shared_list().exists() {
        fs::chown(&home.shared_list(), user, group)?;
    }
    Ok(())
}

/// A folder for the history on its way; gone with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn make(host: &Host) -> Result<Self, FsError> {
        let base = host.path_var("TMPDIR").unwrap_or_else(|| "/tmp".into());
        let path = base.join(format!("landfall-adopt-{}", std::process::id()));
        // New, and nobody else's: a name that somebody laid there fails.
        fs::create_new_folder(&path)?;
        fs::create_folder_with_mode(&path, 0o700)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_tree(&self.0);
    }
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    app: &'a AppName,
    /// `None` for a dry run.
    settings: Option<&'a AppSettings>,
    #[serde(flatten)]
    survey: &'a Survey,
}

fn show(globals: &Globals, app: &AppName, survey: &Survey, made: Option<&AppSettings>) {
    if globals.json {
        output::json(&Report {
            app,
            settings: made,
            survey,
        });
        return;
    }
    output::say(match made {
        Some(settings) => format!("{app} is made in {}", settings.home.display()),
        None => format!("{app} would be made of this; nothing is changed yet"),
    });
    for line in survey.lines() {
        output::say(line);
    }
    let by_hand = survey.by_hand();
    if !by_hand.is_empty() {
        output::say("what stays to be done by hand:");
        for line in by_hand {
            output::say(format!("  {line}"));
        }
    }
    if let Some(settings) = made {
        let remote = match settings.mode() {
            Mode::Server => on_server::address(settings),
            Mode::User(_) => {
                let home = Home::new(settings.home.clone(), app.clone());
                home.repository().display().to_string()
            }
        };
        output::say(
            "next: look at the plan, then push to the new repository, or deploy what is there",
        );
        if settings.mode() == Mode::Server {
            output::line(format!("  landfall key add {app} KEY.pub"));
        }
        output::line(format!("  landfall --app {app} plan"));
        output::line(format!("  git remote set-url production {remote}"));
        output::line(format!("  landfall --app {app} deploy"));
    }
}
