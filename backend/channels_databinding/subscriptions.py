"""… → differ → **subscriptions** → writes → …

A subscription is a stream, params and groups: what some sockets see alike. Its members share every frame and every
snapshot. Reading what a member missed is here, too: by the same differ, serializer and frames as live.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
from django.db.models import Model, QuerySet

from . import cursor, journal
from .binding import BINDINGS, foreign_keys, parts
from .differ import RowChange, diff
from .hooks import call
from .journal import Batch, Position
from .limits import limit
from .log import logger
from .outbox import Outbox
from .past import Unclear
from .protocol import Refused, encode, frame, plain
from .rows import Audience, Binding, readable, row_payload, visible_groups

MOST_MISSED: Final = 1_000  # changes of a table, told one by one; past it a snapshot costs less
PART_BYTES: Final = 256 << 10  # of rows, in one frame; what is longer goes in parts
MOST_HELD: Final = 4 << 20  # characters, for a member that catches up; past it: it is reset when it has


@dataclass(frozen=True, slots=True)
class Key:
    """Names a subscription. `params` is JSON with sorted keys, `""` for none."""

    binding: Binding
    params: str
    groups: Audience

    @property
    def fingerprint(self) -> str:
        names = [column.name for column in self.binding.listed()]
        return cursor.fingerprint(self.binding.stream, self.params, self.groups, names)


@dataclass(frozen=True, slots=True)
class Texts:
    """One batch as its frames. `told` for who has subscribed: one frame, or parts of which the last has the cursor.
    `plain` for who has not: 1.x frames."""

    told: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What a member missed: frames, complete up to `position`."""

    frames: tuple[str, ...]
    position: Position
    epoch: str


@dataclass(eq=False)
class Member:
    """One socket's place in a subscription.

    It hears only batches that end after its `position`, that of its snapshot or resume. Until it has one, what
    arrives is held. `told` is False for who never subscribed: a 1.x client, in the groups it got at connect.
    """

    key: Key
    outbox: Outbox
    told: bool
    position: Position | None = None
    held: list[tuple[Position, str, bool]] = field(default_factory=list)  # end of the batch, frame, is it a reset
    held_characters: int = 0

    def hear(self, end: Position, text: str, *, is_reset: bool = False) -> bool:
        """Hand a frame on, or hold it. Returns whether the member stays: after a reset it hears no more."""
        if self.position is None:
            self.held.append((end, text, is_reset))
            self.held_characters += len(text)
            if self.held_characters > MOST_HELD:
                self.held = [(end, reset(self.key, "too much happened meanwhile"), True)]
            return True
        if not end <= self.position:
            self.outbox.hand(text)
            return not is_reset
        return True

    def go_live(self, position: Position) -> tuple[Position, bool]:
        """Hand on what was held and is not in the catch-up. Returns how far that reaches, and whether it stays."""
        held, self.held, self.position = self.held, [], position
        for end, text, is_reset in held:
            if not self.hear(end, text, is_reset=is_reset):
                return end, False
        return max([position, *(end for end, _, _ in held)]), True


@dataclass(eq=False)
class Subscription:
    key: Key
    members: set[Member] = field(default_factory=set)
    shared: dict[Position | None, asyncio.Task[CatchUp]] = field(default_factory=dict)  # by the position read from


def models(bindings: Iterable[Binding]) -> set[type[Model]]:
    """Return the models whose changes to read: those of the bindings, and the bound ones they point to."""
    bindings = set(bindings)
    own = {model for binding in bindings for model in binding.watched()}
    bound = {model for binding in BINDINGS for model in binding.watched()}
    pointing = [field for binding in bindings for field in (*foreign_keys(binding.model), *binding.links())]
    related = {part for field in pointing for part in parts(field.related_model)}
    return own | (related & bound)


def texts(key: Key, changes: list[RowChange], epoch: str, end: Position) -> Texts:
    """Write one batch for a subscription, once for all its members."""
    stream = key.binding.stream
    sealed = cursor.seal(epoch, end, [key.fingerprint])
    entitled = [change for change in changes if not change.passed]
    plain = tuple(frame(stream, change.payload) for change in entitled)
    if len(changes) == 1:
        only = changes[0]
        return Texts((frame(stream, only.payload, params=key.params, refs=only.refs, cursor=sealed),), plain)
    *parts, last = _parts(map(_in_batch, changes))
    told = [frame(stream, {"action": "changes", "changes": part}, params=key.params) for part in parts]
    told.append(frame(stream, {"action": "changes", "changes": last}, params=key.params, cursor=sealed))
    return Texts(tuple(told), plain)


