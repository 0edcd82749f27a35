"""… → capture → **journal** → tail → rows → …

The one order of all changes. A change that is not here did not happen.

A position is how far one has read; a ≤ b where whoever is at b has read all that one at a has. What it is made of, the
database's kind decides (`capture.sqlite`, `capture.postgresql`).
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, TypeAlias
from uuid import uuid4

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router, transaction
from django.db.models import Model

from .capture import database
from .capture.install import image_columns
from .limits import limit
from .log import complain
from .models import Mark, State

Position: TypeAlias = Any

MARK_EVERY_S: Final = 60
PRUNE_ROWS: Final = 1_000  # in one transaction, so that no writer waits long for ours


@dataclass(frozen=True, slots=True)
class Change:
    """One journal row. `at` is its place in the batch; `before` is the row's columns before the change, None where it
    did not exist."""

    at: int
    table: str
    pk: Any
    op: str
    before: Mapping[str, Any] | None
    ref: str | None


START: Final = 0  # before every change of a batch,
END: Final = 1 << 63  # and after every one


@dataclass(frozen=True)
class Batch:
    """What was committed since another position and not after `end`: changes by table, in the journal's order.

    `unclear` are tables whose changes are not told one by one: their subscriptions read again.
    """

    end: Position
    changes: Mapping[str, list[Change]] = field(default_factory=dict)
    unclear: Collection[str] = ()


@dataclass(frozen=True)
class Moment:
    """One read transaction: the journal, and every row of its database, as they were at `position`. `is_copy`: what is
    in the journal is not of this database's making."""

    using: str
    epoch: str
    floor: Position
    position: Position
    is_copy: bool = False

    def since(self, start: Position, models: Collection[type[Model]], most: float = inf) -> Batch:
        """Return the changes of these models' tables after `start`. Never a part of a table's: where there are more
        than `most`, it is unclear."""
        most = min(most, limit("reset_above"))
        by_table = {model._meta.db_table: model for model in models}
        changed, unclear = set(), set()
        told: dict[str, list[Change]] = {}
        kind = database(self.using)
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                f"""SELECT "table", op = 'reset', count(*) FROM {kind.LATER} GROUP BY 1, 2""", kind.values(start)
            )
            for table, is_reset, rows in cursor.fetchall():
                if table in by_table:
                    changed.add(table)
                    if is_reset or rows > most:
                        unclear.add(table)
        for table in sorted(changed - unclear):
            with PassingOver(by_table[table], "an image in the journal", "reading", self.using):
                told[table] = self._changes(start, by_table[table])
        return Batch(self.position, told, changed - told.keys())

    def _changes(self, start: Position, model: type[Model]) -> list[Change]:
        table = model._meta.db_table
        # A savepoint: what fails here must not end the reading.
        with transaction.atomic(self.using), connections[self.using].cursor() as cursor:
            return [
                Change(at, table, pk, op, before, ref)
                for at, pk, op, before, ref in database(self.using).changes(cursor, start, model, image_columns(model))
            ]


@contextmanager
def moment(using: str = DEFAULT_DB_ALIAS) -> Iterator[Moment]:
    """Open a read transaction on this thread's connection. Nobody waits for it, and it waits for nobody."""
    kind = database(using)
    with kind.reading(using) as cursor:
        try:
            epoch, floor, position, is_copy = kind.stand(cursor)
        except (KeyError, TypeError):
            raise ImproperlyConfigured(
                f"The journal of the database {using!r} has no epoch. Run `manage.py migrate --database {using}` to "
                "install channels_databinding."
            ) from None
        floor = kind.read_position(floor)
        # A journal that was pruned has no row left which could tell that it is of a server further on than this one.
        yield Moment(using, epoch, floor, position, is_copy or not floor <= position)


class PassingOver:
    """Has what fails within stop nobody else: it is logged once. Raises it if it ended the transaction."""

    # Not by @contextmanager: each row of a snapshot comes by here, and it would take longer for it by a fifth.
    def __init__(self, about: Any, which: str, what: str, using: str) -> None:
        self._failed, self._using = (about, which, what), using

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception):
            return False
        go_on_after(error, self._using)
        complain(*self._failed, error)
        return True


