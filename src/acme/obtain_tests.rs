//! A stand-in for an authority, which speaks ACME over TLS as far as these tests go: what Debian's pebble cannot show. It tells when
//! to renew (RFC 9773), says that a certificate was replaced already, and has had enough (429 with Retry-After). It issues nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::acme::directory::DirectoryUrl;
use crate::tls::intake;
use crate::tls::key::KeyKind;
use crate::tls::openssl::{Openssl, Pki, leaf_extensions};

/// The time, for the tests; the stand-in's window lies around it.
const NOW: u64 = 1_800_000_000;

struct Authority {
    url: DirectoryUrl,
    roots: Roots,
    /// What was asked: method and path, then the payload of a signed request.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Authority {
    fn new() -> Self {
        let openssl = Openssl::new();
        openssl.key("ca", "P-256");
        openssl.run("req -x509 -new -key ca.key -subj /CN=localhost -days 3650 -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost -out ca.pem");
        let certificate = intake::read(&openssl.read("ca.pem")).unwrap().certificates[0].clone();
        openssl.run("pkcs8 -topk8 -nocrypt -in ca.key -outform DER -out ca.der");
        let key: PrivateKeyDer<'_> = PrivatePkcs8KeyDer::from(openssl.read("ca.der")).into();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate.der.clone())], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (config, log, own) = (Arc::new(config), asked.clone(), base.clone());
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(connection, tcp.unwrap());
                // A test that looks away in the middle is no failure of its own.
                let _ = serve(&mut stream, &own, &log);
            }
        });
        Self {
            url: format!("{base}/dir").parse().unwrap(),
            roots: Roots::of_file(certificate.pem().as_bytes()).unwrap(),
            asked,
        }
    }

    fn asked(&self, start: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|line| line.starts_with(start))
            .cloned()
            .collect()
    }
}

fn serve(
    stream: &mut (impl Read + Write),
    base: &str,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let (head, body) = loop {
        let count = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let mut words = head.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let payload = serde_json::from_str::<serde_json::Value>(&body).ok();
    let payload = payload.and_then(|body| {
        let payload = BASE64URL_NOPAD
            .decode(body["payload"].as_str()?.as_bytes())
            .ok()?;
        String::from_utf8(payload).ok()
    });
    let payload = payload.unwrap_or_default();
    log.lock()
        .unwrap()
        .push(format!("{method} {path} {payload}"));
    let problem = |kind: &str, detail: &str| {
        format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"{detail}"}}"#)
    };
    let (status, more, answer) = match path {
        "/dir" => (
            "200 OK",
            String::new(),
            format!(
                r#"{{"newNonce":"{base}/nonce","newAccount":"{base}/account","newOrder":"{base}/order","renewalInfo":"{base}/ari","meta":{{"profiles":{{"classic":"x"}}}}}}"#
            ),
        ),
        "/account" => (
            "201 Created",
            format!("Location: {base}/account/1\r\n"),
            r#"{"status":"valid"}"#.into(),
        ),
        "/order" if payload.contains("replaces") => (
            "409 Conflict",
            String::new(),
            problem("alreadyReplaced", "by another"),
        ),
        "/order" => (
            "429 Too Many Requests",
            "Retry-After: 7200\r\n".into(),
            problem("rateLimited", "too many certificates (5) already issued"),
        ),
        path if path.starts_with("/ari/") => (
            "200 OK",
            "Retry-After: 21600\r\n".into(),
            r#"{"suggestedWindow":{"start":"2027-01-15T08:00:00Z","end":"2027-01-16T08:00:00Z"}}"#
                .into(),
        ),
        _ => ("200 OK", String::new(), String::new()),
    };
    let length = if method == "HEAD" { 0 } else { answer.len() };
    let answer = if method == "HEAD" { "" } else { &answer };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nReplay-Nonce: abc\r\n{more}Content-Length: {length}\r\n\r\n{answer}"
    )?;
    stream.flush()
}

