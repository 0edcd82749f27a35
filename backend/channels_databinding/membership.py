"""… → hub → **membership** → connection → demultiplexer

What one socket sees: its places in subscriptions, how they are come by, and how they are lost.
"""

import inspect
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import DatabaseError
from django.db.models import Model
from django.http import Http404

from . import cursor
from .binding import current
from .feed import Feed
from .hooks import as_groups, call, call_with
from .hub import Hub
from .limits import limit
from .log import complain, logger
from .outbox import Outbox
from .protocol import Refused, read_params
from .rows import Audience, Binding, visible_groups
from .subscriptions import Key, Member

REFUSALS: Final = (PermissionDenied, Http404, ObjectDoesNotExist)  # what a hook raises to say no


def admit(hooks: Any) -> Audience:
    """Ask whether a socket may come in, and return its groups. Raises what the hooks raise."""
    call_with(hooks.connect, hooks.scope["url_route"]["kwargs"])
    return connection_groups(hooks)


def connection_groups(hooks: Any) -> Audience:
    """Return the groups of a socket that asks for no others."""
    return as_groups(call_with(hooks.connection_groups, hooks.scope["url_route"]["kwargs"]))


def subscription_groups(binding: Binding, user: Any, params: str) -> Audience:
    """Return the groups a user has in a subscription with params. Raises one of REFUSALS, or Refused(bad_params)."""
    bound, asked = binding(), read_params(params)
    bound.user = current(user)
    signature = inspect.signature(bound.subscription_groups)
    try:
        signature.bind(bound.user, **asked)
    except TypeError:
        _, *names = signature.parameters
        raise Refused("bad_params", f"This stream takes the params: {', '.join(names) or 'none'}.") from None
    try:
        return as_groups(call(bound.subscription_groups, bound.user, **asked))
    except (TypeError, ValueError, OverflowError, ValidationError) as error:  # what the ORM says to "abc" for a number
        complain(binding, "a subscribe", "subscription_groups", error)
        raise Refused("bad_params", "This stream cannot make anything of these params.") from None


