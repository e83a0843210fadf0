"""Landfall in user mode."""

import json

from .apps import OUTSIDE_GIT
from .deployer import Deployer
from .host import LANDFALL, Failed, run, until_kept_up


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

    def rest(self):
        super().rest()
        until_kept_up(self.home)

    def own(self):
        return {"exe": str(LANDFALL)}

    def prepare_rollback(self):
        shown = self.project.shown()
        self.push_and_settle(self.project.change_backend())  # the branch keeps it: the next push is live with it again
        return (lambda: self.landfall("rollback", "--keep-database")), shown

    def own_share(self, _ended):
        """Milliseconds of the last run that none of the app's programs took, nor git between its hooks."""
        return json.loads(self.landfall("log", "--timing", "--json").stdout)["own_ms"]

    def end(self):
        run([LANDFALL, "app", "remove", "notes", "--yes"], self.base, self.env, check=False)
