"""The example of the Channels 1.x documentation runs as it stands, and its clients meet nothing they do not know.

The class bodies are those of https://channels.readthedocs.io/en/1.x/binding.html; only the imports differ.
"""

import itertools
import json

import pytest
from django.core.exceptions import PermissionDenied

from channels_databinding import WebsocketBinding, WebsocketDemultiplexer
from example.models import IntegerValue
from lab.models import Blog
from lab.screen import db, elsewhere

NEW_WORDS = {"cursor", "refs", "ref", "params", "ping", "changes", "reset", "snapshot", "ack", "error"}


pytestmark = pytest.mark.usefixtures("bindings_of_one_test")


def example():
    """Return the documentation's demultiplexer."""

    class IntegerValueBinding(WebsocketBinding):
        model = IntegerValue
        stream = "intval"
        fields = ["name", "value"]

        @classmethod
        def group_names(cls, instance):
            return ["intval-updates"]

        def has_permission(self, user, action, pk):
            return True

    class Demultiplexer(WebsocketDemultiplexer):
        consumers = {
            "intval": IntegerValueBinding.consumer,
        }

        def connection_groups(self, **kwargs):
            return ["intval-updates"]

    return Demultiplexer


def example_of_the_reference():
    """The same, as the page has it further down: no @classmethod, no **kwargs."""

    class IntegerValueBinding(WebsocketBinding):
        model = IntegerValue
        stream = "intval"
        fields = ["name", "value"]

        def group_names(self, instance):
            return ["intval-updates"]

        def has_permission(self, user, action, pk):
            return True

    class Demultiplexer(WebsocketDemultiplexer):
        consumers = {
            "intval": IntegerValueBinding.consumer,
        }

        def connection_groups(self):
            return ["intval-updates"]

    return Demultiplexer


def binding(**body):
    """Return a demultiplexer with one binding: the documentation's, with this in its body."""
    defaults = {
        "model": IntegerValue,
        "stream": "intval",
        "fields": ["name", "value"],
        "group_names": lambda self, instance: ["intval-updates"],
        "has_permission": lambda self, user, action, pk: True,
    }
    bound = type("IntegerValueBinding", (WebsocketBinding,), defaults | body)
    return serve(bound)


def serve(*bindings):
    consumers = {bound.stream: bound.consumer for bound in bindings}
    return type("Demultiplexer", (WebsocketDemultiplexer,), {"consumers": consumers, "groups": ["intval-updates"]})


class Old:
    """A 1.x client: sends without a word of ours, and reads what comes as text."""

    def __init__(self, visitor):
        self.visitor = visitor
        self.ends = itertools.count(1)

    async def send(self, action, *, stream="intval", **payload):
        await self.send_text(json.dumps({"stream": stream, "payload": {"action": action, **payload}}))

    async def send_text(self, text):
        await self.visitor.communicator.send_to(text_data=text)

    async def text(self):
        return await self.visitor.communicator.receive_from(10)

    async def payload(self):
        frame = json.loads(await self.text())
        assert list(frame) == ["stream", "payload"]
        assert list(frame["payload"]) == ["action", "pk", "data", "model"]
        return frame["payload"]

    async def heard(self):
        """Return the payloads up to that of a row made now: frames of a socket are sent in order."""
        name, heard = f"the end {next(self.ends)}", []
        await self.send("create", data={"name": name, "value": 100})
        while (payload := await self.payload())["data"] != {"name": name, "value": 100}:
            heard.append(payload)
        return heard

    async def heard_nothing(self):
        return await self.heard() == []


async def old(visit, demultiplexer):
    return Old(await visit(demultiplexer))


# ---- frames out, key for key


