//! What there is to bring of an old repository: its history, the branch that deploys, the files beside it that are not in
//! git, and what stays to be done by hand.
//!
//! takes: the old repository, an empty folder of the caller's · gives: a [`Survey`] · touches: that folder only

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::hook_text::{HookText, Remark};
use super::old::{Old, OldError};
use crate::base::command::{self, CommandError, Quiet};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::{BranchName, RepoPath};
use crate::base::words::{first_of, list};
use crate::config::git_tree::GitTree;
use crate::config::ignored::Ignored;
use crate::config::settings::Shared;
use crate::config::settle::settle;
use crate::config::tree::{Tree, file_name, in_folder, is_installed};
use crate::git::{GitError, Repo};
use crate::tool::git;

/// More entries of a work tree are not looked at.
const MOST_ENTRIES: usize = 50_000;
/// The hooks git runs on the side that is pushed to.
const HOOKS: [&str; 6] = [
    "post-receive",
    "pre-receive",
    "update",
    "post-update",
    "reference-transaction",
    "push-to-checkout",
];
/// How a file that is kept beside the code on purpose is called.
const SETTINGS_WORDS: [&str; 5] = ["local", "secret", "settings", "credential", "config"];
const SETTINGS_ENDINGS: [&str; 9] = [
    ".py", ".js", ".ts", ".json", ".toml", ".ini", ".cfg", ".yml", ".yaml",
];
const DATABASES: [&str; 3] = [".sqlite3", ".sqlite", ".db"];

/// What is brought, and what is not.
#[derive(Debug, Serialize)]
pub struct Survey {
    /// The old repository.
    pub from: PathBuf,
    /// The branch that deploys.
    pub branch: BranchName,
    /// All branches.
    pub branches: Vec<String>,
    /// Where the old hook puts the files.
    pub work_tree: Option<PathBuf>,
    /// Files for `shared/`.
    pub files: Vec<Found>,
    /// Hooks that are kept aside.
    pub hooks: Vec<KeptHook>,
    /// Commands that bring what is too large, or in use.
    pub commands: Vec<Vec<String>>,
    /// What the app needs and is nowhere.
    pub missing: Vec<RepoPath>,
    /// Lines of the hook to think of.
    pub remarks: Vec<Remark>,
    /// What could not be told.
    pub notes: Vec<String>,
}

/// A file that is brought.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Its path in the repository.
    pub path: RepoPath,
    /// Where it is.
    pub from: PathBuf,
    /// The app's settings must name it: nothing else does.
    pub to_settings: bool,
    /// What is in it.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// A hook of the old repository.
