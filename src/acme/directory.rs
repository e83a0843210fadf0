//! An authority's directory: its address, which stands for the authority, and what it offers.
//!
//! takes: an address · gives: terms, profiles, whether it tells when to renew · touches: one request

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use http::Uri;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::failure::{Failure, down};
use crate::base::hint::{Hint, Kind};
use crate::base::words::{first_of, shown};
use crate::tls::finding::Code;

/// Let's Encrypt.
pub const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Its trial system: no browser trusts what it issues, and its limits are wide.
pub const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// The address of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DirectoryUrl(String);

/// It is none.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the address of an ACME directory")]
pub struct UrlError(String);

impl Hint for UrlError {
    fn hints(&self) -> Vec<String> {
        vec![format!("https://HOST/PATH, as in {PRODUCTION}")]
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl DirectoryUrl {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it issues is for trials only.
    pub fn is_staging(&self) -> bool {
        self.0 == STAGING
    }

    /// Who it is, for people: the host.
    pub fn host(&self) -> &str {
        let rest = self.0.trim_start_matches("https://");
        rest.split('/').next().unwrap_or(rest)
    }

    /// A name for files of it, which two directories never share.
    pub fn file_stem(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        let host = self.host().replace(|c: char| !is_plain(c), "_");
        let hash = digest::digest(&digest::SHA256, self.0.as_bytes());
        let hash = HEXLOWER.encode(hash.as_ref());
        format!("{}-{}", shown(&host, 80), &hash[..8])
    }
}

impl FromStr for DirectoryUrl {
    type Err = UrlError;

    fn from_str(given: &str) -> Result<Self, UrlError> {
        let refuse = || UrlError(shown(given, 80));
        let is_plain = |b: u8| b.is_ascii_graphic() && !b"\"'<>\\@#`".contains(&b);
        if !given.bytes().all(is_plain) || given.len() > 300 {
            return Err(refuse());
        }
        let uri: Uri = given.parse().map_err(|_| refuse())?;
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if uri.scheme_str() != Some("https") || !has_host {
            return Err(refuse());
        }
        Ok(Self(given.to_owned()))
    }
}

impl TryFrom<String> for DirectoryUrl {
    type Error = UrlError;
    fn try_from(given: String) -> Result<Self, UrlError> {
        given.parse()
    }
}

impl From<DirectoryUrl> for String {
    fn from(url: DirectoryUrl) -> Self {
        url.0
    }
}

impl fmt::Display for DirectoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a directory says of itself (RFC 8555, 7.1.1; the library keeps most of it to itself).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Directory {
    new_order: Option<String>,
    renewal_info: Option<String>,
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    terms_of_service: Option<String>,
    external_account_required: bool,
    profiles: BTreeMap<String, String>,
}

impl Directory {
    /// Asks for it.
    pub(super) fn fetch(client: &Client, url: &DirectoryUrl) -> Result<Self, Failure> {
        let body = client.get(url.as_str())?;
        Self::parse(&body).ok_or_else(|| {
            down("there is no ACME directory at that address")
                .because(url.as_str())
                .hint(format!("Let's Encrypt's is {PRODUCTION}"))
        })
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let directory: Self = serde_json::from_slice(body).ok()?;
        directory.new_order.is_some().then_some(directory)
    }

    /// It tells when to renew (RFC 9773).
    pub(super) fn tells_when_to_renew(&self) -> bool {
        self.renewal_info.is_some()
    }

    /// Its terms, for a message.
    pub(super) fn terms(&self) -> Option<String> {
        let terms = self.meta.terms_of_service.as_deref();
        terms.map(|url| shown(url, 200))
    }

    /// It takes accounts of people without a contract.
    pub(super) fn check_account(&self) -> Result<(), Failure> {
        if !self.meta.external_account_required {
            return Ok(());
        }
        Err(Failure::new(
            Code::AcmeRejected,
            "the authority takes accounts only of its customers (external account binding), which is not known here",
        )
        .hint("order there by hand: landfall csr"))
    }

    /// It has the profile.
    pub(super) fn check_profile(&self, profile: &str) -> Result<(), Failure> {
        if self.meta.profiles.contains_key(profile) {
            return Ok(());
        }
        let names: Vec<String> = self
            .meta
            .profiles
            .keys()
            .map(|name| shown(name, 40))
            .collect();
        let has = match &names[..] {
            [] => "it has none".to_owned(),
            names => format!("it has {}", first_of(names, 8)),
        };
        Err(Failure::new(
            Code::AcmeProfile,
            format!(
                "the authority does not have the profile `{}`: {has}",
                shown(profile, 40)
            ),
        )
        .hint("leave --profile out, or take one that it has"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_and_nothing_hides_in_it() {
        for good in [
            PRODUCTION,
            STAGING,
            "https://localhost:14000/dir",
            "https://[::1]:14000/dir",
        ] {
            assert_eq!(good.parse::<DirectoryUrl>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "http://ca.example.org/dir",
            "ca.example.org",
            "https://",
            "https:///dir",
            "https://user@ca.example.org/dir",
            "https://ca.example.org/a b",
            "https://ca.example.org/\u{1b}[31m",
            "https://ca.example.org/\n",
            "file:///etc/passwd",
        ] {
            assert!(bad.parse::<DirectoryUrl>().is_err(), "{bad}");
        }
        let stem = |url: &str| url.parse::<DirectoryUrl>().unwrap().file_stem();
        assert!(stem(PRODUCTION).starts_with("acme-v02.api.letsencrypt.org-"));
        assert_ne!(
            stem("https://ca.example.org/a"),
            stem("https://ca.example.org/b")
        );
        assert!(!stem("https://[::1]:14000/dir").contains([':', '/', '[']));
    }

    #[test]
    fn a_profile_must_be_offered_and_a_page_is_no_directory() {
        let text = r#"{"newOrder":"https://x/o","renewalInfo":"https://x/r","meta":{"termsOfService":"https://x/t","profiles":{"classic":"a","shortlived":"b"}}}"#;
        let directory = Directory::parse(text.as_bytes()).unwrap();
        directory.check_profile("classic").unwrap();
        let refused = directory.check_profile("tlsserver").unwrap_err();
        assert_eq!(refused.code(), Code::AcmeProfile);
        assert!(
            refused
                .to_string()
                .contains("it has classic and shortlived"),
            "{refused}"
        );
        assert!(directory.tells_when_to_renew() && directory.check_account().is_ok());
        let none = Directory::parse(br#"{"newOrder":"https://x/o"}"#).unwrap();
        assert!(
            none.check_profile("classic")
                .unwrap_err()
                .to_string()
                .contains("it has none")
        );
        assert!(!none.tells_when_to_renew());
        let customers = br#"{"newOrder":"https://x/o","meta":{"externalAccountRequired":true}}"#;
        assert!(
            Directory::parse(customers)
                .unwrap()
                .check_account()
                .is_err()
        );
        for page in [&b"<html>"[..], b"{}", b"[]", b"null"] {
            assert!(Directory::parse(page).is_none());
        }
    }
}
