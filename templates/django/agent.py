"""Landfall's Django agent: the one Python process of a deploy.

    cd BACKEND && DJANGO_SETTINGS_MODULE=site.settings VENV/bin/python agent.py

BACKEND is the folder with manage.py. The agent reads one JSON request per line on stdin and answers with JSON lines on
what was stdout when it started; whatever the app prints goes to stderr. Progress lines may follow a request, and then
exactly one line with "end":

    > {"do": "migrate"}
    < {"progress": "applying", "app": "board", "name": "0002_pinned"}
    < {"progress": "applied", "app": "board", "name": "0002_pinned", "seconds": 0.012}
    < {"end": "ok", "do": "migrate", "applied": [{"app": "board", "name": "0002_pinned"}]}

    < {"end": "error", "do": "setup", "kind": "ModuleNotFoundError", "message": "No module named 'yaml'",
       "where": "site/settings.py:12 in <module>", "traceback": ["Traceback ...", ...]}

Requests: setup, check, introspect, plan, migrate, unapply, collectstatic, quit. All but quit set Django up first if
that has not happened yet; after a failed setup they repeat its error. plan, migrate and unapply take "database" (an
alias, "default" if absent). End of stdin ends the process with 0.

Needs nothing but the standard library and the app's Django. Works with Django 2.2 to 5.x and Python 3.8 and later.
"""

import importlib.util
import json
import os
import re
import sys
import sysconfig
import time
import traceback

AGENT = os.path.abspath(__file__)


# --- the channel -----------------------------------------------------------------------------------------------------


