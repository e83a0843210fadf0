//! checkout: writes the commit's files.
//!
//! takes: a commit's tree · gives: `releases/N/src` with the shared files linked in · touches: the release's folder, and
//! `shared/` where a folder that is shared from now on is in git (its content is taken over once) · undone by: removing
//! the release's folder

mod tree;
mod writers;

use std::path::{Path, PathBuf};

use self::tree::LONGEST;
use super::Context;
use crate::base::disk::Room;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::{ObjectId, ReleaseId, RepoPath};
use crate::base::words::{first_of, printable};
use crate::config::settings::Shared;
use crate::event::Stage;
use crate::git::{GitError, Repo};
use crate::release::layout::{Home, ReleaseDir};
use crate::release::noted::Noted;
use crate::release::seen::Seen;
use crate::release::spare;

/// How many paths a message names.
const NAMED: usize = 5;

/// What was written.
#[derive(Debug, Default)]
pub struct CheckedOut {
    /// Files and links.
    pub files: usize,
    /// Those of them that were not there already.
    pub written: usize,
    /// Files of the spare that its release's programs had changed.
    pub touched: Vec<PathBuf>,
    /// What they had added.
    pub found: Vec<PathBuf>,
    /// What they take, with their folders.
    pub room: Room,
    /// What people should know, one sentence each.
    pub remarks: Vec<String>,
}

