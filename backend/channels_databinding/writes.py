"""… → journal → **writes** → hub → connection

Client writes: each checked, applied once, and named in the journal. Those that wait are done together, in one
transaction with a savepoint each: a COMMIT is what costs, and on SQLite there is one writer at a time anyway.
"""

import asyncio
import hashlib
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model

from . import journal
from .binding import WebsocketBinding, parts
from .models import Ref
from .protocol import Refused, Request, encode
from .serializers import value_of
from .sessions import Identity, current

logger = logging.getLogger(__name__)

TOGETHER: Final = 64  # writes in one transaction
TOGETHER_S: Final = 0.05  # and none is begun in a transaction older than this: everybody else waits for its lock


class OutcomeUnknown(Exception):
    """COMMIT failed in a way that does not tell whether it happened. The client asks again, with the same ref."""


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """A client's write. `binding` has its user; `may_read` tells whether they are shown a row."""

    binding: WebsocketBinding
    request: Request
    identity: Identity
    may_read: Callable[[Model], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """The payload of an ack or error. It may leave once the hub has passed `position`."""

    payload: Mapping[str, Any]
    position: int


class Writer:
    """Does the client writes of a process, in the order they came. `run` does blocking work in a thread."""

    def __init__(self, run: Callable[..., Awaitable[Any]]) -> None:
        self._run = run
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
                for answer in await self._run(apply, [write for write, _ in islice(self._waiting, TOGETHER)]):
                    _, future = self._waiting.popleft()
                    if future.done():  # its socket was cut off
                        continue
                    if isinstance(answer, OutcomeUnknown):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self._worker = None


def apply(writes: Sequence[Write]) -> list[Answer | OutcomeUnknown]:
    """Do client writes, and return the answers to as many as one transaction may take; one at least.

    The same `ref` again, from the same user or session, is answered as the first time and nothing is done; with
    another payload it is refused. A write that was refused left nothing, so its ref is judged anew.
    """
    payloads: list[Mapping[str, Any]] = []
    position, committing, until = 0, False, time.monotonic() + TOGETHER_S
    try:
        with journal.writing() as position:
            for write in writes:
                payloads.append(_do(write))
                if time.monotonic() > until:
                    break
            if transaction.get_rollback():
                raise DatabaseError("the transaction was lost")
            # One write's on_commit hook that fails must not keep those of others from running. Django logs it.
            hooks: Any = connection.run_on_commit
            hooks[:] = [(sids, hook, True) for sids, hook, _ in hooks]
            # Before COMMIT, so that it is of these writes: after it, others' would delay the answers past the frames.
            position = journal.position()
            committing = True
    except Exception as error:
        begun = writes[: len(payloads)] or writes
        if len(payloads) > 1 and (not committing or isinstance(error, IntegrityError)):
            return [apply([write])[0] for write in begun]  # nothing was written: whose fault it was, shows alone
        return [_failed(write, error, position, committing) for write in begun]
    return [Answer(payload, position) for payload in payloads]


def _do(write: Write) -> Mapping[str, Any]:
    """Do one write in a savepoint, and return the payload of its answer."""
    binding, request = write.binding, write.request
    try:
        with transaction.atomic():
            start = journal.position()
            known = _register(request, write.identity.who)
            if known is None or known.answer is None:
                binding.user = current(binding.user)
                pk = binding.perform(request.payload, write.may_read)
                if known is not None:
                    _remember(known, binding, pk, start)
            if transaction.get_rollback():
                raise DatabaseError("a hook had the transaction rolled back")
    except Refused as refused:
        return refused.payload
    except PermissionDenied as error:
        return Refused("forbidden", str(error)).payload
    except Exception as error:
        return _fault(write, error)
    return _ack(known)


def _ack(known: Ref | None) -> Mapping[str, Any]:
    return {"action": "ack", "pk": orjson.loads(known.answer) if known and known.answer else None}


def _failed(write: Write, error: Exception, position: int, committing: bool) -> Answer | OutcomeUnknown:
    """Answer a write whose transaction failed as a whole. If that was at COMMIT, what is there tells."""
    if committing and write.request.ref is not None:
        try:
            known = Ref.objects.filter(who=write.identity.who, ref=write.request.ref).first()
        except DatabaseError:
            return OutcomeUnknown()
        if known is not None:
            return Answer(_ack(known), position)
    return Answer(_fault(write, error), position)


def _fault(write: Write, error: Exception) -> Mapping[str, Any]:
    if isinstance(error, IntegrityError):  # a deferred constraint, told by COMMIT
        logger.info("%s, ref %s: refused at COMMIT: %s", type(write.binding).__name__, write.request.ref, error)
        return Refused("invalid", "The database does not take this.").payload
    logger.error("%s, ref %s: the write failed", type(write.binding).__name__, write.request.ref, exc_info=error)
    return Refused("failed", "This could not be done. It was not your fault, and is being looked at.").payload


def _register(request: Request, who: str) -> Ref | None:
    """Write the ref down, or return what was written of it."""
    if request.ref is None:
        return None
    digest = hashlib.sha256(orjson.dumps([request.stream, request.payload], option=orjson.OPT_SORT_KEYS)).hexdigest()
    known, _ = Ref.objects.get_or_create(who=who, ref=request.ref, defaults={"digest": digest, "at": time.time()})
    if known.digest != digest:
        raise Refused("ref_reused", "This ref was used for another write. Give each write a ref of its own.")
    return known


def _remember(known: Ref, binding: WebsocketBinding, pk: Any, start: int) -> None:
    """Keep the answer under the ref, and name the ref on the row the write itself touched."""
    field = binding.model._meta.pk
    known.answer = encode(None if pk is None else value_of(binding.model(pk=pk), field)).decode()
    known.save(update_fields=["answer"])
    if pk is not None:
        for part in parts(binding.model):
            journal.name(known.ref, part._meta.db_table, field.get_db_prep_value(pk, connection), start)