def _parts(items: Iterable[object]) -> Iterator[list[orjson.Fragment]]:
    """Write items as JSON, as many together as one frame takes."""
    part: list[orjson.Fragment] = []
    size = 0
    for item in map(encode, items):
        part.append(orjson.Fragment(item))
        size += len(item)
        if size > PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _in_batch(change: RowChange) -> Mapping[str, Any]:
    item = {name: value for name, value in change.payload.items() if name != "model"}
    return {**item, "refs": change.refs} if change.refs else item


def _key_alone(change: RowChange) -> RowChange:
    return replace(change, payload={**change.payload, "data": {}}) if change.action == "delete" else change


def reset(key: Key, reason: str) -> str:
    return frame(key.binding.stream, {"action": "reset", "reason": reason}, params=key.params)


def catch_up(key: Key, start: Position | None, epoch: str) -> CatchUp:
    """Read what a member missed: every change after `start` in this epoch, or a snapshot. Never a part of it."""
    with journal.moment(key.binding.using()) as now:
        if start is not None and epoch == now.epoch and now.floor <= start <= now.position:
            alone = Listeners([key], away=True)
            batch = now.since(start, alone.models, most=MOST_MISSED)
            missed = dict(alone.texts(batch, now.epoch)).get(key, Texts())
            if missed is not None:
                return CatchUp(missed.told, now.position, now.epoch)
        return CatchUp(tuple(_snapshot(key)), now.position, now.epoch)


def snapshot(key: Key) -> dict[str, Any]:
    """Return `{"rows": [{"pk": …, "data": …}, …], "cursor": …}`, each value as a browser reads it from a frame."""
    with journal.moment(key.binding.using()) as now:
        rows = plain(list(_rows(key)))
        return {"rows": rows, "cursor": cursor.seal(now.epoch, now.position, [key.fingerprint])}


def _snapshot(key: Key) -> Iterator[str]:
    for n, part in enumerate(list(_parts(_rows(key))) or [[]]):
        payload = {"action": "snapshot", **({} if n else {"first": True}), "rows": part}
        yield frame(key.binding.stream, payload, params=key.params)


def _rows(key: Key) -> Iterator[Any]:
    """Return the rows of all groups, each once, in the order of `rows_in`. `group_names` has the last word.
    Raises Refused(too_large)."""
    seen, looked_at, most = set(), 0, int(limit("snapshot_rows"))
    for group in sorted(key.groups):
        rows = call(key.binding.rows_in, group)
        if isinstance(rows, QuerySet):  # wherever a router has reads go: they would not be of this moment
            rows = rows.using(key.binding.using())
        for row in readable(rows, most + 1):
            looked_at += 1
            if looked_at > most:
                raise Refused("too_large", f"There are more than {most:,} rows here. Ask for less of them.")
            if row.pk in seen or key.groups.isdisjoint(visible_groups(key.binding, row)):
                continue
            seen.add(row.pk)
            payload = row_payload(key.binding, row, "create")
            if payload:
                yield {"pk": payload["pk"], "data": payload.get("data", {})}


class Listeners:
    """Who listens, by binding and group: a batch costs what has changed, and not how many listen to something else.

    Leaving tells nothing new, and less to who was `away`: the key alone.
    """

    def __init__(self, keys: Collection[Key] = (), *, away: bool = False) -> None:
        self.keys, self._away = keys, away
        self.models = models(key.binding for key in keys)
        self.audiences: dict[Binding, dict[str, set[Audience]]] = defaultdict(lambda: defaultdict(set))
        self._keys: dict[tuple[Binding, Audience], list[Key]] = defaultdict(list)
        for key in keys:
            self._keys[key.binding, key.groups].append(key)
            for group in key.groups:
                self.audiences[key.binding][group].add(key.groups)

    def texts(self, batch: Batch, epoch: str) -> Iterator[tuple[Key, Texts | None]]:
        """Return what each subscription hears of a batch; None where it has to read again."""
        for binding, audiences in self.audiences.items():
            try:
                heard = diff(batch, binding, audiences)
            except Exception as error:
                journal.go_on_after(error, binding.using())
                if not isinstance(error, Unclear):  # a hook's fault, or ours: one binding's, not everybody's
                    logger.exception("%s could not be told its changes", binding.__name__)
                yield from ((key, None) for key in self.keys if key.binding is binding)
                continue
            for audience, changes in heard.items():
                changes = list(map(_key_alone, changes)) if self._away else changes
                for key in self._keys[binding, audience]:
                    yield key, texts(key, changes, epoch, batch.end)
