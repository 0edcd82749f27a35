"""… → history → **past** → differ → …

Rows as they were, as hooks see them. Hooks run where no query is answered, since the world may have changed; but a
foreign key may be followed, to the related row as it was at that time. So a row has a state for each change of its
own and, between those, for each change of what it points to.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from django.db import connection
from django.db.models import ForeignKey, Model

from .history import History
from .journal import Batch
from .rows import Audience, Binding, complain, written

T = TypeVar("T")


class Unclear(Exception):
    """What clients show can no longer be derived: they read again."""


class Followed(Exception):
    """A hook wanted a related row; from now on there are some. Ask all once more."""


class Past:
    """Rows are named by their keys."""

    def __init__(self, binding: Binding, batch: Batch, rows: History) -> None:
        self.binding, self._batch, self._rows = binding, batch, rows
        self._related: dict[ForeignKey[Any, Any], History] = {}  # empty until a hook has followed one
        self._followed = False

    def states(self, key: Any) -> Iterator[Model | None]:
        """Return the states a row had before it became what it is, oldest first; None where it did not exist."""
        times = {self._batch.start, *self._rows.times(key)}
        for row in [self._rows.at(key, at) for at in times] if self._related else ():
            times |= {at for field, them in self._related.items() for at in them.times(_key(row, field))}
        for at in sorted(times)[:-1]:
            yield self._state(key, at)

    def groups(self, row: Model | None) -> Audience:
        """Return the groups a row was in. Raises Unclear."""
        if row is None:
            return frozenset()
        try:
            return self._ask(self.binding.groups_of, row)
        except Followed:
            raise
        except Exception as error:
            complain(self.binding, str(row.pk), "group_names of the row as it was", error)
            raise Unclear("group_names could not be asked of a row as it was") from error

    def farewell(self, key: Any) -> Mapping[str, Any] | None:
        """Return the payload of a delete: the last values its audience was told. None where they cannot be made."""
        try:
            return self._ask(lambda row: written(self.binding, row, "delete"), self._state(key, self._batch.start))
        except Followed:
            raise
        except Exception as error:
            complain(self.binding, str(key), "serialize of the row as it was", error)
            return None

    def _ask(self, hook: Callable[[Any], T], row: Model | None) -> T:
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
        if not self._followed:
            self._follow()
            raise Followed
        raise _QueryRefused(f"a query about a row as it was: {refused[0][:200]}")

    def _follow(self) -> None:
        """From now on give rows their related rows: one query a relation."""
        self._followed = True
        start, them = self._batch.start, self._rows
        rows = [them.at(key, at) for key in them.changes for at in (start, *them.times(key))]
        for field in self.binding.model._meta.concrete_fields:
            if isinstance(field, ForeignKey) and field.target_field.primary_key:
                self._related[field] = History(field.related_model, self._batch)
                self._related[field].find({_key(row, field) for row in rows})

    def _state(self, key: Any, at: int) -> Model | None:
        row = self._rows.at(key, at)
        if row is not None:
            for field, them in self._related.items():
                if (then := them.at(_key(row, field), at)) is not None:
                    field.set_cached_value(row, then)  # else it is gone, and following it is refused
        return row


def _key(row: Model | None, field: ForeignKey[Any, Any]) -> Any:
    """Return the key that a row has of another one. None, and no query, where it is not known."""
    return row and row.__dict__.get(field.attname)


class _QueryRefused(Exception):
    pass


def _refuse_into(refused: list[str]) -> Callable[..., None]:
    def refuse(execute: object, sql: str, *args: object) -> None:
        refused.append(sql)
        raise _QueryRefused

    return refuse
