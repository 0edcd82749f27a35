"""The line in one piece: from a change to two browsers, to one that was away, and from a browser back."""

from django.contrib.auth.models import User

from example.consumers import Posts as Liveblog
from example.consumers import Values as LiveEdit
from example.models import IntegerValue, Post
from example.models import Liveblog as Blog


async def test_a_save_is_heard_by_everybody_in_the_group(visit):
    one, two = await visit(LiveEdit), await visit(LiveEdit)

    value = await IntegerValue.objects.acreate(name="a", value=1)

    data = {"name": "a", "value": 1}
    payload = {"action": "create", "pk": value.pk, "data": data, "model": "example.integervalue"}
    assert await one.hear() == await two.hear() == {"stream": "intval", "payload": payload}


async def test_a_snapshot_comes_first_and_then_changes(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    browser = await visit(LiveEdit)

    (snapshot,), _ = await browser.subscribe("intval")
    await IntegerValue.objects.aupdate(value=2)
    change = await browser.hear()

    assert snapshot["payload"]["rows"] == [{"pk": value.pk, "data": {"name": "a", "value": 1}}]
    assert change["payload"]["data"] == {"name": "a", "value": 2}


async def test_who_was_away_hears_what_was_missed_and_no_more(visit):
    await IntegerValue.objects.abulk_create(IntegerValue(name=name, value=1) for name in "ab")
    browser = await visit(LiveEdit)
    _, ack = await browser.subscribe("intval")
    await browser.leave()

    await IntegerValue.objects.filter(name="b").aupdate(value=3)
    back = await visit(LiveEdit)
    missed, _ = await back.subscribe("intval", since=ack["cursor"])

    assert [frame["payload"]["data"] for frame in missed] == [{"name": "b", "value": 3}]


async def test_a_write_from_a_browser_goes_the_whole_way_round(visit):
    alice = await User.objects.acreate(username="alice", is_staff=True)
    blog = await Blog.objects.acreate(name="The final", slug="final")
    author, reader = await visit(Liveblog, alice), await visit(Liveblog)
    await author.subscribe("posts", liveblog=blog.pk)
    await reader.subscribe("posts", liveblog=blog.pk)

    data = {"liveblog": blog.pk, "body": "Goal!", "published": True}
    (echo,), ack = await author.ask("posts", {"action": "create", "data": data})
    heard = await reader.hear()

    post = await Post.objects.aget()
    assert ack["payload"] == {"action": "ack", "pk": post.pk}
    assert echo["refs"] == heard["refs"] == [ack["ref"]]
    assert heard["payload"]["data"]["body"] == post.body == "Goal!"
