"""What five sockets that stop reading cost: `.venv/bin/python bench/slow_readers.py [--server uvicorn]`, on SQLite; on
PostgreSQL, with `.venv/bin/python backend/tests/servers.py` before it.

A server, 200 readers, and who writes are three processes. In every other round five more subscribe and stop reading;
when it is over they read on, come back, and are compared with the database. It tells the server's memory, how they were
closed, and how long a change took to the 200, with the five and without. uvicorn is in bench/requirements.txt.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

BACKEND = Path(__file__).resolve().parents[1] / "backend"
sys.path[:0] = [str(BACKEND / "tests"), str(BACKEND)]

import databases  # noqa: E402
from databases import ask  # noqa: E402
from process import COMMANDS  # noqa: E402
from reader import Reader, environment, serve  # noqa: E402

READERS, SLOW = 200, 5
BLOG, POSTS = 1, 20
BODY = 20_000  # characters
MEGABYTES = 100  # of changes pass while five do not read
ROUND = (4 << 20) // BODY + 3  # changes: past 4 MB that are not read the five are closed
# Bytes: 4 MB for each that does not read, and more that is as good as gone. Who does not answer a close within a second
# is cut by daphne, and what it held for them lies in cycles until Python collects these.
MEMORY = SLOW * (16 << 20)

# Says when it began to write, for the readers: the clock is the machine's.
WRITER = f"""
import sys, time
sys.path.insert(0, {str(BACKEND / "tests")!r})
from databases import connect
connection = connect(sys.argv[1])
mark = "?" if sys.argv[1].startswith("sqlite:") else "%s"
for line in sys.stdin:
    text = f"{{time.monotonic_ns()}} {{'x' * int(sys.argv[2])}}"
    connection.execute(f"UPDATE example_post SET body = {{mark}} WHERE id = {{mark}}", (text, int(line)))
"""


def fill(database, posts=POSTS):
    """Make a blog and its posts."""
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, env=environment(database), check=True)
    ask(database, "INSERT INTO example_liveblog (id, name, slug) VALUES (?, 'b', 'b')", BLOG)
    for pk in range(1, posts + 1):
        ask(
            database,
            "INSERT INTO example_post (id, liveblog_id, body, published, created, updated) VALUES (?, ?, ?, ?, ?, ?)",
            *(pk, BLOG, f"{pk} {'x' * 200}", True, "2017-01-01", "2017-01-01"),
        )


def stored(database):
    return dict(ask(database, "SELECT id, body FROM example_post"))


class Audience:
    """The readers, and how long each change took to each of them: milliseconds."""

    def __init__(self):
        self.delays_ms, self._all = [], asyncio.Event()

    async def come(self, port):
        self.readers = [await Reader.come(port, BLOG, heard=self._heard) for _ in range(READERS)]

    def _heard(self, body):
        self.delays_ms.append((time.monotonic_ns() - int(body[: body.index(" ")])) / 1e6)
        if len(self.delays_ms) % READERS == 0:
            self._all.set()

    async def hear(self):
        """Wait until all have heard of one change more."""
        await asyncio.wait_for(self._all.wait(), 30)
        self._all.clear()


@contextmanager
def writing(database):
    """Give `write(pk)`: another process changes that post."""
    command = [sys.executable, "-c", WRITER, database, str(BODY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, bufsize=1) as writer:
        yield lambda pk: writer.stdin.write(f"{pk}\n")


@dataclass
class Measured:
    before: int = 0  # memory, bytes
    peak: int = 0
    after: int = 0
    lost: int = 0  # readers whose rows are not those of the database
    codes: Counter = field(default_factory=Counter)
    with_ms: list = field(default_factory=list)  # of each round, what each delivery took
    without_ms: list = field(default_factory=list)


async def measure(server, write, database, rounds):
    told, audience = Measured(), Audience()
    await audience.come(server.port)
    slow = [None] * SLOW

    async def one_round():
        audience.delays_ms = []
        for number in range(ROUND):
            write(number % POSTS + 1)
            await audience.hear()
            told.peak = max(told.peak, server.memory())
        return audience.delays_ms

    async def one_round_with_slow_readers():
        nonlocal slow
        slow = [await Reader.come(server.port, BLOG, before=one, buffer=1 << 18) for one in slow]
        for one in slow:
            one.stop()
        told.with_ms.append(await one_round())
        for one in slow:
            one.go_on()
        told.codes.update([await asyncio.wait_for(one.gone, 30) for one in slow])
        back = [await Reader.come(server.port, BLOG, before=one) for one in slow]
        told.lost += sum(one.rows != stored(database) or "snapshot" in one.told for one in back)
        for one in back:
            one.leave()

    await one_round()  # not counted: what a server makes once is made
    told.before = told.peak = server.memory()
    for number in range(rounds):
        if number % 2:
            told.without_ms.append(await one_round())
        await one_round_with_slow_readers()
        if not number % 2:
            told.without_ms.append(await one_round())
    told.after = server.memory()
    told.lost += sum(one.rows != stored(database) for one in audience.readers)
    return told


def tell(kind, told):
    """Print what was measured. Returns whether it is as promised."""
    rounds = len(told.with_ms)
    ratios = [median(one) / median(other) for one, other in zip(told.with_ms, told.without_ms, strict=True)]
    more = told.peak - told.before
    print(f"{kind}: {READERS} readers and {SLOW} who stop; {rounds * ROUND * BODY / 2**20:.0f} MB of changes pass")
    print(
        f"memory   {mb(told.before)} before, {mb(told.peak)} at most, {mb(told.after)} after: {mb(more)} more", end=""
    )
    print(f", of {mb(MEMORY)} that may be")
    print("closed  ", ", ".join(f"{n} with {code or 'no code: cut'}" for code, n in told.codes.items()))
    print(f"lost     {told.lost} of {SLOW * rounds + READERS} ended with other rows than the database")
    for name, several in (("with", told.with_ms), ("without", told.without_ms)):
        every = [delay for one in several for delay in one]
        print(f"{name:8} median {median(every):.1f} ms, 99th of 100 {quantiles(every, n=100)[-1]:.1f} ms")
    print(f"ratio    {median(ratios):.3f} of the medians, by rounds {min(ratios):.3f} to {max(ratios):.3f}")
    return told.lost == 0 and more < MEMORY and median(ratios) < 1.1


def mb(size):
    return f"{size / 2**20:.1f} MB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", choices=COMMANDS, default="daphne")
    parser.add_argument("--megabytes", type=int, default=MEGABYTES)
    asked = parser.parse_args()
    rounds = max(1, round((asked.megabytes << 20) / (ROUND * BODY)))
    with tempfile.TemporaryDirectory(prefix="slow-readers-") as folder:
        database = databases.make(Path(folder))
        try:
            fill(database)
            with serve(database, Path(folder, "log"), asked.server) as server, writing(database) as write:
                told = asyncio.run(measure(server, write, database, rounds))
        finally:
            databases.drop(database)
    sys.exit(not tell(f"{asked.server}, {databases.KIND}", told))


if __name__ == "__main__":
    main()
