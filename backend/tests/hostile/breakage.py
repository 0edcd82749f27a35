"""frames → **breakage** → attack

What breaks the rules below the frames: of WebSocket, of HTTP, of manners. Each is a function of (port, cookie, random)
that returns how it ended.
"""

import asyncio
import struct

from .wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, pack, request

PATIENCE_S = 20
HELLO = b'{"stream":"","ref":"hello","payload":{"action":"ping"}}'
SUBSCRIBE = b'{"stream":"people","ref":"s","payload":{"action":"subscribe"}}'

# The code that RFC 6455 wants; None: nothing is wrong for the server; ANY: it depends on what the server takes at most.
ANY = object()
BROKEN = {
    "unmasked": (pack(TEXT, b"{}", masked=False), 1002),
    "reserved bit": (pack(TEXT, b"{}", reserved=4), 1002),
    "reserved opcode": (pack(0x3, b"{}"), 1002),
    "reserved control opcode": (pack(0xB, b""), 1002),
    "ping of 126 bytes": (pack(PING, b"x" * 126), 1002),
    "fragmented ping": (pack(PING, b"x", fin=False), 1002),
    "not UTF-8": (pack(TEXT, b'"\xff\xfe"'), 1007),
    "half a surrogate pair in UTF-8": (pack(TEXT, b'"\xed\xa0\x80"'), 1007),
    "half a character": (pack(TEXT, b'"\xf0\x9f"'), 1007),
    "continuation of nothing": (pack(CONTINUATION, b"{}"), 1002),
    "a text within another": (pack(TEXT, b"{", fin=False) + pack(TEXT, b"}"), 1002),
    "half a close code": (pack(CLOSE, b"\x03"), 1002),
    "forbidden close code": (pack(CLOSE, struct.pack("!H", 1005)), 1002),
    "close reason that is not UTF-8": (pack(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
    "length of 2⁶³": (pack(TEXT, b"", length=1 << 63), ANY),
    "HTTP again": (b"GET /ws/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 1002),
    "zeros": (b"\0" * 1_000, 1002),
    "unasked pong": (pack(PONG, b"x") * 20, None),
    "fragments of one byte": (
        b"".join(pack(TEXT if n == 0 else CONTINUATION, bytes([byte]), fin=False) for n, byte in enumerate(HELLO))
        + pack(CONTINUATION, b""),
        None,
    ),
    "fragments without content": (
        pack(TEXT, b"", fin=False) + pack(CONTINUATION, b"", fin=False) * 2_000 + pack(CONTINUATION, b""),
        None,
    ),
    "pings between fragments": (pack(TEXT, b"{", fin=False) + pack(PING, b"") * 50 + pack(CONTINUATION, b"}"), None),
    "binary": (pack(BINARY, HELLO), None),
    "a frame of 2 MB": (pack(TEXT, b" " * (2 << 20)), ANY),
    "2 MB in fragments": (
        pack(TEXT, b"", fin=False) + pack(CONTINUATION, b" " * (1 << 16), fin=False) * 32 + pack(CONTINUATION, b""),
        ANY,
    ),
}

HANDSHAKES = {
    "foreign origin": ({"origin": "https://evil.example"}, 403),
    "origin null": ({"origin": "null"}, 403),
    "no origin": ({"origin": None}, 403),
    "origin with our name in it": ({"origin": "https://localhost.evil.example"}, 403),
    "origin that is no URL": ({"origin": "http://[::1"}, None),
    "another path": ({"path": "/ws/nowhere/"}, None),
    "a path that is none": ({"path": "/ws/%00%ff/../"}, None),
    "a long path": ({"path": "/ws/" + "a" * 10_000}, None),
    "a query": ({"path": "/ws/?" + "a=1&" * 1_000}, None),
    "a strange cookie": ({"headers": ["Cookie: sessionid=" + "'\";\\\x01é" * 9]}, None),
    "many cookies": ({"headers": ["Cookie: " + "; ".join(f"c{n}=1" for n in range(1_000))]}, None),
    "a session of somebody's invention": ({"headers": ["Cookie: sessionid=../../etc/hosts"]}, None),
    "many headers": ({"headers": [f"X-{n}: 1" for n in range(600)]}, None),
    "a huge header": ({"headers": ["X: " + "x" * 100_000]}, None),
    "another version": ({"headers": ["Sec-WebSocket-Version: 99"]}, None),
    "many subprotocols": ({"headers": ["Sec-WebSocket-Protocol: " + ",".join(f"p{n}" for n in range(500))]}, None),
    "an extension": ({"headers": ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99"]}, None),
}


async def broken(port, cookie, r):
    """A frame that is none, before and after some good ones."""
    name = r.choice(list(BROKEN))
    data, code = BROKEN[name]
    wire = await Wire.open(port, cookie)
    await wire.send(pack(TEXT, HELLO) * r.randint(0, 3))
    await wire.send(data)
    await wire.send(pack(TEXT, HELLO.replace(b"hello", b"after")))
    goes_on = await _answered(wire, "after")
    wire.hang_up()
    if goes_on:
        return name, "goes on" if code in (None, ANY) else f"goes on, and {code} was due"
    # daphne hangs up without a close code.
    return name, f"closed {wire.code}" if code is ANY or wire.code in (
        code,
        None,
    ) else f"closed {wire.code}, not {code}"


async def handshake(port, cookie, r):
    name = r.choice(list(HANDSHAKES))
    options, status = HANDSHAKES[name]
    wire = await Wire.open(port, None if "headers" in options else cookie, **options)
    wire.hang_up()
    return name, f"HTTP {wire.status}" if status in (None, wire.status) else f"HTTP {wire.status}, not {status}"


async def half_open(port, cookie, r):
    """Part of a handshake, then silence."""
    asked = request(cookie)
    wire = await Wire.dial(port)
    await wire.send(asked[: r.randrange(len(asked))])
    await asyncio.sleep(0)
    wire.hang_up()
    return "half a handshake", "hung up"


async def slow_writer(port, cookie, r):
    wire = await Wire.open(port, cookie)
    for byte in pack(TEXT, HELLO):
        await wire.send(bytes([byte]))
        await asyncio.sleep(0)
    heard = await _answered(wire, "hello")
    wire.hang_up()
    return "one byte at a time", "answered" if heard else f"closed {wire.code}"


async def slow_reader(port, cookie, r):
    """Asks and asks, and does not read."""
    wire = await Wire.open(port, cookie)
    wire.stop_reading()
    await wire.send(pack(TEXT, SUBSCRIBE) * 50)
    await asyncio.sleep(0)
    wire.hang_up()
    return "does not read", "hung up"


async def leaver(port, cookie, r):
    """Goes at any point, whatever is under way."""
    wire = await Wire.open(port, cookie)
    data = pack(TEXT, SUBSCRIBE) * 3 + pack(TEXT, HELLO)
    await wire.send(data[: r.randrange(len(data))])
    for _ in range(r.randint(0, 3)):
        await asyncio.sleep(0)
    wire.hang_up()
    return "leaves at any point", "hung up"


async def flood(port, cookie, r):
    """Thousands of frames without waiting for an answer."""
    wire = await Wire.open(port, cookie)
    for _ in range(10):
        await wire.send(pack(TEXT, SUBSCRIBE) * 300)
    await _answered(wire, "never")
    wire.hang_up()
    return "floods", f"closed {wire.code}"


RARE = [flood]
ALL = [broken] * 12 + [handshake] * 6 + [half_open, slow_writer, slow_reader, leaver] * 2


async def _answered(wire, ref):
    """Read on until this ref is answered. Returns False if the socket is closed before."""
    async with asyncio.timeout(PATIENCE_S):
        while (text := await wire.hear()) is not None:
            if f'"ref":"{ref}"' in text:
                return True
    return False