@pytest.mark.parametrize("demultiplexer", [example, example_of_the_reference])
async def test_changes_are_the_frames_of_1x_key_for_key(visit, demultiplexer):
    client = await old(visit, demultiplexer())

    value = await IntegerValue.objects.acreate(name="ä€😀", value=1)
    pk = value.pk
    created = await client.text()
    value.value = 2
    await value.asave()
    updated = await client.text()
    await value.adelete()
    deleted = await client.text()

    head, tail = '{"stream":"intval","payload":{"action":', '"model":"example.integervalue"}}'
    assert created == f'{head}"create","pk":{pk},"data":{{"name":"ä€😀","value":1}},{tail}'
    assert updated == f'{head}"update","pk":{pk},"data":{{"name":"ä€😀","value":2}},{tail}'
    assert deleted == f'{head}"delete","pk":{pk},"data":{{"name":"ä€😀","value":2}},{tail}'


async def test_a_route_with_arguments_reaches_connection_groups_that_take_them(visit):
    asked = []

    class Demultiplexer(example()):
        def connection_groups(self, **kwargs):
            asked.append(kwargs)
            return ["intval-updates"]

    client = Old(await visit(Demultiplexer, kwargs={"room": "7"}))

    assert asked == [{"room": "7"}]
    assert await client.heard_nothing()


async def test_a_route_with_arguments_does_not_hang_connection_groups_that_take_none(visit):
    client = Old(await visit(example_of_the_reference(), kwargs={"room": "7"}))

    assert await client.heard_nothing()


# ---- frames in


async def test_a_row_is_created_from_the_browser_without_an_answer(visit):
    client = await old(visit, example())

    await client.send("create", data={"name": "a", "value": 1})

    heard = await client.payload()
    value = await IntegerValue.objects.aget()
    assert heard == {
        "action": "create",
        "pk": value.pk,
        "data": {"name": "a", "value": 1},
        "model": "example.integervalue",
    }
    assert await client.heard_nothing()


async def test_a_part_of_a_row_is_updated_from_the_browser_without_an_answer(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, example())

    await client.send("update", pk=value.pk, data={"value": 8})

    assert (await client.payload())["data"] == {"name": "a", "value": 8}
    assert await client.heard_nothing()


async def test_a_row_is_deleted_from_the_browser_without_an_answer(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, example())

    await client.send("delete", pk=value.pk)

    assert (await client.payload())["action"] == "delete"
    assert not await IntegerValue.objects.aexists()
    assert await client.heard_nothing()


async def test_the_sender_hears_its_own_change_like_everybody_else(visit):
    Demultiplexer = example()
    sender, other = await old(visit, Demultiplexer), await old(visit, Demultiplexer)

    await sender.send("create", data={"name": "a", "value": 1})

    assert await sender.text() == await other.text()


async def test_keys_that_mean_nothing_are_passed_over(visit):
    client = await old(visit, example())

    await client.send_text(
        '{"stream": "intval", "reply_channel": "x", "payload": {"action": "create", "model": "auth.user", "more": [1],'
        ' "data": {"name": "a", "value": 1, "colour": "red"}}}'
    )

    assert (await client.payload())["data"] == {"name": "a", "value": 1}


async def test_a_key_beside_the_data_of_a_create_is_passed_over(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, example())

    await client.send("create", pk=value.pk, data={"name": "b", "value": 2})

    heard = await client.payload()
    assert heard["action"] == "create"
    assert heard["pk"] != value.pk
    assert await IntegerValue.objects.acount() == 2


@pytest.mark.parametrize("fields", [["name", "value"], ["id", "name", "value"], ["__all__"]])
@pytest.mark.parametrize("key", ["id", "pk"])
async def test_a_key_among_the_data_never_touches_another_row(visit, key, fields):
    one, two = [await IntegerValue.objects.acreate(name=name, value=1) for name in "ab"]
    client = await old(visit, binding(fields=fields))

    await client.send("update", pk=one.pk, data={key: two.pk, "value": 5})
    assert (await client.payload())["pk"] == one.pk
    await client.send("create", data={key: two.pk, "name": "c", "value": 6})
    assert (await client.payload())["pk"] not in (one.pk, two.pk)

    rows = {v.pk: (v.name, v.value) async for v in IntegerValue.objects.all()}
    assert rows[one.pk], rows[two.pk] == (("a", 5), ("b", 1))
    assert len(rows) == 3


