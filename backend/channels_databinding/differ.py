"""… → tail → **differ** → subscriptions → …

A batch of changes → what each audience must hear. Pure but for one query a model, and one a relation that
`group_names` follows. An audience is the set of groups that one subscription may see.

A screen shows state, not history: what counts is whether a row *was* in one of its groups when the batch began
and *is* in one now. A group that the row only *passed* through meanwhile is told to forget it, since a snapshot may
have been taken just then. Rules and proof: `docs/protocol.md`, "Changes".
"""

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, OperationalError, connection
from django.db.models import ForeignKey, Model, QuerySet

from .binding import WebsocketBinding, call
from .journal import Batch, Change
from .serializers import ColumnField, value_of

logger = logging.getLogger(__name__)

T = TypeVar("T")
Audience = frozenset[str]
Binding = type[WebsocketBinding]

ROWS_A_QUERY = 500  # SQLite took 999 variables a statement until 3.32


class Unclear(Exception):
    """What clients show can no longer be derived: they read again."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """What one audience hears of one row. `passed`: it never showed the row, unless by a snapshot meanwhile."""

    action: str
    payload: Mapping[str, Any]
    refs: tuple[str, ...] = ()
    passed: bool = False


def diff(batch: Batch, binding: Binding, audiences: Collection[Audience]) -> dict[Audience, list[RowChange]]:
    """Return what each audience must hear: deletes, then updates, then creates, each in the journal's order.

    Call it inside the read transaction that gave the batch. Raises Unclear.
    """
    table = binding.model._meta.db_table
    if table in batch.unclear:
        raise Unclear("its table was reset or had too many changes")
    by_pk: dict[Any, list[Change]] = defaultdict(list)
    for change in batch.changes.get(table, ()):
        by_pk[change.pk].append(change)
    if not by_pk:
        return {}
    audiences_of = defaultdict(set)
    for audience in audiences:
        for group in audience:
            audiences_of[group].add(audience)

    now, past = rows_now(binding.model, by_pk), _Past(binding, batch)
    heard: dict[Audience, list[RowChange]] = defaultdict(list)
    for pk, changes in by_pk.items():
        row = _Row(binding, changes, now.get(pk), past)
        for audience in set().union(*(audiences_of[group] for group in row.groups if group in audiences_of)):
            told = row.told(audience)
            if told is not None:
                heard[audience].append(told)
    order = ("delete", "update", "create")
    return {audience: sorted(told, key=lambda t: order.index(t.action)) for audience, told in heard.items()}


class _Row:
    """One row of a batch: where it was, is, and passed."""

    def __init__(self, binding: Binding, changes: list[Change], now: Model | None, past: "_Past") -> None:
        self.binding, self.changes, self.now, self.past = binding, changes, now, past
        self.was = past.groups(changes[0])
        self.passed = frozenset[str]().union(*(past.groups(change) for change in changes[1:]))
        self.is_ = frozenset[str]() if now is None else visible_groups(binding, now)
        self.groups = self.was | self.is_ | self.passed
        self.refs = tuple(change.ref for change in changes if change.ref is not None)
        self._payloads: dict[str, Mapping[str, Any] | None] = {}

    def told(self, audience: Audience) -> RowChange | None:
        was, is_ = not audience.isdisjoint(self.was), not audience.isdisjoint(self.is_)
        if not (was or is_):
            return RowChange("delete", self._forget(), passed=True)
        action = "delete" if not is_ else "update" if was else "create"
        payload = self._payload(action)
        if payload is None:  # it is there and cannot be told, like a row that is gone
            action, payload = "delete", self._forget()
        return RowChange(action, payload, self.refs) if payload else None

    def _payload(self, action: str) -> Mapping[str, Any] | None:
        if action not in self._payloads:
            payload: Mapping[str, Any] | None
            if self.now is None or action == "delete":
                payload = self.past.farewell(self.changes[0]) or self._forget()
            else:
                payload = row_payload(self.binding, self.now, action)
            self._payloads[action] = payload
        return self._payloads[action]

    def _forget(self) -> Mapping[str, Any]:
        known = self.now or next(self.past.row(change) for change in self.changes if change.before is not None)
        return key_alone(known)


class _Past:
    """Rows as they were, from the images of a batch. Their hooks run where no query is answered."""

    def __init__(self, binding: Binding, batch: Batch) -> None:
        self.binding, self.batch = binding, batch
        self._rows: dict[int, Model] = {}
        self._followed = False

    def row(self, change: Change) -> Model:
        """Return the row as it was before `change`."""
        if change.position not in self._rows:
            assert change.before is not None
            self._rows[change.position] = rebuild(self.binding.model, change.before)
        return self._rows[change.position]

    def groups(self, change: Change) -> Audience:
        """Return the groups the row was in before `change`. Raises Unclear."""
        if change.before is None:
            return frozenset()
        try:
            return self._ask(self.binding.groups_of, change)
        except Exception as error:
            complain(self.binding, str(change.pk), "group_names of the row as it was", error)
            raise Unclear("group_names could not be asked of a row as it was") from error

    def farewell(self, change: Change) -> Mapping[str, Any] | None:
        """Return the payload of a delete: the last values its audience was told. None where they cannot be made."""
        try:
            payload: Mapping[str, Any] = self._ask(lambda row: call(self.binding().serialize, row, "delete"), change)
            return payload
        except Exception as error:
            complain(self.binding, str(change.pk), "serialize of the row as it was", error)
            return None

    def _ask(self, hook: Callable[[Any], T], change: Change) -> T:
        try:
            with _no_queries():
                return hook(self.row(change))
        except _QueryRefused:
            if self._followed:
                raise
            self._follow()
            with _no_queries():
                return hook(self.row(change))

    def _follow(self) -> None:
        """Give every image its related rows as they were with it: from the batch's own images, else as they are."""
        self._followed = True
        model = self.binding.model
        changes = [c for c in self.batch.changes[model._meta.db_table] if c.before is not None]
        for field in model._meta.concrete_fields:
            if not isinstance(field, ForeignKey) or not field.target_field.primary_key:
                continue
            related: Any = field.related_model
            history: dict[Any, list[Change]] = defaultdict(list)
            for change in self.batch.changes.get(related._meta.db_table, ()):
                history[convert(related._meta.pk, change.pk)].append(change)
            keys = {c.position: getattr(self.row(c), field.attname) for c in changes}
            now = related._base_manager.in_bulk({key for key in keys.values() if key is not None})
            for change in changes:
                key = keys[change.position]
                later = next((c for c in history[key] if c.position > change.position), None)
                if later is None:
                    then = now.get(key)
                else:
                    then = None if later.before is None else rebuild(related, later.before)
                if then is not None:  # else it is gone, and following it is refused
                    field.set_cached_value(self.row(change), then)


