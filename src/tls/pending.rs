//! Requests that wait for their certificate, each with its key: `pending/ID/`, root's alone. The key that is served is
//! never touched.
//!
//! takes: a request and its key · gives: those that wait · touches: `/etc/ssl/landfall/APP/pending/` · undone by:
//! [`Store::forget`], once the certificate is served

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::key::PrivateKey;
use super::request::{Request, Wanted};
use super::store::{META, Store, StoreError, remove};
use crate::base::fs::{self, FsError};
use crate::base::host::rfc3339;
use crate::base::secret::Secret;

/// `meta.json` of a request that waits; written last, so that one without it was never finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingMeta {
    /// What is asked for.
    pub wanted: Wanted,
    /// The key in words.
    pub key: String,
    /// SHA-256 of the key's public half.
    pub spki: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// A request that waits.
#[derive(Debug)]
pub struct Pending {
    /// Its folder's name.
    pub id: String,
    /// What is known of it.
    pub meta: PendingMeta,
    /// The request itself.
    pub request: Request,
}

/// Nobody but root looks in.
const FOLDER: u32 = 0o700;

impl Store {
    fn pending_folder(&self) -> PathBuf {
        self.folder().join("pending")
    }

    /// Keeps a request with its key until the certificate comes.
    pub fn keep(
        &self,
        wanted: &Wanted,
        key: &PrivateKey,
        request: Request,
        now: u64,
    ) -> Result<Pending, StoreError> {
        self.create()?;
        fs::create_folder_with_mode(&self.pending_folder(), FOLDER)?;
        self.clear_unfinished()?;
        let spki = key.fingerprint();
        let id = self.free_id(&format!("{}-{}", stamp(now), &spki[..8]));
        let folder = self.pending_folder().join(&id);
        fs::create_new_folder(&folder)?;
        fs::create_folder_with_mode(&folder, FOLDER)?;
        let meta = PendingMeta {
            wanted: wanted.clone(),
            key: key.kind(),
            spki,
            created: now,
        };
        let text = serde_json::to_string_pretty(&meta).unwrap_or_default();
        for (name, text, mode) in [
            ("privkey.pem", key.pem().expose(), fs::PRIVATE),
            ("request.csr", request.pem().as_str(), fs::PUBLIC),
            (META, text.as_str(), fs::PUBLIC),
        ] {
            fs::write(&folder.join(name), text.as_bytes(), mode)?;
        }
        Ok(Pending { id, meta, request })
    }

    /// Two in one second with one key have numbers.
    fn free_id(&self, id: &str) -> String {
        let folder = self.pending_folder();
        let ids = (1..).map(|number| match number {
            1 => id.to_owned(),
            number => format!("{id}-{number}"),
        });
        let mut free = ids.filter(|id| !folder.join(id).exists());
        free.next().unwrap_or_default()
    }

    /// What a killed run left: its key never left this machine and no request was shown.
    pub(super) fn clear_unfinished(&self) -> Result<(), FsError> {
        for folder in fs::list(&self.pending_folder())? {
            if folder.is_dir() && !folder.join(META).exists() {
                fs::remove_tree(&folder)?;
            }
        }
        Ok(())
    }

    /// The request whose key was served after it was made: whoever installed it was killed before it could be forgotten.
    pub(super) fn clear_answered(&self) -> Result<(), FsError> {
        let served = self.link().join(META);
        let (Ok(Some(key)), Ok(since)) = (self.current_key(), fs::modified_unix(&served)) else {
            return Ok(());
        };
        // What cannot be read is no request that could be taken for answered.
        for each in self.pending().unwrap_or_default() {
            if each.meta.spki == key.fingerprint() && each.meta.created <= since {
                remove(&self.pending_folder().join(&each.id))?;
            }
        }
        Ok(())
    }

    /// Those that wait, the newest first.
    pub fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let mut found = Vec::new();
        for folder in fs::list(&self.pending_folder())? {
            let read = |name: &str| fs::read_if_exists(&folder.join(name));
            let (Some(meta), Some(request)) = (read(META)?, read("request.csr")?) else {
                continue;
            };
            let id = folder
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let broken = || StoreError::Broken(folder.clone());
            found.push(Pending {
                id: id.ok_or_else(broken)?,
                meta: serde_json::from_str(&meta).map_err(|_| broken())?,
                request: Request::parse(&request).ok_or_else(broken)?,
            });
        }
        found.sort_by(|a, b| (b.meta.created, &b.id).cmp(&(a.meta.created, &a.id)));
        Ok(found)
    }

    /// The file of its key.
    pub fn pending_key(&self, id: &str) -> PathBuf {
        self.pending_folder().join(id).join("privkey.pem")
    }

    /// Takes a request away whose certificate is served.
    pub fn forget(&self, id: &str) -> Result<(), StoreError> {
        Ok(remove(&self.pending_folder().join(id))?)
    }
}