class Channel:
    """Requests in, replies out, on private descriptors: the app may print, read and fork as it likes.

    os.dup gives descriptors that children don't inherit, so a daemon started by the app can't hold the pipes open.
    """

    def __init__(self):
        self.requests = os.fdopen(os.dup(0), "rb")
        self.replies = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)  # an input() in the app sees the end of file, and can't eat a request
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)

    def send(self, **line):
        # Lone surrogates (file names in odd encodings) become "?": they are not valid JSON for the other side.
        data = (json.dumps(line, default=str, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        try:
            while data:
                data = data[os.write(self.replies, data) :]
        except OSError:
            pass  # nobody listens any more; a migration under way is still finished in good order


# --- errors ----------------------------------------------------------------------------------------------------------


class BadRequest(Exception):
    pass


class CannotUnapply(Exception):
    pass


class Failed(Exception):
    """Carries what a failed request had done by then into the error reply, next to the error itself."""

    def __init__(self, cause, **extra):
        super().__init__(str(cause))
        self.cause = cause
        self.extra = extra


def error_reply(do, error):
    extra = {}
    if isinstance(error, Failed):
        error, extra = error.cause, error.extra
    reply = {"end": "error", "do": do, "kind": type(error).__name__, "message": message_of(error)}
    reply.update(where=where_of(error), traceback=traceback_of(error), **extra)
    return reply


def message_of(error):
    if isinstance(error, SystemExit):
        return "the app called sys.exit({!r})".format(error.code)
    try:
        return str(error)
    except Exception:  # some exceptions can't be printed
        return "(no message)"


def where_of(error):
    """The last frame in the app's own code: of this error, else of the one it came from."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, SyntaxError) and error.filename and is_own(error.filename):
            return "{}:{}".format(short(error.filename), error.lineno)
        frames = [f for f in traceback.extract_tb(error.__traceback__) if is_own(f.filename)]
        if frames:
            return "{}:{} in {}".format(short(frames[-1].filename), frames[-1].lineno, frames[-1].name)
        error = error.__cause__ or error.__context__
    return None


def traceback_of(error):
    frames = error.__traceback__
    while frames is not None and os.path.abspath(frames.tb_frame.f_code.co_filename) == AGENT:
        frames = frames.tb_next
    if frames is None:  # the agent's own refusals: their message says it all
        return []
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:
        text = "".join(traceback.format_tb(frames))
    return text.rstrip("\n").split("\n")


LIBRARIES = tuple(
    os.path.join(os.path.realpath(path), "")
    for key, path in sysconfig.get_paths().items()
    if key in ("stdlib", "platstdlib", "purelib", "platlib")
)


def is_own(filename):
    """Is this a file or folder of the app, not of Python, an installed package, or the agent?"""
    path = os.path.realpath(filename)
    if path == os.path.realpath(AGENT) or not os.path.exists(path):  # "<frozen importlib>" is no file
        return False
    return not path.startswith(LIBRARIES) and "-packages" + os.sep not in path


def in_project(path):
    return is_own(path) and os.path.realpath(path).startswith(os.path.join(os.getcwd(), ""))


def short(filename):
    path, here = os.path.realpath(filename), os.path.join(os.getcwd(), "")
    return path[len(here) :] if path.startswith(here) else path


# --- setup and check -------------------------------------------------------------------------------------------------


def setup(agent, request):
    import django
    from django.conf import settings

    started = time.monotonic()
    django.setup()  # returns at once when it has been done
    return {
        "django": django.get_version(),
        "python": "{}.{}.{}".format(*sys.version_info),
        "settings": settings.SETTINGS_MODULE,
        "seconds": seconds_since(started),
    }


def check(agent, request):
    from django.core import checks

    names = {getattr(checks, name): name for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}
    found = [m for m in checks.run_checks() if not m.is_silenced()]
    return {
        "messages": [
            {
                "level": names.get(m.level, "ERROR" if m.level > checks.WARNING else "WARNING"),
                "id": m.id,
                "message": str(m.msg),
                "hint": str(m.hint) if m.hint else None,
                "object": checked_object(m.obj),
            }
            for m in found
        ]
    }


def checked_object(obj):
    if obj is None:
        return None
    return obj._meta.label if isinstance(obj, type) and hasattr(obj, "_meta") else str(obj)


def seconds_since(started):
    return round(time.monotonic() - started, 3)


# --- introspect ------------------------------------------------------------------------------------------------------


def introspect(agent, request):
    from django.conf import settings

    top = Routes()
    if getattr(settings, "ROOT_URLCONF", None):
        from django.urls import get_resolver

        top.walk(get_resolver().url_patterns)
    return {
        "debug": bool(settings.DEBUG),
        "allowed_hosts": [str(host) for host in settings.ALLOWED_HOSTS],
        "static_url": text_or_none(settings.STATIC_URL),
        "static_root": path_or_none(settings.STATIC_ROOT),
        "media_url": text_or_none(settings.MEDIA_URL),
        "media_root": path_or_none(settings.MEDIA_ROOT),
        "databases": [database(alias) for alias in settings.DATABASES],
        "secure_ssl_redirect": bool(settings.SECURE_SSL_REDIRECT),
        "secure_proxy_ssl_header": bool(settings.SECURE_PROXY_SSL_HEADER),
        "routes": top.prefixes,
        "root_view": top.root_view,  # a view for exactly "/", which is not a catch-all
        "wsgi_application": text_or_none(getattr(settings, "WSGI_APPLICATION", None)),
        "asgi_application": text_or_none(getattr(settings, "ASGI_APPLICATION", None)),
        "installed_apps": [str(app) for app in settings.INSTALLED_APPS],
        "broker_url": broker_scheme(getattr(settings, "CELERY_BROKER_URL", None)),
        "static_at_start": reads_static_at_start(settings),
    }


def reads_static_at_start(settings):
    """A web process of this app reads the collected files (or their manifest) when it starts, and never again."""
    if any("whitenoise" in str(name).lower() for name in [*settings.MIDDLEWARE, *settings.INSTALLED_APPS]):
        return True
    try:
        from django.contrib.staticfiles.storage import staticfiles_storage

        return hasattr(staticfiles_storage, "manifest_name")
    except Exception:  # a storage that can't be made is told by collectstatic, not here
        return True


def text_or_none(value):
    return str(value) if value else None


def path_or_none(value):
    return os.path.abspath(str(value)) if value else None


def broker_scheme(url):
    if isinstance(url, (list, tuple)):
        url = url[0] if url else None
    return str(url).split(":", 1)[0] if url else None


def database(alias):
    """What is worth knowing of a database. Never the user's name or the password."""
    from django.db import connections

    given = connections.databases[alias]
    about = {"alias": alias, "engine": given.get("ENGINE"), "vendor": None, "name": None, "host": None}
    about["name"] = without_secrets(given.get("NAME"))
    about["host"] = without_secrets(given.get("HOST"))
    try:
        about["vendor"] = connections[alias].vendor  # imports the driver, does not connect
    except Exception as error:
        about["error"] = message_of(error)
    if about["vendor"] == "sqlite" and about["name"]:
        name = about["name"]
        if name != ":memory:" and not name.startswith("file:"):
            about["name"] = os.path.abspath(name)
    return about


def without_secrets(value):
    """NAME may be a whole connection string: libpq takes one there."""
    if not value:
        return None
    text = re.sub(r"://[^/@]*@", "://", str(value))
    return re.sub(r"(?i)\b(user|password|passfile)\s*=\s*('[^']*'|\S+)", r"\1=…", text)


class Routes:
    """The literal prefixes at the top of the URL configuration, in its order."""

    def __init__(self):
        self.prefixes = []
        self.root_view = False

    def add(self, literal):
        prefix = "/" + literal.lstrip("/")
        if prefix not in self.prefixes:
            self.prefixes.append(prefix)

    def walk(self, patterns):
        for entry in patterns:
            for literal, exact in literals(entry.pattern):
                self.one(entry, literal, exact)

    def one(self, entry, literal, exact):
        if literal:
            self.add(literal)
        elif hasattr(entry, "url_patterns") and exact:
            self.walk(entry.url_patterns)  # include() under "": one level deeper
        elif exact:
            self.root_view = True
        else:
            self.add("")  # starts with anything: a catch-all


def literals(pattern):
    """[(the literal start of a pattern, whether that start is all of it)]; several for a language prefix."""
    if hasattr(pattern, "prefix_default_language"):
        return list(language_prefixes(pattern))
    if hasattr(pattern, "_route"):
        route = str(pattern._route)
        return [(route.split("<", 1)[0], "<" not in route)]
    return [regex_literal(str(getattr(pattern, "_regex", pattern)), getattr(pattern, "_is_endpoint", False))]


def language_prefixes(pattern):
    from django.conf import settings

    for code, _ in settings.LANGUAGES:
        default = code == settings.LANGUAGE_CODE and not pattern.prefix_default_language
        yield ("" if default else code + "/"), True


def regex_literal(regex, endpoint):
    rest = regex[1:] if regex.startswith("^") else regex[2:] if regex.startswith("\\A") else regex
    if "|" in re.sub(r"\\.|\(.*\)", "", rest):
        return "", False  # alternatives at the top: no common start
    literal, i = "", 0
    while i < len(rest):
        char, step = rest[i], 1
        if char == "\\" and i + 1 < len(rest) and not rest[i + 1].isalnum():
            char, step = rest[i + 1], 2
        elif char in "\\.^$*+?{}[]()|":
            break
        if rest[i + step : i + step + 1] in ("?", "*", "{"):
            break  # this character may be missing
        literal, i = literal + char, i + step
    # Nothing left: an include() goes on from here, a view takes whatever comes after.
    exact = rest[i:] in ("$", "\\Z", "/?$") or (not rest[i:] and not endpoint)
    return literal, exact


# --- the migration plan ----------------------------------------------------------------------------------------------


def plan(agent, request):
    connection = connection_of(request)
    if connection is None:
        return dict(NO_DATABASE, migrations=[], unknown=[], unmade=[], unmigrated=[], conflicts=[])
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    loader = executor.loader
    loader.check_consistent_history(connection)
    reply = {
        "migrations": pending(executor),
        "unknown": unknown(loader),
        "unmigrated": unmigrated(loader),
        "conflicts": [{"app": app, "names": sorted(names)} for app, names in sorted(loader.detect_conflicts().items())],
        # false (MySQL): a migration that fails in the middle leaves what it had done by then
        "transactional_ddl": bool(connection.features.can_rollback_ddl),
        "unmade": [],
    }
    try:
        reply["unmade"] = unmade(loader)
    except Exception as error:  # only a hint for the developer: it must not stop a deploy
        reply["unmade_error"] = "{}: {}".format(type(error).__name__, message_of(error))
    return reply


NO_DATABASE = {"skipped": "no database is configured"}


def connection_of(request):
    """The connection a request is about, or None where the app has no database at all."""
    from django.db import connections

    connection = connections[request.get("database") or "default"]
    return None if connection.settings_dict["ENGINE"] == "django.db.backends.dummy" else connection


def pending(executor):
    from django.db.migrations.state import ProjectState

    graph = executor.loader.graph
    waiting = {(m.app_label, m.name) for m, _ in executor.migration_plan(graph.leaf_nodes())}
    if not waiting:
        return []
    # Walk all migrations from the first one on, without rendering models, so that each pending operation can be looked
    # at together with the fields and tables as they are when its turn comes.
    found, state = [], ProjectState(real_apps=executor.loader.unmigrated_apps)
    for migration, _ in executor.migration_plan(graph.leaf_nodes(), clean_start=True):
        operations = []
        for operation in migration.operations:
            if (migration.app_label, migration.name) in waiting:
                operations.append(described(operation, migration.app_label, state))
            operation.state_forwards(migration.app_label, state)
        if (migration.app_label, migration.name) in waiting:
            found.append(migration_reply(migration, operations))
    return found


def migration_reply(migration, operations):
    return {
        "app": migration.app_label,
        "name": migration.name,
        "reversible": all(o["reversible"] for o in operations),
        "schema_only": all(o["schema_only"] for o in operations),
        "atomic": bool(migration.atomic),
        "operations": operations,
    }


def described(operation, app, state):
    return {
        "op": type(operation).__name__,
        "describe": str(operation.describe()),
        "reversible": reversible(operation),
        "schema_only": schema_only(operation),
        "breaks": breaks(operation, app, state),
        "loses": loses(operation, app, state),  # data that unapplying does not bring back
    }


def unknown(loader):
    """Recorded in the database, not in this tree. "installed": false are leftovers of apps that were taken out."""
    from django.apps import apps

    known = set(loader.disk_migrations)
    for migration in loader.disk_migrations.values():
        known.update(tuple(key) for key in migration.replaces)  # squashed, the old files deleted: known all the same
    labels = {config.label for config in apps.get_app_configs()}
    gone = sorted(set(loader.applied_migrations) - known)
    return [{"app": app, "name": name, "installed": app in labels} for app, name in gone]


def unmade(loader):
    """Labels of the project's own apps whose models differ from their migrations, as makemigrations --check sees it."""
    from django.apps import apps
    from django.db.migrations.autodetector import MigrationAutodetector
    from django.db.migrations.questioner import MigrationQuestioner
    from django.db.migrations.state import ProjectState

    # The plain questioner gives the defaults; the non-interactive one would call sys.exit at a new required field.
    questioner = MigrationQuestioner(specified_apps=set(), dry_run=True)
    autodetector = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps), questioner)
    return sorted(label for label in autodetector.changes(graph=loader.graph) if own_migrations(loader, label))


