"""… → rows → **history** → past → differ → …

The rows of a model through the time of a batch. A row may lie in several tables, its parents' among them; what it
was is put together from the images of all of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from .binding import parts
from .journal import Batch, Change
from .rows import complain, convert, rows_now


class History:
    """`changes` of each row, in the journal's order, by its key. `now` is what is there after the batch, of those
    that were asked for by `find`."""

    def __init__(self, model: type[Model], batch: Batch) -> None:
        self.model = model
        self.changes: dict[Any, list[Change]] = defaultdict(list)
        self.now: dict[Any, Model] = {}
        several = [change for part in parts(model) for change in batch.changes.get(part._meta.db_table, ())]
        for change in sorted(several, key=lambda change: change.position):
            try:
                self.changes[convert(model._meta.pk, change.pk)].append(change)
            except Exception as error:
                complain(model, str(change.pk), "its primary key", error)

    def find(self, keys: Iterable[Any]) -> None:
        self.now |= rows_now(self.model, set(keys) - {None})

    def times(self, key: Any) -> list[int]:
        return [change.position for change in self.changes.get(key, ())]

    def at(self, key: Any, position: int) -> Model | None:
        """Return the row as it was after the journal's `position`, None if it did not exist."""
        images: dict[str, Mapping[str, Any] | None] = {}
        for change in self.changes.get(key, ()):
            if change.position > position:
                images.setdefault(change.table, change.before)
        now = self.now.get(key)
        if None in images.values() or (now is None and self.model._meta.db_table not in images):
            return None
        return rebuild(self.model, images, now)


def rebuild(model: type[Model], images: Mapping[str, Any], now: Model | None = None) -> Model:
    """Make a row of what its tables had: of their images, else of the row as it is.

    A column that is in neither is deferred: reading it is a query.
    """
    values = {}
    for field in model._meta.concrete_fields:
        image = images.get(field.model._meta.db_table)
        if image is None:
            if now is not None and field.attname in now.__dict__:
                values[field.attname] = now.__dict__[field.attname]
        elif field.column in image:
            values[field.attname] = convert(field, image[field.column])
    return model.from_db(DEFAULT_DB_ALIAS, list(values), list(values.values()))
