"""channels-databinding: the server just saves."""

import django

django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402

from board.bindings import ItemBinding  # noqa: E402
from changes import save, update  # noqa: E402
from channels_databinding import WebsocketDemultiplexer  # noqa: E402
from control import controlled, count_queries  # noqa: E402

count_queries()


class Demultiplexer(WebsocketDemultiplexer):
    consumers = {"items": ItemBinding.consumer}


application = controlled(AuthMiddlewareStack(Demultiplexer.as_asgi()), save, update)
