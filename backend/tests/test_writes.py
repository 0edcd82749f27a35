"""A client write: checked, applied once, answered last."""

import asyncio
import sqlite3
from contextlib import closing, contextmanager

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, transaction

import databases
from channels_databinding.binding import WebsocketBinding
from channels_databinding.demultiplexer import WebsocketDemultiplexer
from channels_databinding.models import Ref
from channels_databinding.protocol import Request
from channels_databinding.sessions import Identity
from channels_databinding.writes import Write, apply
from example.consumers import Posts as Liveblog
from example.models import Liveblog as Blog
from example.models import Post

pytestmark = pytest.mark.usefixtures("bindings_of_one_test")


@pytest.fixture
async def alice(transactional_db):
    return await User.objects.acreate(username="alice", is_staff=True)


@pytest.fixture
def post(transactional_db):
    blog = Blog.objects.create(name="The final", slug="final")
    return Post.objects.create(liveblog=blog, body="Kick-off", published=True)


def edit(post, **data):
    return {"action": "update", "pk": post.pk, "data": data}


async def test_the_same_ref_again_is_acknowledged_and_not_done_twice(visit, alice, post):
    payload = {"action": "create", "data": {"liveblog": post.liveblog_id, "body": "Goal!"}}
    first, second = await visit(Liveblog, alice), await visit(Liveblog, alice)

    _, answer = await first.ask("posts", payload, ref="same")
    _, again = await second.ask("posts", payload, ref="same")

    assert again == answer
    assert await Post.objects.filter(body="Goal!").acount() == 1


async def test_the_same_ref_at_the_same_time_is_done_once(visit, alice, post):
    payload = {"action": "create", "data": {"liveblog": post.liveblog_id, "body": "Goal!"}}
    browsers = [await visit(Liveblog, alice) for _ in range(4)]

    answers = await asyncio.gather(*(browser.ask("posts", payload, ref="same") for browser in browsers))

    assert len({answer["payload"]["pk"] for _, answer in answers}) == 1
    assert await Post.objects.filter(body="Goal!").acount() == 1


async def test_a_ref_is_its_owners(visit, alice, post):
    other = await User.objects.acreate(username="carol", is_staff=True)
    one, two = await visit(Liveblog, alice), await visit(Liveblog, other)
    await one.ask("posts", edit(post, body="alice's"), ref="same")

    _, answer = await two.ask("posts", edit(post, body="carol's"), ref="same")

    assert answer["payload"] == {"action": "ack", "pk": post.pk}
    await post.arefresh_from_db()
    assert post.body == "carol's"


async def test_a_refused_write_leaves_nothing_and_says_why(visit, alice, post):
    bob = await visit(Liveblog, await User.objects.acreate(username="bob"))

    _, answer = await bob.ask("posts", edit(post, body="I was here"))

    assert answer["payload"]["code"] == "forbidden"
    await post.arefresh_from_db()
    assert post.body == "Kick-off"
    assert not await Ref.objects.filter(who__contains="bob").aexists()


async def test_a_permission_taken_away_counts_at_once_on_an_open_socket(visit, alice, post):
    browser = await visit(Liveblog, alice)
    await User.objects.filter(pk=alice.pk).aupdate(is_staff=False)

    _, answer = await browser.ask("posts", edit(post, body="still here?"))

    assert answer["payload"]["code"] == "forbidden"


async def test_a_deactivated_user_writes_no_more(visit, alice, post):
    browser = await visit(Liveblog, alice)
    await User.objects.filter(pk=alice.pk).aupdate(is_active=False)

    _, answer = await browser.ask("posts", edit(post, body="still here?"))

    assert answer["payload"]["code"] == "forbidden"


async def test_two_people_on_two_fields_do_not_undo_each_other(visit, alice, post):
    one, two = await visit(Liveblog, alice), await visit(Liveblog, alice)

    await asyncio.gather(
        one.ask("posts", edit(post, body="Goal!"), ref="one"), two.ask("posts", edit(post, published=False), ref="two")
    )

    await post.arefresh_from_db()
    assert (post.body, post.published) == ("Goal!", False)


async def test_a_conflict_shows_the_row_only_to_who_may_read_it(visit, alice, post):
    reader, stranger = await visit(Liveblog, alice), await visit(Liveblog, alice)
    await reader.subscribe("posts", liveblog=post.liveblog_id)
    guess = {**edit(post, body="mine"), "expect": {"body": "something else"}}

    _, told = await reader.ask("posts", guess, ref="one")
    _, untold = await stranger.ask("posts", guess, ref="two")

    assert told["payload"]["code"] == untold["payload"]["code"] == "conflict"
    assert told["payload"]["data"]["body"] == "Kick-off"
    assert "data" not in untold["payload"]


