"""… → writes → room → **presence** → feed → …

Who is here, and what they are doing: passing things, which no journal keeps. A room is a subscription, so who is told
is who sees the same rows.

Between server processes goes one kind of message: all that a process has to say of its rooms. What is lost on the way
is mended by the next one, which comes whether or not anything has changed; who is on a process that is not heard any
more is gone. It travels by the channel layer. Without one, or while it is away, each process has its own people.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from channels.layers import get_channel_layer

from .limits import limit
from .log import complain
from .protocol import Refused, encode
from .room import Room, Word, person, room_name
from .sessions import Identity
from .subscriptions import Member

GROUP: Final = "channels_databinding.presence"
APART_S: Final = 0.1  # between two frames to a room, and between two messages to the other processes
FRAMES_PER_S: Final = 2_000  # to one room; past it, its frames come further apart
SLICE: Final = 64  # members that are handed a frame in one turn of the loop
MESSAGE_CHARACTERS: Final = 256 << 10  # what is longer goes in several
LAYER_S: Final = 5.0  # for the channel layer to take what is said; past it, it is taken for gone
RETRY_S: Final = 1.0


class Presence:
    """Of one server process: a hub's."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._places: dict[Member, Room] = {}
        # Rooms of which there is something to say. Also those that are empty by now: at most as many as become so in
        # LAYER_S, since a layer that takes nothing for so long is told nothing but what there is when it is back.
        self._due: set[str] = set()
        self._asks: set[str] = set()  # rooms of which we have heard nothing yet
        self._has_due = asyncio.Event()
        self._speaking: asyncio.Task[None] | None = None

    # ---- those who are here

    def put(self, member: Member, identity: Identity, called: str, state: object) -> str:
        """Have a member be present and do what `state` says. Returns its key. Raises Refused."""
        if not isinstance(state, dict):
            raise Refused("bad_frame", 'Send "state", an object; null to leave.')
        if len(encode(state).decode()) > limit("presence_characters"):
            most = limit("presence_characters")
            raise Refused("too_large", f"A state may have {most:,} characters as JSON.")
        room = self._places.get(member) or self._enter(member)
        key, whose = room.here[member], person(identity, room.name)
        entry = {"name": called, **({"person": whose} if whose else {}), "state": state}
        if room.put(key, encode(entry).decode()):
            self._changed(room)
        return key

    def leave(self, member: Member) -> None:
        """Have a member be present no more, and hear nothing more of it."""
        if (room := self._places.pop(member, None)) is None:
            return
        room.entries.pop(room.here.pop(member))
        room.listening.discard(member)
        if not room.here:
            del self._rooms[room.name]
            if room.telling is not None:
                room.telling.cancel()
        self._changed(room)

    def _enter(self, member: Member) -> Room:
        called = room_name(member.key)
        if called not in self._rooms:
            self._rooms[called] = Room(member.key, called)
            self._asks.add(called)
        room = self._places[member] = self._rooms[called]
        room.here[member] = secrets.token_hex(6)
        return room

    def _changed(self, room: Room) -> None:
        if room.here:
            self._tell(room)
        self._due.add(room.name)
        self._has_due.set()
        if self._speaking is not None:
            return
        if (layer := get_channel_layer()) is not None:
            self._speaking = asyncio.create_task(self._speak(layer))
        else:  # nobody to tell
            self._due.clear()
            self._asks.clear()

    # ---- to browsers

    def _tell(self, room: Room) -> None:
        """Have everybody in a room told what is new: soon, and much of it together."""
        room.is_stale = True
        if room.telling is None:
            room.telling = asyncio.create_task(self._tell_all(room))

    async def _tell_all(self, room: Room) -> None:
        loop = asyncio.get_running_loop()
        try:
            while room.is_stale:
                await asyncio.sleep(max(0.0, room.next_at - loop.time()))
                room.is_stale = False
                room.next_at = loop.time() + max(APART_S, len(room.here) / FRAMES_PER_S)
                everybody, news = room.news()
                told = [(member, news if member in room.listening else everybody) for member in room.here]
                room.listening.update(room.here)
                for n, (member, text) in enumerate(told, 1):
                    if text is not None and member in room.here:  # it may have left since the turn before
                        member.outbox.hand(text)
                    if n % SLICE == 0:
                        await asyncio.sleep(0)
        finally:
            room.telling = None

    # ---- to and from the other processes

    async def _speak(self, layer: Any) -> None:
        """Say what there is to say for as long as anybody is here, and listen. A layer that fails holds up nobody: it
        is asked again, and told all there is by then."""
        loop, beat_s = asyncio.get_running_loop(), limit("presence_ttl_s") / 3
        channel = await layer.new_channel(GROUP)
        listening = asyncio.create_task(self._listen(layer, channel))
        beat_at = loop.time() + beat_s
        try:
            while self._rooms or self._due:
                pause_s = APART_S
                try:
                    async with asyncio.timeout(LAYER_S):
                        await self._say(layer, channel)
                except Exception as error:
                    complain("Presence", "the channel layer", "telling the other processes", error)
                    self._start_over()
                    pause_s = RETRY_S
                await asyncio.sleep(pause_s)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(beat_at):
                        await self._has_due.wait()
                if loop.time() >= beat_at:
                    self._beat()
                    beat_at = loop.time() + beat_s
        finally:
            listening.cancel()
            self._speaking = None
        await self._part(layer, channel)

    async def _say(self, layer: Any, channel: str) -> None:
        self._has_due.clear()
        for group in _groups():  # each time: a layer that was restarted has forgotten us
            await layer.group_add(group, channel)
        while self._due:
            asks, self._asks = list(self._asks), set()
            message = {"type": GROUP, "process": channel, "asks": asks, "words": self._words()}
            await layer.group_send(_groups()[0], message)

    def _words(self) -> dict[str, tuple[dict[str, str], int]]:
        words, characters = {}, 0
        while self._due and characters < MESSAGE_CHARACTERS:
            room = self._rooms.get(called := self._due.pop())
            words[called] = entries, _ = room.own() if room is not None else ({}, 0)
            characters += sum(map(len, entries.values()))
        return words

    def _start_over(self) -> None:
        """Say all, and ask for all: a layer that failed may have forgotten who listens and what was said."""
        self._due, self._asks = set(self._rooms), set(self._rooms)
        self._has_due.set()

    def _beat(self) -> None:
        """Say all again, and drop who has not done so twice."""
        since = time.monotonic() - limit("presence_ttl_s") * 2 / 3
        for room in self._rooms.values():
            if room.forget_silent(since):
                self._tell(room)
        self._due.update(self._rooms)

    async def _listen(self, layer: Any, channel: str) -> None:
        while True:
            try:
                message = await layer.receive(channel)
                if message["process"] != channel:
                    self._hear(message)
            except Exception as error:
                complain("Presence", "the channel layer", "hearing the other processes", error)
                await asyncio.sleep(RETRY_S)
                self._start_over()

    def _hear(self, message: Mapping[str, Any]) -> None:
        for called, (entries, more) in message["words"].items():
            if (room := self._rooms.get(called)) is not None:
                room.hear(message["process"], Word(time.monotonic(), entries, more))
                self._tell(room)
        if due := self._rooms.keys() & message["asks"]:
            self._due |= due
            self._has_due.set()

    async def _part(self, layer: Any, channel: str) -> None:
        try:
            async with asyncio.timeout(LAYER_S):
                for group in _groups():
                    await layer.group_discard(group, channel)
        except Exception as error:
            complain("Presence", "the channel layer", "leaving it", error)


def _groups() -> list[str]:
    """Return the group that the processes speak in now, and the next one.

    A killed process stays in its groups (in channels-redis for a day) and would be sent what nobody reads: so each hour
    has a group of its own. Clocks may differ by as much.
    """
    hour = int(time.time() // 3600)
    return [f"{GROUP}.{hour}", f"{GROUP}.{hour + 1}"]
