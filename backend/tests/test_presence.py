"""Who is here: stamped by the server, told to those who see the same rows, gone at once. Across processes, too."""

import asyncio
import json
import logging
import time
from contextlib import AsyncExitStack, ExitStack

import pytest
import websockets
from asgiref.sync import sync_to_async
from channels_redis.core import RedisChannelLayer
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from redis import from_url

import process
from channels_databinding import WebsocketDemultiplexer, presence, room
from channels_databinding.hub import Hub
from channels_databinding.presence import Presence
from channels_databinding.protocol import Refused
from channels_databinding.sessions import Identity
from channels_databinding.subscriptions import Key, Member
from databases import url_of
from example.bindings import IntegerValueBinding
from example.consumers import Posts, Values
from example.models import Liveblog as Blog
from servers import Missing, Redis

PATIENCE_S = 8  # below the ten seconds to a heartbeat: what is mended at once is seen to be


class Reader:
    """Somebody who has subscribed, and what they are told of who is here: `people` is {key: entry}."""

    def __init__(self, browser, stream, params):
        self.browser, self._stream, self._envelope = browser, stream, {"params": params} if params else {}
        self.people, self.more, self.frames = {}, 0, []

    async def say(self, **payload):
        """Say what one does, and return the answer."""
        before, answer = await self.browser.ask(self._stream, {"action": "presence", **payload}, **self._envelope)
        for frame in before:
            self._take(frame)
        return answer["payload"]

    def _take(self, frame):
        if (payload := frame["payload"])["action"] != "presence":
            return
        self.frames.append(payload)
        before = {} if payload.get("first") else self.people
        kept = {key: entry for key, entry in before.items() if key not in payload.get("left", ())}
        self.people, self.more = kept | payload["joined"], payload.get("more", 0)

    async def sees(self, *names, doing=None, more=None):
        """Hear until exactly these are here, by name; where it is told, doing this, and with so many more."""
        wanted = (sorted(names), doing and sorted(map(str, doing)), more)
        async with asyncio.timeout(PATIENCE_S):
            while (sorted(self.names), doing and self.doing, more and self.more) != wanted:
                self._take(await self.browser.hear())

    @property
    def doing(self):
        return sorted(str(entry["state"]) for entry in self.people.values())

    @property
    def names(self):
        return [entry["name"] for entry in self.people.values()]

    async def hears_nothing(self):
        return await self.browser.hears_nothing()


@pytest.fixture
def come(visit):
    """Return `come(user)`: a browser that has subscribed."""

    async def come(user=None, demultiplexer=Values, stream="intval", params=None, **options):
        browser = await visit(demultiplexer, user, **options)
        _, answer = await browser.subscribe(stream, **(params or {}))
        assert answer["payload"]["action"] == "ack", answer
        return Reader(browser, stream, params)

    return come


@pytest.fixture
async def alice(transactional_db):
    return await User.objects.acreate(username="alice", is_staff=True)


@pytest.fixture
async def bob(transactional_db):
    return await User.objects.acreate(username="bob")


# ---- who is told what


async def test_who_says_so_is_present_and_hears_everybody(come, alice, bob):
    first, second = await come(alice), await come(bob)
    await first.say(state={"field": "value"})

    answer = await second.say()
    await second.sees("alice", "bob", doing=[{"field": "value"}, {}])

    assert answer == {"action": "ack", "key": answer["key"]}
    assert second.people[answer["key"]]["name"] == "bob"
    assert second.frames[0]["first"]


async def test_others_hear_who_comes_what_they_do_and_that_they_leave(come, alice, bob):
    first, second = await come(alice), await come(bob)
    await first.say()
    await first.sees("alice")

    key = (await second.say(state={"pk": 1}))["key"]
    await first.sees("alice", "bob", doing=[{}, {"pk": 1}])
    assert list(first.frames[-1]["joined"]) == [key]
    await second.say(state={"pk": 2})
    await first.sees("alice", "bob", doing=[{}, {"pk": 2}])
    await second.browser.leave()
    await first.sees("alice")

    assert first.frames[-1] == {"action": "presence", "joined": {}, "left": [key]}


