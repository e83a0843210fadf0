//! Certificates ordered by ACME from Debian's pebble, through the real nginx: issued, renewed, and every failure with the served
//! one untouched. pebble 2.4 tells no renewal windows, has no profiles and looks at no CAA records: those are unit tests.

use crate::package::{MOST_EXPOSURE, exposure};
use crate::server::{RELOAD_NGINX, set_up};
use crate::site::release;
use crate::{Vps, error_of, text_of};

/// A DNS that leads every name here, and authorities on it: `a` as usual, `b` that takes every second nonce, `c` whose
/// certificates last a minute, `d` that looks at port 81.
const AUTHORITIES: &str = r#"
apt-get -qq install -y pebble >/dev/null 2>&1
mkdir -p /root/ca; cd /root/ca
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -subj '/CN=Listeners' -days 30 -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -subj '/CN=localhost' -out csr.pem
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >ext.cnf
openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext.cnf -days 30 -out cert.pem
systemd-run --quiet --unit challtestsrv pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 '' -http01 '' -https01 '' -tlsalpn01 '' -dns01 127.0.0.1:8053 -management 127.0.0.1:8055
start() {
  cat >$1.json <<END
{"pebble":{"listenAddress":"127.0.0.1:$2","managementListenAddress":"127.0.0.1:$(($2 + 1000))","certificate":"/root/ca/cert.pem","privateKey":"/root/ca/key.pem",
"httpPort":$3,"tlsPort":5001,"domainBlocklist":["blocked.example.org"],"certificateValidityPeriod":$4}}
END
  systemd-run --quiet --unit pebble-$1 --setenv PEBBLE_VA_NOSLEEP=1 --setenv PEBBLE_AUTHZREUSE=0 --setenv PEBBLE_WFE_NONCEREJECT=$5 pebble -config /root/ca/$1.json -dnsserver 127.0.0.1:8053
}
start a 14000 80 7776000 0
start b 14001 80 7776000 50
start c 14002 80 60 0
start d 14003 81 7776000 0
"#;

/// Their roots are made anew at each start: with the listeners' they are what `--roots` takes.
const ROOTS: &str = r#"
cd /root/ca; cp ca.pem roots.pem
for port in 15000 15001 15002 15003; do
  for n in $(seq 600); do curl -s --cacert ca.pem https://localhost:$port/roots/0 >root.pem && break; sleep 0.1; done
  cat root.pem >>roots.pem
done
grep -c BEGIN roots.pem | grep -qx 5
"#;

/// Sets and removes records by the DNS's own interface.
const HOOK: &str = r#"#!/bin/sh
set -eu
echo "$@" >>/run/hook.log
case $1 in
add) curl -sf -d "{\"host\":\"$2.\",\"value\":\"$3\"}" http://127.0.0.1:8055/set-txt;;
remove) curl -sf -d "{\"host\":\"$2.\"}" http://127.0.0.1:8055/clear-txt;;
esac
"#;

const NAMES: [&str; 3] = [
    "alpha.example.org",
    "second.example.org",
    "www.alpha.example.org",
];
const STORE: &str = "/etc/ssl/landfall/alpha";

/// A server with an app whose site is served, and authorities.
struct Server {
    vps: Vps,
    /// All that was ever printed.
    said: std::cell::RefCell<String>,
    /// Lines of keys that must not be in it.
    secrets: std::cell::RefCell<Vec<String>>,
}

impl Server {
    fn new(name: &str) -> Self {
        let vps = set_up(name);
        vps.sh("landfall app create alpha --domain alpha.example.org --domain second.example.org --redirect www.alpha.example.org --without database --without redis");
        release(&vps, "alpha");
        vps.ok(&["landfall", "site", "apply", "alpha"]);
        vps.sh(&format!("({AUTHORITIES}) 2>/dev/null"));
        vps.sh(ROOTS);
        vps.write("/etc/landfall/hooks/dns", HOOK);
        vps.sh("chmod 755 /etc/landfall/hooks /etc/landfall/hooks/dns");
        Self {
            vps,
            said: std::cell::RefCell::default(),
            secrets: std::cell::RefCell::default(),
        }
    }

