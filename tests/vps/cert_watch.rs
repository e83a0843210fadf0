//! What surrounds certificates: issuers that are fetched, people who are told, a line that moves, and keys that show nowhere.

use crate::cert::{NAMES, install, of_file, server, shown};
use crate::package::{MOST_EXPOSURE, exposure};
use crate::{Vps, error_of, text_of};

/// A small web server with what is in /root/www, on every address; it writes down what it is asked.
const WEB: &str = r#"
import http.server, socketserver, time
class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args): super().__init__(*args, directory="/root/www")
    def log_message(self, *args): open("/root/asked", "a").write(self.path + "\n")
    def do_GET(self):
        if self.path == "/moved.crt":
            self.send_response(302); self.send_header("Location", "/int.der"); self.end_headers()
        elif self.path == "/slow.crt":
            self.log_message(); time.sleep(60)
        else: super().do_GET()
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True; daemon_threads = True
Server(("0.0.0.0", 8099), Handler).serve_forever()
"#;

#[test]
fn a_missing_issuer_is_fetched_and_nothing_inside_is_asked() {
    let vps = server("cert-fetch");
    vps.write("/root/web.py", WEB);
    // A second floor of authorities, and leaves that say where their issuer is.
    vps.sh(&format!(r#"(cd /root/ca; mkdir -p /root/www
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout low.key -subj '/CN=Low intermediate' -out low.csr
      {{ cat ca.cnf; echo authorityInfoAccess=caIssuers\;URI:http://ca.example.org:8099/int.der; }} >low.cnf
      openssl x509 -req -in low.csr -CA int.pem -CAkey int.key -CAcreateserial -extfile low.cnf -days 3650 -out low.pem
      sh pair good ec {NAMES}
      leaf() {{ {{ cat good.cnf; echo; }} >$1.cnf; echo "authorityInfoAccess=OCSP;URI:http://ocsp.example.org,caIssuers;URI:$2" >>$1.cnf; openssl x509 -req -in good.csr -CA ${{3:-int}}.pem -CAkey ${{3:-int}}.key -CAcreateserial -extfile $1.cnf -days 90 -out $1.pem; }}
      leaf der http://ca.example.org:8099/int.der; leaf p7c http://127.0.0.1:8099/int.p7c; leaf pem http://ca.example.org:8099/int.pem
      leaf two http://ca.example.org:8099/low.der low
      leaf gone http://ca.example.org:8099/gone.crt; leaf moved http://ca.example.org:8099/moved.crt; leaf page http://ca.example.org:8099/page.crt
      leaf huge http://ca.example.org:8099/huge.crt; leaf wrong http://ca.example.org:8099/root.crt; leaf slow http://ca.example.org:8099/slow.crt
      leaf closed http://ca.example.org:8098/int.der; leaf tls https://ca.example.org/int.der
      leaf inside http://ca.example.org/int.der; leaf cloud http://169.254.169.254/latest/meta-data; leaf port http://198.51.100.1:6379/
      openssl x509 -in int.pem -outform DER -out /root/www/int.der; openssl x509 -in low.pem -outform DER -out /root/www/low.der
      openssl crl2pkcs7 -nocrl -certfile int.pem -outform DER -out /root/www/int.p7c
      cp int.pem /root/www/int.pem; cp root.pem /root/www/root.crt; echo '<html>' >/root/www/page.crt; head -c 70000 /dev/zero >/root/www/huge.crt
      echo '127.0.0.1 ca.example.org' >>/etc/hosts) 2>/dev/null
      systemd-run --quiet --unit web --collect python3 /root/web.py; for n in $(seq 600); do curl -s -o /dev/null http://127.0.0.1:8099/ && break; sleep 0.1; done; rm -f /root/asked"#));
    let before = shown(&vps, "alpha.example.org", 443);

    // Without being asked, nothing is fetched; the hint says how.
    let (ended, said) = install(&vps, "der.pem --key good.key --roots root.pem");
    assert_eq!(ended, Some(5), "{said}");
    assert!(
        said.contains("E_CHAIN_MISSING")
            && said.contains("--fetch-chain   gets it from http://ca.example.org:8099/int.der"),
        "{said}"
    );
    // Roots of the system: the certificate is a stranger's, and may lead anywhere.
    for (leaf, word) in [
        ("inside", "127.0.0.1 is no public address"),
        ("cloud", "169.254.169.254 is no public address"),
        ("der", "port 8099 is no web server's"),
        ("port", "port 6379 is no web server's"),
        ("tls", "no address of plain http"),
    ] {
        let (ended, said) = install(&vps, &format!("{leaf}.pem --key good.key --fetch-chain"));
        assert_eq!(ended, Some(5), "{leaf}: {said}");
        assert!(
            said.contains("E_CHAIN_FETCH") && said.contains(word),
            "{leaf}: {said}"
        );
    }
    assert_eq!(vps.sh("cat /root/asked 2>/dev/null || true"), "");
    for (leaf, word) in [
        ("gone", "the answer is 404"),
        ("moved", "it leads to /int.der, which is not followed"),
        ("page", "what is there is no certificate"),
        ("huge", "it has more than 65536 bytes"),
        ("wrong", "has not signed the certificate"),
        ("slow", "did not answer within 10s"),
        ("closed", "nobody listens on 127.0.0.1:8098"),
    ] {
        let (ended, said) = install(
            &vps,
            &format!("{leaf}.pem --key good.key --roots root.pem --fetch-chain"),
        );
        assert_eq!(ended, Some(5), "{leaf}: {said}");
        assert!(
            said.contains("E_CHAIN_FETCH") && said.contains(word) && said.contains("hint: "),
            "{leaf}: {said}"
        );
        assert_eq!(shown(&vps, "alpha.example.org", 443), before, "{leaf}");
    }
    let (ended, _) = install(
        &vps,
        "der.pem --key good.key --fetch-chain --allow-untrusted",
    );
    assert_eq!(ended, Some(2));
    assert_eq!(
        vps.sh("sort -u /root/asked | tr '\n' ' '"),
        "/gone.crt /huge.crt /moved.crt /page.crt /root.crt /slow.crt "
    );

    for (leaf, chain) in [
        ("der", "int"),
        ("p7c", "int"),
        ("pem", "int"),
        ("two", "low int"),
    ] {
        let (ended, said) = install(
            &vps,
            &format!("{leaf}.pem --key good.key --roots root.pem --fetch-chain"),
        );
        assert_eq!(ended, Some(0), "{leaf}: {said}");
        assert!(said.contains("W_CHAIN_FETCHED"), "{leaf}: {said}");
        let chain: Vec<String> = chain.split(' ').map(|name| format!("{name}.pem")).collect();
        vps.sh(&format!(
            "cd /root/ca; cat {leaf}.pem {} | cmp - /etc/ssl/landfall/alpha/current/fullchain.pem",
            chain.join(" ")
        ));
        assert_eq!(
            shown(&vps, "alpha.example.org", 443),
            of_file(&vps, &format!("/root/ca/{leaf}.pem"))
        );
        vps.sh("curl -s --cacert /root/ca/root.pem --resolve alpha.example.org:443:127.0.0.1 -o /dev/null https://alpha.example.org/");
    }
    // What is whole is not asked for.
    vps.sh("rm /root/asked");
    let (ended, said) = install(
        &vps,
        "good.chain --key good.key --roots root.pem --fetch-chain",
    );
    assert_eq!(ended, Some(0), "{said}");
    vps.sh("test ! -e /root/asked");
}

/// Keeps what it is told, as a program of the server's people would send it on.
const NOTIFY: &str = "#!/bin/sh\nset -eu\n{ printf '%s\\n' \"$1\"; cat; id -u; env | cut -d= -f1 | sort | tr '\\n' ' '; echo; } >>/var/lib/landfall/notified\n[ ! -e /var/lib/landfall/fail ] || { echo 'the mail server is gone'; exit 3; }\n";

#[test]
fn people_are_told_once_of_each_change_by_the_timers_service() {
    let vps = server("cert-notify");
    vps.sh(&format!("(cd /root/ca; sh pair long ec {NAMES}) 2>/dev/null; cd /root/ca; landfall cert install long.chain --key long.key --roots root.pem"));
    let look = |vps: &Vps| {
        vps.sh("rm -f /var/lib/landfall/notified; systemctl reset-failed landfall-cert-status.service 2>/dev/null || true; systemctl start landfall-cert-status.service 2>/dev/null || true; cat /var/lib/landfall/notified 2>/dev/null || true")
    };
    let result = "systemctl show -P Result landfall-cert-status.service";
    // Nobody is there to be told: nothing is remembered either.
    assert_eq!(look(&vps), "");
    vps.sh("test ! -e /var/lib/landfall/cert-told.json");
    vps.write("/etc/landfall/notify", NOTIFY);
    vps.sh("chmod 755 /etc/landfall/notify");
    assert_eq!(look(&vps), "");
    assert_eq!(vps.sh(result), "success\n");
    // Whoever tries it out asks for more days than any certificate has.
    let changed = |app_grade: &str| {
        vps.sh(&format!("landfall cert status --all {app_grade} --notify >/dev/null 2>&1 || true; cat /var/lib/landfall/notified 2>/dev/null || true; rm -f /var/lib/landfall/notified"))
    };
    let told = changed("--warn 400");
    let mut lines = told.lines();
    let text = lines.next().unwrap_or_default();
    assert!(
        text.contains(": WARNING alpha: 89 of 90 days are left"),
        "{told}"
    );
    let json: serde_json::Value =
        serde_json::from_str(lines.next().unwrap_or_default()).expect(&told);
    assert_eq!(json["grade"], "WARNING");
    assert_eq!(json["text"], text);
    assert_eq!(
        (&json["apps"][0]["app"], &json["apps"][0]["was"]),
        (&"alpha".into(), &"OK".into())
    );
    assert_eq!(
        json["apps"][0]["certificate"]["names"][0],
        "alpha.example.org"
    );
    assert_eq!(lines.next(), Some("0"));
    assert_eq!(lines.next(), Some("LANG PATH PWD "), "{told}");
    assert_eq!(changed("--warn 400"), "");
    // The unit, in its cage, tells of the change as well.
    let told = look(&vps);
    assert!(
        told.contains(": OK alpha: 89 days left, was WARNING"),
        "{told}"
    );
    assert_eq!(look(&vps), "");
    // Critical for whoever looks: the key lost its mode and the site its certificate's name.
    vps.sh("sed -i 's/^domains = .*/domains = [\"alpha.example.org\", \"second.example.org\", \"new.example.org\"]/' /etc/landfall/apps/alpha.toml; touch /var/lib/landfall/fail");
    assert!(look(&vps).contains(": CRITICAL alpha: "));
    assert_eq!(vps.sh(result), "exit-code\n");
    let log = vps.sh("journalctl --sync; journalctl -u landfall-cert-status.service -n 20 -o cat");
    assert!(
        log.contains("error: nobody was told of it") && log.contains("the mail server is gone"),
        "{log}"
    );
    // What was not told is told at the next look, then no more; a week later again.
    vps.sh("rm /var/lib/landfall/fail");
    assert!(look(&vps).contains(": CRITICAL alpha: it is not for new.example.org"));
    assert_eq!(look(&vps), "");
    assert_eq!(vps.sh(result), "exit-code\n");
    vps.sh("python3 - <<'END'\nimport json\nfile = '/var/lib/landfall/cert-told.json'\ntold = json.load(open(file))\ntold['apps']['alpha']['at'] -= 7 * 24 * 3600\njson.dump(told, open(file, 'w'))\nEND");
    assert!(look(&vps).contains(": CRITICAL alpha: "));
    assert_eq!(look(&vps), "");
    // Others could have put it there.
    vps.sh("chmod 775 /etc/landfall/notify; rm /var/lib/landfall/cert-told.json");
    assert_eq!(look(&vps), "");
    let log = vps.sh("journalctl --sync; journalctl -u landfall-cert-status.service -n 20 -o cat");
    assert!(
        log.contains("error: /etc/landfall/notify is not run: others than root can change it"),
        "{log}"
    );
    let as_user = vps.exec(&[
        "runuser", "-u", "alpha", "--", "landfall", "cert", "status", "--all", "--notify",
    ]);
    assert!(
        error_of(&as_user).contains("only root tells"),
        "{}",
        error_of(&as_user)
    );
    let exposure = exposure(&vps, "landfall-cert-status.service");
    println!("exposure of the timer's service: {exposure}");
    assert!(exposure <= MOST_EXPOSURE, "{exposure}");
}

/// Everything that was printed, the journal and whatever a crash left, searched for any eight bytes of a key's numbers.
const SEARCH: &str = r#"
import base64, glob, os, re, subprocess, sys
secrets = set()
for file in glob.glob("/root/kept/*.key"):
    text = open(file).read()
    body = "".join(line for line in text.splitlines() if "-" not in line and ":" not in line)
    der = base64.b64decode(body)
    # The head of a key is the same for all of its kind, and its public half is in its certificate.
    public = subprocess.run(["openssl", "pkey", "-in", file, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
    known = {public[at:at + 8] for at in range(len(public))}
    for at in range(30, len(der) - 8):
        piece = der[at:at + 8]
        if piece in known or len(set(piece)) < 4: continue
        secrets.add(piece); secrets.add(piece.hex().encode()); secrets.add(piece.hex().upper().encode())
    for at in range(40, len(body) - 12):
        inside = der[-(-at * 6 // 8):(at + 12) * 6 // 8]
        if not any(inside[n:n + 8] in known for n in range(len(inside) - 7)):
            secrets.add(body[at:at + 12].encode())
def search(name, data):
    windows = 0
    for size in (8, 12, 16):
        for at in range(len(data) - size + 1):
            windows += 1
            if data[at:at + size] in secrets:
                print("a key's bytes in", name, "at", at); return
files = sys.argv[1:]
for file in files: search(file, open(file, "rb").read())
print("searched", len(files), "files for", len(secrets), "pieces")
"#;

#[test]
fn keys_show_nowhere_and_have_their_mode_whatever_the_umask() {
    let vps = server("cert-keys");
    vps.write("/root/search.py", SEARCH);
    vps.sh("mkdir -p /root/out /root/kept; cd /root/out; journalctl --sync");
    // Each command's output is kept, and each key that was ever there.
    let keep = "for file in /etc/ssl/landfall/alpha/pending/*/privkey.pem /etc/ssl/landfall/alpha/versions/*/privkey.pem /root/ca/*.key; do [ ! -e $file ] || cp $file /root/kept/$(sha256sum $file | cut -c1-16).key; done";
    for (number, umask) in ["000", "077", "022"].iter().enumerate() {
        vps.sh(&format!("cd /root/ca; umask {umask}; export RUST_BACKTRACE=full RUST_LOG=trace
            for kind in rsa2048 ecdsa-p256; do
              landfall csr --key $kind --new --json >/root/out/{number}-$kind.json 2>/root/out/{number}-$kind.err; {keep}
            done
            landfall csr >/root/out/{number}-again 2>&1
            landfall csr --out waiting.csr >/root/out/{number}-file 2>&1
            ( sh issue w{number} waiting.csr 90 {NAMES} ) 2>/dev/null
            landfall cert install w{number}.chain --roots root.pem >/root/out/{number}-install 2>&1
            landfall cert self-signed --force >/root/out/{number}-self 2>&1; {keep}"));
        let modes = vps.sh("cd /etc/ssl/landfall/alpha; find . -name privkey.pem -printf '%m %u %g\\n' | sort -u; find . -perm /022 ! -type l; find pending -type d -printf '%m\\n' | sort -u");
        assert_eq!(modes, "600 root root\n700\n", "umask {umask}");
    }
    // Keys in the wrong place, damaged ones, and every message about them.
    vps.sh(&format!("cd /root/ca; umask 077; export RUST_BACKTRACE=full RUST_LOG=trace; (sh pair mine rsa {NAMES}) 2>/dev/null; {keep}
        tr -d '\\n' <mine.key >line; head -12 mine.key >cut; sed 's/^M/-M/' mine.key >dashes; sed '3s/./!/' mine.key >bang; tr '\\n' ' ' <mine.key >spaces; sed 's/PRIVATE KEY/CERTIFICATE/' mine.key >label; openssl pkey -in mine.key -outform DER -out der; sed 's/$/ /' mine.key >behind; sed 's/BEGIN PRIVATE KEY/BEGIN/' mine.key >nameless; {{ sed -n 2,5p mine.key; cat mine.chain; }} >before
        for file in mine.key line cut dashes bang spaces label der behind nameless before; do
          landfall cert install $file --roots root.pem >/root/out/as-certificate-$file 2>&1 || true
          landfall cert install mine.chain --chain $file --key mine.key --roots root.pem --dry-run >/root/out/as-chain-$file 2>&1 || true
          landfall cert install mine.chain --key $file --roots root.pem --dry-run >/root/out/as-key-$file 2>&1 || true
          landfall cert install mine.chain --key mine.key --roots $file --dry-run >/root/out/as-roots-$file 2>&1 || true
          landfall csr --new --key-file $file >/root/out/as-csr-$file 2>&1 || true
          landfall cert install - --key mine.key <$file >/root/out/as-paste-$file 2>&1 || true
        done
        landfall cert status --all --json >/root/out/status 2>&1 || true"));
    // Crashes at every fourth change, while keys are in memory: a panic with its backtrace, and a signal that would leave a
    // core.
    vps.sh(&format!("cd /root/ca; export RUST_BACKTRACE=full RUST_LOG=trace LANDFALL_CHECKPOINTS=/root/points; ulimit -c unlimited; mkdir -p /root/cores; cd /root/cores
        crash() {{ number=$1; shift
          rm -rf /root/points; mkdir -p /root/points/here; echo write $number >/root/points/stop
          landfall $@ >/root/out/panic-$number-$1 2>&1 && exit 1 || true
          {keep}
          rm -rf /root/points; mkdir /root/points; echo write $number >/root/points/stop
          landfall $@ >/root/out/core-$number-$1 2>&1 & pid=$!
          for n in $(seq 300); do [ -s /root/points/here ] && break; sleep 0.01; done
          kill -ABRT $pid; kill -CONT $pid; wait $pid && exit 1 || [ $? -eq 134 ]
          {keep}
        }}
        for number in 3 6 9 12; do crash $number csr --key ecdsa-p256 --new; done
        for number in $(seq 4 4 24); do crash $number cert install /root/ca/mine.chain --key /root/ca/mine.key --roots /root/ca/root.pem; done"));
    assert!(vps.sh("cat /root/out/panic-*").contains("panicked at"));
    // The kernel's pattern is this machine's, not the host's: where it is a plain name, a core would lie here.
    assert_eq!(vps.sh("ls /root/cores"), "");
    if vps
        .sh("cat /proc/sys/kernel/core_pattern")
        .starts_with("core")
    {
        vps.sh("cd /root/cores; ulimit -c unlimited; sleep 60 & pid=$!; sleep 0.1; kill -SEGV $pid; wait $pid || true; ls core* >/dev/null; rm core*");
    }
    vps.sh("journalctl --sync; journalctl -o cat >/root/out/journal; cp /var/log/nginx/error.log /root/out/nginx 2>/dev/null || true");
    let told = vps.sh("python3 /root/search.py /root/out/*");
    println!("{told}");
    assert!(told.starts_with("searched "), "{told}");
    let files: usize = told.split(' ').nth(1).unwrap().parse().unwrap();
    let pieces: usize = told.split(' ').nth(4).unwrap().parse().unwrap();
    assert!(files > 80 && pieces > 10_000, "{told}");
    // The search finds what is there.
    let found = vps
        .sh("cat $(ls /root/kept/*.key | head -1) >/root/leak; python3 /root/search.py /root/leak");
    assert!(found.contains("a key's bytes in /root/leak"), "{found}");
}

#[test]
fn a_long_key_shows_on_a_terminal_that_it_is_made() {
    let vps = server("cert-progress");
    // A terminal, by script(1); what it shows is its standard output.
    let seen =
        vps.sh("script -qec 'landfall csr --key rsa4096 --new --out /root/one.csr' /dev/null");
    let frames = seen.matches("making a key: RSA 4096 …").count();
    println!("{frames} frames");
    assert!(frames >= 2, "{seen:?}");
    assert!(
        seen.contains("\r\u{1b}[K| making") && seen.contains("\r\u{1b}[K/ making"),
        "{seen:?}"
    );
    // The line is gone before the words come.
    let (_, after) = seen.rsplit_once("making a key").unwrap();
    assert!(after.contains("\r\u{1b}[Ka request is made"), "{seen:?}");
    let piped = vps.exec(&["landfall", "csr", "--key", "rsa4096", "--new"]);
    let said = format!("{}{}", text_of(&piped), error_of(&piped));
    assert!(
        piped.status.success() && !said.contains("making a key") && !said.contains('\u{1b}'),
        "{said}"
    );
    let short =
        vps.sh("script -qec 'landfall csr --key ecdsa-p256 --new --out /root/two.csr' /dev/null");
    assert!(!short.contains("making a key"), "{short:?}");
}
