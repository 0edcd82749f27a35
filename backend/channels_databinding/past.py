"""… → history → **past** → differ → …

Rows as they were, as hooks see them. Hooks run where no query is answered, since the world may have changed; but a
foreign key may be followed and a many-to-many field be read, to the related rows as they were at that time. So a row
has a state for each change of its own and, between those, for each change of what it points to.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final, TypeVar

from django.db import connections, router
from django.db.models import ForeignKey, Model

from .binding import foreign_keys
from .capture import database
from .history import History, Links, rebuild
from .journal import START, Batch, PassingOver
from .rows import Audience, Binding, written

T = TypeVar("T")

MOST_STATES: Final = 1_000  # of one row in one batch, where its related rows count; past it: clients read again


class Unclear(Exception):
    """What clients show can no longer be derived: they read again."""


class Followed(BaseException):  # which nobody passes over
    """A hook wanted a related row; from now on there are some. Ask all once more."""


class Past:
    """Rows are named by their keys. `rows` is their history, `keys` which of them changed, in the journal's order."""

    def __init__(self, binding: Binding, batch: Batch) -> None:
        self.binding, self._batch = binding, batch
        self.rows = History(binding.model, batch)
        self._links = [Links(field, batch) for field in binding.links()]
        changed = {*self.rows.changes, *(owner for links in self._links for owner in links.owners)}
        self.keys = sorted(changed, key=lambda key: min(self._times(key)))
        self.rows.find(self.keys, *(links.field.name for links in self._links))
        self._followers: set[str] = set()  # the hooks that look at related rows; until one does, none are read
        self._to_one: dict[ForeignKey[Any, Any], History] = {}
        self._to_many: dict[Links, History] = {}

    def _times(self, key: Any) -> set[int]:
        """Return when a row changed."""
        return {*self.rows.times(key), *(at for links in self._links for at in links.times(key))}

    def states(self, key: Any) -> Iterator[Model | None]:
        """Return the states a row had before it became what it is, oldest first; None where it did not exist.
        Raises Unclear."""
        own, last = {START, *self.rows.times(key)}, max(self._times(key))
        if "group_names" not in self._followers:
            moments = [(at, at) for at in own if at != last]
        else:
            own |= self._times(key)
            if database(self.binding.using()).IN_ORDER:
                moments = [(at, at) for at in own | self._times_of_related(key, own)]
            else:
                # Whichever of two transactions has the smaller id, somebody may have seen either one without the other.
                # But a state is another one only where what the row pointed to at the time was: others would be many.
                moments = [(at, then) for at in own for then in {START} | self._times_of_related(key, {at})]
            moments.remove(max(moments))
            if len(moments) >= MOST_STATES:
                raise Unclear("a row changed too often at once")
        for at, related_at in sorted(moments):
            if at == related_at or not self._is_impossible(key, at, related_at):
                yield self._state(key, at, "group_names", related_at)

    def _is_impossible(self, key: Any, at: int, related_at: int) -> bool:
        """Whether a row would point to one that was not there: the database lets nobody see that."""
        row = self.rows.at(key, at)
        pointed = [(them, _key(row, field)) for field, them in self._to_one.items() if field.db_constraint]  # type: ignore[attr-defined]  # not in the stubs
        return any(to is not None and them.at(to, related_at) is None for them, to in pointed)

    def _times_of_related(self, key: Any, times: set[int]) -> set[int]:
        rows = [self.rows.at(key, at) for at in times]
        to_one = {at for field, them in self._to_one.items() for row in rows for at in them.times(_key(row, field))}
        ever = [(them, target) for links, them in self._to_many.items() for target in links.ever(key)]
        return to_one | {at for them, target in ever for at in them.times(target)}

    def groups(self, row: Model | None) -> Audience:
        """Return the groups a row was in. Raises Unclear."""
        if row is None:
            return frozenset()
        with PassingOver(self.binding, f"row {row.pk}", "group_names of the row as it was", self.binding.using()):
            return self._ask("group_names", self.binding.groups_of, row)
        raise Unclear("group_names could not be asked of a row as it was")

    def farewell(self, key: Any) -> Mapping[str, Any] | None:
        """Return the payload of a delete: the last values its audience was told. None where they cannot be made."""
        with PassingOver(self.binding, f"row {key}", "serialize of the row as it was", self.binding.using()):
            row = self._state(key, START, "serialize")
            return self._ask("serialize", lambda row: written(self.binding, row, "delete"), row)
        return None

    def _ask(self, name: str, hook: Callable[[Any], T], row: Model | None) -> T:
        refused: list[str] = []
        with ExitStack() as guarded:
            for connection in connections.all():
                guarded.enter_context(connection.execute_wrapper(_refuse_into(refused)))
            try:
                answer = hook(row)
            except Exception:
                if not refused:
                    raise
        if not refused:
            return answer
        # Whatever the hook made of the refusal: without its query it cannot have known.
        if name not in self._followers:
            if not self._followers:
                self._follow()
            self._followers.add(name)
            raise Followed
        raise _QueryRefused(f"a query about a row as it was: {refused[0][:200]}")

    def _follow(self) -> None:
        """Read the related rows of all: one query a relation."""
        rows = [self.rows.at(key, at) for key in self.keys for at in (START, *self.rows.times(key))]
        for field in foreign_keys(self.binding.model):
            self._to_one[field] = History(field.related_model, self._batch)
            self._to_one[field].find({_key(row, field) for row in rows})
        for links in self._links:
            links.find(self.keys)
            self._to_many[links] = History(links.field.related_model, self._batch)
            self._to_many[links].find(links.targets())

    def _state(self, key: Any, at: int, hook: str, related_at: int = START) -> Model | None:
        """Return a row as it was, with its related rows, as they were, for a hook that looks at them."""
        row = self.rows.at(key, at)
        if row is self.rows.now.get(key) and row is not None:
            row = rebuild(self.binding.model, {}, row)  # without what was read with it: that is of now
        if row is None or hook not in self._followers:
            return row
        for field, them in self._to_one.items():
            if (then := them.at(_key(row, field), related_at)) is not None:
                field.set_cached_value(row, then)  # else it is gone, and following it is refused
        for links, them in self._to_many.items():
            targets = [(them.at(target, related_at), target) for target in links.at(key, at)]
            rows = getattr(row, links.field.name).all()
            rows._result_cache = [_key_only(them.model, key) if then is None else then for then, key in targets]
            rows._prefetch_done = True
            row.__dict__.setdefault("_prefetched_objects_cache", {})[links.field.name] = rows
        return row


def _key_only(model: type[Model], key: Any) -> Model:
    """Make a related row that is gone: its key can be read, the rest is a query."""
    return model.from_db(router.db_for_write(model), [model._meta.pk.attname], [key])


def _key(row: Model | None, field: ForeignKey[Any, Any]) -> Any:
    """Return the key that a row has of another one. None, and no query, where it is not known."""
    return None if row is None else row.__dict__.get(field.attname)


class _QueryRefused(Exception):
    pass


def _refuse_into(refused: list[str]) -> Callable[..., None]:
    def refuse(execute: object, sql: str, *args: object) -> None:
        refused.append(sql)
        raise _QueryRefused

    return refuse
