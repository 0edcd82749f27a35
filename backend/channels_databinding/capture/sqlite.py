"""… → models → **capture** → journal → …

The journal's tables, triggers and images on SQLite.

An image is JSON, `[{column: value}]`, of the columns before the change, each value under its storage class: integers
and NULL as they are, text as "t…", reals as "r…" with the digits that read back the same, blobs as "b" and hex. So
neither a BLOB nor Infinity nor a NUL in a text breaks the writer's statement, whatever a column holds.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model, UniqueConstraint

PREFIX: Final = "channels_databinding:"  # of our triggers' names; the rest is "<table>:<kind>"

TABLES: Final = (
    # No type on pk: the value stays what the row had, number or text. AUTOINCREMENT: an id is never used again,
    # and with one writer at a time the ids are the order of commits.
    """CREATE TABLE IF NOT EXISTS channels_databinding_journal (
        id INTEGER PRIMARY KEY AUTOINCREMENT, "table" TEXT NOT NULL, pk, op TEXT NOT NULL, image TEXT, ref TEXT)""",
    """CREATE TABLE IF NOT EXISTS channels_databinding_ref (
        id INTEGER PRIMARY KEY, who TEXT NOT NULL, ref TEXT NOT NULL, digest TEXT NOT NULL, answer TEXT,
        at REAL NOT NULL, UNIQUE (who, ref))""",
    "CREATE INDEX IF NOT EXISTS channels_databinding_ref_at ON channels_databinding_ref (at)",
    "CREATE TABLE IF NOT EXISTS channels_databinding_mark (at REAL PRIMARY KEY, position INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS channels_databinding_state (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
)


def triggers(model: type[Model], columns: Iterable[str]) -> dict[str, str]:
    """Return `{name: CREATE TRIGGER …}` for a model's table, with images of `columns`."""
    table, pk = model._meta.db_table, _quote(model._meta.pk.column)
    columns = list(columns)

    def create(kind: str, when: str, *entries: str) -> tuple[str, str]:
        name = f"{PREFIX}{table}:{kind}"
        body = " ".join(
            f'INSERT INTO channels_databinding_journal ("table", pk, op, image) {entry};' for entry in entries
        )
        return name, f"CREATE TRIGGER {_quote(name)} {when} ON {_quote(table)} BEGIN {body} END"

    def entry(row: str, op: str, image: bool, where: str = "1") -> str:
        before = _image(columns, row) if image else "NULL"
        return f"SELECT {_literal(table)}, {row}.{pk}, {_literal(op)}, {before} WHERE {where}"

    def pushed_out(where: str) -> str:
        # What REPLACE is about to push out: SQLite deletes it without a word to the delete trigger.
        before = _image(columns, "was")
        return f"SELECT {_literal(table)}, was.{pk}, 'delete', {before} FROM {_quote(table)} AS was WHERE {where}"

    clashes = _clashes(model)
    return dict(
        [
            create("insert", "AFTER INSERT", entry("NEW", "create", False)),
            create(
                "update",
                "AFTER UPDATE",
                # Binary: under a collation of its own the key may be "the same" and yet another to everybody else.
                entry("OLD", "update", True, f"OLD.{pk} IS NEW.{pk} COLLATE BINARY"),
                entry("OLD", "delete", True, f"OLD.{pk} IS NOT NEW.{pk} COLLATE BINARY"),
                entry("NEW", "create", False, f"OLD.{pk} IS NOT NEW.{pk} COLLATE BINARY"),
            ),
            create("delete", "AFTER DELETE", entry("OLD", "delete", True)),
            create("replace_insert", "BEFORE INSERT", *map(pushed_out, clashes)),
            create(
                "replace_update",
                "BEFORE UPDATE",
                *(pushed_out(f"{clash} AND was.{pk} IS NOT OLD.{pk}") for clash in clashes),
            ),
        ]
    )


def _clashes(model: type[Model]) -> list[str]:
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


def read_image(image: bytes) -> Mapping[str, Any]:
    """Return `{column: value}` as SQLite had it."""
    parts = json.loads(image.decode("utf-8", "replace"))
    return {column: _read(value) for part in parts for column, value in part.items()}


def _read(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    kind, text = value[0], value[1:]
    return text if kind == "t" else float(text) if kind == "r" else bytes.fromhex(text)


def installed(cursor: CursorWrapper) -> dict[str, tuple[str, str]]:
    """Return `{name: (table, CREATE TRIGGER …)}` of our triggers in this database."""
    cursor.execute(
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, %s) = %s",
        [len(PREFIX), PREFIX],
    )
    return {name: (table, sql) for name, table, sql in cursor.fetchall()}


def lock(cursor: CursorWrapper) -> None:
    """Take the write lock before anything is read in this transaction.

    Without it the first read would fix a view of the database, and the first write after somebody else's would
    fail at once with SQLITE_BUSY. An UPDATE locks even where it changes nothing.
    """
    cursor.execute("UPDATE channels_databinding_state SET value = value WHERE key = ''")


def drop(name: str) -> str:
    return f"DROP TRIGGER IF EXISTS {_quote(name)}"


def _quote(name: str | None) -> str:
    assert name is not None
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
