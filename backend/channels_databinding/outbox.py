"""… → differ → **outbox** → guest → …

What one socket is sent. Handing it a frame never waits: ASGI's `send` is begun at once, and only where it does not
finish by itself do the frames behind it wait in a queue.

ASGI says nothing of a socket's buffer (daphne's grows without end), so a socket that has subscribed is asked now
and then with a ping: what was sent since the last answered one is what may be lying there.
"""

import asyncio
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

from .counts import Counts
from .log import logger
from .protocol import Close, frame

Send = Callable[[dict[str, Any]], Awaitable[None]]

PING_FRAMES: Final = 64
PING_CHARACTERS: Final = 256 << 10
ROOM: Final = 1 << 20  # characters: a snapshot's next part waits until less than this is on the way
MOST: Final = 4 << 20  # characters on the way; past it: close 4408. The journal has them, the client resumes
PATIENCE_S: Final = 30.0  # for the answer to a ping; past it: close 4408


class Outbox:
    def __init__(self, send: Send, counts: Counts | None = None) -> None:
        self._send, self._counts = send, counts or Counts()
        self._queue: deque[dict[str, Any]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._sent = self._answered = self._asked = self._frames = 0
        self._pings: dict[str, tuple[int, float]] = {}  # ref: (characters sent before it, when)
        self._room = asyncio.Event()
        self._is_open = False  # not accepted yet: what is to be sent waits
        self.subscribed = False  # only a socket that has subscribed is asked
        self.closed = False

    @property
    def on_the_way(self) -> int:
        """Characters that the socket may not have read yet."""
        return self._sent - self._answered

    async def accept(self) -> None:
        """Let the browser in. What was handed on before follows now, a close too."""
        await self._send({"type": "websocket.accept"})
        self._is_open = True
        waiting, self._queue = self._queue, deque()
        for event in waiting:
            self._push(event)

    def hand(self, text: str) -> None:
        """Send a frame, or queue it behind those that wait. Closes a socket that does not read."""
        if self.closed:
            return
        if self.on_the_way > MOST:
            self.close(Close.TOO_SLOW)
            return
        self._sent += len(text)
        self._counts.frames += 1
        self._frames += 1
        self._push({"type": "websocket.send", "text": text})
        if self.subscribed and (self._frames >= PING_FRAMES or self._sent - self._asked >= PING_CHARACTERS):
            self._ping()

    def close(self, code: Close) -> None:
        """Close the socket. What waits is dropped: it is in the journal."""
        if not self.closed:
            self._counts.closes[code] += 1
            self.drop()
            # daphne refuses whatever only behaves like an int.
            self._push({"type": "websocket.close", "code": int(code)})

    def drop(self) -> None:
        """Say no more."""
        self.closed = True
        self._queue.clear()
        self._room.set()
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def answered(self, ref: str | None) -> bool:
        """Note that the socket has read all that was sent before this ping. Returns whether it was asked so."""
        if ref not in self._pings:
            return False
        self._answered = max(self._answered, self._pings.pop(ref)[0])
        self._room.set()
        return True

    async def room(self) -> None:
        """Wait until little enough is on the way for a large frame to follow. Only where the socket is asked."""
        while self.subscribed and not self.closed and self.on_the_way > ROOM:
            self._ping()
            self._room.clear()
            await self._room.wait()

    def look(self, now: float) -> None:
        """Close a socket that leaves a ping unanswered. Called now and then by the lookout."""
        if any(now - asked > PATIENCE_S for _, asked in self._pings.values()):
            self.close(Close.TOO_SLOW)

    def _ping(self) -> None:
        if self._asked == self._sent and self._pings:
            return
        ref = f"p{self._sent}"
        self._pings[ref] = (self._sent, time.monotonic())
        self._asked, self._frames = self._sent, 0
        self._push({"type": "websocket.send", "text": frame("", {"action": "ping"}, ref=ref)})

    def _push(self, event: dict[str, Any]) -> None:
        """Start `send` here and now; only if it has to wait does it become a task, and what comes then is queued."""
        if self._sending is not None or not self._is_open:
            self._queue.append(event)
            return
        sending = self._send(event).__await__()
        try:
            waits_for = sending.send(None)
        except StopIteration:
            self._taken()
        except Exception as error:
            self._fail(error)
        else:
            self._sending = asyncio.ensure_future(self._finish(sending, waits_for))

    def _taken(self) -> None:
        if not self.subscribed:  # nobody will tell: what the server took is out of our hands
            self._answered = self._sent

    async def _finish(self, sending: Generator[Any, Any, None], waits_for: Any) -> None:
        failed = None
        try:
            await _resume(sending, waits_for)
            while self._queue:
                await self._send(self._queue.popleft())
            self._taken()
        except Exception as error:
            failed = error
        finally:
            if self._sending is asyncio.current_task():  # and no close has taken its place
                self._sending = None
        if failed is not None:
            self._fail(failed)

    def _fail(self, error: Exception) -> None:
        """Most likely the socket is gone, and its disconnect on the way. If not, let it end: it cannot be told."""
        logger.info("a frame could not be sent: %r", error)
        self.close(Close.FAILED)


@types.coroutine
def _resume(coroutine: Generator[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was begun outside a task, from what it waits for."""
    try:
        yield waits_for
    except BaseException:
        coroutine.close()
        raise
    yield from coroutine
