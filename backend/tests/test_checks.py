"""What a person is told who declared something that cannot work: which, why, and what to do."""

import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.core.exceptions import ImproperlyConfigured
from django.db import ConnectionHandler, models
from django.test.utils import isolate_apps

from channels_databinding import WebsocketBinding, WebsocketDemultiplexer, checks
from channels_databinding.binding import BINDINGS
from lab.models import Alias, Blog, Essay, Tag, Team


@pytest.fixture
def told():
    """Return `told(**body)`: the messages about a binding with this in its body. `None` takes a default out."""
    declared = list(BINDINGS)

    def told(**body):
        defaults = {
            "model": Blog,
            "stream": "blogs",
            "fields": ["slug"],
            "group_names": lambda cls, blog: ["all"],
            "has_permission": lambda self, user, action, pk: False,
        }
        body = {name: value for name, value in (defaults | body).items() if value is not None}
        binding = type("BlogBinding", (WebsocketBinding,), body)
        return [message for message in checks.check_bindings() if message.obj is binding]

    yield told
    BINDINGS[:] = declared


def said(messages):
    """Return the one message as (id, sentence, hint)."""
    (message,) = messages
    return message.id.removeprefix("channels_databinding."), message.msg, message.hint


def test_nothing_is_said_about_a_binding_that_works(told):
    assert told() == []


@pytest.mark.django_db  # Django's own check asks the database whether it knows JSON
def test_the_projects_own_bindings_work():
    assert [m for m in run_checks() if m.obj and not m.obj.__module__.startswith("lab.")] == []


def test_no_stream(told):
    assert said(told(stream=None)) == (
        "E001",
        "BlogBinding has no stream.",
        'Give it the name browsers will use: stream = "posts".',
    )


def test_neither_fields_nor_exclude(told):
    number, sentence, hint = said(told(fields=None))

    assert (number, sentence) == ("E002", "BlogBinding has neither fields nor exclude.")
    assert "__all__" in hint


def test_both_fields_and_exclude(told):
    assert said(told(exclude=["title"]))[:2] == ("E002", "BlogBinding has both fields and exclude.")


@pytest.mark.parametrize("everything", ["__all__", ["__all__"], ("__all__",)])
def test_all_fields_may_be_written_each_way(told, everything):
    assert told(fields=everything) == []


def test_fields_as_a_string(told):
    assert said(told(fields="slug")) == (
        "E003",
        "BlogBinding has fields = 'slug', a string.",
        "Make it a list: ['slug'].",
    )


def test_exclude_as_a_string(told):
    number, sentence, hint = said(told(fields=None, exclude="title"))

    assert (number, sentence) == ("E003", "BlogBinding has exclude = 'title', a string.")
    assert "['title']" in hint


def test_image_fields_as_a_string(told):
    _, sentence, hint = said(told(image_fields="title"))

    assert sentence == "BlogBinding has image_fields = 'title', a string."
    assert "['title']" in hint


@pytest.mark.parametrize("where", ["fields", "exclude", "image_fields"])
def test_a_field_that_the_model_does_not_have(told, where):
    body = {"fields": ["slug"]} | {where: ["slugg"]}
    number, sentence, hint = said(told(**body | ({"fields": None} if where == "exclude" else {})))

    assert (number, sentence) == ("E005", "BlogBinding lists 'slugg', which lab.Blog does not have.")
    assert "id, slug, title" in hint


def test_a_many_to_many_field_may_be_listed(told):
    assert told(model=Tag, fields=["articles"]) == []


def test_a_relation_that_comes_the_other_way(told):
    number, sentence, _ = said(told(fields=["article"]))

    assert (number, sentence) == ("E004", "BlogBinding lists 'article', which lab.Blog does not store.")


