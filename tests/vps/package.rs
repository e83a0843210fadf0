//! The package: what installing it does and does not do, and how shut in its units are.

use crate::{Debian, Layer, Vps, package};

/// The most that `systemd-analyze security` may say of a unit's exposure; 0 is nothing, 10 everything.
pub(crate) const MOST_EXPOSURE: f64 = 3.0;

/// Installs the package; git comes with it where it is missing.
pub(crate) fn install(vps: &Vps) {
    vps.copy_in(&package(), "/root/landfall.deb");
    vps.sh("apt-get -qq update && apt-get -qq install -y /root/landfall.deb >/dev/null 2>&1");
}

#[test]
fn installing_it_starts_and_enables_nothing() {
    let vps = Vps::boot("package", Layer::Bare);
    let state = "systemctl list-units --all --no-legend --plain --type=service,socket,timer | awk '{print $1, $3}' | grep -v '^run-' | sort; \
                 find /etc/systemd -type l | sort; getent passwd; getent group";
    let before = vps.sh(state);
    install(&vps);
    assert_eq!(vps.sh(state), before);
    assert_eq!(
        vps.ok(&["landfall", "--version"]),
        format!("landfall {}\n", env!("CARGO_PKG_VERSION"))
    );
    let units = vps.ok(&["systemctl", "list-unit-files", "landfall*", "--no-legend"]);
    let states: Vec<Vec<&str>> = units
        .lines()
        .map(|line| line.split_whitespace().take(2).collect())
        .collect();
    assert_eq!(
        states,
        [
            ["landfall-cert-renew.service", "static"],
            ["landfall-cert-status.service", "static"],
            ["landfall-redis@.service", "disabled"],
            ["landfall@.service", "disabled"],
            ["landfall-cert-renew.timer", "disabled"],
            ["landfall-cert-status.timer", "disabled"],
        ]
    );
    for file in [
        "/usr/share/man/man1/landfall.1.gz",
        "/usr/share/man/man1/landfall-app-create.1.gz",
        "/usr/share/bash-completion/completions/landfall",
        "/usr/share/landfall/templates/nginx/site.conf.hbs",
        "/etc/landfall/apps/README",
    ] {
        vps.ok(&["test", "-s", file]);
    }

    vps.sh("apt-get -qq purge -y landfall >/dev/null 2>&1");
    vps.sh("test ! -e /usr/bin/landfall && test ! -e /etc/landfall");
}

/// An app's service as root starts it: a supervisord of its own, an app's user, programs that look around.
fn an_app(vps: &Vps, name: &str) {
    let home = format!("/srv/landfall/{name}");
    vps.sh(&format!(
        "groupadd -f landfall-apps; mkdir -p /srv/landfall
         useradd --system --user-group --groups landfall-apps --home-dir {home} --shell /bin/sh {name}
         install -d -o {name} -g www-data -m 0710 {home}
         install -d -o {name} -g {name} {home}/run {home}/log {home}/redis"
    ));
    vps.write(
        &format!("{home}/run/supervisord.conf"),
        &format!(
            "[unix_http_server]\nfile = {home}/run/supervisor.sock\nchmod = 0700\n\
             [supervisord]\npidfile = {home}/run/supervisord.pid\nlogfile = {home}/log/supervisord.log\n\
             [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl = unix://{home}/run/supervisor.sock\n\
             [program:work]\ncommand = /usr/bin/python3 {home}/work.py\nstopwaitsecs = 30\nautorestart = true\n\
             stdout_logfile = {home}/log/work.log\nredirect_stderr = true\n"
        ),
    );
    vps.write(&format!("{home}/work.py"), WORK);
    vps.sh(&format!(
        "chown -R {name}:{name} {home}/run {home}/log {home}/work.py"
    ));
}

/// What an app may do and may not, written down line by line; then it takes its time to end, as a request does.
const WORK: &str = r#"
import ctypes, mmap, multiprocessing, os, pwd, signal, socket, subprocess, sys, tempfile, time
home = pwd.getpwuid(os.getuid()).pw_dir
def tried(name, what):
    try:
        what(); print(name, "yes", flush=True)
    except Exception as error:
        print(name, "no", type(error).__name__, flush=True)
def listens():
    path = home + "/web.sock"
    if os.path.exists(path): os.unlink(path)
    global server
    server = socket.socket(socket.AF_UNIX); server.bind(path); os.chmod(path, 0o666); server.listen()
