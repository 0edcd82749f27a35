"""… → rows → past → **differ** → subscriptions → …

A batch of changes → what each audience must hear. Pure but for one query a model, and one a relation that
`group_names` follows. An audience is the set of groups that one subscription may see.

A screen shows state, not history: what counts is whether a row *was* in one of its groups when the batch began
and *is* in one now. A group that the row only *passed* through meanwhile is told to forget it, since a snapshot may
have been taken just then. Rules and proof: `docs/protocol.md`, "Changes".
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from .journal import Batch
from .past import Followed, Past, Unclear
from .rows import Audience, Binding, key_alone, row_payload, visible_groups

Audiences = Mapping[str, set[Audience]]  # by group: those that it is one of


@dataclass(frozen=True, slots=True)
class RowChange:
    """What one audience hears of one row. `passed`: it never showed the row, unless by a snapshot meanwhile."""

    action: str
    payload: Mapping[str, Any]
    refs: tuple[str, ...] = ()
    passed: bool = False


def diff(batch: Batch, binding: Binding, audiences: Audiences) -> dict[Audience, list[RowChange]]:
    """Return what each audience must hear: deletes, then updates, then creates, each in the journal's order.

    Call it inside the read transaction that gave the batch. Raises Unclear.
    """
    tables = {model._meta.db_table for model in binding.watched()}
    if not tables.isdisjoint(batch.unclear):
        raise Unclear("its table was reset or had too many changes")
    if tables.isdisjoint(batch.changes):
        return {}
    with transaction.atomic(binding.using()):  # a savepoint: a hook's query that fails must not end the reading
        past = Past(binding, batch)
        while True:
            try:
                heard = _heard(past, audiences)
                break
            except Followed:  # a hook looks at related rows: once more, with them
                pass
    order = ("delete", "update", "create")
    return {audience: sorted(told, key=lambda t: order.index(t.action)) for audience, told in heard.items()}


def _heard(past: Past, audiences: Audiences) -> dict[Audience, list[RowChange]]:
    heard: dict[Audience, list[RowChange]] = defaultdict(list)
    for key in past.keys:
        row = _Row(key, past)
        for audience in set().union(*(audiences[group] for group in row.groups if group in audiences)):
            told = row.told(audience)
            if told is not None:
                heard[audience].append(told)
    return heard


class _Row:
    """One row of a batch: where it was, is, and passed."""

    def __init__(self, key: Any, past: Past) -> None:
        self.key, self.now, self.past = key, past.rows.now.get(key), past
        self.was, *passed = map(past.groups, past.states(key))
        self.is_ = frozenset[str]() if self.now is None else visible_groups(past.binding, self.now)
        self.groups = self.was.union(self.is_, *passed)
        refs = (change.ref for change in past.rows.changes.get(key, ()) if change.ref is not None)
        self.refs = tuple(dict.fromkeys(refs))
        self._payloads: dict[str, Mapping[str, Any] | None] = {}

    def told(self, audience: Audience) -> RowChange | None:
        was, is_ = not audience.isdisjoint(self.was), not audience.isdisjoint(self.is_)
        if not (was or is_):
            return RowChange("delete", self._forget(), passed=True)
        action = "delete" if not is_ else "update" if was else "create"
        payload = self._payload(action)
        if payload is None:  # it cannot be told, as it is or as it was
            action, payload = "delete", self._forget()
        return RowChange(action, payload, self.refs) if payload else None

    def _payload(self, action: str) -> Mapping[str, Any] | None:
        if action not in self._payloads:
            if self.now is None or action == "delete":
                self._payloads[action] = self.past.farewell(self.key)
            else:
                self._payloads[action] = row_payload(self.past.binding, self.now, action)
        return self._payloads[action]

    def _forget(self) -> Mapping[str, Any]:
        return key_alone(self.past.binding.model, self.key)
