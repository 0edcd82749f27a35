"""… → subscriptions → **writes** → room → …

Client writes: each checked, applied once, and named in the journal. Those that wait are done together, in one
transaction with a savepoint each: a COMMIT is what costs, and on SQLite there is one writer at a time anyway.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson
from django.db import DatabaseError, IntegrityError, OperationalError, connections, transaction
from django.db.models import Model

from . import journal
from .binding import WebsocketBinding, parts
from .journal import Position
from .log import logger, subject
from .models import Ref
from .protocol import Refused, Request, encode
from .serializers import value_of
from .sessions import Identity

TOGETHER: Final = 64  # writes in one transaction
ATTEMPTS: Final = 3  # of one write, where the database chose it to end a deadlock
TOGETHER_S: Final = 0.05  # and none is begun in a transaction older than this: everybody else waits for its lock


class OutcomeUnknown(Exception):
    """The database went away, or COMMIT failed in a way that does not tell whether it happened. The client asks again,
    with the same ref."""


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """A client's write. `binding` has its user; `may_read` tells whether they are shown a row."""

    binding: WebsocketBinding
    request: Request
    identity: Identity
    may_read: Callable[[Model], bool]

    def subject(self) -> AbstractContextManager[None]:
        return subject(ref=self.request.ref, stream=self.request.stream, user=self.identity.user)


@dataclass(frozen=True, slots=True)
class Answer:
    """The payload of an ack or error. It may leave once the feed has passed `position`; None: at once."""

    payload: Mapping[str, Any]
    position: Position | None


