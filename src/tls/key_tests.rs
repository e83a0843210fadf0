//! Keys in every form openssl writes, and what is no key.

use super::*;
use crate::base::command::output;
use crate::tls::openssl::Openssl;

fn read(openssl: &Openssl, name: &str) -> Result<PrivateKey, Refusal> {
    PrivateKey::read(&openssl.read(name))
}

/// nginx takes the pair: what `openssl pkey` accepts is not always what nginx accepts.
fn nginx_takes(openssl: &Openssl, certificate: &str, key: &str) {
    let nginx = crate::tool::nginx::find().expect("nginx is missing: apt install nginx-light");
    let root = openssl.folder().display();
    let conf = format!(
        "pid {root}/p; error_log {root}/e;\nevents {{}}\nhttp {{ access_log off; server {{ listen 127.0.0.1:9 ssl; ssl_certificate {root}/{certificate}; ssl_certificate_key {root}/{key}; }} }}\n"
    );
    openssl.write("nginx.conf", conf.as_bytes());
    output(&crate::tool::nginx::test(
        &nginx,
        &openssl.path("nginx.conf"),
    ))
    .unwrap_or_else(|error| panic!("{key}: {:?}", crate::base::hint::Hint::tool_output(&error)));
}

#[test]
fn every_form_of_openssl_is_read_and_what_is_written_is_taken_by_openssl_and_nginx() {
    let openssl = Openssl::new();
    openssl.key("rsa8", "rsa2048");
    openssl.key("ec8", "P-256");
    openssl.key("ec384", "P-384");
    openssl.run("rsa -in rsa8.key -traditional -out rsa1.key");
    openssl.run("ec -in ec8.key -out sec1.key");
    openssl.run("ecparam -name prime256v1 -genkey -out params.key");
    for (name, kind) in [
        ("rsa8", "RSA 2048"),
        ("rsa1", "RSA 2048"),
        ("ec8", "ECDSA P-256"),
        ("ec384", "ECDSA P-384"),
        ("sec1", "ECDSA P-256"),
        ("params", "ECDSA P-256"),
    ] {
        let key = read(&openssl, &format!("{name}.key")).unwrap();
        assert_eq!(key.kind(), kind, "{name}");
        let der = openssl.cmd(&[
            "pkey",
            "-in",
            &format!("{name}.key"),
            "-pubout",
            "-outform",
            "DER",
            "-out",
            "pub.der",
        ]);
        output(&der).unwrap();
        assert_eq!(key.spki(), openssl.read("pub.der"), "{name}");
        openssl.write("written.key", key.pem().expose().as_bytes());
        openssl.run("pkey -in written.key -noout -check");
        openssl.run("req -x509 -new -key written.key -subj /CN=x -days 1 -out written.pem");
        nginx_takes(&openssl, "written.pem", "written.key");
    }
}

#[test]
fn every_key_that_is_made_is_taken_by_openssl_and_nginx() {
    let openssl = Openssl::new();
    for kind in [
        KeyKind::Rsa2048,
        KeyKind::Rsa3072,
        KeyKind::Rsa4096,
        KeyKind::EcdsaP256,
        KeyKind::EcdsaP384,
    ] {
        let key = PrivateKey::make(kind).unwrap();
        assert_eq!(key.kind(), kind.word());
        openssl.write("made.key", key.pem().expose().as_bytes());
        openssl.run("pkey -in made.key -noout -check");
        openssl.run("req -x509 -new -key made.key -subj /CN=x -days 1 -out made.pem");
        nginx_takes(&openssl, "made.pem", "made.key");
        assert_eq!(
            PrivateKey::read(key.pem().expose().as_bytes())
                .unwrap()
                .spki(),
            key.spki()
        );
    }
}

#[test]
fn what_is_no_key_of_a_site_is_named() {
    let openssl = Openssl::new();
    openssl.key("good", "rsa2048");
    openssl.run("pkey -in good.key -aes256 -passout pass:x -out encrypted.key");
    openssl.run("rsa -in good.key -traditional -aes256 -passout pass:x -out old-encrypted.key");
    openssl.run("pkey -in good.key -pubout -out public.key");
    openssl.run("pkey -in good.key -outform DER -out der.key");
    openssl.run("req -new -key good.key -subj /CN=x -out csr.key");
    openssl.run("genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key");
    openssl.run("rsa -in weak.key -traditional -out weak1.key");
    openssl.run("genpkey -quiet -algorithm ED25519 -out ed.key");
    openssl.run("ecparam -name secp256k1 -genkey -noout -out koblitz.key");
    let text = String::from_utf8(openssl.read("good.key")).unwrap();
    let line = text.replace('\n', "");
    let half: String = text.lines().take(10).collect::<Vec<_>>().join("\n");
    let shorter = format!("{half}\n-----END PRIVATE KEY-----\n");
    let spaces = text.replace('\n', " ");
    for (name, bytes) in [
        ("line.key", line.as_str()),
        ("half.key", &half),
        ("shorter.key", &shorter),
        ("spaces.key", &spaces),
        ("empty.key", ""),
        ("words.key", "no key\n"),
    ] {
        openssl.write(name, bytes.as_bytes());
    }
    for (name, code) in [
        ("encrypted", Code::KeyEncrypted),
        ("old-encrypted", Code::KeyEncrypted),
        ("public", Code::KeyIsPublic),
        ("der", Code::KeyDer),
        ("csr", Code::KeyIsOther),
        ("weak", Code::KeyWeak),
        ("weak1", Code::KeyWeak),
        ("ed", Code::KeyType),
        ("koblitz", Code::KeyType),
        ("line", Code::KeyOneLine),
        ("spaces", Code::KeyOneLine),
        ("half", Code::KeyTruncated),
        ("shorter", Code::KeyTruncated),
        ("empty", Code::KeyNone),
        ("words", Code::KeyNone),
    ] {
        let refused = read(&openssl, &format!("{name}.key")).unwrap_err();
        assert_eq!(refused.code(), code, "{name}: {refused}");
        let said = format!(
            "{refused:?} {refused} {:?}",
            crate::base::hint::Hint::hints(&refused)
        );
        for line in text.lines().filter(|line| line.len() > 20) {
            assert!(!said.contains(&line[..12]), "{name}: {said}");
        }
    }
    // What editors of Windows do to line ends and beginnings harms nothing.
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert!(PrivateKey::read(windows.as_bytes()).is_ok());
}

#[test]
fn a_key_never_prints() {
    let key = PrivateKey::make(KeyKind::EcdsaP256).unwrap();
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("PrivateKey({})", key.fingerprint()));
}
