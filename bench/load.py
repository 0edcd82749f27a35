"""websocket → **load** → measures → compare

Many sockets in one thread. What is heard is counted and timed, not decoded.
"""

import select
import selectors
import socket
import struct
import time
from collections import deque
from time import perf_counter

from websocket import Closed, frame, handshake

CONNECTING = 40  # at once: Twisted's backlog is 50, and past it the kernel waits for a second
CHUNK = 1 << 16
PATIENCE_S = 120  # without anything new: an in-memory layer with 4,000 members may think for half a minute
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no port stays taken behind a socket that is gone


class Silent(Exception):
    """The server did not say what was waited for."""


class Socket:
    __slots__ = ("answers", "need", "open", "rest", "says", "sock", "waits_for")

    def __init__(self, port, path, says, waits_for):
        self.says, self.waits_for = says, waits_for
        self.rest, self.need, self.open, self.answers = b"", 0, False, 0
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.sock.send(handshake(path))

    def send(self, text):
        self.sock.send(frame(text.encode()))


class Crowd:
    """Sockets on one server. `changes`, `frames` and `answers` count what all of them heard; `at`, if it is a list, is
    given the time of each change that reaches a socket."""

    def __init__(self, port, reader):
        self._port, self._reader = port, reader
        self._selector = selectors.DefaultSelector()
        self.sockets = []
        self.changes = self.frames = self.answers = 0
        self.at = None
        self.answered = None  # called with a socket for each of its answers
        self.between = None  # called now and then, between sockets

    def join(self, visits):
        """Add sockets: for each a path, what it says once it is open, and how many answers it then waits for.
        Returns when all are there."""
        visits, opening, coming = deque(visits), set(), set()
        deadline = time.monotonic() + PATIENCE_S
        while visits or coming:
            while visits and len(opening) < CONNECTING:
                one = Socket(self._port, *visits.popleft())
                self._selector.register(one.sock, selectors.EVENT_READ, one)
                self.sockets.append(one)
                opening.add(one)
                coming.add(one)
            before = len(coming)
            for one in coming.intersection(self.turn(1.0)):
                if one.open and one in opening:
                    opening.discard(one)
                    for text in one.says:
                        one.send(text)
                if one.open and one.answers >= one.waits_for:
                    coming.discard(one)
            if len(coming) < before:
                deadline = time.monotonic() + PATIENCE_S
            elif time.monotonic() > deadline:
                raise Silent(f"{len(coming)} sockets are not there, and no other came in {PATIENCE_S} s")

    def until(self, is_so):
        """Read until `is_so()`."""
        deadline, before = time.monotonic() + PATIENCE_S, None
        while not is_so():
            self.turn(0.5)
            heard = self.changes, self.answers
            if heard != before:
                deadline, before = time.monotonic() + PATIENCE_S, heard
            elif time.monotonic() > deadline:
                raise Silent(f"{self.changes} changes and {self.answers} answers, and no more in {PATIENCE_S} s")

    def listen(self, seconds, then=lambda: None):
        """Read for so long. `then()` after each turn."""
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            self.turn(min(left, 0.05))
            then()

    def turn(self, timeout):
        """Read once from each socket that has something. Returns them."""
        told = []
        at, between, read = self.at, self.between, self._reader.read
        if between is not None:
            timeout = 0  # what it looks at is none of these sockets
        for turn, (key, _) in enumerate(self._selector.select(timeout)):
            one = key.data
            data = one.sock.recv(CHUNK)
            if not data:
                raise Closed("without a code")
            told.append(one)
            if not one.open:
                data = self._opened(one, data)
            if one.rest:
                data, one.rest = one.rest + data, b""
                if len(data) < one.need:
                    one.rest = data
                    continue
            heard = read(data)
            self.frames += heard.frames
            if heard.changes:
                self.changes += heard.changes
                if at is not None:
                    at.extend([perf_counter()] * heard.changes)
            one.rest, one.need = heard.rest, heard.need
            if heard.replies:
                one.sock.send(heard.replies)
            if heard.answers:
                self.answers += heard.answers
                one.answers += heard.answers
                if self.answered is not None:
                    self.answered(one)
            if between is not None and turn % 64 == 0:
                between()
        if between is not None:
            between()
        return told

    def _opened(self, one, data):
        data = one.rest + data
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            one.rest = data
            return b""
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise Closed(head.decode(errors="replace"))
        one.rest, one.open = b"", True
        return rest

    def close(self):
        for one in self.sockets:
            self._selector.unregister(one.sock)
            one.sock.close()
        self.sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self._selector.close()


class Line:
    """One blocking socket: `/control` and `/echo`."""

    def __init__(self, port, path):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(handshake(path))
        self._file, self._poll = self._socket.makefile("rb"), select.poll()
        self._poll.register(self._socket, select.POLLIN)
        while self._file.readline().strip():
            pass

    def say(self, text):
        self._socket.sendall(frame(text.encode()))

    def hear(self):
        """Return the next text, of which it is known that it is short."""
        while True:
            opcode, length = self._file.read(2)
            if length == 126:
                length = int.from_bytes(self._file.read(2))
            payload = self._file.read(length)
            if opcode & 0x0F == 0x9:
                self._socket.sendall(frame(payload, 0xA))
            else:
                return payload.decode()

    def answer(self):
        """Return whether something came, without waiting for it."""
        return bool(self._poll.poll(0) and self._socket.recv(CHUNK))

    def ask(self, text):
        self.say(text)
        return self.hear()

    def close(self):
        self._file.close()
        self._socket.close()