#[derive(Debug, Serialize)]
pub struct KeptHook {
    /// `post-receive`
    pub name: String,
    /// What is in it.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// Nothing can be brought.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The old repository.
    #[error(transparent)]
    Old(#[from] OldError),
    /// No branch is to deploy.
    #[error("which branch deploys cannot be told: there are {}", first_of(.0, 5))]
    NoBranch(Vec<String>),
    /// That branch is not there.
    #[error("there is no branch `{wanted}`: there are {}", first_of(.known, 5))]
    NoSuchBranch {
        /// The one asked for.
        wanted: BranchName,
        /// Those there are.
        known: Vec<String>,
    },
    /// The history.
    #[error("the history cannot be brought")]
    Fetch(#[source] CommandError),
    /// The copy.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for SurveyError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Old(error) => error.hints(),
            Self::NoBranch(_) | Self::NoSuchBranch { .. } => {
                vec!["name one: --branch BRANCH".into()]
            }
            Self::Fetch(error) => error.hints(),
            Self::Git(error) => error.hints(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Old(error) => error.tool_output(),
            Self::Fetch(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Old(error) => error.kind(),
            Self::NoBranch(_) | Self::NoSuchBranch { .. } => Kind::Usage,
            _ => Kind::Failed,
        }
    }
}

/// Copies the history of `old` into a repository in `folder`, and gives where that is.
pub fn copy_history(old: &Old, folder: &Path) -> Result<PathBuf, SurveyError> {
    let (bundle, copy) = (folder.join("all.bundle"), folder.join("all.git"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(fs::PRIVATE)
        .open(&bundle)
        .map_err(|source| FsError::new("create", &bundle, source))?;
    old.bundle_into(&file)?;
    drop(file);
    let name = old.head().and_then(|head| head.parse().ok());
    let name: BranchName = match name {
        Some(name) => name,
        None => "master".parse().map_err(GitError::Name)?,
    };
    Repo::init_bare(&copy, &name)?;
    command::run(&git::fetch_all(&copy, &bundle), &Quiet).map_err(SurveyError::Fetch)?;
    fs::remove_file(&bundle)?;
    Ok(copy)
}

/// Looks at what there is; `copy` is the history as [`copy_history`] gives it.
pub fn run(old: &Old, copy: &Path, branch: Option<&BranchName>) -> Result<Survey, SurveyError> {
    let repo = Repo::open(copy)?;
    let branches = repo.branches()?;
    let hooks = hooks(old);
    let said = hooks
        .iter()
        .find(|hook| hook.name == "post-receive")
        .map(|hook| HookText::read(&String::from_utf8_lossy(&hook.content), old.home.as_deref()))
        .unwrap_or_default();
    let branch = choose_branch(old, &branches, branch, &said)?;
    let commit = repo.resolve(branch.to_ref().as_str())?;
    let tree = GitTree::new(&repo, &repo.commit(&commit)?.tree)?;
    let mut survey = Survey {
        from: old.path().to_owned(),
        work_tree: work_tree(&tree, &said),
        branch,
        branches,
        files: Vec::new(),
        hooks,
        commands: Vec::new(),
        missing: Vec::new(),
        remarks: said.remarks,
        notes: Vec::new(),
    };
    survey.look_beside(old, &tree);
    Ok(survey)
}

/// The hooks that do something; git's own examples are none.
fn hooks(old: &Old) -> Vec<KeptHook> {
    let kept = |name: &&str| {
        let content = old.read(&old.path().join("hooks").join(name))?;
        Some(KeptHook {
            name: (*name).to_owned(),
            content,
        })
    };
    HOOKS.iter().filter_map(kept).collect()
}

fn choose_branch(
    old: &Old,
    known: &[String],
    wanted: Option<&BranchName>,
    said: &HookText,
) -> Result<BranchName, SurveyError> {
    let is_there = |branch: &BranchName| known.iter().any(|known| known == branch.as_str());
    if let Some(wanted) = wanted {
        if is_there(wanted) {
            return Ok(wanted.clone());
        }
        return Err(SurveyError::NoSuchBranch {
            wanted: wanted.clone(),
            known: known.to_vec(),
        });
    }
    let by_hook = said
        .branches
        .iter()
        .find(|branch| is_there(branch))
        .cloned();
    let by_head = || old.head()?.parse().ok().filter(is_there);
    let the_only_one = || match known {
        [only] => only.parse().ok(),
        _ => None,
    };
    by_hook
        .or_else(by_head)
        .or_else(the_only_one)
        .ok_or_else(|| SurveyError::NoBranch(known.to_vec()))
}

/// The folder of those the hook names that has the repository's files in it.
fn work_tree(tree: &GitTree<'_>, said: &HookText) -> Option<PathBuf> {
    let tops: BTreeSet<&str> = tree
        .files()
        .iter()
        .filter_map(|file| match file.folder {
            "" => Some(file.name),
            folder => folder.split('/').next(),
        })
        .filter(|name| !name.starts_with('.'))
        .collect();
    let is_it = |folder: &&PathBuf| {
        let there = tops
            .iter()
            .filter(|name| folder.join(name).exists())
            .count();
        there > 0 && there * 2 >= tops.len()
    };
    said.folders.iter().find(is_it).cloned()
}

impl Survey {
    /// Finds what the app needs and git does not have.
    fn look_beside(&mut self, old: &Old, tree: &GitTree<'_>) {
        let shared = match settle(tree) {
            Ok(settings) => settings.shared,
            Err(error) => {
                self.notes
                    .push(format!("what the app shares cannot be told yet: {error}"));
                Shared::default()
            }
        };
        let Some(work_tree) = self.work_tree.clone() else {
            if !shared.files.is_empty() {
                self.notes
                    .push("no folder that the hook names has the repository's files".into());
            }
            self.missing = shared.files;
            return;
        };
        for path in &shared.files {
            self.bring(old, &work_tree, path.clone(), false);
        }
        for folder in &shared.dirs {
            let from = folder.under(&work_tree);
            if from.is_dir() && !fs::list(&from).unwrap_or_default().is_empty() {
                self.by_command(folder, &from);
            }
        }
        let ignored = Ignored::of(tree);
        for path in untracked(&work_tree, tree) {
            let known = shared.files.contains(&path)
                || shared.dirs.iter().any(|folder| path.is_within(folder));
            if known || !ignored.names(path.as_str()) {
                continue;
            }
            let name = file_name(path.as_str()).to_lowercase();
            if DATABASES.iter().any(|ending| name.ends_with(ending)) {
                self.by_command(&path, &path.under(&work_tree));
            } else if is_settings(&name) {
                self.bring(old, &work_tree, path, true);
            }
        }
    }

    fn bring(&mut self, old: &Old, work_tree: &Path, path: RepoPath, to_settings: bool) {
        let from = path.under(work_tree);
        match old.read(&from) {
            Some(content) => self.files.push(Found {
                path,
                from,
                to_settings,
                content,
            }),
            None if from.symlink_metadata().is_ok() => {
                self.notes.push(format!(
                    "{} is left where it is: it is no file of the repository's owner, or larger than 1 MiB",
                    from.display()
                ));
                self.missing.push(path);
            }
            None => self.missing.push(path),
        }
    }

    /// What may be large or in use is brought at the last moment.
    fn by_command(&mut self, path: &RepoPath, from: &Path) {
        let words = ["landfall", "shared", "add", path.as_str(), "--from"];
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        words.push(from.to_string_lossy().into_owned());
        self.commands.push(words);
    }

    /// What is brought and what is not, for people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            row(
                "history",
                &format!("{} of {}", list(&self.branches), self.from.display()),
            ),
            row("branch", &format!("{} deploys", self.branch)),
        ];
        for found in &self.files {
            lines.push(row(
                "shared",
                &format!("{} from {}", found.path, found.from.display()),
            ));
        }
        for hook in &self.hooks {
            lines.push(row(
                "hook",
                &format!("{0} is kept as {0}.before-landfall", hook.name),
            ));
        }
        lines.extend(self.notes.iter().map(|note| row("note", note)));
        lines
    }

    /// What stays to be done, for people.
    pub fn by_hand(&self) -> Vec<String> {
        let missing = self.missing.iter().map(|path| {
            format!("needed and nowhere to be found: landfall shared add {path} --from FILE")
        });
        let commands = self
            .commands
            .iter()
            .map(|words| format!("while nothing writes to it: {}", shell_words::join(words)));
        let remarks = self.remarks.iter().map(|remark| {
            format!(
                "line {} of the hook, `{}`: {}",
                remark.line, remark.text, remark.why
            )
        });
        missing.chain(commands).chain(remarks).collect()
    }
}

fn row(what: &str, text: &str) -> String {
    format!("  {what:<9} {text}")
}

fn is_settings(name: &str) -> bool {
    let is_example = ["example", "sample", "dist", "template"]
        .iter()
        .any(|word| name.contains(word));
    let is_env = name == ".env" || name.starts_with(".env.");
    let is_named = SETTINGS_ENDINGS.iter().any(|ending| name.ends_with(ending))
        && SETTINGS_WORDS.iter().any(|word| name.contains(word));
    !is_example && (is_env || is_named)
}

/// Files of the work tree that git does not have. Links are not followed, packages not looked into.
fn untracked(work_tree: &Path, tree: &GitTree<'_>) -> Vec<RepoPath> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for path in fs::list(&work_tree.join(&folder)).unwrap_or_default() {
            looked_at += 1;
            let kind = path.symlink_metadata().map(|meta| meta.file_type()).ok();
            let name = path.file_name().and_then(|name| name.to_str());
            let (Some(kind), Some(name), true) = (kind, name, looked_at < MOST_ENTRIES) else {
                continue;
            };
            let inner = in_folder(&folder, name);
            if kind.is_dir() && !is_installed(&inner) && !path.join("pyvenv.cfg").exists() {
                folders.push(inner);
            } else if kind.is_file() && !tree.has(&inner) {
                found.extend(inner.parse::<RepoPath>().ok());
            }
        }
    }
    found.sort();
    found
}
