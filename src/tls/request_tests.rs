//! Requests beside openssl's own.

use super::*;
use crate::tls::key::KeyKind;
use crate::tls::openssl::Openssl;

fn names(names: &[&str]) -> Vec<CertName> {
    names
        .iter()
        .map(|name| CertName::parse(name).unwrap())
        .collect()
}

fn full() -> Wanted {
    let names = names(&[
        "example.org",
        "www.example.org",
        "*.example.org",
        "bücher.example.org",
    ]);
    Wanted {
        subject: Subject {
            country: Some("FR".into()),
            state: Some("Île-de-France".into()),
            locality: Some("Paris".into()),
            organization: Some("Été & Fils, SARL".into()),
            common_name: names.first().cloned(),
        },
        names,
    }
}

/// openssl's request for the same key, subject and names.
fn of_openssl(openssl: &Openssl, key: &PrivateKey, wanted: &Wanted) -> Vec<u8> {
    openssl.write("k.key", key.pem().expose().as_bytes());
    let names: Vec<String> = wanted
        .names
        .iter()
        .map(|name| format!("DNS:{name}"))
        .collect();
    let subject = &wanted.subject;
    let mut rdn = String::new();
    for (short, value) in [
        ("C", &subject.country),
        ("ST", &subject.state),
        ("L", &subject.locality),
        ("O", &subject.organization),
        ("CN", &subject.common_name.as_ref().map(CertName::to_string)),
    ] {
        if let Some(value) = value {
            rdn.push_str(&format!("/{short}={value}"));
        }
    }
    let critical = if rdn.is_empty() { "critical," } else { "" };
    let rdn = if rdn.is_empty() { "/".to_owned() } else { rdn };
    openssl.run_args(&[
        "req",
        "-new",
        "-utf8",
        "-sha256",
        "-key",
        "k.key",
        "-subj",
        &rdn,
        "-addext",
        &format!("subjectAltName={critical}{}", names.join(",")),
        "-outform",
        "DER",
        "-out",
        "theirs.der",
    ]);
    openssl.read("theirs.der")
}

#[test]
fn an_rsa_request_is_openssls_byte_for_byte() {
    let openssl = Openssl::new();
    let key = PrivateKey::make(KeyKind::Rsa2048).unwrap();
    let bare = Wanted {
        names: names(&["example.org"]),
        subject: Subject::default(),
    };
    let simple = Wanted {
        subject: Subject {
            common_name: bare.names.first().cloned(),
            ..Subject::default()
        },
        ..bare.clone()
    };
    for wanted in [full(), bare, simple] {
        let ours = Request::make(&wanted, &key).unwrap();
        assert_eq!(
            ours.der(),
            of_openssl(&openssl, &key, &wanted),
            "{}",
            wanted.subject
        );
    }
}

#[test]
fn openssl_verifies_the_request_of_every_kind_of_key() {
    let openssl = Openssl::new();
    for kind in [
        KeyKind::Rsa2048,
        KeyKind::Rsa3072,
        KeyKind::Rsa4096,
        KeyKind::EcdsaP256,
        KeyKind::EcdsaP384,
    ] {
        let key = PrivateKey::make(kind).unwrap();
        let request = Request::make(&full(), &key).unwrap();
        openssl.write("ours.csr", request.pem().as_bytes());
        openssl.run("req -in ours.csr -noout -verify");
        let text = openssl.run("req -in ours.csr -noout -text -nameopt utf8,sep_comma_plus");
        for part in [
            "C=FR,ST=Île-de-France,L=Paris,O=Été & Fils, SARL,CN=example.org",
            "DNS:example.org, DNS:www.example.org, DNS:*.example.org, DNS:xn--bcher-kva.example.org",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let public = openssl.run("req -in ours.csr -noout -pubkey");
        openssl.write("ours.key", key.pem().expose().as_bytes());
        assert_eq!(public, openssl.run("pkey -in ours.key -pubout"));
    }
}

#[test]
fn the_hashes_are_openssls() {
    let openssl = Openssl::new();
    let key = PrivateKey::make(KeyKind::EcdsaP256).unwrap();
    let request = Request::make(&full(), &key).unwrap();
    openssl.write("r.der", request.der());
    let hash = |name: &str| {
        let said = openssl.run(&format!("dgst -{name} -r r.der"));
        said.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(
        (request.md5(), request.sha256()),
        (hash("md5"), hash("sha256"))
    );
    assert_eq!(Request::parse(&request.pem()).unwrap().der(), request.der());
    openssl.write("k.key", key.pem().expose().as_bytes());
    openssl.run("pkey -in k.key -pubout -outform DER -out p.der");
    let said = openssl.run("dgst -sha256 -r p.der");
    assert!(said.starts_with(&key.fingerprint()), "{said}");
}

#[test]
fn subjects_are_taken_as_authorities_take_them() {
    let with = |change: fn(&mut Subject)| {
        let mut subject = full().subject;
        change(&mut subject);
        subject.checked()
    };
    assert_eq!(
        with(|s| s.country = Some("fr".into())).unwrap(),
        full().subject
    );
    for (subject, code) in [
        (with(|s| s.country = Some("France".into())), Code::Country),
        (with(|s| s.country = Some("F1".into())), Code::Country),
        (
            with(|s| s.organization = Some("x".repeat(65))),
            Code::Subject,
        ),
        (with(|s| s.state = Some("a\nb".into())), Code::Subject),
        (with(|s| s.locality = Some(String::new())), Code::Subject),
        (
            with(|s| s.locality = Some("a\u{202e}b".into())),
            Code::Subject,
        ),
        (
            with(|s| {
                let long = format!("{}.{}.example.org", "a".repeat(40), "b".repeat(30));
                s.common_name = Some(CertName::parse(&long).unwrap());
            }),
            Code::CommonName,
        ),
    ] {
        assert_eq!(subject.unwrap_err().code(), code);
    }
}
