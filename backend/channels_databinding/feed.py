"""… → writes → presence → **feed** → hub → …

One database's changes, brought to those who listen: batches in, frames to members. It knows who listens to what and
how far everybody is. It never waits for a database or for one socket.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from . import cursor, pool
from .counts import Counts
from .journal import Moment, Position, read_position
from .log import logger
from .outbox import Outbox
from .presence import Presence
from .protocol import Close
from .subscriptions import CatchUp, Key, Listeners, Member, Subscription, Texts, catch_up, reset
from .tail import Tail
from .writes import Writer

FOLLOW_S: Final = 10.0  # until the journal was read once; past it a subscribe fails
RESETS_APART_S: Final = 1.0  # between two snapshots of one subscription that resets ask for
SLICE: Final = 64  # members that are handed a batch in one turn of the loop: nobody's ping waits for a fan-out

Run = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch as text. None in the place of texts: that subscription reads again."""

    position: Position
    epoch: str
    texts: tuple[tuple[Key, Texts | None], ...]
    starts_over: bool = False  # nobody can say what was before: positions have no meaning any more


class Feed:
    """Of the database `using`. `run` does blocking work in a thread."""

    def __init__(self, using: str, run: Run, counts: Counts, presence: Presence) -> None:
        self.using, self._run, self._counts, self._presence = using, run, counts, presence
        self.writer = Writer(using, run)
        self.subscriptions: dict[Key, Subscription] = {}
        self.epoch = ""
        self.begun: Position | None = None  # some members may have been handed what is to be told up to here,
        self.passed: Position | None = None  # and all members up to here
        self._keys: tuple[Key, ...] = ()  # of `subscriptions`, for the tail's thread: replaced, never changed
        self._listeners = Listeners()  # as of the last batch; the tail's thread alone looks at it
        self._tail: Tail[Delivery] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._waiting: deque[tuple[Position, Callable[[], None]]] = deque()
        self._next_snapshot: dict[Key, float] = {}  # of subscriptions that were reset: loop time

    # ---- members

    async def join(self, key: Key, outbox: Outbox, *, told: bool) -> Member:
        """Add a member that holds what it hears until it goes live. Returns once the journal is followed."""
        member = Member(key, outbox, told)
        subscription = self.subscriptions.setdefault(key, Subscription(key))
        subscription.members.add(member)
        self._keys = tuple(self.subscriptions)
        try:
            await self._follow()
        except BaseException:
            self.leave(member)
            raise
        return member

    def leave(self, member: Member) -> None:
        self._presence.leave(member)
        subscription = self.subscriptions.get(member.key)
        if subscription is None or member not in subscription.members:
            return
        subscription.members.remove(member)
        if not subscription.members:
            del self.subscriptions[member.key]
            self._keys = tuple(self.subscriptions)
        if not self.subscriptions:
            self._rest()

    async def catch_up(self, member: Member, since: str | None) -> CatchUp:
        """Read what a member missed, or share what was read for another.

        Sharing is right only if, when this member joined, the feed had not begun to hand on what lies past the
        position that was read: else a batch between the two reached neither.
        """
        subscription, joined_at = self.subscriptions[member.key], self.begun
        # By what a cursor says and not by its text, of which a browser may make up any number.
        told = cursor.unseal(since, self.epoch, member.key.fingerprint)
        start = None if told is None else read_position(told, self.using)

        def serves(result: CatchUp) -> bool:
            return joined_at is None or (result.epoch == self.epoch and joined_at <= result.position)

        while True:
            task = subscription.shared.get(start)
            if task is None or (task.done() and (task.exception() or not serves(task.result()))):
                task = subscription.shared[start] = asyncio.create_task(self._read(member.key, start))
            if serves(result := await asyncio.shield(task)):
                return result
            joined_at = self.begun  # what is read from now on is later than that
            if result.epoch != self.epoch and self._tail is not None:
                self._tail.nudge()  # it has not seen that this is another database, and may be waiting to try again

    async def _read(self, key: Key, start: Position | None) -> CatchUp:
        wait_s = self._next_snapshot.get(key, 0.0) - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        missed: CatchUp = await self._run(catch_up, key, start, self.epoch)
        return missed

    def is_live(self, member: Member) -> bool:
        """Whether the member hears all there is: not while it catches up, nor after a reset."""
        subscription = self.subscriptions.get(member.key)
        return subscription is not None and member in subscription.members and member.position is not None

    # ---- following the journal

    @property
    def behind_s(self) -> float | None:
        """Seconds since all was handed on that was there, 0 while nothing waits; None where nobody listens."""
        tail = self._tail
        return None if tail is None else tail.behind_s

    async def _follow(self) -> None:
        if self._ready is None:
            loop = asyncio.get_running_loop()
            self._ready = loop.create_future()
            self._tail = Tail(self.using, self.prepare, partial(self._take, loop))
            self._tail.start()
        await asyncio.wait_for(asyncio.shield(self._ready), FOLLOW_S)

    def _rest(self) -> None:
        """Nobody listens: stop following. What is waited for has nobody to be told before it."""
        if self._tail is not None:
            self._tail.stop()
        self._tail = self._ready = self.begun = self.passed = None
        self._release(everything=True)
        pool.let_go()

    def when_passed(self, position: Position | None, then: Callable[[], None]) -> None:
        """Call `then` once every member was handed what is to be told up to `position`; None: nothing is."""
        if position is None or self._has_passed(position):
            then()
        else:
            self._waiting.append((position, then))
            if self._tail is not None:
                self._tail.nudge()

    def _release(self, *, everything: bool = False) -> None:
        # In order: they are one writer's positions, taken one after the other.
        while self._waiting and (everything or self._has_passed(self._waiting[0][0])):
            self._waiting.popleft()[1]()

    def _has_passed(self, position: Position) -> bool:
        return self.passed is None or position <= self.passed

    def prepare(self, now: Moment, start: Position | None) -> Delivery:
        """Write what everybody who listens must hear. Runs in the tail's thread, in its read transaction."""
        keys = self._keys  # read after the transaction began: who joins later reads a later state
        if start is None:
            return Delivery(now.position, now.epoch, tuple((key, None) for key in keys), starts_over=True)
        if self._listeners.keys is not keys:
            self._listeners = Listeners(keys)
        batch = now.since(start, self._listeners.models)
        self._counts.changes += sum(map(len, batch.changes.values()))
        return Delivery(now.position, now.epoch, tuple(self._listeners.texts(batch, now.epoch)))

    def _take(self, loop: asyncio.AbstractEventLoop, tail: Tail[Delivery], delivery: Delivery) -> None:
        """Bring a delivery from the tail's thread into the loop, and wait there until it is done: nothing is read
        ahead of what the loop can hand on."""
        taken, slices = threading.Event(), self.deliver(delivery)

        def take() -> None:
            more = False
            try:
                more = tail is self._tail and next(slices, True) is None
            finally:
                if more:
                    loop.call_soon(take)
                else:
                    taken.set()

        try:
            loop.call_soon_threadsafe(take)
        except RuntimeError:  # the loop is closed
            tail.stop()
        while not tail.stopped and not taken.wait(1.0):
            pass

    def deliver(self, delivery: Delivery) -> Iterator[None]:
        """Hand a batch to every member, then the answers that waited for it. Each step is one turn of the loop."""
        first, self.begun, self.epoch = self.begun is None, delivery.position, delivery.epoch
        if first:
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
        elif delivery.starts_over:
            for subscription in tuple(self.subscriptions.values()):
                self._start_over(subscription, delivery.position)
        else:
            for n, _ in enumerate(self._hand(delivery), 1):
                if n % SLICE == 0:
                    yield
        if self.begun is None:  # all have left over it
            return
        self.passed = delivery.position
        for subscription in self.subscriptions.values():
            subscription.shared = {start: task for start, task in subscription.shared.items() if not task.done()}
        self._release(everything=delivery.starts_over)

    def _hand(self, delivery: Delivery) -> Iterator[Member]:
        for key, texts in delivery.texts:
            if (subscription := self.subscriptions.get(key)) is None:
                continue
            if texts is None:
                self._note_reset(key)
            for member in tuple(subscription.members):
                if member in subscription.members:  # it may have left since the turn before
                    self._tell(member, delivery.position, texts)
                    yield member

    def _tell(self, member: Member, end: Position, texts: Texts | None) -> None:
        reason = "these rows can no longer be derived"
        if texts is None and not member.told:
            self.send_away(member, reason)
        elif texts is None and not member.hear(end, reset(member.key, reason), is_reset=True):
            self.leave(member)
        elif texts is not None:
            for text in texts.told if member.told else texts.plain:
                member.hear(end, text)

    def _start_over(self, subscription: Subscription, end: Position) -> None:
        self._note_reset(subscription.key)
        reason = "the journal does not reach back"
        for member in tuple(subscription.members):
            if member.told and member.position is None:
                # A catch-up that reaches that far passes it over.
                member.held = [(end, reset(subscription.key, reason), True)]
            else:
                self.send_away(member, reason)

    def send_away(self, member: Member, reason: str) -> None:
        """End a membership. Who has subscribed is told to do so again.

        1.x has no word for that; its clients reconnect by themselves. Who has subscribed elsewhere on this socket does
        not look at what it was told here.
        """
        if member.told:
            member.outbox.hand(reset(member.key, reason))
        elif not member.outbox.subscribed:
            member.outbox.close(Close.RESET)
        self.leave(member)  # last: if nobody is left, this lets out the answers that wait

    def _note_reset(self, key: Key) -> None:
        """Count a reset, and keep those who read again from doing so all the time."""
        now = asyncio.get_running_loop().time()
        self._counts.resets += 1
        self._next_snapshot = {key: at for key, at in self._next_snapshot.items() if at + RESETS_APART_S > now}
        self._next_snapshot[key] = max(now, self._next_snapshot.get(key, 0.0) + RESETS_APART_S)
        logger.warning("%s is reset: its clients read again (reset %d).", key.binding.__name__, self._counts.resets)
