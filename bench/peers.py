"""**peers** → measures → compare

How a browser speaks to each of what is compared. `apps/peer_*.py` are the other ends.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass


def _text(**frame):
    return json.dumps(frame, separators=(",", ":"))


@dataclass(frozen=True)
class Peer:
    """`subscribe(board)` is said once a socket is open, None where opening it says enough. `change` and `answer` are
    patterns, found once in each change and each answer that is sent, `failure` one of what should not come."""

    label: str
    change: bytes
    answer: bytes
    failure: bytes = rb"Traceback"
    subscribe: Callable | None = None
    rows: Callable | None = None  # asks for a board's rows; None: they come with the subscription
    write: Callable | None = None  # (pk, value)
    has_boards: bool = True
    has_layer: bool = False  # the channel layer looks through all members of a group for each message
    sees_update: bool = True

    def path(self, board):
        return f"/{board}/" if self.has_boards else "/"

    def visit(self, board):
        """Return (path, what is said, how many answers to wait for) of a socket that looks at a board."""
        says = [self.subscribe(board)] if self.subscribe else []
        return self.path(board), says, len(says)

    def visit_with_rows(self, board):
        """The same, of one that waits for the rows, too."""
        path, says, _ = self.visit(board)
        says += [self.rows(board)] if self.rows else []
        return path, says, len(says)


PEERS = {
    "ours": Peer(
        "channels-databinding",
        change=rb'"action":"update"',
        answer=rb'"action":"ack"',
        failure=rb'"action":"(?:error|reset)"',
        subscribe=lambda board: _text(
            stream="items", params={"board": board}, ref="s", payload={"action": "subscribe"}
        ),
        write=lambda pk, value: _text(
            stream="items", ref=f"{pk}-{value}", payload={"action": "update", "pk": pk, "data": {"value": value}}
        ),
        has_boards=False,
    ),
    "channels": Peer(
        "Channels, `group_send`",
        change=rb'"action": "update"',
        answer=rb'"ref": ',
        rows=lambda board: _text(action="list", ref="r"),
        write=lambda pk, value: _text(action="update", ref="w", pk=pk, data={"value": value}),
        has_layer=True,
    ),
    "dcrf": Peer(
        "djangochannelsrestframework",
        change=rb'"stream": "items"',
        answer=rb'"response_status"',
        failure=rb'"errors": \[[^\]]',
        subscribe=lambda board: _text(action="subscribe", request_id=1, board=board),
        rows=lambda board: _text(action="list", request_id=2, board=board),
        write=lambda pk, value: _text(action="patch", request_id=3, pk=pk, data={"value": value}),
        has_boards=False,
        has_layer=True,
        sees_update=False,
    ),
    "bare": Peer(
        "bare loop",
        change=rb'"action": "update"',
        answer=rb'"ref": ',
        rows=lambda board: "rows",
    ),
    "hello": Peer("hello, world", change=rb"\A\Z", answer=rb"\A\Z"),
}