/// `20261120T095500Z`, which sorts by time.
pub fn stamp(now: u64) -> String {
    rfc3339(now).replace(['-', ':'], "")
}

impl Pending {
    /// The request as it is pasted.
    pub fn pem(&self) -> String {
        self.request.pem()
    }
}

/// A key file of the store's own, as text.
pub(super) fn read_key(path: &std::path::Path) -> Result<Option<Secret>, StoreError> {
    Ok(fs::read_if_exists(path)?.map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::key::KeyKind;
    use crate::tls::name::CertName;
    use crate::tls::request::Subject;

    #[test]
    fn a_request_waits_with_its_key_and_an_unfinished_one_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("notes"));
        assert!(store.pending().unwrap().is_empty());
        let wanted = Wanted {
            names: vec![CertName::parse("example.org").unwrap()],
            subject: Subject::default(),
        };
        let make = || {
            let key = PrivateKey::make(KeyKind::EcdsaP256).unwrap();
            let request = Request::make(&wanted, &key).unwrap();
            store.keep(&wanted, &key, request, 1_790_000_000).unwrap();
            key
        };
        let first = make();
        let left = dir.path().join("notes/pending/left");
        fs::create_folder(&left).unwrap();
        fs::write(&left.join("privkey.pem"), b"x", fs::PRIVATE).unwrap();
        let second = make();
        assert!(!left.exists());
        let pending = store.pending().unwrap();
        assert_eq!(pending.len(), 2);
        for key in [&first, &second] {
            let found = pending
                .iter()
                .find(|each| each.meta.spki == key.fingerprint());
            let found = found.unwrap();
            assert!(found.id.starts_with("20260921T"), "{}", found.id);
            let file = store.pending_key(&found.id);
            let read = PrivateKey::read(&fs::read_bytes(&file).unwrap()).unwrap();
            assert_eq!(read.fingerprint(), key.fingerprint());
            assert_eq!(fs::mode(&file).unwrap(), 0o600);
            assert_eq!(fs::mode(file.parent().unwrap()).unwrap(), 0o700);
        }
        assert_eq!(fs::mode(&dir.path().join("notes/pending")).unwrap(), 0o700);
        store.forget(&pending[0].id).unwrap();
        assert_eq!(store.pending().unwrap().len(), 1);
    }

    #[test]
    fn what_killed_runs_left_is_tidied_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("notes"));
        let wanted = Wanted {
            names: vec![CertName::parse("example.org").unwrap()],
            subject: Subject::default(),
        };
        let ask = |created| {
            let key = PrivateKey::make(KeyKind::EcdsaP256).unwrap();
            let request = Request::make(&wanted, &key).unwrap();
            let id = store.keep(&wanted, &key, request, created).unwrap().id;
            (key, id)
        };
        let (_, waits) = ask(1_790_000_000);
        let (served, answered) = ask(1_790_000_001);
        let pair = super::super::store::Pair {
            certificate: String::new(),
            key: Secret::new(served.pem().expose()),
            meta: serde_json::from_str(r#"{"stand_in":false,"names":[],"not_after":0}"#).unwrap(),
        };
        store.add("served", &pair).unwrap();
        store.point_at("served").unwrap();
        // The same key asked for again, later: that request is not answered yet.
        let request = Request::make(&wanted, &served).unwrap();
        let later = u64::from(u32::MAX);
        let again = store.keep(&wanted, &served, request, later).unwrap().id;
        store.add("before", &pair).unwrap();
        store.add("half", &pair).unwrap();
        fs::remove_file(&store.version("half").join(META)).unwrap();
        fs::symlink(
            std::path::Path::new("versions/half"),
            &dir.path().join("notes/.current.4194305.tmp"),
        )
        .unwrap();
        store.tidy().unwrap();
        let names = |folder: &str| {
            let all = fs::list(&dir.path().join(folder)).unwrap();
            let names = all.iter().map(|path| path.file_name().unwrap().to_owned());
            names
                .map(|name| name.into_string().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("notes"), ["current", "pending", "versions"]);
        assert_eq!(names("notes/versions"), ["before", "served"]);
        assert!(!names("notes/pending").contains(&answered));
        let mut left = [waits, again];
        left.sort();
        assert_eq!(names("notes/pending"), left);
    }
}
