"""… → outbox → **sessions** → demultiplexer

Who is on a socket, and whether they still are. Another process's logout sends no signal, so it is looked at.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.utils.crypto import constant_time_compare


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
    return constant_time_compare(data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
