//! A self-signed pair, which stands in until a certificate is issued: nginx needs one to listen on 443 at all.
//!
//! takes: names · gives: a pair · touches: nothing

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};

use super::store::{Meta, Pair};
use crate::base::hint::Hint;
use crate::base::names::Domain;
use crate::base::secret::Secret;

/// How long it is valid: long enough not to trouble anybody who never wanted another.
const VALID: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Clocks of visitors may be behind.
const BEFORE: Duration = Duration::from_secs(60 * 60);

/// A pair that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("a self-signed certificate cannot be made for {0}")]
pub struct SelfSignedError(String, #[source] rcgen::Error);

impl Hint for SelfSignedError {}

/// Makes the pair that stands in for `names`.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub fn make(names: &[Domain], now: SystemTime) -> Result<Pair, SelfSignedError> {
    let mut pair = make_for(names, now, VALID)?;
    pair.meta.stand_in = true;
    Ok(pair)
}

/// Makes a pair for `names` with a new P-256 key, valid from an hour before `now` for as long as `valid`.
///
/// # Errors
/// A name that cannot stand in a certificate.
pub fn make_for(
    names: &[Domain],
    now: SystemTime,
    valid: Duration,
) -> Result<Pair, SelfSignedError> {
    let first = names.first().map(Domain::to_string).unwrap_or_default();
    let fail = |error| SelfSignedError(first.clone(), error);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(fail)?;
    let until = now + valid;
    let mut params =
        CertificateParams::new(names.iter().map(Domain::to_string).collect::<Vec<_>>())
            .map_err(fail)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Landfall stand-in, not trusted");
    params.not_before = (now - BEFORE).into();
    params.not_after = until.into();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Of the key, which is new each time (the default would be too, but its first bit may say negative).
    params.serial_number = Some(serial(&key));
    let certificate = params.self_signed(&key).map_err(fail)?;
    let not_after = until.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Pair {
        certificate: certificate.pem(),
        key: Secret::new(key.serialize_pem()),
        meta: Meta {
            stand_in: false,
            own_authority: false,
            directory: None,
            names: names.to_vec(),
            not_after: not_after.as_secs(),
        },
    })
}

/// 127 bits of the new public key's point; RFC 5280, 4.1.2.2 wants a positive number of at most 20 bytes.
fn serial(key: &KeyPair) -> SerialNumber {
    let point = key.public_key_raw();
    let mut bytes: Vec<u8> = point.iter().rev().take(16).copied().collect();
    if let Some(first) = bytes.first_mut() {
        *first &= 0x7f;
    }
    SerialNumber::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::command::{Cmd, output};
    use crate::base::fs;

    #[test]
    fn openssl_takes_the_pair_for_each_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<Domain> = ["example.org", "www.example.org"]
            .map(|name| name.parse().unwrap())
            .to_vec();
        let pair = make(&names, UNIX_EPOCH + Duration::from_secs(1_790_000_000)).unwrap();
        let path = dir.path().join("c.pem");
        fs::write(&path, pair.certificate.as_bytes(), fs::PUBLIC).unwrap();
        fs::write(
            &dir.path().join("k.pem"),
            pair.key.expose().as_bytes(),
            0o600,
        )
        .unwrap();
        let openssl = |args: &[&str]| {
            output(&Cmd::new("openssl").args(args.to_vec()).cwd(dir.path())).unwrap()
        };
        for name in ["example.org", "www.example.org"] {
            let said = openssl(&[
                "verify",
                "-CAfile",
                "c.pem",
                "-verify_hostname",
                name,
                "c.pem",
            ]);
            assert_eq!(said, "c.pem: OK");
        }
        let text = openssl(&["x509", "-in", "c.pem", "-noout", "-text"]);
        for part in ["CA:FALSE", "TLS Web Server Authentication", "prime256v1"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let of_certificate = openssl(&["x509", "-in", "c.pem", "-noout", "-pubkey"]);
        assert_eq!(
            of_certificate,
            openssl(&["pkey", "-in", "k.pem", "-pubout"])
        );
        let again = make(&names, UNIX_EPOCH + Duration::from_secs(1_790_000_000)).unwrap();
        assert_ne!(again.certificate, pair.certificate);
    }
}
