//! Sites in the server's nginx: both layouts, what they answer, and that a bad one never gets in the way of the others.

use std::time::Duration;

use crate::poll::until;
use crate::server::{RELOAD_NGINX, body, create, set_up, status};
use crate::{Vps, error_of, text_of};

/// A release as a deploy leaves it, with a backend that is a few lines of Python speaking uwsgi.
pub(crate) fn release(vps: &Vps, app: &str) {
    vps.write("/root/backend.py", BACKEND);
    vps.sh(&format!(
        "cd /srv/landfall/{app}; mkdir -p releases/1/public/assets releases/1/static releases/1/media shared
         printf 'page of {app}' >releases/1/public/index.html
         for n in $(seq 200); do echo 'a line of script'; done >releases/1/public/assets/index-DiwrgTda.js
         gzip -k releases/1/public/assets/index-DiwrgTda.js; printf compressed >releases/1/public/assets/index-DiwrgTda.js.br
         printf static >releases/1/static/a.css; ln -sfn releases/1 current
         printf '%s' '{{\"needs\":{{\"frontend\":\"spa\",\"backend\":{{\"paths\":[\"/api/\",\"/admin/\"],\"static_url\":\"/static/\",\"media_url\":\"/media/\"}}}},\"settings\":{{\"domains\":[],\"redirect_domains\":[],\"layout\":\"one-origin\",\"backend_port\":8443,\"max_upload_mb\":25,\"hsts_seconds\":0}}}}' >releases/1/site.json
         chown -Rh {app}:{app} releases shared current
         systemctl stop backend-{app} 2>/dev/null || true; rm -f releases/1/web.sock
         systemd-run --quiet --unit backend-{app} --collect /usr/bin/python3 /root/backend.py /srv/landfall/{app}/releases/1/web.sock
         for n in $(seq 600); do [ -S releases/1/web.sock ] && break; sleep 0.1; done"
    ));
}

