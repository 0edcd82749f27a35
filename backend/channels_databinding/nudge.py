"""… → models → **nudge** → capture → …

What one thread gives another that waits for a socket: it can be waited for beside it.
"""

import selectors
import socket
from contextlib import suppress


class Nudge:
    def __init__(self) -> None:
        self._give, self._take = socket.socketpair()
        self._give.setblocking(False)
        self._take.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self.wait_for(self._take)

    def wait_for(self, file: "int | socket.socket") -> None:
        """Have `wait` end when there is something to be read of a file, too."""
        self._selector.register(file, selectors.EVENT_READ)

    def forget(self, file: int) -> None:
        self._selector.unregister(file)

    def set(self) -> None:
        """Wake who waits, or who waits next. May be called from any thread, and after `close`."""
        with suppress(OSError):  # it is full: they are woken; or closed: nobody waits
            self._give.send(b".")

    def wait(self, timeout_s: float) -> bool:
        """Return whether there was something, after `timeout_s` at the latest."""
        if not self._selector.select(timeout_s):
            return False
        with suppress(BlockingIOError):  # unless it was the file
            self._take.recv(4096)
        return True

    def close(self) -> None:
        for one in (self._selector, self._give, self._take):
            one.close()