    /// Runs `landfall cert …` and collects the keys there are.
    fn cert(&self, words: &str) -> (Option<i32>, String) {
        let command = format!("LANDFALL_LOG=debug landfall cert {words}");
        let output = self.vps.exec(&["sh", "-c", &command]);
        let text = format!("{}{}", text_of(&output), error_of(&output));
        self.said.borrow_mut().push_str(&text);
        let keys = self.vps.sh(
            "cd /etc/ssl/landfall; for key in */versions/*/privkey.pem */ordered/privkey.pem */trial/privkey.pem; do [ -e $key ] && grep -v -- ----- $key; done
             sed -n 's/.*\"key_pkcs8\": *\"\\([^\"]*\\)\".*/\\1/p' acme.accounts/*.json 2>/dev/null || true",
        );
        self.secrets
            .borrow_mut()
            .extend(keys.lines().map(str::to_owned));
        (output.status.code(), text)
    }

    #[track_caller]
    fn good(&self, words: &str) -> String {
        let (code, text) = self.cert(words);
        assert_eq!(code, Some(0), "{words}: {text}");
        text
    }

    fn issue(&self, authority: char, more: &str) -> (Option<i32>, String) {
        let port = 14000 + u32::from(authority) - u32::from('a');
        self.cert(&format!(
            "issue --directory https://localhost:{port}/dir --roots /root/ca/roots.pem {more}"
        ))
    }

    /// What a visitor is shown: SHA-256 of the certificate.
    fn shown(&self, name: &str) -> String {
        self.vps.sh(&format!(
            "openssl s_client -connect 127.0.0.1:443 -servername {name} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
        ))
    }

    /// A visitor who trusts the authority sees each page.
    fn visited(&self, port: u32) {
        let url = format!("https://localhost:{port}/roots/0");
        self.vps.sh(&format!(
            "curl -sf --cacert /root/ca/ca.pem {url} >/root/ca/visitor.pem"
        ));
        for name in NAMES {
            self.vps.sh(&format!(
                "curl -s --retry 5 --retry-delay 1 --retry-all-errors --cacert /root/ca/visitor.pem --resolve {name}:443:127.0.0.1 -o /dev/null https://{name}/"
            ));
        }
    }

    /// How often an authority's log has a word.
    fn asked(&self, authority: char, word: &str) -> usize {
        let log = self.vps.sh(&format!(
            "journalctl --sync; journalctl -u pebble-{authority} --no-pager -o cat"
        ));
        log.lines().filter(|line| line.contains(word)).count()
    }

    /// Nothing is left over.
    #[track_caller]
    fn clean(&self) {
        let left = self.vps.sh(&format!(
            "ls -A /var/lib/landfall-challenges/.well-known/acme-challenge 2>/dev/null || true; ls -A {STORE} | grep -x challenges.json || true"
        ));
        assert_eq!(left, "");
    }

    fn memory(&self) -> serde_json::Value {
        let text = self.vps.sh(&format!(
            "cat {STORE}/renewal.json 2>/dev/null || echo '{{}}'"
        ));
        serde_json::from_str(&text).unwrap()
    }

    /// Keys are in no output, no log and no journal.
    fn nothing_leaked(&self) {
        let mut secrets = self.secrets.borrow().clone();
        secrets.retain(|secret| secret.len() > 20);
        secrets.sort();
        secrets.dedup();
        assert!(secrets.len() > 6, "{}", secrets.len());
        let journal = self.vps.sh("journalctl --sync; journalctl --no-pager -o cat; cat /var/log/nginx/* /var/log/landfall/*/* 2>/dev/null; cat /etc/ssl/landfall/alpha/*.json");
        let said = self.said.borrow();
        for secret in &secrets {
            assert!(!said.contains(secret.as_str()), "a key in what was printed");
            assert!(!journal.contains(secret.as_str()), "a key in a log");
        }
    }
}

#[test]
fn one_is_issued_served_and_renews_itself() {
    let server = Server::new("acme");
    let vps = &server.vps;
    let stand_in = server.shown(NAMES[0]);

    let (code, said) = server.issue('a', "");
    assert_eq!(code, Some(5), "{said}");
    assert!(
        said.contains("E_ACME_TOS") && said.contains("data:text/plain"),
        "{said}"
    );
    let (code, said) = server.issue('a', "--agree-tos --dry-run");
    assert!(
        code == Some(0) && said.contains("the authority was not asked"),
        "{said}"
    );
    assert_eq!(
        server.asked('a', "new-account") + server.asked('a', "sign-me-up"),
        0
    );
    assert_eq!(server.shown(NAMES[0]), stand_in);

    let (code, said) = server.issue('a', "--agree-tos --email ana@example.org");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("it renews itself from"), "{said}");
    server.visited(15000);
    server.clean();
    let first = server.shown(NAMES[0]);
    assert_eq!(
        vps.sh("cd /etc/ssl/landfall; stat -c '%a %U' acme.accounts acme.accounts/*.json alpha/current/privkey.pem alpha/acme.json; ls alpha"),
        "700 root\n600 root\n600 root\n644 root\nacme-roots.pem\nacme.json\ncurrent\nrenewal.json\nversions\n"
    );
    assert!(
        vps.sh(&format!(
            "openssl x509 -in {STORE}/current/fullchain.pem -noout -text"
        ))
        .contains("P-256")
    );
    vps.sh(&format!(
        "openssl pkey -noout -check -in {STORE}/current/privkey.pem; nginx -t -q"
    ));

    // Not due: nothing is asked, by neither command.
    let orders = server.asked('a', "POST /order-plz");
    let requests = server.asked('a', "");
    assert!(orders > 0, "pebble calls it otherwise");
    let (code, said) = server.issue('a', "--agree-tos");
    assert!(code == Some(0) && said.contains("not due before"), "{said}");
    let said = server.good("renew --all");
    assert!(said.contains("alpha: not due before"), "{said}");
    assert_eq!(server.asked('a', ""), requests);
    assert_eq!(server.shown(NAMES[0]), first);

    // Asked all the same: the account is the same, the key another.
    let key = format!("openssl pkey -in {STORE}/current/privkey.pem -pubout");
    let before = vps.sh(&key);
    let accounts = vps.sh("sha256sum /etc/ssl/landfall/acme.accounts/*.json");
    let said = server.good("renew --force");
    assert!(
        said.contains("alpha: renewed, ") && said.contains(" days left; next from "),
        "{said}"
    );
    assert_eq!(
        vps.sh("sha256sum /etc/ssl/landfall/acme.accounts/*.json"),
        accounts
    );
    assert_eq!(server.asked('a', "POST /order-plz"), orders + 1);
    assert_ne!(vps.sh(&key), before);
    assert_ne!(server.shown(NAMES[0]), first);
    server.visited(15000);
    server.clean();

    another_authority_is_tried_apart(&server);
    the_timers_service_renews_in_time(&server);
    another_certificate_ends_the_renewals(&server);
    server.nothing_leaked();
}

fn another_authority_is_tried_apart(server: &Server) {
    let before = server.shown(NAMES[0]);
    let order = server.vps.sh(&format!("cat {STORE}/acme.json"));
    let (code, said) = server.issue('c', "--agree-tos");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("kept apart in /etc/ssl/landfall/alpha/trial"),
        "{said}"
    );
    assert_eq!(server.shown(NAMES[0]), before);
    assert_eq!(server.vps.sh(&format!("cat {STORE}/acme.json")), order);
    assert_eq!(
        server.vps.sh(&format!("cd {STORE}; stat -c %a trial trial/privkey.pem; openssl verify -CAfile /root/ca/roots.pem -untrusted trial/fullchain.pem trial/fullchain.pem")),
        "700\n600\ntrial/fullchain.pem: OK\n"
    );
}

/// The whole way as systemd goes it, shut in as the unit says.
fn the_timers_service_renews_in_time(server: &Server) {
    let vps = &server.vps;
    let (code, said) = server.issue('c', "--agree-tos --force");
    assert_eq!(code, Some(0), "{said}");
    server.visited(15002);
    let short = server.shown(NAMES[0]);
    let said = server.good("renew");
    assert!(said.contains("alpha: not due before"), "{said}");
    // Half of a life of one minute.
    vps.sh("sleep 31");
    vps.sh("systemctl start landfall-cert-renew.service || { journalctl -u landfall-cert-renew --no-pager -o cat; exit 1; }");
    assert_ne!(server.shown(NAMES[0]), short);
    server.visited(15002);
    server.clean();
    vps.sh("journalctl --sync; journalctl -u landfall-cert-renew --no-pager -o cat | grep -q 'alpha: renewed'");
    vps.sh("systemctl is-active landfall-cert-renew.timer; systemctl is-enabled landfall-cert-renew.timer");
    vps.sh("systemd-analyze --man=no verify /usr/lib/systemd/system/landfall-cert-renew.timer /usr/lib/systemd/system/landfall-cert-renew.service 2>&1 | grep landfall-cert && exit 1 || true");
    let exposure = exposure(vps, "landfall-cert-renew.service");
    println!("exposure of landfall-cert-renew.service: {exposure}");
    assert!(exposure <= MOST_EXPOSURE, "{exposure}");
    // Back to one that lasts, and its standing as everybody may see it.
    let (code, said) = server.issue('a', "--force");
    assert_eq!(code, Some(0), "{said}");
    for argv in [
        &["landfall", "cert", "status"][..],
        &[
            "runuser", "-u", "alpha", "--", "landfall", "--app", "alpha", "cert", "status",
        ],
    ] {
        let text = vps.ok(argv);
        assert!(
            text.contains("  renewal  from ") && text.contains("https://localhost:14000/dir"),
            "{text}"
        );
    }
}

fn another_certificate_ends_the_renewals(server: &Server) {
    let said = server.good("self-signed --force");
    assert!(said.contains("does not renew itself"), "{said}");
    let (code, said) = server.cert("renew");
    assert_eq!(code, Some(3), "{said}");
    let said = server.good("renew --all");
    assert!(
        said.contains("alpha: not ordered by `landfall cert issue`"),
        "{said}"
    );
    let (code, said) = server.issue('a', "");
    assert_eq!(code, Some(0), "{said}");
    assert!(server.good("renew").contains("not due before"));
    let as_user = server
        .vps
        .exec(&["runuser", "-u", "alpha", "--", "landfall", "cert", "renew"]);
    assert_eq!(as_user.status.code(), Some(5), "{}", error_of(&as_user));
}

/// A failure: its code, and that all is as it was.
struct Miss<'a> {
    server: &'a Server,
    served: String,
    versions: String,
}

impl<'a> Miss<'a> {
    fn new(server: &'a Server) -> Self {
        Self {
            server,
            served: server.shown(NAMES[0]),
            versions: server
                .vps
                .sh(&format!("ls {STORE}/versions; cat {STORE}/acme.json")),
        }
    }

    #[track_caller]
    fn is(&self, (code, said): (Option<i32>, String), exit: i32, words: &[&str]) {
        assert_eq!(code, Some(exit), "{said}");
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
        let server = self.server;
        for name in NAMES {
            assert_eq!(server.shown(name), self.served, "{said}");
        }
        let versions = server
            .vps
            .sh(&format!("ls {STORE}/versions; cat {STORE}/acme.json"));
        assert_eq!(versions, self.versions, "{said}");
        server.clean();
    }

    /// The attempt is counted, and the authority left alone for so long.
    #[track_caller]
    fn counted(&self, code: &str, failures: u64, pause: u64) {
        let memory = self.server.memory();
        assert_eq!(memory["failed"]["code"], code, "{memory}");
        assert_eq!(memory["failures"], failures, "{memory}");
        let at = memory["failed"]["at"].as_u64().unwrap();
        let until = memory["not_before"].as_u64().unwrap();
        assert_eq!(until.saturating_sub(at), pause, "{memory}");
    }
}

#[test]
fn each_failure_has_its_code_and_leaves_what_is_served() {
    let server = Server::new("acme-failures");
    let vps = &server.vps;
    let (code, said) = server.issue('a', "--agree-tos");
    assert_eq!(code, Some(0), "{said}");
    let miss = Miss::new(&server);
    let orders = server.asked('a', "POST /order-plz");

    // What is wrong here costs no attempt there.
    vps.sh(&format!("printf 'server {{ listen 80; server_name second.example.org; return 404; }}' >/etc/nginx/conf.d/aaa.conf; {RELOAD_NGINX}"));
    let words = [
        "E_ACME_WEBROOT_UNREADABLE",
        "second.example.org",
        "another server block",
    ];
    miss.is(server.cert("renew --force"), 1, &words);
    miss.counted("E_ACME_WEBROOT_UNREADABLE", 0, 0);
    vps.sh(&format!(
        "rm /etc/nginx/conf.d/aaa.conf; {RELOAD_NGINX} chmod 700 /var/lib/landfall-challenges"
    ));
    miss.is(
        server.cert("renew --force"),
        1,
        &[
            "E_ACME_WEBROOT_UNREADABLE",
            "chmod o+x /var/lib/landfall-challenges",
        ],
    );
    vps.sh("chmod 755 /var/lib/landfall-challenges");
    miss.is(
        server.issue('a', "--domain '*.alpha.example.org'"),
        2,
        &["E_ACME_WILDCARD_NEEDS_DNS"],
    );
    miss.is(
        server.issue('a', "--profile shortlived"),
        2,
        &["E_ACME_PROFILE", "it has none"],
    );
    vps.write("/root/hook", HOOK);
    vps.sh("chmod 757 /root/hook");
    miss.is(
        server.issue('a', "--dns-hook /root/hook"),
        1,
        &["E_ACME_HOOK", "others can write"],
    );
    assert_eq!(server.asked('a', "POST /order-plz"), orders);

    // What the authority finds. Its pause grows, and holds without --force.
    miss.is(
        server.issue('d', "--agree-tos --force"),
        1,
        &["E_ACME_CONNECT", "refused", "dig +short"],
    );
    miss.counted("E_ACME_CONNECT", 1, 60);
    miss.is(
        server.issue('a', "--key rsa2048"),
        4,
        &["is left alone until", "--force"],
    );
    vps.sh(&format!("printf 'server {{ listen 81 default_server; return 404; }}' >/etc/nginx/conf.d/zzz.conf; {RELOAD_NGINX}"));
    miss.is(
        server.issue('d', "--agree-tos --force"),
        1,
        &["E_ACME_404", "404"],
    );
    miss.counted("E_ACME_404", 2, 600);
    vps.sh(&format!("printf 'server {{ listen 81 default_server; return 200 other; }}' >/etc/nginx/conf.d/zzz.conf; {RELOAD_NGINX}"));
    miss.is(
        server.issue('d', "--agree-tos --force"),
        1,
        &["E_ACME_UNAUTHORIZED"],
    );
    miss.counted("E_ACME_UNAUTHORIZED", 3, 6000);
    let dns = "--dns-hook /etc/landfall/hooks/dns --dns-wait 1 --force";
    miss.is(
        server.issue('a', &format!("{dns} --domain blocked.example.org")),
        5,
        &["E_ACME_REJECTED", "blocked.example.org"],
    );
    miss.counted("E_ACME_REJECTED", 4, 86_400);
    vps.sh("curl -sf -d '{\"host\":\"second.example.org\"}' http://127.0.0.1:8055/set-servfail");
    miss.is(
        server.cert("renew --force"),
        1,
        &["E_ACME_DNS", "second.example.org"],
    );
    vps.sh("curl -sf -d '{\"host\":\"second.example.org\"}' http://127.0.0.1:8055/clear-servfail");
    vps.write(
        "/etc/landfall/hooks/broken",
        "#!/bin/sh\necho 'no such zone' >&2\nexit 3\n",
    );
    vps.sh("chmod 755 /etc/landfall/hooks/broken");
    let (code, said) = server.issue('a', "--dns-hook /etc/landfall/hooks/broken --force");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("E_ACME_HOOK")
            && said.contains("| no such zone")
            && said.contains("exit code 3"),
        "{said}"
    );
    // The records that it could not remove are its own to find again: they stay noted until it can.
    vps.sh(&format!(
        "test -s {STORE}/challenges.json; cp /etc/landfall/hooks/dns /etc/landfall/hooks/broken"
    ));
    server.good("renew --force --dry-run");
    server.clean();
    let status = vps.exec(&["landfall", "cert", "status"]);
    assert!(
        text_of(&status).contains("E_ACME_HOOK"),
        "{}",
        text_of(&status)
    );

    a_wildcard_by_records_and_a_killed_run(&server);
    two_at_once(&server);
    half_of_the_nonces_are_taken(&server);
    nobody_answers(&server);
    server.nothing_leaked();
}

fn a_wildcard_by_records_and_a_killed_run(server: &Server) {
    let vps = &server.vps;
    vps.sh(": >/run/hook.log");
    let words =
        "--domain '*.alpha.example.org' --dns-hook /etc/landfall/hooks/dns --force --dns-wait";
    let port = "issue --directory https://localhost:14000/dir --roots /root/ca/roots.pem";
    // Killed while DNS is given its time: the records stand, and the next takes them away.
    vps.sh(&format!(
        "landfall cert {port} {words} 60 >/dev/null 2>&1 & pid=$!; for n in $(seq 600); do [ $(grep -c '^add' /run/hook.log) = 3 ] && break; sleep 0.1; done; sleep 0.5; kill -9 $pid; wait $pid || true"
    ));
    assert_eq!(vps.sh("grep -c '^remove' /run/hook.log || true"), "0\n");
    vps.sh(&format!("test -s {STORE}/challenges.json"));
    let (code, said) = server.issue('a', &format!("{words} 1"));
    assert_eq!(code, Some(0), "{said}");
    // It goes on with the order and the key of the one that was killed.
    assert!(said.contains("going on with the order"), "{said}");
    server.clean();
    server.visited(15000);
    let log = vps.ok(&["cat", "/run/hook.log"]);
    let set: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("add _acme-challenge.alpha.example.org "))
        .collect();
    assert_eq!(set.len(), 4, "{log}");
    assert_ne!(set[2], set[3], "two values under one name: {log}");
    assert_eq!(
        log.lines().filter(|line| line.starts_with("add ")).count(),
        6,
        "{log}"
    );
    assert_eq!(
        log.lines()
            .filter(|line| line.starts_with("remove "))
            .count(),
        6,
        "{log}"
    );
    let names = vps.sh(&format!(
        "openssl x509 -in {STORE}/current/fullchain.pem -noout -ext subjectAltName"
    ));
    assert!(
        names.contains("*.alpha.example.org") && !names.contains("www.alpha"),
        "{names}"
    );
    // Renewals know the hook.
    let said = server.good("renew --force");
    assert!(said.contains("alpha: renewed"), "{said}");
    server.clean();
}

fn two_at_once(server: &Server) {
    let both = server.vps.sh(
        "landfall cert renew --force >/tmp/one 2>&1 & one=$!; for n in $(seq 600); do grep -qsx \"process $one\" /run/landfall/acme-alpha.lock && break; sleep 0.05; done; set +e; landfall cert renew --force >/tmp/two 2>&1; second=$?; wait $one; echo $? $second; cat /tmp/one /tmp/two",
    );
    assert!(both.starts_with("0 4\n"), "{both}");
    assert!(
        both.contains("another run orders a certificate for `alpha`"),
        "{both}"
    );
    server.clean();
    server.visited(15000);
}

fn half_of_the_nonces_are_taken(server: &Server) {
    let (code, said) = server.issue('b', "--agree-tos --force");
    assert_eq!(code, Some(0), "{said}");
    server.visited(15001);
    // Nothing else of this order is refused.
    let refused = said.matches("acme status=400").count();
    println!("nonces that were not taken: {refused}");
    assert!(refused > 0, "{said}");
    server.clean();
}

fn nobody_answers(server: &Server) {
    let miss = Miss::new(server);
    server.vps.sh("systemctl stop pebble-b");
    miss.is(
        server.cert("renew --force"),
        1,
        &["E_ACME_DOWN", "alpha: failed (E_ACME_DOWN); not before"],
    );
    miss.counted("E_ACME_DOWN", 1, 60);
    miss.is(server.cert("renew --all --force"), 1, &["E_ACME_DOWN"]);
    miss.counted("E_ACME_DOWN", 2, 600);
    // It came back without its memory: what has to be done is said.
    server.vps.sh("systemd-run --quiet --unit pebble-b-again --setenv PEBBLE_WFE_NONCEREJECT=0 pebble -config /root/ca/b.json -dnsserver 127.0.0.1:8053; for n in $(seq 600); do curl -s --cacert /root/ca/ca.pem https://localhost:14001/dir >/dev/null && break; sleep 0.1; done");
    let words = [
        "E_ACME_REJECTED",
        "does not know the account",
        "hint: for another account: mv /etc/ssl/landfall/acme.accounts/localhost_14001-",
    ];
    miss.is(server.cert("renew --force"), 1, &words);
    miss.counted("E_ACME_REJECTED", 3, 6000);
    // It lasts, so the timer's run is content; who watches is told of the failure.
    assert!(server.good("renew --all").contains("alpha: not due before"));
    let status = server.vps.ok(&["landfall", "cert", "status", "--json"]);
    assert!(status.contains("\"failures\": 3"), "{status}");
}
