"""… → capture.sqlite → **capture.postgresql** → capture → …

The journal on PostgreSQL: its tables, its triggers, and how it is read.

Ids are not the order of commits here: a transaction may begin first and commit last. So each row has the id of its
transaction, and a position is a snapshot: which transactions it sees. What is new since a position are the rows of
those that it does not see and this read does.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import total_ordering
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from ..limits import limit
from ..nudge import Nudge

CHANNEL: Final = "channels_databinding"  # that changes are notified on; without a payload
BUSY_S: Final = 1.0  # after somebody notified: so long one looks again and again for those who did not
IN_ORDER: Final = False  # what has a smaller id may have been committed later, unless it is of the same row
WRITE_TIMEOUT: Final = "2s"  # for a row that somebody else has locked, in each of `writes.ATTEMPTS`
LOCK_TIMEOUT: Final = "5s"  # for putting triggers back beside running writers, who would have to wait behind us
INSTALLING: Final = 0x6368_6462  # of the advisory lock that one process installs under: "chdb"
NOTIFYING: Final = INSTALLING + 1  # and of those for who notifies, one a moment

HAS_TABLES: Final = "SELECT to_regclass('channels_databinding_state') IS NOT NULL"
JOURNAL: Final = """CREATE TABLE IF NOT EXISTS channels_databinding_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    "table" text NOT NULL, pk text, op text NOT NULL, image json, ref text);
    CREATE INDEX IF NOT EXISTS channels_databinding_journal_xid ON channels_databinding_journal (xid)"""

# Two ways into one index, 0.3 ms beside a million rows; asked with pg_visible_in_snapshot they would take 77.
LATER: Final = """(SELECT * FROM channels_databinding_journal WHERE xid >= %s::text::xid8
    UNION ALL SELECT * FROM channels_databinding_journal WHERE xid = ANY (%s::text[]::xid8[])) AS journal"""
SEEN: Final = "xid < %s::text::xid8 AND xid <> ALL (%s::text[]::xid8[])"

FUNCTION: Final = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
FUNCTION_NAME: Final = "channels_databinding_capture()"
WHEN: Final = {
    "insert": "AFTER INSERT ON {relation} REFERENCING NEW TABLE AS rows_now",
    "update": "AFTER UPDATE ON {relation} REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_now",
    "delete": "AFTER DELETE ON {relation} REFERENCING OLD TABLE AS rows_before",
    "truncate": "AFTER TRUNCATE ON {relation}",
}

# ---- capture


def triggers(cursor: CursorWrapper, models: Mapping[type[Model], list[str]]) -> dict[str, tuple[str, str]]:
    """Return `{name: (table, CREATE …)}` for the models whose tables are there, with images of the columns given
    for each; the function that they all call comes first. A partition has triggers of its own: who names it in a
    statement fires no other."""
    by_table = {model._meta.db_table: model for model in models}
    cursor.execute(
        """SELECT given.name, found.relation::regclass::text
           FROM unnest(%s::text[], %s::text[]) AS given (name, quoted), LATERAL (
               SELECT to_regclass(given.quoted) UNION SELECT relid FROM pg_partition_tree(to_regclass(given.quoted))
           ) AS found (relation) WHERE found.relation IS NOT NULL ORDER BY 1, 2""",
        [list(by_table), [cursor.db.ops.quote_name(table) for table in by_table]],
    )
    relations = cursor.fetchall()
    cursor.execute("SELECT quote_ident(current_schema())")
    schema = cursor.fetchone()[0]
    wanted = {FUNCTION_NAME: ("", function(schema))}
    for table, relation in relations:
        model = by_table[table]
        arguments = ", ".join(map(_literal, [table, model._meta.pk.column, *models[model]]))
        for kind, when in WHEN.items():
            wanted[f"channels_databinding_{kind} ON {relation}"] = (
                table,
                f"CREATE OR REPLACE TRIGGER channels_databinding_{kind} {when.format(relation=relation)} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {schema}.channels_databinding_capture({arguments})",
            )
    return wanted if relations else {}


def function(schema: str) -> str:
    """Return the statement that makes the function which all triggers call."""
    told = {"{schema}": schema, "{key}": str(NOTIFYING), "{a_second}": str(int(limit("notifies_per_s")))}
    return re.sub("|".join(told), lambda found: told[found[0]], FUNCTION)


def installed(cursor: CursorWrapper) -> dict[str, tuple[str, str]]:
    """Return `{name: (table, CREATE …)}` of our triggers in this database, and of their function. One that is switched
    off is not there."""
    cursor.execute(
        """SELECT p.oid::regprocedure::text, '', obj_description(p.oid, 'pg_proc') FROM pg_proc p
           WHERE p.proname = 'channels_databinding_capture' AND pg_function_is_visible(p.oid)
           UNION ALL
           SELECT t.tgname || ' ON ' || t.tgrelid::regclass::text,
               convert_from(substring(t.tgargs for position('\\x00'::bytea in t.tgargs) - 1), getdatabaseencoding()),
               obj_description(t.oid, 'pg_trigger') FROM pg_trigger t
           WHERE starts_with(t.tgname, 'channels_databinding_') AND pg_table_is_visible(t.tgrelid)
               AND t.tgenabled IN ('O', 'A')"""
    )
    return {name: (table, text) for name, table, text in cursor.fetchall()}


def put(cursor: CursorWrapper, name: str, text: str) -> None:
    """Make a trigger or the function, in the place of one of that name. How it was made is kept as its comment, since
    PostgreSQL tells it in words of its own."""
    cursor.execute(text)
    cursor.execute(f"COMMENT ON {_kind(name)} {name} IS {_literal(text)}")


def drop(cursor: CursorWrapper, name: str) -> None:
    cursor.execute(f"DROP {_kind(name)} IF EXISTS {name} CASCADE")


def _kind(name: str) -> str:
    return "FUNCTION" if name == FUNCTION_NAME else "TRIGGER"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def lock(cursor: CursorWrapper, *, patient: bool = True) -> None:
    """Let one process at a time put triggers, mark and prune. Who puts triggers waits for running writers, and others
    wait behind: who is not patient, not for long."""
    if not patient:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALLING])


# ---- order


@total_ordering
@dataclass(frozen=True, slots=True)
class Position:
    """A snapshot: it sees the transactions below `xmax`, but for those that were running. a ≤ b where b sees all that
    a sees."""

    xmax: int
    running: frozenset[int] = frozenset()

    def __le__(self, other: "Position") -> bool:
        return self.xmax <= other.xmax and all(xid in self.running for xid in other.running if xid < self.xmax)

    def __str__(self) -> str:
        return ".".join(map(str, [self.xmax, *sorted(self.running)]))


def read_position(text: str) -> Position:
    xmax, *running = map(int, text.split("."))
    return Position(xmax, frozenset(running))


def _read_snapshot(text: str) -> Position:
    """Read what pg_current_snapshot() says: "xmin:xmax:running,running"."""
    _, xmax, running = text.split(":")
    return Position(int(xmax), frozenset(map(int, filter(None, running.split(",")))))


def values(position: Position) -> list[Any]:
    """Return what stands for a position in LATER and SEEN."""
    return [position.xmax, [str(xid) for xid in position.running]]


def begin(cursor: CursorWrapper) -> None:
    """Rows are locked one by one, and whoever writes the same ref waits at its unique key. Nobody's lock is waited for
    long: other writes wait behind this one."""
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [WRITE_TIMEOUT])


def position(cursor: CursorWrapper) -> Position:
    """Return how far the journal is, this transaction's own changes included."""
    cursor.execute("SELECT pg_current_snapshot()::text, pg_current_xact_id_if_assigned()::text::bigint")
    snapshot, own = cursor.fetchone()
    seen = _read_snapshot(snapshot)
    if own is None:
        return seen
    # Whoever began after the snapshot and before us is taken for running.
    running = seen.running.union(range(seen.xmax, own)) - {own}
    return Position(max(seen.xmax, own + 1), running)


