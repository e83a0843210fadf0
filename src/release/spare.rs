//! The spare: the files of a release that is gone, for the next checkout to begin with. It writes what differs, and what no
//! release has any more is changed by nobody's running.
//!
//! `cache/spare/src` and, of what it looked like, `cache/spare/stamps`.

use std::path::{Path, PathBuf};

use super::layout::{Home, ReleaseDir};
use super::seen::Seen;
use super::stamps::Stamps;
use super::trash;
use crate::base::fs::{self, FsError};
use crate::base::names::ReleaseId;

fn folder(home: &Home) -> PathBuf {
    home.cache().join("spare")
}

/// There is one.
pub fn is_there(home: &Home) -> bool {
    let is_dir = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
    is_dir(&place(home).src()) && place(home).stamps().is_file()
}

/// Takes a release's folder away, whose processes have ended and whose record is gone: it becomes the spare, if there is none
/// and its checkout was finished.
pub fn keep(home: &Home, release: &ReleaseDir) -> Result<(), FsError> {
    if is_there(home) || !release.stamps().is_file() || release.src().is_symlink() {
        return trash::throw(home, release.root());
    }
    fs::remove_tree(&folder(home))?;
    fs::create_folder(&home.cache())?;
    fs::rename(release.root(), &folder(home))?;
    tidy(home)
}

/// Removes what is neither files nor stamps: static files, configuration, links.
fn tidy(home: &Home) -> Result<(), FsError> {
    let spare = place(home);
    for path in fs::list(spare.root())? {
        if path == spare.src() || path == spare.stamps() {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            trash::throw(home, &path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Looks at the spare: which release it was, and what of its files is as it was written. For the holder of the app's lock.
pub fn look(home: &Home) -> Option<(ReleaseId, Seen)> {
    if !is_there(home) {
        return None;
    }
    let (of, stamps) = Stamps::read(&place(home).stamps())?;
    Some((of, Seen::look(&place(home).src(), stamps)))
}

/// Moves the spare to `src`, which is not there yet. Gives which release it was and what it was seen to be: by [`look`], lately,
/// or now.
pub fn take(
    home: &Home,
    src: &Path,
    seen: Option<(ReleaseId, Seen)>,
) -> Result<Option<(ReleaseId, Seen)>, FsError> {
    if !is_there(home) {
        return Ok(None);
    }
    let Some(seen) = seen.or_else(|| look(home)) else {
        fs::remove_tree(&folder(home))?;
        return Ok(None);
    };
    fs::rename(&place(home).src(), src)?;
    fs::remove_tree(&folder(home))?;
    Ok(Some(seen))
}

/// A folder to make a spare in, laid out as a release; [`put`] makes it the spare.
pub fn begin(home: &Home) -> Result<ReleaseDir, FsError> {
    give_up(home)?;
    let making = making(home);
    fs::create_folder(making.root())?;
    Ok(making)
}

/// What was made since [`begin`] becomes the spare, where there is none by now. For the holder of the app's lock.
pub fn put(home: &Home) -> Result<(), FsError> {
    if is_there(home) {
        return give_up(home);
    }
    fs::remove_tree(&folder(home))?;
    fs::rename(making(home).root(), &folder(home))
}

/// Removes what was made since [`begin`].
pub fn give_up(home: &Home) -> Result<(), FsError> {
    fs::remove_tree(making(home).root())
}

fn making(home: &Home) -> ReleaseDir {
    ReleaseDir::at(home.cache().join("spare.new"))
}

/// The spare has the folders of a release.
fn place(home: &Home) -> ReleaseDir {
    ReleaseDir::at(folder(home))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::noted::Noted;

    #[test]
    fn the_first_finished_release_that_goes_is_the_spare_and_others_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().to_owned(), "app".parse().unwrap());
        let make = |number: u32, is_finished: bool| {
            let release = home.release(ReleaseId(number));
            fs::create_folder(&release.src()).unwrap();
            fs::write(
                &release.src().join("file"),
                number.to_string().as_bytes(),
                fs::PUBLIC,
            )
            .unwrap();
            fs::create_folder(&release.static_files()).unwrap();
            fs::symlink(Path::new("../../cache/venv/x"), &release.venv()).unwrap();
            if is_finished {
                Noted::default()
                    .write(&release.stamps(), release.id())
                    .unwrap();
            }
            release
        };
        let target = dir.path().join("next");
        assert!(take(&home, &target, None).unwrap().is_none());
        keep(&home, &make(1, false)).unwrap();
        assert!(!is_there(&home), "its checkout was not finished");
        keep(&home, &make(2, true)).unwrap();
        keep(&home, &make(3, true)).unwrap();
        assert!(fs::list(&home.releases()).unwrap().is_empty());
        assert_eq!(fs::list(&folder(&home)).unwrap().len(), 2);
        let (release, _) = take(&home, &target, None).unwrap().unwrap();
        assert_eq!(release, ReleaseId(2));
        assert_eq!(fs::read(&target.join("file")).unwrap(), "2");
        assert!(!folder(&home).exists());
        // What a kill left of one is replaced.
        fs::create_folder(&folder(&home).join("src")).unwrap();
        keep(&home, &make(4, true)).unwrap();
        assert!(is_there(&home));
    }
}
