"""… → feed → **hub** → membership → connection → demultiplexer

One in each server process, in its event loop: what all its sockets have in common.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from . import pool
from .counts import Counts
from .feed import Feed
from .presence import Presence
from .rows import Binding
from .sessions import Lookout

T = TypeVar("T")

_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


class Hub:
    """Use `Hub.current()`; make one yourself only to have two in one process."""

    def __init__(self, feed: type[Feed] = Feed) -> None:
        self.counts = Counts()
        self.lookout = Lookout(self.run)
        self.presence = Presence()
        self.feeds: dict[str, Feed] = {}  # by the alias of their database
        self._feed = feed

    @classmethod
    def current(cls) -> "Hub":
        """Return the hub of the running event loop."""
        return _hubs.setdefault(asyncio.get_running_loop(), cls())

    def feed(self, binding: Binding) -> Feed:
        """Return the feed of the database that a binding's rows are in."""
        using = binding.using()
        if using not in self.feeds:
            self.feeds[using] = self._feed(using, self.run, self.counts, self.presence)
        return self.feeds[using]

    async def run(self, do: Callable[..., T], *args: Any) -> T:
        """Do blocking work in the pool."""
        return await asyncio.get_running_loop().run_in_executor(pool.threads, pool.work, do, *args)


def hubs() -> list[Hub]:
    """Return those of this process: one, unless it has several event loops."""
    return list(_hubs.values())


def feeds() -> list[Feed]:
    """Return those of this process: one for each database that somebody has listened to."""
    return [feed for hub in hubs() for feed in tuple(hub.feeds.values())]
