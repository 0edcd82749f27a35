"""Triggers are where bindings need them, whatever migrations do: again, in vain, or to a column that triggers name."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from textwrap import dedent, indent

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection

import databases
from channels_databinding import WebsocketBinding, capture, journal, tail
from channels_databinding.binding import BINDINGS
from channels_databinding.capture import install, sqlite
from channels_databinding.models import State
from databases import ask, only
from lab.models import Blog, Diary, Person
from lab.screen import Screen, database, db, elsewhere, look, newest
from lab.screen import journal as entries

TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'channels_databinding%'",
}[databases.KIND]
COLUMNS = {
    "sqlite": "SELECT name FROM pragma_table_info(?)",
    "postgresql": "SELECT column_name FROM information_schema.columns WHERE table_name = ?",
}[databases.KIND]


@pytest.fixture
def declare(transactional_db):
    """Return `declare(model, **body)`, a binding with its triggers. Both are gone afterwards."""
    declared = list(BINDINGS)

    def declare(model, **body):
        defaults = {"model": model, "stream": "declared", "group_names": lambda cls, instance: ["lab"]}
        binding = type("DeclaredBinding", (WebsocketBinding,), defaults | body)
        install.install()
        return binding

    yield declare
    BINDINGS[:] = declared
    install.install()


def triggers(app=""):
    """Return {name: (table, how it is made)} of an app's tables."""
    with connection.cursor() as cursor:
        return {name: made for name, made in capture.database().installed(cursor).items() if made[0].startswith(app)}


def trigger(of, table="lab_blog"):
    """Return the name of a trigger, and how it is made."""
    return next((name, text) for name, (on, text) in triggers().items() if on == table and of in name)


def drop(of):
    with connection.cursor() as cursor:
        capture.database().drop(cursor, trigger(of)[0])


def alter(of):
    """Make it as another release would."""
    name, text = trigger(of)
    drop(of)
    with connection.cursor() as cursor:
        capture.database().put(cursor, name, text.replace(" AFTER ", " /* another */ AFTER ", 1))


@contextmanager
def no_ddl():
    def look(execute, sql, *arguments):
        assert not re.match(r"\s*(CREATE|ALTER|DROP|COMMENT)\b", sql), sql
        return execute(sql, *arguments)

    with connection.execute_wrapper(look):
        yield


# ---- installing


def test_migrating_again_issues_no_ddl_and_resets_nobody(transactional_db):
    before = newest()

    with no_ddl():
        call_command("migrate", verbosity=0)

    assert newest() == before


def test_installing_again_issues_no_ddl(transactional_db):
    before = newest()

    with no_ddl():
        assert install.install() == []

    assert newest() == before


def test_a_table_that_becomes_bound_gets_triggers_and_a_reset(declare):
    before = newest()

    declare(Diary, fields=["day"])
    elsewhere("INSERT INTO lab_diary (day, secret, mood) VALUES ('monday', 'x', 'y')")

    assert [(op, table) for op, table, _ in entries(before)] == [("reset", "lab_diary"), ("create", "lab_diary")]


def test_a_table_that_is_bound_no_more_loses_its_triggers(declare):
    declare(Diary, fields=["day"])
    BINDINGS.pop()

    install.install()

    assert not triggers("lab_diary")


def test_a_trigger_that_differs_is_made_anew_without_a_reset(transactional_db):
    before = triggers()
    alter("delete")
    start = newest()
    assert triggers() != before

    assert install.install() == []

    assert triggers() == before
    assert entries(start) == []


def test_a_trigger_that_differs_is_left_to_the_other_release_by_servers(transactional_db):
    alter("delete")
    before = triggers()

    assert install.install(only_missing=True) == []
    assert triggers() == before

    install.install()


def test_a_missing_trigger_is_put_back_with_one_reset_of_its_table(transactional_db):
    before, start = triggers(), newest()
    drop("delete")
    drop("update")

    assert install.install(only_missing=True) == ["lab_blog"]

    assert triggers() == before
    assert [entry[:2] for entry in entries(start)] == [("reset", "lab_blog")]


