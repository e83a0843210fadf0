"""The plain hand-written post-receive hook, as the tutorials have it: checkout -f, pip install, npm ci, npm run build, migrate,
collectstatic, supervisorctl restart, nginx -s reload; behind nginx, with uWSGI, Celery worker and beat under supervisor."""

import os
import shutil
from pathlib import Path

from .apps import OUTSIDE_GIT
from .deployer import Deployer
from .host import run, stop_named

HOOK = """#!/bin/bash
while read old new ref; do
    [ "$ref" = refs/heads/master ] || continue
    unset GIT_QUARANTINE_PATH
    git --work-tree={tree} --git-dir={repository} checkout -f master
    cd {tree}
    [ -d {venv} ] || python3 -m venv {venv}
    source {venv}/bin/activate
    export LANDFALL_SHARED={data} SECRET_KEY=bench-secret-key
    pip install -r requirements.txt pyuwsgi
    cp {outside}/localsettings.py notesBackEnd/notesBackEnd/
    cp {outside}/localVariables.js notes-front-end/src/variables/
    cd notes-front-end
    npm ci
    npm run build
    cd ../notesBackEnd
    python manage.py migrate --noinput
    python manage.py collectstatic --noinput
    supervisorctl -c {conf} restart web celery beat
    nginx -c {nginx} -s reload
done
"""

SUPERVISORD = """[unix_http_server]
file={base}/supervisor.sock
[supervisord]
logfile={base}/supervisord.log
pidfile={base}/supervisord.pid
{user}
environment=LANDFALL_SHARED="{data}",SECRET_KEY="bench-secret-key"
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{base}/supervisor.sock
[program:web]
command={venv}/bin/uwsgi --socket {base}/web.sock --module notesBackEnd.wsgi:application --master --processes 2 --threads 2 --listen 128 --need-app --die-on-term --disable-logging
directory={tree}/notesBackEnd
autostart=false
stdout_logfile={base}/web.log
redirect_stderr=true
[program:celery]
command={venv}/bin/celery -A notesBackEnd worker --loglevel=INFO
directory={tree}/notesBackEnd
autostart=false
stdout_logfile={base}/celery.log
redirect_stderr=true
[program:beat]
command={venv}/bin/celery -A notesBackEnd beat --loglevel=INFO --schedule {base}/beat-schedule
directory={tree}/notesBackEnd
autostart=false
stdout_logfile={base}/beat.log
redirect_stderr=true
"""

NGINX = """{user} worker_processes 2; pid {base}/nginx.pid; error_log {base}/nginx-error.log; events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types; access_log off; client_body_temp_path {base}/b; uwsgi_temp_path {base}/u;
    proxy_temp_path {base}/p; fastcgi_temp_path {base}/f; scgi_temp_path {base}/s;
    server {{
        listen 127.0.0.1:{port};
        location /static/ {{ alias {tree}/notesBackEnd/staticroot/; }}
        location /media/ {{ alias {data}/media/; }}
        location ~ ^/(api|admin|healthz)/ {{ include /etc/nginx/uwsgi_params; uwsgi_pass unix:{base}/web.sock; }}
        location / {{ root {tree}/notes-front-end/dist; try_files $uri /index.html; }}
    }}
}}
"""


class Hook(Deployer):
    name = "hook"

    def setup(self):
        names = {"base": self.base, "tree": self.base / "tree", "venv": self.base / "venv", "data": self.base / "data",
                 "outside": self.base / "outside", "repository": self.base / "notes.git", "conf": self.base / "supervisord.conf",
                 "nginx": self.base / "nginx.conf", "port": self.port}  # fmt: skip
        self.repository = names["repository"]
        for folder in ("tree", "data", "outside"):
            names[folder].mkdir()
        for path in OUTSIDE_GIT:
            shutil.copy(self.project.folder / f"{path}.example", names["outside"] / Path(path).name)
        run(["git", "init", "-q", "--bare", "-b", "master", self.repository], self.base, self.env)
        hook = self.repository / "hooks/post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK.format(**names))
        hook.chmod(0o755)
        root = os.getuid() == 0
        names["conf"].write_text(SUPERVISORD.format(user="user=root" if root else "", **names))
        names["nginx"].write_text(NGINX.format(user="user root;" if root else "", **names))
        run(["supervisord", "-c", names["conf"]], self.base, self.env)
        run(["nginx", "-c", names["nginx"], "-e", self.base / "nginx-error.log"], self.base, self.env)

    def own(self):
        return {"argv": "hooks/post-receive"}

    def end(self):
        stop_named(self.base / "supervisord.pid", self.base / "nginx.pid")
