//! What people do with certificates and keys, each made by openssl: refused with its code and the way out while the served
//! certificate stays, or put right, said and served.

use crate::cert::{NAMES, install, of_file, server, shown};

/// `base` is served; `rsa` and `ec` are good pairs. All else is wrong in one way.
const FIXTURES: &str = r#"
cd /root/ca
for name in base rsa other; do sh pair $name rsa $NAMES; done
sh pair ec ec $NAMES
sh pair few ec alpha.example.org
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout wrong.key -subj '/CN=Wrong intermediate' -out wrong.csr
openssl x509 -req -in wrong.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile ca.cnf -days 3650 -out wrong.pem
cat rsa.pem wrong.pem >wrong.chain
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=/root/ca/db\nnew_certs_dir=/root/ca\nserial=/root/ca/sn\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n' >dated.cnf
touch db; echo 1000 >sn
dated() { openssl ca -batch -notext -config dated.cnf -in rsa.csr -cert int.pem -keyfile int.key -startdate $2 -enddate $3 -extfile rsa.cnf -out $1.pem; cat $1.pem int.pem >$1.chain; }
dated expired 20250101000000Z 20250401000000Z
dated future 20400101000000Z 20400401000000Z
openssl x509 -req -in rsa.csr -CA int.pem -CAkey int.key -CAcreateserial -extfile rsa.cnf -days 90 -sha1 -out sha1.pem; cat sha1.pem int.pem >sha1.chain

head -n 12 rsa.pem >cut.pem
sed '$d' rsa.pem >no-end.pem
{ sed '5d' rsa.pem; cat int.pem; } >line-gone.pem
echo '<!DOCTYPE html><html><body>Sign in</body></html>' >page.pem
sed 's/+/\&#43;/g' rsa.chain >entities.pem
sed 's/-----/----/g' rsa.chain >four.pem
printf '%s' "$(cat rsa.chain)" | sed 's/-----/\xe2\x80\x93\xe2\x80\x93\xe2\x80\x93/g' >en.pem
openssl x509 -in rsa.pem -outform DER -out rsa.der
openssl crl2pkcs7 -nocrl -certfile rsa.chain -out rsa.p7b
openssl crl2pkcs7 -nocrl -certfile rsa.chain -outform DER -out rsa.p7c
openssl pkcs12 -export -in rsa.pem -inkey rsa.key -passout pass:x -out rsa.p12
: >empty
install -o nobody -m 600 rsa.chain theirs.chain; install -o nobody -m 600 rsa.key theirs.key

umask 077
head -n 12 rsa.key >cut.key
{ head -n 12 rsa.key; tail -n 1 rsa.key; } >short.key
tr -d '\n' <rsa.key >line.key
openssl pkey -in rsa.key -pubout -out public.key
openssl pkey -in rsa.key -outform DER -out der.key
openssl pkey -in rsa.key -aes256 -passout pass:x -out encrypted.key
openssl rsa -in rsa.key -traditional -aes256 -passout pass:x -out old-encrypted.key
openssl genrsa -out weak.key 1024
cp rsa.csr csr.key
openssl genpkey -algorithm ED25519 -out ed.key
{ printf '\060\121\002\001\001\060\005\006\003\053\145\160\004\042\004\040'; openssl pkey -in ed.key -outform DER | tail -c 32; printf '\201\041\000'; openssl pkey -in ed.key -pubout -outform DER | tail -c 32; } >v2.der
{ echo '-----BEGIN PRIVATE KEY-----'; base64 v2.der; echo '-----END PRIVATE KEY-----'; } >v2.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out koblitz.key
umask 022

sed 's/$/\r/' rsa.chain >crlf; { printf '\357\273\277'; cat ec.chain; } >bom
{ openssl x509 -in rsa.pem -noout -text; cat rsa.chain; } >preamble; cat ec.pem ec.chain >twice
cat rsa.chain root.pem >rooted; sed 's/^/    /' ec.chain >indented
sed ':a;N;$!ba;s/-----\n-----/----------/g' rsa.chain >glued; tr '\n' ' ' <ec.chain >spaces
cat int.pem rsa.pem >reversed-mixed; cat int.pem ec.pem >reversed; cat root.pem int.pem rsa.pem >upside-down
tr -d '\n' <ec.chain >one-line
"#;

