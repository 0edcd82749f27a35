"""… → journal → **tail** → differ → …

The thread that follows the journal, one in each server process that has a subscriber. Nothing wakes it that it
could not do without: it looks by itself, and a wake-up only hurries it.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction

from . import journal
from .capture import database
from .capture.install import install, is_migrating
from .journal import Moment, Position
from .log import logger
from .nudge import Nudge

T = TypeVar("T")

LOOK_AT_TRIGGERS_S: Final = 5.0
RETRY_S: Final = (0.1, 0.5, 2.0, 5.0)  # after the database failed once, twice, …


_running: "WeakSet[Tail[Any]]" = WeakSet()


def hurry(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Have every tail of this process look as soon as what was just saved is committed. Receives Django's signals."""
    for tail in tuple(_running):
        if tail.using == using:
            transaction.on_commit(tail.nudge, using, robust=True)


class Tail(Generic[T]):
    """Reads a database's journal batch by batch. `prepare(moment, start)` makes something of a batch within the read
    transaction; `start` is the end of the batch before, None where there is none to go on from. `hand_on(tail, it)`
    comes after the transaction and may wait: what is not yet taken bounds what is read ahead.
    """

    def __init__(
        self,
        using: str,
        prepare: Callable[[Moment, Position | None], T],
        hand_on: Callable[["Tail[T]", T], None],
    ) -> None:
        self.using, self._prepare, self._hand_on = using, prepare, hand_on
        self._position: Position | None = None
        self._epoch = ""
        self._nudge: Nudge | None = None
        self.stopped = False
        self._busy_since: float | None = None  # since when something may wait to be handed on

    @property
    def behind_s(self) -> float:
        """Seconds since all was handed on that was there, 0 while it waits for news."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def start(self) -> None:
        _running.add(self)
        self._busy_since = time.monotonic()
        self._nudge = Nudge()
        name = f"channels_databinding tail of {self.using}"
        threading.Thread(target=self._run, args=[self._nudge], name=name, daemon=True).start()

    def nudge(self) -> None:
        """Look now: something was committed."""
        if self._nudge is not None:
            self._nudge.set()

    def stop(self) -> None:
        self.stopped = True
        _running.discard(self)
        self.nudge()

    def step(self) -> None:
        """Read what is new, once, and hand it on."""
        with journal.moment(self.using) as now:
            start = self._position if now.epoch == self._epoch else None
            is_copy = now.is_copy or (start is not None and not start <= now.position)
            if start is not None and not now.floor <= start:
                start = None  # asleep for longer than the journal is kept: what was pruned meanwhile nobody can tell
            if start == now.position:
                return
            if not is_copy:
                prepared = self._prepare(now, start)
        if is_copy:  # another database lies under us: cursors that went past it must never be served
            journal.renew(now.epoch, self.using)
            return self.step()
        self._position, self._epoch = now.position, now.epoch
        self._hand_on(self, prepared)

    def _run(self, nudge: Nudge) -> None:
        failures, looked = 0, 0.0
        while not self.stopped:
            try:
                with closing(database(self.using).Watch(self.using, nudge)) as watch:
                    while not self.stopped:
                        looked = self._look_after(looked)
                        self.step()
                        failures = 0
                        self._rest(watch)
            except Exception:
                if failures == 0:
                    logger.exception("The journal could not be read. Trying again; nothing is lost.")
                connections.close_all()
                nudge.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
        connections.close_all()
        nudge.close()

    def _rest(self, watch: Any) -> None:
        self._busy_since = None
        try:
            watch.wait(LOOK_AT_TRIGGERS_S)
        finally:
            self._busy_since = time.monotonic()

    def _look_after(self, looked: float) -> float:
        """Now and then: put back triggers that are missing, note how far the journal is, forget what is old."""
        now = time.monotonic()
        if looked and now - looked < LOOK_AT_TRIGGERS_S:
            return looked
        try:
            if not is_migrating(self.using):
                for table in install(self.using, only_missing=True):
                    logger.warning("Triggers were missing on %s and are put back: its clients read again.", table)
            journal.mark_and_prune(using=self.using)
        except DatabaseError:  # most likely somebody holds the write lock for long; reading goes on
            logger.warning("The journal could not be looked after; trying again.", exc_info=True)
        return now
