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
from .binding import WebsocketBinding
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
    try:
        payload = {"action": "ack", "pk": _apply_once(binding, request, identity, may_read)}
    except Refused as refused:
        payload = refused.payload
    except PermissionDenied as error:
        payload = Refused("forbidden", str(error)).payload
    except OutcomeUnknown:
        raise
    except Exception:
        logger.exception("%s, ref %s: the write failed", type(binding).__name__, request.ref)
        payload = Refused("failed", "This could not be done. It was not your fault, and is being looked at.").payload
    # Read after the transaction, whatever came of it: an error too was judged on a state its reader must have.
    return Answer(payload, journal.position())


def _apply_once(
    binding: WebsocketBinding, request: Request, identity: Identity, may_read: Callable[[Model], bool]
) -> Any:
    done = False
    try:
        with journal.writing() as start:
            known = _register(request, identity.who)
            if known is not None and known.answer is not None:
                return orjson.loads(known.answer)
            binding.user = current(binding.user)
            pk = binding.perform(request.payload, may_read)
            if known is not None:
                _remember(known, binding, pk, start)
            done = True
    except Exception as error:
        if not done:
            raise
        known = _look_up(request, identity.who)  # COMMIT failed, or something that was to run after it
        if known is None and isinstance(error, IntegrityError):
            raise Refused("invalid", f"The database refused this: {error}.") from error
        if known is None:
            raise
        logger.exception("%s, ref %s: saved, but a hook after it failed", type(binding).__name__, request.ref)
    return orjson.loads(known.answer) if known is not None and known.answer else None


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
        journal.name(known.ref, binding.model._meta.db_table, field.get_db_prep_value(pk, connection), start)


def _look_up(request: Request, who: str) -> Ref | None:
    try:
        return Ref.objects.filter(who=who, ref=request.ref).first()
    except DatabaseError as error:
        raise OutcomeUnknown from error