/// One that the stand-in is said to have issued.
fn issued() -> Certificate {
    let pki = Pki::new();
    pki.openssl.key("site", "P-256");
    let extensions = leaf_extensions(&["example.org"]) + "authorityKeyIdentifier=keyid\n";
    pki.sign("site", "site", "int", &extensions, "-days 3650");
    intake::read(pki.pem("site").as_bytes())
        .unwrap()
        .certificates[0]
        .clone()
}

#[test]
fn windows_are_asked_for_a_replaced_one_is_ordered_anew_and_patience_is_kept() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let server = ServerPaths::under(dir.path());
    let app: AppName = "notes".parse().unwrap();
    let store = Store::new(server.tls(&app));
    let standing = StandingOrder {
        directory: authority.url.clone(),
        domains: Vec::new(),
        challenge: Challenge::Dns {
            hook: "/usr/bin/env".into(),
            wait: 0,
        },
        profile: Some("classic".into()),
        key: KeyKind::EcdsaP256,
        reuse_key: false,
        own_roots: true,
    };
    let names = [CertName::parse("example.org").unwrap()];
    let certificate = issued();
    let disagrees = Wish::default();
    let agrees = Wish {
        agrees: true,
        ..Wish::default()
    };
    let job = |wish, at| Job {
        app: &app,
        server: &server,
        store: &store,
        standing: &standing,
        names: &names,
        wish,
        roots: &authority.roots,
        replaces: Some(&certificate),
        now: at,
        say: &|_| {},
    };

    // Without terms there is no account, and nothing was asked but the directory.
    let refused = obtain(&job(&disagrees, NOW)).unwrap_err();
    assert_eq!(refused.miss().code, Some("E_ACME_TOS"), "{refused}");
    assert_eq!(authority.asked("POST").len(), 0);

    let failed = obtain(&job(&agrees, NOW)).unwrap_err();
    let miss = failed.miss();
    assert_eq!(miss.code, Some("E_ACME_RATE"), "{}", miss.message);
    assert_eq!((miss.has_asked, miss.again_at), (true, Some(NOW + 7200)));
    assert!(miss.message.contains("already issued"), "{}", miss.message);
    assert_eq!(failed.kind(), Kind::Busy);
    let orders = authority.asked("POST /order");
    let id = ari::identifier(&certificate.der).unwrap().to_string();
    assert_eq!(orders.len(), 2, "{orders:?}");
    assert!(
        orders[0].contains(&format!("\"replaces\":\"{id}\"")),
        "{orders:?}"
    );
    assert!(
        orders
            .iter()
            .all(|order| order.contains("\"profile\":\"classic\""))
    );
    assert!(!orders[1].contains("replaces"));
    let mut memory = Memory::default();
    memory.miss(&miss, NOW);
    assert_eq!(memory.not_before, NOW + 7200);

    // The account is there, so its terms are not asked for again.
    let mut memory = Memory::default();
    ask_window(&job(&disagrees, NOW), &certificate, &mut memory).unwrap();
    let window = memory.window.clone().unwrap();
    assert_eq!((window.start, window.end), (1_800_000_000, 1_800_086_400));
    // The library rounds it down by its own clock.
    assert!((NOW + 21_590..=NOW + 21_600).contains(&memory.ask_at));
    let ask_at = memory.ask_at;
    assert_eq!(authority.asked("GET /ari/"), [format!("GET /ari/{id} ")]);
    // Not again before it said so.
    ask_window(&job(&disagrees, ask_at - 1), &certificate, &mut memory).unwrap();
    assert_eq!(authority.asked("GET /ari/").len(), 1);
    ask_window(&job(&disagrees, ask_at), &certificate, &mut memory).unwrap();
    assert_eq!(authority.asked("GET /ari/").len(), 2);
    assert_eq!(memory.window.unwrap(), window);
    assert_eq!(authority.asked("POST /account").len(), 1);
}

#[test]
fn an_authority_with_a_certificate_of_another_is_not_asked() {
    let authority = Authority::new();
    let client = Client::new(&Roots::default(), NOW).unwrap();
    let failure = client.get(authority.url.as_str()).unwrap_err();
    let said = chain(&failure).join(": ");
    assert!(
        said.contains("E_ACME_DOWN") && said.contains("cannot be trusted"),
        "{said}"
    );
    assert!(authority.asked("").is_empty());
}