def own_migrations(loader, label):
    module, _ = loader.migrations_module(label)  # MIGRATION_MODULES may put them anywhere, or nowhere
    spec = importlib.util.find_spec(module) if module else None
    return spec is not None and any(in_project(folder) for folder in spec.submodule_search_locations or ())


def unmigrated(loader):
    """The project's own apps with tables to make but no migrations at all: migrate passes over them in silence."""
    from django.apps import apps

    return sorted(
        config.label
        for config in apps.get_app_configs()
        if config.label in loader.unmigrated_apps
        and in_project(config.path)
        and any(m._meta.managed and not m._meta.proxy for m in config.get_models())
    )


# --- what an operation does ------------------------------------------------------------------------------------------

# Exactly Django's own classes: a subclass may do anything. RunPython, RunSQL and CreateExtension are left out because
# taking them back may touch data or things that had been there before.
SCHEMA_ONLY = """
    CreateModel DeleteModel RenameModel AlterModelTable AlterModelTableComment AlterUniqueTogether AlterIndexTogether
    AlterOrderWithRespectTo AlterModelOptions AlterModelManagers AddField RemoveField AlterField RenameField AddIndex
    RemoveIndex RenameIndex AddConstraint RemoveConstraint AlterConstraint AddIndexConcurrently RemoveIndexConcurrently
    AddConstraintNotValid ValidateConstraint
""".split()