async def test_a_conflict_shows_nothing_to_who_is_shown_the_row_by_another_binding(visit, post):
    class ForAllBinding(AnyBinding):
        stream = "all"

        @classmethod
        def group_names(cls, post):
            return ["all"]

    class ShownBinding(ForAllBinding):
        stream = "shown"
        fields = ["liveblog"]

        def subscription_groups(self, user, **params):
            return ["all"]

    class Demultiplexer(WebsocketDemultiplexer):
        consumers = {"shown": ShownBinding.consumer, "all": ForAllBinding.consumer}

    browser = await visit(Demultiplexer)
    await browser.subscribe("shown", all=True)

    _, answer = await browser.ask("all", {**edit(post, body="mine"), "expect": {"body": "a guess"}})

    assert answer["payload"]["code"] == "conflict"
    assert "data" not in answer["payload"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"action": "update", "pk": 99, "data": {}}, "not_found"),
        ({"action": "update", "pk": "one", "data": {}}, "not_found"),
        ({"action": "update", "pk": [1], "data": {}}, "bad_frame"),
        ({"action": "update", "pk": True, "data": {}}, "bad_frame"),
        ({"action": "update", "pk": 1}, "bad_frame"),
        ({"action": "create", "data": [1]}, "bad_frame"),
        ({"action": "create", "data": {"body": {"a": 1}}}, "invalid"),
        ({"action": "create", "data": {"liveblog": 99, "body": "x"}}, "invalid"),
        ({"action": "create", "data": {"liveblog": "x", "body": "x"}}, "invalid"),
        ({"action": "delete", "pk": str(2**70)}, "not_found"),
    ],
)
async def test_a_write_that_makes_no_sense_is_told_what_is_wrong(visit, alice, post, payload, code):
    browser = await visit(Liveblog, alice)

    _, answer = await browser.ask("posts", payload)

    assert answer["payload"]["code"] == code
    assert await Post.objects.acount() == 1


async def test_the_answer_comes_after_the_change_it_answers(visit, alice, post):
    browser = await visit(Liveblog, alice)
    await browser.subscribe("posts", liveblog=post.liveblog_id)

    for n in range(20):
        ref = await browser.say("posts", edit(post, body=f"{n}:0"))
        *before, answer = await browser.hear_until(ref)

        assert [frame["refs"] for frame in before] == [[ref]]
        assert answer["payload"]["action"] == "ack"


async def test_a_socket_that_closes_right_after_a_write_has_written(visit, alice, post):
    browser = await visit(Liveblog, alice)

    await browser.say("posts", edit(post, body="and gone"), ref=None)
    await browser.leave()

    await post.arefresh_from_db()
    assert post.body == "and gone"


class Hooked(WebsocketBinding):
    """Posts whose save has a hook after COMMIT that fails."""

    model = Post
    stream = "hooked"
    fields = ["liveblog", "body"]

    @classmethod
    def group_names(cls, post):
        return []

    def has_permission(self, user, action, pk):
        return True

    def create(self, data):
        post = super().create(data)
        transaction.on_commit(lambda: 1 / 0)
        return post


async def test_a_write_whose_hook_fails_after_commit_is_acknowledged(visit, post, caplog):
    class Demultiplexer(WebsocketDemultiplexer):
        consumers = {"hooked": Hooked.consumer}

    browser = await visit(Demultiplexer)

    _, answer = await browser.ask("hooked", {"action": "create", "data": {"liveblog": post.liveblog_id, "body": "x"}})

    assert answer["payload"]["action"] == "ack"
    assert await Post.objects.filter(pk=answer["payload"]["pk"]).aexists()
    assert "in on_commit()" in caplog.text


async def test_a_write_waits_for_a_long_transaction_of_somebody_else(visit, alice, post):
    browser = await visit(Liveblog, alice)
    held, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    @sync_to_async(thread_sensitive=False)
    def hold_the_write_lock():
        with transaction.atomic():
            Post.objects.filter(pk=post.pk).update(published=False)
            loop.call_soon_threadsafe(held.set)
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
        connection.close()  # this thread's own: nobody else would

    other = asyncio.create_task(hold_the_write_lock())
    await held.wait()
    ref = await browser.say("posts", edit(post, body="patient"))
    release.set()
    await other
    *_, answer = await browser.hear_until(ref)

    assert answer["payload"]["action"] == "ack"
    await post.arefresh_from_db()
    assert (post.body, post.published) == ("patient", False)


# ---- many at once


class AnyBinding(WebsocketBinding):
    """Posts to write in all ways that hooks find to go wrong: what `body` says is done."""

    model = Post
    stream = "any"
    fields = ["liveblog", "body"]
    after_commit = []

    @classmethod
    def group_names(cls, post):
        return []

    def has_permission(self, user, action, pk):
        return self.data["body"] != "forbidden"

    def create(self, data):
        match data["body"]:
            case "dangling":  # a foreign key is looked at by the database at COMMIT
                return Post.objects.create(liveblog_id=12345, body="dangling")
            case "gives up":
                post = super().create(data)
                transaction.set_rollback(True)
                return post
            case "fails":
                raise ZeroDivisionError
            case "hook fails":
                transaction.on_commit(lambda: 1 / 0)
            case "hooked":
                transaction.on_commit(lambda: self.after_commit.append(data["body"]))
        return super().create(data)


