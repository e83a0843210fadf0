//! Certificates: a request, an authority made by openssl, what it issues served; and everything else refused with the served
//! one untouched.

use crate::package::{MOST_EXPOSURE, exposure};
use crate::server::{RELOAD_NGINX, set_up};
use crate::site::release;
use crate::{Vps, error_of, text_of};

/// A root and an intermediate in /root/ca; `issue NAME CSR DAYS NAMES…` signs, `pair NAME KIND NAMES…` makes a key as well.
pub(crate) const AUTHORITY: &str = r#"
mkdir -p /root/ca; cd /root/ca
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -subj '/CN=Test root' -days 3650 -out root.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout int.key -subj '/CN=Test intermediate' -out int.csr
printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' >ca.cnf
openssl x509 -req -in int.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile ca.cnf -days 3650 -out int.pem
cat >issue <<'END'
set -eu; cd /root/ca; name=$1 csr=$2 days=$3; shift 3
{ printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName='; printf 'DNS:%s,' "$@" | sed 's/,$//'; } >$name.cnf
openssl x509 -req -in "$csr" -CA int.pem -CAkey int.key -CAcreateserial -extfile $name.cnf -days $days -out $name.pem
cat $name.pem int.pem >$name.chain
END
cat >pair <<'END'
set -eu; cd /root/ca; name=$1 kind=$2; shift 2
case $kind in rsa) set -- "$@"; openssl req -newkey rsa:2048 -nodes -keyout $name.key -subj /CN=x -out $name.csr;;
  ec) openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -subj /CN=x -out $name.csr;; esac
sh ./issue $name $name.csr 90 "$@"
END
"#;

pub(crate) const NAMES: &str = "alpha.example.org second.example.org www.alpha.example.org";

/// A server with an app in the split layout whose site is served, and an authority.
pub(crate) fn server(name: &str) -> Vps {
    let vps = set_up(name);
    vps.sh("landfall app create alpha --domain alpha.example.org --domain second.example.org --redirect www.alpha.example.org --layout split --without database --without redis");
    release(&vps, "alpha");
    vps.ok(&["landfall", "site", "apply", "alpha"]);
    vps.sh(&format!("({AUTHORITY}) 2>/dev/null"));
    vps
}

/// What a visitor is shown: SHA-256 of the certificate.
pub(crate) fn shown(vps: &Vps, name: &str, port: u16) -> String {
    vps.sh(&format!(
        "openssl s_client -connect 127.0.0.1:{port} -servername {name} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
    ))
}

pub(crate) fn of_file(vps: &Vps, file: &str) -> String {
    vps.sh(&format!(
        "openssl x509 -in {file} -noout -fingerprint -sha256"
    ))
}

pub(crate) fn install(vps: &Vps, options: &str) -> (Option<i32>, String) {
    let output = vps.exec(&[
        "sh",
        "-c",
        &format!("cd /root/ca; landfall cert install {options}"),
    ]);
    (
        output.status.code(),
        format!("{}{}", text_of(&output), error_of(&output)),
    )
}

