//! What an environment takes over from the last one: the distributions that pip would install again just so.
//!
//! takes: an entry of the cache, and what pip says it would install · gives: copies of their files in the new environment, with
//! scripts that name the new place · touches: the new environment only · undone by: discarding it

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::base::fs::{self, FsError};
use crate::base::names::ObjectId;
use crate::base::replica;
use crate::release::cache::{self, Shelf};
use crate::release::layout::Home;
use crate::release::store;
use crate::tool::pip::{self, Named, Package};

/// What an environment was made of, in a file of it. Nothing in the environment is younger, but what was changed later.
const MADE: &str = ".landfall-made";

/// How an environment came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    /// What else decides the result: Python, the installer, the rebuilds.
    pub(super) recipe: ObjectId,
    /// Where it was made; its scripts name that.
    pub(super) place: PathBuf,
    /// What Python put there itself: pip.
    pub(super) bare: Vec<Named>,
    /// What pip then installed.
    pub(super) packages: Vec<Package>,
}

impl Made {
    /// Notes it in the environment, which is otherwise finished.
    pub(super) fn note(&self) -> Result<(), FsError> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        fs::write(&self.place.join(MADE), &text, fs::PUBLIC)
    }
}

/// The environment that a new one begins with.
#[derive(Debug)]
pub(super) struct Last {
    entry: PathBuf,
    site: PathBuf,
    pub(super) made: Made,
    noted: SystemTime,
}

/// The environment of the live release, or else the one used last, that was made by `recipe`.
pub(super) fn last(home: &Home, recipe: &ObjectId) -> Option<Last> {
    let live = store::live_record(home).ok().flatten();
    let live = live.and_then(|record| record.keys.venv);
    let entries = cache::entries(home, Shelf::Venv).unwrap_or_default();
    let newest_first = entries.into_iter().rev().map(|(key, _)| key);
    live.into_iter()
        .chain(newest_first)
        .filter_map(|key| cache::find(home, Shelf::Venv, &key))
        .find_map(|entry| Last::read(entry, recipe))
}

/// The folder of packages in an environment, relative to it.
pub(super) fn site(venv: &Path) -> Option<PathBuf> {
    let folders = fs::list(&venv.join("lib")).ok()?;
    let mut sites = folders.iter().map(|folder| folder.join("site-packages"));
    let site = sites.find(|site| site.is_dir())?;
    site.strip_prefix(venv).ok().map(Path::to_owned)
}

/// The distributions in an environment, in order.
pub(super) fn installed(venv: &Path) -> Result<BTreeSet<Named>, FsError> {
    let Some(site) = site(venv) else {
        return Ok(BTreeSet::new());
    };
    let folders = fs::list(&venv.join(site))?;
    Ok(folders
        .iter()
        .filter_map(|path| Named::of_folder(path))
        .collect())
}

/// A distribution's files as they can be taken: relative to the environment, with their new content where that differs.
struct Files {
    kept: Vec<PathBuf>,
    renewed: Vec<(PathBuf, Vec<u8>)>,
}

impl Last {
    fn read(entry: PathBuf, recipe: &ObjectId) -> Option<Self> {
        let note = entry.join(MADE);
        let made: Made = serde_json::from_str(&fs::read(&note).ok()?).ok()?;
        let (site, noted) = (site(&entry)?, fs::modified(&note).ok()?);
        (made.recipe == *recipe).then_some(Self {
            entry,
            site,
            made,
            noted,
        })
    }