def inner(operation):
    """The operations a SeparateDatabaseAndState runs in the database, None for any other operation."""
    return getattr(operation, "database_operations", None)


def reversible(operation):
    if inner(operation) is not None:
        return all(reversible(o) for o in inner(operation))
    return bool(operation.reversible)


def schema_only(operation):
    if inner(operation) is not None:
        return all(schema_only(o) for o in inner(operation))
    return type(operation).__module__.startswith("django.") and type(operation).__name__ in SCHEMA_ONLY


def breaks(operation, app, state):
    """Why the release that still serves can't live with this change to the database, or None."""
    return ask(BREAKS, operation, app, state)


def loses(operation, app, state):
    """What is gone for good with this operation, even if it is unapplied, or None."""
    return ask(LOSES, operation, app, state)


def ask(answers, operation, app, state):
    if inner(operation) is not None:
        said = [ask(answers, o, app, state) for o in inner(operation)]
        return next((reason for reason in said if reason), None)
    for cls in type(operation).__mro__:
        if cls.__name__ in answers:
            return answers[cls.__name__](operation, app, state)
    return None


def table_model(app, name, state):
    """The state of a model whose table migrations manage, else None."""
    model = state.models.get((app, str(name).lower()))
    if model is None or model.options.get("proxy") or not model.options.get("managed", True):
        return None
    return model


