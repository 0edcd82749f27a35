"""… → models → **capture.sqlite** → capture.postgresql → capture → …

The journal on SQLite: its tables, its triggers, and how it is read.

A position is the newest id ever given: with one writer at a time ids are the order of commits.

An image is JSON, `[{column: value}]`, of the columns before the change, each value under its storage class: integers
and NULL as they are, text as "t…", reals as "r…" with the digits that read back the same, blobs as "b" and hex. So
neither a BLOB nor Infinity nor a NUL in a text breaks the writer's statement, whatever a column holds.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model, UniqueConstraint

from ..nudge import Nudge

POLL_S: Final = 0.010  # PRAGMA data_version costs 5 µs, so looking each 10 ms is 0.05 % of a core
IN_ORDER: Final = True  # a change with a smaller id was committed before
PREFIX: Final = "channels_databinding:"  # of our triggers' names; the rest is "<table>:<kind>"

HAS_TABLES: Final = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'channels_databinding_state')"
# No type on pk: the value stays what the row had, number or text. AUTOINCREMENT: an id is never used again, and with
# one writer at a time the ids are the order of commits.
JOURNAL: Final = """CREATE TABLE IF NOT EXISTS channels_databinding_journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT, "table" TEXT NOT NULL, pk, op TEXT NOT NULL, image TEXT, ref TEXT)"""

LATER: Final = "(SELECT * FROM channels_databinding_journal WHERE id > %s) AS journal"  # than a position
SEEN: Final = "id <= %s"  # by one


# ---- capture


def triggers(cursor: CursorWrapper, models: Mapping[type[Model], list[str]]) -> dict[str, tuple[str, str]]:
    """Return `{name: (table, CREATE TRIGGER …)}` for the models whose tables are there, with images of the columns
    given for each."""
    tables = set(cursor.db.introspection.table_names(cursor))
    return {
        name: (model._meta.db_table, sql)
        for model, columns in models.items()
        if model._meta.db_table in tables
        for name, sql in triggers_of(cursor.db, model, columns).items()
    }


def triggers_of(connection: Any, model: type[Model], columns: Sequence[str]) -> dict[str, str]:
    """Return `{name: CREATE TRIGGER …}`."""
    table, pk = model._meta.db_table, _quote(model._meta.pk.column)

    def entry(row: str, op: str, where: str, source: str = "") -> str:
        before = "NULL" if op == "create" else _image(columns, row)
        return f"SELECT {_literal(table)}, {row}.{pk}, {_literal(op)}, {before}{source} WHERE {where}"

    # Binary: under a collation of its own the key may be "the same" and yet another to everybody else.
    same, other = (f"OLD.{pk} {compared} NEW.{pk} COLLATE BINARY" for compared in ("IS", "IS NOT"))
    # What REPLACE is about to push out: SQLite deletes it without a word to the delete trigger.
    was, clashes = f" FROM {_quote(table)} AS was", _clashes(connection, model)
    kinds = {
        "insert": ("AFTER INSERT", [entry("NEW", "create", "1")]),
        "update": (
            "AFTER UPDATE",
            [entry("OLD", "update", same), entry("OLD", "delete", other), entry("NEW", "create", other)],
        ),
        "delete": ("AFTER DELETE", [entry("OLD", "delete", "1")]),
        "replace_insert": ("BEFORE INSERT", [entry("was", "delete", clash, was) for clash in clashes]),
        "replace_update": (
            "BEFORE UPDATE",
            [entry("was", "delete", f"{clash} AND was.{pk} IS NOT OLD.{pk}", was) for clash in clashes],
        ),
    }
    made = {}
    for kind, (when, entries) in kinds.items():
        name = f"{PREFIX}{table}:{kind}"
        body = " ".join(f'INSERT INTO channels_databinding_journal ("table", pk, op, image) {one};' for one in entries)
        made[name] = f"CREATE TRIGGER {_quote(name)} {when} ON {_quote(table)} BEGIN {body} END"
    return made


def _clashes(connection: Any, model: type[Model]) -> list[str]:
    """Return the conditions for a row `was` to stand in the way of `NEW`, one for each thing that is unique, so that
    each is one look into its index.

    A constraint of expressions cannot be told this way; a system check says so.
    """
    meta = model._meta
    fields = meta.local_concrete_fields
    column = {field.name: field.column for field in fields}
    unique: list[tuple[Sequence[str], str]] = [((field.name,), "") for field in fields if field.unique]
    unique += [(tuple(names), "") for names in meta.unique_together]
    editor = connection.SchemaEditorClass(connection, collect_sql=True)
    for constraint in meta.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.fields:
            # Its own condition, or its index could not be used. The columns it names are those of `was`.
            condition = constraint._get_condition_sql(model, editor)  # type: ignore[attr-defined]
            unique.append((constraint.fields, f" AND ({condition})" if condition else ""))
    return [
        " AND ".join(f"was.{_quote(column[name])} = NEW.{_quote(column[name])}" for name in names) + condition
        for names, condition in unique
    ]


def _image(columns: Iterable[str], row: str) -> str:
    """Return the SQL of an image. A list of objects, since one json_object takes 63 columns at most."""
    pairs = [f"{_literal(column)}, {_value(f'{row}.{_quote(column)}')}" for column in columns]
    objects = [f"json_object({', '.join(pairs[i : i + 50])})" for i in range(0, len(pairs), 50)]
    return "'[' || " + " || ',' || ".join(objects) + " || ']'"


def _value(column: str) -> str:
    return (
        f"CASE typeof({column}) WHEN 'text' THEN 't' || {column} WHEN 'real' THEN 'r' || quote({column}) "
        f"WHEN 'blob' THEN 'b' || hex({column}) ELSE {column} END"
    )


def installed(cursor: CursorWrapper) -> dict[str, tuple[str, str]]:
    """Return `{name: (table, CREATE TRIGGER …)}` of our triggers in this database."""
    cursor.execute(
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, %s) = %s",
        [len(PREFIX), PREFIX],
    )
    return {name: (table, sql) for name, table, sql in cursor.fetchall()}


def put(cursor: CursorWrapper, name: str, text: str) -> None:
    """Make a trigger, in the place of one of that name."""
    drop(cursor, name)
    cursor.execute(text)


def drop(cursor: CursorWrapper, name: str) -> None:
    cursor.execute(f"DROP TRIGGER IF EXISTS {_quote(name)}")


def _quote(name: str | None) -> str:
    assert name is not None
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# ---- order


def read_position(text: str) -> int:
    return int(text)


def values(position: int) -> list[Any]:
    """Return what stands for a position in LATER and SEEN."""
    return [position]


def begin(cursor: CursorWrapper) -> None:
    """Begin to write in a transaction."""
    lock(cursor)


def lock(cursor: CursorWrapper, *, patient: bool = True) -> None:
    """Take the write lock before anything is read in this transaction.

    Without it the first read would fix a view of the database, and the first write after somebody else's would
    fail at once with SQLITE_BUSY. An UPDATE locks even where it changes nothing.
    """
    cursor.execute("UPDATE channels_databinding_state SET value = value WHERE key = ''")


def position(cursor: CursorWrapper) -> int:
    """Return how far the journal is, this transaction's own changes included."""
    # Not max(id): pruned rows count too.
    cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'channels_databinding_journal'")
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def own(start: int, pk: Any) -> tuple[str, list[Any]]:
    """Return the condition, and its values, of what this transaction, which began at `start`, did to a row. `pk` is as
    the column has it: not by the ORM, for which a pk is one type."""
    return "id > %s AND pk = %s", [start, pk]


