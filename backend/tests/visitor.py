"""A browser in a test: speaks frames, keeps nothing."""

import asyncio
import contextlib
import itertools

import orjson
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser


class Visitor:
    """One socket to a demultiplexer. Its frames have refs of their own: r1, r2, …, no two alike in a run."""

    refs = (f"r{n}" for n in itertools.count(1))

    def __init__(self, demultiplexer, user=None, *, path="/", kwargs=None, hub=None, session=None, client=None):
        app = demultiplexer.as_asgi(hub=hub)
        self.communicator = WebsocketCommunicator(app, path)
        self.communicator.scope |= {"user": user or AnonymousUser(), "url_route": {"kwargs": kwargs or {}}}
        if client is not None:
            self.communicator.scope["client"] = client
        if session is not None:
            self.communicator.scope["session"] = session
        self.left = False

    async def connect(self):
        self.accepted, _ = await self.communicator.connect(timeout=10)

    async def leave(self):
        if not self.left:
            self.left = True
            with contextlib.suppress(asyncio.CancelledError):  # after a time-out asgiref has cancelled it
                await self.communicator.disconnect()

    async def say(self, stream, payload, **envelope):
        """Send a frame; with a ref of its own unless `ref=None`. Returns the ref."""
        ref = envelope.pop("ref", "new")
        if ref == "new":
            ref = next(Visitor.refs)
        if ref is not None:
            envelope["ref"] = ref
        await self.communicator.send_to(
            text_data=orjson.dumps({"stream": stream, **envelope, "payload": payload}).decode()
        )
        return ref

    async def hear(self):
        """Return the next frame. The server's pings are answered and passed over."""
        while True:
            frame = orjson.loads(await self.communicator.receive_from(10))
            if frame["stream"] == "" and frame["payload"]["action"] == "ping":
                await self.say("", {"action": "ack"}, ref=frame["ref"])
                continue
            return frame

    async def hear_until(self, ref):
        """Return all frames up to and with the answer to `ref`."""
        frames = []
        while not frames or frames[-1].get("ref") != ref:
            frames.append(await self.hear())
        return frames

    async def ask(self, stream, payload, **envelope):
        """Send a frame and return (the frames before its answer, the answer)."""
        *before, answer = await self.hear_until(await self.say(stream, payload, **envelope))
        return before, answer

    async def subscribe(self, stream, since=None, **params):
        """Return (frames, ack) of a subscribe."""
        payload = {"action": "subscribe", **({"since": since} if since else {})}
        return await self.ask(stream, payload, **({"params": params} if params else {}))

    async def hears_nothing(self):
        """Whether nothing was sent that is not read yet: all up to a ping's answer."""
        before, _ = await self.ask("", {"action": "ping"})
        return before == []


async def closing(visitor):
    """Return the code a socket is closed with, whatever it is sent before."""
    while True:
        event = await visitor.communicator.receive_output(10)
        if event["type"] == "websocket.close":
            visitor.left = True
            return event["code"]