class Listening(Liveblog):
    """Where browsers may listen while they write."""

    consumers = {**Liveblog.consumers, "any": AnyBinding.consumer}


async def test_a_write_refused_at_commit_is_answered_though_nothing_comes_after_it(visit, alice, post):
    browser = await visit(Listening, alice)
    await browser.subscribe("posts", liveblog=post.liveblog_id)

    _, answer = await browser.ask("any", {"action": "create", "data": {"liveblog": 1, "body": "dangling"}})

    assert answer["payload"]["code"] == "invalid"


@databases.only("sqlite", "elsewhere a write needs no lock to begin")
async def test_a_write_that_cannot_begin_holds_up_nothing_else(visit, alice, post, monkeypatch, locked):
    browser = await visit(Listening, alice)
    await browser.subscribe("posts", liveblog=post.liveblog_id)

    with locked():
        _, answer = await browser.ask("posts", edit(post, body="too late"))
    _, after = await browser.subscribe("posts", liveblog=post.liveblog_id)

    assert answer["payload"]["code"] == "failed"
    assert after["payload"]["action"] == "ack"


@pytest.fixture
def locked(monkeypatch):
    """Return `locked()`: within it somebody else holds the write lock, for longer than anybody waits."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.1)

    @contextmanager
    def locked():
        with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            yield

    return locked


@pytest.fixture
def patient(monkeypatch):
    """However slow the machine is, writes are done in one transaction."""
    monkeypatch.setattr("channels_databinding.writes.TOGETHER_S", 60)


def apply_together(post, *bodies):
    """Do creates in one go. Returns the answer to each: "ack", or its code."""
    Ref.objects.all().delete()  # flush leaves them
    data = [{"liveblog": post.liveblog_id, "body": body} for body in bodies]
    requests = [Request("any", {"action": "create", "data": one}, "", f"together {n}") for n, one in enumerate(data)]
    todo = [Write(AnyBinding(), request, Identity("alice", None), lambda row: True) for request in requests]
    payloads = [answer.payload for answer in apply(todo, "default")]
    return [payload.get("code", "ack") for payload in payloads]


@pytest.mark.parametrize(
    ("body", "code"),
    [("forbidden", "forbidden"), ("", "invalid"), ("fails", "failed"), ("gives up", "failed"), ("dangling", "invalid")],
)
def test_of_writes_that_are_done_together_only_the_culprit_is_refused(post, patient, body, code):
    assert apply_together(post, "one", body, "two") == ["ack", code, "ack"]

    assert sorted(Post.objects.exclude(pk=post.pk).values_list("body", flat=True)) == ["one", "two"]
    assert Ref.objects.count() == 2


def test_a_hook_that_fails_after_commit_does_not_keep_those_of_others_from_running(post, patient):
    AnyBinding.after_commit.clear()

    assert apply_together(post, "hook fails", "hooked") == ["ack", "ack"]

    assert AnyBinding.after_commit == ["hooked"]


def test_the_lock_is_given_back_between_writes_that_take_long(post, transactional_db, monkeypatch):
    monkeypatch.setattr("channels_databinding.writes.TOGETHER_S", 0)

    assert apply_together(post, "one", "two") == ["ack"]  # the rest is for the next transaction


async def test_writes_of_many_sockets_are_answered_each_its_own(visit, post):
    class Demultiplexer(WebsocketDemultiplexer):
        consumers = {"any": AnyBinding.consumer}

    browsers = [await visit(Demultiplexer) for _ in range(20)]
    creates = [{"action": "create", "data": {"liveblog": post.liveblog_id, "body": str(n)}} for n in range(20)]

    answers = await asyncio.gather(*(browser.ask("any", one) for browser, one in zip(browsers, creates, strict=True)))

    made = {str(n): answer["payload"]["pk"] for n, (_, answer) in enumerate(answers)}
    assert made == {post.body: post.pk async for post in Post.objects.exclude(pk=post.pk)}


async def test_a_fault_of_ours_is_answered_and_the_next_write_is_done(visit, alice, post, monkeypatch):
    browser = await visit(Liveblog, alice)

    with monkeypatch.context() as broken:
        broken.setattr("channels_databinding.writes.apply", lambda writes: 1 / 0)
        _, failed = await browser.ask("posts", edit(post, body="one"))
    _, done = await browser.ask("posts", edit(post, body="two"))

    assert failed["payload"]["code"] == "failed"
    assert done["payload"]["action"] == "ack"
