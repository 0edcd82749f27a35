"""What happens to it: each takes what it needs of the blaze's dice before it waits for anything."""

import asyncio
import signal
import time
from contextlib import ExitStack, closing, contextmanager, suppress

import psycopg

from databases import connect


async def kill(blaze):
    server, pause_s = blaze.dice.choice(blaze.servers), blaze.dice.uniform(0, 2)
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(pause_s)
    await asyncio.to_thread(server.start)


async def cut(blaze):
    for browser in blaze.dice.sample(blaze.browsers, len(blaze.browsers) // 5):
        await browser.write()  # and does not hear the answer
        browser.cut()


async def stop_redis(blaze):
    pause_s = blaze.dice.uniform(0, 2)
    await asyncio.to_thread(blaze.redis.kill)
    await asyncio.sleep(pause_s)
    await asyncio.to_thread(blaze.redis.start)


async def flush_redis(blaze):
    reader, writer = await asyncio.open_connection("127.0.0.1", blaze.redis.port)
    writer.write(b"FLUSHALL\r\n")
    await reader.readline()
    writer.close()


async def restart_postgresql(blaze):
    pause_s, away = blaze.dice.uniform(0, 1), blaze.dice.sample(blaze.browsers, len(blaze.browsers) // 5)
    if blaze.dice.random() < 0.5:  # in good order
        await asyncio.to_thread(blaze.postgresql.stop)
        await asyncio.sleep(pause_s)
        await asyncio.to_thread(blaze.postgresql.start)
        return
    blaze.counts["crashes of PostgreSQL"] += 1
    await blaze.rest()
    await asyncio.sleep(1)  # what else happens is over, most likely: whoever commits has all written down
    await asyncio.to_thread(waste_ids, blaze)
    await asyncio.sleep(0.2)  # the servers have read again, most likely: if not, this crash only tries less
    for browser in away:
        await browser.ping()  # and has a cursor past those ids
    await asyncio.sleep(0.3)  # the answers are there, most likely
    with gone(away):
        await asyncio.to_thread(blaze.postgresql.stop, signal.SIGQUIT)
        await asyncio.to_thread(blaze.postgresql.start)
        await blaze.go()
        await asyncio.sleep(pause_s)


def waste_ids(blaze):
    """Undo transactions and have nothing of them written down, so that a crash gives their ids again. Whoever reads
    now has gone past these ids."""
    with ExitStack() as stack, suppress(psycopg.OperationalError):
        first, *others = [stack.enter_context(closing(connect(blaze.postgresql.url))) for _ in range(10)]
        first.execute("BEGIN")
        first.execute("UPDATE fire_note SET version = version + 1, at = %s", [time.time()])
        for other in others:
            other.execute("BEGIN")
            other.execute("SELECT pg_current_xact_id()")
        first.execute("COMMIT")  # all before it is written down with it
        for other in others:
            other.execute("ROLLBACK")


@contextmanager
def gone(browsers):
    for browser in browsers:
        browser.may_come.clear()
        browser.cut()
    yield
    for browser in browsers:
        browser.may_come.set()


async def terminate_backends(blaze):
    await asyncio.to_thread(
        blaze.ask,
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid()""",
    )


async def prune(blaze):
    """While some browsers are away, and a server sleeps."""
    away, pause_s = blaze.dice.sample(blaze.browsers, len(blaze.browsers) // 5), blaze.dice.uniform(0, 1)
    asleep = blaze.dice.choice(blaze.servers).process
    asleep.send_signal(signal.SIGSTOP)
    with gone(away):
        await asyncio.sleep(pause_s)
        await blaze.tell("prune")
        asleep.send_signal(signal.SIGCONT)


async def change_rights(blaze):
    browsers = blaze.dice.sample(blaze.browsers, 10)
    slugs = [blaze.dice.choice(list(browser.rights)) for browser in browsers]
    for browser, slug in zip(browsers, slugs, strict=True):
        change = blaze.revoke if blaze.has(browser, slug) else blaze.grant
        await asyncio.to_thread(change, browser, slug)


MISFORTUNES = [
    kill,
    cut,
    cut,
    stop_redis,
    flush_redis,
    restart_postgresql,
    terminate_backends,
    prune,
    change_rights,
    change_rights,
]
