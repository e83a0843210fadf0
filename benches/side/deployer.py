"""What the bench asks of a deployer: a repository to push to, a site, a way back. One file each: landfall.py, hook.py, piku.py."""

import time

from .apps import Project
from .host import Failed, environment, free_port, get

PATIENCE = 120  # seconds from the end of a step until it has to be live


class Deployer:
    name = ""
    rolls_back = "revert and push"  # what the rollback journey does
    quiet = 1.0  # seconds after a push until nothing of it is going on any more
    push_options = ()  # of git, before `push`

    def __init__(self, base, size):
        base.mkdir(parents=True)
        (base.parent / f"{type(self).__name__}-user").mkdir(exist_ok=True)
        self.base, self.port, self.env = base, free_port(), environment(base.parent / f"{type(self).__name__}-user")
        self.project = Project(base / "project", size, self.env)
        try:
            self.setup()
        except BaseException:
            self.end()
            raise
        self.project.git("remote", "add", "production", self.repository)

    def setup(self):
        """Makes `self.repository` and all that serves; the first push comes later."""
        raise NotImplementedError

    def own(self):
        """The deployer's own processes, as watch.py understands it."""
        raise NotImplementedError

    def end(self):
        """Ends every process that was started; the folder is removed by the caller."""
        raise NotImplementedError

    def push(self):
        done = self.project.git(*self.push_options, "push", "production", "master", check=False)
        if done.returncode:
            raise Failed(f"the push failed:\n{done.stdout[-1500:]}")

    def prepare_rollback(self):
        """Pushes what the rollback takes back; gives what shows that it did, and the action."""
        backend, frontend = self.project.backend, self.project.frontend
        self.push_and_settle(self.project.change_backend())
        shown = self.project.revert(backend, frontend)
        return self.push, shown

    def rest(self):
        """Waits until nothing of the step before is going on any more."""
        time.sleep(self.quiet)

    def own_share(self, ended):
        """Milliseconds that were not the app's own tools, of a step that took `ended` seconds; None where nothing tells."""
        return None

    def shows(self, marks):
        return all(status == 200 and text.encode() in body for path, text in marks for status, body in [get(self.port, path)])

    def push_and_settle(self, marks):
        """A deployer may end its push before the release serves."""
        self.push()
        deadline = time.monotonic() + PATIENCE
        while not self.shows(marks):
            if time.monotonic() > deadline:
                raise Failed("what was pushed before the step never came to be live")
            time.sleep(0.05)
