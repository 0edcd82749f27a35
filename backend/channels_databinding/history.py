"""… → rows → **history** → past → differ → …

The rows of a model through the time of a batch. A row may lie in several tables, its parents' among them; what it
was is put together from the images of all of them. What a many-to-many field held is told by the link table's rows.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import Any

from django.db import router
from django.db.models import Model

from .binding import parts
from .journal import END, START, Batch, Change
from .log import complain
from .rows import ROWS_A_QUERY, convert, rows_now
from .serializers import Link


class History:
    """`changes` of each row, in the journal's order, by its key. `now` is what is there after the batch, of those
    that were asked for by `find`."""

    def __init__(self, model: type[Model], batch: Batch) -> None:
        self.model = model
        self.changes: dict[Any, list[Change]] = defaultdict(list)
        self.now: dict[Any, Model] = {}
        several = [change for part in parts(model) for change in batch.changes.get(part._meta.db_table, ())]
        for change in sorted(several, key=lambda change: change.at):
            try:
                self.changes[convert(model._meta.pk, change.pk)].append(change)
            except Exception as error:
                complain(model, f"row {change.pk}", "its primary key", error)

    def find(self, keys: Iterable[Any], *links: str) -> None:
        self.now |= rows_now(self.model, set(keys) - {None}, *links)

    def times(self, key: Any) -> list[int]:
        return [change.at for change in self.changes.get(key, ())]

    def at(self, key: Any, time: int) -> Model | None:
        """Return the row as it was after the change at `time`, None if it did not exist."""
        if key not in self.changes:
            return self.now.get(key)
        images: dict[str, Mapping[str, Any] | None] = {}
        for change in self.changes[key]:
            if change.at > time:
                images.setdefault(change.table, change.before)
        now = self.now.get(key)
        if None in images.values() or (now is None and self.model._meta.db_table not in images):
            return None
        return rebuild(self.model, images, now)


class Links:
    """Which rows a many-to-many field joined to which, through the time of a batch."""

    def __init__(self, field: Link, batch: Batch) -> None:
        through: Any = field.remote_field.through
        self.field, self._through = field, through
        self._owner = through._meta.get_field(field.m2m_field_name()).attname
        self._target = through._meta.get_field(field.m2m_reverse_field_name()).attname
        self._spans: dict[Any, list[tuple[int, int, Any]]] = defaultdict(list)  # owner: [(since, until, target)]
        links = History(through, batch)
        links.find(links.changes)
        self._changed = links.changes.keys()
        for key in self._changed:
            for since, until in pairwise([START, *links.times(key), END]):
                self._note(links.at(key, since), since, until)
        self.owners = tuple(self._spans)  # of links that changed

    def find(self, owners: Collection[Any]) -> None:
        """Take in those links of these owners, too, that did not change."""
        wanted, everything = list(owners), self._through._base_manager.using(router.db_for_write(self._through))
        for i in range(0, len(wanted), ROWS_A_QUERY):
            for link in everything.filter(**{f"{self._owner}__in": wanted[i : i + ROWS_A_QUERY]}):
                if link.pk not in self._changed:
                    self._note(link, START, END)

    def _note(self, link: Model | None, since: int, until: int) -> None:
        owner, target = getattr(link, self._owner, None), getattr(link, self._target, None)
        if owner is not None and target is not None:
            self._spans[owner].append((since, until, target))

    def times(self, owner: Any) -> set[int]:
        edges = {at for since, until, _ in self._spans.get(owner, ()) for at in (since, until)}
        return edges - {START, END}

    def targets(self) -> set[Any]:
        return {target for owner in self._spans for target in self.ever(owner)}

    def ever(self, owner: Any) -> set[Any]:
        """Return the keys that an owner was joined to at any time of the batch."""
        return {target for _, _, target in self._spans.get(owner, ())}

    def at(self, owner: Any, time: int) -> list[Any]:
        """Return the keys that an owner was joined to after the change at `time`."""
        spans = self._spans.get(owner, ())
        return sorted({target for since, until, target in spans if since <= time < until})


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
    return model.from_db(router.db_for_write(model), list(values), list(values.values()))
