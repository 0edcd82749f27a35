"""One hub in each process: what was read for one member and serves others, resets, and a journal that goes away."""

import asyncio
import sqlite3

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection

from channels_databinding import journal
from channels_databinding.feed import Feed
from channels_databinding.hub import Hub
from channels_databinding.models import Entry, State
from databases import only
from example.bindings import IntegerValueBinding
from example.consumers import Values as LiveEdit
from example.models import IntegerValue
from lab.screen import serve

pytestmark = pytest.mark.usefixtures("bindings_of_one_test")


def names(frames):
    """Return the names in the snapshot of a subscribe."""
    return sorted(row["data"]["name"] for frame in frames for row in frame["payload"].get("rows", ()))


async def test_two_hubs_follow_one_file_by_themselves(visit):
    one, two = await visit(LiveEdit, hub=Hub()), await visit(LiveEdit, hub=Hub())
    await one.subscribe("intval")
    await two.subscribe("intval")

    await IntegerValue.objects.acreate(name="a", value=1)

    assert (await one.hear())["payload"] == (await two.hear())["payload"]


async def test_a_browser_resumes_at_another_hub(visit):
    one = await visit(LiveEdit, hub=Hub())
    _, ack = await one.subscribe("intval")
    await one.leave()
    await IntegerValue.objects.acreate(name="a", value=1)

    two = await visit(LiveEdit, hub=Hub())
    missed, _ = await two.subscribe("intval", since=ack["cursor"])

    assert [frame["payload"]["action"] for frame in missed] == ["create"]


@pytest.mark.parametrize(("missed", "told"), [(3, ["changes"]), (4, ["snapshot"])])
async def test_who_missed_much_is_told_what_there_is_now(visit, monkeypatch, missed, told):
    monkeypatch.setattr("channels_databinding.subscriptions.MOST_MISSED", 3)
    browser = await visit(LiveEdit)
    _, ack = await browser.subscribe("intval")
    await browser.leave()
    for n in range(missed):
        await IntegerValue.objects.acreate(name=str(n), value=n)

    back = await visit(LiveEdit)
    frames, _ = await back.subscribe("intval", ack["cursor"])

    assert [frame["payload"]["action"] for frame in frames] == told
    assert len(frames[0]["payload"].get("changes") or frames[0]["payload"]["rows"]) == missed


async def test_a_hub_with_nobody_rests_and_begins_again(visit):
    hub = Hub()
    one = await visit(LiveEdit, hub=hub)
    await one.leave()
    assert hub.feed(IntegerValueBinding).passed is None
    await IntegerValue.objects.acreate(name="a", value=1)

    two = await visit(LiveEdit, hub=hub)
    told, _ = await two.subscribe("intval")
    await IntegerValue.objects.acreate(name="b", value=1)

    assert names(told) == ["a"]
    assert (await two.hear())["payload"]["data"]["name"] == "b"


async def test_a_reset_is_told_and_the_subscription_hears_no_more_until_it_asks(visit):
    browser = await visit(LiveEdit)
    await browser.subscribe("intval")

    await Entry.objects.acreate(table="example_integervalue", op="reset")
    reset = await browser.hear()
    await IntegerValue.objects.acreate(name="a", value=1)
    assert await browser.hears_nothing()
    told, _ = await browser.subscribe("intval")

    assert reset["payload"]["action"] == "reset"
    assert names(told) == ["a"]


async def test_a_client_of_1_x_is_told_no_reset_and_sent_to_come_back(visit):
    browser = await visit(LiveEdit)

    await Entry.objects.acreate(table="example_integervalue", op="reset")

    assert await browser.communicator.receive_output(10) == {"type": "websocket.close", "code": 4503}


async def test_a_cursor_from_before_a_reset_leads_to_a_snapshot(visit):
    browser = await visit(LiveEdit)
    _, ack = await browser.subscribe("intval")
    await browser.leave()
    await Entry.objects.acreate(table="example_integervalue", op="reset")

    back = await visit(LiveEdit)
    told, _ = await back.subscribe("intval", since=ack["cursor"])

    assert [frame["payload"]["action"] for frame in told] == ["snapshot"]


