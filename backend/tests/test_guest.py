"""A JSON consumer of one's own beside bindings: its stream is a socket of its own, and its faults are its own."""

import asyncio
import json

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer, WebsocketConsumer

from channels_databinding import guest
from example.models import IntegerValue
from test_channels1_example import Old, example


class Echo(AsyncJsonWebsocketConsumer):
    """Says back what it is told; "fail" makes it fail, "close" makes it leave."""

    async def receive_json(self, content, **kwargs):
        if content.get("say") == "fail":
            raise ZeroDivisionError
        if content.get("say") == "close":
            await self.close()
        await self.send_json({"echo": content})


class SyncEcho(JsonWebsocketConsumer):
    def receive_json(self, content, **kwargs):
        self.send_json({"echo": content})


def beside(consumer):
    """Return the example's demultiplexer with this consumer on the stream "own"."""
    base = example()
    return type("Demultiplexer", (base,), {"consumers": {**base.consumers, "own": consumer}})


async def say(client, **payload):
    await client.send_text(json.dumps({"stream": "own", "payload": payload}))


@pytest.mark.parametrize("consumer", [Echo, SyncEcho, Echo.as_asgi()], ids=["async", "sync", "as_asgi"])
async def test_its_payloads_reach_it_and_what_it_sends_goes_out_on_its_stream(visit, consumer):
    client = Old(await visit(beside(consumer)))

    await say(client, say="hello", more=[1, None])

    assert await client.text() == '{"stream":"own","payload":{"echo":{"say":"hello","more":[1,null]}}}'


async def test_bindings_beside_it_work_as_ever(visit):
    client = Old(await visit(beside(Echo)))

    await client.send("create", data={"name": "a", "value": 1})

    assert (await client.payload())["data"] == {"name": "a", "value": 1}
    assert await IntegerValue.objects.aexists()


async def test_it_knows_who_is_there_and_hears_of_coming_and_going(visit):
    knew = []

    class Door(AsyncJsonWebsocketConsumer):
        async def connect(self):
            knew.append((self.scope["user"].is_anonymous, self.scope["url_route"]["kwargs"]))
            await self.accept()
            await self.send_json({"hello": True})

        async def disconnect(self, code):
            knew.append(code)

    visitor = await visit(beside(Door), kwargs={"room": "7"})
    assert await visitor.hear() == {"stream": "own", "payload": {"hello": True}}
    await visitor.leave()

    assert knew == [(True, {"room": "7"}), 1000]


async def test_its_failure_closes_nobody_and_the_next_payload_finds_it_anew(visit, caplog):
    client = Old(await visit(beside(Echo)))

    await say(client, say="fail")
    assert await client.heard_nothing()
    await say(client, say="again")

    assert json.loads(await client.text())["payload"] == {"echo": {"say": "again"}}
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "stream 'own': its consumer failed"
    ]


async def test_payloads_that_wait_behind_a_failure_are_not_lost(visit):
    client = Old(await visit(beside(Echo)))

    for word in ("fail", "fail", "one", "fail", "two"):
        await say(client, say=word)
    heard = [json.loads(await client.text())["payload"]["echo"]["say"] for _ in range(2)]

    assert heard == ["one", "two"]


async def test_one_that_cannot_even_begin_troubles_nobody(visit, caplog):
    class Broken(AsyncJsonWebsocketConsumer):
        async def connect(self):
            raise ZeroDivisionError

    client = Old(await visit(beside(Broken)))

    await say(client, say="hello")

    assert await client.heard_nothing()


async def test_what_is_not_json_is_not_sent(visit, caplog):
    class Babble(WebsocketConsumer):
        def receive(self, text_data=None, bytes_data=None):
            self.send(text_data="not JSON")

    client = Old(await visit(beside(Babble)))

    await say(client, say="hello")
    await client.send("create", data={"name": "a", "value": 1})

    assert (await client.payload())["data"] == {"name": "a", "value": 1}


async def test_one_that_closes_is_over_and_the_others_stay(visit):
    client = Old(await visit(beside(Echo)))

    await say(client, say="close")
    assert json.loads(await client.text())["payload"] == {"echo": {"say": "close"}}
    await say(client, say="hello")

    assert await client.heard_nothing()


async def test_a_payload_with_a_ref_is_acknowledged(visit):
    visitor = await visit(beside(Echo))

    ref = await visitor.say("own", {"say": "hello"})
    frames = [await visitor.hear(), await visitor.hear()]

    assert {"stream": "own", "ref": ref, "payload": {"action": "ack"}} in frames


async def test_one_that_takes_nothing_closes_a_flood_and_keeps_nobody_waiting_for_ever(visit, monkeypatch):
    class Stuck(AsyncJsonWebsocketConsumer):
        async def receive_json(self, content, **kwargs):
            await asyncio.Event().wait()

    monkeypatch.setattr(guest, "WAITING", 5)
    monkeypatch.setattr(guest, "LEAVE_S", 0.01)
    client = Old(await visit(beside(Stuck)))

    for n in range(10):
        await say(client, n=n)

    assert (await client.visitor.communicator.receive_output(10)) == {"type": "websocket.close", "code": 4413}
