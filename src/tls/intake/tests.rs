//! What people paste, made by openssl: each row of mistakes, and random ones.

use super::*;
use crate::base::hint::Hint;
use crate::tls::key::PrivateKey;
use crate::tls::openssl::Pki;

fn words(remarks: &[Remark]) -> Vec<&str> {
    remarks.iter().map(|remark| remark.code).collect()
}

#[test]
fn what_can_be_put_right_is_and_is_said() {
    let pki = Pki::new();
    pki.leaf("leaf", "rsa2048", &["example.org"]);
    let good = pki.bundle(&["leaf", "int"]);
    let ders: Vec<Vec<u8>> = read(good.as_bytes())
        .unwrap()
        .certificates
        .into_iter()
        .map(|each| each.der)
        .collect();
    assert_eq!(ders.len(), 2);
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(good.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let leaf = pki.pem("leaf");
    let spaces = good.replace("\n", " ");
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("as it is", good.clone().into(), &[]),
        ("BOM", format!("\u{feff}{good}").into(), &["W_FIXED_BOM"]),
        ("UTF-16", utf16, &["W_FIXED_BOM"]),
        ("CRLF", good.replace('\n', "\r\n").into(), &["W_FIXED_CRLF"]),
        ("CR", good.replace('\n', "\r").into(), &["W_FIXED_CRLF"]),
        (
            "indented",
            good.replace('\n', "\n    ").into(),
            &["W_FIXED_INDENT"],
        ),
        (
            "spaces behind",
            good.replace('\n', " \n").into(),
            &["W_FIXED_INDENT"],
        ),
        (
            "glued",
            good.replace("-----\n-----", "----------").into(),
            &["W_FIXED_GLUED"],
        ),
        ("spaces for line breaks", spaces.into(), &["W_FIXED_GLUED"]),
        (
            "no line breaks",
            good.replace('\n', "").into(),
            &["W_FIXED_GLUED"],
        ),
        (
            "escaped",
            good.replace('\n', "\\n").into(),
            &["W_FIXED_GLUED"],
        ),
        (
            "preamble",
            format!("Bag Attributes\nsubject=CN = END of it\n{good}bye\n").into(),
            &[],
        ),
        ("twice", format!("{leaf}{good}").into(), &["W_FIXED_DUP"]),
    ];
    for (what, bytes, remarks) in cases {
        let taken = read(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(words(&taken.remarks), remarks, "{what}");
        let found: Vec<Vec<u8>> = taken
            .certificates
            .into_iter()
            .map(|each| each.der)
            .collect();
        assert_eq!(found, ders, "{what}");
    }
}

#[test]
fn what_is_something_else_is_named_with_the_way_out() {
    let pki = Pki::new();
    pki.leaf("leaf", "rsa2048", &["example.org"]);
    let openssl = &pki.openssl;
    openssl.run("x509 -in leaf.pem -outform DER -out leaf.der");
    openssl.run("crl2pkcs7 -nocrl -certfile leaf.pem -out leaf.p7b");
    openssl.run("crl2pkcs7 -nocrl -certfile leaf.pem -outform DER -out leaf.p7b.der");
    openssl.run("pkcs12 -export -in leaf.pem -inkey leaf.key -passout pass:x -out leaf.p12");
    openssl.run("x509 -in leaf.pem -trustout -addtrust serverAuth -out trusted.pem");
    openssl.run("req -in leaf.csr -outform DER -out csr.der");
    openssl.run("pkey -in leaf.key -outform DER -out key.der");
    openssl.run("pkey -in leaf.key -pubout -out pub.pem");
    let leaf = pki.pem("leaf");
    let key = String::from_utf8(openssl.read("leaf.key")).unwrap();
    let lines: Vec<&str> = leaf.lines().collect();
    let without = |at: usize| {
        let kept = lines.iter().enumerate().filter(|(number, _)| *number != at);
        kept.map(|(_, line)| *line).collect::<Vec<_>>().join("\n")
    };
    let damaged = leaf.replacen(
        lines[3],
        &lines[3].replacen(|c: char| c.is_ascii_alphanumeric(), "!", 1),
        1,
    );
    let cases: Vec<(&str, Vec<u8>, Code, &str)> = vec![
        ("empty", Vec::new(), Code::CertificateEmpty, "Ctrl-D"),
        (
            "blank",
            b" \n\t\n".to_vec(),
            Code::CertificateEmpty,
            "Ctrl-D",
        ),
        (
            "words",
            b"see attachment\n".to_vec(),
            Code::CertificateEmpty,
            "",
        ),
        (
            "HTML",
            b"<!DOCTYPE html><html><body>Login</body></html>".to_vec(),
            Code::CertificateHtml,
            "download",
        ),
        (
            "HTML around",
            format!("<pre>{}</pre>", leaf.replace('\n', "<br>\n")).into(),
            Code::CertificateHtml,
            "download",
        ),
        (
            "entities",
            leaf.replace('+', "&#43;").replace('/', "&#47;").into(),
            Code::CertificateHtml,
            "download",
        ),
        (
            "four dashes",
            leaf.replace("-----", "----").into(),
            Code::CertificateDashes,
            "download",
        ),
        (
            "six dashes",
            leaf.replace("-----", "------").into(),
            Code::CertificateDashes,
            "download",
        ),
        (
            "en dashes",
            leaf.replace("-----", "\u{2013}\u{2013}\u{2013}").into(),
            Code::CertificateDashes,
            "download",
        ),
        (
            "DER",
            openssl.read("leaf.der"),
            Code::CertificateDer,
            "openssl x509 -inform DER",
        ),
        (
            "P7B",
            openssl.read("leaf.p7b"),
            Code::CertificateP7b,
            "openssl pkcs7 -inform PEM",
        ),
        (
            "P7B, DER",
            openssl.read("leaf.p7b.der"),
            Code::CertificateP7b,
            "openssl pkcs7 -inform DER",
        ),
        (
            "PKCS#12",
            openssl.read("leaf.p12"),
            Code::CertificateP12,
            "openssl pkcs12",
        ),
        (
            "trusted",
            openssl.read("trusted.pem"),
            Code::CertificateP7b,
            "openssl x509",
        ),
        (
            "CSR",
            openssl.read("leaf.csr"),
            Code::CertificateIsCsr,
            "landfall cert install",
        ),
        (
            "CSR, DER",
            openssl.read("csr.der"),
            Code::CertificateIsCsr,
            "landfall cert install",
        ),
        (
            "key",
            key.clone().into(),
            Code::CertificateIsKey,
            "landfall csr --new",
        ),
        (
            "key, DER",
            openssl.read("key.der"),
            Code::CertificateIsKey,
            "landfall csr --new",
        ),
        (
            "key behind",
            format!("{leaf}{key}").into(),
            Code::CertificateIsKey,
            "landfall csr --new",
        ),
        (
            "public key",
            openssl.read("pub.pem"),
            Code::CertificateIsKey,
            "",
        ),
        (
            "no END",
            without(lines.len() - 1).into(),
            Code::CertificateTruncated,
            "from the first BEGIN",
        ),
        (
            "no BEGIN",
            without(0).into(),
            Code::CertificateTruncated,
            "from the first BEGIN",
        ),
        (
            "markers gone",
            lines[1..lines.len() - 1].join("\n").into(),
            Code::CertificateTruncated,
            "from the first BEGIN",
        ),
        (
            "a line gone",
            without(4).into(),
            Code::CertificateTruncated,
            "from the first BEGIN",
        ),
        (
            "DER cut",
            openssl.read("leaf.der")[..300].to_vec(),
            Code::CertificateTruncated,
            "from the first BEGIN",
        ),
        (
            "damaged",
            damaged.into(),
            Code::CertificateBase64,
            "download",
        ),
        (
            "too large",
            vec![b'x'; LARGEST + 1],
            Code::CertificateTooLarge,
            "",
        ),
    ];
    for (what, bytes, code, hint) in cases {
        let refused = read(&bytes).unwrap_err();
        assert_eq!(refused.code(), code, "{what}: {refused}");
        let hints = refused.hints().join("\n");
        assert!(
            hints.contains(hint) && hints.is_empty() == hint.is_empty(),
            "{what}: {hints}"
        );
    }
    let refused = read(leaf.replace('+', "&#43;").as_bytes()).unwrap_err();
    assert!(refused.to_string().starts_with("line "), "{refused}");
}

/// A small generator, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (most as u64)).unwrap()
    }
}

