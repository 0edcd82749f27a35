"""witness → **attack**

Everything at once against a server process.
"""

import asyncio
import random
import re
import time
from collections import Counter

import orjson

from channels_databinding import protocol

from .breakage import ALL, RARE
from .frames import STREAMS, Frames, junk
from .wire import Wire
from .witness import BOB, CODES, ENVELOPE, INSIDES, MALLORY, Report, illegitimate, read_log

GUESTS = ("echo",)
WRITABLE = STREAMS.keys() - {"", "nowhere", *GUESTS}
WINDOW = 40  # frames, before their answers are waited for
WINDOW_CHARACTERS = 1 << 20
PATIENCE_S = 20


class Attacker:
    """One socket after another, with a list of frames for each."""

    def __init__(self, server, report, frames, cookie, *, speaks_new=True):
        self._server, self._report, self._frames, self._cookie = server, report, frames, cookie
        self._speaks_new = speaks_new
        self._n, self._window = 0, []

    async def send(self, number):
        """Send so many frames, some to a socket."""
        while number > 0:
            wire = await Wire.open(self._server.port, self._cookie)
            several = min(number, 400)
            try:
                await self._converse(wire, several)
            except TimeoutError:
                self._report.fault("no answer in time", self._window)
            wire.hang_up()
            number -= several

    async def _converse(self, wire, number):
        self._closed = False
        if self._speaks_new:
            await self._end(wire, [])
        while number > 0 and not self._closed:
            window, characters = [], 0
            while len(window) < min(WINDOW, number) and characters < WINDOW_CHARACTERS:
                window.append(self._frames.next())
                characters += len(window[-1])
            number -= len(window)
            self._report.sent += len(window)
            self._window = [str(text)[:300] for text in window]
            for text in window:
                await wire.say(text)
            if self._speaks_new:
                self._judge(window, await self._end(wire, window))
            else:
                self._report.silent += len(window)
        if not self._speaks_new and not self._closed:
            heard = await self._end(wire, [])
            if told := [frame for frame in heard if not _is_in_1x(frame)]:
                self._report.fault("a 1.x client was told a new word", told[:3])

    async def _end(self, wire, window):
        """Return what is heard until all is answered: an unsubscribe waits for it."""
        self._n += 1
        end = f"\x01end {self._n}"
        ask = {"stream": "tokens", "params": {"end": 1}, "ref": end, "payload": {"action": "unsubscribe"}}
        await wire.say(orjson.dumps(ask).decode())
        heard = []
        while (text := await asyncio.wait_for(wire.hear(), PATIENCE_S)) is not None:
            frame = orjson.loads(text)
            if frame.get("ref") == end:
                return heard
            if frame["payload"].get("action") == "ping" and frame["stream"] == "":
                await wire.say(orjson.dumps({"stream": "", "ref": frame["ref"], "payload": {"action": "ack"}}).decode())
            else:
                self._look_into(frame, text)
                heard.append(frame)
        self._closed = True
        self._report.closed[wire.code] += 1
        if wire.code != protocol.Close.RESET:
            self._report.fault(
                f"closed with {wire.code}, after HTTP {wire.status}", [str(text)[:300] for text in window]
            )
        return heard

    def _look_into(self, frame, text):
        if _is_guests(frame):  # it says what it was told
            return
        if found := INSIDES.search(text):
            self._report.fault(f"told of the insides: {found[0]!r}", text[max(0, found.start() - 200) :][:500])
        if not frame.keys() <= ENVELOPE:
            self._report.fault("an envelope with more in it", text)
        if frame["payload"]["action"] == "error" and frame["payload"]["code"] not in CODES:
            self._report.fault("a code that is none", text)

    def _judge(self, window, heard):
        wanted = [ref for ref, _ in map(expected, window) if ref is not None]
        self._report.silent += len(window) - len(wanted)
        frames = [one for one in heard if not _is_guests(one) and one["payload"]["action"] in ("ack", "error")]
        self._report.answers.update(frame["payload"].get("code", "ack") for frame in frames)
        answers = [frame.get("ref", "") for frame in frames]
        self._report.overtaken += sum(a != b for a, b in zip(wanted, answers, strict=False))
        if self._closed:
            return
        if Counter(wanted) != Counter(answers):
            missing, more = Counter(wanted) - Counter(answers), Counter(answers) - Counter(wanted)
            about = [text for text in window if expected(text)[0] in missing | more]
            self._report.fault("not answered just once", f"missing {missing}", f"more {more}", about[:3])
        writes = [ref for ref, is_write in map(expected, window) if is_write and wanted.count(ref) == 1]
        if writes != [ref for ref in answers if ref in writes]:
            self._report.fault("writes answered in another order", writes, answers)


def _is_in_1x(frame):
    return frame.keys() == {"stream", "payload"} and (
        _is_guests(frame) or frame["payload"]["action"] in ("create", "update", "delete")
    )


def _is_guests(frame):
    return frame["stream"] in GUESTS and "ref" not in frame and frame["payload"].get("code") not in CODES


def expected(text):
    """Return (the ref that an answer must repeat, whether it is a write's): "" for an answer without one, None if there
    is to be none."""
    try:
        request = protocol.decode(None if isinstance(text, bytes) else text, GUESTS)
    except protocol.BadFrame as bad:
        return bad.ref or "", False
    is_write = request.action in ("create", "update", "delete") and request.stream in WRITABLE
    return request.ref, request.ref is not None and is_write


