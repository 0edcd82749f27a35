"""What is let in, kept and sent has a bound, and each bound a clear answer. `docs/security.md` lists them."""

import asyncio
import time

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied

from channels_databinding import WebsocketBinding, WebsocketDemultiplexer, limits, subscriptions
from channels_databinding.inbox import Inbox
from channels_databinding.limits import Bucket, limit
from example.consumers import Values
from example.models import IntegerValue
from lab.models import Thing
from lab.screen import look
from visitor import closing


def test_each_limit_has_a_default_and_a_setting(settings):
    settings.CHANNELS_DATABINDING = {"snapshot_rows": 5}

    assert limit("snapshot_rows") == 5
    assert limit("subscriptions") == limits.DEFAULTS["subscriptions"]


def test_a_bucket_lets_so_many_a_second_through_and_as_many_at_once_after_a_quiet_one():
    bucket = Bucket(10)

    assert [bucket.take(100.0) for _ in range(10)] == [0.0] * 10
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert bucket.take(100.2) == pytest.approx(0.0)
    assert [bucket.take(200.0) for _ in range(10)] == [0.0] * 10


def test_a_quiet_hour_saves_up_no_more_than_a_second():
    bucket = Bucket(2)
    bucket.take(0.0)

    waits = [bucket.take(3_600.0) for _ in range(4)]

    assert waits == pytest.approx([0.0, 0.0, 0.5, 1.0])


# ---- one socket


async def test_a_frame_that_is_too_large_is_refused_and_the_socket_stays(visit, settings):
    settings.CHANNELS_DATABINDING = {"frame_characters": 200}
    browser = await visit(Values)

    await browser.ask("", {"action": "ping"})  # it has used a new word
    await browser.say("intval", {"action": "create", "data": {"name": "x" * 200}})
    refused = await browser.hear()

    assert refused["payload"]["code"] == "too_large"
    assert await browser.hears_nothing()


async def test_params_that_are_too_long_are_refused(visit, settings):
    settings.CHANNELS_DATABINDING = {"params_characters": 10}
    browser = await visit(Values)

    _, refused = await browser.subscribe("intval", liveblog="much too long")

    assert refused["payload"]["code"] == "bad_params"


async def test_frames_that_come_too_fast_are_done_more_slowly_and_in_order(visit, settings):
    settings.CHANNELS_DATABINDING = {"frames_per_s": 20}
    browser = await visit(Values)
    began = time.monotonic()

    refs = [await browser.say("", {"action": "ping"}) for _ in range(30)]
    heard = [(await browser.hear())["ref"] for _ in refs]

    assert heard == refs
    assert time.monotonic() - began >= 0.45  # 20 at once, then 10 a twentieth of a second apart


async def test_all_sockets_of_a_user_share_one_measure(visit, settings):
    settings.CHANNELS_DATABINDING = {"user_frames_per_s": 20}
    alice = await User.objects.acreate(username="alice")
    one, two = await visit(Values, alice), await visit(Values, alice)
    stranger = await visit(Values)
    began = time.monotonic()

    for _ in range(15):
        await one.say("", {"action": "ping"})
    for _ in range(15):
        await one.hear()
    assert await stranger.hears_nothing()
    for _ in range(15):
        await two.say("", {"action": "ping"})
    for _ in range(15):
        await two.hear()

    assert time.monotonic() - began >= 0.45


async def test_what_is_cleared_while_it_waits_for_its_turn_is_not_done():
    done, tenth = [], asyncio.Event()

    async def do(request):
        done.append(request)
        if len(done) == 10:
            tenth.set()

    inbox = Inbox(do, [Bucket(10)])
    for n in range(11):
        inbox.put(n, 1)
    await asyncio.wait_for(tenth.wait(), 10)  # the last one is not there for another tenth of a second
    inbox.clear()
    await inbox.done()

    assert done == list(range(10))


