//! A certificate, with what is asked about it.
//!
//! takes: DER · gives: facts · touches: nothing

use aws_lc_rs::digest;
use data_encoding::BASE64;
use x509_parser::oid_registry::{
    OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA, OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS,
    OID_SHA1_WITH_RSA,
};
use x509_parser::prelude::{
    FromDer, GeneralName, ParsedExtension, X509Certificate, X509Error, X509Name,
};

use super::key;
use crate::base::names::Domain;
use crate::base::words::shown;

/// ecdsa-with-SHA1 (RFC 3279).
const ECDSA_WITH_SHA1: &str = "1.2.840.10045.4.1";

/// One certificate, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// All of it.
    pub der: Vec<u8>,
    /// Whom it is for, in words fit for a message.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The public half of its key.
    pub spki: Vec<u8>,
    /// From when it is valid, in seconds since 1970.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
    /// The host names it is for; common names do not count.
    pub names: Vec<String>,
    /// It may sign others.
    pub is_ca: bool,
    /// Servers may use it.
    pub is_for_servers: bool,
    /// It is signed with SHA-1 or MD5.
    pub has_old_signature: bool,
    /// Where its issuer's certificate can be fetched, as it says.
    pub issuer_url: Option<String>,
    /// Its number, in hexadecimal.
    pub serial: String,
    raw_subject: Vec<u8>,
    raw_issuer: Vec<u8>,
}

impl Certificate {
    /// Reads DER; none if it is no certificate, or has something behind it.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let signature = &parsed.signature_algorithm.algorithm;
        let old = [
            OID_PKCS1_MD5WITHRSAENC,
            OID_PKCS1_SHA1WITHRSA,
            OID_SHA1_WITH_RSA,
        ];
        let is_old = old.contains(signature) || signature.to_id_string() == ECDSA_WITH_SHA1;
        let mut certificate = Self {
            der: der.to_vec(),
            subject: name_of(parsed.subject()),
            issuer: name_of(parsed.issuer()),
            spki: parsed.public_key().raw.to_vec(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            names: Vec::new(),
            is_ca: false,
            is_for_servers: true,
            has_old_signature: is_old,
            issuer_url: None,
            serial: shown(&parsed.raw_serial_as_string(), 80),
            raw_subject: parsed.subject().as_raw().to_vec(),
            raw_issuer: parsed.issuer().as_raw().to_vec(),
        };
        for extension in parsed.extensions() {
            certificate.take(extension.parsed_extension());
        }
        Some(certificate)
    }

    fn take(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => self.is_ca = constraints.ca,
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.is_for_servers = usage.server_auth || usage.any;
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                let names = names.general_names.iter();
                self.names = names
                    .filter_map(|name| match name {
                        GeneralName::DNSName(name) => Some(shown(name, 253)),
                        _ => None,
                    })
                    .collect();
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                // Beside it stands, and mostly first, where to ask for revocations (OCSP).
                let mut issuers = access
                    .accessdescs
                    .iter()
                    .filter(|each| each.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS);
                self.issuer_url = issuers.find_map(|each| match &each.access_location {
                    GeneralName::URI(url) if url.starts_with("http") => Some(shown(url, 200)),
                    _ => None,
                });
            }
            _ => {}
        }
    }

    /// Signed by itself.
    pub fn is_self_signed(&self) -> bool {
        self.raw_subject == self.raw_issuer && self.is_signed_by(self)
    }

    /// True if `other` has signed it: by name, and by its signature where its kind is known here.
    pub fn is_signed_by(&self, other: &Self) -> bool {
        if self.raw_issuer != other.raw_subject {
            return false;
        }
        let (Ok((_, own)), Ok((_, others))) = (
            X509Certificate::from_der(&self.der),
            X509Certificate::from_der(&other.der),
        ) else {
            return false;
        };
        match own.verify_signature(Some(others.public_key())) {
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => true,
            Err(_) => false,
        }
    }

    /// True if its issuer is called like the subject of `other`.
    pub fn names_as_issuer(&self, raw_subject: &[u8]) -> bool {
        // A trust anchor's subject comes without the head of its sequence.
        self.raw_issuer == raw_subject || self.raw_issuer.ends_with(raw_subject)
    }

    /// The domains that it is not for.
    pub fn missing<'a>(&self, domains: &'a [Domain]) -> Vec<&'a Domain> {
        let is_covered = |domain: &&Domain| {
            self.names
                .iter()
                .any(|name| super::name::covers(name, domain))
        };
        domains
            .iter()
            .filter(|domain| !is_covered(domain))
            .collect()
    }

    /// The names that none of the domains has.
    pub fn extra(&self, domains: &[Domain]) -> Vec<String> {
        let is_wanted = |name: &&String| {
            domains
                .iter()
                .any(|domain| super::name::covers(name, domain))
        };
        self.names
            .iter()
            .filter(|name| !is_wanted(name))
            .cloned()
            .collect()
    }

    /// Its key in words.
    pub fn key_kind(&self) -> String {
        key::kind_of(&self.spki)
    }

    /// SHA-256 of all of it, shown as people compare it.
    pub fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.der);
        data_encoding::HEXUPPER.encode(hash.as_ref())
    }

    /// As PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }
}

/// PEM of something public.
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// The common name, or all of the name where there is none.
fn name_of(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next();
    let common = common.and_then(|common| common.as_str().ok());
    match common {
        Some(common) if !common.trim().is_empty() => shown(common, 100),
        _ => shown(&name.to_string(), 100),
    }
}
