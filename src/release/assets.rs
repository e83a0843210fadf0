//! Hashed assets of the last releases, so that a tab opened before a deploy finds the chunks it names.
//!
//! takes: a release's `public/` · gives: the same files under `assets/` · touches: `assets/` · undone by: pruning by age

use std::path::Path;
use std::time::Duration;

use super::layout::{Home, ReleaseDir};
use crate::base::fs::{self, FsError};

/// How long an asset that no release names any more is kept.
pub const KEEP: Duration = Duration::from_secs(14 * 24 * 3600);

/// Links the release's hashed assets into `assets/`; gives how many it has.
pub fn keep(home: &Home, release: &ReleaseDir) -> Result<usize, FsError> {
    let public = release.public();
    if !public.is_dir() {
        return Ok(0);
    }
    let mut kept = 0;
    for file in fs::files_below(&public)? {
        if is_hashed(&file) {
            fs::link_file(&public.join(&file), &home.assets().join(&file))?;
            kept += 1;
        }
    }
    Ok(kept)
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

/// Removes assets older than [`KEEP`] that the given releases do not have; gives how many.
pub fn prune(home: &Home, releases: &[ReleaseDir], now: u64) -> Result<usize, FsError> {
    let mut removed = 0;
    for file in fs::files_below(&home.assets())? {
        let path = home.assets().join(&file);
        let age = now.saturating_sub(fs::modified_unix(&path)?);
        if age > KEEP.as_secs()
            && !releases
                .iter()
                .any(|release| release.public().join(&file).exists())
        {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