class Writer:
    """Does a process's client writes to one database, in the order they came. `run` does blocking work in a thread."""

    def __init__(self, using: str, run: Callable[..., Awaitable[Any]]) -> None:
        self._using, self._run = using, run
        self._waiting: deque[tuple[Write, asyncio.Future[Answer]]] = deque()  # one a socket at most
        self._worker: asyncio.Task[None] | None = None

    async def do(self, write: Write) -> Answer:
        """Do a write and return its answer. Raises OutcomeUnknown."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, answer))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # what came in the same turn of the loop is done together
                try:
                    together = [write for write, _ in islice(self._waiting, TOGETHER)]
                    answers = await self._run(apply, together, self._using)
                except Exception as error:  # ours: the others must not wait for ever
                    answers = [error]
                for answer in answers:
                    _, future = self._waiting.popleft()
                    if future.done():  # its socket was cut off
                        continue
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self._worker = None


def apply(writes: Sequence[Write], using: str, attempts: int = ATTEMPTS) -> list[Answer | OutcomeUnknown]:
    """Do client writes to one database, and return the answers to as many as one transaction may take; one at least.

    The same `ref` again, from the same user or session, is answered as the first time and nothing is done; with
    another payload it is refused. A write that was refused left nothing, so its ref is judged anew.
    """
    connection: Any = connections[using]
    begun: list[Write] = []
    payloads: list[Mapping[str, Any]] = []
    start = position = session = None
    until = time.monotonic() + TOGETHER_S
    try:
        connection.ensure_connection()
        session = connection.connection
        with journal.writing(using) as start:
            for write in writes:
                begun.append(write)
                with write.subject():
                    payloads.append(_do(write, using, start))
                if time.monotonic() > until:
                    break
            if transaction.get_rollback(using):
                raise DatabaseError("the transaction was lost")
            # One write's on_commit hook that fails must not keep those of others from running. Django logs it.
            connection.run_on_commit = [(sids, hook, True) for sids, hook, _ in connection.run_on_commit]
            # Before COMMIT, so that it is of these writes: after it, others' would delay the answers past the frames.
            position = journal.position(using)
    except Exception as error:
        tried, committing = begun or writes, position is not None
        # The database went away. Django may have asked for a new session by now.
        if connection.connection is not session or not connection.is_usable():
            connection.close()
            if session is None or committing or attempts == 1:
                return [OutcomeUnknown()] * len(tried)
            return apply(tried, using, attempts - 1)
        is_deadlock = isinstance(error, OperationalError)  # or something like it, which another attempt may spare
        if not committing or isinstance(error, IntegrityError) or (is_deadlock and all(w.request.ref for w in tried)):
            if len(begun) > 1:  # nothing was written: whose fault it was, shows alone
                return [apply([write], using)[0] for write in tried]
            if begun and is_deadlock and attempts > 1:
                return apply(tried, using, attempts - 1)
        return [_failed(write, using, error, start, position) for write in tried]
    return [Answer(payload, position) for payload in payloads]


def _do(write: Write, using: str, start: Position) -> Mapping[str, Any]:
    """Do one write in a savepoint, and return the payload of its answer."""
    binding, request, who = write.binding, write.request, write.identity.who
    try:
        with transaction.atomic(using):
            if not _is_new(request, who, using):
                return _ack(_known(request, who, using))
            pk = binding.perform(request.payload, write.may_read)
            answer = _remember(request, who, using, binding, pk, start)
            if transaction.get_rollback(using):
                raise DatabaseError("a hook had the transaction rolled back")
            return _ack(answer)
    except Refused as refused:
        return refused.payload
    except OperationalError:  # a deadlock, or the database went away: not this write's fault
        raise
    except Exception as error:
        return _fault(write, error)


def _ack(answer: str | None) -> Mapping[str, Any]:
    return {"action": "ack", "pk": None if answer is None else orjson.loads(answer)}


def _failed(
    write: Write, using: str, error: Exception, start: Position | None, position: Position | None
) -> Answer | OutcomeUnknown:
    """Answer a write whose transaction, from `start` to `position`, failed as a whole. If that was at COMMIT, what is
    there tells."""
    if position is not None and write.request.ref is not None:
        try:
            return Answer(_ack(_known(write.request, write.identity.who, using)), position)
        except DatabaseError:
            return OutcomeUnknown()
        except Ref.DoesNotExist:
            pass
    with write.subject():
        return Answer(_fault(write, error), start)


def _fault(write: Write, error: Exception) -> Mapping[str, Any]:
    if isinstance(error, IntegrityError):  # a deferred constraint, told by COMMIT
        logger.info("%s, ref %s: refused at COMMIT: %s", type(write.binding).__name__, write.request.ref, error)
        return Refused("invalid", "The database does not take this.").payload
    logger.error("%s, ref %s: the write failed", type(write.binding).__name__, write.request.ref, exc_info=error)
    return Refused("failed", "This could not be done. It was not your fault, and is being looked at.").payload


# By hand and not by the ORM: it would take as long for these as for the write itself.


def _is_new(request: Request, who: str, using: str) -> bool:
    """Write a write's ref down. Returns whether it was not known."""
    if request.ref is None:
        return True
    with connections[using].cursor() as cursor:
        cursor.execute(
            """INSERT INTO channels_databinding_ref (who, ref, digest, at) VALUES (%s, %s, %s, %s)
               ON CONFLICT (who, ref) DO NOTHING""",
            [who, request.ref, _digest(request), time.time()],
        )
        return bool(cursor.rowcount)


def _known(request: Request, who: str, using: str) -> str | None:
    """Return the answer to a write that was applied, as JSON. Raises Ref.DoesNotExist, or Refused(ref_reused)."""
    known = Ref.objects.using(using).get(who=who, ref=request.ref)
    if known.digest != _digest(request):
        raise Refused("ref_reused", "This ref was used for another write. Give each write a ref of its own.")
    return known.answer


def _remember(
    request: Request, who: str, using: str, binding: WebsocketBinding, pk: Any, start: Position
) -> str | None:
    """Keep the answer under the ref and return it, and name the ref on the row the write itself touched."""
    if request.ref is None or pk is None:
        return None
    answer = encode(value_of(binding.model(pk=pk), binding.model._meta.pk)).decode()
    with connections[using].cursor() as cursor:
        cursor.execute(
            "UPDATE channels_databinding_ref SET answer = %s WHERE who = %s AND ref = %s", [answer, who, request.ref]
        )
    for part in parts(binding.model):
        journal.name(request.ref, part, pk, start)
    return answer


def _digest(request: Request) -> str:
    return hashlib.sha256(orjson.dumps([request.stream, request.payload], option=orjson.OPT_SORT_KEYS)).hexdigest()