/// Cuts, doubles, swaps and overwrites pieces.
fn mangled(random: &mut Random, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(3) {
        bytes.extend_from_slice(&parts[random.below(parts.len())]);
    }
    for _ in 0..random.below(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        let end = (at + random.below(60)).min(bytes.len());
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at),
            2 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            4 => bytes.retain(|byte| *byte != b'\n'),
            _ => {
                let words: [&[u8]; 7] = [
                    b"-----",
                    b"\r\n",
                    b"BEGIN ",
                    b"-----END ",
                    b"&#43;",
                    "\u{2013}".as_bytes(),
                    b"\0",
                ];
                let word = words[random.below(words.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn a_thousand_mangled_inputs_neither_panic_nor_show_a_keys_byte() {
    let pki = Pki::new();
    pki.leaf("leaf", "rsa2048", &["example.org"]);
    pki.openssl
        .run("rsa -in leaf.key -traditional -out old.key");
    pki.openssl
        .run("ecparam -name prime256v1 -genkey -out ec.key");
    pki.openssl
        .run("x509 -in leaf.pem -outform DER -out leaf.der");
    pki.openssl
        .run("pkey -in leaf.key -outform DER -out key.der");
    let files = [
        "leaf.pem", "int.pem", "leaf.key", "old.key", "ec.key", "leaf.csr", "leaf.der", "key.der",
    ];
    let parts: Vec<Vec<u8>> = files.iter().map(|file| pki.openssl.read(file)).collect();
    let secrets: Vec<String> = ["leaf.key", "old.key", "ec.key"]
        .iter()
        .flat_map(|file| {
            let text = String::from_utf8(pki.openssl.read(file)).unwrap();
            // Eight characters from anywhere in a line: no word of ours is like that.
            let lines = text
                .lines()
                .filter(|line| !line.contains('-'))
                .map(str::to_owned);
            lines.collect::<Vec<_>>()
        })
        .flat_map(|line| {
            let ends = 8..=line.len();
            ends.map(|end| line[end - 8..end].to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let secrets: std::collections::HashSet<&str> = secrets.iter().map(String::as_str).collect();
    // A longer run: LANDFALL_FUZZ=1000000 cargo test --release --lib mangled
    let host = crate::base::host::Host::from_process();
    let rounds: Option<u64> = host
        .var("LANDFALL_FUZZ")
        .map(|rounds| rounds.parse().unwrap());
    let seed = rounds.map_or(0, |_| host.now_unix());
    let mut random = Random(0x1a4d_fa11_5eed_0001 ^ seed);
    let (mut taken, mut refused) = (0, 0);
    for number in 0..rounds.unwrap_or(1_000) {
        let bytes = mangled(&mut random, &parts);
        let mut said = String::new();
        match read(&bytes) {
            Ok(found) => {
                taken += 1;
                said.push_str(&format!("{:?}", found.remarks));
            }
            Err(error) => {
                refused += 1;
                said.push_str(&format!("{error:?} {error} {:?}", error.hints()));
            }
        }
        match PrivateKey::read(&bytes) {
            Ok(key) => said.push_str(&format!("{key:?}")),
            Err(error) => said.push_str(&format!("{error:?} {error} {:?}", error.hints())),
        }
        let shown: Vec<char> = said.chars().collect();
        for window in shown.windows(8) {
            let window: String = window.iter().collect();
            assert!(
                !secrets.contains(window.as_str()),
                "{number}, seed {seed}: {said}"
            );
        }
    }
    // Neither all nothing nor all well: the generator reaches both.
    assert!(taken > 50 && refused > 500, "{taken} {refused}");
}
