"""The client's rules, written to be read: rows = what the server told; on top of them, own writes not yet settled.

What it hears is compared with the truth at once, frame by frame.
"""

from collections import Counter
from itertools import count

from .server import STREAM, VIEWS
from .truth import in_line


class Collection:
    """One subscription of a browser."""

    def __init__(self, view):
        self.view, self.rows, self.groups = view, {}, frozenset()
        self.cursor, self.position = None, 0  # the cursor to resume from, and how new the rows are
        self.asked = None  # ref of the subscribe that is not yet acknowledged
        self.since = (
            0  # what the server process had told everybody when this socket began: no older state is ours to see
        )
        self.live, self.held = False, []
        self.acked = []  # writes answered while it catches up

    def learn(self, payload):
        match payload:
            case {"action": "snapshot", "rows": rows}:
                if payload.get("first"):
                    self.rows = {}
                self.rows |= {row["pk"]: row["data"] for row in rows}
            case {"action": "delete", "pk": pk}:
                self.rows.pop(pk, None)
            case {"pk": pk, "data": data}:
                self.rows[pk] = data


class Browser:
    """A user with two collections on one stream, whose audiences overlap."""

    is_authenticated = True

    def __init__(self, world, name):
        self.world, self.truth = world, world.truth
        self.name = self.pk = name
        self.access = {"a", "b"}
        self.collections = {view: Collection(view) for view in VIEWS}
        self.writes = []  # not settled, in the order made
        self.made = {}  # ref: payload, of all writes
        self.results = {}  # ref: "ack", or the code of an error
        self.socket, self.asked, self.answered = None, set(), Counter()
        self.numbers = count(1)

    # ---- connecting

    def connect(self, socket):
        self.socket, self.asked, self.answered = socket, set(), Counter()
        # First the unsettled writes, in order, then the subscribes: so what is told includes what we wrote.
        for write in self.writes:
            if write["ref"] not in self.results:
                self.say(write["ref"], write["payload"])
        for collection in self.collections.values():
            passed = socket.process.line.passed
            collection.since = self.truth.position if passed is None else in_line(passed)
            self.subscribe(collection)

    def cut(self, received):
        """The socket breaks. The server has `received` so many of the frames on the way; nobody hears its own."""
        for _ in range(received):
            self.socket.arrive()
        self.socket.up.clear()
        self.socket.down.clear()
        self.socket.cut, self.socket = True, None
        for collection in self.collections.values():
            collection.live, collection.asked, collection.held = False, None, []

    def say(self, ref, payload, *, stream=STREAM, **envelope):
        self.socket.up.append({"stream": stream, "ref": ref, **envelope, "payload": payload})
        self.asked.add(ref)

    def new_ref(self):
        return f"{self.name}-{next(self.numbers)}"

    def subscribe(self, collection):
        collection.asked, collection.live, collection.held = self.new_ref(), False, []
        since = {"since": collection.cursor} if collection.cursor else {}
        self.say(collection.asked, {"action": "subscribe", **since}, params={"view": collection.view})

    def remount(self, collection):
        """The component goes and comes again: it forgets its rows."""
        self.say(self.new_ref(), {"action": "unsubscribe"}, params={"view": collection.view})
        self.forget(collection)
        self.subscribe(collection)

    def forget(self, collection):
        collection.rows, collection.cursor, collection.position, collection.live = {}, None, 0, False
        collection.asked, collection.held = None, []
        self.settle(collection.acked)
        collection.acked = []

    def ping(self):
        self.say(self.new_ref(), {"action": "ping"}, stream="")

    # ---- the person

    def write(self, collection, payload):
        ref = self.new_ref()
        if "data" in payload:
            payload["data"]["body"] = payload["data"]["body"].format(ref)  # never used before, so it names this write
        self.made[ref] = payload
        self.writes.append({"ref": ref, "view": collection.view, "payload": payload})
        if self.socket is not None:
            self.say(ref, payload)

    # ---- frames

    def hear(self, frame):
        payload, ref = frame["payload"], frame.get("ref")
        if payload["action"] == "ping":
            self.socket.up.append({"stream": "", "ref": ref, "payload": {"action": "ack"}})
        elif payload["action"] in ("ack", "error"):
            self.answered[ref] += 1
            assert self.answered[ref] == 1, f"{ref} was answered twice"
            assert ref in self.asked, f"{ref} was answered and not asked"
            self.hear_answer(frame, payload, ref)
        else:
            collection = self.collections[frame["params"]["view"]]
            if payload["action"] == "reset":
                collection.cursor = None
                self.subscribe(collection)
            else:
                self.check_entitled(collection, payload)
                if collection.asked is not None:
                    collection.held.append(frame)
                elif collection.live:
                    self.hear_changes(collection, frame)
        self.check_no_row_twice()

    def hear_changes(self, collection, frame):
        collection.held.append(frame)
        if "cursor" not in frame:  # a part of a batch: the last one has the cursor
            return
        position = position_of(frame["cursor"])
        assert position > collection.position, "a screen moved backwards"
        held, collection.held = collection.held, []
        named = [write for one in held for write in self.apply(collection, one)]
        self.caught_up(collection, frame["cursor"])
        self.settle(named)

    def apply(self, collection, frame):
        """Learn what a frame tells. Returns the own writes it names: with it, they are on the screen."""
        payload, named = frame["payload"], []
        for change in payload.get("changes", [{**payload, "refs": frame.get("refs", [])}]):
            collection.learn(change)
            for write in self.writes:
                if write["ref"] in change.get("refs", []) and write["view"] == collection.view:
                    self.hear_ack(write, change["pk"])
                    named.append(write)
        return named

    def caught_up(self, collection, cursor):
        """A cursor says: complete up to here. So the rows are the very ones of that moment, none more, none less."""
        collection.cursor, collection.position = cursor, position_of(cursor)
        view = self.truth.view(collection.groups, collection.position)
        assert collection.rows == view, (
            f"{self.name}/{collection.view} is not what was there: {collection.rows} != {view}"
        )

    def hear_answer(self, frame, payload, ref):
        if frame["stream"] == "":
            for collection in self.collections.values():
                if collection.live:
                    assert frame.get("cursor"), "a ping was acknowledged without the cursor"
                    self.check_reached(collection, position_of(frame["cursor"]), "a ping")
                    collection.cursor = frame["cursor"]
            return
        write = next((write for write in self.writes if write["ref"] == ref), None)
        collection = self.collections[frame["params"]["view"]] if "params" in frame else None
        if collection is not None:
            if ref == collection.asked:
                self.hear_subscribed(collection, frame)
        elif payload["action"] == "ack":
            if ref in self.results:
                assert self.results[ref] == "ack", f"{ref} was acknowledged and before that refused"
            if write is not None:
                self.hear_ack(write, payload["pk"])
                collection = self.collections[write["view"]]
                if collection.asked is None:
                    self.settle([write])
                elif write not in collection.acked:
                    collection.acked.append(write)
        else:
            assert payload["code"] in ("invalid", "forbidden", "not_found", "conflict"), payload
            assert ref not in self.results, f"{ref} was acknowledged and is refused"
            self.results[ref] = payload["code"]
            if payload.get("data"):
                self.check_conflict(payload["data"], write)
            self.settle([write])

    def hear_subscribed(self, collection, frame):
        if frame["payload"]["action"] == "error":
            assert frame["payload"]["code"] == "forbidden", frame
            assert not VIEWS[collection.view] & self.access
            self.forget(collection)
            return
        collection.groups = frozenset(VIEWS[collection.view] & self.access)
        assert collection.groups, "nobody may see this"
        assert position_of(frame["cursor"]) >= collection.position, "a screen moved backwards"
        held, collection.held, collection.asked, collection.live = collection.held, [], None, True
        named = [write for one in held for write in self.apply(collection, one)]
        self.caught_up(collection, frame["cursor"])
        acked, collection.acked = collection.acked, []
        self.settle(named + acked)

    def hear_ack(self, write, pk):
        self.results[write["ref"]] = "ack"
        action, body = write["payload"]["action"], write["payload"].get("data", {}).get("body")
        named = self.truth.pk_of.get(body) if action == "create" else write["payload"]["pk"]
        assert pk == named, f"{write['ref']} made {named}, and {pk} was named"

    def settle(self, writes):
        """Their answers are here: forget them, the truth shows through. So the truth must be here before."""
        for write in writes:
            if write in self.writes:
                self.writes.remove(write)
                collection = self.collections[write["view"]]
                if collection.live:
                    self.check_reached(collection, self.world.judged[write["ref"]], write["ref"])

    # ---- promises

    def check_reached(self, collection, position, what):
        assert self.truth.reached(collection.rows, collection.groups, position), (
            f"{what} was answered before {self.name}/{collection.view} heard what came before the answer"
        )

    def check_entitled(self, collection, payload):
        groups = VIEWS[collection.view] & self.access
        for row in payload.get("rows") or payload.get("changes") or [payload]:
            if "pk" in row:
                pk, data = row["pk"], row["data"]
                assert groups & self.truth.been[pk], f"{pk} was never in {groups}"
                if data != {} and data != collection.rows.get(pk):
                    told = self.truth.was_told(groups, pk, data, collection.since)
                    assert told, f"{self.name}/{collection.view} was told {data}, and had no right to"

    def check_conflict(self, data, write):
        groups = set().union(*(VIEWS[view] & self.access for view in VIEWS))
        told = self.truth.was_told(groups, write["payload"]["pk"], data, 0)
        assert told, f"{self.name} was told {data} by a conflict, and had no right to"

    def check_no_row_twice(self):
        for write in self.writes:
            if write["payload"]["action"] == "create":
                pk = self.truth.pk_of.get(write["payload"]["data"]["body"])
                assert pk not in self.collections[write["view"]].rows, f"{write['ref']} is shown twice"


def position_of(cursor):
    """Only a test looks into a cursor."""
    return in_line(cursor.split(":")[1])
