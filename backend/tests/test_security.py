"""What `docs/security.md` promises and no other test shows: tried by those who should not get anything."""

import threading

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import path

from channels_databinding import WebsocketBinding, WebsocketDemultiplexer, journal
from channels_databinding.cursor import fingerprint, seal
from channels_databinding.limits import DEFAULTS
from config import asgi
from example.bindings import PostBinding
from example.consumers import Posts as Liveblog
from example.consumers import Values as LiveEdit
from example.models import IntegerValue, Post
from example.models import Liveblog as Blog
from lab.models import Seat
from lab.screen import in_another_process, serve
from visitor import Visitor, closing

pytestmark = pytest.mark.usefixtures("bindings_of_one_test")

# ---- who is let in


@pytest.fixture
async def call(transactional_db):
    """Return `call(origin, cookie="")`: a browser that asks the project's own application for a socket, from a page
    of that origin."""
    route = path("ws/values/", LiveEdit.as_asgi())
    asgi.sockets.append(route)
    visitors = []

    async def call(origin, cookie=""):
        headers = {"origin": origin, "cookie": cookie}
        visitor = Visitor(LiveEdit)
        visitor.communicator = WebsocketCommunicator(
            asgi.application,
            "/ws/values/",
            headers=[(name.encode(), value.encode()) for name, value in headers.items() if value],
        )
        visitors.append(visitor)
        await visitor.connect()
        return visitor

    yield call
    for visitor in visitors:
        await visitor.leave()
    asgi.sockets.remove(route)


OWN = "http://localhost"


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (OWN, True),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),  # a file, or a frame in a sandbox
        ("", False),
    ],
)
async def test_only_pages_of_the_own_site_get_a_socket(call, origin, accepted):
    assert (await call(origin)).accepted == accepted


@sync_to_async
def log_in(user):
    """Return a browser's cookie after a login."""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


@pytest.mark.parametrize(("spoil", "answer"), [("", "ack"), ("x", "error")])
async def test_who_is_on_a_socket_is_who_the_session_cookie_says(call, spoil, answer):
    cookie = await log_in(await User.objects.acreate(username="alice"))

    browser = await call(OWN, f"sessionid={cookie}{spoil}")
    _, told = await browser.ask("intval", {"action": "create", "data": {"name": "a", "value": 1}})

    assert told["payload"]["action"] == answer


def test_the_session_cookie_is_for_the_own_site_and_no_script(client, transactional_db):
    User.objects.create_user("alice", password="secret")

    client.post("/accounts/login/", {"username": "alice", "password": "secret"}, secure=True)

    cookie = client.cookies["sessionid"]
    assert cookie["samesite"] == "Lax"
    assert cookie["httponly"]


# ---- for how long


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM django_session",
        "UPDATE auth_user SET password = 'another'",
        "UPDATE auth_user SET is_active = false",
        "DELETE FROM auth_user",
    ],
)
async def test_a_login_that_ends_in_another_process_ends_on_open_sockets(call, settings, sql):
    settings.CHANNELS_DATABINDING = {"look_s": 0}
    cookie = await log_in(await User.objects.acreate(username="alice", password="secret"))
    browser, stranger = await call(OWN, f"sessionid={cookie}"), await call(OWN)

    await sync_to_async(in_another_process)(sql)

    # Of a user that is no more, it may be found first that the session has ended, or that they may not be here.
    assert await closing(browser) in ({4409, 4403} if "auth_user" in sql else {4409})
    assert await stranger.hears_nothing()


def test_sockets_are_looked_at_every_few_seconds():
    assert DEFAULTS["look_s"] <= 5


class ClubBinding(WebsocketBinding):
    """Numbers for the members of a club."""

    model = IntegerValue
    stream = "club"
    fields = ["name", "value"]

    @classmethod
    def group_names(cls, value):
        return ["club"]

    def subscription_groups(self, user, room):
        if not user.groups.exists():
            raise PermissionDenied("Only members may see this.")
        return ["club"]

    def has_permission(self, user, action, pk):
        return False


class Club(WebsocketDemultiplexer):
    consumers = {"club": ClubBinding.consumer}


class OpenClub(Club):
    """Whoever is no member may come in, and sees nothing."""

    def connection_groups(self):
        return ["club"] if self.user.groups.exists() else []


class ClosedClub(Club):
    def connection_groups(self):
        if not self.user.groups.exists():
            raise PermissionDenied("Only members may come in.")
        return ["club"]


