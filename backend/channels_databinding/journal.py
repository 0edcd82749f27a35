"""… → capture → **journal** → tail → differ → …

The one order of all changes. A change that is not here did not happen.

A position is how far one has read. On SQLite it is the newest id ever given: with one writer at a time ids are the
order of commits. Everything that knows this is in this module and in `capture.sqlite`.
"""

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from .capture import sqlite
from .limits import limit
from .models import Entry, Mark, Ref, State

POLL_S: Final = 0.010  # PRAGMA data_version costs 5 µs, so looking each 10 ms is 0.05 % of a core
MARK_EVERY_S: Final = 60
PRUNE_ROWS: Final = 1_000  # in one transaction, so that no writer waits long for ours


@dataclass(frozen=True, slots=True)
class Change:
    """One journal row. `before` is the row's columns before the change, None where it did not exist."""

    position: int
    table: str
    pk: Any
    op: str
    before: Mapping[str, Any] | None
    ref: str | None


@dataclass(frozen=True)
class Batch:
    """What was committed after `start` and not after `end`: changes by table, in the journal's order.

    `unclear` are tables whose changes are not told one by one: their subscriptions read again.
    """

    start: int
    end: int
    changes: Mapping[str, list[Change]] = field(default_factory=dict)
    unclear: Collection[str] = ()


@dataclass(frozen=True)
class Moment:
    """One read transaction: the journal, and every row, as they were at `position`."""

    epoch: str
    floor: int
    position: int

    def since(self, start: int, tables: Collection[str]) -> Batch:
        """Return the changes of `tables` after `start`, all of them: never cut by a limit."""
        with connection.cursor() as cursor:
            counts = _counts(cursor, start, self.position)
            unclear = {
                table for (table, op), rows in counts.items() if op == "reset" or rows > limit("reset_above")
            } & set(tables)
            wanted = ({table for table, _ in counts} & set(tables)) - unclear
            changes = {table: list(_changes(cursor, start, self.position, table)) for table in sorted(wanted)}
        return Batch(start, self.position, changes, unclear)


def _counts(cursor: CursorWrapper, start: int, end: int) -> Counter[tuple[str, str]]:
    cursor.execute(
        """SELECT "table", CASE op WHEN 'reset' THEN op ELSE '' END, count(*) FROM channels_databinding_journal
           WHERE id > %s AND id <= %s GROUP BY 1, 2""",
        [start, end],
    )
    return Counter({(table, op): rows for table, op, rows in cursor.fetchall()})


def _changes(cursor: CursorWrapper, start: int, end: int, table: str) -> Iterator[Change]:
    # CAST: a text that is not UTF-8 must not stop the reading.
    cursor.execute(
        """SELECT id, typeof(pk), CASE typeof(pk) WHEN 'text' THEN CAST(pk AS BLOB) ELSE pk END, op,
                  CAST(image AS BLOB), ref FROM channels_databinding_journal
           WHERE id > %s AND id <= %s AND "table" = %s ORDER BY id""",
        [start, end, table],
    )
    for position, kind, pk, op, image, ref in cursor.fetchall():
        key = pk.decode("utf-8", "replace") if kind == "text" else pk
        yield Change(position, table, key, op, None if image is None else sqlite.read_image(image), ref)


@contextmanager
def moment() -> Iterator[Moment]:
    """Open a read transaction on this thread's connection. Nobody waits for it, and it waits for nobody."""
    with _deferred(), transaction.atomic(durable=True), connection.cursor() as cursor:
        try:
            cursor.execute("SELECT key, value FROM channels_databinding_state")  # by hand: it is read for each batch
            state = dict(cursor.fetchall())
            yield Moment(state["epoch"], int(state["floor"]), _position(cursor))
        except KeyError:
            raise ImproperlyConfigured(
                "The journal has no epoch. Run `manage.py migrate` to install channels_databinding."
            ) from None


@contextmanager
def _deferred() -> Iterator[None]:
    """A reader must not take the write lock, which `transaction_mode: IMMEDIATE` would take for it."""
    connection.ensure_connection()  # reading the options, it sets the mode
    wrapper: Any = connection
    mode, wrapper.transaction_mode = wrapper.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        wrapper.transaction_mode = mode


def _position(cursor: CursorWrapper) -> int:
    # Not max(id): pruned rows count too.
    cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'channels_databinding_journal'")
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def position() -> int:
    """Return where the journal stands now, in a transaction of its own or in the caller's."""
    with connection.cursor() as cursor:
        return _position(cursor)


@contextmanager
def writing() -> Iterator[int]:
    """Open a write transaction and take the write lock before anything is read. Gives the position it starts from."""
    with transaction.atomic(), connection.cursor() as cursor:
        sqlite.lock(cursor)
        yield _position(cursor)


def name(ref: str, table: str, pk: Any, start: int) -> None:
    """Say that the write `ref` made the changes to this one row that came after `start` in this transaction.

    `pk` is as the column has it. Not by the ORM, for which a pk is one type: here it is what each table has.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE channels_databinding_journal SET ref = %s WHERE id > %s AND "table" = %s AND pk = %s',
            [ref, start, table, pk],
        )


def renew(epoch: str) -> None:
    """Begin a new epoch in the place of `epoch`: the database is not the one that cursors were given for."""
    State.objects.filter(key="epoch", value=epoch).update(value=uuid4().hex)


def mark_and_prune(now: float | None = None) -> int:
    """Note how far the journal is, once a minute; forget what lies before the newest mark that is old enough.

    Never by time of writing: a row may be committed long after it was written. Returns the rows pruned.
    """
    now = time.time() if now is None else now
    newest = Mark.objects.order_by("-at").first()
    if newest is not None and now - newest.at < MARK_EVERY_S:
        return 0
    with writing() as here:
        Mark.objects.create(at=now, position=here)
        old = Mark.objects.filter(at__lt=now - limit("retention_s")).order_by("-at").first()
        if old is not None:
            Mark.objects.filter(at__lt=old.at).delete()
            State.objects.filter(key="floor").update(value=str(old.position))
    Ref.objects.filter(at__lt=now - 2 * limit("retention_s")).delete()  # longer than any client may come back to ask
    pruned = 0
    if old is not None:
        forgotten = Entry.objects.filter(id__lte=old.position)
        while ids := list(forgotten.order_by("id").values_list("id", flat=True)[:PRUNE_ROWS]):
            pruned += forgotten.filter(id__lte=ids[-1]).delete()[0]
    return pruned


class Watch:
    """Tells when anything was committed, by anybody, in any process. Belongs to one thread and its connection."""

    def __init__(self) -> None:
        self._version = self._read()

    def wait(self, nudge: threading.Event, timeout_s: float) -> None:
        """Return when something was committed, when `nudge` is set, or after `timeout_s`. Only a hurry-up."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if nudge.wait(POLL_S) or self.changed():
                break
        nudge.clear()

    def changed(self) -> bool:
        version = self._read()
        changed, self._version = version != self._version, version
        return changed

    def _read(self) -> int:
        # Below Django's cursor, which with DEBUG would note each of these hundred queries a second.
        connection.ensure_connection()
        return int(connection.connection.execute("PRAGMA data_version").fetchone()[0])
