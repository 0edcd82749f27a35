"""Plain Channels 4, as its tutorial has it: a group a board, and a `group_send` after each save."""

import django

django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.db import database_sync_to_async  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

import changes  # noqa: E402
from board.models import Item, as_json, change_of  # noqa: E402
from control import controlled, count_queries  # noqa: E402

count_queries()


@database_sync_to_async
def read(board):
    return [{"pk": item.pk, "data": as_json(item)} for item in Item.objects.filter(board=board)]


class Board(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.board = self.scope["url_route"]["kwargs"]["board"]
        await self.channel_layer.group_add(f"board-{self.board}", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(f"board-{self.board}", self.channel_name)

    async def receive_json(self, content):
        if content["action"] == "list":
            await self.send_json({"ref": content["ref"], "rows": await read(self.board)})
        else:
            await save(content["pk"], content["data"]["value"])
            await self.send_json({"ref": content["ref"], "action": "ack"})

    async def item_changed(self, event):
        await self.send_json({"stream": "items", "payload": event["payload"]})


async def tell(board, payload):
    await get_channel_layer().group_send(f"board-{board}", {"type": "item.changed", "payload": payload})


async def save(pk, value):
    item = await changes.save(pk, value)
    await tell(item.board, change_of(item))


async def update(board, value):
    """No signal tells of an `update()`: written by hand, the rows are read again and sent as one."""
    await changes.update(board, value)
    rows = [{"action": "update", **row} for row in await read(board)]
    await tell(board, {"action": "changes", "changes": rows})


sockets = URLRouter([path("<int:board>/", Board.as_asgi())])
application = controlled(AuthMiddlewareStack(sockets), save, update)