@pytest.mark.parametrize("payload", [{"action": "presence", "state": None}, {"action": "unsubscribe"}])
async def test_one_can_leave_and_stay_connected(come, alice, bob, payload):
    first, second = await come(alice), await come(bob)
    for reader in (first, second):
        await reader.say()
        await reader.sees(*(["alice", "bob"] if reader is second else ["alice"]))

    await second.browser.ask("intval", payload)
    await first.sees("alice")
    await first.say(state={"pk": 1})
    await first.sees("alice", doing=[{"pk": 1}])

    assert await second.hears_nothing()


async def test_who_has_left_can_come_again_and_hears_everybody(come, alice, bob):
    first, second = await come(alice), await come(bob)
    await first.say()
    await second.say()
    await first.sees("alice", "bob")
    await second.say(state=None)
    await first.sees("alice")
    second.people = {}

    await second.say()
    await first.sees("alice", "bob")
    await second.sees("alice", "bob")

    assert second.frames[-1]["first"]


async def test_who_never_says_so_hears_nothing_of_it(come, visit, alice, bob):
    subscribed, old, present = await come(alice), await visit(Values), await come(bob)

    await present.say()
    await present.sees("bob")

    assert await subscribed.hears_nothing()
    assert await old.hears_nothing()


async def test_only_who_has_subscribed_may_be_present(visit, come, alice):
    there = await come(alice)
    await there.say()
    await there.sees("alice")
    stranger = await visit(Values, alice)

    before, answer = await stranger.ask("intval", {"action": "presence", "state": {}})

    assert (before, answer["payload"]["code"]) == ([], "forbidden")
    assert await there.hears_nothing()


async def test_who_says_it_speaks_the_new_words(visit):
    browser = await visit(Values)
    await browser.say("intval", {"action": "presence"}, ref=None)

    await browser.communicator.send_to(text_data="no JSON")

    assert (await browser.hear())["payload"]["code"] == "bad_frame"


async def test_people_of_other_groups_are_not_seen(come, alice, bob):
    await Blog.objects.acreate(pk=3, name="The final", slug="final")
    here = {"demultiplexer": Posts, "stream": "posts", "params": {"liveblog": 3}}
    staff, reader = await come(alice, **here), await come(bob, **here)

    await staff.say()
    await reader.say()
    await staff.sees("alice")
    await reader.sees("bob")

    assert await staff.hears_nothing()
    assert await reader.hears_nothing()


class ClubBinding(IntegerValueBinding):
    """Numbers for the members of a club."""

    stream = "club"

    def subscription_groups(self, user, room):
        if not user.groups.exists():
            raise PermissionDenied("Only members may see this.")
        return ["intval-updates"]


class Club(WebsocketDemultiplexer):
    consumers = {"club": ClubBinding.consumer}


async def test_who_may_see_it_no_more_is_not_present_any_more(come, settings, alice, bob):
    settings.CHANNELS_DATABINDING = {"look_s": 0.05}
    club = await Group.objects.acreate(name="club")
    await sync_to_async(club.user_set.add)(alice, bob)
    here = {"demultiplexer": Club, "stream": "club", "params": {"room": "bar"}}
    first, second = await come(alice, **here), await come(bob, **here)
    await first.say()
    await second.say()
    await first.sees("alice", "bob")

    await sync_to_async(club.user_set.remove)(bob)
    await first.sees("alice")

    assert (await second.say())["code"] == "forbidden"


async def test_a_logout_ends_it(come, settings, alice, bob):
    settings.CHANNELS_DATABINDING = {"look_s": 0.05}
    client = Client()
    await sync_to_async(client.force_login)(bob)
    first = await come(alice)
    await first.say()
    second = await come(bob, session=client.session)
    await second.say()
    await first.sees("alice", "bob")

    await sync_to_async(client.logout)()
    event = await second.browser.communicator.receive_output(PATIENCE_S)
    while event["type"] != "websocket.close":
        event = await second.browser.communicator.receive_output(PATIENCE_S)
    await second.browser.leave()

    await first.sees("alice")


# ---- who one is


async def test_who_one_is_is_not_for_the_browser_to_say(come, bob):
    reader = await come(bob)

    key = (await reader.say(name="alice", key="k1", person="p1", state={"name": "alice"}))["key"]
    await reader.sees("bob", doing=[{"name": "alice"}])

    assert list(reader.people) == [key] != ["k1"]
    assert reader.people[key]["person"] != "p1"


