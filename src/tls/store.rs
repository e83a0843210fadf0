//! Where an app's certificates lie: `versions/NAME/` with a pair each, and `current`, a link to the one that is served. Key
//! and certificate change together, by one rename.
//!
//! takes: a pair (PEM) · gives: the paths nginx is told · touches: `/etc/ssl/landfall/APP/` · undone by: [`Store::point_at`]

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::finding::Refusal;
use super::key::PrivateKey;
use super::{intake, pending};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::Domain;
use crate::base::secret::Secret;

/// One app's certificates.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// What is known of a pair: `meta.json` beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Made here, to stand in until a certificate is issued.
    pub stand_in: bool,
    /// It was checked against roots that were named, not against the system's.
    #[serde(default)]
    pub own_authority: bool,
    /// The directory of the authority it was ordered from by ACME; none for one that came another way, which is not renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The names it is for.
    pub names: Vec<Domain>,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: u64,
}

/// A certificate with its key, both PEM.
#[derive(Debug)]
pub struct Pair {
    /// The certificate, then its chain.
    pub certificate: String,
    /// The key.
    pub key: Secret,
    /// What is known of it.
    pub meta: Meta,
}

/// A store that is not as it was left.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// What lies there cannot be read.
    #[error("{} is not as Landfall wrote it", .0.display())]
    Broken(PathBuf),
    /// One of its keys.
    #[error("the key {} cannot be read", .0.display())]
    Key(PathBuf, #[source] Refusal),
}

impl Hint for StoreError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Fs(error) => error.hints(),
            Self::Broken(path) => vec![format!("look at it, move it away: {}", path.display())],
            Self::Key(path, _) => {
                vec![format!("openssl pkey -noout -check -in {}", path.display())]
            }
        }
    }

    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// A key of the store, and where it lies.
#[derive(Debug)]
pub struct Known {
    /// The key.
    pub key: PrivateKey,
    /// The request it waits with; none if it is an installed pair's.
    pub pending: Option<String>,
}

/// Versions that stay after an install: the one that is served, and those before it.
const KEPT: usize = 3;

/// Everyone may go through, nobody may list: nginx's workers never read it, and the key has a mode of its own.
const FOLDER: u32 = 0o711;

