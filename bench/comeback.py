"""A thousand sockets that come back at once after their server was killed: with the cursors they had, and without.

    .venv/bin/python backend/tests/servers.py .venv/bin/python bench/comeback.py [--server uvicorn] [--sockets 1000]

It tells how long it took from the new process's first answer until the last one was live, and how often the table was
read for all of them: PostgreSQL counts that itself.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from slow_readers import BLOG, COMMANDS, Reader, ask, databases, fill, serve, stored

ROWS = 100
DOOR = 50  # who is on the way in: daphne lets so many wait, and who comes then tries again after 1, 3, 7, 15 seconds


def reads(database):
    """Return how often the posts were read, by an index or whole."""
    ask(database, "SELECT pg_stat_force_next_flush()")
    (row,) = ask(
        database, "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'example_post'"
    )
    return row[0]


async def come(server, number, before=None):
    """Connect so many at once, as who was there before. Returns the readers, and in how many seconds all were live."""
    began, door = time.monotonic(), asyncio.Semaphore(DOOR)

    async def one(n):
        async with door:
            return await Reader.come(server.port, BLOG, before=before and before[n])

    readers = await asyncio.gather(*map(one, range(number)))
    return readers, time.monotonic() - began


async def quiet(database):
    """Return how often the posts were read, when all sessions have told their counts: they do so within a second."""
    await asyncio.sleep(2)
    return reads(database)


async def measure(asked, database, folder):
    with serve(database, folder / "log", asked.server) as server:
        before, took_s = await come(server, asked.sockets)
        print(f"{asked.server}: {asked.sockets:,} sockets, {ROWS} rows; the first time live in {took_s:.1f} s")
        server.kill()
    ask(database, "UPDATE example_post SET body = ? WHERE id = 1", "meanwhile")
    for how, earlier in (("without a cursor", None), ("with their cursors", before)):
        with serve(database, folder / "log", asked.server) as server:
            count = await quiet(database)
            readers, took_s = await come(server, asked.sockets, earlier)
            wrong = sum(one.rows != stored(database) for one in readers)
            snapshots = sum("snapshot" in one.told for one in readers)
            # stored() reads, too: once for each.
            count = await quiet(database) - count - asked.sockets
            print(f"{how}: live in {took_s:.1f} s, posts read {count} times, {snapshots} snapshots, {wrong} wrong")
            for one in readers:
                one.leave()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", choices=COMMANDS, default="daphne")
    parser.add_argument("--sockets", type=int, default=1_000)
    asked = parser.parse_args()
    if databases.KIND != "postgresql":
        sys.exit("It asks PostgreSQL how often a table was read: see above.")
    with tempfile.TemporaryDirectory(prefix="comeback-") as folder:
        database = databases.make(Path(folder))
        try:
            fill(database, ROWS)
            asyncio.run(measure(asked, database, Path(folder)))
        finally:
            databases.drop(database)


if __name__ == "__main__":
    main()
