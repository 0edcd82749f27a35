"""From a change to the frames of two browsers."""

from django.contrib.auth.models import User

from live_edit.consumers import Demultiplexer as LiveEdit
from live_edit.models import IntegerValue
from liveblog.consumers import Demultiplexer as Liveblog
from liveblog.models import Liveblog as Blog
from liveblog.models import Post


async def test_a_save_is_heard_by_everybody_in_the_group(visit):
    one, two = await visit(LiveEdit), await visit(LiveEdit)

    value = await IntegerValue.objects.acreate(name="a", value=1)

    frame = {
        "stream": "intval",
        "payload": {
            "action": "create",
            "pk": value.pk,
            "data": {"name": "a", "value": 1},
            "model": "live_edit.integervalue",
        },
    }
    assert await one.hear() == frame
    assert await two.hear() == frame


async def test_a_snapshot_and_then_changes(visit):
    value = await IntegerValue.objects.acreate(name="a", value=1)
    one = await visit(LiveEdit)

    before, ack = await one.subscribe("intval")
    assert [f["payload"] for f in before] == [
        {"action": "snapshot", "first": True, "rows": [{"pk": value.pk, "data": {"name": "a", "value": 1}}]}
    ]
    await IntegerValue.objects.filter(pk=value.pk).aupdate(value=2)
    heard = await one.hear()
    assert heard["payload"]["data"] == {"name": "a", "value": 2}
    assert heard["payload"]["action"] == "update"

    await one.leave()
    await IntegerValue.objects.filter(pk=value.pk).aupdate(value=3)
    two = await visit(LiveEdit)
    before, ack = await two.subscribe("intval", since=heard["cursor"])
    assert [f["payload"]["data"] for f in before] == [{"name": "a", "value": 3}]


async def test_a_write_is_done_and_acknowledged_after_its_change(visit):
    alice = await User.objects.acreate(username="alice", is_staff=True)
    blog = await Blog.objects.acreate(name="b", slug="b")
    one = await visit(Liveblog, alice)
    await one.subscribe("posts", liveblog=blog.pk)
    before, ack = await one.ask(
        "posts", {"action": "create", "data": {"liveblog": blog.pk, "body": "Goal!", "published": True}}
    )
    post = await Post.objects.aget()
    assert ack["payload"] == {"action": "ack", "pk": post.pk}
    assert before[0]["payload"]["data"]["body"] == "Goal!"
    assert before[0]["refs"] == [ack["ref"]]
