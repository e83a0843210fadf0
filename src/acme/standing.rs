//! The standing order of an app: what its certificate was asked for, so that renewals need no options.
//!
//! takes: options, the app's domains · gives: the names to order · touches: `acme.json` and `acme-roots.pem` of the store ·
//! undone by: another order

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::directory::DirectoryUrl;
use super::failure::Failure;
use crate::base::fs::{self, FsError};
use crate::base::names::Domain;
use crate::tls::finding::{Code, Refusal};
use crate::tls::key::KeyKind;
use crate::tls::name::{CertName, covers};
use crate::tls::roots::Roots;
use crate::tls::store::{Meta, Store, StoreError};

/// How it is shown that names are ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Challenge {
    /// By a file that nginx serves.
    #[serde(rename = "http-01")]
    Http,
    /// By a record of DNS that a program sets.
    #[serde(rename = "dns-01")]
    Dns {
        /// The program.
        hook: PathBuf,
        /// How many seconds its servers may take to tell it.
        wait: u64,
    },
}

/// What is asked for, again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingOrder {
    /// Whom.
    pub directory: DirectoryUrl,
    /// Names besides the app's domains.
    pub domains: Vec<CertName>,
    /// How.
    pub challenge: Challenge,
    /// The authority's profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The kind of key that is made.
    pub key: KeyKind,
    /// The key stays the same.
    pub reuse_key: bool,
    /// The authority is trusted by roots of its own, which lie beside.
    pub own_roots: bool,
}

impl StandingOrder {
    /// That of an app; none where nothing was ordered.
    pub fn of(store: &Store) -> Result<Option<Self>, StoreError> {
        let file = file(store);
        let Some(text) = fs::read_if_exists(&file)? else {
            return Ok(None);
        };
        let order = serde_json::from_str(&text).map_err(|_| StoreError::Broken(file))?;
        Ok(Some(order))
    }

    /// Remembers it, with the roots (PEM) that it was given.
    pub fn keep(&self, store: &Store, roots: Option<&[u8]>) -> Result<(), FsError> {
        store.create()?;
        match roots {
            Some(roots) => fs::write(&roots_file(store), roots, fs::PUBLIC)?,
            None if self.own_roots => {}
            None => fs::remove_file(&roots_file(store))?,
        }
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        fs::write(&file(store), text.as_bytes(), fs::PUBLIC)
    }

    /// It is in force: the certificate that is served, of which `meta` is known, came of it.
    pub fn is_in_force(&self, meta: Option<&Meta>) -> bool {
        meta.and_then(|meta| meta.directory.as_deref()) == Some(self.directory.as_str())
    }

    /// The roots that were given with it, or the system's.
    pub fn roots(&self, store: &Store) -> Result<Roots, Refusal> {
        if !self.own_roots {
            return Ok(Roots::of_system());
        }
        match fs::read_bytes(&roots_file(store)) {
            Ok(bytes) => Roots::of_file(&bytes),
            Err(error) => Err(Refusal::new(Code::Untrusted, error.to_string())
                .hint("landfall cert issue --roots FILE   gives it again")),
        }
    }

    /// The names to order: the app's, then the others; none twice, none that a wildcard stands for (authorities refuse both).
    pub fn names(&self, app: &[Domain]) -> Result<Vec<CertName>, Refusal> {
        let mut names: Vec<CertName> = Vec::new();
        for domain in app {
            names.push(CertName::parse(domain.as_str())?);
        }
        names.extend(self.domains.iter().cloned());
        let is_covered = |name: &CertName| {
            let plain: Option<Domain> = name.as_str().parse().ok();
            plain.is_some_and(|plain| {
                let mut wildcards = names.iter().filter(|other| other.is_wildcard());
                wildcards.any(|other| covers(other.as_str(), &plain))
            })
        };
        let mut ordered: Vec<CertName> = Vec::new();
        for name in &names {
            if !is_covered(name) && !ordered.contains(name) {
                ordered.push(name.clone());
            }
        }
        Ok(ordered)
    }

    /// No file at a site shows that a whole domain is ours.
    pub fn check_wildcards(&self, names: &[CertName]) -> Result<(), Failure> {
        let wildcard = names.iter().find(|name| name.is_wildcard());
        match (wildcard, &self.challenge) {
            (Some(name), Challenge::Http) => Err(Failure::new(
                Code::AcmeWildcard,
                format!("authorities certify `{name}` by dns-01 only; nothing was asked"),
            )
            .hint("a program that sets records at your DNS: landfall cert issue --dns-hook FILE")),
            _ => Ok(()),
        }
    }
}

fn file(store: &Store) -> PathBuf {
    store.folder().join("acme.json")
}

fn roots_file(store: &Store) -> PathBuf {
    store.folder().join("acme-roots.pem")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(challenge: Challenge, domains: &[&str]) -> StandingOrder {
        StandingOrder {
            directory: "https://ca.example.org/dir".parse().unwrap(),
            domains: domains
                .iter()
                .map(|name| CertName::parse(name).unwrap())
                .collect(),
            challenge,
            profile: None,
            key: KeyKind::EcdsaP256,
            reuse_key: false,
            own_roots: false,
        }
    }

    #[test]
    fn names_are_the_apps_and_those_that_a_wildcard_stands_for_are_left_out() {
        let app: Vec<Domain> = ["example.org", "www.example.org", "a.b.example.org"]
            .map(|name| name.parse().unwrap())
            .to_vec();
        let dns = Challenge::Dns {
            hook: "/x".into(),
            wait: 10,
        };
        for (domains, names) in [
            (&[][..], "example.org www.example.org a.b.example.org"),
            (
                &["*.example.org"],
                "example.org a.b.example.org *.example.org",
            ),
            (
                &["more.example.net", "example.org"],
                "example.org www.example.org a.b.example.org more.example.net",
            ),
        ] {
            let order = order(dns.clone(), domains);
            let found = order.names(&app).unwrap();
            let found: Vec<&str> = found.iter().map(CertName::as_str).collect();
            assert_eq!(found.join(" "), names);
            order.check_wildcards(&order.names(&app).unwrap()).unwrap();
        }
        let http = order(Challenge::Http, &["*.example.org"]);
        let refused = http
            .check_wildcards(&http.names(&app).unwrap())
            .unwrap_err();
        assert_eq!(refused.code(), Code::AcmeWildcard);
    }

    #[test]
    fn it_is_remembered_whole_with_its_roots() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("notes"));
        assert_eq!(StandingOrder::of(&store).unwrap(), None);
        let dns = Challenge::Dns {
            hook: "/etc/landfall/hooks/dns".into(),
            wait: 30,
        };
        let order = StandingOrder {
            profile: Some("shortlived".into()),
            own_roots: true,
            ..order(dns, &["*.example.org"])
        };
        order.keep(&store, Some(b"roots")).unwrap();
        assert_eq!(StandingOrder::of(&store).unwrap(), Some(order.clone()));
        assert_eq!(fs::read(&roots_file(&store)).unwrap(), "roots");
        // A renewal gives none, and they stay; an order without own roots takes them away.
        order.keep(&store, None).unwrap();
        assert!(roots_file(&store).exists());
        StandingOrder {
            own_roots: false,
            ..order
        }
        .keep(&store, None)
        .unwrap();
        assert!(!roots_file(&store).exists());
        fs::write(&file(&store), b"{", fs::PUBLIC).unwrap();
        assert!(matches!(
            StandingOrder::of(&store),
            Err(StoreError::Broken(_))
        ));
    }
}
