"""… → sessions → **inbox** → demultiplexer

What one socket sent and is not done yet: one frame after the other, in the order sent.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from .protocol import BadFrame, Request

WAITING_FRAMES: Final = 1_000  # not yet begun; past it the socket is closed: 4413
WAITING_CHARACTERS: Final = 4 << 20


class Inbox:
    """`do` does one frame and raises nothing."""

    def __init__(self, do: Callable[[Request | BadFrame], Awaitable[None]]) -> None:
        self._do = do
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
                request, characters = self._waiting.popleft()
                self._characters -= characters
                await self._do(request)
        finally:
            self._worker = None
