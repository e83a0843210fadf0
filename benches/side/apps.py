"""What is deployed: the example app, alone or with a library of generated files beside it, and the changes that are pushed.

Generated: folders of 10 to 60 files, two to four deep, sizes around 2.5 KB with a few of 100 KB, most of it text, all of it from one seed: the
same bytes on every machine. They lie in `library/`, which neither Django nor vite looks into. The repository is written by
`git fast-import` and kept under target/bench.
"""

import hashlib
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

from .host import ROOT, Failed, run

EXAMPLE = ROOT / "examples/notes"
KEPT = ROOT / "target/bench"
BACKEND = "notesBackEnd/notesBackEnd/release.py"
FRONTEND = "notes-front-end/src/release.js"
OUTSIDE_GIT = ["notesBackEnd/notesBackEnd/localsettings.py", "notes-front-end/src/variables/localVariables.js"]
MIGRATIONS = "notesBackEnd/board/migrations"
API, PAGE = "/api/about/", "/"
APPS = {"example": 0, "20000": 20_000, "70000": 70_000}
FORMAT = 1  # of what is generated; another one makes it anew
# Small packages that nothing else needs; each pair of versions is pushed once.
HUMANIZE = [f"4.{minor}.0" for minor in range(13)]
COLORAMA = ["0.4.6", "0.4.5", "0.4.4", "0.4.3"]
KINDS = [("py", 30), ("js", 20), ("html", 10), ("css", 6), ("json", 10), ("md", 10), ("txt", 8), ("svg", 4), ("bin", 2)]


def example_files():
    """As git has it: what a developer's machine left there is not in it."""
    names = subprocess.run(["git", "ls-files", "-z", "--", "."], cwd=EXAMPLE, capture_output=True, text=True)
    listed = [EXAMPLE / name for name in names.stdout.split("\0") if name]
    return sorted(path for path in listed if path.is_file())


def library(count):
    """(path, content) of `count` files."""
    chance = random.Random(count)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 11))) for _ in range(4000)]
    text = b" ".join(chance.choices(words, k=400_000))
    noise = chance.randbytes(1 << 20)
    made, folder, left = 0, "", 0
    names = [kind for kind, _ in KINDS]
    weights = [weight for _, weight in KINDS]
    while made < count:
        if left == 0:
            depth = chance.randint(1, 3)
            folder = "/".join(["library", *(f"{chance.choice('abcdefghijklm')}{chance.randint(0, 25):02}" for _ in range(depth)), f"f{made:06}"])
            left = chance.randint(10, 60)
        kind = chance.choices(names, weights)[0]
        size = min(100_000, max(40, int(chance.lognormvariate(7.8, 1.1))))
        source = noise if kind == "bin" else text
        begin = chance.randrange(len(source) - size)
        content = source[begin : begin + size]
        yield f"{folder}/{kind}_{made:06}.{kind}", content if kind == "bin" else content.replace(b" a", b"\n") + b"\n"
        made, left = made + 1, left - 1


def import_commit(repository, env, files, message="first"):
    """Makes a bare repository with one commit on master."""
    run(["git", "init", "-q", "--bare", "-b", "master", repository], ROOT, env)
    feed = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=repository, env=env, stdin=subprocess.PIPE)
    write = feed.stdin.write
    write(f"commit refs/heads/master\ncommitter bench <bench@localhost> 1760000000 +0000\ndata {len(message)}\n{message}\n".encode())
    for path, content, *mode in files:
        write(f"M {mode[0] if mode else '100644'} inline {path}\ndata {len(content)}\n".encode() + content + b"\n")
    feed.stdin.close()
    if feed.wait():
        raise Failed("git fast-import failed")