async def test_the_tabs_of_one_person_have_the_person_in_common(come, alice, bob):
    readers = [await come(user) for user in (alice, alice, bob, None, None)]
    for reader in readers:
        await reader.say()
    await readers[-1].sees("alice", "alice", "bob", "", "")

    people = [entry.get("person") for entry in readers[-1].people.values()]

    assert people[0] == people[1] != people[2]
    assert people[3:] == [None, None]  # who can tell?


def test_a_person_is_called_otherwise_in_another_room_and_by_nothing_that_tells_who_they_are():
    alice, her_session = Identity("1", "s1"), Identity("1", "s2")

    assert room.person(alice, "a") == room.person(her_session, "a") != room.person(alice, "b")
    assert room.person(Identity(None, "s1"), "a") == room.person(Identity(None, "s1"), "a") is not None
    assert room.person(Identity(None, None), "a") is None


async def test_a_binding_says_what_people_are_called(come, bindings_of_one_test, alice):
    class Binding(IntegerValueBinding):
        stream = "named"

        def presence_name(self, user):
            return f"Dr {user.get_username().title()}"

    class Named(WebsocketDemultiplexer):
        consumers = {"named": Binding.consumer}
        groups = ["intval-updates"]

    reader = await come(alice, Named, "named")

    await reader.say()

    await reader.sees("Dr Alice")


async def test_a_presence_name_that_fails_fails_for_its_own_alone(come, bindings_of_one_test, caplog, alice):
    class Binding(IntegerValueBinding):
        stream = "named"

        def presence_name(self, user):
            return user.profile.name

    class Named(WebsocketDemultiplexer):
        consumers = {"named": Binding.consumer}
        groups = ["intval-updates"]

    reader = await come(alice, Named, "named")

    assert (await reader.say())["code"] == "failed"
    assert "presence" in caplog.text
    assert await reader.hears_nothing()


# ---- bounds


@pytest.mark.parametrize(
    ("state", "code"), [("x", "bad_frame"), ([1], "bad_frame"), ({"note": "x" * 1_000}, "too_large")]
)
async def test_a_state_is_a_small_object(come, alice, state, code):
    reader = await come(alice)

    assert (await reader.say(state=state))["code"] == code
    assert await reader.hears_nothing()


async def test_the_newest_are_told_one_by_one_and_the_others_are_a_number(come, settings, alice):
    settings.CHANNELS_DATABINDING = {"presence_entries": 3}
    readers = [await come(alice) for _ in range(6)]
    for n, reader in enumerate(readers):
        await reader.say(state={"n": n})

    await readers[0].sees("alice", "alice", "alice", doing=[{"n": 3}, {"n": 4}, {"n": 5}])
    assert readers[0].more == 3
    await readers[0].say(state={"n": 6})  # whoever does something is told again
    await readers[1].sees("alice", "alice", "alice", doing=[{"n": 4}, {"n": 5}, {"n": 6}])
    await readers[5].browser.leave()

    await readers[1].sees("alice", "alice", "alice", doing=[{"n": 4}, {"n": 6}, {"n": 3}])
    assert readers[1].more == 2


async def test_many_changes_are_told_together(come, alice, bob):
    first, second = await come(alice), await come(bob)
    await first.say()
    await second.say()

    for n in range(50):
        await second.say(state={"n": n})
    await first.sees("alice", "bob", doing=[{}, {"n": 49}])

    assert len(first.frames) < 20


class Outbox:
    def __init__(self):
        self.texts, self._has_text = [], asyncio.Event()

    def hand(self, text):
        self.texts.append(text)
        self._has_text.set()

    async def next(self):
        self._has_text.clear()
        await self._has_text.wait()


def members(count):
    key = Key(IntegerValueBinding, "", frozenset(["intval-updates"]))
    return [Member(key, Outbox(), told=True, position=0) for _ in range(count)]


