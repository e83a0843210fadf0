"""Reads the configurations of homes as supervisord does; prints what it took them for as JSON.

Its argument is a file with a JSON list of homes.
"""

import json
import os
import shlex
import sys

from supervisor.options import ServerOptions


def values_of(home):
    options = ServerOptions()
    options.configfile = os.path.join(home, "run", "supervisord.conf")
    options.here = os.path.dirname(options.configfile)
    section = options.read_config(options.configfile)
    if options.parse_warnings:
        raise SystemExit("{!r}: {}".format(home, options.parse_warnings))
    return {
        "directory": section.directory,
        "pidfile": section.pidfile,
        "logfile": section.logfile,
        "childlogdir": section.childlogdir,
        "environment": section.environment,
        "sockets": [server["file"] for server in section.server_configs],
        "programs": {
            process.name: {
                "group": group.name,
                "command": shlex.split(process.command),
                "log": process.stdout_logfile,
                "autostart": process.autostart,
                "ready": process.startsecs,
                "stop": process.stopwaitsecs,
                "signal": int(process.stopsignal),
                "stop_group": process.stopasgroup,
                "kill_group": process.killasgroup,
                "directory": process.directory,
                "environment": process.environment,
            }
            for group in section.process_group_configs
            for process in group.process_configs
        },
    }


with open(sys.argv[1], encoding="utf-8") as homes:
    print(json.dumps([values_of(home) for home in json.load(homes)]))
