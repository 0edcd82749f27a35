"""load, servers, peers → **measures** → compare

Each part of the comparison, once, against one peer on one server. A measure yields (name, figure): names that end in
`_ms`, `_us`, `_kb`, `_share` say their unit, others are a second or plain counts.
"""

import random
from contextlib import contextmanager
from time import perf_counter, process_time

from figures import median
from layout import EMPTY, GROUPS, MANY, SHARED, WRITTEN, pks
from load import Crowd, Line
from websocket import Reader

ON_THE_WAY = 16  # changes that were asked for and have not reached everybody; of those to more than 1,000, 4
ECHO_EVERY_S = 0.002


@contextmanager
def crowd(server, peer, visits=()):
    """Give sockets that are there, to look at boards."""
    with Crowd(server.port, Reader(peer.change, peer.answer, peer.failure)) as sockets:
        sockets.join(visits)
        yield sockets


class Changes:
    """Asks for one change after the other, of the items of some boards: each in its turn, so that no two changes of
    one row are on the way, which a peer may send as one."""

    def __init__(self, server, boards):
        self._server = server
        self._pks = [pk for board in boards for pk in pks(board)]
        random.Random(1).shuffle(self._pks)
        self.asked = 0

    def ask(self):
        self._server.save(self._pks[self.asked % len(self._pks)], self.asked + 1)
        self.asked += 1


class Effort:
    """What a stretch of time costs: the server's CPU, and ours."""

    def __init__(self, server):
        self._server = server
        self._begun, self._server_s, self._own_s = perf_counter(), server.cpu_s(), process_time()

    def end(self):
        """Return (seconds, the server's CPU seconds, our share of our core)."""
        took = perf_counter() - self._begun
        return took, self._server.cpu_s() - self._server_s, (process_time() - self._own_s) / took


def one_change(server, sockets, changes, *, times, seconds):
    """One change, and nothing else meanwhile: until the median and the last socket has it."""
    size = len(sockets.sockets)
    to_median, to_last = [], []
    effort = Effort(server)
    for _ in range(times):
        sockets.at, wanted = [], sockets.changes + size
        begun = perf_counter()
        changes.ask()
        sockets.until(lambda wanted=wanted: sockets.changes >= wanted)
        to_median.append((median(sockets.at) - begun) * 1_000)
        to_last.append((sockets.at[-1] - begun) * 1_000)
        if sum(to_last) > seconds * 1_000:
            break
    sockets.at = None
    _, cpu_s, _ = effort.end()
    yield "median_ms", median(to_median)
    yield "last_ms", median(to_last)
    yield "one_cpu_us", cpu_s / len(to_last) / size * 1e6


def stream(server, sockets, changes, *, each, seconds):
    """Changes as fast as they are taken, then until the last is delivered. A change reaches `each` sockets."""
    told, framed, asked = sockets.changes, sockets.frames, changes.asked
    on_the_way = ON_THE_WAY if each <= 1_000 else ON_THE_WAY // 4

    def ask():
        while (changes.asked - asked - on_the_way) * each < sockets.changes - told:
            changes.ask()

    effort = Effort(server)
    ask()
    sockets.listen(seconds, ask)
    sockets.until(lambda: sockets.changes - told >= (changes.asked - asked) * each)
    took, cpu_s, share = effort.end()
    yield "per_s", (sockets.changes - told) / took
    yield "frames_per_s", (sockets.frames - framed) / took
    yield "cpu_us", cpu_s / (sockets.changes - told) * 1e6
    yield "load_share", share


class Bystander:
    """A socket that nothing is sent to but its own echo: how long it waits for that, in milliseconds."""

    def __init__(self, server):
        self._line, self.waits = Line(server.port, "/echo"), []
        self._sent, self._waiting = 0.0, False

    def look(self):
        came, now = self._waiting and self._line.answer(), perf_counter()
        if came:
            self.waits.append((now - self._sent) * 1_000)
            self._waiting = False
        if not self._waiting and now - self._sent >= ECHO_EVERY_S:
            self._line.say("echo")
            self._sent, self._waiting = now, True


