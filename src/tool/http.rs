//! One HTTP request, one answer.
//!
//! takes: an address, a host, a path · gives: [`Response`] · touches: one connection

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use crate::base::hint::Hint;
use crate::base::socket;
use crate::base::words::{printable, shorten, span};

/// The most that is read of a body, in bytes; a health page or an index page is far below.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// The most that the status line and the headers may take, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;
/// The most headers an answer may have.
const MOST_HEADERS: usize = 128;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names and values, in the order they came; values that are not UTF-8 have their odd bytes replaced.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`BODY_LIMIT`] bytes of it.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(each, _)| each.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; odd bytes are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request that got no answer. Which of these it is decides whether asking again makes sense.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The unix socket is not there (yet).
    #[error("there is no socket {0}")]
    NoSocket(String),
    /// Nobody listens there.
    #[error("nobody listens on {0}")]
    Refused(String),
    /// The connection was closed before an answer was whole.
    #[error("{0} closed the connection before it answered")]
    Closed(String),
    /// No answer in time.
    #[error("{0} did not answer within {wait}", wait = span(*.1))]
    Timeout(String, Duration),
    /// What came is not an HTTP answer.
    #[error("{0} gave no HTTP answer: {1}")]
    Invalid(String, String),
    /// The connection failed in another way.
    #[error("cannot ask {0}")]
    Io(String, #[source] io::Error),
}

impl Hint for HttpError {}

impl HttpError {
    /// The error of an operation on the connection to `to`, which had `timeout` in all.
    pub(crate) fn of(to: &str, timeout: Duration, error: io::Error) -> Self {
        let to = to.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NoSocket(to),
            io::ErrorKind::ConnectionRefused => Self::Refused(to),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Self::Timeout(to, timeout.max(Duration::from_secs(1)))
            }
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::Closed(to),
            io::ErrorKind::InvalidData => Self::Invalid(to, error.to_string()),
            _ => Self::Io(to, error),
        }
    }

    /// True where the other side may be about to start: no socket, nobody listening, closed at once.
    pub fn may_be_starting(&self) -> bool {
        matches!(self, Self::NoSocket(_) | Self::Refused(_) | Self::Closed(_))
    }
}

/// GET `path` (query included) from `address`, with `host` as the Host header. `timeout` is for the whole exchange.
/// Redirects are answers like others.
pub fn get(
    address: SocketAddr,
    host: &str,
    path: &str,
    timeout: Duration,
) -> Result<Response, HttpError> {
    get_at_most(address, host, path, timeout, BODY_LIMIT)
}

/// [`get`], with at most `limit` bytes of the body.
pub fn get_at_most(
    address: SocketAddr,
    host: &str,
    path: &str,
    timeout: Duration,
    limit: usize,
) -> Result<Response, HttpError> {
    let to = address.to_string();
    let fail = |error| HttpError::of(&to, timeout, error);
    refuse_controls(&[host, path]).map_err(fail)?;
    let mut stream = socket::tcp(address, timeout).map_err(fail)?;
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: landfall\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(fail)?;
    read_response(&mut stream, limit).map_err(fail)
}

/// A value that goes into a request must not end its line.
pub(crate) fn refuse_controls(values: &[&str]) -> io::Result<()> {
    match values
        .iter()
        .find(|value| value.contains(|c: char| c.is_control() || c == ' '))
    {
        Some(value) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{}` cannot be asked for", printable(value)),
        )),
        None => Ok(()),
    }
}

/// Reads one answer to an HTTP/1.0 request: head, then as many bytes as Content-Length says or all until the end, cut at
/// `limit`.
///
/// # Errors
/// `UnexpectedEof` before the head or the announced body is whole, `InvalidData` for anything but HTTP, and the
/// reader's own.
pub fn read_response(source: &mut impl Read, limit: usize) -> io::Result<Response> {
    let mut bytes = Vec::new();
    let (mut response, head) = loop {
        if let Some(found) = parse_head(&bytes)? {
            break found;
        }
        if bytes.len() > HEAD_LIMIT {
            return Err(invalid("its headers do not end"));
        }
        if read_some(source, &mut bytes)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let announced = response
        .header("content-length")
        .and_then(|value| value.parse::<usize>().ok());
    let body = announced.unwrap_or(usize::MAX).min(limit);
    while bytes.len() - head < body && read_some(source, &mut bytes)? > 0 {}
    let whole = announced.is_none_or(|length| bytes.len() - head >= length.min(limit));
    if !whole {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    response.body = bytes.split_off(head);
    response.body.truncate(body);
    Ok(response)
}

/// Reads what there is; 0 at the end.
pub(super) fn read_some(source: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match source.read(&mut buffer) {
            Ok(count) => {
                bytes.extend_from_slice(&buffer[..count]);
                return Ok(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The head and its length, or `None` while it is not whole.
pub(super) fn parse_head(bytes: &[u8]) -> io::Result<Option<(Response, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => {
            let start = shorten(&printable(&String::from_utf8_lossy(bytes)), 60);
            return Err(invalid(&format!("{error} in `{start}`")));
        }
    };
    let headers = parsed
        .headers
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_owned(), value)
        })
        .collect();
    let status = parsed.code.unwrap_or_default();
    let response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    Ok(Some((response, length)))
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Gives one byte per read, as slow networks do.
    pub(in crate::tool) struct Drip<'a>(pub(in crate::tool) &'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn read(text: &str) -> io::Result<Response> {
        read_response(&mut Drip(text.as_bytes()), 20)
    }

    #[test]
    fn a_body_ends_with_its_length_with_the_connection_or_at_the_limit() {
        let response =
            read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nokmore").unwrap();
        assert_eq!((response.status, response.text()), (200, "ok".into()));
        assert_eq!(response.header("x-a"), Some("b"));
        assert_eq!(
            read("HTTP/1.0 404\r\n\r\nall of it").unwrap().text(),
            "all of it"
        );
        let long = format!("HTTP/1.0 200 OK\r\n\r\n{}", "x".repeat(50));
        assert_eq!(read(&long).unwrap().body.len(), 20);
    }

    #[test]
    fn a_cut_answer_is_closed_and_another_protocol_is_invalid() {
        for cut in [
            "",
            "HTTP/1.1 200 OK\r\nA: b\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        ] {
            let kind = read(cut).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{cut}");
        }
        let error = read("SSH-2.0-OpenSSH\r\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn errors_say_which_way_it_failed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let silent = get(address, "x", "/", Duration::from_millis(100)).unwrap_err();
        assert_eq!(
            silent.to_string(),
            format!("{address} did not answer within 1s")
        );
        drop(listener);
        let refused = get(address, "x", "/", Duration::from_secs(1)).unwrap_err();
        assert_eq!(refused.to_string(), format!("nobody listens on {address}"));
        assert!(refused.may_be_starting());
        let bad = get(address, "x\r\nY: 1", "/", Duration::from_secs(1)).unwrap_err();
        assert!(matches!(bad, HttpError::Invalid(..)));
    }
}
