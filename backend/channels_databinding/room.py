"""… → subscriptions → writes → **room** → presence → feed → …

Those who are present in one subscription, whichever process they are on, and what browsers are to be told of them.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson
from django.utils.crypto import salted_hmac

from .limits import limit
from .protocol import frame
from .sessions import Identity
from .subscriptions import Key, Member

SALT: Final = "channels_databinding.presence"
PERSON: Final = 16  # hex digits of a person's name on the wire


def person(identity: Identity, room: str) -> str | None:
    """Return what the tabs of one person have in common, in this room and in no other. None for who is nobody."""
    if identity.user is None and identity.session is None:
        return None
    return salted_hmac(SALT, f"{room}:{identity.who}", algorithm="sha256").hexdigest()[:PERSON]


def room_name(key: Key) -> str:
    """Return a room's name among server processes. No browser can have another one's by a choice of params."""
    binding = f"{key.binding.__module__}.{key.binding.__qualname__}"
    return sha256(repr((binding, key.params, sorted(key.groups))).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True)
class Word:
    """What one process has said of a room: its entries as JSON, by key, and how many more it has."""

    heard_at: float
    entries: Mapping[str, str]
    more: int


@dataclass(eq=False)
class Room:
    key: Key
    name: str
    here: dict[Member, str] = field(default_factory=dict)  # the keys of this process's own
    entries: dict[str, str] = field(default_factory=dict)  # of all processes, as JSON: what changed last comes last
    words: dict[str, Word] = field(default_factory=dict)  # of the other processes
    told: dict[str, str] = field(default_factory=dict)  # what `listening` know
    told_more: int = 0
    listening: set[Member] = field(default_factory=set)
    is_stale: bool = False  # there is something to tell
    next_at: float = 0.0  # not before this loop time
    telling: "asyncio.Task[None] | None" = None

    def put(self, key: str, text: str) -> bool:
        """Set an entry. Returns whether it is another than before."""
        if self.entries.get(key) == text:
            return False
        self.entries.pop(key, None)
        self.entries[key] = text
        return True

    def hear(self, process: str, word: Word) -> None:
        """Believe a process, and nothing it has said before."""
        before = self.words.pop(process, None)
        for key in before.entries.keys() - word.entries.keys() if before else ():
            self.entries.pop(key, None)
        for key, text in word.entries.items():
            self.put(key, text)
        if word.entries or word.more:
            self.words[process] = word

    def forget_silent(self, since: float) -> bool:
        """Drop the processes not heard since then. Returns whether there were any."""
        silent = [process for process, word in self.words.items() if word.heard_at < since]
        for process in silent:
            self.hear(process, Word(since, {}, 0))
        return bool(silent)

    def own(self) -> tuple[dict[str, str], int]:
        """Return the newest entries of this process, and how many more there are."""
        keys = set(self.here.values())
        return newest((key, text) for key, text in self.entries.items() if key in keys)

    def news(self) -> tuple[str, str | None]:
        """Return a frame with everybody, and one with what has changed, None if nothing has. From now on it is told."""
        now, unsent = newest(self.entries.items())
        more = unsent + sum(word.more for word in self.words.values())
        joined = {key: text for key, text in now.items() if self.told.get(key) != text}
        left = [key for key in self.told if key not in now]
        changed = joined or left or more != self.told_more
        self.told, self.told_more = now, more
        everybody = self._frame({"first": True, "joined": _written(now)}, more)
        return everybody, self._frame({"joined": _written(joined), "left": left}, more) if changed else None

    def _frame(self, payload: Mapping[str, Any], more: int) -> str:
        payload = {"action": "presence", **payload, **({"more": more} if more else {})}
        return frame(self.key.binding.stream, payload, params=self.key.params)


def _written(entries: Mapping[str, str]) -> dict[str, orjson.Fragment]:
    return {key: orjson.Fragment(text) for key, text in entries.items()}


def newest(entries: Iterable[tuple[str, str]]) -> tuple[dict[str, str], int]:
    """Return as many as are told one by one, of those that changed last, and the number of the others."""
    every = list(entries)
    told = every[-int(limit("presence_entries")) :]
    return dict(told), len(every) - len(told)
