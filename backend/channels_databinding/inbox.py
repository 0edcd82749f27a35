"""… → sessions → **inbox** → connection

What one socket sent and is not done yet: one frame after the other, in the order sent, and no faster than it may.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from .limits import Bucket
from .protocol import BadFrame, Request

WAITING_FRAMES: Final = 1_000  # not yet begun; past it the socket is closed: 4413
WAITING_CHARACTERS: Final = 4 << 20


class Inbox:
    """`do` does one frame and raises nothing. Each frame takes one from each of `buckets`."""

    def __init__(self, do: Callable[[Request | BadFrame], Awaitable[None]], buckets: Sequence[Bucket]) -> None:
        self._do, self._buckets = do, buckets
        self._waiting: deque[tuple[Request | BadFrame, int]] = deque()
        self._characters = 0
        self._worker: asyncio.Task[None] | None = None

    def put(self, request: Request | BadFrame, characters: int) -> bool:
        """Do a frame when those before it are done. Returns whether there was room for it."""
        self._waiting.append((request, characters))
        self._characters += characters
        if len(self._waiting) > WAITING_FRAMES or self._characters > WAITING_CHARACTERS:
            return False
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return True

    def clear(self) -> None:
        """Begin no more of what waits."""
        self._waiting.clear()

    async def done(self) -> None:
        """Wait until all is done."""
        if self._worker is not None:
            await self._worker

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    async def _work(self) -> None:
        try:
            while self._waiting:
                now = asyncio.get_running_loop().time()
                if wait_s := max(bucket.take(now) for bucket in self._buckets):
                    await asyncio.sleep(wait_s)
                if self._waiting:  # unless cleared meanwhile
                    request, characters = self._waiting.popleft()
                    self._characters -= characters
                    await self._do(request)
        finally:
            self._worker = None