#[test]
fn a_request_becomes_a_served_certificate_and_every_mistake_leaves_the_old_one() {
    let vps = server("cert");
    let live = vps.ok(&["sha256sum", "/etc/ssl/landfall/alpha/current/privkey.pem"]);
    let first = vps.exec(&["landfall", "csr"]);
    assert!(first.status.success(), "{}", error_of(&first));
    let (request, said) = (text_of(&first), error_of(&first));
    assert!(
        said.contains("names    alpha.example.org, second.example.org, www.alpha.example.org"),
        "{said}"
    );
    let again = vps.exec(&["landfall", "csr"]);
    assert_eq!(text_of(&again), request);
    assert!(
        error_of(&again).contains("this request waits"),
        "{}",
        error_of(&again)
    );
    let other = vps.exec(&["landfall", "csr", "--key", "ecdsa-p256"]);
    assert_eq!(other.status.code(), Some(5), "{}", error_of(&other));
    assert_eq!(
        vps.ok(&["sha256sum", "/etc/ssl/landfall/alpha/current/privkey.pem"]),
        live
    );
    assert_eq!(
        vps.sh("cd /etc/ssl/landfall/alpha/pending; stat -c '%a %U' . * */privkey.pem"),
        "700 root\n700 root\n600 root\n"
    );
    let as_user = vps.exec(&["runuser", "-u", "alpha", "--", "landfall", "csr"]);
    assert_eq!(as_user.status.code(), Some(5), "{}", error_of(&as_user));
    vps.write("/root/ca/alpha.csr", &request);
    vps.sh(&format!("(cd /root/ca; sh issue alpha alpha.csr 199 {NAMES}; sh issue few alpha.csr 90 alpha.example.org; sh pair other rsa {NAMES}) 2>/dev/null"));

    let before = shown(&vps, "alpha.example.org", 443);
    let versions = vps.ok(&["ls", "/etc/ssl/landfall/alpha/versions"]);
    vps.sh("cd /root/ca; openssl x509 -in alpha.pem -outform DER -out alpha.der; openssl crl2pkcs7 -nocrl -certfile alpha.chain -out alpha.p7b; head -n 10 alpha.pem >cut.pem; echo '<html>login</html>' >page.pem; cp /etc/ssl/landfall/alpha/pending/*/privkey.pem /root/ca/pending.key; sed 's/-----/--/g' alpha.pem >dashes.pem; : >empty.pem");
    for (options, code, word) in [
        ("alpha.chain", 5, "E_UNTRUSTED"),
        ("alpha.pem --roots root.pem", 5, "E_CHAIN_MISSING"),
        ("few.chain --roots root.pem", 5, "E_NAMES"),
        ("other.chain --roots root.pem", 5, "E_MISMATCH"),
        ("int.pem --roots root.pem", 5, "E_MISMATCH"),
        ("alpha.der", 2, "E_CRT_DER"),
        ("alpha.p7b", 2, "E_CRT_P7B"),
        ("alpha.csr", 2, "E_CRT_IS_CSR"),
        ("pending.key", 2, "E_CRT_IS_KEY"),
        ("cut.pem", 2, "E_CRT_TRUNCATED"),
        ("page.pem", 2, "E_CRT_HTML"),
        ("dashes.pem", 2, "E_CRT_DASHES"),
        ("empty.pem", 2, "E_CRT_EMPTY"),
        ("missing.pem", 1, "cannot read"),
    ] {
        let (ended, said) = install(&vps, options);
        assert_eq!(ended, Some(code), "{options}: {said}");
        assert!(said.contains(word), "{options}: {said}");
        assert_eq!(shown(&vps, "alpha.example.org", 443), before, "{options}");
        assert_eq!(
            vps.ok(&["ls", "/etc/ssl/landfall/alpha/versions"]),
            versions,
            "{options}"
        );
    }
    let (ended, said) = install(&vps, "alpha.chain --roots root.pem --dry-run");
    assert!(
        ended == Some(0) && said.contains("nothing was changed"),
        "{said}"
    );
    assert_eq!(shown(&vps, "alpha.example.org", 443), before);

    // As it comes out of a mail: upside down, with Windows' line ends, pasted.
    vps.sh("cd /root/ca; cat root.pem int.pem alpha.pem | sed 's/$/\\r/' >paste");
    let (ended, said) = install(&vps, "- --roots root.pem <paste");
    assert_eq!(ended, Some(0), "{said}");
    for word in [
        "W_FIXED_CRLF",
        "W_FIXED_ORDER",
        "W_FIXED_ROOT",
        "198 days are left",
    ] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let issued = of_file(&vps, "/root/ca/alpha.pem");
    for (name, port) in [
        ("alpha.example.org", 443),
        ("second.example.org", 443),
        ("www.alpha.example.org", 443),
        ("alpha.example.org", 8443),
        ("second.example.org", 8443),
    ] {
        assert_eq!(shown(&vps, name, port), issued, "{name}:{port}");
        vps.sh(&format!("curl -s --retry 5 --retry-delay 1 --retry-all-errors --cacert /root/ca/root.pem --resolve {name}:{port}:127.0.0.1 -o /dev/null https://{name}:{port}/"));
    }
    assert_eq!(vps.sh("ls /etc/ssl/landfall/alpha/pending"), "");
    assert_eq!(
        vps.sh("stat -c %a /etc/ssl/landfall/alpha/current/privkey.pem"),
        "600\n"
    );
    the_status_is_told(&vps);
    one_that_is_not_served_goes_back(&vps, &issued);
    a_self_signed_one_takes_force(&vps);
}

