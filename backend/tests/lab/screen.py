"""What a person sees, and what others do meanwhile: with the ORM, or behind Django's back."""

from asgiref.sync import sync_to_async
from django.db import connection

import databases
from channels_databinding import WebsocketBinding, WebsocketDemultiplexer

from .bindings import Lab

SEQUENCE = "channels_databinding_journal_id_seq"  # PostgreSQL's


def db(work):
    """Do this with the ORM, from an async test."""
    return sync_to_async(work)()


def database():
    """Return the URL of the test database."""
    return databases.url_of(connection)


def elsewhere(sql, *values):
    """Execute this on another connection, which knows nothing of Django."""
    return databases.ask(database(), sql, *values)


def in_another_process(*statements):
    databases.execute(database(), *statements)


def journal(since=0):
    """Return (op, table, pk) of the journal's rows."""
    return elsewhere('SELECT op, "table", pk FROM channels_databinding_journal WHERE id > ? ORDER BY id', since)


def newest():
    """Return the id of the journal's newest row, be it gone or not."""
    if connection.vendor == "sqlite":
        return elsewhere("SELECT seq FROM sqlite_sequence WHERE name = 'channels_databinding_journal'")[0][0]
    return elsewhere("SELECT coalesce(last_value, 0) FROM pg_sequences WHERE sequencename = ?", SEQUENCE)[0][0]


class Screen:
    """One subscription, kept by the client's rules. `rows` is {pk: data}; `resets` counts how often it read again."""

    def __init__(self, visitor, stream, params):
        self.visitor, self.stream, self.params = visitor, stream, params
        self.rows, self.resets, self.cursor = {}, 0, None

    async def read(self, since=None):
        """Subscribe. Returns the actions of the frames that came before the ack."""
        frames, ack = await self.visitor.subscribe(self.stream, since, **self.params)
        assert ack["payload"]["action"] == "ack", ack
        self.cursor = ack["cursor"]
        self.apply(frames)
        return [frame["payload"]["action"] for frame in frames]

    async def settle(self):
        """Wait until all that is committed by now was heard. Returns [(action, pk)] in the order heard."""
        # Refused, but like every answer it leaves after what was committed before it.
        frames, answer = await self.visitor.ask(self.stream, {"action": "delete", "pk": "0"})
        assert answer["payload"]["action"] == "error"
        heard = self.apply(frames)
        if ("reset", None) in heard:
            self.resets += 1
            await self.read()
        return heard

    def apply(self, frames):
        heard = []
        for frame in frames:
            if (frame["stream"], frame.get("params", {})) != (self.stream, self.params):
                continue
            self.cursor = frame.get("cursor", self.cursor)
            match frame["payload"]:
                case {"action": "snapshot", "rows": rows} as part:
                    if part.get("first"):
                        self.rows = {}
                    self.rows |= {row["pk"]: row["data"] for row in rows}
                case {"action": "changes", "changes": changes}:
                    heard += [self._change(**change) for change in changes]
                case {"action": "reset"}:
                    heard.append(("reset", None))
                case change:
                    heard.append(self._change(**change))
        return heard

    def _change(self, action, pk, data, **more):
        if action == "delete":
            self.rows.pop(pk, None)
        else:
            self.rows[pk] = data
        return action, pk

    def column(self, name):
        return {pk: data[name] for pk, data in self.rows.items()}


def serve(model, **body):
    """Return a demultiplexer of one binding. A browser asks for the group it wants: `look(…, group=…)`."""
    defaults = {
        "model": model,
        "stream": "rows",
        "fields": ["__all__"],
        "subscription_groups": lambda self, user, group: [group],
        "has_permission": lambda self, user, action, pk: True,
    }
    binding = type("RowBinding", (WebsocketBinding,), defaults | body)
    return type("Demultiplexer", (WebsocketDemultiplexer,), {"consumers": {"rows": binding}})


async def look(visit, stream, demultiplexer=Lab, **params):
    """Return the Screen of somebody who has just subscribed."""
    screen = Screen(await visit(demultiplexer), stream, params)
    await screen.read()
    return screen
