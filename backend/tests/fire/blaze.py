"""All of it at once, by a plan that a seed makes."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing

import psycopg

import process
from databases import connect
from servers import PostgreSQL, Redis

from .browser import Browser, Fault

SERVERS, BROWSERS, WRITERS = 3, 200, 2
SLUGS = [f"room{n}{new}" for n in range(4) for new in ("", "-new")]
VAULT = "vault"  # which nobody has a pass for, ever
BETWEEN_S = 2.0  # two misfortunes, on average
QUIET_EVERY_S = 20.0
SETTLE_S = 120.0  # until every browser shows what is there, once nobody writes


class Blaze:
    def __init__(self, folder, seed, seconds):
        self.folder, self.seed, self.seconds = folder, seed, seconds
        self.random, self.counts, self.log = random.Random(seed), Counter(), []
        self.dice = random.Random(f"plan {seed}")  # of misfortunes alone, so that a seed brings the same ones again

    def note(self, what):
        self.log.append(f"{time.time() - self.began:7.2f} {what}")

    async def run(self):
        self.began = time.time()
        with ExitStack() as stack:
            self.postgresql = stack.enter_context(PostgreSQL(deadlock_timeout="100ms"))
            self.redis = stack.enter_context(Redis())
            self.environment = process.environment(
                self.postgresql.url, "fire.settings", REDIS_URL=self.redis.url, ALLOWED_HOSTS="127.0.0.1"
            )
            command = [sys.executable, str(process.TESTS.parent / "manage.py"), "migrate", "--run-syncdb", "-v", "0"]
            await asyncio.to_thread(subprocess.run, command, env=self.environment, check=True)
            self.set_up()
            self.servers = [
                process.Server("fire.served:application", self.environment, self.folder / f"server-{n}.log")
                for n in range(SERVERS)
            ]
            for server in self.servers:
                server.start()
                stack.callback(server.stop)
            self.writers = [
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "fire.writers",
                    f"{self.seed}-{n}",
                    env=self.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
                for n in range(WRITERS)
            ]
            for writer in self.writers:
                stack.callback(writer.kill)
            await self.burn()

    # ---- what there is

    def ask(self, statement, *values):
        """Ask the database, when it is there again."""
        while True:
            try:
                with closing(connect(self.postgresql.url)) as connection:
                    cursor = connection.execute(statement, values)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                time.sleep(0.05)  # it tells of nothing but by an answer

    def set_up(self):
        for n in range(4):
            self.ask("INSERT INTO fire_room (slug) VALUES (%s)", f"room{n}")
        self.ask("INSERT INTO fire_room (slug) VALUES (%s)", VAULT)
        self.ask("INSERT INTO fire_note (room_id, version, at, marker) SELECT id, 1, 0, '' FROM fire_room")
        self.ports = []
        self.browsers = []

    def invite(self):
        self.ports = [server.port for server in self.servers]
        for n in range(BROWSERS):
            slugs = [*self.random.sample(SLUGS, 2), *([VAULT] if n % 20 == 0 else [])]
            browser = Browser(f"b{n}", slugs, self.ports, f"{self.seed}-{n}", self.counts)
            self.browsers.append(browser)
            for slug in slugs:
                if slug != VAULT:
                    self.grant(browser, slug)

    def grant(self, browser, slug):
        browser.rights.setdefault(slug, []).append((time.time(), float("inf")))
        self.ask("INSERT INTO fire_pass (name, slug) VALUES (%s, %s) ON CONFLICT DO NOTHING", browser.name, slug)

    def revoke(self, browser, slug):
        self.ask("DELETE FROM fire_pass WHERE name = %s AND slug = %s", browser.name, slug)
        *earlier, (since, _) = browser.rights[slug]
        browser.rights[slug] = [*earlier, (since, time.time())]

    def has(self, browser, slug):
        return bool(browser.rights.get(slug)) and browser.rights[slug][-1][1] == float("inf")

    # ---- the fire

    async def burn(self):
        await asyncio.to_thread(self.invite)
        lives = [asyncio.create_task(browser.run()) for browser in self.browsers]
        people = asyncio.create_task(self.people())
        plan = asyncio.create_task(self.plan())
        try:
            done, _ = await asyncio.wait([*lives, people, plan], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            assert plan.done()
        finally:
            for task in [*lives, people, plan]:
                task.cancel()
            await asyncio.gather(*lives, people, plan, return_exceptions=True)

    async def people(self):
        """Browsers write now and then, and ask for what they were refused."""
        self.are_writing = asyncio.Event()
        while True:
            await asyncio.sleep(self.random.expovariate(20))
            browser = self.random.choice(self.browsers)
            await browser.ask_refused()
            if self.are_writing.is_set():
                await browser.write()

    async def tell(self, line):
        for writer in self.writers:
            writer.stdin.write(f"{line}\n".encode())
        told = [int(await asyncio.wait_for(writer.stdout.readline(), 60)) for writer in self.writers]
        self.counts["transactions of others"] = sum(told)

    async def plan(self):
        until = self.began + self.seconds
        while time.time() < until:
            self.note("go")
            await self.tell("go")
            self.are_writing.set()
            quiet = min(time.time() + QUIET_EVERY_S, until)
            while time.time() < quiet:
                await asyncio.sleep(self.dice.expovariate(1 / BETWEEN_S))
                what = self.dice.choice(self.misfortunes)
                self.note(what.__name__)
                self.counts[what.__name__] += 1
                await what(self)
            self.are_writing.clear()
            await self.tell("rest")
            self.note("quiet")
            await self.settle()

    async def kill(self):
        server = self.dice.choice(self.servers)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(self.dice.uniform(0, 2))
        await asyncio.to_thread(server.start)

    async def cut(self):
        for browser in self.dice.sample(self.browsers, BROWSERS // 5):
            browser.cut()

    async def stop_redis(self):
        await asyncio.to_thread(self.redis.kill)
        await asyncio.sleep(self.dice.uniform(0, 2))
        await asyncio.to_thread(self.redis.start)

    async def flush_redis(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.redis.port)
        writer.write(b"FLUSHALL\r\n")
        await reader.readline()
        writer.close()

    async def restart_postgresql(self):
        how = self.dice.choice([signal.SIGINT, signal.SIGQUIT])  # in good order, or as a crash
        await asyncio.to_thread(self.postgresql.stop, how)
        await asyncio.sleep(self.dice.uniform(0, 1))
        await asyncio.to_thread(self.postgresql.start)

    async def terminate_backends(self):
        await asyncio.to_thread(
            self.ask,
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()""",
        )

    async def prune(self):
        await self.tell("prune")

    async def change_rights(self):
        for browser in self.dice.sample(self.browsers, 10):
            slug = self.dice.choice([slug for slug in browser.collections if slug != VAULT])
            change = self.revoke if self.has(browser, slug) else self.grant
            await asyncio.to_thread(change, browser, slug)

    misfortunes = [
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

    # ---- when nobody writes

    async def settle(self):
        deadline = time.time() + SETTLE_S
        while (wrong := await asyncio.to_thread(self.look)) is not None:
            if time.time() > deadline:
                name, *_ = wrong.split()
                self.log += next(browser.log for browser in self.browsers if browser.name == name)
                raise Fault(f"not as it should be after {SETTLE_S} s: {wrong}")
            await asyncio.sleep(0.1)  # looked at again and again: it is other processes that are waited for
        self.counts["quiet points"] += 1
        ((self.counts["changes"],),) = self.ask("SELECT last_value FROM channels_databinding_journal_id_seq")
        traces = dict(self.ask("SELECT marker, count(*) FROM fire_trace GROUP BY marker"))
        if twice := {marker: n for marker, n in traces.items() if n > 1}:
            raise Fault(f"done more than once: {twice}")
        # A refused one may be done once all the same: sent again elsewhere, it was judged there before it was here.
        for browser in self.browsers:
            for ref, result in browser.results.items():
                if result == "ack" and ref not in traces:
                    raise Fault(f"{ref} was acknowledged and not done")

    def look(self):
        """Return what is not as it should be, None if all is."""
        there = {slug: {} for slug in [*SLUGS, VAULT]}
        here = {slug: {b.name for b in self.browsers if slug in b.rights and self.has(b, slug)} for slug in there}
        for pk, version, slug in self.ask(
            "SELECT n.id, n.version, r.slug FROM fire_note n JOIN fire_room r ON r.id = n.room_id"
        ):
            there.setdefault(slug, {})[pk] = version
        for browser in self.browsers:
            if browser.pending:
                return f"{browser.name} waits for {list(browser.pending)[:3]}"
            for slug, collection in browser.collections.items():
                shown = {pk: row["version"] for pk, row in collection.rows.items()}
                if self.has(browser, slug):
                    if not collection.live:
                        return f"{browser.name} is not live in {slug}"
                    if wrong := shown.items() ^ there[slug].items():
                        return f"{browser.name} shows in {slug} what is not there, or not what is: {wrong}"
                    if wrong := {entry["name"] for entry in collection.people.values()} ^ here[slug]:
                        return f"{browser.name} sees in {slug} people who are not there, or not those who are: {wrong}"
                elif shown or collection.live:
                    return f"{browser.name} shows {slug} without a right: {shown}"
        return None