async def test_an_ack_that_nobody_asked_for_counts_like_any_frame(visit, settings):
    settings.CHANNELS_DATABINDING = {"frames_per_s": 1}
    browser = await visit(Values)
    await browser.ask("", {"action": "ping"})

    answer = await browser.say("", {"action": "ack"})
    began = time.monotonic()
    refused = (await browser.hear_until(answer))[-1]

    assert refused["payload"]["code"] == "unknown_action"
    assert time.monotonic() - began >= 0.5


async def test_a_socket_may_have_so_many_subscriptions_and_its_others_go_on(visit, settings):
    settings.CHANNELS_DATABINDING = {"subscriptions": 2}
    browser = await visit(Open)
    await browser.subscribe("open", group="a")
    await browser.subscribe("open", group="b")

    _, refused = await browser.subscribe("open", group="c")
    _, again = await browser.subscribe("open", group="a")

    assert refused["payload"]["code"] == "too_large"
    assert again["payload"]["action"] == "ack"


async def test_a_snapshot_with_too_many_rows_is_refused_and_fewer_are_told(visit, settings):
    settings.CHANNELS_DATABINDING = {"snapshot_rows": 3}
    await IntegerValue.objects.abulk_create(IntegerValue(name=str(n), value=n) for n in range(4))
    browser = await visit(Values)

    _, refused = await browser.subscribe("intval")
    await IntegerValue.objects.filter(value=0).adelete()
    frames, ack = await browser.subscribe("intval")

    assert refused["payload"]["code"] == "too_large"
    assert ack["payload"]["action"] == "ack"
    assert len(frames[-1]["payload"]["rows"]) == 3


async def test_a_row_that_is_too_large_for_a_frame_is_left_out_and_logged_and_the_others_are_told(
    visit, settings, caplog
):
    settings.CHANNELS_DATABINDING = {"row_bytes": 2_000}
    await Thing.objects.acreate(text="x" * 2_000)
    small = await Thing.objects.acreate(text="small")

    things = await look(visit, "things")

    assert things.column("text") == {small.pk: "small"}
    assert "row_bytes are 2,000" in caplog.text


async def test_a_large_batch_comes_in_parts_and_the_last_one_has_the_cursor(visit, monkeypatch):
    monkeypatch.setattr(subscriptions, "PART_BYTES", 200)
    await IntegerValue.objects.abulk_create(IntegerValue(name=str(n), value=n) for n in range(20))
    browser = await visit(Values)
    snapshot, _ = await browser.subscribe("intval")

    await IntegerValue.objects.aupdate(value=7)
    parts = [await browser.hear()]
    while "cursor" not in parts[-1]:
        parts.append(await browser.hear())

    assert len(snapshot) > 2
    assert [part["payload"].get("first") for part in snapshot] == [True, *[None] * (len(snapshot) - 1)]
    assert len(parts) > 2
    assert sum(len(part["payload"]["changes"]) for part in parts) == 20


# ---- many sockets


async def test_a_user_may_have_so_many_sockets_and_one_that_leaves_makes_room(visit, settings, caplog):
    settings.CHANNELS_DATABINDING = {"sockets_per_user": 2}
    alice = await User.objects.acreate(username="alice")
    first = await visit(Values, alice)
    await visit(Values, alice)

    assert await closing(await visit(Values, alice)) == 4413
    assert "sockets_per_user" in caplog.text
    await first.leave()
    assert await (await visit(Values, alice)).hears_nothing()


async def test_an_address_may_have_so_many_sockets_and_another_one_does_not_notice(visit, settings):
    settings.CHANNELS_DATABINDING = {"sockets_per_address": 1}
    await visit(Values, client=("8.8.8.8", 1))

    assert await closing(await visit(Values, client=("8.8.8.8", 2))) == 4413
    assert await (await visit(Values, client=("8.8.4.4", 3))).hears_nothing()


