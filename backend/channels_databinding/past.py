"""… → rows → **past** → differ → …

Rows as they were, from the images of a batch. Their hooks run where no query is answered, since the world may have
changed; but a foreign key may be followed, to the related row as it was at that time. So a row has a state for each
change of its own and, between those, for each change of what it points to.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import ForeignKey, Model

from .journal import Batch, Change
from .rows import Audience, Binding, complain, convert, written

T = TypeVar("T")


class Unclear(Exception):
    """What clients show can no longer be derived: they read again."""


class Followed(Exception):
    """A hook wanted a related row; from now on there are some. Ask all once more."""


class Past:
    def __init__(self, binding: Binding, batch: Batch) -> None:
        self.binding, self.batch = binding, batch
        self._related: dict[ForeignKey[Any, Any], _Related] | None = None  # None until a hook has followed one

    def states(self, changes: list[Change]) -> Iterator[Model]:
        """Return the states a row had before it became what it is, oldest first."""
        since = self.batch.start
        for change in changes:
            if change.before is not None:
                row = rebuild(self.binding.model, change.before)
                for at in [since, *self._times(row, since, change.position)]:
                    yield self._with_related(row, at)
            since = change.position

    def groups(self, row: Model) -> Audience:
        """Return the groups a row was in. Raises Unclear."""
        try:
            return self._ask(self.binding.groups_of, row)
        except Followed:
            raise
        except Exception as error:
            complain(self.binding, str(row.pk), "group_names of the row as it was", error)
            raise Unclear("group_names could not be asked of a row as it was") from error

    def farewell(self, changes: list[Change]) -> Mapping[str, Any] | None:
        """Return the payload of a delete: the last values its audience was told. None where they cannot be made."""
        row = next(self.states(changes))
        try:
            return self._ask(lambda row: written(self.binding, row, "delete"), row)
        except Followed:
            raise
        except Exception as error:
            complain(self.binding, str(row.pk), "serialize of the row as it was", error)
            return None

    def _ask(self, hook: Callable[[Any], T], row: Model) -> T:
        refused: list[str] = []
        with connection.execute_wrapper(_refuse_into(refused)):
            try:
                answer = hook(row)
            except Exception:
                if not refused:
                    raise
        if not refused:
            return answer
        # Whatever the hook made of the refusal: without its query it cannot have known.
        if self._related is None:
            self._follow()
            raise Followed
        raise _QueryRefused(f"a query about a row as it was: {refused[0][:200]}")

    def _follow(self) -> None:
        """From now on give rows their related rows: one query a relation."""
        model = self.binding.model
        images = [c.before for c in self.batch.changes[model._meta.db_table] if c.before is not None]
        keys = [
            field
            for field in model._meta.concrete_fields
            if isinstance(field, ForeignKey) and field.target_field.primary_key
        ]
        self._related = {field: _Related(field, images, self.batch) for field in keys}

    def _times(self, row: Model, since: int, until: int) -> list[int]:
        related = (self._related or {}).items()
        times = {at for field, them in related for at in them.times(getattr(row, field.attname))}
        return sorted(at for at in times if since < at < until)

    def _with_related(self, row: Model, at: int) -> Model:
        if not self._related:
            return row
        row = copy(row)
        row._state = copy(row._state)
        row._state.fields_cache = {}
        for field, them in self._related.items():
            if (then := them.at(getattr(row, field.attname), at)) is not None:
                field.set_cached_value(row, then)  # else it is gone, and following it is refused
        return row


class _Related:
    """The rows that a foreign key points to, through the time of a batch."""

    def __init__(self, field: "ForeignKey[Any, Any]", images: list[Mapping[str, Any]], batch: Batch) -> None:
        model: Any = field.related_model
        self._model = model
        self._changes: dict[Any, list[Change]] = defaultdict(list)
        for change in batch.changes.get(model._meta.db_table, ()):
            self._changes[convert(model._meta.pk, change.pk)].append(change)
        keys = {convert(field, image[str(field.column)]) for image in images}
        self._now: Mapping[Any, Model] = model._base_manager.in_bulk(keys - {None})

    def times(self, key: Any) -> list[int]:
        return [change.position for change in self._changes.get(key, ())]

    def at(self, key: Any, at: int) -> Model | None:
        """Return the row as it was after the journal's position `at`, None if it did not exist."""
        later = next((change for change in self._changes.get(key, ()) if change.position > at), None)
        if later is None:
            return self._now.get(key)
        return None if later.before is None else rebuild(self._model, later.before)


def rebuild(model: type[Model], columns: Mapping[str, Any]) -> Model:
    """Make a row of what the database had. A column that is not there is deferred: reading it is a query."""
    there = [field for field in model._meta.concrete_fields if field.column in columns]
    values = [convert(field, columns[str(field.column)]) for field in there]
    return model.from_db(DEFAULT_DB_ALIAS, [field.attname for field in there], values)


class _QueryRefused(Exception):
    pass


def _refuse_into(refused: list[str]) -> Callable[..., None]:
    def refuse(execute: object, sql: str, *args: object) -> None:
        refused.append(sql)
        raise _QueryRefused

    return refuse
