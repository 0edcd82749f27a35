"""… → hub → outbox → **demultiplexer**

The consumer on the socket: streams in, frames out, an ack or an error for each `ref`.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

from channels.consumer import AsyncConsumer
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist, PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest

from . import cursor, protocol, subscriptions, writes
from .binding import WebsocketBinding, as_groups, call, call_with
from .guest import Guest
from .hub import Hub
from .inbox import Inbox
from .outbox import Outbox, Send
from .protocol import BadFrame, Refused, Request, decode, frame, name_params, read_params
from .rows import Audience, Binding, visible_groups
from .sessions import current, identity
from .subscriptions import Key, Member

logger = logging.getLogger(__name__)

WRITES: Final = ("create", "update", "delete")


class WebsocketDemultiplexer(AsyncConsumer):
    """Serves several bindings over one socket. List them in `consumers`; `connection_groups` says what a browser
    sees that does not ask for more. A JSON consumer of your own may stand beside them.

        class Demultiplexer(WebsocketDemultiplexer):
            consumers = {"intval": IntegerValueBinding.consumer}

            def connection_groups(self, **url_kwargs):
                return ["intval-updates"]

    Raise PermissionDenied or Http404 in `connection_groups` or `connect` to turn a browser away.
    """

    consumers: ClassVar[Mapping[str, Any]] = {}
    groups: ClassVar[Iterable[str]] = ()

    def __init__(self, hub: Hub | None = None) -> None:
        self._own_hub = hub
        self._members: dict[tuple[str, str], Member] = {}  # by stream and params
        self._guests: dict[str, Guest] = {}
        self._inbox = Inbox(self._do)
        self._unanswered = 0
        self._all_answered = asyncio.Event()
        self._speaks_new = False

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Any:
        for stream, binding in cls._bindings().items():
            if binding.stream != stream:
                raise ImproperlyConfigured(
                    f"{cls.__name__}.consumers has {binding.__name__} as {stream!r}, but its own stream is "
                    f"{binding.stream!r}. Use the same name for both."
                )
        return super().as_asgi(**initkwargs)

    @classmethod
    def _bindings(cls) -> dict[str, Binding]:
        every = cls.consumers.items()
        return {stream: one for stream, one in every if isinstance(one, type) and issubclass(one, WebsocketBinding)}

    @classmethod
    def snapshot(
        cls, request: HttpRequest, stream: str, url_kwargs: Mapping[str, Any] | None = None, /, **params: Any
    ) -> dict[str, Any]:
        """Return the rows that a subscribe from this request's page would be told, and where they stand, for the page
        to carry: `{"rows": [{"pk": 1, "data": {…}}, …], "cursor": "…"}`.

        The client goes on from there: nothing is read twice, nothing missed. `url_kwargs` are those of the socket's
        route. Raises what `connect`, `connection_groups` and `subscription_groups` raise. It reads in a transaction of
        its own, so it cannot be called within one.
        """
        socket = cls()
        socket.user, session = request.user, getattr(request, "session", None)
        socket.scope = {"user": socket.user, "session": session, "url_route": {"kwargs": url_kwargs or {}}}
        binding, groups = cls.consumers[stream], socket._connect(url_kwargs or {})
        if params:
            groups = socket._groups_for(binding, params)
        return subscriptions.snapshot(Key(binding, name_params(params, stream), groups))

    # ---- hooks

    def connection_groups(self, **url_kwargs: Any) -> Iterable[str]:
        """Return the groups of a browser that subscribes without params, or never does, as in Channels 1.x."""
        return self.groups

    def connect(self, **url_kwargs: Any) -> None:
        """Called before the socket is accepted."""

    def disconnect(self, code: int) -> None:
        """Called after the socket was closed."""

    # ---- the life of a socket

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        # Not AsyncConsumer's own loop: it hops to a thread for each frame (69 µs) and keeps a task for the layer.
        self.scope = scope
        self.user = scope.get("user")
        self.identity = identity(scope)
        self.hub = self._own_hub or Hub.current()
        self.outbox = Outbox(send)
        await receive()
        code = 1006
        try:
            if await self._open(send):
                while (event := await receive())["type"] == "websocket.receive":
                    self._take(event.get("text"))
                code = event.get("code", code)
            self.outbox.drop()
            await self._inbox.done()  # writes that came before the end are done, as in 1.x
        finally:
            self.outbox.drop()
            self._inbox.stop()
            self.hub.lookout.discard(self)
            for member in self._members.values():
                self.hub.leave(member)
            await asyncio.gather(*(guest.leave(code) for guest in self._guests.values()))
            await self.hub.run(call, self.disconnect, code)

    async def _open(self, send: Send) -> bool:
        """Join the groups of this browser and accept it. Returns whether it may stay."""
        kwargs = self.scope.get("url_route", {}).get("kwargs", {})
        try:
            self._groups = await self.hub.run(self._connect, kwargs)
            if self._groups:
                for stream, binding in self._bindings().items():
                    await self._join(stream, Key(binding, "", self._groups), told=False)
        except PermissionDenied:
            code = protocol.FORBIDDEN if self.identity.user is not None else protocol.LOG_IN
        except Http404:
            code = protocol.NO_SUCH_PLACE
        else:
            await send({"type": "websocket.accept"})
            for stream in self.consumers.keys() - self._bindings():
                self._guests[stream] = Guest(stream, self.consumers[stream], self.scope, self.outbox)
            self.hub.lookout.add(self)
            return True
        await send({"type": "websocket.accept"})
        self.outbox.close(code)
        return False

    def _connect(self, kwargs: Mapping[str, Any]) -> Audience:
        call_with(self.connect, kwargs)
        return as_groups(call_with(self.connection_groups, kwargs))

    async def _join(self, stream: str, key: Key, *, told: bool) -> Member:
        self._members[stream, key.params] = member = await self.hub.join(key, self.outbox, told=told)
        if not told:
            member.go_live(self.hub.passed or 0)
        return member

    def _leave(self, stream: str, params: str) -> None:
        if (member := self._members.pop((stream, params), None)) is not None:
            self.hub.leave(member)

    def look(self, now: float) -> None:
        """Called now and then by the lookout."""
        self.outbox.look(now)

    def log_out(self) -> None:
        self._close(protocol.LOGGED_OUT)

    def _close(self, code: int) -> None:
        """Close, and do nothing more of what was received: not for somebody else, not out of order, not too much."""
        self._inbox.clear()
        self.outbox.close(code)

    # ---- frames in, one after the other

    def _take(self, text: str | None) -> None:
        request: Request | BadFrame
        try:
            request = decode(text, self._guests)
        except BadFrame as bad:
            request = bad
        else:
            if request.stream == "" and request.action == "ack":
                self.outbox.answered(request.ref)  # at once: it says that the socket reads
                return
        if not self.outbox.closed and not self._inbox.put(request, len(text or "")):
            self._close(protocol.FLOODING)

    async def _do(self, request: Request | BadFrame) -> None:
        if isinstance(request, BadFrame):
            self._refuse(request.stream, request.ref, request)
            return
        if self.outbox.closed and request.action not in WRITES:
            return
        if request.is_new:
            self._speaks_new = True
        try:
            await self._dispatch(request)
        except Refused as refused:
            self._refuse(request.stream, request.ref, refused, params=request.params)
        except writes.OutcomeUnknown:
            logger.exception("ref %s: the database did not say whether this write was committed", request.ref)
            self._close(protocol.OUTCOME_UNKNOWN)
        except Exception:
            logger.exception("stream %r, ref %s: failed", request.stream, request.ref)
            failed = Refused("failed", "This could not be done. It was not your fault.")
            self._refuse(request.stream, request.ref, failed, params=request.params)

    async def _dispatch(self, request: Request) -> None:
        if request.stream == "":
            if request.action != "ping":
                raise Refused("unknown_action", f"The socket itself has no action {request.action!r}.")
            self._answer(request, {"action": "ack"}, cursor=self._cursor())
            return
        if (guest := self._guests.get(request.stream)) is not None:
            if not guest.take(request.payload):
                self._close(protocol.FLOODING)
            self._answer(request, {"action": "ack"})
            return
        binding = self.consumers.get(request.stream)
        if binding is None:
            raise Refused("unknown_stream", f"There is no stream {request.stream!r} on this socket.")
        if request.action == "subscribe":
            await self._subscribe(request, binding)
        elif request.action == "unsubscribe":
            await self._barrier()
            self._leave(request.stream, request.params)
            self._answer(request, {"action": "ack"}, params=request.params)
        elif request.action in WRITES:
            await self._write(request, binding)
        else:
            raise Refused("unknown_action", f"A stream has no action {request.action!r}.")

    async def _write(self, request: Request, binding: Binding) -> None:
        bound = binding()
        bound.user = self.user
        answer = await self.hub.run(writes.apply, bound, request, self.identity, self._may_read)
        self.hub.nudge()
        if request.ref is None:
            return
        self._unanswered += 1
        self.hub.when_passed(answer.position, lambda: self._settle(request, answer.payload))

    def _settle(self, request: Request, payload: Mapping[str, Any]) -> None:
        self._unanswered -= 1
        self._answer(request, payload)
        if self._unanswered == 0:
            self._all_answered.set()

    async def _barrier(self) -> None:
        """Wait until all earlier frames of this socket are answered."""
        while self._unanswered:
            self._all_answered.clear()
            await self._all_answered.wait()

    def _may_read(self, row: Model) -> bool:
        """Whether this socket is shown the row. Called in the pool, where `_members` may change meanwhile."""
        return any(
            isinstance(row, member.key.binding.model)
            and not member.key.groups.isdisjoint(visible_groups(member.key.binding, row))
            for member in tuple(self._members.values())
        )

    async def _subscribe(self, request: Request, binding: Binding) -> None:
        await self._barrier()
        self.outbox.subscribed = True
        self._leave(request.stream, request.params)  # whatever comes of it, the earlier one is over
        groups = self._groups
        if request.params:
            groups = await self.hub.run(self._subscription_groups, binding, request.params)
        key = Key(binding, request.params, groups)
        member = await self._join(request.stream, key, told=True)
        since = request.payload.get("since")
        missed = None
        while missed is None or missed.epoch != self.hub.epoch:  # another database was put in place meanwhile
            missed = await self.hub.catch_up(member, since if isinstance(since, str) else None)
            for text in missed.frames:
                await self.outbox.room()
                self.outbox.hand(text)
            await self.outbox.room()  # for what was held, and the answer
        reached, stays = member.go_live(missed.position)
        sealed = cursor.seal(missed.epoch, reached, [key.fingerprint])
        self._answer(request, {"action": "ack"}, params=request.params, cursor=sealed)
        if not stays:
            self.hub.leave(member)

    def _subscription_groups(self, binding: Binding, params: str) -> Audience:
        asked = read_params(params)
        try:
            inspect.signature(binding().subscription_groups).bind(self.user, **asked)
        except TypeError as error:
            raise Refused("bad_params", f"This stream does not take these params: {error}.") from None
        try:
            return self._groups_for(binding, asked)
        except (PermissionDenied, Http404, ObjectDoesNotExist) as error:
            raise Refused("forbidden", str(error) or "You may not see this.") from None

    def _groups_for(self, binding: Binding, params: Mapping[str, Any]) -> Audience:
        bound = binding()
        bound.user = current(self.user)
        return as_groups(call(bound.subscription_groups, bound.user, **params))

    def _cursor(self) -> str | None:
        """Return a cursor good for every live subscription of this socket, None without one."""
        live = [m.key.fingerprint for m in self._members.values() if m.told and self.hub.is_live(m)]
        return cursor.seal(self.hub.epoch, self.hub.passed, live) if live else None

    # ---- frames out

    def _answer(
        self, request: Request, payload: Mapping[str, Any], *, params: str = "", cursor: str | None = None
    ) -> None:
        if request.ref is not None:
            self.outbox.hand(frame(request.stream, payload, params=params, ref=request.ref, cursor=cursor))

    def _refuse(self, stream: str, ref: str | None, refused: Refused, *, params: str = "") -> None:
        """Answer with an error: by its ref, or for a frame that cannot be read to who has used a new word."""
        if ref is not None or (isinstance(refused, BadFrame) and self._speaks_new):
            self.outbox.hand(frame(stream, refused.payload, params=params, ref=ref))