def table_name(app, name, model):
    return model.options.get("db_table") or "{}_{}".format(app, str(name).lower())


def field_of(model, name):
    return dict(model.fields).get(name)  # a dict since Django 3.1, pairs before


def has_column(field):
    return not getattr(field, "many_to_many", False) and not getattr(field, "generated", False)


def has_database_default(field):
    if not hasattr(field, "db_default"):  # before Django 5.0
        return False
    from django.db.models.fields import NOT_PROVIDED

    return field.db_default is not NOT_PROVIDED


def column_of(field, name):
    suffix = "_id" if field is not None and getattr(field, "remote_field", None) and has_column(field) else ""
    return getattr(field, "db_column", None) or name + suffix


def breaks_add_field(op, app, state):
    field = op.field
    if table_model(app, op.model_name, state) is None or not has_column(field):
        return None
    if field.null or has_database_default(field):
        return None
    # Also with default=: Django fills the rows there are and then drops the default from the table, so an INSERT by
    # code that doesn't know the column fails.
    return "column {} of {}.{} may not be null and has no default in the database: inserts without it fail".format(
        column_of(field, op.name), app, op.model_name
    )


def breaks_remove_field(op, app, state):
    model = table_model(app, op.model_name, state)
    if model is None:
        return None
    field = field_of(model, op.name)
    if field is not None and not has_column(field):
        return "the table of {}.{}.{} goes away".format(app, op.model_name, op.name)
    return "column {} of {}.{} goes away".format(column_of(field, op.name), app, op.model_name)


