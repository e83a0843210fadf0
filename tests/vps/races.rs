//! Many at once on one app of a server; and an app whose processes, or whose server, end in the middle of a deploy.

use std::process::Command;

use crate::cert::AUTHORITY;
use crate::server::set_up;
use crate::{Vps, error_of, text_of};

/// What both scripts know of an app, and of who pushes to it.
const TOOLS: &str = r#"
import json, os, re, signal, socket, ssl, subprocess, sys, threading, time
HOME, SITE = f"/srv/landfall/{APP}", f"{APP}.example.org"
ENV = {**os.environ, "GIT_SSH_COMMAND": "ssh -i /root/id -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
       "GIT_AUTHOR_NAME": "Ana", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "Ana", "GIT_COMMITTER_EMAIL": "a@example.org"}

def run(command, cwd="/root"):
    done = subprocess.run(command, shell=True, cwd=cwd, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr

def ok(command, cwd="/root"):
    code, said = run(command, cwd)
    assert code == 0, (command, code, said)
    return said

def ask(path="/"):
    # Over a connection of its own: the answer, and the certificate it came with.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", 443), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=SITE) as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while more := tls.recv(65536):
                answer += more
            return answer, tls.getpeercert(True)

def release(answer):
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    return re.search(rb'release" content="([^"]+)"|"release": "([^"]+)"', answer).group(1, 2)

def shown(*paths):
    names = {(a or b).decode() for a, b in (release(ask(path)[0]) for path in paths)}
    assert len(names) == 1, names
    return names.pop()

def until(what, seconds, look):
    end = time.time() + seconds
    while True:
        try:
            found = look()
        except (AssertionError, OSError) as error:
            found, what = None, f"{what}: {error!r}"[:500]
        if found:
            return found
        assert time.time() < end, what
        time.sleep(0.05)

def records():
    found = {}
    for number in os.listdir(f"{HOME}/releases"):
        found[int(number)] = json.load(open(f"{HOME}/releases/{number}/release.json"))
    return found

def live():
    return int(os.readlink(f"{HOME}/current").rsplit("/")[-1])

def nothing_is_left():
    until("Landfall has ended", 20, lambda: run("pgrep -x landfall")[0] == 1)
    places = " ".join(place for place in ["/srv/landfall", "/etc/ssl/landfall", "/etc/nginx", "/etc/landfall", "/run/landfall"] if os.path.exists(place))
    left = ok(f"find {places} \\( -name src -o -name node_modules -o -name lib \\) -prune "
              "-o \\( -name '.*.tmp' -o -name nginx-trial -o -name pending.json -o -name next.conf \\) -print")
    assert left == "", left
    found = records()
    states = {number: record["state"] for number, record in found.items()}
    assert all(state == ("live" if number == live() else "retired") for number, state in states.items()), (live(), states)
    turns = [record["turn"] for record in found.values()]
    assert len(set(turns)) == len(turns) and found[live()]["turn"] == max(turns), found
    for log in os.listdir(f"{HOME}/log/deploys"):
        begun = [line for line in open(f"{HOME}/log/deploys/{log}") if " landfall 0." in line and "rollback to release" not in line]
        assert len(begun) <= 1, (log, begun)
"#;

/// Pushes, deploys, rollbacks, certificates and the site, all at once.
const AT_ONCE: &str = r#"
INDEX = '<!doctype html><meta name="release" content="%s">\n'
PAIR = "/etc/ssl/landfall/alpha/current"
def commit(folder, name):
    open(f"{folder}/index.html", "w").write(INDEX % name)
    ok(f"git add . && git commit -qm '{name}'", folder)

ok("sed -i -e '/^keep_releases/d' -e '/^max_upload_mb/d' -e '1i keep_releases = 1' /etc/landfall/apps/alpha.toml")
ok("git init -q -b master /root/site && git -C /root/site remote add production ssh://alpha@127.0.0.1/alpha.git")
for name in ["1", "2", "3"]:
    commit("/root/site", name)
    ok("git push -q production master", "/root/site")
assert shown("/") == "3"

problems, outcomes, names, stop = [], {}, {"3", "2", "1"}, threading.Event()
def told(command, code, said):
    # It worked; or it says that it was refused, or that another was at it.
    if code == 0:
        return "done"
    if command.startswith("git push"):
        words = ["by another push", "fetch first", "cannot lock ref", "failed to update ref", "declined"]
        if code == 1 and any(word in said for word in words):
            return "refused"
    elif code in (3, 4, 5) and "error: " in said:
        return {3: "not there", 4: "busy", 5: "refused"}[code]
    problems.append((command, code, said))

def worker(steps):
    try:
        for command, cwd, before in steps:
            before()
            outcome = told(command, *run(command, cwd))
            key = (re.sub(r"(ec|rsa)\b.*", "…", command)[:40], outcome)
            outcomes[key] = outcomes.get(key, 0) + 1
    except BaseException as error:
        problems.append(("a thread", error))

def visitor():
    seen = 0
    while not stop.is_set():
        try:
            assert shown("/") in names
            seen += 1
        except Exception as error:
            problems.append(("a visitor", repr(error)))
        time.sleep(0.04)
    assert seen > 15 or problems.append(("a visitor", seen)) is None

settings, lines = "/etc/landfall/apps/alpha.toml", open("/etc/landfall/apps/alpha.toml").read()
def toggle():
    # As an editor saves it: whole.
    now = open(settings).read()
    with_more = "max_upload_mb = 26\n" + lines
    open(f"{settings}.new", "w").write(with_more if now == lines else lines)
    ok(f"chown --reference={settings} {settings}.new && chmod --reference={settings} {settings}.new && mv {settings}.new {settings}")

nothing, teams = lambda: None, []
for n in range(4):
    folder = f"/root/clone-{n}"
    ok(f"git clone -q -o production ssh://alpha@127.0.0.1/alpha.git {folder}")
    def before(folder=folder, n=n, count=[0]):
        count[0] += 1
        names.add(f"{n}-{count[0]}")
        commit(folder, f"{n}-{count[0]}")
    teams.append([("git push --force production HEAD:refs/heads/master", folder, before)] * 3)
ssh = ENV["GIT_SSH_COMMAND"]
teams.append([(f"{ssh} alpha@127.0.0.1 rollback", "/root", nothing)] * 3)
teams.append([("landfall rollback --app alpha", "/root", nothing), ("landfall deploy --app alpha", "/root", nothing)] * 2)
install = "landfall cert install {0}.chain --key {0}.key --roots root.pem --app alpha".format
teams.append([(install("ec"), "/root/ca", nothing), (install("rsa"), "/root/ca", nothing)] * 3)
teams.append([("landfall site apply alpha", "/root", toggle)] * 6)

begun = time.time()
watch = threading.Thread(target=visitor)
watch.start()
threads = [threading.Thread(target=worker, args=[steps]) for steps in teams]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
took = time.time() - begun
stop.set()
watch.join()
assert not problems, "\n\n".join(map(str, problems[:8]))
nothing_is_left()

# The pair fits and is the one that is served, and the page is the live release's.
files = f"{PAIR}/fullchain.pem", f"{PAIR}/privkey.pem"
ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
leaf = ssl.PEM_cert_to_DER_cert(open(files[0]).read().split("-----END")[0] + "-----END CERTIFICATE-----\n")
assert ask()[1] == leaf
assert len(os.listdir("/etc/ssl/landfall/alpha/versions")) <= 3
page = open(f"{HOME}/releases/{live()}/public/index.html", "rb").read()
assert ask()[0].endswith(page), page
ok("nginx -t -q")
for key, number in sorted(outcomes.items(), key=str):
    print(number, *key)
print(f"{sum(outcomes.values())} commands at once, {took:.0f} s")
assert len(records()) <= 3, records().keys()
commit("/root/clone-0", "after")
ok("git push -q --force production HEAD:refs/heads/master", "/root/clone-0")
assert shown("/") == "after"
nothing_is_left()
"#;

/// A server with an app that a key of root's may push to, over ssh to the host itself.
fn with_app(name: &str, app: &str) -> Vps {
    let vps = set_up(name);
    vps.sh(&format!(
        "landfall app create {app} --domain {app}.example.org --redirect www.{app}.example.org --without database --without redis
         ssh-keygen -q -t ed25519 -N '' -C ana -f /root/id
         landfall key add {app} /root/id.pub --role operate"
    ));
    vps
}

fn python(vps: &Vps, app: &str, script: &str) -> String {
    vps.write(
        "/root/script.py",
        &format!("APP = \"{app}\"\n{TOOLS}\n{script}"),
    );
    let output = vps.exec(&["python3", "/root/script.py"]);
    let said = text_of(&output);
    assert!(output.status.success(), "{said}{}", error_of(&output));
    said
}

#[test]
fn everything_at_once_on_one_app() {
    let vps = with_app("races", "alpha");
    let names = "alpha.example.org www.alpha.example.org";
    vps.sh(&format!(
        "(({AUTHORITY}); cd /root/ca; sh pair rsa rsa {names}; sh pair ec ec {names}) 2>/dev/null"
    ));
    print!("{}", python(&vps, "alpha", AT_ONCE));
}

/// A deploy that is stopped at an instant, by the app's user, and whoever pushes after it.
const MIDWAY: &str = r#"
WORK, POINTS, BOTH = "/var/tmp/project", "/var/tmp/points", ("/", "/api/about/")
def commit(name):
    open(f"{WORK}/frontend/src/release.js", "w").write(f'export const RELEASE = "{name}";\n')
    open(f"{WORK}/backend/small/release.py", "w").write(f'RELEASE = "{name}"\n')
    ok(f"git add -A && git commit -qm '{name}'", WORK)

def push(name):
    # By ssh, as people push: where a run was cut off after git had moved the branch, it is put back first.
    commit(name)
    said = ok("git push production HEAD:refs/heads/master", WORK)
    assert shown(*BOTH) == name, said

def stand_at(stage):
    # A push that stands at a stage; none of its own ends with this script.
    commit(f"at {stage}")
    ok(f"rm -rf {POINTS}; install -d -m 0777 {POINTS}; printf '{stage} 1' >{POINTS}/stop; chown -R beta: {WORK}")
    ok(f"systemd-run --quiet --collect --unit midway --uid beta --gid beta -E HOME={HOME} -E LANDFALL_CHECKPOINTS={POINTS} "
       f"git -C {WORK} push {HOME}/beta.git HEAD:refs/heads/master")
    here = lambda: os.path.exists(f"{POINTS}/here") and open(f"{POINTS}/here").read()
    pid = int(until(f"a push at {stage}", 60, here))
    ok(f"chown -R root: {WORK}")
    return pid

def is_back():
    # One whole release, served by the processes of the unit.
    name = until("the site is back", 60, lambda: shown(*BOTH))
    main = lambda: ok("systemctl show -P MainPID landfall@beta").strip()
    until("the unit's supervisord is the app's", 30, lambda: main() != "0" and main() == open(f"{HOME}/run/supervisord.pid").read().strip())
    assert ok("systemctl is-active landfall@beta").strip() == "active"
    return name
"#;

const KILLED: &str = r#"
ok(f"cd {WORK} && git init -q -b master && git config --system --add safe.directory '*' && git remote add production ssh://beta@127.0.0.1/beta.git")
push("1")
for stage in ["boot", "verify"]:
    begun, before = time.time(), shown(*BOTH)
    pid = stand_at(stage)
    ok("systemctl kill -s KILL landfall@beta.service")
    os.kill(pid, signal.SIGCONT)
    until("the push ends", 90, lambda: run("systemctl is-active -q midway")[0] != 0)
    ended = time.time() - begun
    after = is_back()
    back = time.time() - begun
    assert after in (before, f"at {stage}"), (before, after)
    push(f"after {stage}")
    is_back()
    nothing_is_left()
    print(f"processes killed at {stage}: {before} -> {after}, push ended {ended:.1f}, back {back:.1f}, all {time.time() - begun:.1f} s", flush=True)

# A push while systemd waits before it starts the service again: it waits, too, and starts no supervisord outside the service.
ok("systemctl kill -s KILL landfall@beta.service")
push("in the gap")
assert is_back() == "in the gap"
"#;

#[test]
fn an_app_whose_processes_or_server_end_while_it_deploys() {
    let vps = with_app("midway", "beta");
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/small");
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("small.tar");
    let tar = Command::new("tar")
        .arg("-cf")
        .arg(&packed)
        .args(["-C", fixture, "."])
        .status();
    assert!(tar.unwrap().success());
    vps.copy_in(&packed, "/root/small.tar");
    vps.sh("mkdir /var/tmp/project; tar -C /var/tmp/project -xf /root/small.tar
            sed -i 's/^ALLOWED_HOSTS = .*/ALLOWED_HOSTS = [\"*\"]/' /var/tmp/project/backend/small/settings.py");
    print!("{}", python(&vps, "beta", &format!("{MIDWAY}\n{KILLED}")));

    for (stage, end) in [("health", "reboot"), ("live", "power cut")] {
        let begun = std::time::Instant::now();
        python(&vps, "beta", &format!("{MIDWAY}\nstand_at(\"{stage}\")"));
        if end == "reboot" {
            vps.reboot();
        } else {
            vps.power_cut();
        }
        let script = format!(
            "{MIDWAY}\nname = is_back()\nassert name in (\"in the gap\", \"after reboot\", \"at {stage}\"), name\n\
             push(\"after {end}\")\nis_back()\nnothing_is_left()\nprint(\"{end} at {stage}:\", name, end=\"\")"
        );
        println!(
            "{}, {} s",
            python(&vps, "beta", &script),
            begun.elapsed().as_secs()
        );
    }
}
