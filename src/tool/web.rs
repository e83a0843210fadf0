//! One HTTPS request to a server elsewhere, whose certificate is judged.
//!
//! takes: a method, an address, headers, a body · gives: the answer · touches: the network
//!
//! A connection for each request: what is asked this way is asked a dozen times in a day. TLS sessions are resumed where the
//! configuration is shared.

use std::io::{self, Read, Write};
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::http::{HttpError, Response, parse_head, read_some, refuse_controls};
use crate::base::hint::Hint;
use crate::base::socket;

/// The most that is read of an answer, in bytes: a chain of certificates has some thousand.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// The longest line that says how long a chunk is.
const CHUNK_HEAD: usize = 256;

/// What is asked.
#[derive(Debug)]
pub struct Request<'a> {
    /// `GET`, `HEAD` or `POST`.
    pub method: &'a str,
    /// Who is asked: a name or an address, without brackets.
    pub host: &'a str,
    /// At which port.
    pub port: u16,
    /// Path and query.
    pub target: &'a str,
    /// Headers besides Host and those of the connection.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty where there is none.
    pub body: &'a [u8],
}

/// No answer.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Its name leads nowhere.
    #[error("the address of {0} cannot be found")]
    Resolve(String, #[source] io::Error),
    /// Its certificate is not trusted, or it speaks no TLS.
    #[error("the connection to {0} cannot be trusted")]
    Tls(String, #[source] rustls::Error),
    /// Anything else.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl Hint for WebError {}

/// How servers are judged: by these roots.
///
/// # Errors
/// None in practice: the cryptography that was compiled in knows TLS 1.2 and 1.3.
pub fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Asks once. `timeout` is for each address that the name has.
pub fn ask(
    config: &Arc<ClientConfig>,
    request: &Request<'_>,
    timeout: Duration,
) -> Result<Response, WebError> {
    let to = format!("{}:{}", request.host, request.port);
    let fail = |error| WebError::Http(HttpError::of(&to, timeout, error));
    let words = request.headers.iter().map(|(_, value)| *value);
    if words.clone().any(|value| value.contains(['\r', '\n'])) {
        return Err(fail(io::ErrorKind::InvalidData.into()));
    }
    refuse_controls(&[request.method, request.host, request.target]).map_err(fail)?;
    let name = ServerName::try_from(request.host.to_owned())
        .map_err(|error| WebError::Resolve(to.clone(), io::Error::other(error)))?;
    let addresses: Vec<_> = (request.host, request.port)
        .to_socket_addrs()
        .map_err(|error| WebError::Resolve(to.clone(), error))?
        .collect();
    let mut last = WebError::Resolve(to.clone(), io::ErrorKind::NotFound.into());
    for address in addresses {
        match socket::tcp(address, timeout) {
            Ok(mut tcp) => {
                let tls = |error| WebError::Tls(to.clone(), error);
                let mut connection =
                    ClientConnection::new(config.clone(), name.clone()).map_err(tls)?;
                shake_hands(&mut connection, &mut tcp, &to, timeout)?;
                let mut stream = StreamOwned::new(connection, tcp);
                return exchange(&mut stream, request).map_err(fail);
            }
            Err(error) => last = fail(error),
        }
    }
    Err(last)
}

fn shake_hands(
    connection: &mut ClientConnection,
    tcp: &mut (impl Read + Write),
    to: &str,
    timeout: Duration,
) -> Result<(), WebError> {
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(tcp) {
            let cause = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            return Err(match cause {
                Some(cause) => WebError::Tls(to.to_owned(), cause.clone()),
                None => HttpError::of(to, timeout, error).into(),
            });
        }
    }
    Ok(())
}

fn exchange(stream: &mut (impl Read + Write), request: &Request<'_>) -> io::Result<Response> {
    let host = match (request.host.contains(':'), request.port) {
        (false, 443) => request.host.to_owned(),
        (false, port) => format!("{}:{port}", request.host),
        (true, port) => format!("[{}]:{port}", request.host),
    };
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n",
        request.method, request.target
    );
    for (name, value) in request.headers {
        head.extend([*name, ": ", *value, "\r\n"]);
    }
    if request.method == "POST" {
        let length = request.body.len().to_string();
        head.extend(["Content-Length: ", &length, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(request.body)?;
    stream.flush()?;
    read_answer(stream, request.method != "HEAD")
}

/// Reads one answer to a request of HTTP/1.1: its body in chunks, of an announced length, or until the end.
fn read_answer(source: &mut impl Read, has_body: bool) -> io::Result<Response> {
    let mut bytes = Vec::new();
    let mut response = loop {
        match parse_head(&bytes)? {
            // 103 Early Hints and the like come before the answer.
            Some((response, head)) if response.status < 200 => {
                drop(response);
                bytes.drain(..head);
            }
            Some((response, head)) => {
                bytes.drain(..head);
                break response;
            }
            None => more(source, &mut bytes)?,
        }
    };
    if !has_body || [204, 304].contains(&response.status) {
        return Ok(response);
    }
    let encoding = response.header("transfer-encoding").unwrap_or_default();
    if encoding.eq_ignore_ascii_case("chunked") {
        response.body = chunks(source, &mut bytes)?;
        return Ok(response);
    }
    let announced = response.header("content-length");
    if let Some(length) = announced.and_then(|value| value.parse::<usize>().ok()) {
        response.body = exactly(source, &mut bytes, length)?;
        return Ok(response);
    }
    loop {
        match read_some(source, &mut bytes) {
            Ok(0) => break,
            Ok(_) if bytes.len() > ANSWER_LIMIT => return Err(too_long()),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    response.body = bytes;
    Ok(response)
}

fn chunks(source: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let parsed = httparse::parse_chunk_size(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk without its size"))?;
        let httparse::Status::Complete((head, size)) = parsed else {
            if bytes.len() > CHUNK_HEAD {
                return Err(too_long());
            }
            more(source, bytes)?;
            continue;
        };
        bytes.drain(..head);
        if size == 0 {
            // Trailers may follow; the connection ends here anyway.
            return Ok(body);
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if body.len().saturating_add(size) > ANSWER_LIMIT {
            return Err(too_long());
        }
        body.extend(exactly(source, bytes, size)?);
        exactly(source, bytes, "\r\n".len())?;
    }
}

/// Takes that many bytes from the front of what was read, reading on until they are there.
fn exactly(source: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    if length > ANSWER_LIMIT {
        return Err(too_long());
    }
    while bytes.len() < length {
        more(source, bytes)?;
    }
    Ok(bytes.drain(..length).collect())
}

fn more(source: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    if bytes.len() > ANSWER_LIMIT {
        return Err(too_long());
    }
    match read_some(source, bytes)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is too long")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::http::tests::Drip;

    fn read(text: &str, has_body: bool) -> io::Result<Response> {
        let slow = read_answer(&mut Drip(text.as_bytes()), has_body);
        let fast = read_answer(&mut text.as_bytes(), has_body);
        match (&slow, &fast) {
            (Ok(slow), Ok(fast)) => assert_eq!(slow, fast),
            (Err(slow), Err(fast)) => assert_eq!(slow.kind(), fast.kind()),
            other => panic!("{text:?}: {other:?}"),
        }
        slow
    }

    #[test]
    fn an_answer_ends_where_it_says() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (text, body) in [
            (
                format!("{chunked}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
                "abcde",
            ),
            (
                "HTTP/1.1 201 C\r\nContent-Length: 2\r\n\r\nokmore".into(),
                "ok",
            ),
            ("HTTP/1.1 200 OK\r\n\r\nto the end".into(), "to the end"),
            ("HTTP/1.1 204 N\r\n\r\n".into(), ""),
            (
                "HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
                    .into(),
                "a",
            ),
        ] {
            assert_eq!(read(&text, true).unwrap().text(), body, "{text}");
        }
        let head = read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", false).unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0));
    }

    #[test]
    fn one_that_is_cut_or_has_no_end_is_no_answer() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (text, kind) in [
            (format!("{chunked}3\r\nab"), io::ErrorKind::UnexpectedEof),
            (chunked.to_owned(), io::ErrorKind::UnexpectedEof),
            (format!("{chunked}zz\r\n"), io::ErrorKind::InvalidData),
            (
                format!("{chunked}ffffffffffffffff\r\n"),
                io::ErrorKind::InvalidData,
            ),
            (
                format!("{chunked}{}", "0".repeat(400)),
                io::ErrorKind::InvalidData,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".into(),
                io::ErrorKind::InvalidData,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab".into(),
                io::ErrorKind::UnexpectedEof,
            ),
            (String::new(), io::ErrorKind::UnexpectedEof),
        ] {
            assert_eq!(read(&text, true).unwrap_err().kind(), kind, "{text}");
        }
    }

    #[test]
    fn a_request_is_written_whole_and_cannot_be_added_to() {
        struct Wire(Vec<u8>, &'static [u8]);
        impl Read for Wire {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1.read(buffer)
            }
        }
        impl Write for Wire {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let request = Request {
            method: "POST",
            host: "ca.example.org",
            port: 14000,
            target: "/dir",
            headers: &[("Content-Type", "application/jose+json")],
            body: b"{}",
        };
        let mut wire = Wire(Vec::new(), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        exchange(&mut wire, &request).unwrap();
        assert_eq!(
            String::from_utf8(wire.0).unwrap(),
            "POST /dir HTTP/1.1\r\nHost: ca.example.org:14000\r\nConnection: close\r\nContent-Type: application/jose+json\r\nContent-Length: 2\r\n\r\n{}"
        );
        let config = trusting(RootCertStore::empty()).unwrap();
        for (target, header) in [("/a b", "x"), ("/a\r\nX: y", "x"), ("/", "x\r\nY: z")] {
            let request = Request {
                target,
                headers: &[("A", header)],
                ..request
            };
            let refused = ask(&config, &request, Duration::from_secs(1)).unwrap_err();
            assert!(
                matches!(refused, WebError::Http(HttpError::Invalid(..))),
                "{refused}"
            );
        }
    }
}
