"""What Channels 1.x did and its users rely on, and what they were promised instead of its faults: a test for each row
of both tables, through a real socket. Most clients here are of that time, and know none of the new words.

`test_channels1_example.py` has the example of the documentation and the corners of each of these; that the JavaScript
client of that time works unchanged, `e2e/test_packages.py` shows in a browser.
"""

import asyncio
import datetime as dt
import itertools
import json
import uuid
from contextlib import suppress
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.security.websocket import AllowedHostsOriginValidator
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.test import Client

from channels_databinding import WebsocketBinding, WebsocketBindingWithMembers
from example.models import IntegerValue, Liveblog, Post
from lab.bindings import Lab
from lab.models import Article, Blog, Draft, Essay, Label, Person, Tag, Team, Thing, Token
from lab.screen import db, elsewhere, in_another_process
from test_channels1_example import Old, binding, example, old, serve
from test_serializers import FIELDS

pytestmark = pytest.mark.usefixtures("bindings_of_one_test")


async def told(client, stream="things"):
    """Return the payload of the next frame of a stream, passing over others."""
    while (frame := json.loads(await client.text()))["stream"] != stream:
        pass
    return frame["payload"]


# ---- keep: frames


async def test_a_frame_has_its_keys_in_their_order_and_text_arrives_intact(visit):
    client = await old(visit, example())

    value = await IntegerValue.objects.acreate(name="ä€😀", value=1)

    head = f'{{"stream":"intval","payload":{{"action":"create","pk":{value.pk},"data":'
    assert await client.text() == head + '{"name":"ä€😀","value":1},"model":"example.integervalue"}}'


async def test_an_update_may_have_a_part_of_the_row(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, example())

    await client.send("update", pk=value.pk, data={"value": 2})

    assert (await client.payload())["data"] == {"name": "a", "value": 2}


async def test_extra_keys_and_a_key_beside_the_data_of_a_create_are_ignored(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, example())

    await client.send("create", pk=value.pk, more=[1], data={"name": "b", "value": 2, "colour": "red"})
    heard = await client.payload()

    assert heard["pk"] != value.pk
    assert heard["data"] == {"name": "b", "value": 2}


async def test_the_sender_hears_its_own_change(visit):
    sender, other = [await old(visit, demultiplexer) for demultiplexer in [example()] * 2]

    await sender.send("create", data={"name": "a", "value": 1})

    assert await sender.text() == await other.text()


async def test_a_failing_message_does_not_poison_the_connection(visit):
    client = await old(visit, example())

    for text in ("nonsense", "[]", '{"stream": "intval"}', '{"stream": "intval", "payload": {"action": "create"}}'):
        await client.send_text(text)

    assert await client.heard_nothing()


async def test_the_messages_of_a_client_are_done_in_their_order(visit):
    value = await IntegerValue.objects.acreate(name="a", value=0)
    client = await old(visit, example())

    for n in range(20):
        await client.send("update", pk=value.pk, data={"value": n})
    heard = [payload["data"]["value"] for payload in await client.heard()]

    assert heard == sorted(heard)
    assert heard[-1] == 19


# ---- keep: values


@pytest.mark.parametrize(("name", "read", "value"), FIELDS)
async def test_a_field_goes_out_in_its_format_and_comes_back_in(visit, name, read, value):
    client = await old(visit, Lab)

    thing = await Thing.objects.acreate(**{name: value})
    assert (await told(client))["data"][name] == read
    await client.send("create", stream="things", data={name: read})
    payload = await told(client)

    assert payload["data"][name] == read
    assert payload["pk"] != thing.pk
    assert getattr(await Thing.objects.aget(pk=payload["pk"]), name) == value


async def test_a_file_goes_out_by_its_name_and_is_not_taken_in(visit):
    client = await old(visit, Lab)

    await Thing.objects.acreate(file="a/b.txt")
    assert (await told(client))["data"]["file"] == "a/b.txt"
    await client.send("create", stream="things", data={"file": "somebody/elses.txt"})

    assert (await told(client))["data"]["file"] == ""


