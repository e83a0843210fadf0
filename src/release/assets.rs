//! Hashed assets of the last releases, so that a tab opened before a deploy finds the chunks it names.
//!
//! takes: a release's frontend and static files · gives: the same files under `assets/` · touches: `assets/` · undone by: pruning by age

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layout::{Home, ReleaseDir};
use crate::base::fs::{self, FsError};
use crate::base::names::UrlPath;

/// How long an asset that no release names any more is kept.
pub const KEEP: Duration = Duration::from_secs(14 * 24 * 3600);

/// A release's files as visitors see them: the frontend at `/`, Django's static files below STATIC_URL.
#[derive(Debug, Clone)]
pub struct Served {
    folders: Vec<(PathBuf, PathBuf)>,
}

impl Served {
    /// `static_url` is the path of STATIC_URL, where nginx serves Django's static files.
    pub fn of(release: &ReleaseDir, static_url: Option<&UrlPath>) -> Self {
        let mut folders = vec![(PathBuf::new(), release.public())];
        if let Some(url) = static_url {
            let below = PathBuf::from(url.as_str().trim_matches('/'));
            folders.push((below, release.static_files()));
        }
        Self { folders }
    }

    /// The hashed files: where each is asked for, and where it lies.
    fn hashed(&self) -> Result<Vec<(PathBuf, PathBuf)>, FsError> {
        let mut files = Vec::new();
        for (url, folder) in self.folders.iter().filter(|(_, folder)| folder.is_dir()) {
            let names = fs::files_below(folder)?;
            let hashed = names.into_iter().filter(|file| is_hashed(file));
            files.extend(hashed.map(|file| (url.join(&file), folder.join(&file))));
        }
        Ok(files)
    }

    fn has(&self, url: &Path) -> bool {
        let mut folders = self.folders.iter();
        folders.any(|(below, folder)| {
            url.strip_prefix(below)
                .is_ok_and(|file| folder.join(file).exists())
        })
    }
}

/// Links a release's hashed files into `assets/`, by the path they are asked for; gives how many it has.
pub fn keep(home: &Home, release: &Served) -> Result<usize, FsError> {
    let files = release.hashed()?;
    for (url, file) in &files {
        fs::link_file(file, &home.assets().join(url))?;
    }
    Ok(files.len())
}

/// True for a file whose name carries a hash of its content: `index-B4x9Kq2z.js`, `chunk-vendors.8f3a91c2.css`.
pub fn is_hashed(file: &Path) -> bool {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let mut words = name.split(['.', '-', '_']);
    let _stem = words.next();
    words.any(looks_like_hash) || name.split('.').next().is_some_and(ends_with_vite_hash)
}

/// Vite and Rollup put eight characters of base64url, `-` and `_` among them, after a `-`.
fn ends_with_vite_hash(stem: &str) -> bool {
    let Some(cut) = stem.len().checked_sub(9) else {
        return false;
    };
    let (Some(separator), Some(hash)) = (stem.get(cut..=cut), stem.get(cut + 1..)) else {
        return false;
    };
    separator == "-"
        && hash
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && hash
            .bytes()
            .any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// At least eight letters and digits (and what base64url adds), with a digit or an inner capital among them.
fn looks_like_hash(word: &str) -> bool {
    word.len() >= 8
        && word.bytes().all(|b| b.is_ascii_alphanumeric())
        && (word.bytes().any(|b| b.is_ascii_digit())
            || word.bytes().skip(1).any(|b| b.is_ascii_uppercase()))
}

/// The release is about to go: its files count as old from now on, however long ago they were built.
pub fn renew(home: &Home, release: &Served) -> Result<(), FsError> {
    for (url, _) in release.hashed()? {
        let kept = home.assets().join(url);
        if kept.exists() {
            fs::touch(&kept)?;
        }
    }
    Ok(())
}

/// Removes assets older than [`KEEP`] that the given releases do not have; gives how many.
pub fn prune(home: &Home, releases: &[Served], now: u64) -> Result<usize, FsError> {
    let mut removed = 0;
    for file in fs::files_below(&home.assets())? {
        let path = home.assets().join(&file);
        let age = now.saturating_sub(fs::modified_unix(&path)?);
        if age > KEEP.as_secs() && !releases.iter().any(|release| release.has(&file)) {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::names::ReleaseId;

    #[test]
    fn hashed_names_are_told_from_plain_ones() {
        for hashed in [
            "assets/index-B4x9Kq2z.js",
            "js/chunk-vendors.8f3a91c2.js",
            "css/app.1a2b3c4d.css",
            "assets/About-DkfTzPqw.js",
            "assets/index-B_x9-q2z.js",
        ] {
            assert!(is_hashed(Path::new(hashed)), "{hashed}");
        }
        for plain in [
            "index.html",
            "favicon.ico",
            "robots.txt",
            "img/background-photo.png",
            "js/jquery.min.js",
        ] {
            assert!(!is_hashed(Path::new(plain)), "{plain}");
        }
    }

    #[test]
    fn files_are_kept_by_the_path_they_are_asked_for_and_pruned_by_age() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().to_owned(), "app".parse().unwrap());
        let release = home.release(ReleaseId(1));
        for (folder, file) in [
            (release.public(), "assets/index-B4x9Kq2z.js"),
            (release.static_files(), "css/base.8f3a91c2d0aa.css"),
        ] {
            let path = folder.join(file);
            fs::create_folder(path.parent().unwrap()).unwrap();
            fs::write(&path, b"x", fs::PUBLIC).unwrap();
        }
        fs::write(&release.public().join("index.html"), b"x", fs::PUBLIC).unwrap();
        let served = Served::of(&release, Some(&"/static/".parse().unwrap()));
        assert_eq!(keep(&home, &served).unwrap(), 2);
        let kept = || fs::files_below(&home.assets()).unwrap();
        assert_eq!(
            kept(),
            [
                Path::new("assets/index-B4x9Kq2z.js"),
                Path::new("static/css/base.8f3a91c2d0aa.css")
            ]
        );
        let later =
            fs::modified_unix(&home.assets().join(&kept()[0])).unwrap() + KEEP.as_secs() + 5;
        assert_eq!(
            prune(&home, &[served], later).unwrap(),
            0,
            "a kept release still names them"
        );
        assert_eq!(
            prune(&home, &[], later - 60).unwrap(),
            0,
            "they are not old enough"
        );
        assert_eq!(prune(&home, &[], later).unwrap(), 2);
    }
}
