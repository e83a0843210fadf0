//! Private keys: made, read in any form openssl writes, told apart by their public half.
//!
//! takes: a kind, or text · gives: a key · touches: nothing
//!
//! What was read is written back in the form it had: rcgen labels every key PKCS#8, whatever it is, and nginx refuses that.

use std::fmt;

use aws_lc_rs::digest;
use data_encoding::{BASE64, HEXLOWER};
use rcgen::{KeyPair, PublicKeyData, RsaKeySize};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use serde::{Deserialize, Serialize};
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;
use zeroize::{Zeroize, Zeroizing};

use super::finding::{Code, Refusal};
use super::intake::text::{self, Block};
use crate::base::secret::Secret;

/// The kinds of keys that are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// What every authority takes.
    #[value(name = "rsa2048")]
    Rsa2048,
    /// Longer.
    #[value(name = "rsa3072")]
    Rsa3072,
    /// Longer still; slow to make and to use.
    #[value(name = "rsa4096")]
    Rsa4096,
    /// Short and fast.
    #[value(name = "ecdsa-p256")]
    EcdsaP256,
    /// Longer than P-256.
    #[value(name = "ecdsa-p384")]
    EcdsaP384,
}

impl KeyKind {
    /// As [`kind_of`] says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rsa2048 => "RSA 2048",
            Self::Rsa3072 => "RSA 3072",
            Self::Rsa4096 => "RSA 4096",
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
        }
    }
}

/// A key was not made.
#[derive(Debug, thiserror::Error)]
#[error("a key could not be made")]
pub struct MakeError(#[source] rcgen::Error);

impl crate::base::hint::Hint for MakeError {}

/// A private key with the text it is kept as.
pub struct PrivateKey {
    pair: KeyPair,
    pem: Secret,
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.fingerprint())
    }
}

impl PrivateKey {
    /// Makes a new one.
    pub fn make(kind: KeyKind) -> Result<Self, MakeError> {
        let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
        let pair = match kind {
            KeyKind::Rsa2048 => rsa(RsaKeySize::_2048),
            KeyKind::Rsa3072 => rsa(RsaKeySize::_3072),
            KeyKind::Rsa4096 => rsa(RsaKeySize::_4096),
            KeyKind::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyKind::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        }
        .map_err(MakeError)?;
        let pem = Secret::new(pair.serialize_pem());
        Ok(Self { pair, pem })
    }

    /// Reads one.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let text = text::decode(bytes).ok_or_else(|| not_text(bytes))?;
        let block = only_key(&text)?;
        let der = key_der(&block)?;
        let pair = KeyPair::try_from(&der).map_err(|_| unreadable(block.der()))?;
        let public = pair.subject_public_key_info();
        let name = kind_of(&public);
        if !is_taken(&public) {
            return Err(Refusal::new(
                Code::KeyType,
                format!("this is a key of the kind {name}; no public authority takes it"),
            )
            .hint("landfall csr --key rsa2048   makes one that they take"));
        }
        Ok(Self {
            pair,
            pem: written(block.label(), block.der()),
        })
    }

    /// As it is kept in a file.
    pub fn pem(&self) -> &Secret {
        &self.pem
    }

    /// For signing.
    pub(super) fn pair(&self) -> &KeyPair {
        &self.pair
    }

    /// The public half (`SubjectPublicKeyInfo`, DER).
    pub fn spki(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// Of the public half.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.spki())
    }

    /// In words: `RSA 2048`.
    pub fn kind(&self) -> String {
        kind_of(&self.spki())
    }
}

/// SHA-256 of a public half, in hexadecimal: what identifies a key in messages.
pub fn fingerprint(spki: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, spki).as_ref())
}

/// A public half in words: `RSA 2048`, `ECDSA P-256`.
pub fn kind_of(spki: &[u8]) -> String {
    let Ok((_, info)) = SubjectPublicKeyInfo::from_der(spki) else {
        return "unknown".into();
    };
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(_)) => format!("ECDSA {}", curve(&info).unwrap_or("of another curve")),
        _ => info.algorithm.algorithm.to_id_string(),
    }
}

fn curve(info: &SubjectPublicKeyInfo<'_>) -> Option<&'static str> {
    let oid = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
    [
        (OID_EC_P256, "P-256"),
        (OID_NIST_EC_P384, "P-384"),
        (OID_NIST_EC_P521, "P-521"),
    ]
    .into_iter()
    .find_map(|(known, name)| (known == oid).then_some(name))
}

/// True for what the Baseline Requirements allow (6.1.5).
pub fn is_taken(spki: &[u8]) -> bool {
    let Ok((_, info)) = SubjectPublicKeyInfo::from_der(spki) else {
        return false;
    };
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() >= 2048,
        Ok(PublicKey::EC(_)) => curve(&info).is_some(),
        _ => false,
    }
}

