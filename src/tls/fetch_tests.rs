//! Issuers' certificates from a web server of the test's own: each form, and each way in which it is none.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;
use crate::tls::openssl::Pki;

/// Answers one request with `answer` and gives what was asked.
fn serve(answer: Vec<u8>) -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        // A client that has enough hangs up.
        let _ = stream.write_all(&answer);
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    (port, asked)
}

fn ok(body: &[u8]) -> Vec<u8> {
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\n\r\n",
        body,
    ]
    .concat()
}

#[test]
fn an_issuer_comes_as_der_pem_or_pkcs7() {
    let pki = Pki::new();
    let openssl = &pki.openssl;
    openssl.write("both.pem", pki.bundle(&["int", "root"]).as_bytes());
    openssl.run("x509 -in int.pem -outform DER -out int.der");
    openssl.run("crl2pkcs7 -nocrl -certfile both.pem -outform DER -out both.p7b");
    openssl.run("crl2pkcs7 -nocrl -certfile both.pem -out both.p7b.pem");
    for (file, subjects) in [
        ("int.der", &["int"][..]),
        ("int.pem", &["int"]),
        ("both.pem", &["int", "root"]),
        ("both.p7b", &["int", "root"]),
        ("both.p7b.pem", &["int", "root"]),
    ] {
        let (port, asked) = serve(ok(&openssl.read(file)));
        let url = format!("http://127.0.0.1:{port}/{file}?x=1#part");
        let found = certificates(&url, Reach::Anywhere).unwrap();
        let found: Vec<&str> = found.iter().map(|each| each.subject.as_str()).collect();
        assert_eq!(found, subjects, "{file}");
        let asked = asked.join().unwrap();
        assert!(
            asked.starts_with(&format!(
                "GET /{file}?x=1 HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n"
            )),
            "{asked}"
        );
    }
    // Cut anywhere, it is refused and nothing breaks.
    for file in ["int.der", "both.p7b"] {
        let whole = openssl.read(file);
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_none(), "{file} {length}");
        }
    }
}

#[test]
fn whatever_else_comes_is_refused_and_named() {
    let pki = Pki::new();
    let redirect =
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\xc2\x9b31m\r\n\r\n".to_vec();
    let mut huge = pki.pem("int").into_bytes();
    huge.resize(LARGEST + 1, b'\n');
    let mut large = pki.pem("int").into_bytes();
    large.resize(LARGEST, b'\n');
    for (answer, word) in [
        (redirect, "it leads to http://169.254.169.254/"),
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
            "the answer is 404",
        ),
        (ok(&huge), "it has more than 65536 bytes"),
        (ok(b"<html>"), "what is there is no certificate"),
        (ok(b""), "what is there is no certificate"),
        (
            ok(&pki.openssl.read("int.key")),
            "what is there is no certificate",
        ),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "gave no HTTP answer"),
        (Vec::new(), "closed the connection"),
    ] {
        let (port, asked) = serve(answer);
        let refused = certificates(&format!("http://127.0.0.1:{port}/"), Reach::Anywhere);
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::ChainFetch);
        let said = refused.to_string();
        assert!(
            said.contains(word) && !said.contains('\u{9b}'),
            "{word}: {said}"
        );
        asked.join().unwrap();
    }
    let (port, asked) = serve(ok(&large));
    certificates(&format!("http://127.0.0.1:{port}/"), Reach::Anywhere).unwrap();
    asked.join().unwrap();
}

#[test]
fn what_is_inside_is_not_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = |url: &str| certificates(url, Reach::Public).unwrap_err().to_string();
    assert!(said(&format!("http://127.0.0.1:{port}/")).contains("is no web server's"));
    for host in [
        "127.0.0.1",
        "127.1.2.3",
        "localhost",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:db8::1]",
    ] {
        let said = said(&format!("http://{host}/int.crt"));
        assert!(said.contains("is no public address"), "{host}: {said}");
    }
    assert!(listener.accept().is_err(), "somebody came");
    for address in [
        "1.1.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "64:ff9b::101:101",
    ] {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn an_address_is_taken_apart_or_refused() {
    let parse = |url: &str| Place::parse(url).map(|place| (place.name(), place.path));
    let is = |name: &str, path: &str| Some((name.to_owned(), path.to_owned()));
    assert_eq!(parse("HTTP://Ca.Example.org"), is("Ca.Example.org", "/"));
    assert_eq!(
        parse("http://ca.example.org:80/a/b.crt?c#d"),
        is("ca.example.org", "/a/b.crt?c")
    );
    assert_eq!(
        parse("http://ca.example.org?c"),
        is("ca.example.org", "/?c")
    );
    assert_eq!(
        parse("http://[2001:db8::1]:8080/x"),
        is("[2001:db8::1]:8080", "/x")
    );
    for url in [
        "https://ca.example.org/",
        "ldap://ca.example.org/",
        "file:///etc/shadow",
        "http://",
        "http:///etc/shadow",
        "http://user@ca.example.org/",
        "http://ca.example.org:x/",
        "http://ca.example.org:99999/",
        "http://ca.example.org/a b",
        "http://ca.example.org/\r\nX: y",
        "http://ca.example.org/\u{e9}",
        "http://[nonsense]/",
        "http://[::1",
        "http:/",
        "",
    ] {
        assert_eq!(parse(url), None, "{url}");
    }
}
