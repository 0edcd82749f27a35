"""… → outbox → **sessions** → inbox → …

Who is on a socket, whether they still are, and how many they are. Another process's logout sends no signal, so it is
looked at; and so is what somebody may see.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from ipaddress import ip_address
from typing import Any, Protocol
from weakref import WeakValueDictionary

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.utils.crypto import constant_time_compare

from .limits import Bucket, limit
from .log import logger


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose writes these are: a user's, else a session's. `session` is the session's key, `address` the browser's;
    None without one."""

    user: str | None
    session: str | None
    address: str | None = None

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
        address=(scope.get("client") or [None])[0],
    )


def _goes_on(one: Identity, user: Any) -> bool:
    """Whether they are still logged in as who they were: not logged out, no other password, not deactivated."""
    data = import_module(settings.SESSION_ENGINE).SessionStore(one.session).load()
    if user is None or not user.is_active or data.get(SESSION_KEY) != one.user:
        return False
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(data.get(HASH_SESSION_KEY, ""), one) for one in hashes)


class Socket(Protocol):
    """What is looked after: a connection."""

    identity: Identity

    def look(self, now: float) -> None: ...
    def log_out(self) -> None: ...
    def ask_again(self, asked: dict[Any, Any]) -> Callable[[], None]: ...


class Lookout:
    """Looks now and then at each socket of a process: does it read, is who is on it still who they were, and may they
    still see what they see?

    `run` does blocking work in a thread.
    """

    def __init__(self, run: Callable[..., Awaitable[Collection[Callable[[], None]]]]) -> None:
        self._run = run
        self._sockets: set[Socket] = set()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._buckets: WeakValueDictionary[str, Bucket] = WeakValueDictionary()
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._sockets)

    def buckets(self, one: Identity) -> list[Bucket]:
        """Return what a new socket takes its frames from: its own, and its user's."""
        own = Bucket(limit("frames_per_s"))
        if one.user is None:
            return [own]
        return [own, self._buckets.setdefault(one.user, Bucket(limit("user_frames_per_s")))]

    def add(self, socket: Socket) -> bool:
        """Look after a socket. Returns whether there was room for it: not too many of one user or address."""
        self._sockets.add(socket)
        self._counts.update(_names(socket.identity))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        for kind, name in _names(socket.identity):
            over = self._counts[kind, name] - limit(f"sockets_per_{kind}")
            if over == 1:
                logger.warning("%s %s has more sockets than sockets_per_%s: the others are closed.", kind, name, kind)
            if over > 0:
                return False
        return True

    def discard(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        for name in _names(socket.identity):
            self._counts[name] -= 1
            if not self._counts[name]:
                del self._counts[name]
        if not self._sockets and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(limit("look_s"))
            now = time.monotonic()
            for socket in tuple(self._sockets):
                socket.look(now)
            try:
                verdicts = await self._run(_look_at, tuple(self._sockets))
            except Exception:  # a session store or a user model may raise anything; the next look will do
                logger.warning("Sessions could not be looked at; trying again.", exc_info=True)
                continue
            for verdict in verdicts:
                verdict()


def _names(one: Identity) -> list[tuple[str, str]]:
    """Return under what a socket is counted. Not under the address of a proxy: that is everybody's."""
    names = [("user", one.user)] if one.user is not None else []
    return [*names, ("address", one.address)] if one.address is not None and _is_public(one.address) else names


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:  # a name, or a path
        return False


def _look_at(sockets: Collection[Socket]) -> Collection[Callable[[], None]]:
    """Return what is to be done about them, in the event loop."""
    identities = {socket.identity for socket in sockets}
    users = {one.user for one in identities if one.user is not None and one.session}
    found = {str(pk): user for pk, user in get_user_model()._default_manager.in_bulk(users).items()}
    ended = {one for one in identities if one.user in users and one.session and not _goes_on(one, found.get(one.user))}
    asked: dict[Any, Any] = {}
    return [socket.log_out if socket.identity in ended else socket.ask_again(asked) for socket in sockets]