fn the_status_is_told(vps: &Vps) {
    for argv in [
        &["landfall", "cert", "status"][..],
        &[
            "runuser", "-u", "alpha", "--", "landfall", "--app", "alpha", "cert", "status",
        ],
    ] {
        let output = vps.exec(argv);
        let text = text_of(&output);
        assert_eq!(output.status.code(), Some(0), "{text}{}", error_of(&output));
        assert!(
            text.starts_with("OK alpha: 198 of 199 days left (99 %), until "),
            "{text}"
        );
    }
    let code = |options: &str| {
        let output = vps.exec(&["sh", "-c", &format!("landfall cert status {options}")]);
        (output.status.code(), text_of(&output))
    };
    assert_eq!(code("--warn 198").0, Some(1));
    assert_eq!(code("--crit 198").0, Some(2));
    let (ended, text) = code("--host 127.0.0.1:443");
    assert!(ended != Some(0) && text.contains("127.0.0.1:443"), "{text}");
    assert_eq!(code("--host 127.0.0.1:9").0, Some(2));
    assert_eq!(code("--app nobody").0, Some(3));
    // What nginx shows is not what is on disk, and a key that others may read.
    vps.sh("cd /etc/ssl/landfall/alpha; ls versions | grep stand-in >/root/stand-in; readlink current >/root/link; ln -sfn versions/$(head -1 /root/stand-in) current; chmod 644 current/privkey.pem");
    let (ended, text) = code("--json");
    assert_eq!(ended, Some(1), "{text}");
    for word in [
        "shows another certificate than is on disk",
        "the key's mode is 0644",
        "stands in",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    vps.sh("cd /etc/ssl/landfall/alpha; chmod 600 current/privkey.pem; ln -sfn $(cat /root/link) current");
    // A name that the settings got later.
    vps.sh("sed -i 's/^domains = .*/domains = [\"alpha.example.org\", \"second.example.org\", \"new.example.org\"]/' /etc/landfall/apps/alpha.toml");
    let (ended, text) = code("");
    assert!(
        ended == Some(2) && text.contains("it is not for new.example.org"),
        "{text}"
    );
    vps.sh("sed -i 's/, \"new.example.org\"//' /etc/landfall/apps/alpha.toml");
    vps.sh("systemctl start landfall-cert-status.service; systemctl is-active landfall-cert-status.timer; systemctl is-enabled landfall-cert-status.timer");
    vps.sh("systemd-analyze --man=no verify /usr/lib/systemd/system/landfall-cert-status.timer /usr/lib/systemd/system/landfall-cert-status.service 2>&1 | grep landfall-cert && exit 1 || true");
    let exposure = exposure(vps, "landfall-cert-status.service");
    assert!(exposure <= MOST_EXPOSURE, "{exposure}");
}

/// nginx takes it, and somebody else answers for the name: only a handshake shows that.
fn one_that_is_not_served_goes_back(vps: &Vps, issued: &str) {
    vps.sh(&format!(
        "(cd /root/ca; sh pair next ec {NAMES}) 2>/dev/null"
    ));
    vps.sh("mkdir -p /root/kept; cp /etc/ssl/landfall/alpha/current/*.pem /root/kept; printf 'server { listen 443 ssl http2; server_name second.example.org; ssl_certificate /root/kept/fullchain.pem; ssl_certificate_key /root/kept/privkey.pem; return 200 stolen; }' >/etc/nginx/conf.d/aaa.conf");
    let link = vps.ok(&["readlink", "/etc/ssl/landfall/alpha/current"]);
    let versions = vps.ok(&["ls", "/etc/ssl/landfall/alpha/versions"]);
    let (ended, said) = install(vps, "next.chain --key next.key --roots root.pem");
    assert_eq!(ended, Some(1), "{said}");
    assert!(
        said.contains("E_SERVED_OLD")
            && said.contains("second.example.org:443 shows another certificate"),
        "{said}"
    );
    assert_eq!(
        vps.ok(&["readlink", "/etc/ssl/landfall/alpha/current"]),
        link
    );
    assert_eq!(
        vps.ok(&["ls", "/etc/ssl/landfall/alpha/versions"]),
        versions
    );
    vps.sh(&format!("rm /etc/nginx/conf.d/aaa.conf; {RELOAD_NGINX}"));
    assert_eq!(shown(vps, "alpha.example.org", 443), issued);
    // A key that others may read is refused, and said so.
    vps.sh("chmod 644 /root/ca/next.key");
    let (ended, said) = install(vps, "next.chain --key next.key --roots root.pem");
    assert!(ended == Some(5) && said.contains("E_KEY_PERM"), "{said}");
    assert_eq!(shown(vps, "alpha.example.org", 443), issued);
}

fn a_self_signed_one_takes_force(vps: &Vps) {
    let refused = vps.exec(&["landfall", "cert", "self-signed"]);
    assert_eq!(refused.status.code(), Some(5), "{}", error_of(&refused));
    vps.ok(&["landfall", "cert", "self-signed", "--force", "--days", "30"]);
    vps.sh("curl -s --cacert /etc/ssl/landfall/alpha/current/fullchain.pem --resolve www.alpha.example.org:443:127.0.0.1 -o /dev/null https://www.alpha.example.org/");
    let status = vps.exec(&["landfall", "cert", "status"]);
    assert_eq!(status.status.code(), Some(1), "{}", text_of(&status));
    // A site that is applied leaves it alone.
    let kept = shown(vps, "alpha.example.org", 443);
    vps.sh("sed -i 's/^max_upload_mb = .*/max_upload_mb = 26/' /etc/landfall/apps/alpha.toml; landfall site apply alpha");
    assert_eq!(shown(vps, "alpha.example.org", 443), kept);
}

/// Makes handshakes all the while, each checked to the root, and counts those that fail.
const VISITOR: &str = r#"
import os, socket, ssl
context = ssl.create_default_context(cafile="/root/ca/root.pem")
good, failed, seen = 0, [], set()
while not os.path.exists("/tmp/stop"):
    try:
        with socket.create_connection(("127.0.0.1", 443), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname="alpha.example.org") as tls:
                seen.add(tls.getpeercert()["serialNumber"]); good += 1
    except Exception as error:
        failed.append(repr(error))
open("/tmp/counted", "w").write("%d %d %d %s" % (good, len(failed), len(seen), failed[:3]))
"#;

#[test]
fn visitors_notice_nothing_of_twenty_installs_and_a_killed_one_leaves_a_pair_that_fits() {
    let vps = server("cert-swap");
    vps.sh(&format!("(cd /root/ca; sh pair rsa rsa {NAMES}; sh pair ec ec {NAMES}) 2>/dev/null; cd /root/ca; landfall cert install rsa.chain --key rsa.key --roots root.pem"));
    vps.write("/root/visitor.py", VISITOR);
    vps.sh("rm -f /tmp/stop /tmp/counted; systemd-run --quiet --unit visitor --collect python3 /root/visitor.py; sleep 0.5");
    let begun = std::time::Instant::now();
    for round in 0..20 {
        let name = ["ec", "rsa"][round % 2];
        let (ended, said) = install(
            &vps,
            &format!("{name}.chain --key {name}.key --roots root.pem"),
        );
        assert_eq!(ended, Some(0), "{round}: {said}");
        assert_eq!(
            shown(&vps, "alpha.example.org", 443),
            of_file(&vps, &format!("/root/ca/{name}.pem"))
        );
    }
    let took = begun.elapsed();
    vps.sh(
        "touch /tmp/stop; for n in $(seq 600); do [ -e /tmp/counted ] && break; sleep 0.1; done",
    );
    let counted = vps.ok(&["cat", "/tmp/counted"]);
    println!("20 installs in {took:.1?}; handshakes, failed, certificates seen: {counted}");
    let numbers: Vec<u32> = counted
        .split(' ')
        .take(3)
        .map(|n| n.parse().unwrap())
        .collect();
    assert!(
        numbers[0] > 200 && numbers[1] == 0 && numbers[2] == 2,
        "{counted}"
    );
    assert_eq!(vps.sh("ls /etc/ssl/landfall/alpha/versions | wc -l"), "3\n");

    // Killed at any moment: what lies there fits together, nginx would start with it, and the next one goes through.
    // Asked over HTTP/1.1: a worker that nginx retires closes a new HTTP/2 connection with GOAWAY, and curl, other than a browser,
    // does not ask again (its exit code 16).
    for round in 0..15 {
        let name = ["ec", "rsa"][round % 2];
        let wait = f64::from(u32::try_from(round).unwrap()) * 0.015;
        vps.sh(&format!(
            "cd /root/ca; landfall cert install {name}.chain --key {name}.key --roots root.pem >/dev/null 2>&1 & pid=$!; sleep {wait}; kill -9 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
             nginx -t -q
             cd /etc/ssl/landfall/alpha/current; [ \"$(openssl x509 -in fullchain.pem -noout -pubkey)\" = \"$(openssl pkey -in privkey.pem -pubout)\" ]
             curl -s --http1.1 --cacert /root/ca/root.pem --resolve alpha.example.org:443:127.0.0.1 -o /dev/null https://alpha.example.org/"
        ));
    }
    let (ended, said) = install(&vps, "rsa.chain --key rsa.key --roots root.pem");
    assert_eq!(ended, Some(0), "{said}");
    assert_eq!(vps.sh("ls /etc/ssl/landfall/alpha/versions | wc -l"), "3\n");
}