def compiles():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
def forks():
    with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
tried("write home", lambda: open(home + "/written", "w"))
tried("listen", listens)
tried("just in time", compiles)
tried("fork", forks)
tried("temporary file", lambda: tempfile.TemporaryFile())
tried("loopback", lambda: socket.create_server(("127.0.0.1", 0)))
tried("node", lambda: subprocess.run(["node", "-e", "1+1"], check=True))
tried("neighbour", lambda: os.listdir("/srv/landfall/other"))
tried("neighbour's name", lambda: os.stat("/srv/landfall/other"))
tried("write /etc", lambda: open("/etc/written", "w"))
tried("write /usr", lambda: open("/usr/written", "w"))
tried("write /var/tmp of the server", lambda: os.stat("/var/tmp/of-the-server"))
tried("list keys", lambda: os.listdir("/etc/landfall/keys"))
tried("namespace", lambda: subprocess.run(["unshare", "--user", "true"], check=True, stderr=subprocess.DEVNULL))
tried("sudo", lambda: subprocess.run(["sudo", "-n", "true"], check=True, stderr=subprocess.DEVNULL))
tried("raw socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
tried("others' processes", lambda: open("/proc/1/cmdline"))
print("ready", flush=True)
def end(*_):
    time.sleep(2); open(home + "/ended-in-order", "w"); sys.exit(0)
signal.signal(signal.SIGTERM, end)
while True: signal.pause()
"#;

/// What [`WORK`] must find.
const FOUND: &str = "\
write home yes
listen yes
just in time yes
fork yes
temporary file yes
loopback yes
node yes
neighbour no FileNotFoundError
neighbour's name no FileNotFoundError
write /etc no OSError
write /usr no OSError
write /var/tmp of the server no FileNotFoundError
list keys no PermissionError
namespace no CalledProcessError
sudo no CalledProcessError
raw socket no OSError
others' processes no FileNotFoundError
ready
";

pub(crate) fn exposure(vps: &Vps, unit: &str) -> f64 {
    let said = vps.sh(&format!("systemd-analyze security {unit} | tail -n 1"));
    let number = said.split_whitespace().find_map(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("no exposure in {said:?}"))
}

fn an_apps_service_is_shut_in(release: Debian) {
    let vps = Vps::boot_release("units", release, Layer::Packages);
    install(&vps);
    vps.sh("touch /var/tmp/of-the-server");
    an_app(&vps, "other");
    an_app(&vps, "notes");
    vps.sh(
        "mkdir -p /etc/landfall/redis
         printf 'port 0\\nunixsocket /srv/landfall/notes/redis/redis.sock\\ndir /srv/landfall/notes/redis\\n' >/etc/landfall/redis/notes.conf
         chgrp notes /etc/landfall/redis/notes.conf; chmod 640 /etc/landfall/redis/notes.conf
         systemctl start landfall@notes",
    );
    vps.sh("for i in $(seq 300); do grep -q ready /srv/landfall/notes/log/work.log 2>/dev/null && exit; sleep 0.1; done; cat /srv/landfall/notes/log/*; exit 1");
    assert_eq!(vps.ok(&["cat", "/srv/landfall/notes/log/work.log"]), FOUND);

    // What it listens on is there for nginx, and its Redis for its Python.
    vps.sh("python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/srv/landfall/notes/web.sock\")'");
    vps.sh("for i in $(seq 50); do runuser -u notes -- supervisorctl -c /srv/landfall/notes/run/supervisord.conf status | grep -q RUNNING && exit; sleep 0.1; done; exit 1");
    vps.sh("runuser -u notes -- redis-cli -s /srv/landfall/notes/redis/redis.sock ping | grep -qx PONG");
    vps.sh("systemctl is-active landfall-redis@notes.service && ! systemctl is-active landfall-redis@other.service");

    for unit in ["landfall@notes.service", "landfall-redis@notes.service"] {
        let exposure = exposure(&vps, unit);
        assert!(exposure <= MOST_EXPOSURE, "{unit}: {exposure}");
    }

    vps.sh("systemctl stop landfall@notes && test -e /srv/landfall/notes/ended-in-order");
}

#[test]
fn an_apps_service_is_shut_in_on_debian_12() {
    an_apps_service_is_shut_in(Debian::Bookworm);
}

#[test]
fn an_apps_service_is_shut_in_on_debian_13() {
    an_apps_service_is_shut_in(Debian::Trixie);
}