impl Store {
    /// The store in `folder`, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The certificate that is served, with its chain.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("current/fullchain.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("current/privkey.pem")
    }

    /// What is known of the pair that is served; none where there is no pair.
    pub fn current(&self) -> Result<Option<Meta>, FsError> {
        let text = fs::read_if_exists(&self.folder.join("current/meta.json"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its folders are there.
    pub fn create(&self) -> Result<(), FsError> {
        for folder in [self.folder.clone(), self.versions()] {
            fs::create_folder_with_mode(&folder, FOLDER)?;
        }
        Ok(())
    }

    fn versions(&self) -> PathBuf {
        self.folder.join("versions")
    }

    /// A name for a new version that begins with `stem`.
    pub fn free_version(&self, stem: &str) -> String {
        let names = (1..).map(|number| match number {
            1 => stem.to_owned(),
            number => format!("{stem}-{number}"),
        });
        let mut free = names.filter(|name| !self.version(name).exists());
        free.next().unwrap_or_default()
    }

    /// The folder of a version; `current` leads to one of them.
    pub fn version(&self, version: &str) -> PathBuf {
        self.versions().join(version)
    }

    /// The link to what is served.
    pub fn link(&self) -> PathBuf {
        self.folder.join("current")
    }

    /// The version that is served; none where there is none.
    pub fn current_version(&self) -> Result<Option<String>, FsError> {
        let target = fs::link_target(&self.link())?;
        let name = target.as_deref().and_then(Path::file_name);
        Ok(name.map(|name| name.to_string_lossy().into_owned()))
    }

    /// The certificate that is served with its chain, its own first; none where there is none.
    pub fn chain(&self) -> Result<Option<Vec<Certificate>>, StoreError> {
        let file = self.certificate();
        let Some(text) = fs::read_if_exists(&file)? else {
            return Ok(None);
        };
        match intake::read(text.as_bytes()) {
            Ok(taken) => Ok(Some(taken.certificates)),
            Err(_) => Err(StoreError::Broken(file)),
        }
    }

    /// All keys of the store, those that wait first.
    pub fn keys(&self) -> Result<Vec<Known>, StoreError> {
        let mut known = Vec::new();
        for each in self.pending()? {
            let file = self.pending_key(&each.id);
            known.extend(read_known(&file, Some(each.id))?);
        }
        for folder in fs::list(&self.versions())? {
            known.extend(read_known(&folder.join("privkey.pem"), None)?);
        }
        Ok(known)
    }

    /// The key that is served.
    pub fn current_key(&self) -> Result<Option<PrivateKey>, StoreError> {
        Ok(read_known(&self.key(), None)?.map(|known| known.key))
    }

    /// Takes a version away that is not served.
    pub fn discard(&self, version: &str) -> Result<(), FsError> {
        if self.current_version()?.as_deref() == Some(version) {
            return Ok(());
        }
        remove(&self.version(version))
    }

    /// Takes away what killed runs left: files that were not whole, versions and requests without their last file, and the
    /// request whose certificate is served already. For the holder of the site's turn, before it writes here.
    pub fn tidy(&self) -> Result<(), FsError> {
        fs::sweep(&self.folder)?;
        let current = self.current_version()?;
        for folder in fs::list(&self.versions())? {
            let is_served = folder
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            if is_served != current && !folder.join(META).exists() {
                fs::remove_tree(&folder)?;
            }
        }
        self.clear_unfinished()?;
        self.clear_answered()?;
        // One that was killed between its switch and its pruning left one too many.
        self.prune()
    }

    /// Takes old versions away: what is served and the last ones stay.
    pub fn prune(&self) -> Result<(), FsError> {
        let current = self.current_version()?;
        let mut versions = Vec::new();
        for folder in fs::list(&self.versions())? {
            let name = folder
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            // One without its last file was never finished.
            let finished = fs::modified_unix(&folder.join(META)).unwrap_or(0);
            versions.push((
                Some(&name) != current.as_ref(),
                std::cmp::Reverse((finished, name)),
            ));
        }
        versions.sort();
        for (_, std::cmp::Reverse((_, name))) in versions.iter().skip(KEPT) {
            self.discard(name)?;
        }
        Ok(())
    }

    /// Puts a pair into a folder of its own, `version`.
    pub fn add(&self, version: &str, pair: &Pair) -> Result<(), FsError> {
        self.create()?;
        let folder = self.version(version);
        fs::create_folder_with_mode(&folder, FOLDER)?;
        let meta = serde_json::to_string_pretty(&pair.meta).unwrap_or_default();
        for (name, text, mode) in [
            ("privkey.pem", pair.key.expose(), fs::PRIVATE),
            ("fullchain.pem", pair.certificate.as_str(), fs::PUBLIC),
            (META, &meta, fs::PUBLIC),
        ] {
            fs::write(&folder.join(name), text.as_bytes(), mode)?;
        }
        Ok(())
    }

    /// Makes `version` the pair that is served from the next reload on.
    pub fn point_at(&self, version: &str) -> Result<(), FsError> {
        fs::swap_link(&Path::new("versions").join(version), &self.link())
    }

    /// No pair is served any more: what was before the first one.
    pub fn point_at_nothing(&self) -> Result<(), FsError> {
        fs::remove_file(&self.link())
    }
}

/// The last file that is written, and the first that goes: a folder without it is nothing.
pub(super) const META: &str = "meta.json";

/// Takes the folder of a pair or of a request away.
pub(super) fn remove(folder: &Path) -> Result<(), FsError> {
    fs::remove_file(&folder.join(META))?;
    fs::remove_tree(folder)
}

fn read_known(file: &Path, pending: Option<String>) -> Result<Option<Known>, StoreError> {
    let Some(text) = pending::read_key(file)? else {
        return Ok(None);
    };
    let key = PrivateKey::read(text.expose().as_bytes())
        .map_err(|refusal| StoreError::Key(file.to_owned(), refusal))?;
    Ok(Some(Known { key, pending }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_versions_stay_and_the_served_one_always() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("notes"));
        let pair = Pair {
            certificate: String::new(),
            key: Secret::new(""),
            meta: Meta {
                stand_in: false,
                own_authority: false,
                directory: None,
                names: Vec::new(),
                not_after: 0,
            },
        };
        for version in ["1", "2", "3", "4", "5"] {
            store.add(version, &pair).unwrap();
        }
        store.point_at("1").unwrap();
        store.prune().unwrap();
        let left = |store: &Store| {
            let all = fs::list(&store.versions()).unwrap();
            let names = all
                .iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(left(&store), ["1", "4", "5"]);
        store.discard("1").unwrap();
        store.discard("4").unwrap();
        assert_eq!(left(&store), ["1", "5"]);
        assert_eq!(
            fs::mode(&store.version("5").join("privkey.pem")).unwrap(),
            0o600
        );
        assert_eq!(fs::mode(&store.version("5")).unwrap(), 0o711);
    }
}