async def test_another_epoch_resets_everybody(visit):
    browser = await visit(LiveEdit)
    _, before = await browser.subscribe("intval")

    await State.objects.filter(key="epoch").aupdate(value="another")
    await IntegerValue.objects.acreate(name="a", value=1)
    reset = await browser.hear()
    told, after = await browser.subscribe("intval", since=before["cursor"])

    assert reset["payload"]["action"] == "reset"
    assert names(told) == ["a"]
    assert after["cursor"].startswith("another")


@only("sqlite", "test_postgresql.py has it of a dump")
async def test_a_journal_that_goes_back_begins_a_new_epoch(visit):
    await IntegerValue.objects.acreate(name="a", value=1)
    browser = await visit(LiveEdit)
    _, ack = await browser.subscribe("intval")

    @sync_to_async
    def restore():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'channels_databinding_journal'")
            cursor.execute("DELETE FROM channels_databinding_journal")
            cursor.execute("UPDATE channels_databinding_state SET value = '0' WHERE key = 'floor'")

    await restore()
    reset = await browser.hear()
    told, after = await browser.subscribe("intval", since=ack["cursor"])

    assert reset["payload"]["action"] == "reset"
    assert names(told) == ["a"]
    assert after["cursor"].split(":")[0] != ack["cursor"].split(":")[0]


async def test_a_journal_that_fails_for_a_while_loses_nothing(visit, monkeypatch, caplog):
    browser = await visit(LiveEdit)
    await browser.subscribe("intval")
    real, failures = journal.moment, []

    def moment(using):
        if len(failures) < 2:
            failures.append(1)
            raise sqlite3.OperationalError("disk I/O error")
        return real(using)

    monkeypatch.setattr(journal, "moment", moment)
    await IntegerValue.objects.acreate(name="a", value=1)

    assert (await browser.hear())["payload"]["data"]["name"] == "a"
    assert caplog.text.count("could not be read") == 1


async def test_a_snapshot_that_fails_is_told_and_the_next_one_is_read_anew(visit, monkeypatch):
    from channels_databinding import feed as module

    real = module.catch_up
    monkeypatch.setattr(module, "catch_up", lambda *args: 1 / 0)
    one, _other = await visit(LiveEdit), await visit(LiveEdit)  # who stays, so that the subscription does

    _, failed = await one.subscribe("intval")
    monkeypatch.setattr(module, "catch_up", real)
    _, ack = await one.subscribe("intval")

    assert failed["payload"]["code"] == "failed"
    assert ack["payload"]["action"] == "ack"


async def test_changes_made_while_a_snapshot_is_read_come_after_it(visit, monkeypatch):
    """A commit between reading and sending, and one between sending and the ack."""
    await IntegerValue.objects.acreate(name="a", value=1)
    reading = asyncio.Event()
    go_on = asyncio.Event()

    class SlowHub(Hub):
        async def run(self, work, *args):
            result = await super().run(work, *args)
            if work.__name__ == "catch_up":
                reading.set()
                await go_on.wait()
            return result

    hub = SlowHub()
    browser, watcher = await visit(LiveEdit, hub=hub), await visit(LiveEdit, hub=hub)
    ref = await browser.say("intval", {"action": "subscribe"})
    await reading.wait()
    await IntegerValue.objects.filter(name="a").aupdate(value=2)
    await watcher.hear()  # the hub has passed it
    go_on.set()
    snapshot, change, ack = await browser.hear_until(ref)

    assert snapshot["payload"]["rows"][0]["data"]["value"] == 1
    assert change["payload"]["data"]["value"] == 2
    assert ack["cursor"].split(":")[1] == change["cursor"].split(":")[1]


@pytest.mark.parametrize("late", [False, True])
async def test_a_snapshot_is_shared_only_with_who_joined_before_the_hub_passed_it(visit, late):
    reading, go_on, joined = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)

    class Reported(Feed):
        async def catch_up(self, member, since):
            joined.release()
            return await super().catch_up(member, since)

    class SlowHub(Hub):
        reads = 0

        async def run(self, work, *args):
            result = await super().run(work, *args)
            if work.__name__ == "catch_up":
                self.reads += 1
                reading.set()
                await go_on.wait()
            return result

    hub = SlowHub(Reported)
    one, two, watcher = [await visit(LiveEdit, hub=hub) for _ in range(3)]
    first = await one.say("intval", {"action": "subscribe"})
    await joined.acquire()
    await reading.wait()
    if late:
        await IntegerValue.objects.acreate(name="a", value=1)
        await watcher.hear()  # the hub has passed what the snapshot does not have
    second = await two.say("intval", {"action": "subscribe"})
    await joined.acquire()  # it waits for the same reading
    go_on.set()
    await one.hear_until(first)
    told = await two.hear_until(second)

    assert names(told) == (["a"] if late else [])
    assert hub.reads == (2 if late else 1)