@pytest.mark.parametrize("fields", [["value"]])
async def test_what_is_not_listed_is_not_written(visit, fields):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, binding(fields=fields))

    await client.send("update", pk=value.pk, data={"name": "b", "value": 2})

    assert (await client.payload())["data"] == {"value": 2}
    assert (await IntegerValue.objects.aget()).name == "a"


# ---- what fails, fails in silence


async def test_a_denied_write_is_silent_and_changes_nothing(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)

    def has_permission(self, user, action, pk):
        return action == "create" and self.data["name"] == "the end 1"

    client = await old(visit, binding(has_permission=has_permission))

    await client.send("create", data={"name": "b", "value": 2})
    await client.send("update", pk=value.pk, data={"value": 2})
    await client.send("delete", pk=value.pk)

    assert await client.heard_nothing()
    assert {(v.name, v.value) async for v in IntegerValue.objects.all()} == {("a", 1), ("the end 1", 100)}


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "null",
        '{"stream": "intval"}',
        '{"payload": {"action": "create"}}',
        '{"stream": "intval", "payload": {}}',
        '{"stream": "intval", "payload": {"action": 7}}',
        '{"stream": "intval", "payload": {"action": "create"}}',
        '{"stream": "intval", "payload": {"action": "create", "data": "text"}}',
        '{"stream": "intval", "payload": {"action": "create", "data": {"name": {}, "value": 1}}}',
        '{"stream": "intval", "payload": {"action": "create", "data": {"name": "a", "value": "much"}}}',
        '{"stream": "intval", "payload": {"action": "create", "data": {"name": "a", "value": NaN}}}',
        '{"stream": "intval", "payload": {"action": "update", "pk": 12345, "data": {"value": 1}}}',
        '{"stream": "intval", "payload": {"action": "update", "pk": {"a": 1}, "data": {"value": 1}}}',
        '{"stream": "intval", "payload": {"action": "update", "pk": "x", "data": {"value": 1}}}',
        '{"stream": "intval", "payload": {"action": "update", "data": {"value": 1}}}',
        '{"stream": "intval", "payload": {"action": "delete", "pk": 12345}}',
        '{"stream": "intval", "payload": {"action": "delete", "pk": 123456789012345678901234567890}}',
        '{"stream": "intval", "payload": {"action": "dance"}}',
        '{"stream": "nowhere", "payload": {"action": "create", "data": {}}}',
    ],
)
async def test_a_message_that_fails_is_silent_and_does_not_poison_the_connection(visit, text):
    client = await old(visit, example())

    await client.send_text(text)

    assert await client.heard_nothing()
    assert await IntegerValue.objects.acount() == 1


async def test_a_hook_that_fails_is_silent_and_does_not_poison_the_connection(visit):
    def create(self, data):
        if data["name"] == "the end 1":
            return WebsocketBinding.create(self, data)
        raise {"refused": PermissionDenied, "broken": ZeroDivisionError}[data["name"]]

    client = await old(visit, binding(create=create))

    await client.send("create", data={"name": "refused", "value": 1})
    await client.send("create", data={"name": "broken", "value": 1})

    assert await client.heard_nothing()


async def test_a_binary_frame_is_silent(visit):
    client = await old(visit, example())

    await client.visitor.communicator.send_to(bytes_data=b"\0\1")

    assert await client.heard_nothing()


