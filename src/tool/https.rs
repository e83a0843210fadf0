//! One HTTPS request to this machine's own nginx, one answer.
//!
//! takes: an address, a host name, a path · gives: the answer, or the certificates that are shown · touches: one connection
//!
//! The certificate is not judged here: it is asked what nginx serves, also while a self-signed pair stands in. The handshake
//! proves that the key belongs to it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::http::{BODY_LIMIT, HttpError, Response, read_response, refuse_controls};
use crate::base::socket;

/// GET `path` from `address`, with `host` as SNI and as the Host header. `timeout` is for the whole exchange.
pub fn get(
    address: SocketAddr,
    host: &str,
    path: &str,
    timeout: Duration,
) -> Result<Response, HttpError> {
    let to = format!("https://{host} on {address}");
    let fail = |error| HttpError::of(&to, timeout, error);
    refuse_controls(&[host, path]).map_err(fail)?;
    let connection = connection(host, &to)?;
    let tcp = socket::tcp(address, timeout).map_err(fail)?;
    let mut stream = StreamOwned::new(connection, tcp);
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {host}{}\r\nUser-Agent: landfall\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        port(address)
    );
    stream.write_all(request.as_bytes()).map_err(fail)?;
    read_response(&mut stream, BODY_LIMIT).map_err(fail)
}

/// The chain that is shown at `address` for `host`, its own first: a handshake and nothing more.
pub fn chain(
    address: SocketAddr,
    host: &str,
    timeout: Duration,
) -> Result<Vec<Vec<u8>>, HttpError> {
    let to = format!("{host} on {address}");
    let fail = |error| HttpError::of(&to, timeout, error);
    let mut connection = connection(host, &to)?;
    let mut tcp = socket::tcp(address, timeout).map_err(fail)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp).map_err(fail)?;
    }
    connection.send_close_notify();
    // Politeness towards a server that may be gone.
    let _ = connection.write_tls(&mut tcp);
    let chain = connection.peer_certificates().unwrap_or_default();
    Ok(chain.iter().map(|each| each.to_vec()).collect())
}

fn connection(host: &str, to: &str) -> Result<ClientConnection, HttpError> {
    let invalid = |error: String| HttpError::Invalid(to.to_owned(), error);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| invalid(error.to_string()))?;
    config()
        .and_then(|config| ClientConnection::new(Arc::new(config), name))
        .map_err(|error| invalid(error.to_string()))
}

/// `:8443`, where it is not the scheme's own.
fn port(address: SocketAddr) -> String {
    match address.port() {
        443 => String::new(),
        port => format!(":{port}"),
    }
}

fn config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.clone()));
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Takes every certificate; the signatures of the handshake must be its key's all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
