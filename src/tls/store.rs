//! Where an app's certificates lie: `versions/NAME/` with a pair each, and `current`, a link to the one that is served. Key
//! and certificate change together, by one rename.
//!
//! takes: a pair (PEM) · gives: the paths nginx is told · touches: `/etc/ssl/landfall/APP/` · undone by: [`Store::point_at`]

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::fs::{self, FsError};
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

    /// Puts a pair into a folder of its own, `version`.
    pub fn add(&self, version: &str, pair: &Pair) -> Result<(), FsError> {
        for folder in [self.folder.clone(), self.folder.join("versions")] {
            fs::create_folder_with_mode(&folder, FOLDER)?;
        }
        let folder = self.folder.join("versions").join(version);
        fs::create_folder_with_mode(&folder, FOLDER)?;
        let meta = serde_json::to_string_pretty(&pair.meta).unwrap_or_default();
        for (name, text, mode) in [
            ("privkey.pem", pair.key.expose(), fs::PRIVATE),
            ("fullchain.pem", pair.certificate.as_str(), fs::PUBLIC),
            ("meta.json", &meta, fs::PUBLIC),
        ] {
            fs::write(&folder.join(name), text.as_bytes(), mode)?;
        }
        Ok(())
    }

    /// Makes `version` the pair that is served from the next reload on.
    pub fn point_at(&self, version: &str) -> Result<(), FsError> {
        fs::swap_link(
            &Path::new("versions").join(version),
            &self.folder.join("current"),
        )
    }
}
