//! The fuzz targets of tests/fuzz with a fixed number of inputs, mangled from the same seeds: what `make fuzz` does for as long as it is
//! let, without its feedback of what an input reaches. LANDFALL_FUZZ=N tries N inputs of each, LANDFALL_SEED=N others.

// The targets are crates of their own for libFuzzer: they begin with `no_main`, and name its crate for one macro, which is this one
// here.
#![allow(
    unused_attributes,
    unused_imports,
    unreachable_pub,
    clippy::duplicate_mod,
    clippy::disallowed_methods
)]

extern crate self as libfuzzer_sys;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// As libFuzzer's: the target's code, under a name to call it by.
#[macro_export]
macro_rules! fuzz_target {
    (|$data:ident: &[u8]| $body:block) => {
        /// One input.
        pub(crate) fn run($data: &[u8]) $body
    };
}

#[path = "../fuzz/fuzz_targets/certificate.rs"]
mod certificate;
#[path = "../fuzz/fuzz_targets/home.rs"]
mod home;
#[path = "../fuzz/fuzz_targets/key.rs"]
mod key;
#[path = "../fuzz/fuzz_targets/push.rs"]
mod push;
#[path = "../fuzz/fuzz_targets/request.rs"]
mod request;
#[path = "../fuzz/fuzz_targets/server.rs"]
mod server;

/// Inputs of each target.
const INPUTS: usize = 10_000;
/// The longest input, as `make fuzz` has it.
const LONGEST: usize = 16_384;
/// What formats, terminals and shells take for something.
const WORDS: [&[u8]; 16] = [
    b"\n",
    b"\r\n",
    b"\0",
    b"\x1b[2J",
    b"\"",
    b"'",
    b"\\",
    b"../",
    b"%s",
    b"$(x)",
    b"{",
    b"]",
    b"=",
    b"-----BEGIN ",
    "\u{202e}".as_bytes(),
    b"99999999999999999999",
];

/// splitmix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap()
    }
}

fn mangled(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(5) {
        let (from, to) = (random.below(bytes.len() + 1), random.below(bytes.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match random.below(6) {
            0 if !bytes.is_empty() => bytes[from.min(to.saturating_sub(1))] ^= 1 << random.below(8),
            1 => drop(bytes.drain(from..to.min(from + 40))),
            2 => {
                let part = bytes[from..to].to_vec();
                bytes.splice(from..from, part);
            }
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let part = other[random.below(other.len() + 1)..].to_vec();
                bytes.splice(from..from, part);
            }
            4 => bytes.truncate(to),
            _ => drop(bytes.splice(from..from, WORDS[random.below(WORDS.len())].iter().copied())),
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn try_inputs(name: &str, seeds: &Path, target: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(root.join(seeds))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(seeds.len() > 2, "{name} has no seeds");
    let seed = number("LANDFALL_SEED").unwrap_or(1);
    let inputs = number("LANDFALL_FUZZ").map_or(INPUTS, |inputs| usize::try_from(inputs).unwrap());
    println!(
        "LANDFALL_SEED={seed}, {inputs} inputs from {} seeds",
        seeds.len()
    );
    let mut random = Random(seed);
    for tried in 0..inputs {
        // First the seeds as they are.
        let input = seeds
            .get(tried)
            .cloned()
            .unwrap_or_else(|| mangled(&mut random, &seeds));
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            let kept = std::env::temp_dir().join(format!("landfall-fuzzed-{name}"));
            fs::write(&kept, &input).unwrap();
            panic!(
                "input {tried} of {name}, kept as {}: {}",
                kept.display(),
                input.escape_ascii()
            );
        }
    }
}

/// The folder of what openssl makes, and where the targets look for it.
fn by_openssl() -> &'static Path {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/fuzz-seeds");
        let made = Command::new(script).arg(folder()).status().unwrap();
        assert!(made.success(), "openssl makes the seeds");
    });
    folder()
}

fn folder() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/tmp/fuzz-seeds"
    ))
}

#[test]
fn mangled_certificates() {
    try_inputs("certificate", by_openssl(), certificate::run);
}

#[test]
fn mangled_keys() {
    try_inputs("key", by_openssl(), key::run);
}

#[test]
fn mangled_pushes() {
    try_inputs("push", Path::new("tests/fuzz/seeds/push"), push::run);
}

#[test]
fn mangled_server_files() {
    try_inputs("server", Path::new("tests/fuzz/seeds/server"), server::run);
}

#[test]
fn mangled_requests_over_ssh() {
    try_inputs(
        "request",
        Path::new("tests/fuzz/seeds/request"),
        request::run,
    );
}

#[test]
fn mangled_files_of_a_home() {
    try_inputs("home", Path::new("tests/fuzz/seeds/home"), home::run);
    // Where that target keeps its files.
    let _ = fs::remove_dir_all(std::env::temp_dir().join(std::process::id().to_string()));
}
