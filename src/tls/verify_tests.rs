//! Certificates that an authority made by openssl issued: those that work, and each way in which they do not.

use super::*;
use crate::base::hint::Hint;
use crate::tls::intake;
use crate::tls::openssl::{LEAF, Pki, leaf_extensions};

struct Asked {
    domains: Vec<Domain>,
    roots: Roots,
    now: u64,
    allow_untrusted: bool,
}

impl Asked {
    fn of(pki: &Pki, roots: &[&str]) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "openssl's certificates begin now"
        )]
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        Self {
            domains: ["example.org", "www.example.org"]
                .map(|name| name.parse().unwrap())
                .to_vec(),
            roots: Roots::of_file(pki.bundle(roots).as_bytes()).unwrap(),
            // What the tests make later is valid too.
            now: now.as_secs() + 60,
            allow_untrusted: false,
        }
    }

    fn ask(&self, pki: &Pki, key: &str, files: &[&str]) -> Result<(Chain, Vec<Remark>), Refusal> {
        let all = intake::read(pki.bundle(files).as_bytes())
            .unwrap()
            .certificates;
        let key = key::PrivateKey::read(&pki.openssl.read(&format!("{key}.key"))).unwrap();
        let (leaf, _) = find_leaf(&all, &[key.spki()])?;
        let chain = Chain::of(leaf, &all);
        let demand = Demand {
            domains: &self.domains,
            roots: &self.roots,
            allow_untrusted: self.allow_untrusted,
            now: self.now,
        };
        let remarks = check(&chain, &demand)?;
        Ok((chain, remarks))
    }
}

const NAMES: [&str; 2] = ["example.org", "www.example.org"];

fn words(remarks: &[Remark]) -> Vec<&str> {
    remarks.iter().map(|remark| remark.code).collect()
}

#[test]
fn good_ones_are_put_in_order_and_openssl_and_curl_would_agree() {
    let pki = Pki::new();
    pki.leaf("leaf", "rsa2048", &NAMES);
    pki.leaf("other", "P-256", &["other.org"]);
    let asked = Asked::of(&pki, &["root"]);
    for (files, remarks) in [
        (&["leaf", "int"][..], &[][..]),
        (&["int", "leaf"], &["W_FIXED_ORDER"]),
        (&["leaf", "int", "root"], &["W_FIXED_ROOT"]),
        (&["root", "int", "leaf"], &["W_FIXED_ORDER", "W_FIXED_ROOT"]),
        (&["leaf", "other", "int"], &["W_FIXED_UNRELATED"]),
    ] {
        let (chain, said) = asked.ask(&pki, "leaf", files).unwrap();
        assert_eq!(words(&said), remarks, "{files:?}");
        assert_eq!(chain.pem(), pki.bundle(&["leaf", "int"]), "{files:?}");
    }
    pki.openssl.run(
        "verify -CAfile root.pem -untrusted int.pem -verify_hostname www.example.org leaf.pem",
    );
    pki.leaf(
        "wild",
        "P-256",
        &["example.org", "*.example.org", "more.example.net"],
    );
    let (_, said) = asked.ask(&pki, "wild", &["wild", "int"]).unwrap();
    assert_eq!(words(&said), ["W_NAMES_EXTRA"]);
}

#[test]
fn a_cross_signed_authority_keeps_its_twin_for_older_clients() {
    let pki = Pki::new();
    pki.root("new");
    pki.intermediate("sub", "new", "P-384");
    // `new` signed by the old root: same key, same name.
    pki.sign(
        "new.cross",
        "new",
        "root",
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
        "-days 100",
    );
    pki.openssl.key("site", "P-256");
    pki.sign("site", "site", "sub", &leaf_extensions(&NAMES), "-days 90");
    for roots in [&["root"][..], &["new"], &["root", "new"]] {
        let asked = Asked::of(&pki, roots);
        let (chain, _) = asked
            .ask(&pki, "site", &["site", "sub", "new", "new.cross"])
            .unwrap();
        assert_eq!(
            chain.pem(),
            pki.bundle(&["site", "sub", "new.cross"]),
            "{roots:?}"
        );
    }
}