# ---- reading


@contextmanager
def reading(using: str) -> Iterator[CursorWrapper]:
    """Open a read transaction on this thread's connection. Nobody waits for it, and it waits for nobody."""
    connection: Any = connections[using]
    connection.ensure_connection()  # reading the options, it sets the mode
    # A reader must not take the write lock, which `transaction_mode: IMMEDIATE` would take for it.
    mode, connection.transaction_mode = connection.transaction_mode, "DEFERRED"
    try:
        with transaction.atomic(using, durable=True), connection.cursor() as cursor:
            yield cursor
    finally:
        connection.transaction_mode = mode


def stand(cursor: CursorWrapper) -> tuple[str, str, int, bool]:
    """Return (epoch, floor, position, whether the journal is another database's). Raises KeyError where there is
    none."""
    cursor.execute("SELECT key, value FROM channels_databinding_state")
    state = dict(cursor.fetchall())
    return state["epoch"], state["floor"], position(cursor), False


def changes(cursor: CursorWrapper, start: int, model: type[Model], columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Return (id, pk, op, `{column: value}` before it or None, ref) of a table's changes after `start`, in order, the
    values as SQLite had them."""
    # CAST: a text that is not UTF-8 must not stop the reading.
    cursor.execute(
        f"""SELECT id, typeof(pk), CASE typeof(pk) WHEN 'text' THEN CAST(pk AS BLOB) ELSE pk END, op,
                  CAST(image AS BLOB), ref FROM {LATER} WHERE "table" = %s ORDER BY id""",
        [start, model._meta.db_table],
    )
    for id_, kind, pk, op, image, ref in cursor.fetchall():
        key = pk.decode("utf-8", "replace") if kind == "text" else pk
        yield id_, key, op, None if image is None else read_image(image), ref


def read_image(image: bytes) -> Mapping[str, Any]:
    """Return `{column: value}` as SQLite had it."""
    parts = json.loads(image.decode("utf-8", "replace"))
    return {column: _read(value) for part in parts for column, value in part.items()}


def _read(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    kind, text = value[0], value[1:]
    return text if kind == "t" else float(text) if kind == "r" else bytes.fromhex(text)


class Watch:
    """Tells when anything was committed, by anybody, in any process. Belongs to one thread and its connection."""

    def __init__(self, using: str, nudge: Nudge) -> None:
        self._connection, self._nudge = connections[using], nudge
        self._version = self._read()

    def wait(self, timeout_s: float) -> None:
        """Return when something was committed, when the nudge is set, or after `timeout_s`. Only a hurry-up."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self._nudge.wait(POLL_S) or self.changed():
                break

    def changed(self) -> bool:
        version = self._read()
        changed, self._version = version != self._version, version
        return changed

    def close(self) -> None:
        pass

    def _read(self) -> int:
        # Below Django's cursor, which with DEBUG would note each of these hundred queries a second.
        self._connection.ensure_connection()
        return int(self._connection.connection.execute("PRAGMA data_version").fetchone()[0])
