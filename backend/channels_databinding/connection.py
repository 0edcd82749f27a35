"""… → hub → membership → **connection** → demultiplexer

One socket: frames in, frames out, an ack or an error for each `ref`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404

from .guest import Guest
from .hooks import call
from .hub import Hub
from .inbox import Inbox
from .log import complain, logger, subject
from .membership import Membership
from .outbox import Outbox, Send
from .protocol import BadFrame, Close, Refused, Request, decode, frame, quote
from .rows import Binding
from .sessions import identity
from .writes import OutcomeUnknown, Write

WRITES: Final = ("create", "update", "delete")
ACK: Final = {"action": "ack"}


class Connection:
    """`hooks` is what the project says of this socket: a demultiplexer. `bindings` are those of its `consumers` that
    bind a model, by stream."""

    def __init__(self, hooks: Any, bindings: Mapping[str, Binding], hub: Hub, send: Send) -> None:
        self._hooks, self._bindings, self._hub = hooks, bindings, hub
        self.identity = identity(hooks.scope)
        self._outbox = Outbox(send, hub.counts)
        self._membership = Membership(hooks, hub, self._outbox)
        self._inbox = Inbox(self._do, hub.lookout.buckets(self.identity))
        self._guests: dict[str, Guest] = {}
        self._unanswered = 0
        self._all_answered = asyncio.Event()
        self._speaks_new = False

    # ---- its life

    async def run(self, receive: Callable[[], Awaitable[Any]]) -> None:
        await receive()
        code = 1006
        try:
            if await self._open():
                while (event := await receive())["type"] == "websocket.receive":
                    self._take(event.get("text"))
                code = event.get("code", code)
            self._outbox.drop()
            self._membership.close()  # they are gone, whatever is still being done for them
            await self._inbox.done()  # writes that came before the end are done, as in 1.x
        finally:
            self._outbox.drop()
            self._inbox.stop()
            self._hub.lookout.discard(self)
            self._membership.close()
            await asyncio.gather(*(guest.leave(code) for guest in self._guests.values()))
            await self._hub.run(call, self._hooks.disconnect, code)

    async def _open(self) -> bool:
        """Accept this browser and join its groups. Returns whether it may stay."""
        try:
            if self._hub.lookout.add(self):
                await self._membership.open(self._bindings)
            else:
                self._outbox.close(Close.FLOODING)
        except PermissionDenied:
            self._outbox.close(self._refusal)
        except Http404:
            self._outbox.close(Close.NO_SUCH_PLACE)
        await self._outbox.accept()
        if self._outbox.closed:
            return False
        for stream, consumer in self._hooks.consumers.items():
            if stream not in self._bindings:
                self._guests[stream] = Guest(stream, consumer, self._hooks.scope, self._outbox)
        return True

    @property
    def _refusal(self) -> Close:
        return Close.FORBIDDEN if self.identity.user is not None else Close.LOG_IN

    def _close(self, code: Close) -> None:
        """Close, and do nothing more of what was received: not for somebody else, not out of order, not too much."""
        self._inbox.clear()
        self._outbox.close(code)

    # ---- looked at now and then, by the lookout

    def look(self, now: float) -> None:
        self._outbox.look(now)

    def log_out(self) -> None:
        self._close(Close.LOGGED_OUT)

    def ask_again(self, asked: dict[Any, Any]) -> Callable[[], None]:
        return self._membership.ask_again(self.identity.user, asked, partial(self._close, self._refusal))

    # ---- frames in, one after the other

    def _take(self, text: str | None) -> None:
        request: Request | BadFrame
        try:
            request = decode(text, self._guests)
        except BadFrame as bad:
            request = bad
        else:
            if request.stream == "" and request.action == "ack" and self._outbox.answered(request.ref):
                return  # at once: it says that the socket reads
        if not self._outbox.closed and not self._inbox.put(request, len(text or "")):
            self._close(Close.FLOODING)

    async def _do(self, request: Request | BadFrame) -> None:
        if isinstance(request, BadFrame):
            if request.ref is not None or self._speaks_new:
                self._outbox.hand(frame(request.stream, request.payload, ref=request.ref))
            return
        if self._outbox.closed and request.action not in WRITES:
            return
        self._speaks_new |= request.is_new
        with subject(ref=request.ref, stream=request.stream, user=self.identity.user):
            await self._try(request)

    async def _try(self, request: Request) -> None:
        try:
            await self._dispatch(request)
        except Refused as refused:
            self._answer(request, refused.payload, params=request.params)
        except OutcomeUnknown:
            logger.exception("ref %s: the database did not say whether this write was committed", request.ref)
            self._close(Close.FAILED)
        except Exception as error:
            complain(self._bindings.get(request.stream), f"a {request.action}", "what a browser asked for", error)
            logger.warning("stream %r, ref %s: failed: %r", request.stream, request.ref, error)
            failed = Refused("failed", "This could not be done. It was not your fault.")
            self._answer(request, failed.payload, params=request.params)

    async def _dispatch(self, request: Request) -> None:
        stream, action, params = request.stream, request.action, request.params
        if stream == "":
            if action != "ping":
                raise Refused("unknown_action", f"The socket itself has no action {quote(action)}.")
            self._answer(request, ACK, cursor=self._membership.cursor)
        elif (guest := self._guests.get(stream)) is not None:
            if not guest.take(request.payload):
                self._close(Close.FLOODING)
            self._answer(request, ACK)
        elif (binding := self._bindings.get(stream)) is None:
            raise Refused("unknown_stream", f"There is no stream {quote(stream)} on this socket.")
        elif action in WRITES:
            await self._write(request, binding)
        elif action == "subscribe":
            await self._barrier()
            since = request.payload.get("since")
            since = since if isinstance(since, str) else None
            cursor = await self._membership.subscribe(stream, binding, params, since)
            self._answer(request, ACK, params=params, cursor=cursor)
        elif action == "unsubscribe":
            await self._barrier()
            self._membership.leave(stream, params)
            self._answer(request, ACK, params=params)
        elif action == "presence":
            key = await self._be_present(request, binding)
            self._answer(request, {**ACK, "key": key} if key else ACK, params=params)
        else:
            raise Refused("unknown_action", f"A stream has no action {quote(action)}.")

    async def _be_present(self, request: Request, binding: Binding) -> str | None:
        """Return the key under which this socket is told to the others, None if it has left."""
        called = await self._hub.run(call, binding().presence_name, self._hooks.user)
        member, state = self._membership.live(request.stream, request.params), request.payload.get("state", {})
        if state is None:
            self._hub.presence.leave(member)
            return None
        return self._hub.presence.put(member, self.identity, called, state)

    async def _write(self, request: Request, binding: Binding) -> None:
        bound = binding()
        bound.user = self._hooks.user
        may_read = partial(self._membership.may_read, binding)
        feed = self._hub.feed(binding)
        answer = await feed.writer.do(Write(bound, request, self.identity, may_read))

        def settle() -> None:
            self._unanswered -= 1
            self._answer(request, answer.payload)
            if self._unanswered == 0:
                self._all_answered.set()

        if request.ref is not None:
            self._unanswered += 1
            feed.when_passed(answer.position, settle)

    async def _barrier(self) -> None:
        """Wait until all earlier frames of this socket are answered."""
        while self._unanswered:
            self._all_answered.clear()
            await self._all_answered.wait()

    # ---- frames out

    def _answer(self, request: Request, payload: object, *, params: str = "", cursor: str | None = None) -> None:
        if request.ref is not None:
            self._outbox.hand(frame(request.stream, payload, params=params, ref=request.ref, cursor=cursor))
