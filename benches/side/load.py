"""Visitors: 60 requests a second, half the page, half the API, one connection each, in a process of their own.

They ask on a fixed schedule, and latency counts from the scheduled instant, so a stall cannot hide. The process asks until its stdin
ends, then prints what it counted as JSON.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

if __package__:
    from .host import get
else:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from side.host import get

RATE = 60


class Load:
    def __init__(self, port):
        self.process = subprocess.Popen([sys.executable, __file__, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self):
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out)


def visit(port):
    results, lock, stop = [], threading.Lock(), threading.Event()
    workers = RATE * 2  # so a stall of two seconds still gets the scheduled number of connections
    start = time.monotonic()

    def work(number):
        at, period = start + number / RATE, workers / RATE
        path = "/" if number % 2 else "/api/about/"
        while not stop.is_set():
            pause = at - time.monotonic()
            if pause > 0 and stop.wait(pause):
                return
            status, _ = get(port, path)
            with lock:
                results.append((status, (time.monotonic() - at) * 1000))
            at += period

    threading.stack_size(256 * 1024)
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join(15)
    good = sorted(ms for status, ms in results if status == 200) or [0.0]
    rank = lambda share: round(good[min(len(good) - 1, int(len(good) * share))], 1)
    failed = sum(status != 200 for status, _ in results)
    return {"requests": len(results), "failed": failed, "p50": rank(0.5), "p99": rank(0.99), "worst": round(good[-1], 1)}


if __name__ == "__main__":
    print(json.dumps(visit(int(sys.argv[1]))))