@isolate_apps("lab")
def test_a_many_to_many_field_that_joins_other_than_keys(told):
    class Left(models.Model):
        code = models.CharField(max_length=10, unique=True)
        rights = models.ManyToManyField("Right", through="Pair")

        class Meta:
            app_label = "lab"

    class Right(models.Model):
        class Meta:
            app_label = "lab"

    class Pair(models.Model):
        left = models.ForeignKey(Left, models.CASCADE, to_field="code")
        right = models.ForeignKey(Right, models.CASCADE)

        class Meta:
            app_label = "lab"

    number, sentence, _ = said(told(model=Left, fields=["rights"]))

    assert number == "E004"
    assert sentence == "BlogBinding lists 'rights', whose link lab.Pair names rows by other than their primary keys."


def test_a_model_that_inherits_a_table_may_be_bound(told):
    assert told(model=Essay, fields=["body", "pages"]) == []


@isolate_apps("lab")
def test_a_model_that_inherits_two_tables(told):
    class Label(models.Model):
        code = models.CharField(max_length=10, primary_key=True)

        class Meta:
            app_label = "lab"

    class Number(models.Model):
        number = models.AutoField(primary_key=True)

        class Meta:
            app_label = "lab"

    class Both(Label, Number):
        class Meta:
            app_label = "lab"

    number, sentence, _ = said(told(model=Both, fields=["number"]))

    assert number == "E007"
    assert (
        sentence == "BlogBinding binds lab.Both, whose link 'number_ptr' to a table it inherits is not its primary key."
    )


@isolate_apps("lab")
def test_a_model_with_a_composite_key(told):
    class Pair(models.Model):
        left, right = models.IntegerField(), models.IntegerField()
        pk = models.CompositePrimaryKey("left", "right")

        class Meta:
            app_label = "lab"

    messages = told(model=Pair, fields=["left"])

    assert said(messages)[:2] == ("E006", "BlogBinding binds lab.Pair, which has a composite primary key.")


class Elsewhere:
    """Has blogs in another database, and with them nothing that belongs to them."""

    def db_for_read(self, model, **hints):
        return "third" if model in (Blog, Team) else None

    db_for_write = db_for_read


class Replica:
    def __init__(self, keeps):
        self.keeps = keeps

    def db_for_read(self, model, instance=None, **hints):
        return instance._state.db if self.keeps and instance is not None else "second"


def test_a_model_of_another_database(told, settings):
    settings.DATABASE_ROUTERS = [Elsewhere()]

    assert told() == []


def test_a_row_whose_tables_are_in_two_databases(told, settings):
    settings.DATABASE_ROUTERS = [Elsewhere()]

    number, sentence, _ = said(told(model=Team, fields=["name", "tokens"]))

    assert number == "E008"
    assert sentence == "BlogBinding binds lab.Team in the database 'third', but lab.Team_tokens is in 'default'."


def test_a_router_that_sends_hooks_to_a_replica(told, settings):
    settings.DATABASE_ROUTERS = [Replica(keeps=False)]

    number, sentence, hint = said(told())

    assert (number, "reads of it go to the database 'second'" in sentence) == ("W004", True)
    assert "hints['instance']._state.db" in hint


def test_a_router_that_keeps_hooks_where_a_row_is(told, settings):
    settings.DATABASE_ROUTERS = [Replica(keeps=True)]

    assert told() == []


def test_no_group_names(told):
    number, sentence, hint = said(told(group_names=None))

    assert (number, sentence) == ("E009", "BlogBinding has no group_names, so nobody would see a change.")
    assert "groups" in hint


def test_no_has_permission(told):
    number, sentence, hint = said(told(has_permission=None))

    assert (number, sentence) == (
        "W001",
        "BlogBinding has no has_permission, so every write from a browser is refused.",
    )
    assert "return False" in hint


def test_what_is_inherited_counts(told):
    class Base(WebsocketBinding):
        def group_names(self, instance):
            return ["all"]

        def has_permission(self, user, action, pk):
            return False

    binding = type("Child", (Base,), {"model": Blog, "stream": "blogs", "fields": ["slug"]})

    assert [message for message in checks.check_bindings() if message.obj is binding] == []
    assert told() == []


def test_a_constraint_of_expressions(told):
    number, sentence, hint = said(told(model=Alias, fields=["name"]))

    assert number == "W002"
    assert "BlogBinding binds lab.Alias, whose constraint 'lab_alias_name' is of expressions" in sentence
    assert "DELETE and INSERT" in hint