async def test_a_frame_is_written_once_for_all_and_handed_on_in_slices():
    here, (*everybody, leaver), told = Presence(), members(201), [0]

    for member in (*everybody, leaver):
        here.put(member, Identity(None, None), "", {})
    while told[-1] < len(everybody):
        await asyncio.sleep(0)
        told.append(sum(bool(member.outbox.texts) for member in everybody))
        if told[-1] == 64:
            here.leave(leaver)

    assert len({id(text) for member in everybody for text in member.outbox.texts}) == 1
    assert {64, 128, 192} <= set(told)  # everybody else on this server has their turn in between
    assert leaver.outbox.texts == []
    for member in everybody:
        here.leave(member)


async def test_a_large_room_is_told_less_often(monkeypatch):
    monkeypatch.setattr(presence, "FRAMES_PER_S", 100)
    here, everybody = Presence(), members(50)
    for member in everybody:
        here.put(member, Identity(None, None), "", {})
    await everybody[0].outbox.next()
    begun = time.monotonic()

    here.put(everybody[0], Identity(None, None), "", {"pk": 1})
    await everybody[0].outbox.next()

    assert time.monotonic() - begun > 0.45
    for member in everybody:
        here.leave(member)


def test_a_refused_state_leaves_nothing_behind():
    here, (member,) = Presence(), members(1)

    with pytest.raises(Refused):
        here.put(member, Identity(None, None), "", "x")

    here.leave(member)  # as the hub does with every member
    assert (here._rooms, here._places) == ({}, {})


# ---- other processes


@pytest.fixture(scope="module")
def running_redis():
    try:
        with Redis() as redis:
            yield redis
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def redis(running_redis):
    running_redis.start()
    order(running_redis, "FLUSHALL")
    return running_redis


def order(redis, *command):
    with from_url(redis.url) as client:
        client.execute_command(*command)


@pytest.fixture
def layer(redis, monkeypatch):
    """The channel layer is in Redis, and each hub has one of its own, like a process."""
    hosts = [{"address": redis.url, "socket_timeout": None}]
    monkeypatch.setattr(presence, "get_channel_layer", lambda: RedisChannelLayer(hosts=hosts))


@pytest.fixture
def quick(settings):
    """Who is silent for a second and a half is gone."""
    settings.CHANNELS_DATABINDING = {"presence_ttl_s": 1.5}


@pytest.fixture
async def two(layer, come, alice, bob):
    """Return two readers on two hubs, who see each other."""
    first, second = await come(alice, hub=Hub()), await come(bob, hub=Hub())
    await first.say()
    await first.sees("alice")
    await second.say(state={"pk": 1})
    await first.sees("alice", "bob")
    await second.sees("alice", "bob")
    return first, second


async def test_people_on_two_processes_see_each_other(two):
    first, second = two

    await second.say(state={"pk": 2})
    await first.sees("alice", "bob", doing=[{}, {"pk": 2}])
    await second.browser.leave()

    await first.sees("alice")


async def test_a_process_that_is_new_in_a_room_asks_who_is_there(two, come, alice):
    third = await come(alice, hub=Hub())

    await third.say()

    await third.sees("alice", "alice", "bob")


async def test_a_crowd_on_another_process_is_a_number_too(layer, come, settings, alice, bob):
    settings.CHANNELS_DATABINDING = {"presence_entries": 2}
    hub = Hub()
    first, crowd = await come(alice, hub=Hub()), [await come(bob, hub=hub) for _ in range(4)]
    await first.say()
    await first.sees("alice")
    for reader in crowd:
        await reader.say()

    await first.sees("bob", "bob", more=3)


async def test_they_go_on_seeing_each_other_when_nothing_happens(quick, two):
    first, _ = two

    await asyncio.sleep(3)  # it is a promise about time

    assert await first.hears_nothing()


async def test_without_the_layer_each_process_has_its_own(quick, two, redis, come, alice, caplog):
    first, _ = two

    redis.stop()
    await first.sees("alice")
    third = await come(alice, hub=Hub())
    await third.say()
    await third.sees("alice")

    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert 0 < len(set(told)) == len(told)  # once, and not each second


async def test_all_are_back_as_soon_as_the_layer_is(two, redis, come, alice):
    first, second = two

    redis.stop()
    await second.say(state={"pk": 2})
    third = await come(alice, hub=Hub())
    await third.say(state={"pk": 3})
    redis.start()

    await first.sees("alice", "bob", "alice", doing=[{}, {"pk": 2}, {"pk": 3}])
    await third.sees("alice", "bob", "alice")