def test_two_who_install_at_once_reset_once(transactional_db):
    start = newest()
    drop("delete")
    code = "import django; django.setup(); from channels_databinding.capture.install import install; install()"

    both = [subprocess.Popen([sys.executable, "-c", code], env=environment()) for _ in range(2)]

    assert [one.wait(30) for one in both] == [0, 0]
    assert [entry[:2] for entry in entries(start)] == [("reset", "lab_blog")]


def test_the_journals_tables_are_made_where_there_are_none(transactional_db):
    with closing(sqlite3.connect(":memory:")) as fresh:
        for _ in range(2):
            fresh.executescript(f"{sqlite.JOURNAL};{install.TABLES}")

        names = {name for (name,) in fresh.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    assert names >= {f"channels_databinding_{name}" for name in ("journal", "ref", "mark", "state")}


# ---- what an image holds


def image_of(model, start):
    with journal.moment() as now:
        (change,) = now.since(start, {model}).changes[model._meta.db_table]
    return change.before


def test_an_image_holds_what_is_listed_the_key_the_foreign_keys_and_image_fields(declare):
    declare(Diary, fields=["day"], image_fields=["mood"])
    ann = Person.objects.create(name="ann", password="secret")
    diary = Diary.objects.create(day="monday", secret="s3cret", mood="fine", author=ann)
    start = journal.position()

    Diary.objects.update(day="tuesday")

    assert image_of(Diary, start) == {"id": diary.pk, "day": "monday", "mood": "fine", "author_id": ann.pk}


def test_an_image_serves_all_bindings_of_its_table(declare):
    declare(Diary, fields=["day"])
    declare(Diary, exclude=["secret", "day"])
    diary = Diary.objects.create(day="monday", secret="s3cret", mood="fine")
    start = journal.position()

    diary.save()

    assert set(image_of(Diary, start)) == {"id", "day", "mood", "author_id"}


def test_nothing_that_is_not_listed_lies_in_the_journal(transactional_db):
    person = Person.objects.create(name="ann", password="s3cret-one")
    Person.objects.update(password="s3cret-two")
    Person.objects.update(name="beatrix")
    person.delete()

    assert elsewhere(
        "SELECT count(*) FROM channels_databinding_journal WHERE CAST(image AS TEXT) LIKE '%beatrix%'"
    ) == [(1,)]
    assert elsewhere("SELECT count(*) FROM channels_databinding_journal WHERE CAST(image AS TEXT) LIKE '%s3cret%'") == [
        (0,)
    ]


# ---- flush


async def test_a_flush_is_heard_and_everything_stays_live(visit):
    await Blog.objects.acreate(slug="red")
    blogs = await look(visit, "blogs")
    epoch = (await State.objects.aget(key="epoch")).value
    cursor, position = blogs.cursor, newest()

    await db(lambda: call_command("flush", interactive=False, verbosity=0))
    heard = await blogs.settle()

    emptied = {"sqlite": "DELETE", "postgresql": "TRUNCATE"}[connection.vendor]
    assert [action for action, _ in heard] == {"DELETE": ["delete"], "TRUNCATE": ["reset"]}[emptied]
    assert blogs.rows == {}
    assert (await State.objects.aget(key="epoch")).value == epoch
    assert newest() > position
    again = Screen(blogs.visitor, "blogs", {})
    assert await again.read(cursor) == {"DELETE": ["delete"], "TRUNCATE": ["snapshot"]}[emptied]
    await Blog.objects.acreate(slug="blue")
    await again.settle()
    assert list(again.column("slug").values()) == ["blue"]


# ---- a migration that fails


def environment(**more):
    """Return the environment of a process that works on the test database."""
    here = os.path.dirname(__file__)
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([*more.pop("paths", []), here, os.path.dirname(here)]),
        "DATABASE_URL": database(),
        **more,
    }