def rows_now(model: Any, pks: Iterable[Any]) -> dict[Any, Model]:
    """Return `{pk as the journal has it: row}` of what is there now."""
    keys = {}
    for pk in pks:
        try:
            keys[convert(model._meta.pk, pk)] = pk
        except Exception as error:
            complain(model, str(pk), "its primary key", error)
    found: dict[Any, Model] = {}
    wanted = list(keys)
    for i in range(0, len(wanted), ROWS_A_QUERY):
        chunk = model._base_manager.filter(pk__in=wanted[i : i + ROWS_A_QUERY])
        # A collation may find a row under another spelling: that one has an entry of its own.
        found.update((keys[row.pk], row) for row in readable(chunk) if row.pk in keys)
    return found


def readable(rows: "QuerySet[Any] | Iterable[Any]") -> Iterable[Any]:
    """Return the rows that can be read. One with a value its field does not understand is passed over, and logged."""
    if not isinstance(rows, QuerySet):
        return rows
    try:
        return list(rows)
    except Exception as error:
        if _is_the_databases(error):
            raise
    rows = rows if rows.ordered else rows.order_by("pk")
    return _readable(rows, 0, rows.count())


def _readable(rows: "QuerySet[Any]", start: int, stop: int) -> list[Any]:
    """Close in on the rows that cannot be read: by halves, and by place, since even their keys may be unreadable."""
    try:
        return list(rows[start:stop])
    except Exception as error:
        if _is_the_databases(error):
            raise
        if stop - start > 1:
            middle = (start + stop) // 2
            return _readable(rows, start, middle) + _readable(rows, middle, stop)
        complain(rows.model, f"number {start}", "reading", error)
        return []


def _is_the_databases(error: Exception) -> bool:
    """Whether reading failed for another reason than what is in a row."""
    return isinstance(error, OperationalError) and "Could not decode" not in str(error)


def visible_groups(binding: Binding, row: Model) -> Audience:
    """Return the groups that may see a row as it is. None, and a line in the log, if that cannot be told."""
    try:
        return binding.groups_of(row)
    except Exception as error:
        complain(binding, str(row.pk), "group_names", error)
        return frozenset()


def row_payload(binding: Binding, row: Model, action: str) -> Mapping[str, Any] | None:
    """Return what `serialize` makes of a row: `{}` for silence. None, and a line in the log, if it fails."""
    try:
        return call(binding().serialize, row, action)  # type: ignore[no-any-return]
    except Exception as error:
        complain(binding, str(row.pk), "serialize", error)
        return None


def key_alone(row: Model) -> Mapping[str, Any]:
    """Return a delete's payload that tells nothing but which row."""
    meta = row._meta
    return {"action": "delete", "pk": value_of(row, meta.pk), "data": {}, "model": meta.label_lower}


def rebuild(model: type[Model], columns: Mapping[str, Any]) -> Model:
    """Make a row of what the database had. A column that is not there is deferred: reading it is a query."""
    there = [field for field in model._meta.concrete_fields if field.column in columns]
    values = [convert(field, columns[str(field.column)]) for field in there]
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in there], values)


def convert(field: ColumnField, value: Any) -> Any:
    """Return a column's value as the ORM reads it, by the field's own converters."""
    column = field.get_col(field.model._meta.db_table)
    converters = connection.ops.get_db_converters(column) + column.get_db_converters(connection)
    for converter in converters:
        value = converter(value, column, connection)
    return value


class _QueryRefused(Exception):
    pass


@contextmanager
def _no_queries() -> Iterator[None]:
    def refuse(execute: object, sql: str, *args: object) -> None:
        raise _QueryRefused(f"a query about a row as it was: {sql[:200]}")

    with connection.execute_wrapper(refuse):
        yield


def complain(about: Any, pk: str, what: str, error: Exception) -> None:
    """Log a row that cannot be told, once: not again at each change."""
    key = (about, pk, what, type(error))
    if key not in _complaints:
        _complaints.append(key)
        name = getattr(about, "__name__", about)
        logger.error("%s, row %s: %s failed. Clients go on without it.", name, pk, what, exc_info=error)


_complaints: deque[tuple[Any, ...]] = deque(maxlen=1_000)  # a fault not seen for a while is logged again
