//! The old repository, which may be somebody else's. What is read there is read with its owner's rights and no more: git
//! runs as the owner, and of a file root opens only content counts that the owner owns.
//!
//! takes: a path · gives: its owner, what git says of it, files · touches: nothing there

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::{Uid, User};

use crate::base::command::{self, Cmd, CommandError};
use crate::base::fs::FsError;
use crate::base::hint::{Hint, Kind};
use crate::base::host::SYSTEM_PATH;
use crate::base::words::{printable, shorten};

/// The largest file that is brought along, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// A repository that cannot be adopted.
#[derive(Debug, thiserror::Error)]
pub enum OldError {
    /// It is something else.
    #[error("{} is no bare repository", .0.display())]
    NotARepository(PathBuf),
    /// Neither root nor its owner asks.
    #[error("{} belongs to {owner}", path.display())]
    NotYours {
        /// It.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// Its owner has no name.
    #[error("{} belongs to the user {uid}, who is not there any more", path.display())]
    Nobodys {
        /// It.
        path: PathBuf,
        /// The number.
        uid: u32,
    },
    /// It holds nothing.
    #[error("{} has no branches yet", .0.display())]
    Empty(PathBuf),
    /// git.
    #[error("the old repository cannot be read")]
    Git(#[source] CommandError),
    /// git, where its output is the data.
    #[error("the old repository cannot be read: {0}")]
    Bundle(String),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for OldError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotARepository(_) => {
                vec!["give the folder that has `HEAD`, `objects` and `hooks` in it".into()]
            }
            Self::NotYours { path, owner } => vec![format!(
                "as {owner} or as root: sudo landfall app adopt {}",
                path.display()
            )],
            Self::Nobodys { path, .. } => {
                vec![format!(
                    "give it to somebody: sudo chown -R USER {}",
                    path.display()
                )]
            }
            Self::Empty(_) => vec!["make a new app: landfall app create NAME".into()],
            Self::Git(error) => error.hints(),
            Self::Bundle(_) => Vec::new(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Git(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotARepository(_) | Self::Empty(_) => Kind::Usage,
            Self::NotYours { .. } => Kind::Refused,
            _ => Kind::Failed,
        }
    }
}

/// The old repository.
#[derive(Debug)]
pub struct Old {
    path: PathBuf,
    uid: u32,
    /// Its owner's login name, where git has to run as somebody else than the caller.
    run_as: Option<String>,
    /// Its owner's home.
    pub home: Option<PathBuf>,
}

impl Old {
    /// Looks at it. `path` is absolute.
    pub fn open(path: &Path) -> Result<Self, OldError> {
        let path = path
            .canonicalize()
            .map_err(|source| FsError::new("find", path, source))?;
        let looks = path.join("HEAD").is_file() && path.join("objects").is_dir();
        if !looks {
            return Err(OldError::NotARepository(path));
        }
        let meta = path
            .symlink_metadata()
            .map_err(|source| FsError::new("look at", &path, source))?;
        let (uid, me) = (meta.uid(), Uid::effective());
        let owner = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let run_as = match &owner {
            _ if uid == me.as_raw() => None,
            Some(owner) if me.is_root() => Some(owner.name.clone()),
            Some(owner) => {
                let owner = owner.name.clone();
                return Err(OldError::NotYours { path, owner });
            }
            None => return Err(OldError::Nobodys { path, uid }),
        };
        Ok(Self {
            path,
            uid,
            run_as,
            home: owner.map(|owner| owner.dir),
        })
    }

    /// Where it lies, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The branch its HEAD names, whether or not it is there.
    pub fn head(&self) -> Option<String> {
        let head = self.git(&["symbolic-ref", "--short", "HEAD"]);
        command::output(&head)
            .ok()
            .map(|line| line.trim().to_owned())
    }

    /// Writes everything its refs lead to into `bundle`, a file of the caller's.
    pub fn bundle_into(&self, bundle: &File) -> Result<(), OldError> {
        let some = self.git(&["for-each-ref", "--count=1"]);
        if command::output(&some)
            .map_err(OldError::Git)?
            .trim()
            .is_empty()
        {
            return Err(OldError::Empty(self.path.clone()));
        }
        let broken = |error: std::io::Error| OldError::Bundle(error.to_string());
        let mut git = self
            .git(&["bundle", "create", "--quiet", "-", "--all"])
            .to_std();
        let output = git
            .stdout(bundle.try_clone().map_err(broken)?)
            .stderr(std::process::Stdio::piped())
            .output()
            .map_err(broken)?;
        if output.status.success() {
            return Ok(());
        }
        let last = String::from_utf8_lossy(&output.stderr);
        let last = last.lines().last().unwrap_or("git said nothing");
        Err(OldError::Bundle(printable(&shorten(last, 200))))
    }

    /// git in it, as its owner, without anybody's configuration but its own.
    fn git(&self, args: &[&str]) -> Cmd {
        let git = match &self.run_as {
            Some(owner) => Cmd::new("runuser").args(["-u", owner, "--", "git"]),
            None => Cmd::new("git"),
        };
        git.arg("--git-dir")
            .path_arg(&self.path)
            .args(args.iter().copied())
            // Its owner may not be allowed to look at where the caller stands.
            .cwd(Path::new("/"))
            .env("PATH", SYSTEM_PATH)
            .env("LANG", "C.UTF-8")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
    }

    /// A file's content; `None` where there is none that may be brought: no regular file, too large, or, where root reads,
    /// not its owner's. What is opened is looked at, not its name, so nothing is gained by swapping it.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let file = OpenOptions::new()
            .read(true)
            // A pipe of this name must not keep us waiting.
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path)
            .ok()?;
        let meta = file.metadata().ok()?;
        let is_owners = !Uid::effective().is_root() || meta.uid() == self.uid;
        if !meta.is_file() || meta.len() > LARGEST || !is_owners {
            return None;
        }
        let mut content = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut content).ok()?;
        (content.len() as u64 <= LARGEST).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fs;

    #[test]
    fn only_the_owners_own_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.py");
        fs::write(&file, b"x", fs::PRIVATE).unwrap();
        fs::symlink(Path::new("/etc/shadow"), &dir.path().join("link")).unwrap();
        nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let old = |uid: u32| Old {
            path: dir.path().to_owned(),
            uid,
            run_as: None,
            home: None,
        };
        let me = Uid::effective();
        assert_eq!(old(me.as_raw()).read(&file).as_deref(), Some(&b"x"[..]));
        for odd in ["pipe", ".", "missing"] {
            assert_eq!(old(me.as_raw()).read(&dir.path().join(odd)), None, "{odd}");
        }
        // Somebody's link leads to nobody else's file: root would read it, others may not anyway.
        let stranger = old(me.as_raw() + 12_345);
        assert_eq!(stranger.read(&dir.path().join("link")), None);
        assert_eq!(stranger.read(&file).is_none(), me.is_root());
        fs::write(&file, &vec![0; 1024 * 1024 + 1], fs::PRIVATE).unwrap();
        assert_eq!(old(me.as_raw()).read(&file), None);
    }

    #[test]
    fn what_is_no_repository_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let error = Old::open(dir.path()).unwrap_err();
        assert!(matches!(error, OldError::NotARepository(_)), "{error}");
    }
}
