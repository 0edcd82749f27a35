"""A browser by the rules of docs/protocol.md, which judges each frame that it hears."""

import asyncio
import random
import time
from collections import deque
from contextlib import suppress

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from .settings import LOOK_S

GRACE_S = LOOK_S + 9  # after a right was lost, until nothing that is newer may be told


class Fault(AssertionError):
    pass


class Collection:
    def __init__(self, slug):
        self.slug = slug
        self.rows, self.cursor, self.seen = {}, None, {}
        self.asked, self.asked_at, self.held, self.live, self.refused = None, 0.0, [], False, False
        self.people = {}

    def forget(self):
        self.rows, self.cursor, self.seen, self.held, self.live = {}, None, {}, [], False
        self.people = {}


class Browser:
    """`rights` is {slug: [(since, until), …]}: what the test gave and took, and when."""

    def __init__(self, name, slugs, ports, seed, counts):
        self.name, self.ports, self.counts = name, ports, counts
        self.random = random.Random(seed)
        self.collections = {slug: Collection(slug) for slug in slugs}
        self.rights = {}
        self.pending, self.results = {}, {}
        self.expected = {}  # by ref: the version that the row must have had
        self.untold = {}  # by ref: where the change must be told before the answer; the subscribe's time, and the row
        self.numbers = 0
        self.may_come = asyncio.Event()
        self.may_come.set()
        self.socket, self.log = None, deque(maxlen=40)

    # ---- its life

    async def run(self):
        wait_s = 0.1
        while True:
            await self.may_come.wait()
            port = self.random.choice(self.ports)
            try:
                async with connect(
                    f"ws://127.0.0.1:{port}/ws/{self.name}/", open_timeout=10, close_timeout=1
                ) as socket:
                    self.socket, wait_s = socket, 0.1
                    self.counts["connects"] += 1
                    await self._greet()
                    async for text in socket:
                        await self._hear(orjson.loads(text))
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                pass
            finally:
                self.socket, self.untold = None, {}
                for collection in self.collections.values():
                    collection.asked, collection.live, collection.held = None, False, []
            await asyncio.sleep(self.random.uniform(0, wait_s))
            wait_s = min(2 * wait_s, 2)

    def cut(self):
        if self.socket is not None:
            self.counts["cuts"] += 1
            self.socket.transport.abort()

    async def _greet(self):
        for ref, write in list(self.pending.items()):
            await self._say(write, ref)
        for collection in self.collections.values():
            await self._subscribe(collection)

    async def _subscribe(self, collection):
        collection.asked, collection.asked_at, collection.live, collection.held = self._ref(), time.time(), False, []
        since = {"since": collection.cursor} if collection.cursor else {}
        await self._say({"action": "subscribe", **since}, collection.asked, {"room": collection.slug})

    def _ref(self):
        self.numbers += 1
        return f"{self.name}-{self.numbers}"

    async def _say(self, payload, ref, params=None, stream="notes"):
        beside = {name: value for name, value in (("ref", ref), ("params", params)) if value}
        frame = {"stream": stream, **beside, "payload": payload}
        self.log.append((time.time(), ">", self.socket and self.socket.local_address, str(frame)[:150]))
        if self.socket is not None:
            with suppress(ConnectionClosed):
                await self.socket.send(orjson.dumps(frame).decode())

    # ---- what the person does

    async def write(self):
        """Create or change a note, and name it by the write's own ref."""
        ref = self._ref()
        shown = [pk for collection in self.collections.values() for pk in collection.rows]
        if shown and self.random.random() < 0.6:
            pk = self.random.choice(shown)
            payload = {"action": "update", "pk": pk, "data": {"marker": ref}}
            collection = next(c for c in self.collections.values() if pk in c.rows)
            if self.random.random() < 0.3:
                self.expected[ref] = collection.rows[pk]["version"]
                payload["expect"] = {"version": self.expected[ref]}
            if collection.live:
                self.untold[ref] = collection, collection.asked_at, pk
        else:
            rooms = [slug for slug, collection in self.collections.items() if collection.rows] or list(self.collections)
            payload = {"action": "create", "data": {"marker": ref, "slug": self.random.choice(rooms)}}
        self.pending[ref] = payload
        await self._say(payload, ref)

    async def ask_refused(self):
        for collection in self.collections.values():
            if collection.refused and collection.asked is None and self.socket is not None:
                collection.refused = False
                await self._subscribe(collection)

    async def ping(self):
        await self._say({"action": "ping"}, self._ref(), stream="")

    def may(self, slug, at):
        """Whether a change of that time may be told."""
        return any(since <= at + 1 and at <= until + GRACE_S for since, until in self.rights.get(slug, ()))

    # ---- frames

    async def _hear(self, frame):
        self.counts["frames"] += 1
        self.log.append((time.time(), "<", str(frame)[:150]))
        payload, ref = frame["payload"], frame.get("ref")
        match payload["action"]:
            case "ping":
                await self._say({"action": "ack"}, ref, stream="")
            case "ack" if frame["stream"] == "":
                for collection in self.collections.values():
                    if collection.live:
                        collection.cursor = frame["cursor"]
            case "ack" | "error" if ref in self.pending:
                del self.pending[ref]
                self.results[ref] = payload.get("code", "ack")
                self.counts[f"writes: {self.results[ref]}"] += 1
                if payload.get("code") == "failed":
                    self.fault("a write failed", frame)
                collection, asked_at, pk = self.untold.pop(ref, (None, None, None))
                if payload["action"] == "ack" and collection and collection.live and collection.asked_at == asked_at:
                    self.fault(f"answered before its change of {pk} was told", frame)
            case "ack" | "error":
                if self.results.get(ref):
                    self.fault("answered twice", frame)
                await self._hear_answer(frame, payload, ref)
            case "presence":
                collection = self.collections[frame["params"]["room"]]
                if payload.get("first"):
                    collection.people = {}
                collection.people |= payload["joined"]
                for key in payload.get("left", ()):
                    collection.people.pop(key, None)
            case _:
                await self._hear_change(self.collections[frame["params"]["room"]], frame, payload)

    async def _hear_answer(self, frame, payload, ref):
        for collection in self.collections.values():
            if collection.asked != ref:
                continue
            collection.asked = None
            if payload["action"] == "error":
                collection.forget()
                if payload["code"] == "forbidden":
                    collection.refused = True
                elif payload["code"] == "failed":
                    self.counts["subscribes that failed"] += 1
                    await asyncio.sleep(0.2)  # as the client does: it asks again, and not at once
                    await self._subscribe(collection)
                else:
                    self.fault("a subscribe was refused", frame)
                return
            if not any(collection.asked_at <= until for _, until in self.rights.get(collection.slug, ())):
                self.fault(f"let into {collection.slug} without a right", frame)
            held, collection.held = collection.held, []
            kinds = {one["payload"]["action"] for one in held}
            self.counts["snapshots" if "snapshot" in kinds else "resumes"] += 1
            for one in held:
                self._apply(collection, one["payload"], live=False)
            collection.live, collection.cursor, collection.people = True, frame["cursor"], {}
            await self._say({"action": "presence", "state": {}}, None, {"room": collection.slug})

    async def _hear_change(self, collection, frame, payload):
        if payload["action"] == "reset":
            self.counts[f"resets: {payload['reason']}"] += 1
            collection.forget()
            if payload["reason"] == "forbidden":
                collection.refused, collection.asked = True, None
            else:
                await self._subscribe(collection)
            return
        self._judge(collection, frame, payload)
        collection.held.append(frame)
        if collection.live and "cursor" in frame:  # the last part of a batch
            held, collection.held = collection.held, []
            for one in held:
                self._apply(collection, one["payload"], live=True)
            collection.cursor = frame["cursor"]

    def _judge(self, collection, frame, payload):
        for row in payload.get("rows") or payload.get("changes") or [payload]:
            for ref in (*frame.get("refs", ()), *row.get("refs", ())):
                self.untold.pop(ref, None)
            if row.get("action") == "delete":
                gone = (collection, collection.asked_at, row["pk"])
                self.untold = {ref: where for ref, where in self.untold.items() if where != gone}
            data = row.get("data")
            if not data:
                continue
            if data["room__slug"] != collection.slug:  # of a row that left, too: it is told as it was
                self.fault(f"a row of {data['room__slug']} in {collection.slug}", payload)
            if not self.may(collection.slug, data["at"]) and not self.may(collection.slug, time.time()):
                now = time.time()
                ages = [(now - since, now - until) for since, until in self.rights.get(collection.slug, ())]
                self.fault(f"told of {collection.slug} {now - data['at']:.1f} s old, with rights of {ages}", payload)

    def _apply(self, collection, payload, *, live):
        if payload["action"] == "snapshot":
            if payload.get("first"):
                collection.rows, collection.seen = {}, {}
            collection.rows |= {row["pk"]: row["data"] for row in payload["rows"]}
            collection.seen |= {row["pk"]: row["data"]["version"] for row in payload["rows"]}
            return
        for change in payload.get("changes") or [payload]:
            self.counts["changes told live" if live else "changes told to who came back"] += 1
            pk = change["pk"]
            if change["action"] == "delete":
                collection.rows.pop(pk, None)
                continue
            if change["data"]["version"] < collection.seen.get(pk, 0):
                self.fault("a screen moved backwards", change, collection.seen[pk])
            collection.rows[pk], collection.seen[pk] = change["data"], change["data"]["version"]

    def fault(self, what, *about):
        raise Fault(f"{self.name}: {what}: {about}")
