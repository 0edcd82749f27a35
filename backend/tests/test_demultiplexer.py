"""The socket: who may come in, what is answered, when it is closed."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import Http404
from django.test import RequestFactory

from channels_databinding import inbox, journal
from channels_databinding.demultiplexer import WebsocketDemultiplexer
from channels_databinding.hub import Hub
from channels_databinding.membership import Membership
from example.bindings import IntegerValueBinding
from example.consumers import Posts as Liveblog
from example.consumers import Values as LiveEdit
from example.models import IntegerValue, Post
from example.models import Liveblog as Blog
from lab.bindings import Lab
from lab.models import Person
from visitor import closing


@pytest.mark.parametrize(
    ("refusal", "logged_in", "code"),
    [(PermissionDenied, False, 4401), (PermissionDenied, True, 4403), (Http404, True, 4404)],
)
async def test_who_may_not_come_in_is_accepted_and_told_why(visit, refusal, logged_in, code):
    class Closed(WebsocketDemultiplexer):
        def connection_groups(self, **kwargs):
            raise refusal

    user = await User.objects.acreate(username="bob") if logged_in else None
    browser = await visit(Closed, user)

    assert browser.accepted
    assert await closing(browser) == code


async def test_url_arguments_reach_connection_groups(visit):
    class Here(LiveEdit):
        def connection_groups(self, room):
            return ["intval-updates"] if room == "kitchen" else []

    kitchen = await visit(Here, kwargs={"room": "kitchen"})
    garden = await visit(Here, kwargs={"room": "garden"})
    await IntegerValue.objects.acreate(name="a", value=1)

    assert (await kitchen.hear())["payload"]["action"] == "create"
    assert await garden.hears_nothing()


async def test_hooks_may_be_async(visit):
    class Binding(IntegerValueBinding):
        stream = "async"

        @classmethod
        async def group_names(cls, instance):
            return ["all"] if await IntegerValue.objects.filter(pk=instance.pk).aexists() else []

        async def has_permission(self, user, action, pk):
            return await IntegerValue.objects.acount() < 2

    class Here(WebsocketDemultiplexer):
        consumers = {"async": Binding.consumer}

        async def connection_groups(self):
            return ["all"]

    browser = await visit(Here)

    await IntegerValue.objects.acreate(name="a", value=1)
    assert (await browser.hear())["payload"]["data"]["name"] == "a"
    _, allowed = await browser.ask("async", {"action": "create", "data": {"name": "b", "value": 1}})
    _, refused = await browser.ask("async", {"action": "create", "data": {"name": "c", "value": 1}})

    assert allowed["payload"]["action"] == "ack"
    assert refused["payload"]["code"] == "forbidden"


def test_a_consumer_under_another_name_is_refused_at_start():
    class Wrong(WebsocketDemultiplexer):
        consumers = {"numbers": IntegerValueBinding.consumer}

    with pytest.raises(ImproperlyConfigured, match="its own stream is 'intval'"):
        Wrong.as_asgi()


@pytest.mark.parametrize(
    "text", [" ", "x", "[]", "1", "{}", '{"stream": "intval"}', '{"stream": 1, "payload": {}}', '{"a": NaN}']
)
async def test_a_frame_that_cannot_be_read_is_answered_only_to_who_speaks_the_new_words(visit, text):
    old, new = await visit(LiveEdit), await visit(LiveEdit)
    await new.subscribe("intval")

    await old.communicator.send_to(text_data=text)
    await new.communicator.send_to(text_data=text)

    assert (await new.hear())["payload"]["code"] == "bad_frame"
    assert await new.hears_nothing()
    assert await old.hears_nothing()


async def test_a_binary_frame_is_refused(visit):
    browser = await visit(LiveEdit)
    await browser.subscribe("intval")

    await browser.communicator.send_to(bytes_data=b"\x00")

    assert (await browser.hear())["payload"]["code"] == "bad_frame"


async def test_a_frame_that_is_too_large_is_refused(visit):
    browser = await visit(LiveEdit)
    await browser.subscribe("intval")

    await browser.communicator.send_to(text_data="x" * (1 << 20) + "x")

    assert (await browser.hear())["payload"]["code"] == "too_large"


async def test_a_flood_is_closed(visit, monkeypatch):
    monkeypatch.setattr(inbox, "WAITING_FRAMES", 10)
    browser = await visit(LiveEdit)

    for _ in range(30):
        await browser.say("", {"action": "ping"})

    assert await closing(browser) == 4413


async def test_frames_are_answered_in_the_order_sent(visit):
    alice = await User.objects.acreate(username="alice")
    browser = await visit(LiveEdit, alice)

    refs = [await browser.say("intval", {"action": "create", "data": {"name": str(n), "value": n}}) for n in range(30)]
    answers = [frame async for frame in _answers(browser, len(refs))]

    assert [frame["ref"] for frame in answers] == refs
    assert [frame["payload"]["action"] for frame in answers] == ["ack"] * 30


async def _answers(browser, count):
    while count:
        frame = await browser.hear()
        if "ref" in frame:
            count -= 1
            yield frame


async def test_who_connects_while_changes_pass_is_let_in_before_it_is_told(visit, monkeypatch):
    open_ = Membership.open

    async def slow(self, bindings):
        await open_(self, bindings)
        await IntegerValue.objects.acreate(name="meanwhile", value=1)
        told = asyncio.Event()
        Hub.current().feed(IntegerValueBinding).when_passed(await sync_to_async(journal.position)(), told.set)
        await told.wait()

    monkeypatch.setattr(Membership, "open", slow)
    browser = await visit(LiveEdit)

    assert browser.accepted
    assert (await browser.hear())["payload"]["data"]["name"] == "meanwhile"


async def test_a_thousand_rows_come_in_parts_and_changes_in_one_frame(visit, monkeypatch):
    monkeypatch.setattr("channels_databinding.subscriptions.PART_BYTES", 10_000)
    await IntegerValue.objects.abulk_create(IntegerValue(name=f"{n:04}", value=n % 100) for n in range(1_000))
    browser = await visit(LiveEdit)

    parts, _ = await browser.subscribe("intval")
    monkeypatch.undo()
    await IntegerValue.objects.aupdate(value=7)
    change = await browser.hear()

    assert len(parts) > 3
    assert [part["payload"].get("first") for part in parts] == [True, *[None] * (len(parts) - 1)]
    assert sum(len(part["payload"]["rows"]) for part in parts) == 1_000
    assert len(change["payload"]["changes"]) == 1_000
    assert await browser.hears_nothing()


async def test_many_who_subscribe_at_once_share_one_reading(visit, monkeypatch):
    await IntegerValue.objects.acreate(name="a", value=1)
    reads = []
    rows_in = IntegerValueBinding.rows_in
    monkeypatch.setattr(IntegerValueBinding, "rows_in", lambda group: reads.append(group) or rows_in(group))
    browsers = [await visit(LiveEdit) for _ in range(50)]

    told = await asyncio.gather(*(browser.subscribe("intval") for browser in browsers))

    assert all(len(parts[0]["payload"]["rows"]) == 1 for parts, _ in told)
    assert len(reads) == 1


async def test_the_cursor_of_a_ping_is_good_to_resume_with(visit):
    blog = await Blog.objects.acreate(name="b", slug="b")
    browser = await visit(Liveblog)
    await browser.subscribe("posts", liveblog=blog.pk)
    post = await Post.objects.acreate(liveblog=blog, body="a draft, not for this browser")
    _, pong = await browser.ask("", {"action": "ping"})
    await browser.leave()
    await Post.objects.filter(pk=post.pk).aupdate(published=True)

    back = await visit(Liveblog)
    missed, _ = await back.subscribe("posts", since=pong["cursor"], liveblog=blog.pk)

    assert [frame["payload"]["action"] for frame in missed] == ["create"]


@pytest.mark.parametrize(
    "spoil",
    [lambda c: c[:-1] + ("1" if c[-1] == "0" else "0"), lambda c: c + "x", lambda c: "", lambda c: c.replace(":", ";")],
)
async def test_a_cursor_that_was_tampered_with_leads_to_a_snapshot(visit, spoil):
    browser = await visit(LiveEdit)
    _, ack = await browser.subscribe("intval")

    told, _ = await browser.subscribe("intval", since=spoil(ack["cursor"]) or "x")

    assert [frame["payload"]["action"] for frame in told] == ["snapshot"]


async def test_a_cursor_of_other_groups_leads_to_a_snapshot(visit):
    blog = await Blog.objects.acreate(name="b", slug="b")
    await Post.objects.acreate(liveblog=blog, body="draft")
    alice = await User.objects.acreate(username="alice", is_staff=True)
    browser = await visit(Liveblog, alice)
    _, ack = await browser.subscribe("posts", liveblog=blog.pk)
    await User.objects.aupdate(is_staff=False)

    told, _ = await browser.subscribe("posts", since=ack["cursor"], liveblog=blog.pk)

    assert [frame["payload"] for frame in told] == [{"action": "snapshot", "first": True, "rows": []}]


async def test_a_subscription_refused_the_second_time_is_over(visit):
    blog = await Blog.objects.acreate(name="b", slug="b")
    browser = await visit(Liveblog)
    await browser.subscribe("posts", liveblog=blog.pk)
    await Blog.objects.all().adelete()

    _, answer = await browser.subscribe("posts", liveblog=blog.pk)
    blog = await Blog.objects.acreate(pk=blog.pk, name="b", slug="b")
    await Post.objects.acreate(liveblog=blog, body="x", published=True)

    assert answer["payload"]["code"] == "forbidden"
    assert await browser.hears_nothing()


@pytest.mark.parametrize("params", [{}, {"liveblog": 1, "more": 2}, {"blog": 1}])
async def test_params_that_a_stream_does_not_take_are_refused(visit, params):
    browser = await visit(Liveblog)

    told, answer = await browser.subscribe("posts", **params)

    if params:
        assert answer["payload"]["code"] == "bad_params"
    else:  # the groups given at connect: none
        assert told[0]["payload"]["rows"] == []


async def test_a_fault_of_ours_is_told_without_details_and_logged_with_the_ref(visit, monkeypatch, caplog):
    monkeypatch.setattr(IntegerValue, "save", lambda self, **kwargs: 1 / 0)
    browser = await visit(LiveEdit, await User.objects.acreate(username="alice"))

    _, answer = await browser.ask("intval", {"action": "create", "data": {"name": "a", "value": 1}}, ref="r77")

    assert answer["payload"]["code"] == "failed"
    assert "ZeroDivisionError" not in str(answer)
    assert "r77" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_connect_and_disconnect_are_called(visit):
    heard = []

    class Here(LiveEdit):
        def connect(self, **kwargs):
            heard.append("connect")

        def disconnect(self, code):
            heard.append(code)

    browser = await visit(Here)
    await browser.leave()

    assert heard == ["connect", 1000]


@sync_to_async
def log_in(user):
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session


@pytest.mark.parametrize("how", ["logout", "password", "deactivated", "deleted"])
async def test_who_is_logged_out_elsewhere_is_closed(visit, settings, how):
    settings.CHANNELS_DATABINDING = {"look_s": 0}
    alice = await User.objects.acreate(username="alice", password="secret")
    session = await log_in(alice)
    browser = await visit(LiveEdit, alice, session=session)
    stays = await visit(LiveEdit)

    if how == "logout":
        await sync_to_async(session.flush)()
    elif how == "password":
        await User.objects.aupdate(password="another")
    elif how == "deactivated":
        await User.objects.aupdate(is_active=False)
    else:
        await alice.adelete()

    # Whether the session is found ended first or its user gone, is chance.
    assert await closing(browser) in ({4409} if how in ("logout", "password") else {4409, 4403})
    assert await stays.hears_nothing()


# ---- rows in the page


def page(user=None):
    """Return the request of a page that `user` opens."""
    request = RequestFactory().get("/")
    request.user, request.session = user or AnonymousUser(), None
    return request


@sync_to_async
def rows_in_page(demultiplexer, stream, user=None, **params):
    return demultiplexer.snapshot(page(user), stream, **params)


async def test_a_page_carries_the_rows_that_a_subscribe_would_be_told(visit):
    blog = await Blog.objects.acreate(name="b", slug="b")
    await Post.objects.acreate(liveblog=blog, body="draft")
    await Post.objects.acreate(liveblog=blog, body="Kick-off", published=True)
    alice = await User.objects.acreate(username="alice", is_staff=True)

    for user in (alice, None):
        carried = await rows_in_page(Liveblog, "posts", user, liveblog=blog.pk)
        told, _ = await (await visit(Liveblog, user)).subscribe("posts", liveblog=blog.pk)
        assert carried["rows"] == told[0]["payload"]["rows"]


async def test_who_comes_with_a_page_is_told_just_what_was_changed_since(visit):
    await IntegerValue.objects.acreate(name="a", value=1)
    carried = await rows_in_page(LiveEdit, "intval")
    b = await IntegerValue.objects.acreate(name="b", value=2)

    told, _ = await (await visit(LiveEdit)).subscribe("intval", since=carried["cursor"])

    assert [row["data"]["name"] for row in carried["rows"]] == ["a"]
    assert [(frame["payload"]["action"], frame["payload"]["pk"]) for frame in told] == [("create", b.pk)]


async def test_a_page_is_refused_what_a_socket_is(transactional_db):
    class Closed(LiveEdit):
        def connect(self):
            raise PermissionDenied("Not you.")

    with pytest.raises(PermissionDenied, match="Not you"):
        await rows_in_page(Closed, "intval")
    with pytest.raises(Http404, match="There is no live blog 12345"):
        await rows_in_page(Liveblog, "posts", liveblog=12345)


async def test_a_page_gives_the_url_arguments_of_its_socket(transactional_db):
    class Rooms(LiveEdit):
        def connection_groups(self, room):
            return ["intval-updates"] if room == "open" else []

    await IntegerValue.objects.acreate(name="a", value=1)

    for room, rows in (("open", 1), ("closed", 0)):
        carried = await sync_to_async(Rooms.snapshot)(page(), "intval", {"room": room})
        assert len(carried["rows"]) == rows


async def test_what_a_page_carries_is_what_a_browser_reads_from_a_frame(transactional_db):
    await Person.objects.acreate(pk=-(1 << 53) - 1, name="a")  # one above would be followed by others

    carried = await rows_in_page(Lab, "people")

    assert carried["rows"] == [{"pk": str(-(1 << 53) - 1), "data": {"name": "a"}}]
