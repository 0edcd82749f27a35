"""What one socket is sent: at once where it reads, bounded where it does not."""

import asyncio

import orjson
import pytest

from channels_databinding import outbox as module
from channels_databinding.outbox import Outbox
from channels_databinding.protocol import Close


class Wire:
    """ASGI's `send`: takes frames while `reading`, else waits as uvicorn does."""

    def __init__(self):
        self.events = []
        self.reading = asyncio.Event()
        self.reading.set()

    async def __call__(self, event):
        if not self.reading.is_set():
            await self.reading.wait()
        self.events.append(event)

    @property
    def texts(self):
        return [event["text"] for event in self.events if event["type"] == "websocket.send"]

    @property
    def code(self):
        return next((event["code"] for event in self.events if event["type"] == "websocket.close"), None)

    def pings(self):
        return [orjson.loads(text)["ref"] for text in self.texts if len(text) < 100 and '"ping"' in text]


@pytest.fixture
def wire():
    return Wire()


async def opened(wire):
    outbox = Outbox(wire)
    await outbox.accept()
    wire.events.clear()
    return outbox


async def until(true):
    while not true():  # noqa: ASYNC110  (what is waited for has no event of its own)
        await asyncio.sleep(0)


async def test_a_frame_is_sent_before_hand_returns(wire):
    outbox = await opened(wire)

    outbox.hand("a")

    assert wire.texts == ["a"]


async def test_frames_behind_one_that_waits_keep_their_order(wire):
    outbox = await opened(wire)
    wire.reading.clear()

    for text in "abc":
        outbox.hand(text)
    assert wire.texts == []
    wire.reading.set()
    await until(lambda: len(wire.texts) == 3)
    outbox.hand("d")

    assert wire.texts == ["a", "b", "c", "d"]


async def test_a_socket_that_does_not_take_frames_is_closed_at_its_bound(wire):
    outbox = await opened(wire)
    wire.reading.clear()

    for _ in range(6):
        outbox.hand("x" * (1 << 20))
    assert outbox.closed
    wire.reading.set()
    await until(lambda: wire.code)

    assert wire.code == 4408
    assert len(wire.texts) <= 1


async def test_a_socket_that_takes_frames_and_answers_no_ping_is_closed_at_its_bound(wire):
    outbox = await opened(wire)
    outbox.subscribed = True

    for _ in range(6):
        outbox.hand("x" * (1 << 20))

    assert wire.code == 4408
    assert sum(map(len, wire.texts)) < 6 << 20


async def test_a_socket_that_answers_its_pings_is_sent_any_amount(wire):
    outbox = await opened(wire)
    outbox.subscribed = True

    for _ in range(100):
        outbox.hand("x" * (1 << 20))
        outbox.answered(wire.pings()[-1])

    assert wire.code is None


async def test_a_ping_is_asked_after_every_64_frames(wire):
    outbox = await opened(wire)
    outbox.subscribed = True

    for _ in range(128):
        outbox.hand("x")

    assert len(wire.pings()) == 2


async def test_a_socket_that_never_subscribed_is_not_asked(wire):
    outbox = await opened(wire)

    for _ in range(1_000):
        outbox.hand("x" * 10_000)

    assert wire.pings() == []
    assert wire.code is None


async def test_a_ping_that_stays_unanswered_closes(wire):
    outbox = await opened(wire)
    outbox.subscribed = True
    for _ in range(64):
        outbox.hand("x")

    outbox.look(now=1e12)

    assert wire.code == 4408


async def test_a_large_snapshot_waits_for_room(wire):
    outbox = await opened(wire)
    outbox.subscribed = True

    async def send_snapshot():
        for _ in range(20):
            await outbox.room()
            outbox.hand("x" * (1 << 19))

    sending = asyncio.create_task(send_snapshot())
    answered = 0
    while not sending.done():
        await asyncio.sleep(0)
        assert outbox.on_the_way <= module.MOST
        for ref in wire.pings()[answered:]:
            outbox.answered(ref)
            answered += 1

    assert len(wire.texts) - answered == 20
    assert wire.code is None


async def test_nobody_waits_for_room_at_a_socket_that_is_gone(wire):
    outbox = await opened(wire)
    outbox.subscribed = True
    for _ in range(3):
        outbox.hand("x" * (1 << 20))
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)

    outbox.drop()

    await asyncio.wait_for(waiting, 5)


async def test_a_socket_that_fails_is_sent_no_more():
    asked = []

    async def send(event):
        asked.append(event["type"])
        if event["type"] != "websocket.accept":
            raise OSError("gone")

    outbox = Outbox(send)
    await outbox.accept()

    outbox.hand("a")
    outbox.hand("b")

    assert outbox.closed
    assert asked == ["websocket.accept", "websocket.send", "websocket.close"]  # it ends, in case it was not gone


async def test_a_close_code_is_a_bare_int(wire):
    """daphne refuses what only behaves like one, and then the socket stays open and is told nothing for ever."""
    outbox = await opened(wire)

    outbox.close(Close.RESET)

    assert type(wire.code) is int


async def test_what_is_handed_on_before_the_socket_is_accepted_follows_then(wire):
    outbox = Outbox(wire)

    outbox.hand("a")
    outbox.hand("b")
    assert wire.events == []
    await outbox.accept()
    outbox.hand("c")

    assert [event["type"] for event in wire.events][:2] == ["websocket.accept", "websocket.send"]
    assert wire.texts == ["a", "b", "c"]


async def test_a_socket_that_is_closed_before_it_is_accepted_is_told_why(wire):
    outbox = Outbox(wire)

    outbox.hand("a")
    outbox.close(Close.RESET)
    await outbox.accept()

    assert [event["type"] for event in wire.events] == ["websocket.accept", "websocket.close"]
    assert wire.code == 4503
