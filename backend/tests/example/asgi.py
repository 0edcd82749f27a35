"""A server of the example alone, for tests that need a real one: `daphne example.asgi:application`"""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()  # first: what follows imports models

from .consumers import Posts, Values  # noqa: E402

sockets = URLRouter([path("ws/posts/", Posts.as_asgi()), path("ws/values/", Values.as_asgi())])
application = ProtocolTypeRouter(
    {"http": pages, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))}
)
