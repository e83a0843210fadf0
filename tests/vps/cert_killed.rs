//! The commands on certificates, and `site apply`, killed before each change of the file system and before each program they
//! start: what lies there fits together, nginx starts with it, and the next run goes through and leaves nothing over.

use crate::cert::{NAMES, server};

/// Runs a recipe once to count its instants, then stops it at each (`base::checkpoint`), kills it, looks, and runs it again.
const KILLS: &str = r#"
import os, signal, socket, ssl, subprocess, time
HOME, POINTS = "/etc/ssl/landfall/alpha", "/root/points"
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
total = 0

def sh(command):
    done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, (command, done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode()

def start(command, stop=None):
    sh(f"rm -rf {POINTS}; mkdir {POINTS}")
    if stop:
        open(f"{POINTS}/stop", "w").write(stop)
    return subprocess.Popen(command.split(), env={**os.environ, "LANDFALL_CHECKPOINTS": POINTS}, **quiet)

def count(command):
    child = start(command)
    assert child.wait() == 0, command
    lines = open(f"{POINTS}/reached").read().split()
    return {kind: lines.count(kind) for kind in ("write", "spawn")}

def killed(command, kind, number):
    child = start(command, f"{kind} {number}")
    here = f"{POINTS}/here"
    while child.poll() is None and not (os.path.exists(here) and open(here).read()):
        time.sleep(0.003)
    if child.poll() is not None:
        return False
    assert int(open(here).read()) == child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return True

def leaf(file):
    return ssl.PEM_cert_to_DER_cert(open(file).read().split("-----END")[0] + "-----END CERTIFICATE-----\n")

def fits(where):
    # As after a boot: nginx starts with what lies there, and shows it to who asks for either name.
    pair = f"{HOME}/current/fullchain.pem", f"{HOME}/current/privkey.pem"
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*pair)
    sh("nginx -t -q; systemctl reset-failed nginx; systemctl restart nginx")
    client = ssl.create_default_context(cafile=pair[0])
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for name in ["alpha.example.org", "www.alpha.example.org"]:
        with socket.create_connection(("127.0.0.1", 443), timeout=5) as plain:
            with client.wrap_socket(plain, server_hostname=name) as tls:
                assert tls.getpeercert(True) == leaf(pair[0]), where

def nothing_is_left(where, pending):
    left = sh("find /etc/ssl/landfall /etc/nginx /etc/landfall /run/landfall -name '.*.tmp' -o -name nginx-trial")
    assert left == "", (where, left)
    versions = os.listdir(f"{HOME}/versions")
    assert len(versions) <= 3, (where, versions)
    waiting = os.listdir(f"{HOME}/pending") if os.path.exists(f"{HOME}/pending") else []
    assert len(waiting) == pending, (where, waiting)
    for folders, file in [(versions, "versions/%s/fullchain.pem"), (waiting, "pending/%s/request.csr")]:
        for folder in folders:
            files = sorted(os.listdir(os.path.dirname(f"{HOME}/{file % folder}")))
            assert files == sorted(["meta.json", "privkey.pem", os.path.basename(file)]), (where, folder, files)
    assert set(sh(f"find {HOME} -name privkey.pem -printf '%m %u '").split()) == {"600", "root"}, where

def recipe(name, commands, prepare="true", after=None, last=None, step=1, pending=lambda: 0):
    # `commands` in turns, so that each kill is on the way to another pair. `after` must go through, whatever was left.
    global total
    begun, kills, turn, counts = time.time(), 0, 0, {}
    for command in commands:
        sh(prepare)
        for kind, number in count(command).items():
            counts[kind] = max(number, counts.get(kind, 0))
    for kind, number in counts.items():
        first = number - last + 1 if last and number > last else 1
        for k in range(first, number + 1, step if kind == "write" else 1):
            command = commands[turn % len(commands)]
            sh(prepare)
            if not killed(command, kind, k):
                continue
            where, kills, turn = (name, kind, k), kills + 1, turn + 1
            fits(where)
            expected = pending()
            sh(after or command)
            nothing_is_left(where, expected)
    total += kills
    print(f"{name}: {counts['write']} writes, {counts['spawn']} programs, {kills} kills, {time.time() - begun:.0f} s", flush=True)
    assert kills >= min(last or 999, counts["write"] // step) - 2, (name, kills)

os.chdir("/root/ca")
# Files that no site here needs: each is two instants of the same line of code.
sh("cd /etc/nginx; rm -rf koi-* win-utf fastcgi* scgi_params sites-available")
settings = "/etc/landfall/apps/alpha.toml"
toggle = f"if grep -q w2.alpha {settings}; then sed -i 's/, \"w2.alpha.example.org\"//' {settings}; else sed -i 's/^redirect_domains = .*/redirect_domains = [\"www.alpha.example.org\", \"w2.alpha.example.org\"]/' {settings}; fi"
# The pair that stands in is made anew with each name.
recipe("site apply", ["landfall site apply alpha"], prepare=toggle, step=3)
sh(f"grep -q w2.alpha {settings} && ({toggle}) && landfall site apply alpha || true")

install = "landfall cert install {0}.chain --key {0}.key --roots root.pem".format
recipe("cert install", [install("ec"), install("rsa")])
recipe("csr", ["landfall csr --key ecdsa-p256 --new"], prepare=f"rm -rf {HOME}/pending", after=install("ec"))
# The request's own certificate: once it is served, the request waits no more, whenever the install was killed.
sh(f"landfall csr --key ecdsa-p256 --out alpha.csr; sh issue alpha alpha.csr 90 NAMES; cp -a {HOME}/pending /root/pending")
still = lambda: 0 if leaf(f"{HOME}/current/fullchain.pem") == leaf("alpha.pem") else 1
recipe("cert install of a request", ["landfall cert install alpha.chain --roots root.pem"], prepare=f"{install('rsa')}; rm -rf {HOME}/pending; cp -a /root/pending {HOME}", after=install("ec"), last=8, pending=still)
sh(f"rm -rf {HOME}/pending")
recipe("cert self-signed", ["landfall cert self-signed --force"], step=3)
print(total, "kills in all")
"#;

#[test]
fn killed_at_every_instant_the_pair_fits_and_the_next_run_leaves_nothing() {
    let vps = server("cert-killed");
    vps.write("/root/kills.py", &KILLS.replace("NAMES", NAMES));
    vps.sh(&format!(
        "(cd /root/ca; sh pair rsa rsa {NAMES}; sh pair ec ec {NAMES}) 2>/dev/null"
    ));
    let begun = std::time::Instant::now();
    let told = vps.sh("python3 /root/kills.py 2>&1");
    println!("{told}in {:.0?}", begun.elapsed());
    assert!(told.contains("kills in all"), "{told}");
}
