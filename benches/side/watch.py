"""A process that watches the others: which programs are started, and how much memory the deployer's own processes take.

As root the kernel tells (the proc connector: every fork, exec and exit on the machine, in order); counted are execs below the bench's
own process. A program's name is read from /proc a moment after its exec: what has already ended by then counts as `unnamed`; npm, pip and
Python live far longer than that. Without root /proc is looked through every 20 ms, and the counts are `at least`.

Speaks JSON lines: {"own": {"exe": PATH} or {"argv": TEXT}} begins a count, {"end": true} answers with it.
"""

import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

if __package__:
    from .host import descendants
else:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from side.host import descendants

KINDS = ("npm", "node", "pip", "python", "git", "landfall", "other", "unnamed")
FORK, EXEC, EXIT = 0x1, 0x2, 0x80000000


class Watch:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, __file__, str(os.getppid()), str(os.getpid())], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)  # fmt: skip
        self.exact = json.loads(self.process.stdout.readline())["exact"]

    def begin(self, own):
        self.ask({"own": own})

    def count(self):
        """{"started": {kind: number}, "memory": MiB}"""
        return self.ask({"end": True})

    def ask(self, what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


def kind_of(argv):
    names = [Path(word).name for word in argv[:3]] + ["", "", ""]
    program = names[0]
    if program.startswith("npm") or (program in ("node", "nodejs") and names[1] in ("npm", "npm-cli.js", "npx", "npx-cli.js")):
        return "npm"
    if program in ("node", "nodejs"):
        return "node"
    if re.match(r"python[\d.]*$", program):
        is_pip = re.match(r"pip[\d.]*$", names[1]) or ("-m" in argv[1:4] and "pip" in argv[2:6])
        return "pip" if is_pip else "python"
    if program in ("pip", "pip3", "uv"):
        return "pip"
    return program if program in ("git", "landfall") else "other"


class Counter:
    """What is below `root`, the processes of the bench itself left out."""

    def __init__(self, root, bench):
        self.left_out = {bench, os.getpid()}
        self.tree = {root, *descendants(root)}
        self.own_rule, self.own, self.peak = {}, set(), 0
        self.started, self.seen = {}, {}

    def begin(self, own):
        self.own_rule, self.own, self.peak = own, set(), 0
        self.started = {}

    def forked(self, parent, child):
        if parent in self.tree and child not in self.tree:
            self.tree.add(child)
            if parent in self.own:
                self.own.add(child)

    def executed(self, pid):
        if pid not in self.tree or pid in self.left_out:
            return
        self.own.discard(pid)
        try:
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            exe = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            argv, exe = [""], ""
        # By process, the last program counts: a script's first line names one that only starts another (`env node`).
        if argv[0] or pid not in self.started:
            self.started[pid] = kind_of(argv) if argv[0] else "unnamed"
        rule = self.own_rule
        if exe and (exe == rule.get("exe") or (rule.get("argv") and any(rule["argv"] in word for word in argv))):
            self.own.add(pid)

    def by_kind(self):
        return {kind: sum(found == kind for found in self.started.values()) for kind in KINDS}

    def ended(self, pid):
        self.tree.discard(pid)
        self.own.discard(pid)

    def look_at_memory(self):
        for pid in list(self.own):
            try:
                peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            except OSError:
                continue
            self.peak = max(self.peak, int(peak.group(1))) if peak else self.peak

    def look_around(self, root):
        """Without the kernel's word: whatever is there now and was not before."""
        now = {}
        for pid in descendants(root):
            try:
                now[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
        self.tree = {root, *now}
        for pid, command in now.items():
            if self.seen.get(pid) != command and command:
                self.executed(pid)
        self.seen = now
        self.own &= set(now)


def connector():
    """The kernel's word on processes; None where it may not be had."""
    NETLINK_CONNECTOR, CN_IDX_PROC, PROC_CN_MCAST_LISTEN, NLMSG_DONE, SO_RCVBUFFORCE = 11, 1, 1, 3, 33
    try:
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        s.bind((0, CN_IDX_PROC))
        order = struct.pack("=IIIIHHI", CN_IDX_PROC, 1, 1, 0, 4, 0, PROC_CN_MCAST_LISTEN)
        s.send(struct.pack("=IHHII", 16 + len(order), NLMSG_DONE, 0, 0, os.getpid()) + order)
        # The kernel answers that it heard, also where this is no one it would speak to; so see whether it does speak.
        deadline, heard = time.monotonic() + 1, False
        subprocess.run(["true"])
        while not heard and time.monotonic() < deadline and select.select([s], [], [], 0.2)[0]:
            heard = struct.unpack_from("=I", s.recv(4096), 36)[0] == EXEC
        s.setblocking(False)
        return s if heard else None
    except OSError:
        return None


def follow(kernel, counter):
    while True:
        try:
            data = kernel.recv(4096)
        except BlockingIOError:
            return
        except OSError:  # the buffer ran over: some events are lost
            continue
        what = struct.unpack_from("=I", data, 36)[0]
        first, group, child, child_group = struct.unpack_from("=IIII", data, 52)
        if what == FORK and child == child_group:
            counter.forked(group, child)
        elif what == EXEC:
            counter.executed(group)
        elif what == EXIT and first == group:
            counter.ended(first)


def main():
    root, bench = int(sys.argv[1]), int(sys.argv[2])
    kernel, counter = connector(), Counter(root, bench)
    print(json.dumps({"exact": kernel is not None}), flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin] + ([kernel] if kernel else []), [], [], 0.005 if kernel else 0.02)
        if kernel:
            follow(kernel, counter)
        else:
            counter.look_around(root)
        counter.look_at_memory()
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                return
            order = json.loads(line)
            if "own" in order:
                counter.begin(order["own"])
                print("{}", flush=True)
            else:
                print(json.dumps({"started": counter.by_kind(), "memory": counter.peak / 1024}), flush=True)


if __name__ == "__main__":
    main()
