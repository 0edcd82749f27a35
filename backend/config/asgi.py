"""What the server runs: pages by Django, WebSockets by Channels. `bin/serve` runs it."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
pages = get_asgi_application()  # first: it loads the apps, and what follows imports models

from config.metrics import serve  # noqa: E402

# demos
from live_edit.consumers import Demultiplexer as LiveEditDemultiplexer  # noqa: E402
from liveblog.consumers import Demultiplexer as LiveblogDemultiplexer  # noqa: E402
from liveblog.consumers import FrontPageDemultiplexer  # noqa: E402

# end of demos

serve()

sockets = [
    # demos
    path("ws/", FrontPageDemultiplexer.as_asgi()),
    path("ws/liveblog/", LiveblogDemultiplexer.as_asgi()),
    path("ws/live-edit/", LiveEditDemultiplexer.as_asgi()),
    # instead: # path("ws/notes/", Demultiplexer.as_asgi()),  # from django.urls import path
    # end of demos
]

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(sockets))),
    }
)
