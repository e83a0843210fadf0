//! uWSGI: its own protocol over its unix socket, as nginx speaks it.
//! <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>
//!
//! takes: a socket's path · gives: an answer · touches: one connection

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use super::http::{BODY_LIMIT, HttpError, Response, read_response, refuse_controls};
use crate::base::socket;

/// `modifier1` of a request to a WSGI application.
const WSGI: u8 = 0;
/// `modifier1` of a ping; a worker answers it with the same modifier.
const PING: u8 = 100;

/// Asks whether a worker answers.
///
/// The answer comes from a worker that accepted this connection. Connections are accepted in the order they came, so all
/// that were queued before are accepted by then (not: answered).
pub fn ping(socket: &Path, timeout: Duration) -> Result<(), HttpError> {
    let to = socket.display().to_string();
    let fail = |error| HttpError::of(&to, timeout, error);
    let mut stream = socket::unix(socket, timeout).map_err(fail)?;
    stream.write_all(&[PING, 0, 0, 0]).map_err(fail)?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).map_err(fail)?;
    if answer[0] == PING {
        Ok(())
    } else {
        let problem = format!("a ping was answered with {answer:?}");
        Err(HttpError::Invalid(to, problem))
    }
}

/// GET `path` (query included, percent-encoded as in a URL) from the application behind `socket`, as nginx would ask for
/// `http://host/path`, or `https://` where `https` is true. `timeout` is for the whole exchange.
pub fn get(
    socket: &Path,
    host: &str,
    path: &str,
    https: bool,
    timeout: Duration,
) -> Result<Response, HttpError> {
    let to = socket.display().to_string();
    let fail = |error| HttpError::of(&to, timeout, error);
    refuse_controls(&[host, path]).map_err(fail)?;
    let request = packet(WSGI, &variables(host, path, https)).map_err(fail)?;
    let mut stream = socket::unix(socket, timeout).map_err(fail)?;
    stream.write_all(&request).map_err(fail)?;
    read_response(&mut stream, BODY_LIMIT).map_err(fail)
}

/// The request as nginx describes it with `templates/nginx/uwsgi_params.hbs`.
fn variables(host: &str, path: &str, https: bool) -> Vec<(&'static str, String)> {
    let (path_info, query) = path.split_once('?').unwrap_or((path, ""));
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (name, port),
        _ => (host, if https { "443" } else { "80" }),
    };
    let scheme = if https { "https" } else { "http" };
    let mut variables = vec![
        ("REQUEST_METHOD", "GET".to_owned()),
        ("REQUEST_URI", path.to_owned()),
        ("SCRIPT_NAME", String::new()),
        ("PATH_INFO", decoded(path_info)),
        ("QUERY_STRING", query.to_owned()),
        ("CONTENT_TYPE", String::new()),
        ("CONTENT_LENGTH", String::new()),
        ("SERVER_NAME", name.to_owned()),
        ("SERVER_PORT", port.to_owned()),
        ("SERVER_PROTOCOL", "HTTP/1.0".to_owned()),
        ("REMOTE_ADDR", "127.0.0.1".to_owned()),
        ("REMOTE_PORT", "0".to_owned()),
        ("REQUEST_SCHEME", scheme.to_owned()),
        ("UWSGI_SCHEME", scheme.to_owned()),
        ("HTTP_HOST", host.to_owned()),
        ("HTTP_USER_AGENT", "landfall".to_owned()),
        ("HTTP_ACCEPT", "*/*".to_owned()),
        ("HTTP_X_FORWARDED_FOR", "127.0.0.1".to_owned()),
        ("HTTP_X_FORWARDED_HOST", host.to_owned()),
        ("HTTP_X_FORWARDED_PORT", port.to_owned()),
        ("HTTP_X_FORWARDED_PROTO", scheme.to_owned()),
    ];
    if https {
        variables.push(("HTTPS", "on".to_owned()));
    }
    variables
}

/// `%41` → `A`; what is no valid escape stays as it is.
fn decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escape = (bytes[i] == b'%')
            .then(|| bytes.get(i + 1..i + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(escape.unwrap_or(bytes[i]));
        i += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A uwsgi packet: modifier1, size (16 bits, little endian), modifier2, then the variables, each with its length.
fn packet(modifier: u8, variables: &[(&str, String)]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    for (name, value) in variables {
        for text in [name.as_bytes(), value.as_bytes()] {
            body.extend_from_slice(&size(text.len())?);
            body.extend_from_slice(text);
        }
    }
    let mut packet = vec![modifier];
    packet.extend_from_slice(&size(body.len())?);
    packet.push(0);
    packet.extend(body);
    Ok(packet)
}

fn size(length: usize) -> io::Result<[u8; 2]> {
    u16::try_from(length)
        .map(u16::to_le_bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the request is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_packet_has_sizes_in_little_endian() {
        let packet = packet(0, &[("A", "bc".into())]).unwrap();
        assert_eq!(packet, b"\x00\x07\x00\x00\x01\x00A\x02\x00bc");
    }

    #[test]
    fn the_variables_are_those_of_a_browser_behind_nginx() {
        let variables = variables("example.org", "/a%20b/?q=1", true);
        let get = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(get("PATH_INFO"), Some("/a b/"));
        assert_eq!(get("QUERY_STRING"), Some("q=1"));
        assert_eq!(get("SERVER_PORT"), Some("443"));
        assert_eq!(get("HTTPS"), Some("on"));
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }

    #[test]
    fn a_listener_that_hangs_up_is_told_from_one_that_is_silent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.sock");
        let wait = Duration::from_millis(200);
        assert!(matches!(ping(&path, wait), Err(HttpError::NoSocket(_))));
        let listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(ping(&path, wait), Err(HttpError::Timeout(..))));
        drop(listener.accept().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| drop(listener.accept().unwrap()));
            let closed = ping(&path, Duration::from_secs(5)).unwrap_err();
            assert!(matches!(closed, HttpError::Closed(_)), "{closed}");
        });
    }
}