@pytest.fixture
async def member(transactional_db):
    user = await User.objects.acreate(username="alice")
    await user.groups.aadd(await Group.objects.acreate(name="members"))
    return user


throw_out = sync_to_async(lambda: in_another_process("DELETE FROM auth_user_groups"))


async def test_a_subscription_ends_for_who_may_see_it_no_more(visit, settings, member):
    settings.CHANNELS_DATABINDING = {"look_s": 0}
    browser = await visit(Club, member)
    await browser.subscribe("club", room="bar")

    await throw_out()
    told = await browser.hear()
    await IntegerValue.objects.acreate(name="secret", value=1)

    assert (told["params"], told["payload"]) == ({"room": "bar"}, {"action": "reset", "reason": "forbidden"})
    assert await browser.hears_nothing()
    _, answer = await browser.subscribe("club", room="bar")
    assert answer["payload"]["code"] == "forbidden"


@pytest.mark.parametrize(("demultiplexer", "code"), [(OpenClub, 4503), (ClosedClub, 4403)])
async def test_a_socket_ends_whose_groups_are_others_by_now(visit, settings, member, demultiplexer, code):
    settings.CHANNELS_DATABINDING = {"look_s": 0}
    browser = await visit(demultiplexer, member)

    await throw_out()

    assert await closing(browser) == code


async def test_who_subscribes_again_has_the_groups_of_now(visit, settings, member):
    settings.CHANNELS_DATABINDING = {"look_s": 0}
    await IntegerValue.objects.acreate(name="secret", value=1)
    browser = await visit(OpenClub, member)
    (before,), _ = await browser.subscribe("club")

    await throw_out()
    assert (await browser.hear())["payload"]["action"] == "reset"
    (after,), _ = await browser.subscribe("club")

    assert [len(told["payload"]["rows"]) for told in (before, after)] == [1, 0]


async def test_a_look_that_fails_is_not_the_last(call, settings, monkeypatch):
    settings.CHANNELS_DATABINDING = {"look_s": 0}
    cookie = await log_in(await User.objects.acreate(username="alice"))
    failed = threading.Event()

    def load(session):
        if failed.is_set():
            return {}
        failed.set()
        raise ConnectionError("where the sessions are, is not there just now")

    browser = await call(OWN, f"sessionid={cookie}")
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", load)

    assert await closing(browser) == 4409


async def test_who_was_thrown_out_is_refused_at_the_next_subscribe(visit, member):
    browser = await visit(Club, member)
    await browser.subscribe("club", room="bar")

    await throw_out()
    _, answer = await browser.subscribe("club", room="bar")
    await IntegerValue.objects.acreate(name="secret", value=1)

    assert answer["payload"]["code"] == "forbidden"
    assert await browser.hears_nothing()


# ---- what goes out


@pytest.fixture
async def blog(transactional_db):
    """Return a blog with a draft, for staff, and a published post, for all."""
    blog = await Blog.objects.acreate(name="b", slug="b")
    await Post.objects.acreate(liveblog=blog, body="draft")
    await Post.objects.acreate(liveblog=blog, body="Kick-off", published=True)
    return blog


async def test_a_snapshot_has_no_row_that_group_names_does_not_give_to_its_groups(visit, monkeypatch, blog):
    monkeypatch.setattr(PostBinding, "rows_in", lambda group: Post.objects.all())
    bob = await visit(Liveblog)

    (snapshot,), _ = await bob.subscribe("posts", liveblog=blog.pk)

    assert [row["data"]["body"] for row in snapshot["payload"]["rows"]] == ["Kick-off"]


async def test_who_was_away_hears_of_a_row_that_left_by_its_key_alone(visit, blog):
    bob = await visit(Liveblog)
    _, ack = await bob.subscribe("posts", liveblog=blog.pk)
    await bob.leave()
    post = await Post.objects.aget(published=True)

    await Post.objects.filter(pk=post.pk).aupdate(published=False, body="not for readers")
    (missed,), _ = await (await visit(Liveblog)).subscribe("posts", since=ack["cursor"], liveblog=blog.pk)

    assert (missed["payload"]["action"], missed["payload"]["pk"], missed["payload"]["data"]) == ("delete", post.pk, {})


async def test_what_the_database_refuses_is_told_in_our_words(visit):
    def create(self, data):
        return Seat.objects.create(row=1, number=1)

    await Seat.objects.acreate(row=1, number=1)
    browser = await visit(serve(Seat, fields=["guest"], create=create))

    _, answer = await browser.ask("rows", {"action": "create", "data": {}})

    assert answer["payload"]["code"] == "invalid"
    assert not [word for word in ("UNIQUE", "lab_seat", "number") if word in str(answer)]


