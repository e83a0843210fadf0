//! How requests reach an authority: over [`crate::tool::web`], one after the other, with limits on time and size.
//!
//! takes: the library's requests · gives: answers · touches: the network
//!
//! The library brings a client of its own, at the price of a megabyte and a half of program, and without a limit on either
//! (docs/internals/decisions/0030).

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Uri};
use httpdate::parse_http_date;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::ClientConfig;

use super::failure::{Failure, WireError, down, of_error};
use crate::base::hint::chain;
use crate::base::words::shown;
use crate::tls::roots::Roots;
use crate::tool::http::Response;
use crate::tool::web;

/// The longest that one answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
const AGENT: &str = concat!("landfall/", env!("CARGO_PKG_VERSION"));

/// Asks authorities.
#[derive(Clone)]
pub(super) struct Client {
    tls: Arc<ClientConfig>,
    now: u64,
    /// Until when the last answer that was an error asks for patience.
    again_at: Arc<Mutex<Option<u64>>>,
}

impl Client {
    /// One that trusts `roots`; `now` is the time, in seconds since 1970.
    pub(super) fn new(roots: &Roots, now: u64) -> Result<Self, Failure> {
        let tls = web::trusting(roots.for_connections())
            .map_err(|error| down("TLS does not work here").because(&error.to_string()))?;
        Ok(Self {
            tls,
            now,
            again_at: Arc::default(),
        })
    }

    /// Until when the authority asks for patience, if its last error said so.
    pub(super) fn again_at(&self) -> Option<u64> {
        *self.again_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies at an address.
    pub(super) fn get(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let fail = |error: Error| of_error(&error).again_at(self.again_at());
        let uri: Uri = url
            .parse()
            .map_err(|error| fail(Error::InvalidUri(error)))?;
        let response = self.exchange("GET", &uri, &[], b"").map_err(fail)?;
        if response.status != 200 {
            return Err(fail(no_acme(&response)));
        }
        Ok(response.body)
    }

    fn exchange(
        &self,
        method: &str,
        uri: &Uri,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, Error> {
        let silent = |said: String| Error::Other(Box::new(WireError::Silent(said)));
        let (Some("https"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(silent(format!(
                "`{}` is no address of https",
                shown(&uri.to_string(), 100)
            )));
        };
        tracing::debug!(%method, %uri, "acme");
        let request = web::Request {
            method,
            host: host.trim_start_matches('[').trim_end_matches(']'),
            port: uri.port_u16().unwrap_or(443),
            target: uri.path_and_query().map_or("/", |target| target.as_str()),
            headers,
            body,
        };
        let response = web::ask(&self.tls, &request, TIMEOUT)
            .map_err(|error| silent(chain(&error).join(": ")))?;
        tracing::debug!(status = response.status, "acme");
        if response.status >= 400 {
            let patience = response.header("retry-after");
            let until = patience.and_then(|text| retry_at(text, self.now));
            *self.again_at.lock().unwrap_or_else(PoisonError::into_inner) = until;
            // The library wants a problem document of every error, and nothing else will do.
            if serde_json::from_slice::<serde_json::Map<_, _>>(&response.body).is_err() {
                return Err(no_acme(&response));
            }
        }
        Ok(response)
    }
}

fn no_acme(response: &Response) -> Error {
    Error::Other(Box::new(WireError::NoAcme {
        status: response.status,
        start: shown(response.text().trim(), 60),
    }))
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
fn retry_at(text: &str, now: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(now.saturating_add(seconds));
    }
    let date = parse_http_date(text).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            // A body can be read once it is an answer's.
            let mut body = BytesResponse::from(http::Response::new(body)).body;
            let body = body.into_bytes().await.map_err(Error::Other)?;
            let mut headers: Vec<(&str, &str)> = Vec::new();
            for (name, value) in &parts.headers {
                // The library's own name stands after ours.
                if name != http::header::USER_AGENT {
                    headers.push((name.as_str(), value.to_str().unwrap_or_default()));
                }
            }
            let library = parts.headers.get(http::header::USER_AGENT);
            let library = library.and_then(|value| value.to_str().ok());
            let agent = format!("{AGENT} {}", library.unwrap_or_default());
            headers.push(("User-Agent", &agent));
            let response = client.exchange(parts.method.as_str(), &parts.uri, &headers, &body)?;
            let mut answer = http::Response::builder().status(response.status);
            for (name, value) in &response.headers {
                answer = answer.header(name, value);
            }
            let answer = answer.body(BodyWrapper::from(response.body))?;
            Ok(BytesResponse::from(answer))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_seconds_or_a_date() {
        assert_eq!(retry_at(" 120 ", 1000), Some(1120));
        assert_eq!(
            retry_at("Sun, 06 Nov 1994 08:49:37 GMT", 1),
            Some(784_111_777)
        );
        assert_eq!(retry_at("99999999999999999999", 1), None);
        assert_eq!(retry_at("18446744073709551615", 5), Some(u64::MAX));
        assert_eq!(retry_at("soon", 1), None);
    }

    #[test]
    fn nobody_is_asked_without_tls_and_who_does_not_answer_is_down() {
        let client = Client::new(&Roots::default(), 0).unwrap();
        for url in ["http://127.0.0.1/dir", "https://127.0.0.1:9/dir", "/dir"] {
            let failure = client.get(url).unwrap_err();
            assert_eq!(
                failure.code(),
                crate::tls::finding::Code::AcmeDown,
                "{url}: {failure}"
            );
            assert!(!failure.has_asked);
        }
    }
}
