"""The smallest consumer there is, behind the same middleware: what a socket of Channels itself weighs."""

import django

django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402

from changes import save, update  # noqa: E402
from control import controlled  # noqa: E402


class Hello(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()


application = controlled(AuthMiddlewareStack(Hello.as_asgi()), save, update)
