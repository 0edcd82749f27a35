"""… → membership → connection → **demultiplexer**

What users declare of a socket: its streams, and who gets which groups.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ClassVar

from channels.consumer import AsyncConsumer
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from . import subscriptions
from .binding import WebsocketBinding
from .connection import Connection
from .hub import Hub
from .membership import admit, subscription_groups
from .outbox import Send
from .protocol import name_params
from .rows import Binding
from .subscriptions import Key


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
        socket, kwargs, session = cls(), dict(url_kwargs or {}), getattr(request, "session", None)
        socket._enter({"user": request.user, "session": session, "url_route": {"kwargs": kwargs}})
        groups, name, binding = admit(socket), name_params(params, stream), cls.consumers[stream]
        if params:
            groups = subscription_groups(binding, socket.user, name)
        return subscriptions.snapshot(Key(binding, name, groups))

    # ---- hooks

    def connection_groups(self, **url_kwargs: Any) -> Iterable[str]:
        """Return the groups of a browser that subscribes without params, or never does, as in Channels 1.x."""
        return self.groups

    def connect(self, **url_kwargs: Any) -> None:
        """Called before the socket is accepted."""

    def disconnect(self, code: int) -> None:
        """Called after the socket was closed."""

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        # Not AsyncConsumer's own loop: it hops to a thread for each frame (69 µs) and keeps a task for the layer.
        # And past Channels' session middleware, which looks at the session for each frame that leaves (4 µs), and does
        # something only for HTTP.
        send = getattr(getattr(send, "__self__", None), "real_send", send)
        self._enter(scope)
        await Connection(self, self._bindings(), self._own_hub or Hub.current(), send).run(receive)

    def _enter(self, scope: dict[str, Any]) -> None:
        self.scope, self.user = scope, scope.get("user")
        scope.setdefault("url_route", {}).setdefault("kwargs", {})
