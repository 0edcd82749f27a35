"""What the servers serve: `daphne fire.served:application`"""

from channels.routing import URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

get_asgi_application()  # first: what follows imports models

from channels_databinding import WebsocketDemultiplexer  # noqa: E402

from .bindings import NoteBinding  # noqa: E402


class Notes(WebsocketDemultiplexer):
    consumers = {"notes": NoteBinding.consumer}


class Person:
    """Whoever says so."""

    is_authenticated = True

    def __init__(self, name):
        self.pk = self.username = name

    def get_username(self):
        return self.username


class AsSaid:
    """Takes people's word for who they are."""

    def __init__(self, application):
        self.application = application

    async def __call__(self, scope, receive, send):
        return await self.application(scope | {"user": Person(scope["url_route"]["kwargs"]["name"])}, receive, send)


application = URLRouter([path("ws/<str:name>/", AsSaid(Notes.as_asgi()))])