def repository_of(size, env):
    """A bare repository with the app and `size` generated files, made where it is not there yet."""
    own = [(str(path.relative_to(EXAMPLE)), path.read_bytes(), "100755" if os.access(path, os.X_OK) else "100644") for path in example_files()]
    key = hashlib.sha256(repr((FORMAT, size, own)).encode()).hexdigest()[:12]
    kept = KEPT / f"app-{size}-{key}.git"
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        for old in KEPT.glob(f"app-{size}-*.git"):
            shutil.rmtree(old)
        part = KEPT / f"app-{size}.part"
        shutil.rmtree(part, ignore_errors=True)
        import_commit(part, env, [*own, *library(max(0, size - len(own)))])
        part.rename(kept)
    return kept


class Project:
    """The developer's clone, and what they do in it. Each change comes with what shows that it is live: [(path, text)]."""

    def __init__(self, folder, size, env):
        self.folder, self.env, self.number, self.packages, self.migrations = folder, env, 1, 0, 0
        run(["git", "clone", "-q", "-o", "seed", repository_of(size, env), folder], ROOT, env)
        self.git("branch", "-q", "--unset-upstream", "master")
        self.backend, self.frontend = "1", "1"
        self.last_migration = sorted(path.stem for path in (folder / MIGRATIONS).glob("0*.py"))[-1]

    def git(self, *argv, check=True):
        return run(["git", *argv], self.folder, self.env, check)

    def shown(self, *, page=False):
        """What the site shows once this is live."""
        api = (API, f'"release":"{self.backend}"')
        return [api, (PAGE, f'<meta name="release" content="{self.frontend}">')] if page else [api]

    def mark(self, file):
        path = self.folder / file
        path.write_text(re.sub(r'"[^"]*"', f'"{self.number}"', path.read_text(), count=1))

    def add(self, name, content):
        (self.folder / name).write_text(content)
        self.git("add", name)

    def commit(self, message):
        self.git("commit", "-qam", f"{message} {self.number}")

    def next(self):
        self.number += 1
        return str(self.number)

    def empty(self):
        self.git("commit", "-q", "--allow-empty", "-m", "empty")
        return []

    def change_backend(self, message="backend"):
        self.backend = self.next()
        self.mark(BACKEND)
        self.commit(message)
        return self.shown()

    def change_frontend(self):
        self.frontend = self.next()
        self.mark(FRONTEND)
        self.commit("frontend")
        return [self.shown(page=True)[1]]

    def change_both(self):
        self.frontend = self.next()
        self.mark(FRONTEND)
        return self.change_backend("both") + [self.shown(page=True)[1]]

    def add_package(self):
        """Two requirements nothing had before in this pair of versions, and a line of the backend to see it by."""
        path = self.folder / "requirements.txt"
        lines = [line for line in path.read_text().splitlines() if not line.startswith(("humanize", "colorama"))]
        first, second = self.packages % len(HUMANIZE), self.packages // len(HUMANIZE)
        if second >= len(COLORAMA):
            raise Failed("more runs than the bench has new packages for")
        self.packages += 1
        path.write_text("\n".join([*lines, f"humanize=={HUMANIZE[first]}", f"colorama=={COLORAMA[second]}"]) + "\n")
        return self.change_backend("package")

    def add_migration(self):
        self.migrations += 1
        name = f"Measured{self.migrations}"
        models = self.folder / "notesBackEnd/board/models.py"
        models.write_text(models.read_text() + f"\n\nclass {name}(models.Model):\n    value = models.IntegerField(default=0)\n")
        last, self.last_migration = self.last_migration, f"{int(self.last_migration[:4]) + 1:04}_{name.lower()}"
        self.add(f"{MIGRATIONS}/{self.last_migration}.py",
                 "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
                 f'    dependencies = [("board", "{last}")]\n'
                 f'    operations = [migrations.CreateModel(name="{name}", fields=[\n'
                 '        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),\n'
                 '        ("value", models.IntegerField(default=0))])]\n')  # fmt: skip
        return self.change_backend("migration")

    def revert(self, backend, frontend):
        """Back to the tree of the commit before, where these were shown."""
        self.git("revert", "--no-edit", "HEAD")
        changed_page = frontend != self.frontend
        self.backend, self.frontend = backend, frontend
        return self.shown(page=changed_page)
