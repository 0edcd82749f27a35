"""… → outbox → **sessions** → demultiplexer

Who is on a socket, and whether they still are. Another process's logout sends no signal, so it is looked at.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.db.models import Model
from django.utils.crypto import constant_time_compare

logger = logging.getLogger(__name__)

LOOK_S: Final = 5.0  # between two looks; so long a logout elsewhere may take to reach a socket


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose writes these are: a user's, else a session's. `session` is the session's key, None without one."""

    user: str | None
    session: str | None

    @property
    def who(self) -> str:
        """The name under which refs are kept, so that nobody is answered for another's."""
        return f"user:{self.user}" if self.user is not None else f"session:{self.session or ''}"


def identity(scope: Mapping[str, Any]) -> Identity:
    """Return who is on a socket, from what AuthMiddlewareStack put into its scope."""
    user, session = scope.get("user"), scope.get("session")
    return Identity(
        user=str(user.pk) if user is not None and user.is_authenticated else None,
        session=getattr(session, "session_key", None),
    )


def current(user: Any) -> Any:
    """Return a socket's user as the database has them now: a permission is asked for, never remembered.

    Raises PermissionDenied if they are gone or deactivated. Who is not a model's row stays as they are.
    """
    if not isinstance(user, Model) or user.pk is None:
        return user
    now = user._meta.model._default_manager.filter(pk=user.pk).first()
    if now is None or not getattr(now, "is_active", True):
        raise PermissionDenied("Your account is no longer active.")
    return now


def ended(identities: Collection[Identity]) -> set[Identity]:
    """Return those who are no longer logged in as who they were: logged out, another password, deactivated."""
    return {one for one in identities if one.user is not None and one.session and not _goes_on(one)}


def _goes_on(one: Identity) -> bool:
    data = import_module(settings.SESSION_ENGINE).SessionStore(one.session).load()
    if data.get(SESSION_KEY) != one.user:
        return False
    user = get_user_model()._default_manager.filter(pk=str(one.user)).first()
    if user is None or not user.is_active:
        return False
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(data.get(HASH_SESSION_KEY, ""), one) for one in hashes)


class Socket(Protocol):
    """What is looked after: a demultiplexer."""

    identity: Identity

    def look(self, now: float) -> None: ...
    def log_out(self) -> None: ...


class Lookout:
    """Looks now and then at each socket of a process: does it read, and is who is on it still who they were?

    `run` does blocking work in a thread.
    """

    def __init__(self, run: Callable[..., Awaitable[set[Identity]]]) -> None:
        self._run = run
        self._sockets: set[Socket] = set()
        self._looking: asyncio.Task[None] | None = None

    def add(self, socket: Socket) -> None:
        self._sockets.add(socket)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def discard(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        if not self._sockets and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            for socket in tuple(self._sockets):
                socket.look(now)
            try:
                gone = await self._run(ended, {socket.identity for socket in self._sockets})
            except DatabaseError:
                logger.warning("Sessions could not be looked at; trying again in %s s.", LOOK_S, exc_info=True)
                continue
            for socket in tuple(self._sockets):
                if socket.identity in gone:
                    socket.log_out()
