"""The floor: no Channels, no database. One ready text, sent to a set of sockets."""

import json
from collections import defaultdict

from control import controlled
from layout import board_of

ITEM = {"board": 0, "name": "An item with a name of some length", "value": 100_000}
PAYLOAD = {"action": "update", "pk": 100_000, "data": ITEM, "model": "board.item"}
CHANGE = json.dumps({"stream": "items", "payload": PAYLOAD})
ROW = {"pk": 100_000, "data": ITEM}
ROWS = json.dumps({"ref": "r", "rows": [ROW] * 100})
MANY = json.dumps({"payload": {"action": "changes", "changes": [{"action": "update", **ROW}] * 5_000}})

boards = defaultdict(set)


async def board(scope, receive, send):
    await receive()
    number = int(scope["path"].strip("/"))
    await send({"type": "websocket.accept"})
    boards[number].add(send)
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": ROWS})
    boards[number].discard(send)


async def tell(number, text):
    event = {"type": "websocket.send", "text": text}
    for send in tuple(boards[number]):
        await send(event)


async def save(pk, value):
    await tell(board_of(pk), CHANGE)


async def update(number, value):
    await tell(number, MANY)


application = controlled(board, save, update)
