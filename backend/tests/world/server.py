"""The real server, with its threads and its network in the hands of the schedule."""

import asyncio
from collections import deque

import orjson
from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS

from channels_databinding import WebsocketBinding, WebsocketDemultiplexer
from channels_databinding.feed import Feed
from channels_databinding.hub import Hub
from example.models import Post

from .truth import LETTERS, in_line

STREAM = "model-posts"
VIEWS = {"A": {"a"}, "AB": {"a", "b"}}  # what a browser may ask for: the groups it gets, as far as its access goes


class PostBinding(WebsocketBinding):
    """`rows_in` is left as it is: a snapshot looks at every row, and `group_names` has the last word."""

    model = Post
    stream = STREAM
    fields = ["liveblog", "body", "published"]

    @classmethod
    def group_names(cls, post):
        return [LETTERS[post.liveblog_id], *(["b"] if post.published else [])]

    def subscription_groups(self, user, view):
        if not (groups := VIEWS[view] & user.access):
            raise PermissionDenied
        return groups

    def has_permission(self, user, action, pk):
        return action == "delete" or self.data["body"] != "forbidden"

    def create(self, data):
        if data["body"].endswith("+"):  # what a signal may do: another row of the same model, before its own
            Post.objects.create(liveblog_id=data["liveblog"], body=f"beside {data['body']}")
        return super().create(data)


class Demultiplexer(WebsocketDemultiplexer):
    consumers = {STREAM: PostBinding.consumer}


class Loop(asyncio.SelectorEventLoop):
    """Runs until nothing is left to do, and keeps no time: its clock stands still."""

    def time(self):
        return 0.0

    def settle(self):
        while self._ready:
            self.call_soon(self.stop)
            self.run_forever()


class Job:
    """Work for the pool. It is done at one moment, and its result comes back at a later one."""

    def __init__(self, work, args, future):
        self.work, self.args, self.future = work, args, future
        self.done, self.result, self.error = False, None, None

    def do(self):
        try:
            self.result = self.work(*self.args)
        except Exception as error:
            self.error = error
        self.done = True

    def hand_back(self):
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Process(Hub):
    """A server process, whose tail reads and whose pool works when the schedule says so."""

    def __init__(self, name):
        super().__init__()
        self.name, self.jobs = name, []
        self.line = self.feeds[DEFAULT_DB_ALIAS] = Line(DEFAULT_DB_ALIAS, self.run, self.counts, self.presence)

    async def run(self, work, *args):
        job = Job(work, args, asyncio.get_running_loop().create_future())
        self.jobs.append(job)
        return await job.future


class Line(Feed):
    """What a process follows of the one database that there is."""

    def __init__(self, *args):
        super().__init__(*args)
        self.taken = {}  # {tail: the batch it has read and the loop has not handed on}
        self.slices = {}  # {tail: what is left to hand on of it}
        self.reading, self.read_at = [], None

    def _take(self, loop, tail, delivery):
        self.taken[tail], self.slices[tail] = delivery, self.deliver(delivery)

    def has_news(self, epoch, position):
        """Whether its tail, if it looked now, would read anything."""
        tail = self._tail
        waits = tail is None or tail in self.reading or tail in self.taken
        return not waits and self.read_at != (tail, epoch, position)

    def read(self):
        tail = self._tail
        self.reading.append(tail)
        tail.step()
        self.reading.remove(tail)
        self.read_at = tail, tail._epoch, in_line(tail._position)

    def hand_on(self, tail):
        """One turn of the loop's work on a batch."""
        if tail is not self._tail or next(self.slices[tail], True):
            del self.taken[tail], self.slices[tail]


class Socket:
    """A WebSocket that delays frames both ways. `up` and `down` are on the way."""

    def __init__(self, loop, process, user):
        self.process, self.up, self.down = process, deque(), deque()
        self.accepted = self.cut = False
        self.inbox = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "user": user}
        self.task = loop.create_task(Demultiplexer.as_asgi(hub=process)(scope, self.inbox.get, self.send))

    async def send(self, event):
        assert event["type"] != "websocket.close", event
        if event["type"] == "websocket.accept":
            self.accepted = True
        elif not self.cut:
            self.down.append(orjson.loads(event["text"]))

    def arrive(self):
        self.inbox.put_nowait({"type": "websocket.receive", "text": orjson.dumps(self.up.popleft()).decode()})

    def notice(self):
        """The server learns that the browser is gone."""
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