def breaks_rename_field(op, app, state):
    model = table_model(app, op.model_name, state)
    field = field_of(model, op.old_name) if model is not None else None
    if model is None or (field is not None and getattr(field, "db_column", None)):
        return None  # the column keeps its name
    return "column {} of {}.{} becomes {}".format(
        column_of(field, op.old_name), app, op.model_name, column_of(field, op.new_name)
    )


def breaks_alter_field(op, app, state):
    model = table_model(app, op.model_name, state)
    old = field_of(model, op.name) if model is not None else None
    new = op.field
    if old is None or not has_column(old) or not has_column(new):
        return None
    column, label = column_of(old, op.name), "{}.{}".format(app, op.model_name)
    if column != column_of(new, op.name):
        return "column {} of {} becomes {}".format(column, label, column_of(new, op.name))
    if old.null and not new.null and not has_database_default(new):
        return "column {} of {} may no longer be null".format(column, label)
    before, after = old.get_internal_type(), new.get_internal_type()
    if before != after and after not in WIDER.get(before, ()):
        return "column {} of {} changes from {} to {}".format(column, label, before, after)
    if (new.max_length or 0) < (old.max_length or 0) and after == before:
        return "column {} of {} takes {} characters, {} before".format(column, label, new.max_length, old.max_length)
    return None


# Changes of type that code written for the old one doesn't notice.
WIDER = {
    "AutoField": ("BigAutoField",),
    "SmallAutoField": ("AutoField", "BigAutoField"),
    "SmallIntegerField": ("IntegerField", "BigIntegerField"),
    "PositiveSmallIntegerField": ("PositiveIntegerField", "PositiveBigIntegerField", "IntegerField", "BigIntegerField"),
    "PositiveIntegerField": ("PositiveBigIntegerField", "IntegerField", "BigIntegerField"),
    "IntegerField": ("BigIntegerField",),
    "CharField": ("TextField",),
    "SlugField": ("CharField", "TextField"),
    "FileField": ("CharField", "TextField"),
    "NullBooleanField": ("BooleanField",),
    "ForeignKey": ("OneToOneField",),
    "OneToOneField": ("ForeignKey",),
}


def breaks_delete_model(op, app, state):
    model = table_model(app, op.name, state)
    return None if model is None else "table {} goes away".format(table_name(app, op.name, model))


def breaks_rename_model(op, app, state):
    model = table_model(app, op.old_name, state)
    if model is None or model.options.get("db_table"):
        return None
    return "table {} becomes {}".format(table_name(app, op.old_name, model), table_name(app, op.new_name, model))


def breaks_alter_table(op, app, state):
    model = table_model(app, op.name, state)
    if model is None:
        return None
    old, new = table_name(app, op.name, model), op.table or "{}_{}".format(app, op.name.lower())
    return None if old == new else "table {} becomes {}".format(old, new)


def breaks_order(op, app, state):
    model = table_model(app, op.name, state)
    if model is None:
        return None
    had, has = bool(model.options.get("order_with_respect_to")), bool(op.order_with_respect_to)
    if had == has:
        return None
    return "column _order of {}.{} {}".format(app, op.name, "is added without a default" if has else "goes away")


BREAKS = {
    "AddField": breaks_add_field,
    "RemoveField": breaks_remove_field,
    "RenameField": breaks_rename_field,
    "AlterField": breaks_alter_field,
    "DeleteModel": breaks_delete_model,
    "RenameModel": breaks_rename_model,
    "AlterModelTable": breaks_alter_table,
    "AlterOrderWithRespectTo": breaks_order,
}


def loses_field(op, app, state):
    if table_model(app, op.model_name, state) is None:
        return None
    return "the contents of {}.{}.{}".format(app, op.model_name, op.name)


