"""Landfall in user mode."""

import re

from .apps import OUTSIDE_GIT
from .deployer import Deployer
from .host import LANDFALL, Failed, run

# What a deploy's log calls the stages that are the app's own tools: npm, pip, Django, uWSGI, Celery.
TOOLS = "frontend|python|gate|boot|migrate|health|workers|retire"


class Landfall(Deployer):
    name = "Landfall"
    rolls_back = "landfall rollback"

    def setup(self):
        if not LANDFALL.exists():
            raise Failed(f"{LANDFALL} is not there: cargo build --release, or LANDFALL_BIN")
        self.env["LANDFALL_CONFIG_DIR"] = str(self.base / "config")
        self.home = self.base / "home"
        self.repository = self.home / "notes.git"
        self.landfall("app", "create", "notes", "--user-mode", "--home", self.home, "--listen", f"127.0.0.1:{self.port}")
        for path in OUTSIDE_GIT:
            self.landfall("shared", "add", path, "--from", self.project.folder / f"{path}.example")

    def landfall(self, *argv):
        return run([LANDFALL, *argv], self.base, self.env)

    def own(self):
        return {"exe": str(LANDFALL)}

    def prepare_rollback(self):
        shown = self.project.shown()
        self.push_and_settle(self.project.change_backend())  # the branch keeps it: the next push is live with it again
        return (lambda: self.landfall("rollback", "--keep-database")), shown

    def own_share(self, ended):
        return own_share(self.home, ended)

    def end(self):
        run([LANDFALL, "app", "remove", "notes", "--yes"], self.base, self.env, check=False)


def own_share(home, ended):
    """The time of the whole step, less what the newest log says the app's tools took."""
    newest = max((home / "log/deploys").glob("*.log"), key=lambda path: path.stat().st_mtime)
    last = newest.read_text().split(" landfall ")[-1]
    tools = [(stage, float(took)) for stage, took in re.findall(rf"\[({TOOLS})\] \w+ .*?(\d+\.\d\d)s$", last, re.M)]
    # Frontend and Python run side by side: what passes is the longer of the two.
    beside = max((took for stage, took in tools if stage in ("frontend", "python")), default=0.0)
    after = sum(took for stage, took in tools if stage not in ("frontend", "python"))
    return max(0.0, ended - beside - after) * 1000
