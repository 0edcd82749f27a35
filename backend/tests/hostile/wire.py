"""**wire** → frames → …

A WebSocket client that keeps to the rules only where it is told to: bytes in, bytes out.
"""

import asyncio
import os
import struct
from base64 import b64encode
from contextlib import suppress

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

SHAKE_S = 5  # uvicorn leaves some handshakes without an answer, and the connection open


def pack(opcode, payload, *, fin=True, reserved=0, masked=True, length=None):
    """Return one frame. Its mask is all zeros: legal, and the payload stays as it is."""
    length = len(payload) if length is None else length
    first, mask = (fin << 7) | (reserved << 4) | opcode, masked << 7
    if length < 126:
        head = struct.pack("!BB", first, mask | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, mask | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask | 127, length)
    return head + (b"\0\0\0\0" if masked else b"") + payload


def request(cookie=None, *, path="/ws/", origin="http://localhost", headers=()):
    """Return the bytes of a handshake."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        *([f"Origin: {origin}"] if origin is not None else []),
        *([f"Cookie: sessionid={cookie}"] if cookie else []),
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Wire:
    """One TCP connection. `status` is the HTTP status of the handshake, `code` the close code once it is closed; None
    if the server just hung up."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer
        self.status = self.code = None

    @classmethod
    async def dial(cls, port, **options):
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 26, **options))

    @classmethod
    async def open(cls, port, cookie=None, **options):
        wire = await cls.dial(port)
        await wire.shake(request(cookie, **options))
        return wire

    async def shake(self, handshake):
        """Ask to be let in. Returns the HTTP status, None if there was no answer."""
        await self.send(handshake)
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            answer = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), SHAKE_S)
            self.status = int(answer.split(b" ", 2)[1])
        return self.status

    async def send(self, data):
        """Send bytes. Whether anybody took them is told by what is heard."""
        with suppress(OSError):
            if not self._writer.is_closing():
                self._writer.write(data)
            await self._writer.drain()

    async def say(self, text):
        await self.send(pack(BINARY, text) if isinstance(text, bytes) else pack(TEXT, text.encode()))

    async def hear(self):
        """Return the next text, None at the end. Pings of the protocol are answered."""
        parts = []
        while True:
            try:
                first, length = await self._reader.readexactly(2)
                if length >= 126:
                    size, kind = (2, "!H") if length == 126 else (8, "!Q")
                    (length,) = struct.unpack(kind, await self._reader.readexactly(size))
                payload = await self._reader.readexactly(length)
            except (OSError, asyncio.IncompleteReadError):
                return None
            opcode = first & 0xF
            if opcode == PING:
                await self.send(pack(PONG, payload))
            elif opcode == CLOSE:
                self.code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                return None
            elif opcode in (TEXT, CONTINUATION):
                parts.append(payload)
                if first & 0x80:
                    return b"".join(parts).decode()

    def stop_reading(self):
        self._writer.transport.pause_reading()

    def hang_up(self):
        """End it without a word."""
        self._writer.transport.abort()