class Membership:
    """`hooks` is what the project says of this socket: a demultiplexer."""

    def __init__(self, hooks: Any, hub: Hub, outbox: Outbox) -> None:
        self._hooks, self._hub, self._outbox = hooks, hub, outbox
        self._groups: Audience = frozenset()
        self._members: dict[tuple[str, str], Member] = {}  # by stream and params

    async def open(self, bindings: Mapping[str, Binding]) -> None:
        """Join what this socket hears without asking, if it may come in. Raises what the hooks raise."""
        self._groups = await self._hub.run(admit, self._hooks)
        if self._groups:
            for stream, binding in bindings.items():
                member = await self._join(stream, Key(binding, "", self._groups), told=False)
                member.go_live(self._hub.feed(binding).passed)

    async def subscribe(self, stream: str, binding: Binding, params: str, since: str | None) -> str:
        """Join, tell what was missed since a cursor, and go live. Returns the cursor from there. Raises Refused."""
        self._outbox.subscribed = True
        self.leave(stream, params)  # whatever comes of it, the earlier one is over
        if sum(member.told for member in self._members.values()) >= limit("subscriptions"):
            raise Refused("too_large", f"A socket may have {limit('subscriptions'):,} subscriptions.")
        try:
            groups = await self._hub.run(self._groups_for, binding, params)
        except REFUSALS as error:
            raise Refused("forbidden", str(error) or "You may not see this.") from None
        member = await self._join(stream, Key(binding, params, groups), told=True)
        try:
            return await self._catch_up(member, since)
        except BaseException:
            self.leave(stream, params)
            raise

    async def _catch_up(self, member: Member, since: str | None) -> str:
        missed, feed = None, self._hub.feed(member.key.binding)
        while missed is None or missed.epoch != feed.epoch:  # another database was put in place meanwhile
            missed = await feed.catch_up(member, since)
            for text in missed.frames:
                await self._outbox.room()
                self._outbox.hand(text)
            await self._outbox.room()  # for what was held, and the answer
        reached, stays = member.go_live(missed.position)
        if not stays:
            feed.leave(member)
        return cursor.seal(missed.epoch, reached, [member.key.fingerprint])

    async def _join(self, stream: str, key: Key, *, told: bool) -> Member:
        member = await self._hub.feed(key.binding).join(key, self._outbox, told=told)
        self._members[stream, key.params] = member
        return member

    def live(self, stream: str, params: str) -> Member:
        """Return this socket's place in a subscription that it hears all of. Raises Refused."""
        member = self._members.get((stream, params))
        if member is None or not member.told or not self._is_live(member):
            raise Refused("forbidden", "Subscribe first: who is here is for those who see the rows.")
        return member

    def leave(self, stream: str, params: str) -> None:
        if (member := self._members.pop((stream, params), None)) is not None:
            self._hub.feed(member.key.binding).leave(member)

    def close(self) -> None:
        for member in self._members.values():
            self._hub.feed(member.key.binding).leave(member)

    def _is_live(self, member: Member) -> bool:
        return self._hub.feed(member.key.binding).is_live(member)

    @property
    def cursor(self) -> str | None:
        """A cursor good for every live subscription of this socket, None without one."""
        live: dict[Feed, list[str]] = defaultdict(list)
        for member in self._members.values():
            if member.told and self._is_live(member):
                live[self._hub.feed(member.key.binding)].append(member.key.fingerprint)
        sealed = [cursor.seal(feed.epoch, feed.passed, fingerprints) for feed, fingerprints in live.items()]
        return cursor.together(sealed) if sealed else None

    def may_read(self, binding: Binding, row: Model) -> bool:
        """Whether this socket is shown the row. Called in a thread, where `_members` may change meanwhile."""
        keys = [member.key for member in tuple(self._members.values()) if member.key.binding is binding]
        groups = visible_groups(binding, row) if keys else frozenset()
        return any(not key.groups.isdisjoint(groups) for key in keys)

    def ask_again(self, who: str | None, asked: dict[Any, Any], refuse: Callable[[], None]) -> Callable[[], None]:
        """Ask for its groups again, in a thread. Returns what is to be done then, in the event loop.

        `asked` keeps what other sockets of the same user were answered: groups, or why there are none. `refuse` closes
        a socket that may not be here any more.
        """
        found: dict[Member, str] = {}
        for member in tuple(self._members.values()):
            binding, params = member.key.binding, member.key.params
            question = (binding, who, params) if params else (self, None, "")
            if question not in asked:
                asked[question] = self._answer(binding, who, params)
            if (answer := asked[question]) != member.key.groups:
                found[member] = answer if isinstance(answer, str) else "what you may see has changed"

        def lose() -> None:
            for member, reason in found.items():
                if not self._is_live(member):
                    continue  # it is asking just now
                if reason == "forbidden" and not member.key.params:
                    refuse()
                else:
                    self._hub.feed(member.key.binding).send_away(member, reason)

        return lose

    def _answer(self, binding: Binding, who: str | None, params: str) -> Audience | str:
        try:
            if who is None and not params:
                return self._groups  # nobody's rights do not change
            return self._groups_for(binding, params)
        except (*REFUSALS, Refused):
            return "forbidden"
        except DatabaseError:
            raise
        except Exception:
            logger.exception("%s: the groups of a socket could not be asked for again", binding.__name__)
            return "what you may see could not be found out"

    def _groups_for(self, binding: Binding, params: str) -> Audience:
        """Ask what a subscription may see, in a thread. Raises what the hooks raise."""
        if params:
            return subscription_groups(binding, self._hooks.user, params)
        self._hooks.user = self._hooks.scope["user"] = current(self._hooks.user)
        self._groups = connection_groups(self._hooks)
        return self._groups
