"""The rules of sync against the real code: random histories of two server processes over one database.

The rules are told in `docs/protocol.md`. `world` holds what is needed to test them: what is really there (`truth`),
the server with its threads and its network in the hands of the schedule (`server`), a client by the rules, which
compares what it hears with the truth frame by frame (`browser`), everybody else who writes (`outsiders`), and what
happens when (`schedule`). MODEL_RUNS=20000 looks at more histories, each time other ones.
"""

import os
import sys
from asyncio.subprocess import create_subprocess_exec

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import databases
from channels_databinding.hub import Hub
from example.models import Liveblog, Post
from process import TESTS
from world.browser import Collection
from world.schedule import World
from world.server import STREAM, VIEWS, Demultiplexer
from world.truth import LETTERS

# Each number is one step: it seeds all that is chosen there, so that a history stays itself when others are left out.
histories = st.integers(20, 150).flatmap(lambda n: st.lists(st.integers(0, 9_999), min_size=n, max_size=n))


@settings(
    max_examples=int(os.environ.get("MODEL_RUNS", "300" if databases.KIND == "sqlite" else "100")),
    derandomize="MODEL_RUNS" not in os.environ,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
@given(temper=st.integers(0, 9_999), history=histories)
def test_whatever_happens_screens_show_what_is_there(transactional_db, caplog, temper, history):
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(monkeypatch, temper)
        try:
            for number in history:
                world.step(number)
            world.settle()
            check_end(world)
            assert not [record for record in caplog.records if record.levelname == "ERROR"]
        finally:
            note("\n".join(world.log))
            world.end()


def check_end(world):
    """What must be true once everything is quiet. What must be true all the time, `Browser` looks at."""
    truth = world.truth
    assert max(truth.landed.values()) == 1, "something was written twice"
    for browser in world.browsers:
        assert not browser.writes, "pending for ever"
        assert all(browser.answered[ref] == 1 for ref in browser.asked), "asked and not answered"
        for ref, payload in browser.made.items():
            if payload["action"] == "delete":
                assert browser.results[ref] != "ack" or payload["pk"] not in truth.now, "acknowledged and not deleted"
            else:
                landed = truth.landed[payload["data"]["body"]]
                assert landed == (browser.results[ref] == "ack"), "acknowledged and lost, or refused and written"
        for collection in browser.collections.values():
            assert collection.rows == truth.view(collection.groups if collection.live else set(), truth.position)


# ---- the same without a schedule: real threads, and writers that are other programs

WRITER = """
import random, sys
import databases, psycopg
url, name = sys.argv[1:]
r = random.Random(name)
db = databases.connect(url)
begin = "BEGIN IMMEDIATE" if url.startswith("sqlite:") else "BEGIN"

def write(body):
    blog, one = r.choice([1, 2, 3]), "(SELECT id FROM example_post ORDER BY random() LIMIT 1)"
    match r.choice(["insert", "move", "move", "move", "delete"]):
        case "insert":
            db.execute("INSERT INTO example_post (liveblog_id, body, published, created, updated) "
                       f"VALUES ({blog}, '{body}', false, '2000-01-01', '2000-01-01')")
        case "move":
            db.execute(f"UPDATE example_post SET liveblog_id = {blog}, body = '{body}' WHERE id = {one}")
        case "delete":
            db.execute(f"DELETE FROM example_post WHERE id = {one}")

for n in range(1_000):
    db.execute(begin)
    try:
        for _ in range(r.choice([1, 1, 3])):
            write(f"{name}{n}")
    except psycopg.errors.DeadlockDetected:
        db.execute("ROLLBACK")
    else:
        db.execute(r.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))
"""


async def test_who_stays_and_who_comes_and_goes_see_the_same_in_the_end(visit):
    for pk, letter in LETTERS.items():
        await Liveblog.objects.acreate(pk=pk, name=letter, slug=letter)
    hubs, url = [Hub(), Hub()], databases.url_of(connection)
    stays = Screen("AB", await visit(Demultiplexer, Reader(), hub=hubs[0]))
    await stays.catch_up()
    writers = [await create_subprocess_exec(sys.executable, "-c", WRITER, url, name, cwd=TESTS) for name in ("x", "y")]

    goes = Screen("A")
    while any(writer.returncode is None for writer in writers):
        goes.visitor = await visit(Demultiplexer, Reader(), hub=hubs[goes.visits % 2])
        await goes.catch_up()
        await goes.hear()
        await goes.visitor.leave()
    goes.visitor = await visit(Demultiplexer, Reader(), hub=hubs[1])
    await goes.catch_up()
    await stays.hear()

    assert [writer.returncode for writer in writers] == [0, 0]
    for screen in (stays, goes):
        pks = Post.objects.filter(liveblog__slug__in=VIEWS[screen.view]).values_list("pk", "body")
        assert {pk: data["body"] for pk, data in screen.rows.items()} == dict([row async for row in pks])


class Reader:
    is_authenticated, pk, access = True, "reader", {"a", "b"}


class Screen(Collection):
    """One subscription of somebody who only reads."""

    def __init__(self, view, visitor=None):
        super().__init__(view)
        self.visitor, self.visits = visitor, 0

    async def catch_up(self):
        self.visits += 1
        frames, ack = await self.visitor.subscribe(STREAM, self.cursor, view=self.view)
        self.take(frames, ack)

    async def hear(self):
        """Hear all that was committed by now."""
        # Refused, but like every answer it leaves after what was committed before it.
        frames, _ = await self.visitor.ask(STREAM, {"action": "delete", "pk": 0})
        self.take(frames, frames[-1] if frames else {"cursor": self.cursor})

    def take(self, frames, last):
        for frame in frames:
            assert frame["payload"]["action"] != "reset"
            for change in frame["payload"].get("changes", [frame["payload"]]):
                self.learn(change)
        self.cursor = last["cursor"]
