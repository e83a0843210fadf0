//! Requests for certificates (PKCS#10).
//!
//! takes: names, a subject, a key · gives: a request, the same bytes that openssl makes · touches: nothing
//!
//! The library checks nothing: what goes in is checked here and in [`super::name`].

use std::fmt;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use rcgen::string::PrintableString;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509CertificationRequest};

use super::certificate::pem;
use super::finding::{Code, Refusal};
use super::key::PrivateKey;
use super::name::CertName;
use crate::base::hint::Hint;

/// What stands in the subject besides the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// State or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locality: Option<String>,
    /// The organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The first name again; authorities such as Sectigo want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<CertName>,
}

/// What a certificate is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The names, the first first.
    pub names: Vec<CertName>,
    /// The rest of the subject.
    pub subject: Subject,
}

/// A request, made.
#[derive(Debug, Clone)]
pub struct Request {
    der: Vec<u8>,
}

/// The library did not make it.
#[derive(Debug, thiserror::Error)]
#[error("the request could not be made")]
pub struct RequestError(#[source] rcgen::Error);

impl Hint for RequestError {}

impl Subject {
    /// Each part as authorities take it (RFC 5280, appendix A: their lengths).
    pub fn checked(mut self) -> Result<Self, Refusal> {
        if let Some(country) = &mut self.country {
            *country = country.to_ascii_uppercase();
            if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(
                    Refusal::new(Code::Country, "a country is its code of two letters")
                        .hint("--country FR"),
                );
            }
        }
        for (what, value, most) in [
            ("--state", &self.state, 128),
            ("--locality", &self.locality, 128),
            ("--org", &self.organization, 64),
        ] {
            let Some(value) = value else { continue };
            let count = value.chars().count();
            if value.trim() != value || !(1..=most).contains(&count) || value.contains(is_hidden) {
                return Err(Refusal::new(
                    Code::Subject,
                    format!("{what}: 1 to {most} characters, none of them invisible"),
                ));
            }
        }
        if let Some(name) = &self.common_name
            && name.as_str().len() > 64
        {
            return Err(Refusal::new(
                Code::CommonName,
                "the first name is longer than the 64 characters of a common name",
            )
            .hint("leave the common name out: --no-cn"));
        }
        Ok(self)
    }
}

fn is_hidden(c: char) -> bool {
    c.is_control() || crate::base::words::printable(&c.to_string()).len() != c.len_utf8()
}

impl fmt::Display for Subject {
    /// As openssl's `-subj`: `C=FR, O=Example, CN=example.org`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.common_name.as_ref().map(CertName::to_string);
        let parts = [
            ("C", &self.country),
            ("ST", &self.state),
            ("L", &self.locality),
            ("O", &self.organization),
            ("CN", &name),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(short, value)| Some(format!("{short}={}", value.as_ref()?)))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

impl Request {
    /// Makes it, signed by `key`.
    pub fn make(wanted: &Wanted, key: &PrivateKey) -> Result<Self, RequestError> {
        let names: Vec<String> = wanted.names.iter().map(CertName::to_string).collect();
        let mut params = CertificateParams::new(names).map_err(RequestError)?;
        params.distinguished_name = distinguished_name(&wanted.subject)?;
        let request = params.serialize_request(key.pair()).map_err(RequestError)?;
        Ok(Self {
            der: request.der().to_vec(),
        })
    }

    /// One that was made before; none if it is none.
    pub fn parse(pem: &str) -> Option<Self> {
        let blocks = super::intake::text::blocks(pem).ok()?;
        let der = blocks.first()?.der();
        is_request(der).then(|| Self { der: der.to_vec() })
    }

    /// What is pasted at the authority.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE REQUEST", &self.der)
    }

    /// All of it.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// MD5 of all of it: part of the name of the record that Sectigo looks for.
    pub fn md5(&self) -> String {
        HEXLOWER.encode(&Md5::digest(&self.der))
    }

    /// SHA-256 of all of it: what that record holds.
    pub fn sha256(&self) -> String {
        HEXLOWER.encode(digest::digest(&digest::SHA256, &self.der).as_ref())
    }
}

fn distinguished_name(subject: &Subject) -> Result<DistinguishedName, RequestError> {
    let mut name = DistinguishedName::new();
    if let Some(country) = &subject.country {
        let country = PrintableString::try_from(country.as_str()).map_err(RequestError)?;
        name.push(DnType::CountryName, DnValue::PrintableString(country));
    }
    for (kind, value) in [
        (DnType::StateOrProvinceName, &subject.state),
        (DnType::LocalityName, &subject.locality),
        (DnType::OrganizationName, &subject.organization),
    ] {
        if let Some(value) = value {
            name.push(kind, value.as_str());
        }
    }
    if let Some(common) = &subject.common_name {
        name.push(DnType::CommonName, common.as_str());
    }
    Ok(name)
}

/// True for the DER of a request.
pub(super) fn is_request(der: &[u8]) -> bool {
    X509CertificationRequest::from_der(der).is_ok_and(|(rest, _)| rest.is_empty())
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