/// Answers every uwsgi request with its path and what it was told of the connection.
const BACKEND: &str = r#"
import os, socket, struct, sys
server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o666); server.listen(64)
while True:
    connection, _ = server.accept()
    head = connection.recv(4, socket.MSG_WAITALL)
    size = struct.unpack("<H", head[1:3])[0]
    data, values = connection.recv(size, socket.MSG_WAITALL), {}
    while data:
        n = struct.unpack("<H", data[:2])[0]; name, data = data[2:2 + n].decode(), data[2 + n:]
        n = struct.unpack("<H", data[:2])[0]; values[name], data = data[2:2 + n].decode(), data[2 + n:]
    text = "backend %(PATH_INFO)s %(REQUEST_SCHEME)s %(HTTP_X_FORWARDED_PROTO)s %(SERVER_PORT)s" % values
    connection.sendall(("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)).encode())
    connection.close()
"#;

fn curl(vps: &Vps, args: &str) -> String {
    vps.sh(&format!(
        "curl -sk --max-time 5 --connect-to ::127.0.0.1: {args}"
    ))
}

#[test]
fn both_layouts_answer_as_they_should() {
    let vps = set_up("site");
    vps.ok(&[
        "landfall",
        "app",
        "create",
        "alpha",
        "--domain",
        "alpha.example",
        "--domain",
        "second.example",
        "--redirect",
        "www.alpha.example",
        "--without",
        "database",
        "--without",
        "redis",
    ]);
    release(&vps, "alpha");
    vps.ok(&["landfall", "site", "apply", "alpha"]);

    // One origin.
    assert_eq!(body(&vps, "alpha.example", "/"), "page of alpha");
    assert_eq!(body(&vps, "second.example", "/deep/link"), "page of alpha");
    assert_eq!(
        body(&vps, "alpha.example", "/api/x"),
        "backend /api/x https https 443"
    );
    assert_eq!(body(&vps, "alpha.example", "/static/a.css"), "static");
    assert_eq!(
        curl(
            &vps,
            "-o /dev/null -w '%{http_code} %{redirect_url}' http://alpha.example/a?b=1"
        ),
        "301 https://alpha.example/a?b=1"
    );
    for from in [
        "http://www.alpha.example/a?b=1",
        "https://www.alpha.example/a?b=1",
    ] {
        assert_eq!(
            curl(
                &vps,
                &format!("-o /dev/null -w '%{{http_code}} %{{redirect_url}}' {from}")
            ),
            "301 https://alpha.example/a?b=1"
        );
    }
    assert_eq!(
        curl(
            &vps,
            "-o /dev/null -w '%{http_version}' https://alpha.example/"
        ),
        "2"
    );
    let index = curl(&vps, "-D - -o /dev/null https://alpha.example/").to_lowercase();
    for header in [
        "cache-control: no-cache",
        "x-content-type-options: nosniff",
        "x-frame-options: sameorigin",
        "referrer-policy:",
    ] {
        assert!(index.contains(header), "{header} in {index}");
    }
    assert!(
        !index.contains("strict-transport-security") && !index.contains("nginx/"),
        "{index}"
    );
    let asset = "https://alpha.example/assets/index-DiwrgTda.js";
    let hashed = curl(
        &vps,
        &format!("-D - -o /dev/null -H 'Accept-Encoding: gzip' {asset}"),
    )
    .to_lowercase();
    assert!(
        hashed.contains("immutable") && hashed.contains("content-encoding: gzip"),
        "{hashed}"
    );
    // The file that the build compressed, byte for byte; not one that nginx compressed just now.
    vps.sh(&format!(
        "curl -sk --connect-to ::127.0.0.1: -H 'Accept-Encoding: gzip' {asset} | cmp - /srv/landfall/alpha/current/public/assets/index-DiwrgTda.js.gz"
    ));
    tls_is_as_mozilla_says(&vps);
    assert_eq!(
        curl(
            &vps,
            "-o /dev/null -w '%{http_code}' http://alpha.example/.well-known/acme-challenge/none"
        ),
        "404"
    );
    vps.sh("echo answer >/var/lib/landfall-challenges/.keep; mkdir -p /var/lib/landfall-challenges/.well-known/acme-challenge; echo answer >/var/lib/landfall-challenges/.well-known/acme-challenge/token");
    for domain in ["alpha.example", "www.alpha.example"] {
        assert_eq!(
            curl(
                &vps,
                &format!("http://{domain}/.well-known/acme-challenge/token")
            ),
            "answer\n"
        );
    }

    // A former release's hashed file of Django's, not among those of the frontend either.
    vps.sh("cd /srv/landfall/alpha; mkdir -p assets/static; printf former >assets/static/a.0123abcd.css; chown -R alpha:alpha assets");
    let former = body(&vps, "alpha.example", "/static/a.0123abcd.css");
    assert_eq!(former, "former");

    // Split, with what is opt-in.
    vps.sh("sed -i 's/^layout = .*/layout = \"split\"/; s/^hsts_seconds = .*/hsts_seconds = 63072000/; s/^max_upload_mb = .*/max_upload_mb = 1/' /etc/landfall/apps/alpha.toml; \
            landfall site apply alpha");
    assert_eq!(body(&vps, "alpha.example", "/api/x"), "page of alpha");
    assert_eq!(
        curl(&vps, "https://alpha.example:8443/api/x"),
        "backend /api/x https https 8443"
    );
    assert_eq!(
        curl(&vps, "https://alpha.example:8443/static/a.css"),
        "static"
    );
    for url in [
        "https://alpha.example/",
        "https://alpha.example:8443/api/x",
        asset,
    ] {
        let head = curl(&vps, &format!("-D - -o /dev/null {url}")).to_lowercase();
        assert!(
            head.contains("strict-transport-security: max-age=63072000"),
            "{url}: {head}"
        );
    }
    brotli_is_for_those_who_take_it(&vps);
    assert_eq!(
        curl(
            &vps,
            "-o /dev/null -w '%{http_code}' --data-binary @/usr/bin/landfall https://alpha.example:8443/api/x"
        ),
        "413"
    );
    roots_own_templates_are_used(&vps);
    limits_follow_the_settings(&vps);
    // The access log is the app's group's to read, and is rotated.
    assert_eq!(
        vps.sh("stat -c '%U:%G %a' /var/log/landfall/alpha/access.log"),
        "root:alpha 640\n"
    );
    vps.sh("logrotate --force /etc/logrotate.d/landfall-alpha");
    // nginx opens the new one when it gets to it; what comes before is in the old one.
    until("the new log is written", Duration::from_secs(60), || {
        assert_eq!(status(&vps, "alpha.example", "/after-rotation"), "200");
        let log = "/var/log/landfall/alpha/access.log";
        let found = vps.exec(&["grep", "-q", "after-rotation", log]);
        found.status.success()
    });
    vps.sh("test -s /var/log/landfall/alpha/access.log.1");
    let logs = vps.ok(&[
        "landfall",
        "--app",
        "alpha",
        "logs",
        "nginx-access",
        "-n",
        "5",
    ]);
    assert!(logs.contains("after-rotation"), "{logs}");
}

/// Whoever takes brotli gets it, each time and from each worker; everybody else, and where there is none, gets what there is.
fn brotli_is_for_those_who_take_it(vps: &Vps) {
    vps.sh("cd /srv/landfall/alpha; printf smaller >releases/1/static/a.css.br; printf other >/opt/other.br; chmod 644 /opt/other.br
            printf one >releases/1/public/one.js; ln -s /opt/other.br releases/1/public/one.js.br; printf two >releases/1/public/two.svg
            mkdir -p assets/static assets/assets; printf former >assets/assets/c-DiwrgTda.js
            chown -Rh alpha:alpha releases assets");
    let asset = "https://alpha.example/assets/index-DiwrgTda.js";
    let ask =
        |accepts: &str, more: &str| curl(vps, &format!("-H 'Accept-Encoding: {accepts}' {more}"));
    let many = vps.sh(&format!(
        "for n in $(seq 60); do for version in 1.1 2; do
            curl -sk --http$version --max-time 5 --connect-to ::127.0.0.1: -H 'Accept-Encoding: gzip, deflate, br' {asset}; echo
         done; done | sort | uniq -c"
    ));
    assert_eq!(many.trim(), "120 compressed");
    let head = ask("br", &format!("-D - -o /dev/null {asset}")).to_lowercase();
    for header in [
        "content-type: text/javascript",
        "content-encoding: br",
        "vary: accept-encoding",
        "immutable",
        "x-content-type-options: nosniff",
        "strict-transport-security",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: "));
    let status = "-o /dev/null -w '%{http_code} %{size_download}'";
    let again = format!("{status} -H 'If-None-Match: {}' {asset}", tag.unwrap());
    assert_eq!(ask("br", &again), "304 0");
    for accepts in ["br;q=0", "br ; q=0.000, identity", "brotli", "x-br", ""] {
        assert_eq!(
            ask(accepts, &format!("{status} {asset}")),
            "200 3400",
            "{accepts}"
        );
    }
    for accepts in ["br;q=0.1", "gzip;q=0,br", "BR", "deflate , br , gzip"] {
        assert_eq!(ask(accepts, asset), "compressed", "{accepts}");
    }
    let split = "https://alpha.example:8443/static";
    assert_eq!(ask("br", &format!("{split}/a.css")), "smaller");
    // A link is not followed to what somebody else owns, and what is not there compressed is there all the same.
    assert_eq!(ask("br", "https://alpha.example/one.js"), "one");
    assert_eq!(ask("br", "https://alpha.example/two.svg"), "two");
    for former in [
        format!("{split}/a.0123abcd.css"),
        "https://alpha.example/assets/c-DiwrgTda.js".to_owned(),
    ] {
        for accepts in ["br", "gzip"] {
            assert_eq!(ask(accepts, &former), "former", "{former}");
        }
    }
    for none in [
        "https://alpha.example/assets/none.js",
        "https://alpha.example/.well-known/landfall/brotli/assets/index-DiwrgTda.js.br",
    ] {
        assert_eq!(
            ask("br", &format!("-o /dev/null -w '%{{http_code}}' {none}")),
            "404",
            "{none}"
        );
    }
}

fn tls_is_as_mozilla_says(vps: &Vps) {
    let handshake = |options: &str| {
        vps.sh(&format!(
            "openssl s_client -connect 127.0.0.1:443 -servername alpha.example {options} </dev/null 2>&1 | grep -E '^ *(Protocol|Cipher) *:|^New, |alert|no protocols|no peer' | head -3 || true"
        ))
    };
    assert!(
        handshake("-tls1_3").contains("TLSv1.3"),
        "{}",
        handshake("-tls1_3")
    );
    assert!(
        handshake("-tls1_2").contains("ECDHE-ECDSA-AES128-GCM-SHA256")
            || handshake("-tls1_2").contains("ECDHE"),
        "{}",
        handshake("-tls1_2")
    );
    for old in [
        "-tls1_1 -cipher DEFAULT@SECLEVEL=0",
        "-tls1_2 -cipher AES128-SHA",
    ] {
        let said = handshake(old);
        assert!(
            !said.contains("Cipher is ECDHE") && !said.contains("Cipher is AES"),
            "{old}: {said}"
        );
    }
}

fn roots_own_templates_are_used(vps: &Vps) {
    let own = "/etc/landfall/templates/nginx/tls.hbs";
    vps.sh(&format!(
        "mkdir -p /etc/landfall/templates/nginx; sed 's/TLSv1.2 //' /usr/share/landfall/templates/nginx/tls.hbs >{own}; landfall site apply alpha"
    ));
    vps.sh("grep -q 'ssl_protocols TLSv1.3;' /etc/nginx/conf.d/landfall-alpha.conf");
    let before = vps.ok(&["cat", "/etc/nginx/conf.d/landfall-alpha.conf"]);
    for (text, said) in [
        ("{{#if}", "is no template"),
        ("no_such_directive on;", "nginx does not take the site"),
        ("{{no_such_value}}", "cannot be rendered"),
    ] {
        vps.write(own, text);
        let output = vps.exec(&["landfall", "site", "apply", "alpha"]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            error_of(&output).contains(said),
            "{text}: {}",
            error_of(&output)
        );
        assert_eq!(
            vps.ok(&["cat", "/etc/nginx/conf.d/landfall-alpha.conf"]),
            before
        );
    }
    vps.sh(&format!("rm {own}; landfall site apply alpha"));
}

fn limits_follow_the_settings(vps: &Vps) {
    vps.sh("sed -i 's/^memory_max_mb = .*/memory_max_mb = 300/; s/^tasks_max = .*/tasks_max = 77/' /etc/landfall/apps/alpha.toml; landfall site apply alpha");
    assert_eq!(
        vps.sh("systemctl show -P MemoryMax -P TasksMax landfall@alpha"),
        format!("{}\n77\n", 300 * 1024 * 1024)
    );
}

/// Asks a site all the while by both protocols in turn, counts what was not answered, and keeps when and how. A retiring worker
/// closes an HTTP/2 connection whose first request it has not read yet; that one, and no other, is made again, as browsers do and
/// RFC 9113 (6.8) says, but not by curl.
const VISITOR: &str = r#"
ok=0; bad=0
ask() { page=$(curl -sSk $1 --max-time 5 --connect-to ::127.0.0.1: https://beta.example/ 2>&1); code=$?; }
while [ ! -e /tmp/stop ]; do
    for protocol in --http1.1 --http2; do
        ask $protocol
        [ "$protocol $code" != '--http2 16' ] || ask $protocol
        if [ "$page" = 'page of beta' ]; then ok=$((ok+1)); else
            bad=$((bad+1)); echo "$(date +%T.%N) curl $protocol ended with $code: $page" >>/tmp/failed
        fi
    done
done
echo $ok $bad >/tmp/counted
"#;

#[test]
fn a_bad_site_is_taken_back_and_the_neighbours_never_notice() {
    let vps = set_up("neighbours");
    for app in ["alpha", "beta"] {
        create(&vps, app, &format!("{app}.example"));
        release(&vps, app);
        vps.ok(&["landfall", "site", "apply", app]);
    }
    vps.write("/root/visitor", VISITOR);
    vps.sh("rm -f /tmp/stop /tmp/counted; systemd-run --quiet --unit visitor --collect sh /root/visitor");
    let site = "/etc/nginx/conf.d/landfall-alpha.conf";
    let before = vps.ok(&["cat", site]);
    let fails = |what: &str, prepare: &str, mend: &str, said: &str| {
        vps.sh(prepare);
        let output = vps.exec(&["landfall", "site", "apply", "alpha"]);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{what}: {}",
            text_of(&output)
        );
        assert!(
            error_of(&output).contains(said),
            "{what}: {}",
            error_of(&output)
        );
        assert_eq!(vps.ok(&["cat", site]), before, "{what}");
        vps.sh(mend);
        vps.sh("nginx -t -q");
        assert_eq!(body(&vps, "alpha.example", "/"), "page of alpha", "{what}");
    };
    // It would not parse: root's own override of a neighbour is in the way.
    let change = "sed -i 's/^max_upload_mb = .*/max_upload_mb = 31/' /etc/landfall/apps/alpha.toml";
    let change_back =
        "sed -i 's/^max_upload_mb = .*/max_upload_mb = 25/' /etc/landfall/apps/alpha.toml";
    fails(
        "a neighbour's name is taken",
        &format!(
            "{change}; echo 'map $uri $landfall_alpha_cache {{ default 1; }} server {{ listen 443 default_server http2; ssl_certificate /none; }}' >/etc/nginx/conf.d/zz.conf"
        ),
        &format!("{change_back}; rm /etc/nginx/conf.d/zz.conf"),
        "nginx's configuration was broken before; nothing was changed",
    );
    // It parses, and somebody else answers for its name: only a request shows that.
    fails(
        "another answers in its place",
        &format!(
            "{change}; printf 'server {{ listen 443 ssl http2; server_name alpha.example; ssl_certificate /etc/ssl/landfall/alpha/current/fullchain.pem; ssl_certificate_key /etc/ssl/landfall/alpha/current/privkey.pem; return 200 stolen; }}' >/etc/nginx/conf.d/aaa.conf"
        ),
        &format!("{change_back}; rm /etc/nginx/conf.d/aaa.conf; {RELOAD_NGINX}"),
        "the new site does not answer; it is as it was",
    );
    // The certificate is gone.
    fails(
        "the key does not fit",
        &format!(
            "{change}; cp -a /etc/ssl/landfall/alpha /root/kept; cp --remove-destination /etc/ssl/landfall/beta/current/privkey.pem /etc/ssl/landfall/alpha/current/privkey.pem"
        ),
        &format!(
            "{change_back}; rm -r /etc/ssl/landfall/alpha; mv /root/kept /etc/ssl/landfall/alpha"
        ),
        "nothing was changed",
    );
    // A good one goes through with the same visitor.
    for size in [40, 41, 42] {
        vps.sh(&format!("sed -i 's/^max_upload_mb = .*/max_upload_mb = {size}/' /etc/landfall/apps/alpha.toml; landfall site apply alpha"));
    }
    vps.sh(
        "touch /tmp/stop; for n in $(seq 600); do [ -e /tmp/counted ] && break; sleep 0.1; done",
    );
    let counted = vps.ok(&["cat", "/tmp/counted"]);
    let counts: Vec<u32> = counted
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    println!(
        "the neighbour was asked {} times, {} failed",
        counts[0] + counts[1],
        counts[1]
    );
    let failed = || vps.sh("cat /tmp/counted /tmp/failed 2>&1 || true");
    assert!(counts[0] > 50 && counts[1] == 0, "{}", failed());
}
