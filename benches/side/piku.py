"""Piku, where somebody has it: `benches/run --piku DIR`, DIR being a folder with its piku.py. Nothing of it is kept here.

Needs what Piku needs: `uwsgi` with its python3 plugin, `virtualenv`, git-shell, and click for the system's Python (Debian: uwsgi-core
uwsgi-plugin-python3 virtualenv python3-click). It runs as Piku's own setup makes it, in a PIKU_ROOT of its own: the uWSGI emperor watches
its folder, a push reaches `piku.py git-receive-pack`. Three things differ from an installation: no ssh between, as for the other
deployers; the bench's nginx passes to the app's socket instead of including the site Piku writes, which would want port 80; and the
frontend's build stands in the Procfile's `release:` line, where Piku's documentation has it.
"""

import shutil
import signal
import subprocess
from pathlib import Path

from .apps import OUTSIDE_GIT
from .deployer import Deployer
from .hook import NGINX
from .host import KEPT, PATH, run, stop_named

PROCFILE = """preflight: sh deploy/preflight.sh
release: sh deploy/release.sh
wsgi: notesBackEnd.wsgi:application
celery: celery -A notesBackEnd worker --loglevel=INFO
beat: celery -A notesBackEnd beat --loglevel=INFO --schedule {base}/beat-schedule
"""
# Before the new processes start, which Piku does ahead of `release`.
PREFLIGHT = """set -e
cp {outside}/localsettings.py notesBackEnd/notesBackEnd/
cp {outside}/localVariables.js notes-front-end/src/variables/
"""
RELEASE = """set -e
(cd notes-front-end && npm ci && npm run build)
cd notesBackEnd
python manage.py migrate --noinput
python manage.py collectstatic --noinput
"""
ENV = """NGINX_SERVER_NAME=127.0.0.1
NGINX_IPV4_ADDRESS=127.0.0.1
DISABLE_IPV6=true
UWSGI_PROCESSES=2
UWSGI_THREADS=2
UWSGI_LISTEN=128
LANDFALL_SHARED={data}
SECRET_KEY=bench-secret-key
PYTHONPATH={root}/apps/notes/notesBackEnd
"""


def at(folder):
    """The deployer, for the piku.py in `folder`; or what is missing."""
    script = folder.resolve() / "piku.py"
    missing = [] if script.is_file() else [f"{script} is not there"]
    missing += [f"no `{program}` in {PATH}" for program in ("uwsgi", "virtualenv", "git-shell") if not shutil.which(program, path=PATH)]
    click = subprocess.run(["python3", "-c", "import click"], env={"PATH": PATH}, capture_output=True)
    missing += ["the system's Python has no click"] if click.returncode else []
    if missing:
        raise SystemExit(f"error: Piku cannot take part: {'; '.join(missing)}\nhint: leave --piku out, or see benches/side/piku.py")
    return type("Piku", (Piku,), {"script": script})


class Piku(Deployer):
    name = "Piku"
    quiet = 5.0  # the emperor looks every 3 s, and then the processes start
    script: Path
    emperor = None

    def setup(self):
        self.root = self.base / "piku"
        names = {"base": self.base, "root": self.root, "data": self.base / "data", "outside": self.base / "outside",
                 "tree": self.root / "apps/notes", "port": self.port, "user": "user root;"}  # fmt: skip
        for folder in ("root", "data", "outside"):
            names[folder].mkdir()
        for path in OUTSIDE_GIT:
            shutil.copy(self.project.folder / f"{path}.example", names["outside"] / Path(path).name)
        self.env |= {"PIKU_ROOT": str(self.root), "USER": "root"}
        own = self.root / "piku.py"
        shutil.copy(self.script, own)
        own.chmod(0o755)
        run([own, "setup"], self.base, self.env)
        receive = self.base / "receive-pack"
        receive.write_text(f"#!/bin/sh\nexec {own} git-receive-pack notes\n")
        receive.chmod(0o755)
        self.repository = self.root / "repos/notes"
        self.push_options = ("-c", f"remote.production.receivepack={receive}")
        self.write_files(names)
        self.emperor = subprocess.Popen(["uwsgi", "--ini", self.root / "uwsgi/uwsgi.ini"], cwd=self.base, env=self.env,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        conf = self.base / "nginx.conf"
        conf.write_text(NGINX.format(**names).replace(f"unix:{self.base}/web.sock", f"unix:{self.root}/nginx/notes.sock"))
        run(["nginx", "-c", conf, "-e", self.base / "nginx-error.log"], self.base, self.env)

    def write_files(self, names):
        """What a user of Piku commits. Its processes get an environment made of ENV alone, so the way to the registries stands there."""
        registries = "".join(f"{name}={self.env[name]}\n" for name in KEPT if name in self.env)
        (self.project.folder / "deploy").mkdir()
        for name, text in {"Procfile": PROCFILE, "ENV": ENV, "deploy/preflight.sh": PREFLIGHT, "deploy/release.sh": RELEASE}.items():
            self.project.add(name, text.format(**names) + (registries if name == "ENV" else ""))
        self.project.git("commit", "-qm", "what Piku needs")

    def own(self):
        return {"argv": "piku.py"}

    def end(self):
        if self.emperor:
            self.emperor.send_signal(signal.SIGINT)  # TERM would make it start everything anew
            try:
                self.emperor.wait(20)
            except subprocess.TimeoutExpired:
                self.emperor.kill()
                self.emperor.wait()
        stop_named(self.base / "nginx.pid")