async def test_a_layer_that_forgot_who_listens_is_told_again(quick, two, redis):
    first, second = two

    order(redis, "FLUSHALL")
    await second.say(state={"pk": 2})

    await first.sees("alice", "bob", doing=[{}, {"pk": 2}])


async def test_nobody_waits_for_a_layer_that_hangs(quick, two, redis, monkeypatch):
    first, second = two
    monkeypatch.setattr(presence, "LAYER_S", 0.2)

    order(redis, "CLIENT", "PAUSE", 3_000)
    await second.say(state={"pk": 2})
    _, answer = await first.browser.ask("", {"action": "ping"})
    await first.sees("alice")

    assert answer["payload"] == {"action": "ack"}
    await first.sees("alice", "bob", doing=[{}, {"pk": 2}])


async def test_without_a_layer_presence_is_of_one_process(come, settings, monkeypatch, alice, bob):
    monkeypatch.setattr(presence, "get_channel_layer", lambda: None)
    first, second = await come(alice), await come(bob)
    await first.say()

    await second.say()

    await first.sees("alice", "bob")


async def test_without_a_layer_nothing_is_kept_for_it(monkeypatch):
    monkeypatch.setattr(presence, "get_channel_layer", lambda: None)
    here, (member,) = Presence(), members(1)

    here.put(member, Identity(None, None), "", {})
    here.leave(member)

    assert [kept for kept in vars(here).values() if isinstance(kept, dict | set) and kept] == []


# ---- processes that end as in a crash


class Tab:
    """A browser on a server that really runs. `people` is {key: entry}."""

    def __init__(self, socket):
        self._socket, self.people = socket, {}

    async def say(self, action):
        await self._socket.send(json.dumps({"stream": "intval", "ref": action, "payload": {"action": action}}))

    async def sees(self, count):
        async with asyncio.timeout(PATIENCE_S):
            while len(self.people) != count:
                payload = json.loads(await self._socket.recv())["payload"]
                if payload["action"] == "presence":
                    gone = payload.get("left", ())
                    self.people = {k: v for k, v in self.people.items() if k not in gone} | payload["joined"]


@pytest.fixture
def serve(transactional_db, tmp_path):
    """Return `serve(name, **environment)`: a server process on the tests' database."""
    with ExitStack() as servers:

        def serve(name, **more):
            environment = process.environment(url_of(connection), "settings", ALLOWED_HOSTS="127.0.0.1", **more)
            server = process.Server("example.asgi:application", environment, tmp_path / name)
            return servers.enter_context(server.running())

        yield serve


@pytest.fixture
async def open_tab():
    """Return `open_tab(server)`: a browser that is present there."""
    async with AsyncExitStack() as tabs:

        async def open_tab(server):
            at, origin = f"ws://127.0.0.1:{server.port}/ws/values/", f"http://127.0.0.1:{server.port}"
            tab = Tab(await tabs.enter_async_context(websockets.connect(at, origin=origin)))
            await tab.say("subscribe")
            await tab.say("presence")
            return tab

        yield open_tab


async def test_the_people_of_a_killed_process_are_gone_soon_and_come_back_on_another(redis, serve, open_tab):
    redis_url = {"REDIS_URL": redis.url, "CHANNELS_DATABINDING": '{"presence_ttl_s": 3}'}
    first, second = serve("first", **redis_url), serve("second", **redis_url)
    stays = await open_tab(first)
    for _ in range(2):
        await open_tab(second)
    await stays.sees(3)

    second.process.kill()
    killed_at = time.monotonic()
    await stays.sees(1)

    assert time.monotonic() - killed_at < 3.5
    await open_tab(first)
    await stays.sees(2)
    assert "Traceback" not in first.log()


async def test_people_on_two_processes_without_a_layer_between_them_see_their_own(serve, open_tab):
    first, second = serve("first", REDIS_URL=""), serve("second", REDIS_URL="")
    tabs = [await open_tab(server) for server in (first, first, second)]

    await tabs[0].sees(2)
    await tabs[2].sees(1)