@pytest.fixture
def migrate_and_fail(tmp_path, transactional_db):
    """Return a function that runs `migrate` in a process of its own, with one more migration of the lab: it fails."""
    package = tmp_path / "failing"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "0001_initial.py").write_text(
        "from importlib import import_module\nMigration = import_module('lab.migrations.0001_initial').Migration\n"
    )
    (package / "0002_fail.py").write_text(
        dedent(
            """
            from django.db import migrations

            def fail(apps, schema_editor):
                apps.get_model("lab", "Blog").objects.create(slug="half done")
                raise RuntimeError("this migration fails")

            class Migration(migrations.Migration):
                dependencies = [("lab", "0001_initial")]
                operations = [
                    migrations.RemoveField("blog", "title"),
                    migrations.RunPython(fail),
                ]
            """
        )
    )
    (tmp_path / "failing_settings.py").write_text("from settings import *\nMIGRATION_MODULES = {'lab': 'failing'}\n")

    def run():
        code = "import django; django.setup(); from django.core.management import call_command; call_command('migrate')"
        env = environment(paths=[str(tmp_path)]) | {"DJANGO_SETTINGS_MODULE": "failing_settings"}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert "this migration fails" in done.stderr, done.stderr
        return done

    return run


TRIGGERS_GO = only("sqlite", "only there triggers are taken off for a migration")


@TRIGGERS_GO
def test_a_migration_that_fails_leaves_the_tables_as_they_were_and_their_triggers_off(migrate_and_fail):
    before = triggers("lab_")
    tables = elsewhere("SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY name")

    migrate_and_fail()

    assert elsewhere("SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY name") == tables
    assert triggers("lab_") == {}
    assert len(triggers("example_post")) == 5
    assert not install.is_migrating()  # whoever took them off is gone
    install.install()
    assert triggers("lab_") == before


@only("postgresql", "there triggers name no column, so that they stay where they are")
def test_a_migration_that_fails_leaves_tables_and_triggers_as_they_were(migrate_and_fail):
    before = triggers()

    migrate_and_fail()

    assert triggers() == before
    assert elsewhere("SELECT title FROM lab_blog") == []


@TRIGGERS_GO
async def test_a_running_server_puts_back_what_a_failed_migration_took_off(visit, migrate_and_fail, monkeypatch):
    monkeypatch.setattr(tail, "LOOK_AT_TRIGGERS_S", 0.05)
    blog = await Blog.objects.acreate(slug="red")
    blogs = await look(visit, "blogs")

    migrate_and_fail()
    elsewhere("UPDATE lab_blog SET title = 'nobody saw this'")
    frame = await blogs.visitor.hear()
    while frame["stream"] != "blogs" or frame["payload"]["action"] != "reset":
        frame = await blogs.visitor.hear()
    await blogs.read()

    assert blogs.column("title") == {blog.pk: "nobody saw this"}
    await Blog.objects.aupdate(title="and live again")
    await blogs.settle()
    assert blogs.column("title") == {blog.pk: "and live again"}


def test_triggers_are_not_put_back_while_the_one_that_took_them_off_lives(transactional_db):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as migrating:
        note = State.objects.create(key="migrating", value=f"{migrating.pid} at {time.time()}")
        while_it_lives = install.is_migrating()
        migrating.communicate(b"\n")
    after = install.is_migrating()
    note.delete()

    assert (while_it_lives, after) == (True, False)


def test_a_migration_that_was_left_an_hour_ago_is_dead_whoever_has_its_pid(transactional_db):
    note = State.objects.create(key="migrating", value=f"{os.getpid()} at {time.time() - 3_601}")

    migrating = install.is_migrating()
    note.delete()

    assert not migrating


# ---- migrations of a bound table, in a project of their own

MODELS = """
from django.db import models

class Item(models.Model):
{fields}
"""

BINDINGS_PY = """
from channels_databinding import WebsocketBinding
from .models import Item

class ItemBinding(WebsocketBinding):
    model = Item
    stream = "items"
    fields = ["__all__"]

    def group_names(cls, instance):
        return ["items"]

    def has_permission(self, user, action, pk):
        return False
"""

INITIAL = """
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=20)),
            ("old", models.IntegerField(default=0)),
        ]),
    ]
"""

CHANGE = """
from django.db import migrations, models

def write(apps, schema_editor):
    apps.get_model("shop", "Item").objects.create(name="by the migration")

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [{operation}, migrations.RunPython(write)]
"""

NAME = "name = models.CharField(max_length=20)"
OLD = "old = models.IntegerField(default=0)"