async def test_a_subscribe_begins_when_earlier_writes_are_answered(visit):
    answers = asyncio.Queue()

    class Late(Feed):
        def when_passed(self, position, then):
            answers.put_nowait(then)

    hub = Hub(Late)
    alice = await User.objects.acreate(username="alice")
    browser, other = await visit(LiveEdit, alice, hub=hub), await visit(LiveEdit, hub=hub)
    write = await browser.say("intval", {"action": "create", "data": {"name": "a", "value": 1}})
    subscribe = await browser.say("intval", {"action": "subscribe"})
    answer = await asyncio.wait_for(answers.get(), 10)  # the write is done,
    await other.subscribe("intval")  # and there was time for a subscribe
    answer()
    told = await browser.hear_until(subscribe)

    assert [frame["ref"] for frame in told if "ref" in frame] == [write, subscribe]


# ---- a fan-out in slices


class Slow(Feed):
    """One whose fan-out waits between slices until `go_on` is set."""

    def __init__(self, *args):
        super().__init__(*args)
        self.go_on, self.waits = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    def _take(self, loop, tail, delivery):
        asyncio.run_coroutine_threadsafe(self._hand_slowly(tail, delivery), loop).result()

    async def _hand_slowly(self, tail, delivery):
        for _ in self.deliver(delivery):
            self.waits.set()
            await self.go_on.wait()


async def test_who_joins_during_a_fan_out_is_not_given_what_was_read_before_it(visit, monkeypatch):
    monkeypatch.setattr("channels_databinding.feed.SLICE", 1)
    hub = Hub(Slow)
    feed = hub.feed(IntegerValueBinding)
    one, two = await visit(LiveEdit, hub=hub), await visit(LiveEdit, hub=hub)
    await one.subscribe("intval")
    await two.subscribe("intval")  # what was read for them would still do for others

    feed.go_on.clear()
    await IntegerValue.objects.acreate(name="a", value=1)
    await asyncio.wait_for(feed.waits.wait(), 10)
    late = await visit(LiveEdit, hub=hub)
    told, _ = await late.subscribe("intval")
    feed.go_on.set()

    assert names(told) == ["a"]
    assert (await one.hear())["payload"]["data"]["name"] == (await two.hear())["payload"]["data"]["name"] == "a"
    assert await late.hears_nothing()


async def test_a_ping_is_answered_while_a_fan_out_goes_on(visit, monkeypatch):
    monkeypatch.setattr("channels_databinding.feed.SLICE", 1)
    hub = Hub(Slow)
    feed = hub.feed(IntegerValueBinding)
    browsers = [await visit(LiveEdit, hub=hub) for _ in range(3)]
    for browser in browsers:
        await browser.subscribe("intval")

    feed.go_on.clear()
    await IntegerValue.objects.acreate(name="a", value=1)
    await asyncio.wait_for(feed.waits.wait(), 10)
    heard = [await browser.hear_until(await browser.say("", {"action": "ping"})) for browser in browsers]
    feed.go_on.set()

    assert sorted(len(frames) for frames in heard) == [1, 1, 2]  # one of them has been told


async def test_audiences_that_share_a_group_all_hear_and_one_that_came_later_too(visit):
    demultiplexer = serve(
        IntegerValue,
        group_names=classmethod(lambda cls, row: ["a"]),
        subscription_groups=lambda self, user, groups: groups.split("+"),
    )
    heard, browsers = [], []
    for groups in ("a", "a+b", "a+c"):
        browser = await visit(demultiplexer)
        await browser.subscribe("rows", groups=groups)
        browsers.append(browser)

        await IntegerValue.objects.acreate(name=groups, value=1)
        heard.append([(await one.hear())["payload"]["data"]["name"] for one in browsers])

    assert heard == [["a"], ["a+b"] * 2, ["a+c"] * 3]