/// A tree that cannot be written safely or completely.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// A name git should not have let through.
    #[error("the commit has a path that cannot be checked out: `{0}`")]
    UnsafePath(String),
    /// A path that does not fit below the release's folder (Linux takes 4096 bytes, PATH_MAX).
    #[error("the commit has a path of more than {LONGEST} bytes: `{0}`")]
    LongPath(String),
    /// Files whose content is not in the push.
    #[error("{} Git LFS: {} (only pointers were pushed, not the content)", if *.count == 1 { "a file is kept in" } else { "files are kept in" }, .paths)]
    LfsPointers {
        /// How many.
        count: usize,
        /// The first of them.
        paths: String,
    },
    /// Submodules, whose files are not in the push.
    #[error("the commit has submodules: {0}; their files are not in the push")]
    Submodules(String),
    /// A shared path goes through a link of the commit.
    #[error("`{shared}` is shared, but `{link}` is a symbolic link in this commit")]
    SharedBehindLink {
        /// The shared path.
        shared: RepoPath,
        /// The link.
        link: RepoPath,
    },
    /// Nothing more is written; what stopped it is another error.
    #[error("writing the commit's files has stopped")]
    Stopped,
    /// git could not read an object.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for CheckoutError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::UnsafePath(_) | Self::LongPath(_) => vec!["remove it: git rm --cached PATH, commit, push again".into()],
            Self::LfsPointers { .. } => vec![
                "take them out of LFS: git lfs migrate export --include='PATTERN' --everything".into(),
                "or take them out of git and keep them on the server: git rm --cached PATH; landfall shared add PATH --from FILE"
                    .into(),
            ],
            Self::Submodules(_) => vec![
                "put the files themselves into the repository: git rm --cached PATH, rm -rf PATH/.git, git add PATH"
                    .into(),
            ],
            Self::SharedBehindLink { link, .. } => vec![format!("make `{link}` a real folder in the repository")],
            Self::Stopped => Vec::new(),
            Self::Git(error) => error.hints(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// Makes `release`'s `src` of the files of `tree`, then links what is shared. It begins with the spare where there is one (`seen`, if
/// somebody has looked at it already), and writes what differs.
pub fn run(
    ctx: &Context<'_>,
    repo: &Repo,
    tree: &ObjectId,
    release: &ReleaseDir,
    shared: &Shared,
    seen: Option<(ReleaseId, Seen)>,
) -> Result<CheckedOut, CheckoutError> {
    let src = release.src();
    let nothing = Seen::default();
    let spare = spare::take(ctx.home, &src, seen)?;
    let (written, noted) = match &spare {
        Some((of, seen)) => from_spare(ctx, repo, tree, &src, *of, [seen, &nothing])?,
        None => tree::write(ctx.home, repo, tree, &src, &nothing)?,
    };
    noted.write(&release.stamps(), release.id())?;
    link_shared(&ctx.home.shared(), &src, shared)?;
    Ok(written)
}

/// Writes the files of `tree` into `place`, which has none yet, with their stamps: a spare, which shares nothing. It is like
/// `release`'s.
pub fn whole(
    home: &Home,
    repo: &Repo,
    tree: &ObjectId,
    place: &ReleaseDir,
    release: ReleaseId,
) -> Result<(), CheckoutError> {
    let nothing = Seen::default();
    let (_, noted) = tree::write(home, repo, tree, &place.src(), &nothing)?;
    Ok(noted.write(&place.stamps(), release)?)
}

fn from_spare<'a>(
    ctx: &Context<'_>,
    repo: &Repo,
    tree: &ObjectId,
    src: &Path,
    of: ReleaseId,
    [seen, nothing]: [&'a Seen; 2],
) -> Result<(CheckedOut, Noted<'a>), CheckoutError> {
    match tree::write(ctx.home, repo, tree, src, seen) {
        Err(CheckoutError::Fs(error)) => {
            // Whatever its programs have done to it: a new one has none of that.
            let log = format!("the files of release {of} cannot be used again: {error}");
            ctx.events.line(Stage::Checkout, &log);
            fs::remove_tree(src)?;
            tree::write(ctx.home, repo, tree, src, nothing)
        }
        Ok(written) => {
            say_what_was_done_to(ctx, of, &written.0);
            Ok(written)
        }
        failed => failed,
    }
}

/// What programs write into a release's own files is in no other release; the log says what it was.
fn say_what_was_done_to(ctx: &Context<'_>, release: ReleaseId, found: &CheckedOut) {
    let names = |paths: &[PathBuf]| {
        let names: Vec<String> = paths
            .iter()
            .map(|path| printable(&path.to_string_lossy()))
            .collect();
        first_of(&names, NAMED)
    };
    if !found.touched.is_empty() {
        let names = names(&found.touched);
        let log = format!(
            "programs had changed files of release {release} in place: {names}; they are written anew"
        );
        ctx.events.line(Stage::Checkout, &log);
    }
    if !found.found.is_empty() {
        let names = names(&found.found);
        let log = format!(
            "programs had left in release {release}, which is gone: {names}; they are not taken over"
        );
        ctx.events.line(Stage::Checkout, &log);
    }
}

fn link_shared(store: &Path, src: &Path, shared: &Shared) -> Result<(), CheckoutError> {
    for dir in &shared.dirs {
        let (kept, place) = (dir.under(store), dir.under(src));
        make_way(src, dir)?;
        if place.is_dir() && !place.is_symlink() {
            take_over(&place, &kept)?;
        }
        fs::create_folder(&kept)?;
        fs::remove_tree(&place)?;
        fs::symlink(&kept, &place)?;
    }
    for file in &shared.files {
        make_way(src, file)?;
        let place = file.under(src);
        fs::remove_file(&place)?;
        fs::symlink(&file.under(store), &place)?;
    }
    Ok(())
}

/// A folder that is in git and shared: what the server does not have yet is taken over, what it has stays.
fn take_over(from: &Path, kept: &Path) -> Result<(), FsError> {
    let mut seen = PathBuf::new();
    for file in fs::files_below(from)? {
        let target = kept.join(&file);
        if target.exists() {
            continue;
        }
        if let Some(folder) = target.parent().filter(|folder| *folder != seen) {
            fs::create_folder(folder)?;
            fs::sweep(folder)?;
            folder.clone_into(&mut seen);
        }
        // Whole or not at all: a half file would be taken for one that the server has.
        let source = from.join(&file);
        fs::put(&target, fs::PUBLIC, |place| {
            fs::copy_content(&source, place)
        })?;
    }
    Ok(())
}

/// Makes the folders above a shared path; none of them may be a link, or we would write where it points.
fn make_way(src: &Path, path: &RepoPath) -> Result<(), CheckoutError> {
    let mut place: PathBuf = src.to_owned();
    let parents = path.split().0;
    let mut so_far = RepoPath::root();
    for part in parents.as_str().split('/').filter(|part| !part.is_empty()) {
        place.push(part);
        so_far = so_far.join(part).map_err(GitError::from)?;
        if place.is_symlink() {
            return Err(CheckoutError::SharedBehindLink {
                shared: path.clone(),
                link: so_far,
            });
        }
    }
    fs::create_folder(&place)?;
    Ok(())
}
