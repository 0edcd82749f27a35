"""Readers on the bytes of a server that really runs: they can stop reading, which no library lets them."""

import asyncio
import socket

import orjson

import process
from process import Server

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
PATIENCE_S = 30


def serve(database, log, kind="daphne"):
    """Serve the example's posts from a database, in a process of its own."""
    return Server("example.asgi:application", environment(database), log, kind).running()


def environment(database):
    return process.environment(database, "settings", ALLOWED_HOSTS="127.0.0.1")


class Reader(asyncio.Protocol):
    """Somebody who is subscribed to the posts of one blog, and again when told to. `rows` is {pk: body}; `gone` is the
    close code, None without one. `heard(body)` is called for each change."""

    path, stream, shown = "/ws/posts/", "posts", "body"

    @classmethod
    async def come(cls, port, blog, *, before=None, buffer=None, heard=None):
        """Connect and subscribe: as who comes back, if there was one `before`; with a kernel that takes in some
        `buffer` bytes for who does not read."""
        sock = socket.socket()
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", port))
        _, reader = await loop.create_connection(lambda: cls(blog, before, heard), sock=sock)
        await reader._ready
        return reader

    def __init__(self, blog, before, heard):
        self._blog = blog
        self.rows = dict(before.rows) if before else {}
        self.cursor = before.cursor if before else None
        self.told = []  # actions
        loop = asyncio.get_running_loop()
        self.gone, self._ready = loop.create_future(), loop.create_future()
        self._heard, self._data, self._is_open, self._code = heard, bytearray(), False, None
        self._news = asyncio.Event()

    def stop(self):
        """Read no more."""
        self._transport.pause_reading()

    def go_on(self):
        self._transport.resume_reading()

    def leave(self):
        self._transport.abort()

    async def until(self, is_so):
        """Read until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    # ---- asyncio calls

    def connection_made(self, transport):
        self._transport = transport
        transport.write(
            b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            % self.path.encode()
        )

    def data_received(self, data):
        self._data += data
        if not self._is_open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            assert b" 101 " in head, head
            self._is_open, self._data = True, rest
            self._subscribe()
        while (frame := self._next()) is not None:
            self._take(*frame)

    def connection_lost(self, error):
        if not self.gone.done():  # who waited has given up
            self.gone.set_result(self._code)
        if not self._ready.done():
            self._ready.set_exception(error or ConnectionError(f"closed with {self._code}"))

    # ---- frames: RFC 6455, section 5.2

    def _next(self):
        """Return (opcode, payload) of the next frame, None if it is not all there."""
        data = self._data
        if len(data) < 2:
            return None
        length, head = data[1] & 0x7F, 2
        if length > 125:
            head += 2 if length == 126 else 8
            length = int.from_bytes(data[2:head])
        if len(data) < head + length:
            return None
        opcode, payload = data[0] & 0x0F, bytes(data[head : head + length])
        del data[: head + length]
        return opcode, payload

    def _send(self, opcode, payload):
        assert len(payload) < 1 << 16
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
        self._transport.write(bytes([0x80 | opcode]) + length + bytes(4) + payload)  # masked with zeros

    def _say(self, stream, payload, ref, **envelope):
        self._send(TEXT, orjson.dumps({"stream": stream, "ref": ref, **envelope, "payload": payload}))

    def _subscribe(self):
        since = {"since": self.cursor} if self.cursor else {}
        params = {} if self._blog is None else {"params": {"liveblog": self._blog}}
        self._say(self.stream, {"action": "subscribe", **since}, "s1", **params)

    def _take(self, opcode, payload):
        if opcode == TEXT:
            self._hear(orjson.loads(payload))
        elif opcode == CLOSE:
            self._code = int.from_bytes(payload[:2])
            self._send(CLOSE, payload[:2])
            self._transport.close()
        elif opcode == PING:
            self._send(PONG, payload)

    def _hear(self, frame):
        self.cursor = frame.get("cursor", self.cursor)
        self.told.append(frame["payload"]["action"])
        self._news.set()
        match frame["payload"]:
            case {"action": "ping"}:
                self._say("", {"action": "ack"}, frame["ref"])
            case {"action": "ack"}:
                if not self._ready.done():
                    self._ready.set_result(None)
            case {"action": "reset"}:
                self.cursor = None
                self._subscribe()
            case {"action": "snapshot", "rows": rows} as part:
                if part.get("first"):
                    self.rows = {}
                self.rows |= {row["pk"]: row["data"][self.shown] for row in rows}
            case {"action": "changes", "changes": changes}:
                for change in changes:
                    self._change(**change)
            case change:
                self._change(**change)

    def _change(self, action, pk, data, **more):
        assert action in ("create", "update", "delete"), action
        if action == "delete":
            self.rows.pop(pk, None)
            return
        self.rows[pk] = data[self.shown]
        if self._heard is not None:
            self._heard(data[self.shown])
