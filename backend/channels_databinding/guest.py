"""… → outbox → **guest** → demultiplexer

A consumer of the user's own on one stream of a socket. To it, the stream is a WebSocket of its own: any Channels
consumer that speaks JSON.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import orjson

from .log import logger
from .outbox import Outbox
from .protocol import encode, frame

Event = Mapping[str, Any]

LEAVE_S: Final = 5.0  # to do what it has to when the socket is closed
WAITING: Final = 1_000  # payloads not yet taken; past it the socket is closed: 4413


class Guest:
    """One that fails is begun anew with the next payload; nobody else on the socket notices. One that closes is
    over."""

    def __init__(self, stream: str, consumer: Any, scope: Mapping[str, Any], outbox: Outbox) -> None:
        self._stream, self._scope, self._outbox = stream, scope, outbox
        self._app = consumer.as_asgi() if hasattr(consumer, "as_asgi") else consumer
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._closed = False
        self._running = asyncio.create_task(self._run())

    def take(self, payload: Mapping[str, Any]) -> bool:
        """Hand it a payload. Returns whether there was room for it."""
        if not self._closed:
            self._events.put_nowait({"type": "websocket.receive", "text": encode(payload).decode()})
        return self._events.qsize() <= WAITING

    async def leave(self, code: int) -> None:
        """Tell it that the socket is closed, and wait until it is done."""
        self._closed = True
        self._events.put_nowait({"type": "websocket.disconnect", "code": code})
        await asyncio.wait([self._running], timeout=LEAVE_S)
        self._running.cancel()

    async def _run(self) -> None:
        first: list[Event] = [{"type": "websocket.connect"}]
        while True:
            try:
                await self._app(dict(self._scope), partial(self._receive, first), self._send)
            except Exception:
                logger.exception("stream %r: its consumer failed", self._stream)
            if self._closed:
                return
            first = [{"type": "websocket.connect"}, await self._events.get()]

    async def _receive(self, first: list[Event]) -> Event:
        return first.pop(0) if first else await self._events.get()

    async def _send(self, event: Event) -> None:
        if event["type"] == "websocket.send" and event.get("text") is not None:
            self._outbox.hand(frame(self._stream, orjson.loads(event["text"])))
        elif event["type"] == "websocket.close":
            self._closed = True