def loses_model(op, app, state):
    return None if table_model(app, op.name, state) is None else "the rows of {}.{}".format(app, op.name)


LOSES = {"RemoveField": loses_field, "DeleteModel": loses_model}


# --- migrate and unapply ---------------------------------------------------------------------------------------------


class Progress:
    """The executor's progress callback: tells the other side, and remembers what is done and what is under way."""

    WORDS = {
        "apply_start": "applying",
        "apply_success": "applied",
        "unapply_start": "unapplying",
        "unapply_success": "unapplied",
    }

    def __init__(self, channel):
        self.channel = channel
        self.done = []
        self.current = None

    def __call__(self, action, migration=None, fake=False):
        if action not in self.WORDS:
            return  # rendering of models
        which = {"app": migration.app_label, "name": migration.name}
        if action.endswith("_start"):
            self.current, self.started = which, time.monotonic()
            self.channel.send(progress=self.WORDS[action], **which)
        else:
            self.current = None
            self.done.append(which)
            self.channel.send(progress=self.WORDS[action], seconds=seconds_since(self.started), **which)


def migrate(agent, request):
    connection = connection_of(request)
    if connection is None:
        return dict(NO_DATABASE, applied=[])
    from django.core.management import call_command

    # The app's own migrate command, as manage.py finds it, so that signals, content types, permissions and overriding
    # apps behave as usual. Only its progress callback is exchanged. System checks are a request of their own.
    command = command_named("migrate")
    progress = command.migration_progress_callback = Progress(agent.channel)
    try:
        call_command(command, database=connection.alias, interactive=False, verbosity=0)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Failed(error, applied=progress.done, failed=progress.current)
    return {"applied": progress.done}


def command_named(name):
    from django.core.management import get_commands, load_command_class

    where = get_commands()[name]
    return load_command_class(where, name) if isinstance(where, str) else where


def unapply(agent, request):
    keys = [(m["app"], m["name"]) for m in request.get("migrations") or []]
    connection = connection_of(request)
    if connection is None:
        raise CannotUnapply("no database is configured")
    from django.db.migrations.executor import MigrationExecutor

    progress = Progress(agent.channel)
    executor = MigrationExecutor(connection, progress)
    steps = backwards(executor, keys)
    try:
        if steps:
            before_migrating(executor, connection, steps)
            executor.migrate(targets=None, plan=steps)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise Failed(error, unapplied=progress.done, failed=progress.current)
    return {"unapplied": progress.done}


def backwards(executor, keys):
    """[(migration, True)] from the last to the first, or CannotUnapply before anything is touched."""
    graph, applied = executor.loader.graph, set(executor.loader.applied_migrations)
    for key in keys:
        if key not in graph.nodes:
            raise CannotUnapply("{}.{} is not in this tree".format(*key))
        if key not in applied:
            raise CannotUnapply("{}.{} is not applied".format(*key))
        stuck = next((o for o in graph.nodes[key].operations if not reversible(o)), None)
        if stuck is not None:
            raise CannotUnapply("{}.{} can't be reversed: {}".format(key[0], key[1], stuck.describe()))
        for child in sorted(tuple(node.key) for node in graph.node_map[key].children):
            if child in applied and child not in keys:
                raise CannotUnapply("{}.{} is needed by {}.{}, which stays".format(*(key + child)))
    forwards = [m for m, _ in executor.migration_plan(graph.leaf_nodes(), clean_start=True)]
    return [(m, True) for m in reversed(forwards) if (m.app_label, m.name) in keys]


def before_migrating(executor, connection, steps):
    """The pre_migrate signal renames content types along with models.

    post_migrate is left out: its receivers belong to the new release's models, whose tables are just being taken back.
    """
    from django.core.management.sql import emit_pre_migrate_signal

    apps = executor._create_project_state(with_applied_migrations=True).apps
    emit_pre_migrate_signal(0, False, connection.alias, apps=apps, plan=steps)