fn only_key(text: &str) -> Result<Block, Refusal> {
    let blocks = match text::blocks(text) {
        Ok(blocks) => blocks,
        Err(fault) => return Err(broken(text, &fault)),
    };
    let mut others = Vec::new();
    for block in blocks {
        let label = block.label();
        if label == "ENCRYPTED PRIVATE KEY" || block.has_header() {
            return Err(Refusal::new(
                Code::KeyEncrypted,
                "the key is under a passphrase, which nginx cannot be given",
            )
            .hint("openssl pkey -in KEY -out KEY2   asks for it and writes the key without"));
        }
        if label.ends_with("PRIVATE KEY") {
            return Ok(block);
        }
        others.push(label.to_owned());
    }
    Err(
        match others
            .iter()
            .map(String::as_str)
            .find(|label| *label != "EC PARAMETERS")
        {
            Some("PUBLIC KEY" | "RSA PUBLIC KEY") => {
                Refusal::new(Code::KeyIsPublic, "this is the public half of a key")
            }
            Some(_) => Refusal::new(
                Code::KeyIsOther,
                "this holds a certificate or a request, and no private key",
            ),
            None => Refusal::new(Code::KeyNone, "there is no private key in it"),
        },
    )
}

/// The text has markers that do not fit together; what stands between them is not looked at.
fn broken(text: &str, fault: &text::Fault) -> Refusal {
    let one_line = text.trim().lines().count() <= 1;
    match fault {
        text::Fault::Dashes(_) | text::Fault::Base64(_) if !one_line => Refusal::new(
            Code::KeyTruncated,
            "the key's text is damaged: copy the file itself, not its text",
        ),
        _ if one_line => Refusal::new(Code::KeyOneLine, "the key's line breaks are gone")
            .hint("copy the file itself, not its text"),
        _ => Refusal::new(
            Code::KeyTruncated,
            "a part of the key is missing: its END line, or lines before it",
        )
        .hint("copy the file itself, not its text"),
    }
}

fn key_der(block: &Block) -> Result<PrivateKeyDer<'static>, Refusal> {
    let bytes = block.der().to_vec();
    match block.label() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(bytes).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(bytes).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(bytes).into()),
        _ => Err(Refusal::new(
            Code::KeyType,
            "keys of this kind are not known here",
        )),
    }
}

/// `rsaEncryption`, as it stands in PKCS#8.
const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// An RSA key of 2048 bits has 1190 bytes at least.
const SHORT_RSA: usize = 1100;

/// The library has one word for all it does not take.
fn unreadable(der: &[u8]) -> Refusal {
    let is_whole = text::der_length(der) == Some(der.len());
    if !is_whole {
        return Refusal::new(Code::KeyTruncated, "a part of the key is missing")
            .hint("copy the file itself, not its text");
    }
    let has_oid = der.windows(RSA.len()).any(|window| window == RSA);
    // PKCS#1: a sequence that begins with version 0 and a number of more than 60 bytes.
    let is_pkcs1 = der.get(4..7) == Some(&[2, 1, 0]) && der.get(7) == Some(&2);
    if (has_oid || is_pkcs1) && der.len() < SHORT_RSA {
        return Refusal::new(Code::KeyWeak, "the RSA key has less than 2048 bits")
            .hint("landfall csr --new   makes a key of 2048 bits");
    }
    Refusal::new(
        Code::KeyType,
        "keys of this kind are not taken: RSA of 2048 to 8192 bits, ECDSA P-256, P-384, P-521",
    )
    .hint("landfall csr --key rsa2048   makes one")
}

fn not_text(bytes: &[u8]) -> Refusal {
    if text::der_length(bytes).is_some() {
        return Refusal::new(Code::KeyDer, "this is DER, not PEM")
            .hint("openssl pkey -inform DER -in KEY -out KEY2");
    }
    Refusal::new(Code::KeyNone, "this is no text, and no key")
}

/// PEM with the label it had: line ends and width as openssl writes them.
fn written(label: &str, der: &[u8]) -> Secret {
    let body = Zeroizing::new(BASE64.encode(der));
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 40);
    for part in ["-----BEGIN ", label, "-----\n"] {
        text.push_str(part);
    }
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    for part in ["-----END ", label, "-----\n"] {
        text.push_str(part);
    }
    Secret::new(text)
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
