//! A server as `landfall server setup` leaves it, with apps on it.

use crate::{Layer, Vps};

/// Lines of sh: nginx reads its configuration again, and none of its workers from before takes a connection any more. systemd does not
/// wait for that; those that have connections may stay.
pub(crate) const RELOAD_NGINX: &str = r#"
workers() { pgrep -P "$(cat /run/nginx.pid)" -f 'worker process *$' || true; }
before=$(workers); systemctl reload nginx
for n in $(seq 600); do now=$(workers); [ -z "$now" ] || echo "$now" | grep -qxF "$before" || break; sleep 0.1; done
"#;

/// A host with Landfall installed from its package and set up.
pub(crate) fn set_up(name: &str) -> Vps {
    Vps::boot(name, Layer::SetUp)
}

/// Makes an app of the server's.
pub(crate) fn create(vps: &Vps, app: &str, domain: &str) {
    vps.ok(&["landfall", "app", "create", app, "--domain", domain]);
}

/// The status of a request over https, asked on the host itself; `domain` need not be in any DNS.
pub(crate) fn status(vps: &Vps, domain: &str, path: &str) -> String {
    ask(
        vps,
        domain,
        path,
        &["-o", "/dev/null", "-w", "%{http_code}"],
    )
}

/// The body of an answer over https.
pub(crate) fn body(vps: &Vps, domain: &str, path: &str) -> String {
    ask(vps, domain, path, &[])
}

fn ask(vps: &Vps, domain: &str, path: &str, more: &[&str]) -> String {
    let here = format!("{domain}:443:127.0.0.1");
    let url = format!("https://{domain}{path}");
    let mut argv = vec!["curl", "-sk", "--max-time", "20", "--resolve", &here];
    argv.extend(more);
    argv.push(&url);
    vps.ok(&argv)
}
