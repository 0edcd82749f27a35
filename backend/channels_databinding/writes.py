"""… → journal → **writes** → demultiplexer

One client write: checked, applied once, and named in the journal, in one transaction.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, IntegrityError, connection
from django.db.models import Model

from . import journal
from .binding import WebsocketBinding, parts
from .models import Ref
from .protocol import Refused, Request, encode
from .serializers import value_of
from .sessions import Identity, current

logger = logging.getLogger(__name__)


class OutcomeUnknown(Exception):
    """COMMIT failed in a way that does not tell whether it happened. The client asks again, with the same ref."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The payload of an ack or error. It may leave once the hub has passed `position`."""

    payload: dict[str, Any]
    position: int


def apply(binding: WebsocketBinding, request: Request, identity: Identity, may_read: Callable[[Model], bool]) -> Answer:
    """Do a client write and return its answer. Raises OutcomeUnknown.

    The same `ref` again, from the same user or session, is answered as the first time and nothing is done; with
    another payload it is refused. A write that was refused left nothing, so its ref is judged anew.
    """
    known, done = None, False
    start = position = 0
    try:
        with journal.writing() as start:
            known = _register(request, identity.who)
            if known is None or known.answer is None:
                binding.user = current(binding.user)
                pk = binding.perform(request.payload, may_read)
                if known is not None:
                    _remember(known, binding, pk, start)
            # Before COMMIT, so that it is this write's own: after it, others' would delay the answer past the frame.
            position = journal.position()
            done = True
    except Refused as refused:
        return Answer(refused.payload, start)
    except PermissionDenied as error:
        return Answer(Refused("forbidden", str(error)).payload, start)
    except Exception as error:
        # COMMIT failed, or something before it, or something that was to run after it: what is there tells.
        if not done or _look_up(request, identity.who) is None:
            return Answer(_fault(binding, request, error).payload, start)
        logger.exception("%s, ref %s: saved, but a hook after it failed", type(binding).__name__, request.ref)
    return Answer({"action": "ack", "pk": orjson.loads(known.answer) if known and known.answer else None}, position)


def _fault(binding: WebsocketBinding, request: Request, error: Exception) -> Refused:
    if isinstance(error, IntegrityError):  # a deferred constraint, told by COMMIT
        return Refused("invalid", f"The database refused this: {error}.")
    logger.error("%s, ref %s: the write failed", type(binding).__name__, request.ref, exc_info=error)
    return Refused("failed", "This could not be done. It was not your fault, and is being looked at.")


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


def _look_up(request: Request, who: str) -> Ref | None:
    try:
        return Ref.objects.filter(who=who, ref=request.ref).first()
    except DatabaseError as error:
        raise OutcomeUnknown from error
