//! A request for a certificate with a new RSA key of 2048 bits, beside openssl's, in turns: medians.
//!
//! Ours is made in this process; openssl is a process of its own, as people run it. That start takes a few milliseconds.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement runs programs and prints"
)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use landfall::tls::key::{KeyKind, PrivateKey};
use landfall::tls::name::CertName;
use landfall::tls::request::{Request, Subject, Wanted};

const RUNS: usize = 41;

fn main() {
    let wanted = Wanted {
        names: vec![CertName::parse("example.org").unwrap()],
        subject: Subject::default(),
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begun = Instant::now();
        let key = PrivateKey::make(KeyKind::Rsa2048).unwrap();
        assert!(!Request::make(&wanted, &key).unwrap().pem().is_empty());
        ours.push(begun.elapsed());
        let begun = Instant::now();
        let made = Command::new("openssl")
            .args([
                "req",
                "-new",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                "/dev/null",
            ])
            .args([
                "-subj",
                "/",
                "-addext",
                "subjectAltName=critical,DNS:example.org",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        theirs.push(begun.elapsed());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "a request with a new RSA 2048 key, median of {RUNS}: landfall {} ms, openssl {} ms",
        ours.as_millis(),
        theirs.as_millis()
    );
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}
