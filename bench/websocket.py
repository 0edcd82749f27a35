"""**websocket** → load → measures → compare

As much of RFC 6455 as a load client needs, on bytes. A chunk of frames is looked through once: thousands of sockets
that are told the same are each one look into a dictionary.
"""

import re
from dataclasses import dataclass

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
ASKED = re.compile(rb'"stream":"","ref":"([^"]+)","payload":\{"action":"ping"')  # our server: do you read?
KNOWN = 64 << 20  # bytes of chunks that are remembered


class Closed(Exception):
    """The server closed a socket, which is never what is measured."""


class Failed(Exception):
    """The server refused a write, which is quicker than doing it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a chunk of bytes told."""

    frames: int = 0
    changes: int = 0
    answers: int = 0
    replies: bytes = b""  # to be sent back at once
    rest: bytes = b""  # the beginning of a frame
    need: int = 0  # the length of that frame, where its head is there


def handshake(path):
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frame(payload, opcode=TEXT):
    """Write a frame as a client must: masked. With zeros, which leave it as it is."""
    length = len(payload)
    if length < 126:
        return bytes([0x80 | opcode, 0x80 | length, 0, 0, 0, 0]) + payload
    return bytes([0x80 | opcode, 0x80 | 126]) + length.to_bytes(2) + bytes(4) + payload


def end_of(data, start):
    """Return (where the payload begins, where the frame ends), or None if its head is not all there."""
    if len(data) < start + 2:
        return None
    length, head = data[start + 1] & 0x7F, start + 2
    if length > 125:
        size = 2 if length == 126 else 8
        if len(data) < head + size:
            return None
        length = int.from_bytes(data[head : head + size])
        head += size
    return head, head + length


class Reader:
    """Looks through what a server sends: how many changes, how many answers.

    `change` and `answer` are patterns found once in each, `failure` one that must not be found; no frame is decoded.
    """

    def __init__(self, change, answer, failure):
        self._change, self._answer, self._failure = map(re.compile, (change, answer, failure))
        self._known, self._size = {}, 0

    def read(self, chunk):
        heard = self._known.get(chunk)
        if heard is None:
            self._size += len(chunk)
            if self._size > KNOWN:
                self._known, self._size = {}, len(chunk)
            heard = self._known[chunk] = self._look(chunk)
        return heard

    def _look(self, chunk):
        start, frames, replies = 0, 0, b""
        while (found := end_of(chunk, start)) and found[1] <= len(chunk):
            head, end = found
            opcode = chunk[start] & 0x0F
            if opcode == CLOSE:
                raise Closed(f"close code {int.from_bytes(chunk[head : head + 2])}")
            if opcode == PING:
                replies += frame(chunk[head:end], PONG)
            start, frames = end, frames + 1
        whole = chunk[:start]
        for ref in ASKED.findall(whole):
            replies += frame(b'{"stream":"","ref":"%s","payload":{"action":"ack"}}' % ref)
        if self._failure.search(whole):
            raise Failed(whole[:500].decode(errors="replace"))
        need = found[1] - start if found else 0
        changes, answers = len(self._change.findall(whole)), len(self._answer.findall(whole))
        return Heard(frames, changes, answers, replies, chunk[start:], need)
