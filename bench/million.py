"""An `update()` of a million rows, in one statement: `.venv/bin/python bench/million.py [--server uvicorn] [--rows
1000000]`, on SQLite; on PostgreSQL, with `.venv/bin/python backend/tests/servers.py` before it.

It is done twice: where there are no triggers, and where there are, with a server and two audiences. One shows some of
those rows, and has to read again. One shows another table, of which a third process changes a row all the time. It
tells what the statement took, and whoever did it in memory; the server's memory; and for the others how long a change
was on its way, before, meanwhile and after.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from slow_readers import BACKEND, COMMANDS, Reader, ask, databases, environment, mb, serve

POSTS = 100  # of a blog
BLOGS = 10  # that somebody looks at
READERS = 5  # of each of them
WATCHERS = 50  # of the other table
QUIET_S = 3.0  # before and after
MEMORY = 32 << 20  # bytes that the server may take: a snapshot for each blog, and none of the million rows
LOOK_S = 0.005  # between two looks at somebody's memory

# Who does something to the database says with whom to look for its memory, and for each line it is told the
# nanoseconds when it began and when it was committed: the clock is the machine's.
WRITER = f"""
import os, sys, time
sys.path.insert(0, {str(BACKEND / "tests")!r})
from databases import connect
connection = connect(sys.argv[1])
print(os.getpid() if sys.argv[1].startswith("sqlite:") else connection.info.backend_pid, flush=True)
for line in sys.stdin:
    began = time.monotonic_ns()
    connection.execute(line)
    print(began, time.monotonic_ns(), flush=True)
"""
UPDATE = "UPDATE example_post SET body = body || '!'"


class Watcher(Reader):
    path, stream, shown = "/ws/values/", "intval", "name"


class Writer:
    """A process with a session of its own."""

    def __init__(self, database):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, "-c", WRITER, database], text=True, bufsize=1, **pipes)
        self.pid = int(self._process.stdout.readline())

    def execute(self, statement):
        """Return when it began and when it was committed."""
        self._process.stdin.write(f"{statement}\n")
        return tuple(map(int, self._process.stdout.readline().split()))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.stdin.close()
        self._process.wait()


class Cost:
    """What a process costs meanwhile: its memory, shared memory left out, in bytes, and seconds on a processor. Nothing
    where the system does not tell."""

    def __init__(self, pid):
        self._status, self._stat, self._over = Path(f"/proc/{pid}/status"), Path(f"/proc/{pid}/stat"), threading.Event()
        self.before = self.peak = self.memory()
        self._since_s = self._cpu_s()

    def memory(self):
        if not self._status.exists():
            return 0
        (line,) = (line for line in self._status.read_text().splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1]) << 10

    def _cpu_s(self):
        if not self._stat.exists():
            return 0
        spent = self._stat.read_text().rpartition(")")[2].split()[11:13]  # its name may have spaces
        return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()
        self.after, self.cpu_s = self.memory(), self._cpu_s() - self._since_s

    def _look(self):
        while not self._over.wait(LOOK_S):
            self.peak = max(self.peak, self.memory())


def fill(database, rows):
    """Make rows in a database that has no triggers."""
    migrate(database)
    if databases.KIND == "postgresql":
        ask(database, "DROP FUNCTION channels_databinding_capture CASCADE")
    else:
        for (name,) in ask(database, "SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            ask(database, f'DROP TRIGGER "{name}"')
    numbers = f"WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})"
    ask(
        database,
        f"""INSERT INTO example_liveblog (id, name, slug) {numbers} SELECT n, 'b', 'b' || n FROM n
            WHERE n <= {rows // POSTS}""",
    )
    ask(
        database,
        f"""INSERT INTO example_post (id, liveblog_id, body, published, created, updated) {numbers}
            SELECT n, 1 + n % {rows // POSTS}, n || ' {"x" * 100}', true, '2017-01-01', '2017-01-01' FROM n""",
    )
    ask(database, "INSERT INTO example_integervalue (id, name, value) VALUES (1, 'before', 1)")
    if databases.KIND == "postgresql":
        ask(database, "VACUUM ANALYZE")


def migrate(database):
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(command, env=environment(database), check=True)