@pytest.mark.parametrize("address", [("127.0.0.1", 1), ("10.0.0.7", 1), ("::1", 1), ("testserver", 1), ("", 0), None])
async def test_the_address_of_a_proxy_is_not_counted(visit, settings, address):
    settings.CHANNELS_DATABINDING = {"sockets_per_address": 1}
    await visit(Values, client=address)

    assert await (await visit(Values, client=address)).hears_nothing()


# ---- rights that are lost


class OpenBinding(WebsocketBinding):
    model = IntegerValue
    stream = "open"
    fields = ["name"]

    @classmethod
    def group_names(cls, instance):
        return ["members"]

    def subscription_groups(self, user, group):
        if group == "members" and not user.groups.filter(name="members").exists():
            raise PermissionDenied
        return [group]

    def has_permission(self, user, action, pk):
        return False


class Open(WebsocketDemultiplexer):
    consumers = {"open": OpenBinding.consumer}


class Members(WebsocketDemultiplexer):
    consumers = {"open": OpenBinding.consumer}

    def connection_groups(self):
        if not self.user.groups.exists():
            raise PermissionDenied
        return [group.name for group in self.user.groups.all()]


@pytest.fixture
def alice(transactional_db, settings):
    settings.CHANNELS_DATABINDING = {"look_s": 0.05}
    alice = User.objects.create(username="alice")
    alice.groups.add(Group.objects.create(name="members"), Group.objects.create(name="readers"))
    return alice


async def leave(user, name):
    await sync_to_async(lambda: user.groups.remove(Group.objects.get(name=name)))()


async def test_a_subscription_without_params_whose_groups_change_reads_again(visit, alice):
    browser = await visit(Members, alice)
    await browser.subscribe("open")

    await leave(alice, "members")
    told = await browser.hear()
    await IntegerValue.objects.acreate(name="secret", value=1)
    frames, ack = await browser.subscribe("open")

    assert told["payload"]["action"] == "reset"
    assert ack["payload"]["action"] == "ack"
    assert [row for frame in frames for row in frame["payload"]["rows"]] == []


async def test_what_goes_on_is_not_disturbed_by_being_asked_again(visit, alice):
    browser, reader = await visit(Open, alice), await visit(Open)
    await browser.subscribe("open", group="members")
    await reader.subscribe("open", group="everybody")

    asked = asyncio.Event()
    loop, ask = asyncio.get_running_loop(), OpenBinding.subscription_groups

    def subscription_groups(self, user, group):
        loop.call_soon_threadsafe(asked.set)
        return ask(self, user, group)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(OpenBinding, "subscription_groups", subscription_groups)
        for _ in range(3):
            asked.clear()
            await asyncio.wait_for(asked.wait(), 10)

    assert await browser.hears_nothing()
    assert await reader.hears_nothing()


async def test_who_is_nobody_and_gets_other_groups_when_subscribing_is_left_in_peace(visit, alice):
    groups = ["members"]

    class Changing(WebsocketDemultiplexer):
        consumers = {"open": OpenBinding.consumer}

        def connection_groups(self):
            return groups

    browser, watched = await visit(Changing), await visit(Open, alice)
    await watched.subscribe("open", group="members")
    groups.append("readers")
    await browser.subscribe("open")

    await leave(alice, "members")
    assert (await watched.hear())["payload"]["action"] == "reset"  # so there was a look

    assert await browser.hears_nothing()


async def test_a_hook_that_fails_when_asked_again_ends_nothing_for_good(visit, alice, monkeypatch, caplog):
    browser = await visit(Open, alice)
    await browser.subscribe("open", group="members")

    with monkeypatch.context() as broken:
        broken.setattr(OpenBinding, "subscription_groups", lambda self, user, group: 1 / 0)
        told = await browser.hear()
    _, ack = await browser.subscribe("open", group="members")

    assert told["payload"] == {"action": "reset", "reason": "what you may see could not be found out"}
    assert ack["payload"]["action"] == "ack"
    assert "ZeroDivisionError" in caplog.text