class Bystander:
    """bob, who goes on with his work."""

    def __init__(self, server, report):
        self._server, self._report = server, report
        self.last = None

    async def work(self, ended):
        wire = await Wire.open(self._server.port, self._server.cookies["bob"])
        await self._say(wire, "s", "subscribe", params={"owner": BOB})
        rows = []
        while "ref" not in (frame := await self._hear(wire)):
            rows += frame["payload"].get("rows", [])
        pk, n = rows[0]["pk"], 0
        while not ended.is_set():
            n += 1
            begun = time.monotonic()
            await self._say(wire, f"bob-{n}", "update", pk=pk, data={"char": f"bob {n}"})
            change, ack = await self._hear(wire), await self._hear(wire)
            if (change.get("refs"), change["payload"].get("data", {}).get("char")) != ([f"bob-{n}"], f"bob {n}"):
                self._report.fault("the bystander was not told his change first", change)
            if (ack.get("ref"), ack["payload"]) != (f"bob-{n}", {"action": "ack", "pk": pk}):
                self._report.fault("the bystander's write was not acknowledged", ack)
            self._report.latencies.append(time.monotonic() - begun)
            try:
                await asyncio.wait_for(ended.wait(), 0.05)
            except TimeoutError:
                continue
        self.last = (pk, f"bob {n}")
        wire.hang_up()

    async def _say(self, wire, ref, action, params=None, **payload):
        frame = {"stream": "things", "ref": ref, "payload": {"action": action, **payload}}
        await wire.say(orjson.dumps(frame | ({"params": params} if params else {})).decode())

    async def _hear(self, wire):
        while (text := await asyncio.wait_for(wire.hear(), PATIENCE_S)) is not None:
            frame = orjson.loads(text)
            if frame["payload"]["action"] == "ping":
                ack = {"stream": "", "ref": frame["ref"], "payload": {"action": "ack"}}
                await wire.say(orjson.dumps(ack).decode())
            elif "params" in frame or "ref" in frame:  # and not what he hears by connecting
                return frame
        raise AssertionError(f"the bystander was closed with {wire.code}")


async def loot(server):
    """Return cursors: mallory's own, and those that bob was given."""
    cursors = []
    for name, owner in (("mallory", MALLORY), ("bob", BOB)):
        wire = await Wire.open(server.port, server.cookies[name])
        for stream, params in (("people", {}), ("things", {"owner": owner}), ("posts", {"liveblog": 1})):
            ask = {"stream": stream, "params": params, "ref": stream, "payload": {"action": "subscribe"}}
            await wire.say(orjson.dumps(ask).decode())
            while "ref" not in (frame := orjson.loads(await wire.hear())):
                pass
            cursors.append(frame.get("cursor"))
        wire.hang_up()
    return [cursor for cursor in cursors if cursor]


async def attack(server, number, *, seed=1, sockets=6, progress=lambda done: None):
    """Send `number` frames over several sockets at once, and about one in fifty as much that is no frame. Returns a
    Report."""
    report = Report()
    before, logged = server.rows(), len(server.log())
    cursors = await loot(server)
    report.memory.append(server.memory())
    ended = asyncio.Event()
    bystander = Bystander(server, report)
    working = asyncio.create_task(bystander.work(ended))
    visitors, rubbish = [], junk(min(300 + number // 50, 2_000), seed)
    for n in range(sockets):
        speaks_new, cookie = n != 1, server.cookies["mallory"] if n != 2 else None
        frames = Frames(seed * 1_000 + n, junk=rubbish, loot=cursors, speaks_new=speaks_new)
        visitors.append(Attacker(server, report, frames, cookie, speaks_new=speaks_new))
    r = random.Random(seed)
    tenth = -(-number // sockets // 10)
    for _ in range(10):
        await asyncio.gather(
            *(visitor.send(tenth) for visitor in visitors),
            _break(server, report, r, max(8, tenth * sockets // 50)),
        )
        report.memory.append(server.memory())
        report.handles.append(server.handles())
        progress(report)
        if working.done():
            break
    ended.set()
    await working
    _wait_for_handles(server, report)
    report.illegitimate = list(illegitimate(before, server.rows()))
    if server.process.poll() is not None:
        report.fault("the server ended")
    pk, char = bystander.last
    if server.rows()["lab_thing"][pk]["char"] != char:
        report.fault("the bystander's last write is lost")
    read_log(report, server.log()[logged:])
    return report


async def _break(server, report, r, number):
    for n in range(number):
        deed = r.choice(RARE) if n % 200 == 7 else r.choice(ALL)
        cookie = server.cookies["mallory"]
        try:
            name, how = await deed(server.port, cookie, r)
        except TimeoutError:
            name, how = deed.__name__, "no answer in time"
        if re.search(r", not |was due|in time", how):
            report.fault(how, name)
        report.broken[f"{name}: {how}"] += 1


def _wait_for_handles(server, report):
    """The sockets of the last tenth may still be closing."""
    deadline = time.monotonic() + PATIENCE_S
    while server.handles() > min(report.handles) and time.monotonic() < deadline:
        time.sleep(0.02)  # nothing tells of what another process has closed
    report.handles.append(server.handles())
