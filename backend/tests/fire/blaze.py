"""All of it at once, by a plan that a seed makes."""

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from itertools import chain

import psycopg

import process
from databases import connect
from servers import PostgreSQL, Redis

from .browser import Browser, Fault
from .misfortunes import MISFORTUNES, kill

SERVERS, BROWSERS, WRITERS = 3, 200, 2
SLUGS = [f"room{n}{new}" for n in range(4) for new in ("", "-new")]
VAULT = "vault"  # which nobody has a pass for, ever
BETWEEN_S = 2.0  # two misfortunes and the next two, on average
SETTLE_S = 300.0  # until every browser shows what is there, once nobody writes


class Blaze:
    def __init__(self, folder, seed, seconds):
        self.folder, self.seed, self.seconds = folder, seed, seconds
        self.random, self.counts, self.log = random.Random(seed), Counter(), folder / "fire.log"
        # Of misfortunes alone, which ask it before they wait for anything: so a seed brings the same ones again.
        self.dice = random.Random(f"plan {seed}")
        self.telling, self.are_writing = asyncio.Lock(), asyncio.Event()

    def note(self, what):
        with self.log.open("a") as log:
            print(f"{time.time() - self.began:7.2f} {what}", file=log)

    async def run(self):
        self.began = time.time()
        with ExitStack() as stack:
            self.postgresql = stack.enter_context(PostgreSQL(deadlock_timeout="100ms", wal_writer_delay="10s"))
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
            browser.rights = {slug: [(self.began, float("inf"))] for slug in slugs if slug != VAULT}
        names = [browser.name for browser in self.browsers for _ in browser.rights]
        slugs = [slug for browser in self.browsers for slug in browser.rights]
        self.ask("INSERT INTO fire_pass (name, slug) SELECT * FROM unnest(%s::text[], %s::text[])", names, slugs)

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
        """Browsers write now and then, ask for what they were refused, and ask how far they are."""
        while True:
            await asyncio.sleep(self.random.expovariate(20))
            browser = self.random.choice(self.browsers)
            await browser.ask_refused()
            await browser.ping()
            if self.are_writing.is_set():
                await browser.write()

    async def tell(self, line):
        async with self.telling:
            for writer in self.writers:
                writer.stdin.write(f"{line}\n".encode())
            told = [int(await asyncio.wait_for(writer.stdout.readline(), 60)) for writer in self.writers]
        self.counts["transactions of others"] = sum(told)

    async def go(self):
        self.are_writing.set()
        await self.tell("go")

    async def rest(self):
        self.are_writing.clear()
        await self.tell("rest")

    async def plan(self):
        """Round after round: every misfortune once, two at a time, and then a quiet point. However slow the machine
        is, there is one round."""
        until = self.began + self.seconds
        while not self.counts["quiet points"] or time.time() < until:
            before = self.counts.copy()
            await self.go()
            misfortunes = self.dice.sample(MISFORTUNES, len(MISFORTUNES))
            while misfortunes:
                await asyncio.sleep(self.dice.expovariate(1 / BETWEEN_S))
                two = [misfortunes.pop() for _ in misfortunes[:2]]
                self.note(" and ".join(what.__name__ for what in two))
                self.counts.update(what.__name__ for what in two)
                await asyncio.gather(*(what(self) for what in two))
            await self.rest()
            self.note("quiet")
            await self.settle()
            self.counts["kill"] += 1
            await kill(self)  # now that everybody knows who is there: they must be seen to leave, too
            await self.settle()
            for what in ("transactions of others", "writes: ack", "changes told live"):
                if self.counts[what] == before[what]:
                    raise Fault(f"nothing burned: {what} {before[what]}, as before")

    # ---- when nobody writes

    async def settle(self):
        deadline = time.time() + SETTLE_S
        while wrong := next(chain(self.wrong_rows(await asyncio.to_thread(self.notes)), self.wrong_people()), None):
            if time.time() > deadline:
                name, *_ = wrong.split()
                for heard_or_said in next(browser.log for browser in self.browsers if browser.name == name):
                    self.note(heard_or_said)
                raise Fault(f"not as it should be after {SETTLE_S} s: {wrong}")
            await asyncio.sleep(0.1)  # looked at again and again: it is other processes that are waited for
        self.counts["quiet points"] += 1
        megabytes = [server.memory() >> 20 for server in self.servers]
        self.note(f"all is as it should be; the servers have {megabytes} MB")
        self.counts["MB of a server at most"] = max(self.counts["MB of a server at most"], *megabytes)
        # Each has a number, those that were undone, too.
        ((self.counts["changes written"],),) = self.ask("SELECT last_value FROM channels_databinding_journal_id_seq")
        self.count_traces()

    def count_traces(self):
        """Every write that was acknowledged was done once and on the version it expected, every other once at most."""
        traces = dict(self.ask("SELECT marker, array_agg(version) FROM fire_trace GROUP BY marker"))
        if twice := {marker: versions for marker, versions in traces.items() if len(versions) > 1}:
            raise Fault(f"done more than once: {twice}")
        # A refused one may be done once all the same: sent again elsewhere, it was judged there before it was here.
        for browser in self.browsers:
            for ref, result in browser.results.items():
                if result == "ack" and ref not in traces:
                    raise Fault(f"{ref} was acknowledged and not done")
            for ref in browser.expected.keys() & traces.keys():
                if traces[ref] != [browser.expected[ref] + 1]:
                    raise Fault(f"{ref} expected {browser.expected[ref]} and made {traces[ref]}")

    def notes(self):
        """Return all there are: `{slug: {pk: data}}`."""
        there = {slug: {} for slug in [*SLUGS, VAULT]}
        for pk, slug, *values in self.ask(
            """SELECT n.id, r.slug, n.room_id, n.version, n.at, n.marker
               FROM fire_note n JOIN fire_room r ON r.id = n.room_id"""
        ):
            row = dict(zip(("room", "version", "at", "marker"), values, strict=True))
            there.setdefault(slug, {})[pk] = {**row, "room__slug": slug}
        return there

    def wrong_rows(self, there):
        for browser in self.browsers:
            if browser.pending:
                yield f"{browser.name} waits for {list(browser.pending)[:3]}"
            for slug, collection in browser.collections.items():
                shown, rows = collection.rows, there[slug]
                if not self.has(browser, slug):
                    if shown or collection.live:
                        yield f"{browser.name} shows {slug} without a right: {shown}"
                elif not collection.live:
                    yield f"{browser.name} is not live in {slug}"
                elif wrong := {pk for pk in shown.keys() | rows.keys() if shown.get(pk) != rows.get(pk)}:
                    one = min(wrong)
                    yield f"{browser.name} shows in {slug} of {wrong} {shown.get(one)}, and there is {rows.get(one)}"

    def wrong_people(self):
        here = {slug: Counter(b.name for b in self.browsers if self.has(b, slug)) for slug in SLUGS}
        for browser in self.browsers:
            for slug, collection in browser.collections.items():
                shown = Counter(entry["name"] for entry in collection.people.values())
                if self.has(browser, slug) and shown != here[slug]:  # once each: who came back is no ghost, too
                    wrong = dict(shown - here[slug]), dict(here[slug] - shown)
                    yield f"{browser.name} sees in {slug} who is not there, or not who is: {wrong}"
