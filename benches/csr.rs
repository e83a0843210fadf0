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

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use landfall::tls::key::{KeyKind, PrivateKey};
use landfall::tls::name::CertName;
use landfall::tls::request::{Request, Subject, Wanted};

const RUNS: usize = 61;

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
    let (ours, theirs) = (Spread::of(ours), Spread::of(theirs));
    println!(
        "a request with a new RSA 2048 key, in ms, {RUNS} times each in turns: median (quartiles; least to most)"
    );
    println!("  landfall {ours}\n  openssl  {theirs}");
    println!(
        "  share    {:.2}",
        ours.median.as_secs_f64() / theirs.median.as_secs_f64()
    );
}

/// How long all of them took.
struct Spread {
    least: Duration,
    lower: Duration,
    median: Duration,
    upper: Duration,
    most: Duration,
}

impl Spread {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        let at = |quarter: usize| all[(all.len() - 1) * quarter / 4];
        Self {
            least: at(0),
            lower: at(1),
            median: at(2),
            upper: at(3),
            most: at(4),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, lower, median, upper, most] =
            [self.least, self.lower, self.median, self.upper, self.most]
                .map(|took| took.as_millis());
        write!(f, "{median} ({lower}-{upper}; {least}-{most})")
    }
}
