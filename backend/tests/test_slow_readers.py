"""Who stops reading: a real server, in a process of its own. `bench/slow_readers.py` does the same, at length."""

import asyncio
from itertools import count, islice

from example.models import Liveblog, Post
from lab.screen import database
from reader import Reader, serve

BODY = "x" * 40_000
CLOSED_AFTER = (4 << 20) // len(BODY) + 3  # changes that are not read
MEMORY = 12 << 20  # bytes: for each of two 4 MB on the way, and what a server needs to handle them


async def test_who_stops_reading_is_closed_costs_little_and_resumes_without_loss(transactional_db, tmp_path):
    blog = await Liveblog.objects.acreate(name="b", slug="b")
    posts = [await Post.objects.acreate(liveblog=blog, body="", published=True) for _ in range(10)]
    heard, numbers = asyncio.Queue(), count()

    async def write(changes):
        """Change posts one after the other, each when all others have heard of the one before."""
        nonlocal peak
        for number in islice(numbers, changes):
            await Post.objects.filter(pk=posts[number % 10].pk).aupdate(body=f"{number} {BODY}")
            for _ in others:
                assert (await asyncio.wait_for(heard.get(), 10)).startswith(f"{number} ")
            peak = max(peak, server.memory())

    with serve(database(), tmp_path / "log") as server:
        others = [await Reader.come(server.port, blog.pk, heard=heard.put_nowait) for _ in range(8)]
        slow, slower = [await Reader.come(server.port, blog.pk, buffer=1 << 18) for _ in range(2)]
        slow.stop()
        slower.stop()
        before = peak = server.memory()

        await write(CLOSED_AFTER)
        slow.go_on()  # soon enough to be told: daphne cuts who does not answer a close within a second
        code = await asyncio.wait_for(slow.gone, 10)
        await write(CLOSED_AFTER)
        slower.go_on()
        await asyncio.wait_for(slower.gone, 10)
        back = [await Reader.come(server.port, blog.pk, before=one) for one in (slow, slower)]

    assert code == 4408
    assert peak - before < MEMORY
    stored = {post.pk: post.body async for post in Post.objects.all()}
    assert [one.rows == stored for one in back] == [True, True]
    assert not [one for one in back if "snapshot" in one.told]
    assert [one.rows == stored for one in others] == [True] * 8