def echo(server, sockets, changes, *, times, seconds):
    """How long a bystander waits: while nothing happens, and while one change after the other goes to all."""
    bystander = Bystander(server)
    sockets.between = bystander.look
    sockets.listen(0.5)
    quiet, bystander.waits = median(bystander.waits), []
    for _ in one_change(server, sockets, changes, times=times, seconds=seconds):
        pass
    sockets.between = None
    waits = sorted(bystander.waits)
    yield "quiet_ms", quiet
    yield "meanwhile_ms", median(waits)
    yield "p99_ms", waits[int(len(waits) * 0.99)]
    yield "most_ms", waits[-1]


# ---- the parts


def fanout(server, peer, pace, sizes):
    changes = Changes(server, [SHARED])
    with crowd(server, peer) as sockets:
        for size in sizes:
            sockets.join([peer.visit(SHARED)] * (size - len(sockets.sockets)))
            for name, figure in one_change(server, sockets, changes, times=pace.times, seconds=pace.seconds):
                yield f"{size}.{name}", figure
            if size == 4_000 and server.server != "raw":
                for name, figure in echo(server, sockets, changes, times=pace.times, seconds=pace.seconds):
                    yield f"echo.{name}", figure
            if size <= 1_000 or not peer.has_layer:  # with 16,000 messages waiting the layer takes minutes
                for name, figure in stream(server, sockets, changes, each=size, seconds=pace.seconds):
                    yield f"{size}.{name}", figure


def writes(server, peer, pace, _):
    """Each socket writes an item of its own, again when the last write is answered. One other looks on."""
    with crowd(server, peer, [peer.visit(WRITTEN)]) as onlooker:
        for size in (1, 50):
            with crowd(server, peer, [(peer.path(EMPTY), [], 0)] * size) as sockets:
                own = dict(zip(sockets.sockets, pks(WRITTEN), strict=False))
                asked, waits = {}, []

                def write(one, own=own, asked=asked):
                    asked[one] = perf_counter()
                    one.send(peer.write(own[one], int(asked[one] * 1e6) % 1_000_000_000))

                def again(one, asked=asked, waits=waits, write=write):
                    waits.append((perf_counter() - asked[one]) * 1_000)
                    write(one)

                effort = Effort(server)
                sockets.answered = again
                for one in own:
                    write(one)
                sockets.listen(pace.seconds, lambda: onlooker.turn(0))
                took, cpu_s, share = effort.end()
                yield f"{size}.per_s", len(waits) / took
                yield f"{size}.median_ms", median(waits)
                yield f"{size}.cpu_us", cpu_s / len(waits) * 1e6
                yield f"{size}.load_share", share


def selective(server, peer, pace, _):
    visits = [peer.visit(GROUPS[n % len(GROUPS)]) for n in range(2_000)]
    with crowd(server, peer, visits) as sockets:
        changes = Changes(server, GROUPS)
        yield from stream(server, sockets, changes, each=len(visits) // len(GROUPS), seconds=pace.seconds)


def memory(server, peer, pace, _):
    with crowd(server, peer, [peer.visit(EMPTY)] * 50) as sockets:
        before = server.status().resident_kb
        sockets.join([peer.visit(EMPTY)] * 2_000)
        yield "socket_kb", (server.status().resident_kb - before) / 2_000


def back(server, peer, pace, _):
    with crowd(server, peer, [peer.visit(EMPTY)]):
        before, begun = server.status().queries.get("rows", 0), perf_counter()
        with crowd(server, peer, [peer.visit_with_rows(SHARED)] * 1_000):
            yield "all_ms", (perf_counter() - begun) * 1_000
        yield "queries", server.status().queries.get("rows", 0) - before


def bulk(server, peer, pace, _):
    with crowd(server, peer, [peer.visit(MANY)] * 100) as sockets:
        to_median, to_last = [], []
        for time in range(pace.times // 3 or 1):
            sockets.at, wanted, begun = [], sockets.changes + 100 * len(pks(MANY)), perf_counter()
            server.update(MANY, time + 1)
            sockets.until(lambda wanted=wanted: sockets.changes >= wanted)
            to_median.append((median(sockets.at) - begun) * 1_000)
            to_last.append((sockets.at[-1] - begun) * 1_000)
        yield "median_ms", median(to_median)
        yield "last_ms", median(to_last)
