//! The roots that are trusted: the system's, or those of a file.
//!
//! takes: nothing, or a file's bytes · gives: trust anchors · touches: reads the system's store

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, TrustAnchor};

use super::certificate::Certificate;
use super::finding::Refusal;
use super::intake;

/// Trusted roots.
#[derive(Debug, Default)]
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
}

impl Roots {
    /// The system's own (`ca-certificates`).
    pub fn of_system() -> Self {
        let loaded = rustls_native_certs::load_native_certs();
        Self::of(loaded.certs.iter().map(|each| each.to_vec()))
    }

    /// Those of a PEM file.
    pub fn of_file(bytes: &[u8]) -> Result<Self, Refusal> {
        let taken = intake::read(bytes)?;
        Ok(Self::of(
            taken.certificates.into_iter().map(|each| each.der),
        ))
    }

    fn of(all: impl Iterator<Item = Vec<u8>>) -> Self {
        let anchor = |der: Vec<u8>| {
            let der = CertificateDer::from(der);
            Some(webpki::anchor_from_trusted_cert(&der).ok()?.to_owned())
        };
        Self {
            anchors: all.filter_map(anchor).collect(),
        }
    }

    /// For the search of a path.
    pub(super) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// For connections.
    pub fn for_connections(&self) -> RootCertStore {
        RootCertStore {
            roots: self.anchors.clone(),
        }
    }

    /// True if one of them is called like the certificate's issuer.
    pub fn know_issuer_of(&self, certificate: &Certificate) -> bool {
        let mut anchors = self.anchors.iter();
        anchors.any(|anchor| certificate.names_as_issuer(anchor.subject.as_ref()))
    }
}