# --- collectstatic ---------------------------------------------------------------------------------------------------


def collectstatic(agent, request):
    from django.apps import apps
    from django.conf import settings

    nothing = {"root": None, "copied": 0, "unmodified": 0, "post_processed": 0}
    if not apps.is_installed("django.contrib.staticfiles"):
        return dict(nothing, skipped="django.contrib.staticfiles is not installed")
    root = request.get("root")
    if settings.STATIC_ROOT or not root:
        return collected()
    before, settings.STATIC_ROOT = settings.STATIC_ROOT, os.path.abspath(root)
    try:
        forget_storage()
        return collected()
    finally:
        settings.STATIC_ROOT = before
        forget_storage()


def collected():
    from django.core.files.storage import FileSystemStorage
    from django.core.management import call_command

    command = command_named("collectstatic")
    call_command(command, interactive=False, verbosity=0)
    # A storage elsewhere (S3) has no folder here.
    local = isinstance(getattr(command.storage, "_wrapped", command.storage), FileSystemStorage)
    return {
        "root": os.path.abspath(str(command.storage.location)) if local else None,
        "copied": len(command.copied_files),
        "unmodified": len(command.unmodified_files),
        "post_processed": len(command.post_processed_files),
    }


def forget_storage():
    """The static files storage reads STATIC_ROOT once, when it is made: have it made again."""
    from django.contrib.staticfiles.storage import staticfiles_storage
    from django.utils.functional import empty

    staticfiles_storage._wrapped = empty
    try:
        from django.core.files.storage import storages
    except ImportError:  # before Django 4.2
        return
    storages._storages.pop("staticfiles", None)


# --- the loop --------------------------------------------------------------------------------------------------------


def quit_(agent, request):
    agent.running = False
    return {}


HANDLERS = {
    "setup": setup,
    "check": check,
    "introspect": introspect,
    "plan": plan,
    "migrate": migrate,
    "unapply": unapply,
    "collectstatic": collectstatic,
    "quit": quit_,
}


class Agent:
    def __init__(self, channel):
        self.channel = channel
        self.running = True
        self.ready = False
        self.setup_error = None

    def serve(self):
        for line in self.channel.requests:
            if line.strip():
                self.channel.send(**self.answer(line))
            if not self.running:
                break

    def answer(self, line):
        do = None
        try:
            request = parsed(line)
            do = request.get("do")
            handler = HANDLERS.get(do) if isinstance(do, str) else None
            if handler is None:
                raise BadRequest("unknown request {!r}; known: {}".format(do, ", ".join(HANDLERS)))
            if handler not in (setup, quit_):
                self.set_up()
            reply = {"end": "ok", "do": do}
            reply.update(self.set_up() if handler is setup else handler(self, request))
            return reply
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: no request may end the process
            return error_reply(do, error)
        finally:
            self.let_go()

    def set_up(self):
        """Django's setup can't be repeated after it failed half-way, so its error is kept and given again."""
        if self.setup_error is not None:
            raise self.setup_error
        try:
            about = setup(self, {})
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.setup_error = error
            raise
        self.ready = True
        return about

    def let_go(self):
        """No request leaves a connection open: between two of them a dump may run, or a database be swapped."""
        if self.ready:
            from django.db import connections

            try:
                connections.close_all()
            except Exception:
                pass


def parsed(line):
    try:
        request = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise BadRequest("not a line of JSON: {}".format(error))
    if not isinstance(request, dict):
        raise BadRequest("not a JSON object")
    return request


def main():
    channel = Channel()
    here = os.getcwd()
    if sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(AGENT)):
        sys.path[0] = here
    else:
        sys.path.insert(0, here)
    # Apps look here to tell a server, which may start threads and schedulers, from a management command.
    sys.argv = ["manage.py", "migrate"]
    Agent(channel).serve()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # without waiting for threads the app may have started


if __name__ == "__main__":
    main()
