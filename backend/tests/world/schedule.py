"""What happens when: one step after the other, chosen by numbers."""

from contextlib import contextmanager
from random import Random

from django.conf import settings
from django.db import connection
from django.db.models import F

from channels_databinding import journal, writes
from channels_databinding.limits import limit
from channels_databinding.models import Mark
from channels_databinding.tail import Tail
from example.models import Post

from .browser import Browser
from .outsiders import Outsiders
from .server import VIEWS, Loop, Process, Socket
from .truth import Truth


class World:
    """One database, two server processes, two browsers. `log` tells its history."""

    def __init__(self, monkeypatch, temper):
        self.log, self.depth, self.busy = [], 0, []
        self.truth, self.loop = Truth(), Loop()
        self.processes = [Process("p1"), Process("p2")]
        self.browsers = [Browser(self, "alice"), Browser(self, "bob")]
        self.outsiders = Outsiders(self)
        self.sockets, self.unnoticed = [], []
        self.quiet = False  # then nothing new happens
        self.judged = {}  # ref of a write: where the journal was when it was first done or refused
        r = Random(temper)
        self.haste = {kind: r.choice([2, 5, 10]) for kind in ("tail", "hub", "pool", "wire", "people")}
        self.haste["cut"] = r.choice([0.5, 1, 2])
        self.rarities = r.choices([self.prune, self.remount, self.ping, self.unseen], k=3)
        monkeypatch.setattr(Tail, "start", lambda tail: None)
        monkeypatch.setattr(journal, "moment", self.around_moment(journal.moment))
        monkeypatch.setattr(journal, "writing", self.around_writing(journal.writing))
        monkeypatch.setattr(journal, "name", self.around_name(journal.name))
        monkeypatch.setattr(journal, "position", self.around_position(journal.position))
        monkeypatch.setattr(settings, "CHANNELS_DATABINDING", {"reset_above": r.choice([6, 1_000])}, raising=False)
        monkeypatch.setattr("channels_databinding.feed.RESETS_APART_S", 0.0)
        monkeypatch.setattr("channels_databinding.feed.SLICE", r.choice([1, 128]))
        monkeypatch.setattr("channels_databinding.outbox.PING_FRAMES", 3)
        monkeypatch.setattr("channels_databinding.outbox.ROOM", r.choice([100, 1 << 20]))
        monkeypatch.setattr("channels_databinding.subscriptions.MOST_HELD", r.choice([500, 1 << 20]))
        monkeypatch.setattr("channels_databinding.subscriptions.PART_BYTES", r.choice([100, 256 << 10]))
        self.outsiders.bulk_create(0, 1)
        self.truth.look()
        self.r = r
        if r.random() < 0.8:  # else the history begins while they connect
            self.settle()

    def say(self, *words):
        self.log.append("  " * self.depth + " ".join(map(str, words)))

    # ---- between the statements of a job

    def meanwhile(self):
        """Other things happen while a job, with no transaction open, is between two statements."""
        self.truth.look()
        if not self.quiet and self.depth < 2 and not connection.in_atomic_block:
            self.depth += 1
            for _ in range(self.r.choice([0, 0, 0, 0, 1, 2, 5])):
                self.move()
            self.depth -= 1

    def around_moment(self, real):
        @contextmanager
        def moment(using):
            self.meanwhile()
            with real(using) as now:
                if not self.quiet and self.r.random() < 0.15:
                    self.say("behind its back")
                    self.outsiders.behind_its_back(self.r)
                    self.truth.look()
                yield now

        return moment

    def around_writing(self, real):
        @contextmanager
        def writing(using):
            self.meanwhile()
            within, self.within = (), []
            try:
                with real(using) as start:
                    yield start
                within = self.within
            finally:
                position = self.truth.look(within)
                for ref in self.busy[-1] if self.busy else ():
                    self.judged.setdefault(ref, position)

        return writing

    def around_name(self, real):
        def name(ref, table, pk, *rest):
            real(ref, table, pk, *rest)
            self.within += Post.objects.filter(pk=pk).values_list("pk", "body")

        return name

    def around_position(self, real):
        def position(using):
            self.meanwhile()
            return real(using)

        return position

    # ---- steps

    def moves(self):
        """Return what can happen now: [(haste, what, its arguments)]. Those that come first lead to quiet."""
        moves = []
        for process in self.processes:
            for tail in process.line.taken:
                moves.append(("hub", self.hand_on, process, tail))
            if process.line.has_news(self.truth.epoch, self.truth.position):
                moves.append(("tail", self.read, process))
            for job in process.jobs:
                moves.append(("pool", self.work, process, job))
        for browser in self.browsers:
            if browser.socket is None:
                moves.append(("wire", self.connect, browser))
            else:
                if browser.socket.up and browser.socket.accepted:
                    moves.append(("wire", browser.socket.arrive))
                if browser.socket.down:
                    moves.append(("wire", self.hear, browser))
        for socket in self.unnoticed:
            moves.append(("wire", self.notice, socket))
        if not self.quiet:
            moves += [("people", self.outside), ("people", self.outside), ("cut", self.rare)]
            moves += [("people", self.act, browser) for browser in self.browsers]
            moves += [("cut", self.cut, browser) for browser in self.browsers if browser.socket is not None]
        return moves

    def step(self, number):
        """Do one step. All choices in it come from `number`."""
        self.r = Random(number)
        self.move()

    def move(self):
        moves = self.moves()
        _, what, *arguments = self.r.choices(moves, [self.haste[kind] for kind, *_ in moves])[0]
        self.do(what, arguments)

    def do(self, what, arguments):
        what(*arguments)
        self.loop.settle()
        self.truth.look()
        for socket in self.sockets:
            if socket.task.done():
                socket.task.result()

    def settle(self):
        """Let everything that is on the way arrive."""
        self.quiet = True
        for _ in range(5_000):
            if not (moves := self.moves()):
                self.quiet = False
                return
            self.do(moves[0][1], moves[0][2:])
        raise AssertionError("it never becomes quiet")

    def read(self, process):
        process.line.read()
        self.say(f"{process.name} read up to {process.line.read_at[2]}")

    def hand_on(self, process, tail):
        self.say(f"{process.name} hands on up to {process.line.taken[tail].position}")
        self.loop.call_soon(process.line.hand_on, tail)

    def work(self, process, job):
        if job.done:
            process.jobs.remove(job)
            self.loop.call_soon(job.hand_back)
            return
        process.jobs.remove(job)  # nobody else begins it meanwhile
        refs = [write.request.ref for write in job.args[0]] if job.work is writes.apply else []
        self.busy.append(refs)
        job.do()
        self.busy.pop()
        process.jobs.append(job)
        self.say(f"{process.name} did {job.work.__name__} {' '.join(refs)}: {job.error or job.result}"[:150])

    def connect(self, browser):
        process = self.r.choice(self.processes)
        socket = Socket(self.loop, process, browser)
        self.sockets.append(socket)
        self.say(f"{browser.name} connects to {process.name}")
        browser.connect(socket)

    def hear(self, browser):
        frame = browser.socket.down.popleft()
        self.say(f"{browser.name} hears {frame}")
        browser.hear(frame)

    def notice(self, socket):
        self.unnoticed.remove(socket)
        socket.notice()

    def cut(self, browser):
        socket = browser.socket
        received = self.r.randrange(len(socket.up) + 1) if socket.accepted else 0
        self.say(f"{browser.name} is cut off; {received} frames were received")
        browser.cut(received)
        self.unnoticed.append(socket)
        if self.r.random() < 0.3:
            browser.access = self.r.choice([{"a", "b"}, {"a"}, {"b"}])
            self.say(f"{browser.name} now sees {sorted(browser.access)}")

    def outside(self):
        self.outsiders.transaction(self.r)

    def rare(self):
        self.r.choice(self.rarities)()

    def unseen(self):
        self.say("something that the journal does not have")
        self.outsiders.unseen(self.r)

    def prune(self):
        """A day goes by for the journal, not for the refs."""
        Mark.objects.update(at=F("at") - limit("retention_s") - 1)
        self.say("pruned", journal.mark_and_prune())

    def remount(self):
        browser = self.r.choice(self.browsers)
        if browser.socket is not None:
            collection = browser.collections[self.r.choice(list(VIEWS))]
            self.say(f"{browser.name} remounts {collection.view}")
            browser.remount(collection)

    def ping(self):
        browser = self.r.choice(self.browsers)
        if browser.socket is not None:
            browser.ping()

    def act(self, browser):
        if len(browser.writes) > 3:
            return
        r, collection = self.r, browser.collections[self.r.choice(list(VIEWS))]
        body = "forbidden" if r.random() < 0.1 else r.choice(["{}", "{}", "{}+"])
        action = r.choice(["create", "update", "update", "delete"][len(self.truth.now) > 5 :])
        action = action if collection.rows else "create"
        payload = {"action": action}
        if action != "create":
            payload["pk"] = r.choice(sorted(collection.rows))
        if action == "create":
            payload["data"] = {"body": body, "liveblog": r.choice([1, 1, 2, 99])}
        elif action == "update":
            payload["data"] = {"body": body, **r.choice([{}, {"liveblog": r.choice([1, 2, 3])}])}
            if r.random() < 0.3:
                payload["expect"] = {"body": collection.rows[payload["pk"]]["body"]}
        browser.write(collection, payload)
        self.say(f"{browser.name} writes {browser.writes[-1]}")

    # ---- the end

    def end(self):
        """Take everything down, whatever state it is in."""
        for process in self.processes:
            for job in process.jobs:
                job.future.cancel()
        for socket in self.sockets:
            socket.task.cancel()
        for _ in range(3):
            self.loop.settle()
            for process in self.processes:
                for job in process.jobs:
                    job.future.cancel()
                process.jobs.clear()
        self.loop.close()
        self.truth.file.close()
