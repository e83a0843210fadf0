"""The machine as the bench sees it: programs run with a chosen environment, one HTTP request, and who is whose child."""

import ctypes
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LANDFALL = Path(os.environ.get("LANDFALL_BIN") or ROOT / "target/release/landfall").resolve()
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEPT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "http_proxy",
        "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY")  # fmt: skip
LONGEST = 1800  # seconds that any one program may take


class Failed(Exception):
    """A step of the bench that did not work; reported in the table, and the run goes on."""


def environment(home):
    """A new one: only what leads to the package registries is taken over."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    author = {"NAME": "bench", "EMAIL": "bench@localhost"}
    env.update({f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in author.items()})
    return env | {"PATH": PATH, "HOME": str(home), "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}


def run(argv, cwd, env, check=True, stdin=None):
    argv = list(map(str, argv))
    try:
        done = subprocess.run(argv, cwd=cwd, env=env, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LONGEST)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed(f"`{' '.join(argv[:3])}` did not end in {LONGEST} s") from None
    except OSError as error:
        raise Failed(f"{argv[0]}: {error.strerror}") from None
    if check and done.returncode:
        raise Failed(f"`{' '.join(argv)}` failed:\n{done.stdout[-2000:]}")
    return done


def folder_on_disk(prefix):
    """A new one where writing costs what it costs on a server: the temporary directory may be memory."""
    kinds = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        kinds[place] = kind
    where = Path(tempfile.gettempdir()).resolve()
    mounted = next(str(place) for place in [where, *where.parents] if str(place) in kinds)
    return Path(tempfile.mkdtemp(prefix=prefix, dir="/var/tmp" if kinds[mounted] == "tmpfs" else where))


def until_kept_up(home):
    """Waits until what a push to the app at `home` left behind has ended: `landfall hook upkeep`, which holds this lock."""
    time.sleep(0.2)  # until it has begun
    try:
        with (home / "cache/upkeep.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
    except FileNotFoundError:
        pass  # no push yet


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, timeout=10):
    """(status, body); status 0 when there was no whole answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            data = bytearray()
            while chunk := s.recv(65536):
                data += chunk
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if length and len(body) < int(length.group(1)):
            return 0, b""
        return int(head.split(b" ", 2)[1]), body
    except (OSError, IndexError, ValueError):
        return 0, b""


def stop(pid, wait=30):
    """Ends a process that the bench started."""
    try:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + wait
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def stop_named(*files):
    for file in files:
        try:
            stop(int(file.read_text()))
        except (OSError, ValueError):
            pass


def descendants(root):
    """Every process below `root`, itself left out."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, look = [], [root]
    while look:
        below = children.get(look.pop(), [])
        found += below
        look += below
    return found


def under_a_reaper(main):
    """Runs `main` in a child, and takes in whatever loses its parent: so every process can be counted, what it wrote ends
    up here when it ends, and none is left behind."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        sys.exit(main())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    code = 1
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            break
    # What a run that failed has left.
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + (5 if sign == signal.SIGTERM else 1)
        while time.monotonic() < deadline:
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    time.sleep(0.05)
            except ChildProcessError:
                return code
    return code


def written():
    """Bytes that the bench and all below it have caused to be written so far (`write_bytes`, counted by the kernel when a page is
    made dirty). A process that has ended counts with the one that waited for it, so nothing gets lost."""
    total = 0
    reaper = os.getppid()
    for pid in [reaper, *descendants(reaper)]:
        try:
            total += int(re.search(r"write_bytes: (\d+)", Path(f"/proc/{pid}/io").read_text()).group(1))
        except (OSError, AttributeError):
            pass
    return total


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) / 1024 / 1024
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    git = subprocess.run(["git", "--version"], capture_output=True, text=True).stdout.split()[-1]
    return (f"{os.cpu_count()} cores ({model.group(1) if model else 'unknown'}), {memory:.0f} GB, {system.group(1) if system else 'Linux'}, "
            f"Linux {os.uname().release.split('-')[0]}, git {git}")  # fmt: skip