def test_all_that_is_wrong_is_told_at_once(told):
    numbers = {message.id[-4:] for message in told(stream=None, fields=["no"], group_names=None)}

    assert numbers == {"E001", "E005", "E009"}


def test_a_model_that_does_not_exist(told):
    with pytest.raises((LookupError, ImproperlyConfigured), match=r"lab|Nothing"):
        told(model="lab.Nothing")


def test_a_stream_under_another_name_is_told_when_the_route_is_made(told):
    told()
    binding = BINDINGS[-1]

    class Demultiplexer(WebsocketDemultiplexer):
        consumers = {"posts": binding}

    with pytest.raises(ImproperlyConfigured, match="has BlogBinding as 'posts', but its own stream is 'blogs'"):
        Demultiplexer.as_asgi()


# ---- the database


def test_another_vendor(monkeypatch):
    monkeypatch.setattr(checks.connections["default"], "vendor", "oracle")

    (message,) = checks.check_vendor()

    assert message.id == "channels_databinding.E010"
    assert "oracle" in message.msg


@pytest.mark.parametrize("name", [":memory:", "file:memory?mode=memory&cache=shared"])
def test_a_database_in_memory(monkeypatch, name):
    monkeypatch.setattr(checks.connections["default"], "vendor", "sqlite")
    monkeypatch.setitem(checks.connections["default"].settings_dict, "NAME", name)

    (message,) = checks.check_vendor()

    assert message.id == "channels_databinding.E011"
    assert "TEST" in message.hint


@pytest.mark.django_db
@pytest.mark.parametrize(("mode", "number"), [("DELETE", ["channels_databinding.E012"]), ("WAL", [])])
def test_a_file_that_is_not_in_wal_mode(tmp_path, monkeypatch, mode, number):
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": tmp_path / "db.sqlite3",
        "OPTIONS": {"init_command": f"PRAGMA journal_mode={mode}"},
    }
    monkeypatch.setattr(checks, "connections", ConnectionHandler({"default": database}))

    messages = checks.check_wal(databases=["default"])
    checks.connections["default"].close()

    assert [message.id for message in messages] == number
    assert all("journal_mode=WAL" in message.hint for message in messages)


def test_a_project_without_bindings_may_have_any_database(told, monkeypatch):
    monkeypatch.setattr(checks.connections["default"], "vendor", "oracle")
    BINDINGS.clear()

    assert checks.check_vendor() == []
    assert checks.check_wal(databases=["default"]) == []


@pytest.mark.parametrize(
    ("given", "number", "hint"),
    [
        ({"snapshot_row": 5}, "E013", "'snapshot_rows'"),
        ({"zebra": 5}, "E013", "Did you mean"),
        ({"look_s": 0}, "E014", "5"),
        ({"frames_per_s": "many"}, "E014", "100"),
        ({"frames_per_s": None}, "E014", "100"),
    ],
)
def test_a_setting_that_means_nothing_is_named(settings, given, number, hint):
    settings.CHANNELS_DATABINDING = given

    (message,) = checks.check_settings()

    assert message.id == f"channels_databinding.{number}"
    assert hint in message.hint


def test_settings_that_are_meant_are_taken(settings):
    settings.CHANNELS_DATABINDING = {"look_s": 0.5, "snapshot_rows": 50_000}

    assert checks.check_settings() == []


@pytest.mark.parametrize(
    ("layers", "numbers"),
    [
        ({}, ["channels_databinding.W003"]),
        ({"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, ["channels_databinding.W003"]),
        ({"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}, []),
    ],
)
def test_a_deployment_without_a_layer_between_its_processes(settings, layers, numbers):
    settings.CHANNEL_LAYERS = layers

    assert [message.id for message in checks.check_channel_layer()] == numbers


def test_who_develops_is_not_told_of_several_processes():
    assert checks.check_channel_layer in registry.get_checks(include_deployment_checks=True)
    assert checks.check_channel_layer not in registry.get_checks()
