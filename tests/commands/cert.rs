//! `landfall csr` and `landfall cert`, as far as they go without a server's nginx: what is refused, and how the certificate
//! of any address is graded. The rest is in `tests/vps/cert.rs`.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::server::{Server, free_port, says};

#[test]
fn apps_with_an_nginx_of_their_own_have_no_certificates() {
    let server = Server::with_app();
    let without_tls = "error: `notes` is served by an nginx of its own, without TLS\nhint: apps of the server have TLS: sudo landfall app create NAME --domain DOMAIN\n";
    assert_eq!(server.run(&["cert", "status"]), says(3, without_tls));
    let not_root = |command: &str| {
        format!(
            "error: certificates of the server's apps are root's\nhint: sudo landfall {command}\n"
        )
    };
    for (args, command) in [
        (&["csr"][..], "csr"),
        (&["cert", "install", "-"], "cert install"),
        (&["cert", "self-signed"], "cert self-signed"),
    ] {
        let expected = if landfall::base::user::is_root() {
            without_tls.to_owned()
        } else {
            not_root(command)
        };
        assert_eq!(server.run(args), says(5, &expected), "{args:?}");
    }
    let ran = server.run(&["cert", "status", "--all"]);
    assert_eq!(ran, says(0, "no app of this server has a certificate\n"));
    assert_eq!(
        server.run(&["cert", "status", "--host", "example.org"]),
        says(
            3,
            "error: `example.org` is not HOST:PORT\nhint: --host example.org:443\n"
        )
    );
    assert_eq!(server.run(&["cert", "self-signed", "--days", "0"]).code, 2);
    assert_eq!(
        server.run(&["csr", "--reuse-key", "--key-file", "x"]).code,
        2
    );
}

/// openssl's own server, ended with the test.
struct Tls {
    child: Child,
    port: u16,
}

impl Tls {
    #[expect(clippy::disallowed_methods, reason = "a test runs programs itself")]
    fn serve(server: &Server, name: &str) -> Self {
        let port = free_port();
        let child = Command::new("openssl")
            .args([
                "s_server",
                "-quiet",
                "-accept",
                &format!("127.0.0.1:{port}"),
            ])
            .args(["-cert", &format!("{name}.pem"), "-key", "leaf.key"])
            .args(["-cert_chain", "int.pem"])
            .current_dir(server.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "it does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test runs programs itself")]
fn authority(server: &Server) {
    let script = r"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -subj /CN=root -days 3650 -out root.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout int.key -subj /CN=int -out int.csr
        echo basicConstraints=critical,CA:TRUE >ca.cnf
        openssl x509 -req -in int.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile ca.cnf -days 3650 -out int.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -subj /CN=x -out leaf.csr
        for name in localhost elsewhere.example; do
            printf 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:%s\n' $name >leaf.cnf
            openssl x509 -req -in leaf.csr -CA int.pem -CAkey int.key -CAcreateserial -extfile leaf.cnf -days 90 -out $name.pem
        done
        openssl req -x509 -key leaf.key -subj /CN=x -addext subjectAltName=DNS:localhost -days 5 -out self.pem";
    let made = Command::new("sh")
        .args(["-euc", script])
        .current_dir(server.path(""))
        .output()
        .expect("sh runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

#[test]
fn any_address_is_graded_with_the_codes_of_monitoring() {
    let server = Server::new();
    authority(&server);
    let status = |tls: &Tls, more: &[&str]| {
        let address = format!("localhost:{}", tls.port);
        let args = ["cert", "status", "--host", &address];
        let ran = server.run(&[&args, more].concat());
        (ran.code, ran.out.replace(&address, "ADDRESS"))
    };
    let good = Tls::serve(&server, "localhost");
    let (code, text) = status(&good, &["--roots", "root.pem"]);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    assert!(
        code == 0 && first.starts_with("OK ADDRESS: ") && first.contains(" of 90 days left ("),
        "{text}"
    );
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            "  names    localhost",
            "  issuer   int, and 1 intermediate",
            "  key      ECDSA P-256"
        ]
    );
    let roots = ["--roots", "root.pem"];
    for (more, code, word) in [
        (&["--warn", "88"][..], 0, "OK"),
        (&["--warn", "91"], 1, " of 90 days are left: landfall csr\n"),
        (&["--crit", "91"], 2, "\n  critical: "),
    ] {
        let (ended, text) = status(&good, &[&roots, more].concat());
        assert!(ended == code && text.contains(word), "{more:?}: {text}");
    }
    let (code, text) = status(&good, &[]);
    assert!(code == 1 && text.contains("(E_UNTRUSTED)"), "{text}");
    let (code, text) = status(&good, &["--roots", "root.pem", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (code, &json[0]["grade"], &json[0]["life"]["days"]),
        (0, &"OK".into(), &90.into())
    );
    drop(good);

    let (code, text) = status(&Tls::serve(&server, "elsewhere.example"), &roots);
    assert!(
        code == 2 && text.contains("  critical: it is not for localhost\n"),
        "{text}"
    );
    let (code, text) = status(&Tls::serve(&server, "self"), &roots);
    assert!(
        code == 1 && text.contains("browsers do not trust it"),
        "{text}"
    );
    let nobody = format!("127.0.0.1:{}", free_port());
    let ran = server.run(&["cert", "status", "--host", &nobody]);
    assert!(
        ran.code == 2 && ran.out.starts_with("CRITICAL 127.0.0.1:"),
        "{ran:?}"
    );
}