async def test_a_batch_and_errors_bring_no_new_word(visit):
    client = await old(visit, example())

    await client.send("update", pk=12345, data={})
    await db(lambda: IntegerValue.objects.bulk_create(IntegerValue(name=str(n), value=n) for n in range(100)))
    created = [await client.text() for _ in range(100)]
    await db(lambda: IntegerValue.objects.update(value=1))
    updated = [await client.text() for _ in range(100)]
    await db(lambda: IntegerValue.objects.all().delete())
    deleted = [await client.text() for _ in range(100)]

    assert not [word for word in NEW_WORDS for text in created + updated + deleted if f'"{word}"' in text]
    assert await client.heard_nothing()


async def test_more_changes_than_can_be_told_send_the_client_to_come_back(visit, settings):
    settings.CHANNELS_DATABINDING = {"reset_above": 2}
    client = await old(visit, example())

    elsewhere("INSERT INTO example_integervalue (name, value) VALUES ('a', 1), ('b', 1), ('c', 1)")
    closed = await client.visitor.communicator.receive_output(10)

    assert closed["type"] == "websocket.close"
    assert closed["code"] == 4503  # it reconnects by itself


# ---- the rest of the 1.x surface


async def test_no_groups_are_silence(visit):
    def group_names(self, instance):
        return [] if instance.name == "secret" else ["intval-updates"]

    client = await old(visit, binding(group_names=group_names))

    await IntegerValue.objects.acreate(name="secret", value=1)

    assert await client.heard_nothing()


async def test_a_group_as_a_string_is_one_group(visit):
    client = await old(visit, binding(group_names=lambda self, instance: "intval-updates"))

    await IntegerValue.objects.acreate(name="a", value=1)

    assert (await client.payload())["action"] == "create"


@pytest.mark.parametrize("action", ["create", "update", "delete"])
async def test_an_empty_payload_suppresses_the_frame(visit, action):
    def serialize(self, instance, what):
        return (
            {}
            if what == action and "the end" not in instance.name
            else WebsocketBinding.serialize(self, instance, what)
        )

    client = await old(visit, binding(serialize=serialize))

    value = await IntegerValue.objects.acreate(name="a", value=1)
    heard = await client.heard()
    value.value = 2
    await value.asave()
    heard += await client.heard()
    await value.adelete()
    heard += await client.heard()

    assert [payload["action"] for payload in heard] == [w for w in ("create", "update", "delete") if w != action]


async def test_serialize_data_shapes_the_data(visit):
    def serialize_data(self, instance):
        return {"name": instance.name.upper(), "value": instance.value * 10}

    client = await old(visit, binding(serialize_data=serialize_data))

    await IntegerValue.objects.acreate(name="a", value=1)

    assert (await client.payload())["data"] == {"name": "A", "value": 10}


async def test_deserialize_reads_the_payload(visit):
    def deserialize(self, payload):
        return payload["action"], payload.get("id"), payload.get("values", payload.get("data"))

    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, binding(deserialize=deserialize))

    await client.send("update", id=value.pk, values={"value": 3})

    assert (await client.payload())["data"] == {"name": "a", "value": 3}


async def test_an_action_that_deserialize_makes_up_deletes_nothing(visit):
    def deserialize(self, payload):
        action, pk, data = WebsocketBinding.deserialize(self, payload)
        return action.upper() if action == "update" else action, pk, data

    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, binding(deserialize=deserialize))

    await client.send("update", pk=value.pk, data={"value": 3})

    assert await client.heard_nothing()
    assert await IntegerValue.objects.filter(name="a", value=1).aexists()


async def test_create_update_and_delete_can_be_replaced(visit):
    def create(self, data):
        return IntegerValue.objects.create(name=data["name"] + "!", value=data["value"])

    def update(self, pk, data):
        IntegerValue.objects.filter(pk=pk).update(value=data["value"] + 1)

    def delete(self, pk):
        IntegerValue.objects.filter(pk=pk).update(name="gone")

    client = await old(visit, binding(create=create, update=update, delete=delete))

    await client.send("create", data={"name": "a", "value": 1})
    made = await client.payload()
    await client.send("update", pk=made["pk"], data={"value": 5})
    updated = await client.payload()
    await client.send("delete", pk=made["pk"])
    deleted = await client.payload()

    assert made["data"] == {"name": "a!", "value": 1}
    assert updated["data"] == {"name": "a!", "value": 6}
    assert deleted["action"] == "update"
    assert deleted["data"] == {"name": "gone", "value": 6}


