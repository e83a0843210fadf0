"""Drives templates/django/agent.py over pipes against small Django projects made for each test.

VENV/bin/python -m unittest discover -s tests/django        (VENV has a Django, any from 2.2 on)
"""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import unittest

import django

AGENT = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "templates", "django", "agent.py"
)

SETTINGS = """
import os
BASE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECRET_KEY = "x"
DEBUG = False
ALLOWED_HOSTS = ["example.org"]
ROOT_URLCONF = "site_.urls"
WSGI_APPLICATION = "site_.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.staticfiles", "board"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "PASSWORD": "s3cret"}}
STATIC_URL = "/static/"
STATICFILES_DIRS = [os.path.join(BASE, "assets")]
"""

MODELS = """
from django.db import models
class Note(models.Model):
    text = models.TextField()
"""

INITIAL = """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.CreateModel("Note", [
        ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        ("text", models.TextField()),
    ])]
"""


def migration(after, operations, head="", atomic=True):
    return """
from django.db import migrations, models
{head}
class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("board", "{after}")]
    operations = [{operations}]
""".format(head=textwrap.dedent(head), after=after, operations=operations, atomic=atomic)


class Project:
    """A Django project in a temporary folder, and agents running on it."""

    def __init__(self):
        self.root = os.path.realpath(tempfile.mkdtemp(prefix="agent-test-"))
        self.write("manage.py", "")
        self.write("site_/__init__.py", "")
        self.write("site_/settings.py", SETTINGS)
        self.write("site_/urls.py", "urlpatterns = []\n")
        self.write("board/__init__.py", "")
        self.write("board/models.py", MODELS)
        self.write("board/migrations/__init__.py", "")
        self.write("board/migrations/0001_initial.py", INITIAL)
        self.write("assets/site.css", "body {}\n")

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)

    def add(self, name, text):
        with open(self.path(name), "a") as file:
            file.write("\n" + textwrap.dedent(text))

    def migration(self, name, *args, **kwargs):
        self.write("board/migrations/{}.py".format(name), migration(*args, **kwargs))

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DJANGO"))}
        env.update(DJANGO_SETTINGS_MODULE="site_.settings", PYTHONDONTWRITEBYTECODE="1")
        return subprocess.Popen(
            [sys.executable, AGENT],
            cwd=self.root,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def talk(self, *requests):
        """Sends requests in one process; gives each one's lines. self.status and self.stderr tell of the process."""
        data = b"".join((r if isinstance(r, str) else json.dumps(r)).encode() + b"\n" for r in requests)
        process = self.start()
        out, err = process.communicate(data, timeout=60)
        self.status, self.stderr = process.returncode, err.decode()
        answers, lines = [], []
        for line in out.decode().split("\n")[:-1]:
            lines.append(json.loads(line))
            if "end" in lines[-1]:
                answers.append(lines)
                lines = []
        assert not lines, "lines after the last end: {}".format(lines)
        return answers

    def ask(self, do, **more):
        (lines,) = self.talk(dict(more, do=do))
        return lines[-1]

    def sql(self, query):
        with contextlib.closing(sqlite3.connect(self.path("db.sqlite3"))) as connection, connection:
            return connection.execute(query).fetchall()

    def tables(self):
        return {name for (name,) in self.sql("select name from sqlite_master where type = 'table'")}

    def columns(self, table):
        return [row[1] for row in self.sql("pragma table_info({})".format(table))]

    def recorded(self):
        return [
            name for (name,) in self.sql("select name from django_migrations where app = 'board' order by id")
        ]


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.project = Project()
        self.addCleanup(shutil.rmtree, self.project.root)

    def ok(self, do, **more):
        reply = self.project.ask(do, **more)
        self.assertEqual(reply["end"], "ok", reply)
        self.assertEqual(reply["do"], do)
        return reply

    def error(self, do, **more):
        reply = self.project.ask(do, **more)
        self.assertEqual(reply["end"], "error", reply)
        self.assertEqual(reply["do"], do)
        self.assertIsInstance(reply["traceback"], list)
        return reply


class Protocol(AgentTest):
    def test_several_requests_in_one_process(self):
        answers = self.project.talk(
            *({"do": do} for do in ("setup", "check", "introspect", "plan", "migrate", "plan"))
        )
        self.assertEqual(
            [lines[-1]["do"] for lines in answers], "setup check introspect plan migrate plan".split()
        )
        self.assertEqual({lines[-1]["end"] for lines in answers}, {"ok"})
        self.assertTrue(answers[3][-1]["migrations"])
        self.assertEqual(answers[5][-1]["migrations"], [])
        self.assertEqual(self.project.status, 0)

    def test_bad_requests_are_answered_and_the_next_one_works(self):
        answers = self.project.talk(
            '{"do":', "[]", '{"do": "dance"}', '{"do": ["setup"]}', "", '{"do": "setup"}'
        )
        self.assertEqual([lines[-1].get("kind") for lines in answers], ["BadRequest"] * 4 + [None])
        self.assertIn("dance", answers[2][-1]["message"])
        self.assertEqual(self.project.status, 0)

    def test_quit_ends_before_what_follows(self):
        answers = self.project.talk({"do": "quit"}, {"do": "setup"})
        self.assertEqual([lines[-1] for lines in answers], [{"end": "ok", "do": "quit"}])
        self.assertEqual(self.project.status, 0)

    def test_what_the_app_prints_goes_to_stderr_and_what_it_reads_is_empty(self):
        self.project.add(
            "board/models.py",
            """
            import os, subprocess, sys
            print("hello from print")
            os.write(1, b"hello from write\\n")
            subprocess.check_call(["echo", "hello from echo"])
            assert sys.stdin.read() == ""
            """,
        )
        answers = self.project.talk({"do": "setup"}, {"do": "check"})
        self.assertEqual([lines[-1]["end"] for lines in answers], ["ok", "ok"])
        for source in ("print", "write", "echo"):
            self.assertIn("hello from " + source, self.project.stderr)

    def test_a_thread_of_the_app_does_not_keep_the_process(self):
        self.project.add(
            "board/models.py",
            "import threading, time; threading.Thread(target=time.sleep, args=(90,)).start()",
        )
        self.ok("setup")
        self.assertEqual(self.project.status, 0)

    def test_odd_characters_stay_valid_json(self):
        self.project.add("site_/settings.py", "raise ValueError('caf\\u00e9 \\udc80 \\u2028 \\n')")
        self.assertEqual(self.error("setup")["message"], "caf\u00e9 ? \u2028 \n")

    def test_a_reader_that_went_away_does_not_stop_a_migration(self):
        process = self.project.start()
        process.stdout.close()
        process.stdin.write(b'{"do": "migrate"}\n')
        process.stdin.close()
        self.assertEqual(process.wait(60), 0)
        process.stderr.close()
        self.assertEqual(self.project.recorded(), ["0001_initial"])


class Setup(AgentTest):
    def test_setup_tells_versions(self):
        reply = self.ok("setup")
        self.assertEqual(reply["django"], django.get_version())
        self.assertTrue(reply["python"].startswith("3."))
        self.assertEqual(reply["settings"], "site_.settings")
        self.assertIsInstance(reply["seconds"], float)

    def test_a_module_missing_in_settings_is_located(self):
        self.project.add("site_/settings.py", "from .localsettings import *")
        line = len(SETTINGS.splitlines()) + 2
        first, second = self.project.talk({"do": "setup"}, {"do": "plan"})
        self.assertEqual(first[-1]["kind"], "ModuleNotFoundError")
        self.assertIn("site_.localsettings", first[-1]["message"])
        self.assertEqual(first[-1]["where"], "site_/settings.py:{} in <module>".format(line))
        self.assertNotIn("agent.py", "".join(first[-1]["traceback"]))
        # Django can't be set up twice: what follows repeats the error under its own name
        self.assertEqual((second[-1]["do"], second[-1]["kind"]), ("plan", "ModuleNotFoundError"))
        self.assertEqual(second[-1]["where"], first[-1]["where"])

    def test_sys_exit_in_settings(self):
        self.project.add("site_/settings.py", "import sys; sys.exit(3)")
        reply = self.error("setup")
        self.assertEqual(reply["kind"], "SystemExit")
        self.assertIn("sys.exit(3)", reply["message"])
        self.assertTrue(reply["where"].startswith("site_/settings.py:"))
        self.assertEqual(self.project.status, 0)

    def test_a_syntax_error_is_located_in_its_file(self):
        self.project.write("board/models.py", "x = 1\nclass = 2\n")
        reply = self.error("setup")
        self.assertEqual((reply["kind"], reply["where"]), ("SyntaxError", "board/models.py:2"))

    def test_an_unknown_settings_module(self):
        shutil.rmtree(self.project.path("site_"))
        reply = self.error("setup")
        self.assertEqual((reply["kind"], reply["where"]), ("ModuleNotFoundError", None))


class Check(AgentTest):
    def test_nothing_to_say(self):
        self.assertEqual(self.ok("check")["messages"], [])

    def test_messages_with_level_hint_and_object(self):
        self.project.write("board/models.py", MODELS + "    name = models.CharField(max_length=-1)\n")
        (message,) = self.ok("check")["messages"]
        self.assertEqual((message["level"], message["id"]), ("ERROR", "fields.E121"))
        self.assertEqual(message["object"], "board.Note.name")
        self.assertIn("max_length", message["message"])

    def test_silenced_ones_are_left_out(self):
        self.project.write("board/models.py", MODELS + "    name = models.CharField(max_length=-1)\n")
        self.project.add("site_/settings.py", "SILENCED_SYSTEM_CHECKS = ['fields.E121']")
        self.assertEqual(self.ok("check")["messages"], [])

    def test_a_broken_urlconf_is_an_error_with_its_place(self):
        self.project.write("site_/urls.py", "import nonsense\n")
        self.assertEqual(self.error("check")["where"], "site_/urls.py:1 in <module>")


class Introspect(AgentTest):
    def routes(self, urls):
        head = "from django.urls import include, path, re_path\nview = lambda request, **kwargs: None\n"
        self.project.write("site_/urls.py", head + textwrap.dedent(urls))
        reply = self.ok("introspect")
        return reply["routes"], reply["root_view"]

    def test_settings(self):
        self.project.add(
            "site_/settings.py",
            """
            STATIC_ROOT = "collected"
            MEDIA_ROOT = os.path.join(BASE, "media")
            MEDIA_URL = "/media/"
            SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
            CELERY_BROKER_URL = "redis://:s3cret@localhost:6379/0"
            """,
        )
        reply = self.ok("introspect")
        self.assertEqual(reply["static_root"], self.project.path("collected"))
        self.assertEqual(reply["media_root"], self.project.path("media"))
        self.assertEqual((reply["static_url"], reply["media_url"]), ("/static/", "/media/"))
        self.assertEqual(reply["allowed_hosts"], ["example.org"])
        self.assertEqual(reply["wsgi_application"], "site_.wsgi.application")
        self.assertEqual(reply["broker_url"], "redis")
        self.assertIn("board", reply["installed_apps"])
        self.assertEqual(
            [reply[k] for k in ("debug", "secure_ssl_redirect", "secure_proxy_ssl_header")],
            [False, False, True],
        )
        about = {
            "alias": "default",
            "engine": "django.db.backends.sqlite3",
            "vendor": "sqlite",
            "name": self.project.path("db.sqlite3"),
            "host": None,
        }
        self.assertEqual(reply["databases"], [about])
        self.assertNotIn("s3cret", json.dumps(reply))

    def test_nothing_set(self):
        reply = self.ok("introspect")
        for key in ("static_root", "media_root", "broker_url"):
            self.assertIsNone(reply[key], key)

    def test_a_missing_driver_is_told_per_database_and_a_connection_string_gives_no_password(self):
        self.project.add(
            "site_/settings.py",
            """
            DATABASES["other"] = {"ENGINE": "no.such.backend", "HOST": "db.example",
                                  "NAME": "dbname=x user=me password='s3 cret'"}
            """,
        )
        other = self.ok("introspect")["databases"][1]
        self.assertEqual((other["vendor"], other["host"]), (None, "db.example"))
        self.assertIn("no.such.backend", other["error"])
        self.assertNotIn("cret", json.dumps(other))

    def test_routes_of_paths_and_regexes(self):
        routes, root = self.routes("""
            urlpatterns = [
                path("admin/", include([path("login/", view)])),
                re_path(r"^api/(?P<id>\\d+)/$", view),
                re_path(r"^api/v1", include([path("x", view)])),
                path("healthz/", view),
                path("files/<path:name>", view),
                re_path(r"^robots\\.txt$", view),
                re_path(r"^ping/?$", view),
                path("healthz/", view),
            ]
            """)
        expected = ["/admin/", "/api/", "/api/v1", "/healthz/", "/files/", "/robots.txt", "/ping"]
        self.assertEqual((routes, root), (expected, False))

    def test_empty_includes_are_entered(self):
        routes, root = self.routes("""
            inner = [path("deep/", view), path("", view)]
            urlpatterns = [path("", include([path("api/", view), re_path(r"^", include(inner))]))]
            """)
        self.assertEqual((routes, root), (["/api/", "/deep/"], True))

    def test_catch_alls(self):
        for pattern in (
            "re_path(r'^.*$', view)",
            "path('<path:rest>', view)",
            "re_path(r'', view)",
            "re_path('^(a|b)', view)",
        ):
            routes, root = self.routes("urlpatterns = [path('api/', view), {}]".format(pattern))
            self.assertEqual((routes, root), (["/api/", "/"], False), pattern)

    def test_language_prefixes(self):
        self.project.add(
            "site_/settings.py",
            "LANGUAGES = [('en', 'E'), ('nl', 'N')]; LANGUAGE_CODE = 'en'; USE_I18N = True",
        )
        routes, _ = self.routes("""
            from django.conf.urls.i18n import i18n_patterns
            urlpatterns = i18n_patterns(path("news/", view), prefix_default_language=False)
            """)
        self.assertEqual(routes, ["/news/", "/nl/"])


class Plan(AgentTest):
    def board(self, reply):
        return [m for m in reply["migrations"] if m["app"] == "board"]

    def operations(self, *operations, **kwargs):
        """Plans operations after 0001_initial, which is in the plan too."""
        self.project.migration("0002_more", "0001_initial", ", ".join(operations), **kwargs)
        return self.board(self.ok("plan"))[1]["operations"]

    def test_pending_migrations_in_order_and_nothing_is_written(self):
        self.project.migration(
            "0002_pinned",
            "0001_initial",
            'migrations.AddField("note", "pin", models.BooleanField(null=True))',
        )
        reply = self.ok("plan")
        initial, pinned = self.board(reply)
        self.assertEqual([initial["name"], pinned["name"]], ["0001_initial", "0002_pinned"])
        self.assertIn("auth", {m["app"] for m in reply["migrations"]})
        self.assertEqual([pinned[k] for k in ("reversible", "schema_only", "atomic")], [True, True, True])
        operation = {
            "op": "AddField",
            "describe": "Add field pin to note",
            "reversible": True,
            "schema_only": True,
            "breaks": None,
            "loses": None,
        }
        self.assertEqual(pinned["operations"], [operation])
        self.assertEqual(self.project.tables(), set())
        self.assertEqual([reply[k] for k in ("unknown", "conflicts", "unmigrated")], [[], [], []])
        self.assertTrue(reply["transactional_ddl"])

    def test_only_what_is_pending(self):
        self.ok("migrate")
        self.assertEqual(self.ok("plan")["migrations"], [])
        self.project.migration("0002_gone", "0001_initial", 'migrations.RenameField("note", "text", "body")')
        reply = self.ok("plan")
        self.assertEqual([m["name"] for m in reply["migrations"]], ["0002_gone"])
        self.assertEqual(
            reply["migrations"][0]["operations"][0]["breaks"], "column text of board.note becomes body"
        )

    def test_code_and_sql(self):
        python, one_way, sql = self.operations(
            "migrations.RunPython(lambda apps, editor: None, lambda apps, editor: None)",
            "migrations.RunPython(lambda apps, editor: None)",
            "migrations.RunSQL('select 1', 'select 2')",
            atomic=False,
        )
        self.assertEqual([o["reversible"] for o in (python, one_way, sql)], [True, False, True])
        self.assertEqual([o["schema_only"] for o in (python, one_way, sql)], [False, False, False])
        more = self.board(self.ok("plan"))[1]
        self.assertEqual([more[k] for k in ("reversible", "schema_only", "atomic")], [False, False, False])

    def test_operations_that_break_the_serving_code(self):
        found = self.operations(
            'migrations.AddField("note", "a", models.IntegerField(default=0))',
            'migrations.AddField("note", "b", models.IntegerField(null=True))',
            'migrations.AddField("note", "c", models.CharField(max_length=20, default="x", db_column="see"))',
            'migrations.AddField("note", "d", models.ManyToManyField("board.Note"))',
            'migrations.AlterField("note", "c", models.CharField(max_length=30, db_column="see"))',
            'migrations.AlterField("note", "c", models.CharField(max_length=10, db_column="see"))',
            'migrations.AlterField("note", "b", models.IntegerField())',
            'migrations.AlterField("note", "b", models.BigIntegerField())',
            'migrations.AlterField("note", "b", models.TextField())',
            'migrations.RenameField("note", "c", "sea")',
            'migrations.RenameField("note", "b", "bee")',
            'migrations.RemoveField("note", "d")',
            'migrations.RemoveField("note", "a")',
            'migrations.AlterModelTable("note", "notes")',
            'migrations.RenameModel("Note", "Card")',
            'migrations.AlterModelTable("card", None)',
            'migrations.RenameModel("Card", "Note")',
            'migrations.AddIndex("note", models.Index(fields=["bee"], name="bee"))',
            'migrations.DeleteModel("Note")',
        )
        self.assertTrue(all(o["schema_only"] for o in found))
        insert = "column {} of board.note may not be null and has no default in the database: inserts without it fail"
        self.assertEqual(
            [o["breaks"] for o in found],
            [
                insert.format("a"),
                None,
                insert.format("see"),
                None,
                None,
                "column see of board.note takes 10 characters, 30 before",
                "column b of board.note may no longer be null",
                None,
                "column b of board.note changes from BigIntegerField to TextField",
                None,
                "column b of board.note becomes bee",
                "the table of board.note.d goes away",
                "column a of board.note goes away",
                "table board_note becomes notes",
                None,
                "table notes becomes board_card",
                "table board_card becomes board_note",
                None,
                "table board_note goes away",
            ],
        )
        lost = [o["loses"] for o in found if o["loses"]]
        self.assertEqual(
            lost, ["the contents of board.note.d", "the contents of board.note.a", "the rows of board.Note"]
        )

    def test_an_insert_of_the_old_code_really_fails_at_a_field_with_a_python_default(self):
        self.ok("migrate")
        self.project.migration(
            "0002_a", "0001_initial", 'migrations.AddField("note", "a", models.IntegerField(default=0))'
        )
        self.ok("migrate")
        with self.assertRaises(sqlite3.IntegrityError):
            self.project.sql("insert into board_note (text) values ('old')")

    @unittest.skipIf(django.VERSION < (5, 0), "db_default came with Django 5.0")
    def test_a_default_in_the_database_breaks_nothing(self):
        (operation,) = self.operations('migrations.AddField("note", "a", models.IntegerField(db_default=0))')
        self.assertIsNone(operation["breaks"])
        self.ok("migrate")
        self.project.sql("insert into board_note (text) values ('old')")

    def test_separate_database_and_state_is_judged_by_its_database_operations(self):
        remove = 'migrations.RemoveField("note", "text")'
        state_only, both, code = self.operations(
            "migrations.SeparateDatabaseAndState(state_operations=[{}])".format(remove),
            'migrations.SeparateDatabaseAndState(database_operations=[migrations.DeleteModel("Note")])',
            "migrations.SeparateDatabaseAndState(database_operations=[migrations.RunPython(lambda a, e: None)])",
        )
        self.assertEqual(
            [o["breaks"] for o in (state_only, both, code)], [None, "table board_note goes away", None]
        )
        self.assertEqual([o["reversible"] for o in (state_only, both, code)], [True, True, False])
        self.assertEqual([o["schema_only"] for o in (state_only, both, code)], [True, True, False])

    def test_an_operation_of_the_apps_own_is_not_taken_for_schema_only(self):
        head = """
        class Careful(migrations.AddField):
            pass
        """
        (operation,) = self.operations('Careful("note", "a", models.IntegerField())', head=head)
        self.assertEqual((operation["op"], operation["schema_only"]), ("Careful", False))
        self.assertIn("column a", operation["breaks"])

    def test_tables_that_migrations_do_not_manage_break_nothing(self):
        found = self.operations(
            'migrations.CreateModel("Seen", [("id", models.AutoField(primary_key=True))], options={"managed": False})',
            'migrations.AddField("seen", "a", models.IntegerField())',
            'migrations.DeleteModel("Seen")',
        )
        self.assertEqual([o["breaks"] for o in found], [None] * 3)

    def test_applied_ones_this_tree_does_not_have(self):
        self.ok("migrate")
        for app, name in (("board", "0002_later"), ("dropped", "0001_initial")):
            self.project.sql(
                "insert into django_migrations (app, name, applied) values ('{}', '{}', '2020-01-01')".format(
                    app, name
                )
            )
        self.assertEqual(
            self.ok("plan")["unknown"],
            [
                {"app": "board", "name": "0002_later", "installed": True},
                {"app": "dropped", "name": "0001_initial", "installed": False},
            ],
        )

    def test_squashed_ones_whose_files_are_deleted_are_known(self):
        self.project.migration("0002_a", "0001_initial", 'migrations.AlterModelOptions("note", {})')
        self.ok("migrate")
        os.remove(self.project.path("board/migrations/0001_initial.py"))
        os.remove(self.project.path("board/migrations/0002_a.py"))
        replaces = "    replaces = [('board', '0001_initial'), ('board', '0002_a')]\n"
        self.project.write("board/migrations/0001_squashed.py", INITIAL + replaces)
        reply = self.ok("plan")
        self.assertEqual((reply["unknown"], reply["migrations"]), ([], []))

    def test_model_changes_without_a_migration(self):
        self.assertEqual(self.ok("plan")["unmade"], [])
        self.project.write("board/models.py", MODELS + "    required = models.IntegerField()\n")
        self.assertEqual(self.ok("plan")["unmade"], ["board"])

    def test_an_app_without_migrations(self):
        shutil.rmtree(self.project.path("board/migrations"))
        reply = self.ok("plan")
        self.assertEqual((reply["unmigrated"], reply["unmade"]), (["board"], []))

    def test_conflicts(self):
        for name in ("0002_a", "0002_b"):
            self.project.migration(name, "0001_initial", "")
        self.assertEqual(self.ok("plan")["conflicts"], [{"app": "board", "names": ["0002_a", "0002_b"]}])

    def test_a_migration_that_needs_one_that_is_not_there(self):
        self.project.migration("0002_a", "0001_absent", "")
        self.assertEqual(self.error("plan")["kind"], "NodeNotFoundError")

    def test_no_database(self):
        self.project.add("site_/settings.py", "DATABASES = {}")
        for do in ("plan", "migrate"):
            self.assertIn("no database", self.ok(do)["skipped"])
        self.ok("introspect")

    def test_a_database_that_can_not_be_opened(self):
        self.project.add("site_/settings.py", "DATABASES['default']['NAME'] = '/nowhere/db.sqlite3'")
        self.assertEqual(self.error("plan")["kind"], "OperationalError")


class Migrate(AgentTest):
    def test_progress_and_signals(self):
        (lines,) = self.project.talk({"do": "migrate"})
        applied = lines[-1]["applied"]
        self.assertIn({"app": "board", "name": "0001_initial"}, applied)
        self.assertEqual([line["progress"] for line in lines[:-1]], ["applying", "applied"] * len(applied))
        self.assertEqual([{"app": line["app"], "name": line["name"]} for line in lines[1:-1:2]], applied)
        self.assertIsInstance(lines[1]["seconds"], float)
        permissions = self.project.sql(
            "select codename from auth_permission where codename like '%\\_note' escape '\\'"
        )
        self.assertEqual(len(permissions), 4)
        self.assertEqual(self.ok("migrate")["applied"], [])

    def test_a_failure_in_the_middle_tells_what_is_done(self):
        fail = "def fail(apps, editor):\n    apps.get_model('board', 'Note').objects.create(text='lost')\n    1 / 0\n"
        self.project.migration(
            "0002_fine", "0001_initial", 'migrations.AddField("note", "a", models.IntegerField(null=True))'
        )
        self.project.migration("0003_bad", "0002_fine", "migrations.RunPython(fail)", head=fail)
        self.project.migration("0004_after", "0003_bad", "")
        reply = self.error("migrate")
        self.assertEqual(reply["kind"], "ZeroDivisionError")
        self.assertEqual(reply["failed"], {"app": "board", "name": "0003_bad"})
        self.assertEqual(reply["applied"][-1], {"app": "board", "name": "0002_fine"})
        self.assertTrue(reply["where"].startswith("board/migrations/0003_bad.py:"), reply["where"])
        self.assertTrue(reply["where"].endswith(" in fail"))
        self.assertEqual(self.project.recorded(), ["0001_initial", "0002_fine"])
        self.assertEqual(self.project.sql("select * from board_note"), [])

    def test_sys_exit_in_a_migration(self):
        self.project.migration("0002_bad", "0001_initial", "migrations.RunPython(lambda a, e: exit(1))")
        reply = self.error("migrate")
        self.assertEqual((reply["kind"], reply["failed"]["name"]), ("SystemExit", "0002_bad"))

    def test_conflicts_stop_it_before_anything_is_applied(self):
        for name in ("0002_a", "0002_b"):
            self.project.migration(name, "0001_initial", "")
        reply = self.error("migrate")
        self.assertEqual((reply["kind"], reply["applied"], reply["failed"]), ("CommandError", [], None))
        self.assertEqual(self.project.tables(), set())

    def test_a_failing_receiver_of_post_migrate(self):
        self.project.add(
            "board/models.py",
            """
            from django.db.models.signals import post_migrate
            def receiver(**kwargs):
                raise LookupError("no")
            post_migrate.connect(receiver, weak=False)
            """,
        )
        reply = self.error("migrate")
        self.assertEqual((reply["kind"], reply["failed"]), ("LookupError", None))
        self.assertIn({"app": "board", "name": "0001_initial"}, reply["applied"])


class Unapply(AgentTest):
    def setUp(self):
        super().setUp()
        self.project.migration(
            "0002_a", "0001_initial", 'migrations.AddField("note", "a", models.IntegerField(null=True))'
        )
        self.project.migration("0003_b", "0002_a", 'migrations.RenameField("note", "a", "b")')
        self.ok("migrate")

    def both(self, *names):
        return [{"app": "board", "name": name} for name in names]

    def test_the_given_ones_in_reverse(self):
        (lines,) = self.project.talk({"do": "unapply", "migrations": self.both("0002_a", "0003_b")})
        self.assertEqual(lines[-1]["end"], "ok", lines[-1])
        self.assertEqual(lines[-1]["unapplied"], self.both("0003_b", "0002_a"))
        self.assertEqual([line["progress"] for line in lines[:-1]], ["unapplying", "unapplied"] * 2)
        self.assertEqual(self.project.columns("board_note"), ["id", "text"])
        self.assertEqual(self.project.recorded(), ["0001_initial"])

    def test_none(self):
        self.assertEqual(self.ok("unapply", migrations=[])["unapplied"], [])

    def refused(self, names, message):
        before = self.project.recorded(), self.project.columns("board_note")
        reply = self.error("unapply", migrations=names)
        self.assertEqual(reply["kind"], "CannotUnapply")
        self.assertIn(message, reply["message"])
        self.assertEqual((self.project.recorded(), self.project.columns("board_note")), before)

    def test_another_one_needs_it(self):
        self.refused(self.both("0002_a"), "board.0002_a is needed by board.0003_b")

    def test_an_unknown_one(self):
        self.refused(self.both("0003_b", "0009_x"), "board.0009_x is not in this tree")

    def test_one_that_is_not_applied(self):
        self.project.migration("0004_c", "0003_b", "")
        self.refused(self.both("0003_b", "0004_c"), "board.0004_c is not applied")

    def test_irreversible_ones_also_inside_separate_operations(self):
        for name, operation in (
            ("0004_c", "migrations.RunPython(lambda a, e: None)"),
            (
                "0005_d",
                "migrations.SeparateDatabaseAndState(database_operations=[migrations.RunSQL('select 1')])",
            ),
        ):
            self.project.migration(name, "000" + {"0004_c": "3_b", "0005_d": "4_c"}[name], operation)
            self.ok("migrate")
            self.refused(
                self.both("0003_b", "0004_c", "0005_d")[: 2 if name == "0004_c" else 3], "can't be reversed"
            )

    def test_a_failure_in_the_middle(self):
        head = "def back(apps, editor):\n    raise LookupError('no way back')\n"
        self.project.migration("0004_c", "0003_b", "migrations.RunPython(lambda a, e: None, back)", head=head)
        self.project.migration("0005_d", "0004_c", "")
        self.ok("migrate")
        reply = self.error("unapply", migrations=self.both("0003_b", "0004_c", "0005_d"))
        self.assertEqual((reply["kind"], reply["message"]), ("LookupError", "no way back"))
        self.assertEqual(reply["unapplied"], self.both("0005_d"))
        self.assertEqual(reply["failed"], self.both("0004_c")[0])

    def test_a_renamed_model_takes_its_content_type_along(self):
        self.project.migration("0004_card", "0003_b", 'migrations.RenameModel("Note", "Card")')
        types = "select model from django_content_type where app_label = 'board'"
        self.project.write("board/models.py", MODELS.replace("Note", "Card"))
        self.ok("migrate")
        self.assertEqual(self.project.sql(types), [("card",)])
        self.ok("unapply", migrations=self.both("0004_card"))
        self.assertEqual(self.project.sql(types), [("note",)])


class Collectstatic(AgentTest):
    def test_into_static_root(self):
        self.project.add("site_/settings.py", "STATIC_ROOT = os.path.join(BASE, 'collected')")
        first, second = self.project.talk(*[{"do": "collectstatic", "root": "elsewhere"}] * 2)
        where = self.project.path("collected")
        expected = {
            "end": "ok",
            "do": "collectstatic",
            "root": where,
            "copied": 1,
            "unmodified": 0,
            "post_processed": 0,
        }
        self.assertEqual(first[-1], expected)
        self.assertEqual((second[-1]["copied"], second[-1]["unmodified"]), (0, 1))
        self.assertTrue(os.path.exists(os.path.join(where, "site.css")))
        self.assertFalse(os.path.exists(self.project.path("elsewhere")))

    def test_into_the_given_root_and_the_setting_is_as_before(self):
        one, two, about = self.project.talk(
            {"do": "collectstatic", "root": self.project.path("one")},
            {"do": "collectstatic", "root": self.project.path("two")},
            {"do": "introspect"},
        )
        for name, lines in (("one", one), ("two", two)):
            self.assertEqual(
                (lines[-1].get("root"), lines[-1]["end"]), (self.project.path(name), "ok"), lines
            )
            self.assertTrue(os.path.exists(self.project.path(name + "/site.css")))
        self.assertIsNone(about[-1]["static_root"])

    def test_no_root_at_all(self):
        self.assertEqual(self.error("collectstatic", root=None)["kind"], "ImproperlyConfigured")

    def test_without_staticfiles(self):
        self.project.add("site_/settings.py", "INSTALLED_APPS.remove('django.contrib.staticfiles')")
        reply = self.ok("collectstatic")
        self.assertIn("staticfiles", reply["skipped"])
        self.assertIsNone(reply["root"])

    def test_hashed_files_are_counted(self):
        storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        if django.VERSION >= (4, 2):
            default = "{'BACKEND': 'django.core.files.storage.FileSystemStorage'}"
            self.project.add(
                "site_/settings.py",
                "STORAGES = {'default': %s, 'staticfiles': {'BACKEND': '%s'}}" % (default, storage),
            )
        else:
            self.project.add("site_/settings.py", "STATICFILES_STORAGE = '%s'" % storage)
        reply = self.ok("collectstatic", root=self.project.path("out"))
        self.assertEqual(reply["copied"], 1)
        self.assertGreaterEqual(reply["post_processed"], 1)  # Django before 4 counts a file once per pass


if __name__ == "__main__":
    unittest.main()