async def test_a_foreign_key_is_its_key(visit):
    blog = await Blog.objects.acreate(slug="red")
    client = await old(visit, serve(bound(Article)))

    await Article.objects.acreate(blog=blog)
    assert (await client.payload())["data"] == {"blog": blog.pk, "editor": None, "body": ""}
    await client.send("create", stream="rows", data={"blog": blog.pk, "body": "b"})

    assert (await client.payload())["data"] == {"blog": blog.pk, "editor": None, "body": "b"}


async def test_a_many_to_many_field_is_a_list_of_keys(visit):
    one, two = await Person.objects.acreate(name="one"), await Person.objects.acreate(name="two")
    client = await old(visit, serve(bound(Team, fields=["members"])))

    team = await Team.objects.acreate()
    assert (await client.payload())["data"] == {"members": []}
    await team.members.aset([two, one])
    assert (await client.payload())["data"] == {"members": [one.pk, two.pk]}
    await client.send("update", stream="rows", pk=team.pk, data={"members": [two.pk]})

    assert (await client.payload())["data"] == {"members": [two.pk]}
    assert [person.pk async for person in team.members.all()] == [two.pk]


@pytest.mark.parametrize(
    ("model", "key", "read"),
    [(Token, uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"), (Label, "a key", "a key"), (Person, 7, 7)],
)
async def test_a_key_of_any_kind_names_its_row(visit, model, key, read):
    client = await old(visit, serve(bound(model)))
    name = "name" if model is Person else "text"

    await model.objects.acreate(pk=key)
    assert (await client.payload())["pk"] == read
    await client.send("update", stream="rows", pk=read, data={name: "b"})
    assert (await client.payload())["data"][name] == "b"
    await client.send("delete", stream="rows", pk=read)

    assert (await client.payload())["pk"] == read
    assert not await model.objects.aexists()


# ---- keep: declarations


def bound(model, **body):
    """Return a binding that everybody sees and writes."""
    defaults = {
        "model": model,
        "stream": "rows",
        "fields": ["__all__"],
        "group_names": lambda cls, instance: ["intval-updates"],
        "has_permission": lambda self, user, action, pk: True,
    }
    return type("RowBinding", (WebsocketBinding,), defaults | body)


async def test_a_model_may_be_named_and_have_several_bindings_on_several_streams(visit):
    one = bound("example.IntegerValue", stream="one", fields=["name"])
    two = bound("example.IntegerValue", stream="two", fields=None, exclude=["name"])
    client = await old(visit, serve(one, two))

    await IntegerValue.objects.acreate(name="a", value=1)
    frames = [json.loads(await client.text()) for _ in range(2)]

    assert {f["stream"]: f["payload"]["data"] for f in frames} == {"one": {"name": "a"}, "two": {"value": 1}}


async def test_bindings_may_be_abstract_and_inherited(visit):
    abstract = bound(None)
    child = type("Child", (abstract,), {"model": IntegerValue, "fields": ["value"]})
    client = await old(visit, serve(child))

    await IntegerValue.objects.acreate(name="a", value=1)

    assert (await client.payload())["data"] == {"value": 1}


async def test_group_names_that_are_empty_are_silence(visit):
    client = await old(visit, binding(group_names=lambda cls, i: [] if i.name == "a" else ["intval-updates"]))

    await IntegerValue.objects.acreate(name="a", value=1)

    assert await client.heard_nothing()


async def test_serialize_that_is_empty_suppresses_the_frame(visit):
    def serialize(self, instance, action):
        return {} if instance.name == "a" else WebsocketBinding.serialize(self, instance, action)

    client = await old(visit, binding(serialize=serialize))

    await IntegerValue.objects.acreate(name="a", value=1)

    assert await client.heard_nothing()


async def test_each_method_of_a_binding_can_be_replaced_and_knows_whose_write_it_does(visit):
    knew = []

    def know(self, result):
        knew.append((self.user is not None, self.action, self.pk, self.data))
        return result

    made = bound(
        IntegerValue,
        serialize_data=lambda self, instance: {"text": f"{instance.name}={instance.value}"},
        deserialize=lambda self, payload: (payload["action"], payload.get("id"), payload.get("values")),
        create=lambda self, data: know(self, IntegerValue.objects.create(**data)),
        update=lambda self, pk, data: know(self, IntegerValue.objects.filter(pk=pk).update(**data)),
        delete=lambda self, pk: know(self, IntegerValue.objects.filter(pk=pk).update(value=0)),
    )
    client = await old(visit, serve(made))

    await client.send("create", stream="rows", values={"name": "a", "value": 1})
    pk = (created := await client.payload())["pk"]
    await client.send("update", stream="rows", id=pk, values={"value": 2})
    updated = await client.payload()
    await client.send("delete", stream="rows", id=pk)
    deleted = await client.payload()

    assert [p["data"]["text"] for p in (created, updated, deleted)] == ["a=1", "a=2", "a=0"]
    assert knew == [
        (True, "create", None, {"name": "a", "value": 1}),
        (True, "update", pk, {"value": 2}),
        (True, "delete", pk, None),
    ]


async def test_send_members_are_sent_with_the_data(visit, monkeypatch):
    monkeypatch.setattr(Article, "kind", "article", raising=False)
    monkeypatch.setattr(Article, "loud", property(lambda self: self.body.upper()), raising=False)
    monkeypatch.setattr(Article, "length", lambda self: len(self.body), raising=False)
    members = ["kind", "loud", "length", "blog.slug"]
    body = {
        "model": Article,
        "stream": "rows",
        "fields": ["body"],
        "send_members": members,
        "group_names": lambda cls, instance: ["intval-updates"],
        "has_permission": lambda self, user, action, pk: True,
    }
    client = await old(visit, serve(type("Members", (WebsocketBindingWithMembers,), body)))
    blog = await Blog.objects.acreate(slug="red")

    article = await Article.objects.acreate(blog=blog, body="ab")
    created = await client.payload()
    await client.send("update", stream="rows", pk=article.pk, data={"body": "abc", "loud": "x"})
    updated = await client.payload()
    await article.adelete()
    deleted = await client.payload()

    assert created["data"] == {"body": "ab", "kind": "article", "loud": "AB", "length": 2, "blog__slug": "red"}
    assert updated["data"] == {"body": "abc", "kind": "article", "loud": "ABC", "length": 3, "blog__slug": "red"}
    assert deleted["data"] == updated["data"]


async def test_a_demultiplexer_has_groups_and_hooks_that_are_told_the_arguments_of_the_url(visit):
    calls = []

    class Demultiplexer(example()):
        groups = ["intval-updates"]

        def connect(self, room):
            calls.append(("connect", room))

        def connection_groups(self, **kwargs):
            calls.append(("connection_groups", kwargs))
            return self.groups

        def disconnect(self, code):
            calls.append(("disconnect", code))

    visitor = await visit(Demultiplexer, kwargs={"room": "7"})
    await IntegerValue.objects.acreate(name="a", value=1)
    await Old(visitor).payload()
    await visitor.leave()

    assert calls == [("connect", "7"), ("connection_groups", {"room": "7"}), ("disconnect", 1000)]


async def test_a_client_of_1x_meets_no_new_word(visit):
    client = await old(visit, example())

    await db(lambda: IntegerValue.objects.bulk_create(IntegerValue(name=str(n), value=n) for n in range(5)))

    assert [(await client.payload())["action"] for _ in range(5)] == ["create"] * 5  # whose keys are compared there


# ---- mend: who hears what


def by_name(cls, instance):
    return [instance.name]


def watching(group, **body):
    made = binding(group_names=by_name, **body)
    made.groups = [group]
    return made


async def test_a_row_that_moves_is_deleted_there_and_created_here(visit):
    red, blue = await old(visit, watching("red")), await old(visit, watching("blue"))
    value = await IntegerValue.objects.acreate(name="red", value=1)
    await red.payload()

    value.name = "blue"
    await value.asave()

    assert (await red.payload())["action"] == "delete"
    assert (await blue.payload())["action"] == "create"


async def test_the_delete_of_a_row_that_moved_has_the_last_values_that_group_was_entitled_to(visit):
    red = await old(visit, watching("red"))
    value = await IntegerValue.objects.acreate(name="red", value=1)
    await red.payload()

    await IntegerValue.objects.filter(pk=value.pk).aupdate(name="blue", value=99)

    assert (await red.payload())["data"] == {"name": "red", "value": 1}


async def test_a_client_in_two_of_a_rows_groups_hears_once(visit):
    both = binding(group_names=lambda cls, instance: ["intval-updates", "other"])
    both.groups = ["intval-updates", "other"]
    client = await old(visit, both)

    await IntegerValue.objects.acreate(name="a", value=1)

    assert len(await client.heard()) == 1


async def test_group_names_that_is_a_string_is_one_group(visit):
    client = await old(visit, binding(group_names=lambda cls, instance: "intval-updates"))

    await IntegerValue.objects.acreate(name="a", value=1)

    assert len(await client.heard()) == 1


@pytest.mark.parametrize("everything", ["__all__", ["__all__"]])
async def test_all_fields_as_a_string_or_a_list_hear_updates(visit, everything):
    client = await old(visit, binding(fields=everything))

    value = await IntegerValue.objects.acreate(name="a", value=1)
    await client.payload()
    value.value = 2
    await value.asave(update_fields=["value"])

    assert (await client.payload())["data"] == {"name": "a", "value": 2}


async def test_a_route_with_arguments_does_not_hang_connection_groups_that_take_none(visit):
    class Demultiplexer(example()):
        def connection_groups(self):
            return ["intval-updates"]

    visitor = await visit(Demultiplexer, kwargs={"room": "7"})

    assert visitor.accepted
    assert await Old(visitor).heard_nothing()


# ---- mend: writes


async def test_fields_guard_a_create_too_and_a_key_among_the_data_overwrites_nothing(visit):
    mine = await IntegerValue.objects.acreate(name="mine", value=1)
    client = await old(visit, binding(fields=["name"]))

    await client.send("create", data={"id": mine.pk, "pk": mine.pk, "name": "b", "value": 99})
    heard = await client.payload()

    assert heard["pk"] != mine.pk
    rows = {v.name: v.value async for v in IntegerValue.objects.all()}
    assert rows == {"mine": 1, "b": 0}


async def test_an_update_with_a_key_among_its_data_copies_nothing(visit):
    one = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, example())

    await client.send("update", pk=one.pk, data={"id": one.pk + 1, "value": 5})
    await client.payload()

    assert [(v.pk, v.value) async for v in IntegerValue.objects.all()] == [(one.pk, 5)]


async def test_a_create_is_validated_saved_and_dated_like_any_other(visit, monkeypatch):
    saved = []
    save = Post.save
    monkeypatch.setattr(Post, "save", lambda self, *args, **kwargs: (saved.append(self.body), save(self)))
    liveblog = await Liveblog.objects.acreate(name="a", slug="a")
    client = await old(visit, serve(bound(Post, fields=["liveblog", "body", "created"])))

    await client.send("create", stream="rows", data={"liveblog": liveblog.pk, "body": ""})
    await client.send("create", stream="rows", data={"liveblog": liveblog.pk, "body": "b"})
    heard = await client.payload()

    assert heard["data"]["created"] is not None
    assert saved == ["b"]


async def test_a_create_of_a_child_makes_its_parents_too(visit):
    blog = await Blog.objects.acreate(slug="red")
    client = await old(visit, serve(bound(Essay)))

    await client.send("create", stream="rows", data={"blog": blog.pk, "body": "a", "pages": 2})
    heard = await client.payload()

    assert heard["data"] == {"blog": blog.pk, "editor": None, "body": "a", "pages": 2}
    assert (await Article.objects.aget(pk=heard["pk"])).body == "a"


async def test_two_editors_of_two_fields_never_undo_each_other(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    ann, bea = [await old(visit, demultiplexer) for demultiplexer in [example()] * 2]

    await asyncio.gather(
        ann.send("update", pk=value.pk, data={"name": "b"}), bea.send("update", pk=value.pk, data={"value": 2})
    )
    while (await ann.payload())["data"] != {"name": "b", "value": 2}:
        pass

    assert [(v.name, v.value) async for v in IntegerValue.objects.all()] == [("b", 2)]


async def test_a_failure_is_answered_by_its_ref(visit):
    visitor = await visit(example())

    _, answer = await visitor.ask("intval", {"action": "create", "data": {"name": "a", "value": "much"}})

    assert answer["payload"]["code"] == "invalid"
    assert list(answer["payload"]["fields"]) == ["value"]


async def test_has_permission_is_asked_of_known_actions_and_keys_only(visit):
    asked = []
    client = await old(visit, binding(has_permission=lambda self, user, action, pk: asked.append((action, pk)) or True))

    for action, pk in itertools.product(["dance", "update", "delete"], [{"a": 1}, [1], True, 1.5, None, "x"]):
        await client.send(action, pk=pk, data={})
    assert await client.heard_nothing()

    assert asked == [("create", None)]  # that of heard_nothing


@pytest.mark.parametrize(("origin", "accepted"), [(b"http://localhost", True), (b"http://evil.example", False)])
async def test_the_origin_is_checked(transactional_db, settings, origin, accepted):
    settings.ALLOWED_HOSTS = ["localhost"]
    app = AllowedHostsOriginValidator(AuthMiddlewareStack(example().as_asgi()))
    communicator = WebsocketCommunicator(app, "/", headers=[(b"origin", origin)])

    connected, _ = await communicator.connect(timeout=10)

    assert connected == accepted
    await communicator.disconnect()


async def test_a_socket_is_closed_after_the_logout(visit, settings):
    settings.CHANNELS_DATABINDING = {"look_s": 0.01}
    user, browser = await User.objects.acreate_user("ann"), Client()
    await sync_to_async(browser.force_login)(user)
    visitor = await visit(example(), user, session=await sync_to_async(lambda: browser.session)())

    await sync_to_async(browser.logout)()
    closed = await visitor.communicator.receive_output(10)

    assert (closed["type"], closed["code"]) == ("websocket.close", 4409)


# ---- mend: what is seen


async def test_only_what_was_committed_is_told(visit):
    client = await old(visit, example())

    def work():
        with suppress(ZeroDivisionError), transaction.atomic():
            IntegerValue.objects.create(name="rolled back", value=1)
            raise ZeroDivisionError
        with transaction.atomic():
            IntegerValue.objects.create(name="kept", value=2)
            with suppress(ZeroDivisionError), transaction.atomic():
                IntegerValue.objects.create(name="savepoint", value=3)
                raise ZeroDivisionError

    await db(work)

    assert [payload["data"]["name"] for payload in await client.heard()] == ["kept"]


@pytest.mark.parametrize(
    "change",
    [
        lambda: IntegerValue.objects.update(value=2),
        lambda: IntegerValue.objects.bulk_update([IntegerValue(pk=IntegerValue.objects.get().pk, value=2)], ["value"]),
        lambda: elsewhere("UPDATE example_integervalue SET value = 2"),
        lambda: in_another_process("UPDATE example_integervalue SET value = 2"),
    ],
    ids=["update", "bulk_update", "raw SQL", "another program"],
)
async def test_whatever_made_a_change_it_is_seen(visit, change):
    await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, example())

    await db(change)

    assert (await client.payload())["data"] == {"name": "a", "value": 2}


async def test_a_bulk_create_is_seen_and_nothing_of_it_is_lost(visit):
    client = await old(visit, example())

    await db(lambda: IntegerValue.objects.bulk_create(IntegerValue(name=str(n), value=1) for n in range(2_000)))
    heard = [(await client.payload())["data"]["name"] for _ in range(2_000)]

    assert heard == [str(n) for n in range(2_000)]


async def test_cascades_and_set_null_are_seen(visit):
    client = await old(visit, serve(bound(Article)))
    blog, editor = await Blog.objects.acreate(slug="red"), await Person.objects.acreate(name="ann")
    article = await Article.objects.acreate(blog=blog, editor=editor)
    await client.payload()

    await editor.adelete()
    nulled = await client.payload()
    await blog.adelete()
    cascaded = await client.payload()

    assert (nulled["action"], nulled["data"]["editor"]) == ("update", None)
    assert (cascaded["action"], cascaded["pk"]) == ("delete", article.pk)


async def test_changes_of_a_many_to_many_field_are_seen(visit):
    client = await old(visit, serve(bound(Tag)))
    blog, tag = await Blog.objects.acreate(slug="red"), await Tag.objects.acreate(name="a")
    article = await Article.objects.acreate(blog=blog)
    await client.payload()

    await tag.articles.aadd(article)
    added = await client.payload()
    await Article.objects.all().adelete()
    gone = await client.payload()

    assert (added["action"], added["data"]["articles"]) == ("update", [article.pk])
    assert (gone["action"], gone["data"]["articles"]) == ("update", [])


async def test_a_change_in_a_parents_table_is_seen_and_a_proxy_sees_its_models_rows(visit):
    blog = await Blog.objects.acreate(slug="red")
    client = await old(visit, serve(bound(Draft, stream="drafts"), bound(Essay)))

    essay = await Essay.objects.acreate(blog=blog, body="a")
    await Article.objects.filter(pk=essay.pk).aupdate(body="b")
    for model, stream in [("lab.draft", "drafts"), ("lab.essay", "rows")]:
        while (heard := await told(client, stream))["data"]["body"] != "b":
            pass
        assert heard["model"] == model


async def test_what_is_sent_is_what_the_database_has(visit):
    client = await old(visit, serve(bound(Thing, fields=["char", "integer", "decimal", "date"])))

    thing = await Thing.objects.acreate(integer=1, decimal="2.5", date="2017-01-02")
    created = await client.payload()
    thing.integer, thing.char = F("integer") + 1, "left out"
    await thing.asave(update_fields=["integer"])
    updated = await client.payload()

    assert created["data"] == {"char": "", "integer": 1, "decimal": "2.50", "date": "2017-01-02"}
    assert updated["data"] == {"char": "", "integer": 2, "decimal": "2.50", "date": "2017-01-02"}
    assert (await Thing.objects.aget()).decimal == Decimal("2.5")
    assert (await Thing.objects.aget()).date == dt.date(2017, 1, 2)


async def test_a_save_under_a_key_that_is_there_is_an_update(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, example())

    await IntegerValue(pk=value.pk, name="b", value=2).asave()

    assert (await client.payload())["action"] == "update"


async def test_a_second_save_in_post_save_is_still_one_create(visit):
    from django.db.models.signals import post_save

    def again(instance, created, **kwargs):
        if created and "the end" not in instance.name:
            instance.value += 1
            instance.save()

    client = await old(visit, example())
    post_save.connect(again, sender=IntegerValue)
    try:
        await db(lambda: transaction.atomic()(IntegerValue.objects.create)(name="a", value=1))
    finally:
        post_save.disconnect(again, sender=IntegerValue)

    assert [(p["action"], p["data"]["value"]) for p in await client.heard()] == [("create", 2)]


def fail(*args):
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "body",
    [
        {"group_names": fail},
        {"serialize": fail},
        {"serialize_data": fail},
        {"group_names": lambda cls, value: [{}, None]},
    ],
)
async def test_what_fails_on_the_way_out_never_reaches_who_writes(visit, body):
    await old(visit, binding(**body))

    value = await IntegerValue.objects.acreate(name="a", value=1)
    await db(lambda: IntegerValue.objects.defer("name").get().save())
    await value.adelete()

    assert not await IntegerValue.objects.aexists()


async def test_a_process_that_has_not_imported_the_bindings_is_heard(visit):
    client = await old(visit, example())

    await db(lambda: in_another_process("INSERT INTO example_integervalue (name, value) VALUES ('a', 1)"))

    assert (await client.payload())["data"] == {"name": "a", "value": 1}
