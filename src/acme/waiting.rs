//! The key of an order that is not yet served, and where the order stands at the authority: `ordered/`, root's alone. A run that
//! was killed, or whose certificate nginx would not take, goes on with it and orders nothing twice.
//!
//! takes: a key, an order · gives: both · touches: `ordered/` of the store · undone by: [`forget`]

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::directory::DirectoryUrl;
use crate::base::fs;
use crate::base::secret::Secret;
use crate::tls::key::PrivateKey;
use crate::tls::name::CertName;
use crate::tls::store::{Store, StoreError};

/// An older one is not gone on with: its certificate would have lost a part of its life.
const FRESH: u64 = 24 * 60 * 60;
/// Nobody but root looks in.
const FOLDER: u32 = 0o700;

/// What is known of it; written last, so that one without it was never finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ordered {
    /// At whom.
    pub(super) directory: DirectoryUrl,
    /// By whom: the account's address there.
    pub(super) account: String,
    /// The order's address there.
    pub(super) order: String,
    /// For what.
    pub(super) names: Vec<CertName>,
    /// With which profile.
    pub(super) profile: Option<String>,
    /// The key's kind.
    pub(super) key: String,
    /// Its public half: SHA-256.
    pub(super) spki: String,
    /// Since when, in seconds since 1970.
    pub(super) created: u64,
}

fn folder(store: &Store) -> PathBuf {
    store.folder().join("ordered")
}

/// Keeps an order with its key.
pub(super) fn keep(store: &Store, key: &PrivateKey, ordered: &Ordered) -> Result<(), StoreError> {
    store.create()?;
    forget(store)?;
    let folder = folder(store);
    fs::create_folder_with_mode(&folder, FOLDER)?;
    let text = serde_json::to_string_pretty(ordered).unwrap_or_default();
    fs::write(
        &folder.join("privkey.pem"),
        key.pem().expose().as_bytes(),
        fs::PRIVATE,
    )?;
    Ok(fs::write(
        &folder.join("meta.json"),
        text.as_bytes(),
        fs::PRIVATE,
    )?)
}

/// The one that waits, if it is fresh and whole.
pub(super) fn read(store: &Store, now: u64) -> Result<Option<(Ordered, PrivateKey)>, StoreError> {
    let folder = folder(store);
    let read = |name: &str| fs::read_if_exists(&folder.join(name));
    let (Some(meta), Some(key)) = (read("meta.json")?, read("privkey.pem")?.map(Secret::new))
    else {
        return Ok(None);
    };
    let ordered: Option<Ordered> = serde_json::from_str(&meta).ok();
    let key = PrivateKey::read(key.expose().as_bytes()).ok();
    let found = ordered.zip(key).filter(|(ordered, key)| {
        let is_fresh = (ordered.created..=ordered.created.saturating_add(FRESH)).contains(&now);
        is_fresh && key.fingerprint() == ordered.spki
    });
    Ok(found)
}

/// It is served, or of no use any more.
pub(super) fn forget(store: &Store) -> Result<(), StoreError> {
    Ok(fs::remove_tree(&folder(store))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::key::KeyKind;

    #[test]
    fn an_order_waits_with_its_key_for_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("notes"));
        assert!(read(&store, 5).unwrap().is_none());
        let key = PrivateKey::make(KeyKind::EcdsaP256).unwrap();
        let ordered = Ordered {
            directory: "https://ca.example.org/dir".parse().unwrap(),
            account: "https://ca.example.org/a/1".into(),
            order: "https://ca.example.org/o/1".into(),
            names: vec![CertName::parse("example.org").unwrap()],
            profile: None,
            key: key.kind(),
            spki: key.fingerprint(),
            created: 1000,
        };
        keep(&store, &key, &ordered).unwrap();
        let (found, read_key) = read(&store, 1000 + FRESH).unwrap().unwrap();
        assert_eq!(
            (found, read_key.fingerprint()),
            (ordered.clone(), key.fingerprint())
        );
        assert!(read(&store, 1001 + FRESH).unwrap().is_none());
        assert!(read(&store, 999).unwrap().is_none());
        assert_eq!(fs::mode(&folder(&store)).unwrap(), 0o700);
        assert_eq!(
            fs::mode(&folder(&store).join("privkey.pem")).unwrap(),
            0o600
        );
        // Another key than it says: a run that was killed between the two files.
        let other = PrivateKey::make(KeyKind::EcdsaP256).unwrap();
        let file = folder(&store).join("privkey.pem");
        fs::write(&file, other.pem().expose().as_bytes(), fs::PRIVATE).unwrap();
        assert!(read(&store, 1001).unwrap().is_none());
        forget(&store).unwrap();
        assert!(!folder(&store).exists());
    }
}