def go_on_after(error: Exception, using: str) -> None:
    """Raise `error` if it ended this transaction: what is asked next would not be answered."""
    if isinstance(error, DatabaseError):
        try:
            position(using)
        except DatabaseError:
            raise error from None


def read_position(text: str, using: str = DEFAULT_DB_ALIAS) -> Position:
    """Return a position from what `str` made of it."""
    return database(using).read_position(text)


def position(using: str = DEFAULT_DB_ALIAS) -> Position:
    """Return where the journal stands now, in a transaction of its own or in the caller's."""
    with connections[using].cursor() as cursor:
        return database(using).position(cursor)


@contextmanager
def writing(using: str) -> Iterator[Position]:
    """Open a transaction for client writes. Gives the position it starts from."""
    kind = database(using)
    with transaction.atomic(using), connections[using].cursor() as cursor:
        kind.begin(cursor)
        yield kind.position(cursor)


def name(ref: str, model: type[Model], pk: Any, start: Position) -> None:
    """Say that the write `ref` made the changes to this one row in this transaction, which began at `start`, that are
    not another write's."""
    using = router.db_for_write(model)
    connection = connections[using]
    with connection.cursor() as cursor:
        own, values = database(using).own(start, model._meta.pk.get_db_prep_value(pk, connection))
        cursor.execute(
            f"""UPDATE channels_databinding_journal SET ref = %s WHERE {own} AND "table" = %s AND ref IS NULL""",
            [ref, *values, model._meta.db_table],
        )


def renew(epoch: str, using: str = DEFAULT_DB_ALIAS) -> None:
    """Begin a new epoch in the place of `epoch`: the database is not the one that cursors were given for, and what is
    in its journal is not of its making."""
    kind, state = database(using), State.objects.using(using)
    with transaction.atomic(using), connections[using].cursor() as cursor:
        kind.lock(cursor)
        nonce = epoch.partition("-")[0]
        if state.filter(key="epoch", value=nonce).update(value=uuid4().hex):
            cursor.execute("DELETE FROM channels_databinding_journal")  # the ORM would read it first
            Mark.objects.using(using).delete()
            state.filter(key="floor").update(value=str(kind.position(cursor)))


def mark_and_prune(now: float | None = None, using: str = DEFAULT_DB_ALIAS) -> int:
    """Note how far the journal is, once a minute; forget what lies before the newest mark that is old enough.

    Never by time of writing: a row may be committed long after it was written. Returns the rows pruned.
    """
    now = time.time() if now is None else now
    kind, marks = database(using), Mark.objects.using(using)
    newest = marks.order_by("-at").first()
    if newest is not None and now - newest.at < MARK_EVERY_S:
        return 0
    with transaction.atomic(using), connections[using].cursor() as cursor:
        kind.lock(cursor, patient=False)
        marks.create(at=now, position=str(kind.position(cursor)))
        old = marks.filter(at__lt=now - limit("retention_s")).order_by("-at").first()
        if old is not None:
            marks.filter(at__lt=old.at).delete()
            State.objects.using(using).filter(key="floor").update(value=str(old.position))
    with connections[using].cursor() as cursor:  # by hand: the ORM would read them first
        # Kept for longer than any client may come back to ask.
        cursor.execute("DELETE FROM channels_databinding_ref WHERE at < %s", [now - 2 * limit("retention_s")])
        if old is None:
            return 0
        until, pruned, rows = kind.read_position(str(old.position)), 0, PRUNE_ROWS
        while rows == PRUNE_ROWS:
            cursor.execute(
                f"""DELETE FROM channels_databinding_journal WHERE id IN
                    (SELECT id FROM channels_databinding_journal WHERE {kind.SEEN} LIMIT %s)""",
                [*kind.values(until), PRUNE_ROWS],
            )
            rows = cursor.rowcount
            pruned += rows
        return pruned