def own(start: Position, pk: Any) -> tuple[str, list[Any]]:
    """Return the condition, and its values, of what this transaction did to a row. `pk` is as the column has it."""
    return "xid = pg_current_xact_id() AND pk = %s", [str(pk)]


# ---- reading


@contextmanager
def reading(using: str) -> Iterator[CursorWrapper]:
    """Open a read transaction on this thread's connection. Nobody waits for it, and it waits for nobody."""
    connection = connections[using]
    within = connection.in_atomic_block  # a TestCase's, which `durable` lets pass
    with transaction.atomic(using, durable=True), connection.cursor() as cursor:
        if not within:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield cursor


def stand(cursor: CursorWrapper) -> tuple[str, str, Position, bool]:
    """Return (epoch, floor, position, whether the journal is another database's). Raises TypeError where there is none.

    An epoch is of this database and of no copy: neither one that is restored from a dump nor a standby that took over,
    which may lack the last transactions. Nor does it outlive a crash, after which ids of transactions that were undone
    are given again: PostgreSQL throws its statistics away then, and only then by itself. A restored journal may tell of
    transactions that are still to come.
    """
    cursor.execute(
        """SELECT pg_current_snapshot()::text, (SELECT json_object_agg(key, value) FROM channels_databinding_state),
               concat_ws('.', (SELECT system_identifier FROM pg_control_system()),
                   left(pg_walfile_name(pg_current_wal_lsn()), 8),
                   pg_stat_get_bgwriter_stat_reset_time(),
                   (SELECT oid FROM pg_database WHERE datname = current_database()),
                   'channels_databinding_journal'::regclass::oid),
               EXISTS (SELECT FROM channels_databinding_journal
                   WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))"""
    )
    snapshot, state, place, is_copy = cursor.fetchone()
    epoch = f"{state['epoch']}-{sha256(place.encode()).hexdigest()[:8]}"
    return epoch, state["floor"], _read_snapshot(snapshot), is_copy


