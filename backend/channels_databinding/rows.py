"""… → tail → **rows** → history → past → …

Rows as they are: read, asked for their groups, written as JSON. One that cannot be told is passed over and logged
once; it stops nobody else's.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final

import orjson
from django.db import DatabaseError, DataError, connections, router
from django.db.models import BooleanField, Model, QuerySet

from .binding import WebsocketBinding
from .hooks import call
from .journal import PassingOver
from .limits import limit
from .log import complain
from .protocol import encode
from .serializers import ColumnField, value_of

Audience = frozenset[str]
Binding = type[WebsocketBinding]

ROWS_A_QUERY: Final = 500  # SQLite took 999 variables a statement until 3.32


def rows_now(model: Any, keys: Collection[Any], *links: str) -> dict[Any, Model]:
    """Return `{key: row}` of what is there now, with what its many-to-many fields `links` hold."""
    found: dict[Any, Model] = {}
    wanted = list(keys)
    for i in range(0, len(wanted), ROWS_A_QUERY):
        chunk = (
            model._base_manager.using(router.db_for_write(model))
            .filter(pk__in=wanted[i : i + ROWS_A_QUERY])
            .prefetch_related(*links)
        )
        # A collation may find a row under another spelling: that one has an entry of its own.
        found.update((row.pk, row) for row in readable(chunk) if row.pk in keys)
    return found


def readable(rows: "QuerySet[Any] | Iterable[Any]", most: int | None = None) -> Iterable[Any]:
    """Return the rows that can be read, `most` of them. One with a value its field does not understand is passed over,
    and logged."""
    if not isinstance(rows, QuerySet):
        return islice(rows, most)
    try:
        return list(rows if rows.query.is_sliced else rows[:most])
    except Exception as error:
        if _is_the_databases(error):
            raise
    if not rows.query.is_sliced:
        rows = (rows if rows.ordered else rows.order_by("pk"))[:most]
    return _readable(rows)


def _readable(rows: "QuerySet[Any]") -> list[Any]:
    """Close in on the rows that cannot be read: by halves, and by place, since even their keys may be unreadable."""
    try:
        return list(rows)
    except Exception as error:
        if _is_the_databases(error):
            raise
        if (half := rows.count() // 2) == 0:
            complain(rows.model, f"row number {rows.query.low_mark}", "reading", error)
            return []
    return _readable(rows[:half]) + _readable(rows[half:])


def _is_the_databases(error: Exception) -> bool:
    """Whether reading failed for another reason than what is in a row."""
    return isinstance(error, DatabaseError) and not isinstance(error, DataError) and "decode" not in str(error)


def visible_groups(binding: Binding, row: Model) -> Audience:
    """Return the groups that may see a row as it is. None, and a line in the log, if that cannot be told."""
    with PassingOver(binding, f"row {row.pk}", "group_names", binding.using()):
        return binding.groups_of(row)
    return frozenset()


def row_payload(binding: Binding, row: Model, action: str) -> Mapping[str, Any] | None:
    """Return what `serialize` makes of a row, each value written as JSON: `{}` for silence. None, and a line in the
    log, if it fails."""
    with PassingOver(binding, f"row {row.pk}", "serialize", binding.using()):
        return written(binding, row, action)
    return None


def written(binding: Binding, row: Model, action: str) -> Mapping[str, Any]:
    payload = {name: encode(value) for name, value in call(binding().serialize, row, action).items()}
    if (size := sum(map(len, payload.values()))) > limit("row_bytes"):
        raise ValueError(f"it has {size:,} bytes as JSON, and row_bytes are {limit('row_bytes'):,}")
    return {name: orjson.Fragment(value) for name, value in payload.items()}


def key_alone(model: Any, key: Any) -> Mapping[str, Any]:
    """Return a delete's payload that tells nothing but which row."""
    meta = model._meta
    return {"action": "delete", "pk": value_of(model(pk=key), meta.pk), "data": {}, "model": meta.label_lower}


def convert(field: ColumnField, value: Any) -> Any:
    """Return a column's value as the ORM reads it, by the field's own converters."""
    if isinstance(field, BooleanField) and value is not None:
        return str(value) in ("1", "True")  # as Django's SQLite reads a column declared bool, whatever is in it
    using = router.db_for_write(field.model)
    column, converters = _converters(field, using)
    for converter in converters:
        value = converter(value, column, connections[using])
    return value


@cache
def _converters(field: ColumnField, using: str) -> tuple[Any, list[Callable[..., Any]]]:
    connection, column = connections[using], field.get_col(field.model._meta.db_table)
    return column, connection.ops.get_db_converters(column) + column.get_db_converters(connection)