    /// Copies those of `wanted` that lie there as they were made; gives the others.
    pub(super) fn copy<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a Named>,
        venv: &Path,
    ) -> Result<Vec<&'a Named>, FsError> {
        let (mut left, mut folders) = (Vec::new(), BTreeSet::new());
        let folder_of = fs::list(&self.entry.join(&self.site))?;
        for named in wanted {
            let mut folders_of = folder_of.iter();
            let folder = folders_of.find(|path| Named::of_folder(path).as_ref() == Some(named));
            match folder.and_then(|folder| self.files(folder, venv)) {
                Some(files) => self.put(files, venv, &mut folders)?,
                None => left.push(named),
            }
        }
        Ok(left)
    }

    /// The files of the distribution described by `folder`; `None` where one is not as it was made, or is none of the environment's.
    fn files(&self, folder: &Path, venv: &Path) -> Option<Files> {
        let record = folder.join("RECORD");
        let original = fs::read(&record).ok()?;
        let mut renewed_record = original.clone();
        let (mut kept, mut renewed) = (Vec::new(), Vec::new());
        let record = record.strip_prefix(&self.entry).ok()?.to_owned();
        for file in pip::record(&original)? {
            let place = pip::within(&self.site, &file.path)?;
            let from = self.entry.join(&place);
            if !self.is_as_made(&from, file.size) {
                return None;
            }
            if place.starts_with("bin") {
                let script = fs::read_bytes(&from).ok()?;
                let moved = pip::script_at(&script, &self.made.place, venv)?;
                renewed_record = pip::record_with(&renewed_record, &file.path, &moved);
                renewed.push((place, moved));
            } else if place != record {
                kept.push(place);
            }
        }
        renewed.push((record, renewed_record.into_bytes()));
        Some(Files { kept, renewed })
    }

    fn is_as_made(&self, file: &Path, size: Option<u64>) -> bool {
        let Ok(metadata) = fs::metadata(file) else {
            return false;
        };
        metadata.is_file()
            && size.is_none_or(|size| size == metadata.len())
            && metadata.modified().is_ok_and(|time| time <= self.noted)
    }

    fn put(
        &self,
        files: Files,
        venv: &Path,
        folders: &mut BTreeSet<PathBuf>,
    ) -> Result<(), FsError> {
        let mut place = |file: &Path| {
            let to = venv.join(file);
            if let Some(folder) = to.parent()
                && !folders.contains(folder)
            {
                fs::create_folder(folder)?;
                folders.insert(folder.to_owned());
            }
            Ok::<_, FsError>((self.entry.join(file), to))
        };
        for file in files.kept {
            let (from, to) = place(&file)?;
            replica::copy(&from, &to)?;
        }
        for (file, content) in files.renewed {
            let (from, to) = place(&file)?;
            replica::rewrite(&from, &to, &content)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nix::fcntl::AT_FDCWD;
    use nix::sys::stat::{UtimensatFlags, utimensat};
    use nix::sys::time::TimeSpec;

    use super::*;

    const SITE: &str = "lib/python3/site-packages";
    const SCRIPT: &str = "import sys\n";

    struct Scene {
        _dir: tempfile::TempDir,
        home: Home,
        recipe: ObjectId,
        entry: PathBuf,
        venv: PathBuf,
    }

    /// Files of a test are written within one tick of the clock.
    fn date(path: &Path, seconds: i64) {
        let time = TimeSpec::new(seconds, 0);
        utimensat(
            AT_FDCWD,
            path,
            &time,
            &time,
            UtimensatFlags::NoFollowSymlink,
        )
        .unwrap();
    }

    /// A home whose only environment holds one package, with a script.
    fn scene() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().to_owned(), "app".parse().unwrap());
        let key = |text: &str| cache::KeyBuilder::new(text).finish();
        let entry = cache::begin(&home, Shelf::Venv, &key("1")).unwrap();
        let venv = cache::begin(&home, Shelf::Venv, &key("2")).unwrap();
        let put = |path: &str, text: &str, mode| {
            let path = entry.join(path);
            fs::create_folder(path.parent().unwrap()).unwrap();
            fs::write(&path, text.as_bytes(), mode).unwrap();
            date(&path, 1);
        };
        let script = format!("#!/seed/bin/python\n{SCRIPT}");
        put("bin/x", &script, 0o755);
        put(&format!("{SITE}/x/a.py"), "a = 1\n", fs::PUBLIC);
        let record = format!(
            "../../../bin/x,sha256=old,{}\nx/a.py,sha256=a,6\nx-1.dist-info/RECORD,,\n",
            script.len()
        );
        put(&format!("{SITE}/x-1.dist-info/RECORD"), &record, fs::PUBLIC);
        let made = Made {
            recipe: key("recipe"),
            place: "/seed".into(),
            bare: Vec::new(),
            packages: Vec::new(),
        };
        let text = serde_json::to_vec(&made).unwrap();
        fs::write(&entry.join(MADE), &text, fs::PUBLIC).unwrap();
        date(&entry.join(MADE), 2);
        cache::complete(&entry).unwrap();
        Scene {
            _dir: dir,
            home,
            recipe: made.recipe,
            entry,
            venv,
        }
    }

    fn x() -> Named {
        Named {
            name: "x".into(),
            version: "1".into(),
        }
    }

    impl Scene {
        /// True where the package was copied.
        fn copies(&self) -> bool {
            let last = last(&self.home, &self.recipe).unwrap();
            let wanted = [x()];
            let left = last.copy(&wanted, &self.venv).unwrap();
            assert_eq!(self.venv.join("bin/x").exists(), left.is_empty());
            left.is_empty()
        }
    }

    #[test]
    fn a_package_is_copied_and_its_script_names_the_new_place() {
        let scene = scene();
        assert!(scene.copies());
        let script = fs::read(&scene.venv.join("bin/x")).unwrap();
        assert_eq!(
            script,
            format!("#!{}/bin/python\n{SCRIPT}", scene.venv.display())
        );
        assert_eq!(fs::mode(&scene.venv.join("bin/x")).unwrap(), 0o755);
        let record = fs::read(&scene.venv.join(SITE).join("x-1.dist-info/RECORD")).unwrap();
        let size = pip::record(&record).unwrap()[0].size.unwrap();
        assert_eq!(size, script.len() as u64);
        assert!(!record.contains("sha256=old"), "{record}");
        assert!(installed(&scene.venv).unwrap().contains(&x()));
        let file = Path::new(SITE).join("x/a.py");
        assert_eq!(
            fs::modified(&scene.venv.join(&file)).unwrap(),
            fs::modified(&scene.entry.join(&file)).unwrap()
        );
    }

    #[test]
    fn what_is_not_as_it_was_made_is_left() {
        let changed: [fn(&Path); 5] = [
            |site| fs::write(&site.join("x/a.py"), b"a = 11\n", fs::PUBLIC).unwrap(),
            |site| fs::write(&site.join("x/a.py"), b"a = 2\n", fs::PUBLIC).unwrap(),
            |site| fs::remove_file(&site.join("x/a.py")).unwrap(),
            |site| fs::remove_file(&site.join("x-1.dist-info/RECORD")).unwrap(),
            |site| {
                fs::remove_file(&site.join("x/a.py")).unwrap();
                fs::symlink(Path::new("/etc/hostname"), &site.join("x/a.py")).unwrap();
            },
        ];
        for (number, change) in changed.iter().enumerate() {
            let scene = scene();
            change(&scene.entry.join(SITE));
            assert!(!scene.copies(), "{number}");
        }
    }

    #[test]
    fn what_leads_out_of_the_environment_is_left() {
        let scene = scene();
        let record = scene.entry.join(SITE).join("x-1.dist-info/RECORD");
        let text = fs::read(&record).unwrap();
        let time = scene.entry.join(MADE);
        fs::write(
            &record,
            format!("{text}../../../../x,,\n").as_bytes(),
            fs::PUBLIC,
        )
        .unwrap();
        fs::touch(&time).unwrap();
        assert!(!scene.copies());
    }

    #[test]
    fn only_a_whole_environment_of_the_same_recipe_is_begun_with() {
        let scene = scene();
        let other = cache::KeyBuilder::new("other").finish();
        assert!(last(&scene.home, &other).is_none());
        cache::reopen(&scene.entry).unwrap();
        assert!(last(&scene.home, &scene.recipe).is_none());
    }
}