#[test]
fn each_mistake_is_refused_with_its_code_or_put_right() {
    let vps = server("cert-mistakes");
    let made = FIXTURES.replace("$NAMES", NAMES);
    vps.sh(&format!(
        "({made}) 2>/dev/null\ncd /root/ca; landfall cert install base.chain --key base.key --roots root.pem"
    ));
    let before = of_file(&vps, "/root/ca/base.pem");
    let lies_there =
        "cd /etc/ssl/landfall/alpha; find . | sort; readlink current; sha256sum current/*";
    let there = vps.sh(lies_there);
    let k = |key: &str| format!("rsa.chain --key {key}");
    let c = |chain: &str| format!("{chain} --key rsa.key");
    let refusals: Vec<(String, i32, &str, &str)> = vec![
        // Whose it is.
        ("other.chain".into(), 5, "E_MISMATCH", "landfall csr"),
        (k("other.key"), 5, "E_MISMATCH", "--key KEY"),
        (k("ec.key"), 5, "E_MISMATCH", "--key KEY"),
        ("int.pem --key rsa.key".into(), 5, "E_MISMATCH", "--key KEY"),
        // The way to a root.
        (c("rsa.pem"), 5, "E_CHAIN_MISSING", "--chain CHAIN.pem"),
        (
            c("wrong.chain"),
            5,
            "E_CHAIN_UNRELATED",
            "--chain CHAIN.pem",
        ),
        // Dates, names, signatures.
        (c("expired.chain"), 5, "E_EXPIRED", "landfall csr"),
        (c("future.chain"), 5, "E_NOT_YET", "timedatectl"),
        (
            "few.chain --key few.key".into(),
            5,
            "E_NAMES",
            "their own form",
        ),
        (c("sha1.chain"), 5, "E_SHA1", "issued again"),
        // What it is instead, and what became of it on its way.
        (c("page.pem"), 2, "E_CRT_HTML", "download button"),
        (c("entities.pem"), 2, "E_CRT_HTML", "download button"),
        (c("four.pem"), 2, "E_CRT_DASHES", "download the file"),
        (c("en.pem"), 2, "E_CRT_DASHES", "download the file"),
        (c("cut.pem"), 2, "E_CRT_TRUNCATED", "from the first BEGIN"),
        (
            c("no-end.pem"),
            2,
            "E_CRT_TRUNCATED",
            "from the first BEGIN",
        ),
        (
            c("line-gone.pem"),
            2,
            "E_CRT_TRUNCATED",
            "from the first BEGIN",
        ),
        (c("rsa.der"), 2, "E_CRT_DER", "openssl x509 -inform DER"),
        (c("rsa.p7b"), 2, "E_CRT_P7B", "openssl pkcs7 -inform PEM"),
        (c("rsa.p7c"), 2, "E_CRT_P7B", "openssl pkcs7 -inform DER"),
        (c("rsa.p12"), 2, "E_CRT_P12", "openssl pkcs12"),
        (c("rsa.csr"), 2, "E_CRT_IS_CSR", "landfall cert install"),
        (c("rsa.key"), 2, "E_CRT_IS_KEY", "landfall csr --new"),
        (c("empty"), 2, "E_CRT_EMPTY", "Ctrl-D"),
        (c("missing"), 1, "cannot read /root/ca/missing", ""),
        (c("."), 1, "cannot read /root/ca/", ""),
        // The key.
        (k("rsa.chain"), 2, "E_KEY_IS_OTHER", ""),
        (k("csr.key"), 2, "E_KEY_IS_OTHER", ""),
        (k("empty"), 2, "E_KEY_NONE", ""),
        (k("cut.key"), 2, "E_KEY_TRUNCATED", "copy the file itself"),
        (k("short.key"), 2, "E_KEY_TRUNCATED", "copy the file itself"),
        (k("line.key"), 2, "E_KEY_ONELINE", "copy the file itself"),
        (k("public.key"), 2, "E_KEY_IS_PUBLIC", ""),
        (k("der.key"), 2, "E_KEY_DER", "openssl pkey -inform DER"),
        (k("encrypted.key"), 2, "E_KEY_ENCRYPTED", "openssl pkey -in"),
        (
            k("old-encrypted.key"),
            2,
            "E_KEY_ENCRYPTED",
            "openssl pkey -in",
        ),
        (k("weak.key"), 2, "E_KEY_WEAK", "landfall csr --new"),
        (k("ed.key"), 2, "E_KEY_TYPE", "landfall csr --key rsa2048"),
        (k("v2.key"), 2, "E_KEY_TYPE", "landfall csr --key rsa2048"),
        (
            k("koblitz.key"),
            2,
            "E_KEY_TYPE",
            "landfall csr --key rsa2048",
        ),
        (k("missing"), 1, "cannot read /root/ca/missing", ""),
    ];
    for (options, code, word, hint) in &refusals {
        let (ended, said) = install(&vps, &format!("{options} --roots root.pem"));
        assert_eq!(ended, Some(*code), "{options}: {said}");
        assert!(said.contains(word), "{options}: {said}");
        let hints: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("hint: "))
            .collect();
        assert!(hints.join("\n").contains(hint), "{options}: {said}");
        assert_eq!(shown(&vps, "alpha.example.org", 443), before, "{options}");
        assert_eq!(vps.sh(lies_there), there, "{options}");
    }
    // Root without root's rights over others' files, as in a container.
    for options in [c("theirs.chain"), k("theirs.key")] {
        let said = vps.sh(&format!("cd /root/ca; setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all landfall cert install {options} --roots root.pem 2>&1 && exit 1 || true"));
        assert!(
            said.contains("error: cannot read /root/ca/theirs."),
            "{said}"
        );
        assert!(said.contains("hint: see who owns it"), "{said}");
    }
    assert_eq!(vps.sh(lies_there), there);

    let repairs = [
        ("ec", "bom", "W_FIXED_BOM"),
        ("rsa", "crlf", "W_FIXED_CRLF"),
        ("ec", "twice", "W_FIXED_DUP"),
        ("rsa", "preamble", "serves the new certificate"),
        ("ec", "indented", "W_FIXED_INDENT"),
        ("rsa", "rooted", "W_FIXED_ROOT"),
        ("ec", "spaces", "W_FIXED_GLUED"),
        ("rsa", "glued", "W_FIXED_GLUED"),
        ("ec", "one-line", "W_FIXED_GLUED"),
        ("rsa", "reversed-mixed", "W_FIXED_ORDER"),
        ("ec", "reversed", "W_FIXED_ORDER"),
        ("rsa", "upside-down", "W_FIXED_ROOT"),
    ];
    for (key, file, word) in repairs {
        let (ended, said) = install(&vps, &format!("{file} --key {key}.key --roots root.pem"));
        assert_eq!(ended, Some(0), "{file}: {said}");
        assert!(said.contains(word), "{file}: {said}");
        let leaf = of_file(&vps, &format!("/root/ca/{key}.pem"));
        assert_eq!(shown(&vps, "alpha.example.org", 443), leaf, "{file}");
        vps.sh(&format!(
            "cmp /etc/ssl/landfall/alpha/current/fullchain.pem /root/ca/{key}.chain
             curl -s --retry 5 --retry-delay 1 --retry-all-errors --cacert /root/ca/root.pem --resolve second.example.org:443:127.0.0.1 -o /dev/null https://second.example.org/"
        ));
    }
    println!(
        "{} mistakes refused, {} put right",
        refusals.len() + 2,
        repairs.len()
    );
}
