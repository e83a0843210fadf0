"""The journeys, and one measured step of one of them."""

import threading
import time

from .deployer import PATIENCE
from .host import Failed, written
from .load import Load

FIRST = "first deploy"
# name: what the developer does before the step that is measured; gives the action and what shows that it is live.
JOURNEYS = {
    FIRST: lambda d: (d.push, d.project.shown(page=True)),
    "same commit again": lambda d: (d.push, d.project.empty()),
    "one-line backend change": lambda d: (d.push, d.project.change_backend()),
    "one-line frontend change": lambda d: (d.push, d.project.change_frontend()),
    "new Python dependency": lambda d: (d.push, d.project.add_package()),
    "new migration": lambda d: (d.push, d.project.add_migration()),
    "revert to a commit seen before": lambda d: reverted(d),
    "rollback": lambda d: d.prepare_rollback(),
}


def reverted(deployer):
    backend, frontend = deployer.project.backend, deployer.project.frontend
    deployer.push_and_settle(deployer.project.change_both())
    return deployer.push, deployer.project.revert(backend, frontend)


class Live(threading.Thread):
    """Asks every 10 ms until each mark was shown once."""

    def __init__(self, deployer, marks, begun):
        super().__init__(daemon=True)
        self.deployer, self.left, self.begun, self.after, self.deadline = deployer, list(marks), begun, None, None
        self.start()

    def run(self):
        while self.left and (self.deadline is None or time.monotonic() < self.deadline):
            self.left = [mark for mark in self.left if not self.deployer.shows([mark])]
            if not self.left:
                self.after = time.monotonic() - self.begun
            time.sleep(0.01)

    def end(self, patience):
        self.deadline = time.monotonic() + patience
        self.join()
        return self.after


def measure(deployer, name, watch, load=True):
    """One step: a sample of what the table shows."""
    action, marks = JOURNEYS[name](deployer)
    load = load and name != FIRST  # nothing is there yet to be asked
    deployer.rest()
    time.sleep(0.5)
    visitors = Load(deployer.port) if load else None
    try:
        if load:
            time.sleep(1.0)
        watch.begin(deployer.own())
        before, begun = written(), time.monotonic()
        live = Live(deployer, marks, begun)
        try:
            action()
        except BaseException:
            live.end(0)
            raise
        ended = time.monotonic() - begun
        after = live.end(PATIENCE)
        if marks and after is None:
            raise Failed(f"not live {PATIENCE} s after it ended")
        own = deployer.own_share(ended)
        deployer.rest()  # what the deployer does once it has answered counts
        counted = watch.count()
        sample = {"live": after, "end": ended, "own": own, "written": written() - before, **counted}
    finally:
        asked = visitors.end() if visitors else None
    return sample | {"load": asked}