@pytest.fixture(scope="module")
def first_release(tmp_path_factory):
    """Return a small project, migrated, with one row."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("shop", "shop/migrations"):
        (project / folder).mkdir()
        (project / folder / "__init__.py").touch()
    (project / "shop_settings.py").write_text(
        dedent(
            """
            import environ
            SECRET_KEY = "x"
            INSTALLED_APPS = ["channels_databinding", "shop"]
            DATABASES = {"default": environ.Env().db("SHOP_DATABASE")}
            if "sqlite" in DATABASES["default"]["ENGINE"]:
                DATABASES["default"]["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL"}
            DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
            """
        )
    )
    (project / "shop/bindings.py").write_text(BINDINGS_PY)
    (project / "shop/migrations/0001_initial.py").write_text(INITIAL)
    release(project, [NAME, OLD])
    return project


@pytest.fixture
def shop(tmp_path):
    """A database of its own, by its URL."""
    shop = databases.make(tmp_path)
    yield shop
    databases.drop(shop)


def release(project, fields, operation=None):
    (project / "shop/models.py").write_text(MODELS.format(fields=indent("\n".join(fields), "    ")))
    change = project / "shop/migrations/0002_change.py"
    change.unlink(missing_ok=True)
    if operation:
        change.write_text(CHANGE.format(operation=operation))


def migrate(project, database, target=""):
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "shop_settings",
        "SHOP_DATABASE": database,
        "PYTHONPATH": os.pathsep.join([str(project), os.path.dirname(os.path.dirname(__file__))]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "-v0", *target.split()], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("fields", "operation"),
    [
        pytest.param([NAME], 'migrations.RemoveField("item", "old")', id="RemoveField"),
        pytest.param(
            [NAME, "new = models.IntegerField(default=0)"],
            'migrations.RenameField("item", "old", "new")',
            id="RenameField",
        ),
        pytest.param(
            [NAME, "old = models.CharField(max_length=9, unique=True, null=True)"],
            'migrations.AlterField("item", "old", models.CharField(max_length=9, unique=True, null=True))',
            id="AlterField",
        ),
        pytest.param(
            [NAME, OLD, "more = models.TextField(default='m')"],
            'migrations.AddField("item", "more", models.TextField(default="m"))',
            id="AddField",
        ),
        pytest.param(
            [NAME, OLD, "class Meta:\n        db_table = 'stock'"],
            'migrations.AlterModelTable("item", "stock")',
            id="AlterModelTable",
        ),
    ],
)
def test_a_bound_table_can_be_migrated_and_is_followed_afterwards(first_release, shop, fields, operation):
    release(first_release, [NAME, OLD])
    migrate(first_release, shop)
    ask(shop, "INSERT INTO shop_item (name, old) VALUES ('a', 1)")
    ((start,),) = ask(shop, "SELECT max(id) FROM channels_databinding_journal")

    release(first_release, fields, operation)
    migrate(first_release, shop)

    table = "stock" if "stock" in operation else "shop_item"
    ask(shop, f"UPDATE {table} SET name = 'b' WHERE name = 'a'")
    ask(shop, f"DELETE FROM {table}")
    migration, *heard = ask(
        shop,
        """SELECT op, "table", CAST(image AS TEXT) FROM channels_databinding_journal WHERE id > ? ORDER BY id""",
        start,
    )
    # The migration wrote a row. On SQLite the triggers were off, on PostgreSQL they had their table's old name.
    assert migration[:2] == (("reset", table) if databases.KIND == "sqlite" else ("create", "shop_item"))
    assert [entry[:2] for entry in heard] == [("update", table), ("delete", table), ("delete", table)]
    columns = {column for (column,) in ask(shop, COLUMNS, table)}
    assert all(set(re.findall(r'"(\w+)":', image)) == columns for _, _, image in heard)


def test_a_bound_table_can_go_and_come_back(first_release, shop):
    release(first_release, [NAME, OLD])
    migrate(first_release, shop)
    there = ask(shop, TRIGGERS)

    migrate(first_release, shop, "shop zero")
    assert there
    assert ask(shop, TRIGGERS) == []
    migrate(first_release, shop)

    assert ask(shop, TRIGGERS) == there


@pytest.mark.parametrize("app", ["example", "auth"])
def test_migrating_another_app_leaves_the_triggers_on(transactional_db, app):
    class Migration:
        app_label = app

    before = triggers("lab_")

    install.pre_migrate(plan=[(Migration, False)], app_config=apps.get_app_config("lab"), apps=apps)

    assert triggers("lab_") == before