def update(database):
    """Return the seconds that it took, and a text that tells them and what else it cost."""
    with Writer(database) as writer, Cost(writer.pid) as cost:
        began, ended = writer.execute(UPDATE)
    took_s = (ended - began) / 1e9
    return took_s, f"{took_s:.1f} s, {cost.cpu_s:.1f} s of them on a processor, {mb(cost.peak - cost.before)} of memory"


@contextmanager
def changing(database, changes):
    """Change the other table's row all the time. `changes` is {its name: (when it began, when it was committed)}."""
    over = threading.Event()

    def change():
        with Writer(database) as writer:
            while not over.wait(0.02):
                name = f"n{len(changes)}"
                changes[name] = writer.execute(f"UPDATE example_integervalue SET name = '{name}'")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def measure(server, database):
    """Return whether all is as promised."""
    changes, heard = {}, []
    seats = [blog for blog in range(1, BLOGS + 1) for _ in range(READERS)]
    readers = [await Reader.come(server.port, blog) for blog in seats]
    watchers = [
        await Watcher.come(server.port, None, heard=lambda name: heard.append((name, time.monotonic_ns())))
        for _ in range(WATCHERS)
    ]
    with Cost(server.process.pid) as cost:
        with changing(database, changes):
            await asyncio.sleep(QUIET_S)
            began = time.monotonic_ns()
            took_s, told = await asyncio.to_thread(update, database)
            ended = began + int(took_s * 1e9)
            for one in readers:
                await one.until(
                    lambda one=one: len(one.rows) == POSTS and all(b.endswith("!") for b in one.rows.values())
                )
            right = time.monotonic_ns()
            await asyncio.sleep(QUIET_S)
        last = f"n{len(changes) - 1}"
        for one in watchers:
            await one.until(lambda one=one: one.rows == {1: last})
    wrong = sum(one.rows != stored(database, blog) for blog, one in zip(seats, readers, strict=True))
    resets = [one.told.count("reset") for one in readers]
    others = [action for one in watchers for action in one.told[2:] if action not in ("update", "ping")]
    print(f"with triggers    {told}")
    print(f"server           {mb(cost.before)} before, {mb(cost.peak)} at most, {mb(cost.after)} after")
    print(f"readers          {len(readers)}, {min(resets)} to {max(resets)} resets each, {wrong} wrong", end="")
    print(f", all right {(right - ended) / 1e9:.1f} s after it")
    print(
        f"others           {len(watchers)}, told of {len(changes):,} changes and {len(others)} times of anything else"
    )
    for name, since, until in (
        ("before", 0, began),
        ("meanwhile", began, right),
        ("after", right, time.monotonic_ns()),
    ):
        these = {change: times for change, times in changes.items() if since <= times[0] < until}
        ways = [ms(these[change][1], at) for change, at in heard if change in these]
        tell(f"  {name}", [ms(*times) for times in these.values()], ways)
    return not wrong and not others and cost.peak - cost.before < MEMORY


def stored(database, blog):
    return dict(ask(database, "SELECT id, body FROM example_post WHERE liveblog_id = ?", blog))


def ms(since, until):
    return max(0, until - since) / 1e6


def tell(name, writes, ways):
    print(
        f"{name:16} {len(writes):4} changes: committed in {median(writes):.1f} ms, at most {max(writes):,.0f}", end=""
    )
    print(f"; then told in {median(ways):.1f} ms, at most {max(ways):,.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", choices=COMMANDS, default="daphne")
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    made = []
    with tempfile.TemporaryDirectory(prefix="million-") as folder:
        try:
            for name in ("bare", "bound"):
                Path(folder, name).mkdir()
                made.append(databases.make(Path(folder, name), like=made[0] if made else None))
                fill(made[0], asked.rows) if name == "bare" else migrate(made[1])
            print(f"{asked.server}, {databases.KIND}: {asked.rows:,} rows in one update()")
            print(f"without triggers {update(made[0])[1]}")
            with serve(made[1], Path(folder, "log"), asked.server) as server:
                is_well = asyncio.run(measure(server, made[1]))
        finally:
            for database in made:
                databases.drop(database)
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