async def test_the_instance_knows_who_does_what_to_which_row(visit):
    knew = []

    def has_permission(self, user, action, pk):
        knew.append((self.user is user, self.action, self.pk, self.data))
        return True

    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, binding(has_permission=has_permission))

    await client.send("create", data={"name": "b", "value": 1})
    await client.payload()
    await client.send("update", pk=value.pk, data={"value": 2})
    await client.payload()
    await client.send("delete", pk=value.pk)
    await client.payload()

    assert knew == [
        (True, "create", None, {"name": "b", "value": 1}),
        (True, "update", value.pk, {"value": 2}),
        (True, "delete", value.pk, None),
    ]


async def test_a_model_by_its_name_is_the_model(visit):
    client = await old(visit, binding(model="example.IntegerValue"))

    await IntegerValue.objects.acreate(name="a", value=1)

    assert (await client.payload())["model"] == "example.integervalue"


async def test_excluded_fields_are_neither_sent_nor_written(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    client = await old(visit, binding(fields=None, exclude=["name"]))

    await client.send("update", pk=value.pk, data={"name": "b", "value": 2})

    assert (await client.payload())["data"] == {"value": 2}
    assert (await IntegerValue.objects.aget()).name == "a"


async def test_abstract_and_inherited_bindings_work(visit):
    class Everybody(WebsocketBinding):
        model = None

        def group_names(self, instance):
            return ["intval-updates"]

        def has_permission(self, user, action, pk):
            return True

    class Names(Everybody):
        model = IntegerValue
        stream = "intval"
        fields = ["name"]

    class Values(Names):
        stream = "values"
        fields = ["value"]

    visitor = await visit(serve(Names, Values))

    await IntegerValue.objects.acreate(name="a", value=1)

    heard = [json.loads(await visitor.communicator.receive_from(10)) for _ in range(2)]
    assert {frame["stream"]: frame["payload"]["data"] for frame in heard} == {
        "intval": {"name": "a"},
        "values": {"value": 1},
    }


async def test_a_group_names_from_a_mixin_needs_no_decorator(visit):
    class ForEverybody:
        def group_names(self, instance):
            return ["intval-updates"]

    class IntegerValueBinding(ForEverybody, WebsocketBinding):
        model = IntegerValue
        stream = "intval"
        fields = ["name", "value"]

        def has_permission(self, user, action, pk):
            return True

    client = await old(visit, serve(IntegerValueBinding))

    assert await client.heard_nothing()


async def test_several_streams_share_a_socket(visit):
    class BlogBinding(WebsocketBinding):
        model = Blog
        stream = "blogs"
        fields = ["slug"]

        def group_names(self, instance):
            return ["intval-updates"]

        def has_permission(self, user, action, pk):
            return True

    class Demultiplexer(example()):
        pass

    Demultiplexer.consumers = {**Demultiplexer.consumers, "blogs": BlogBinding.consumer}
    client = await old(visit, Demultiplexer)

    await client.send("create", stream="blogs", data={"slug": "red"})
    heard = json.loads(await client.text())

    assert heard["stream"] == "blogs"
    assert heard["payload"]["data"] == {"slug": "red"}
    assert await client.heard_nothing()


async def test_a_client_in_two_of_a_rows_groups_hears_a_change_once(visit):
    Demultiplexer = binding(group_names=lambda self, instance: ["intval-updates", "others"])
    Demultiplexer.groups = ["intval-updates", "others"]
    client = await old(visit, Demultiplexer)

    await IntegerValue.objects.acreate(name="a", value=1)

    assert (await client.payload())["action"] == "create"
    assert await client.heard_nothing()