def changes(
    cursor: CursorWrapper, start: Position, model: type[Model], columns: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Return (id, pk, op, `{column: value}` before it or None, ref) of a table's changes after `start`, in order, the
    values as the driver gives them. An image that does not fit the table as it is now raises a DataError."""
    quote = cursor.db.ops.quote_name
    pk = model._meta.pk.column
    assert pk is not None
    # By the table's own types: JSON's would lose digits of a numeric, and know no bytes.
    cursor.execute(
        f"""SELECT journal.id, journal.op, journal.ref,
                CASE WHEN journal.image IS NULL OR journal.image::jsonb ?& %s::text[] THEN NULL
                    ELSE ARRAY(SELECT json_object_keys(journal.image)) END,
                {", ".join(f"was.{quote(column)}" for column in [pk, *columns])}
            FROM {LATER}, jsonb_populate_record(NULL::{quote(model._meta.db_table)},
                coalesce(journal.image::jsonb, jsonb_build_object(%s::text, journal.pk))) AS was
            WHERE journal."table" = %s ORDER BY journal.id""",
        [list(columns), *values(start), pk, model._meta.db_table],
    )
    for id_, op, ref, has, key, *image in cursor.fetchall():
        was = {name: value for name, value in zip(columns, image, strict=True) if has is None or name in has}
        yield id_, key, op, None if op == "create" else was, ref


class Watch:
    """Tells when a change was committed, by anybody. Belongs to one thread; LISTENs on a connection of its own."""

    def __init__(self, using: str, nudge: Nudge) -> None:
        self._nudge, self._busy_until = nudge, 0.0
        self._wrapper = connections.create_connection(using)
        self._wrapper.set_autocommit(True)
        self._connection: Any = self._wrapper.connection
        self._connection.execute(f"LISTEN {CHANNEL}")
        self._file = self._connection.fileno()
        nudge.wait_for(self._file)

    def wait(self, timeout_s: float) -> None:
        """Return when something was committed, when the nudge is set, or after `timeout_s`. Only a hurry-up."""
        is_busy = time.monotonic() < self._busy_until
        self._nudge.wait(min(timeout_s, 1 / limit("notifies_per_s") if is_busy else limit("poll_s")))
        libpq = self._connection.pgconn  # psycopg 3.1 has no `notifies` that does not wait
        libpq.consume_input()
        if list(iter(libpq.notifies, None)):
            self._busy_until = time.monotonic() + BUSY_S

    def close(self) -> None:
        self._nudge.forget(self._file)
        self._wrapper.close()