# ---- what others had


async def read_with_the_cursor(visit, blog, cursor):
    """Return the frames told to a reader who gives this cursor as an own one."""
    bob = await visit(Liveblog)
    told, _ = await bob.subscribe("posts", since=cursor, liveblog=blog.pk)
    return [(frame["payload"]["action"], [row["data"]["body"] for row in frame["payload"]["rows"]]) for frame in told]


async def test_with_somebody_elses_cursor_one_reads_what_one_may_see_oneself(visit, blog):
    alice = await visit(Liveblog, await User.objects.acreate(username="alice", is_staff=True))
    _, ack = await alice.subscribe("posts", liveblog=blog.pk)
    await Post.objects.acreate(liveblog=blog, body="another draft")

    assert await read_with_the_cursor(visit, blog, ack["cursor"]) == [("snapshot", ["Kick-off"])]


def here():
    with journal.moment() as now:
        return now.epoch, now.position


@pytest.mark.parametrize("forger", ["another key", "the right one"])
async def test_a_forged_cursor_leads_to_a_snapshot(visit, blog, settings, forger):
    """With the server's own key it is no forgery: that shows that the other one is right but for the key."""
    own = settings.SECRET_KEY
    group = [f"liveblog-{blog.pk}"]
    name = fingerprint("posts", f'{{"liveblog":{blog.pk}}}', group, ["liveblog", "body", "published", "created"])
    epoch, position = await sync_to_async(here)()

    settings.SECRET_KEY = "a guess" if forger == "another key" else own
    cursor = seal(epoch, position, [name])
    settings.SECRET_KEY = own

    told = await read_with_the_cursor(visit, blog, cursor)
    assert told == ([("snapshot", ["Kick-off"])] if forger == "another key" else [])


async def test_a_cursor_says_nothing_of_rows_users_or_groups(visit, blog):
    alice = await visit(Liveblog, await User.objects.acreate(username="alice", is_staff=True))

    _, ack = await alice.subscribe("posts", liveblog=blog.pk)

    assert not [word for word in ("alice", "staff", "liveblog", "posts", "draft", "Kick") if word in ack["cursor"]]


async def test_a_ref_heard_from_somebody_else_opens_nothing(visit, blog):
    alice = await visit(Liveblog, await User.objects.acreate(username="alice", is_staff=True))
    bob = await visit(Liveblog, await User.objects.acreate(username="bob"))
    await bob.subscribe("posts", liveblog=blog.pk)
    payload = {"action": "create", "data": {"liveblog": blog.pk, "body": "Goal!", "published": True}}

    await alice.ask("posts", payload)
    (heard,) = (await bob.hear())["refs"]
    _, answer = await bob.ask("posts", payload, ref=heard)

    assert answer["payload"]["code"] == "forbidden"


async def test_a_visitors_ref_is_its_sessions(visit):
    class Guestbook(LiveEdit):
        consumers = {"intval": type("OpenBinding", (LiveEdit.consumers["intval"],), {"has_permission": allow})}

    one, two = [await visit(Guestbook, session=await session()) for _ in range(2)]

    answers = [
        (await one.ask("intval", {"action": "create", "data": {"name": name, "value": 1}}, ref="same"))[1]
        for one, name in ((one, "a"), (two, "b"))
    ]

    assert [answer["payload"]["action"] for answer in answers] == ["ack", "ack"]
    assert await IntegerValue.objects.acount() == 2


def allow(self, user, action, pk):
    return True


@sync_to_async
def session():
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session.create()
    return session


# ---- our own tables


@pytest.mark.parametrize("stream", ["", "journal", "channels_databinding_journal", "channels_databinding.entry"])
async def test_no_stream_leads_to_our_own_tables(visit, stream):
    browser = await visit(LiveEdit, await User.objects.acreate(username="root", is_staff=True, is_superuser=True))
    await browser.ask("intval", {"action": "create", "data": {"name": "a", "value": 1}})

    for payload in ({"action": "subscribe"}, {"action": "update", "pk": 1, "data": {}}):
        before, answer = await browser.ask(stream, payload)
        assert [frame for frame in before if frame["stream"] != "intval"] == []
        assert answer["payload"]["code"] in ("unknown_stream", "unknown_action")


def test_the_admin_shows_none_of_our_own_tables():
    assert [model for model in admin.site._registry if model._meta.app_label == "channels_databinding"] == []