#[test]
fn each_mistake_has_its_code_and_the_way_out() {
    let pki = Pki::new();
    pki.leaf("leaf", "rsa2048", &NAMES);
    pki.leaf("elsewhere", "rsa2048", &["example.org"]);
    pki.leaf("nameless", "P-256", &["other.org"]);
    let sign = |name: &str, kind: &str, extensions: &str, options: &str| {
        pki.openssl.key(name, kind);
        pki.sign(name, "site", "int", extensions, options);
    };
    let good = leaf_extensions(&NAMES);
    sign("weak", "rsa1024", &good, "-days 90");
    sign("sha1", "rsa2048", &good, "-days 90 -sha1");
    sign(
        "ca",
        "P-256",
        "basicConstraints=critical,CA:TRUE\nsubjectAltName=DNS:example.org,DNS:www.example.org\n",
        "-days 90",
    );
    let client = good.replace("serverAuth", "clientAuth");
    sign("client", "P-256", &client, "-days 90");
    sign("bare", "P-256", LEAF, "-days 90");
    let with_url = format!(
        "{good}authorityInfoAccess=OCSP;URI:http://ocsp.example.org,caIssuers;URI:http://ca.example.org/int.crt\n"
    );
    sign("url", "P-256", &with_url, "-days 90");
    pki.openssl.key("self", "P-256");
    pki.openssl.run("req -x509 -new -key self.key -subj /CN=self -days 9 -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:example.org,DNS:www.example.org -out self.pem");
    pki.root("stranger");
    pki.intermediate("theirs", "stranger", "P-256");
    pki.openssl.key("foreign", "P-256");
    pki.sign("foreign", "site", "theirs", &good, "-days 90");
    pki.openssl.key("staging", "P-256");
    pki.openssl.run("req -x509 -new -key staging.key -subj /CN=(STAGING)_Pretend_Pear_X1 -days 9 -out staging.pem");
    pki.openssl.key("trial", "P-256");
    pki.sign("trial", "site", "staging", &good, "-days 5");

    let asked = Asked::of(&pki, &["root"]);
    let refused = |asked: &Asked, key: &str, files: &[&str], code: Code, hint: &str| {
        let refused = asked.ask(&pki, key, files).unwrap_err();
        assert_eq!(refused.code(), code, "{files:?}: {refused}");
        let hints = refused.hints().join("\n");
        assert!(hints.contains(hint), "{files:?}: {hints}");
        refused.to_string()
    };
    refused(
        &asked,
        "nameless",
        &["leaf", "int"],
        Code::Mismatch,
        "landfall csr",
    );
    let said = refused(
        &asked,
        "elsewhere",
        &["elsewhere", "int"],
        Code::Names,
        "own form",
    );
    assert!(
        said.starts_with("www.example.org is missing in it: it is for example.org"),
        "{said}"
    );
    let said = refused(&asked, "bare", &["bare", "int"], Code::Names, "");
    assert!(said.contains("no host name at all"), "{said}");
    refused(&asked, "leaf", &["leaf"], Code::ChainMissing, "--chain");
    refused(
        &asked,
        "url",
        &["url"],
        Code::ChainMissing,
        "--fetch-chain   gets it from http://ca.example.org/int.crt",
    );
    refused(
        &asked,
        "leaf",
        &["leaf", "theirs"],
        Code::ChainUnrelated,
        "--chain",
    );
    refused(
        &asked,
        "foreign",
        &["foreign", "theirs", "stranger"],
        Code::Untrusted,
        "--roots",
    );
    // An authority of one's own whose root did not come with it.
    refused(
        &asked,
        "foreign",
        &["foreign", "theirs"],
        Code::Untrusted,
        "--roots",
    );
    refused(
        &asked,
        "self",
        &["self"],
        Code::Untrusted,
        "--allow-untrusted",
    );
    refused(
        &asked,
        "trial",
        &["trial", "staging"],
        Code::StagingAuthority,
        "",
    );
    refused(&asked, "sha1", &["sha1", "int"], Code::Sha1, "again");
    refused(&asked, "ca", &["ca", "int"], Code::IsCa, "self-signed");
    refused(&asked, "client", &["client", "int"], Code::NoServerAuth, "");
    // No key of ours is that short, so the certificate alone is asked.
    let weak = intake::read(pki.pem("weak").as_bytes())
        .unwrap()
        .certificates;
    let demand = Demand {
        domains: &asked.domains,
        roots: &asked.roots,
        allow_untrusted: true,
        now: asked.now,
    };
    let weak = check(&Chain::of(&weak[0], &weak), &demand).unwrap_err();
    assert_eq!(weak.code(), Code::KeyWeak);
    let later = Asked {
        now: asked.now + 91 * 24 * 60 * 60,
        ..Asked::of(&pki, &["root"])
    };
    refused(
        &later,
        "leaf",
        &["leaf", "int"],
        Code::Expired,
        "landfall csr",
    );
    let earlier = Asked {
        now: asked.now - 24 * 60 * 60,
        ..Asked::of(&pki, &["root"])
    };
    refused(
        &earlier,
        "leaf",
        &["leaf", "int"],
        Code::NotYet,
        "timedatectl",
    );

    let nobody = Asked {
        roots: Roots::default(),
        ..Asked::of(&pki, &["root"])
    };
    refused(
        &nobody,
        "leaf",
        &["leaf", "int"],
        Code::Untrusted,
        "ca-certificates",
    );

    let lenient = Asked {
        allow_untrusted: true,
        ..Asked::of(&pki, &["root"])
    };
    for (key, files) in [
        ("leaf", &["leaf"][..]),
        ("self", &["self"]),
        ("foreign", &["foreign", "theirs"]),
    ] {
        let (_, remarks) = lenient.ask(&pki, key, files).unwrap();
        assert_eq!(words(&remarks), ["W_UNTRUSTED"], "{files:?}");
    }
    refused(
        &lenient,
        "elsewhere",
        &["elsewhere", "int"],
        Code::Names,
        "",
    );
}

#[test]
fn the_systems_roots_are_there() {
    assert!(
        Roots::of_system().anchors().len() > 50,
        "apt install ca-certificates"
    );
}
