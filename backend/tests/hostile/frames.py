"""wire → **frames** → breakage → …

Frames that no browser of ours would send. The same seed makes the same frames, but for the cursors and keys that the
server gave out.

Each begins as one the protocol knows; then parts of it are taken away, doubled, or replaced by junk, and at last its
text is damaged.
"""

import copy
import json
import random
import warnings

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

# What each stream takes, so that most frames get far enough to do harm.
STREAMS = {
    "things": {
        "char": "x", "integer": 5, "boolean": True, "maybe": None, "float": 0.5, "decimal": "1.50",
        "date": "2026-01-31", "time": "12:00", "datetime": "2026-01-31T12:00:00Z", "duration": "P1DT02H",
        "uuid": "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d", "json": {"a": [1]}, "binary": "AAE=", "file": "a.txt",
        "address": "::1", "size": "s", "twice": 4, "changed": "2026-01-31T12:00:00Z",
        "big": 9, "text": "t", "sealed": "AAE=", "id": 1, "pk": 1,
    },
    "seats": {"row": 3, "number": 2, "ticket": 102, "hall": "main", "guest": "bob"},
    "posts": {"liveblog": 1, "body": "b", "published": True, "created": None},
    "articles": {"blog": 1, "editor": 2, "body": "b"},
    "teams": {"name": "t", "tokens": [], "aliases": [1, 2], "allies": [1], "members": [1]},
    "labels": {"code": "s3cr3-1", "text": "t"},
    "people": {"name": "n", "password": "p", "motto": "public"},
    "tokens": {"text": "t", "id": "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d"},
    "blogs": {"slug": "s", "title": "t"},
    "echo": {"anything": 1},
    "": {},
    "nowhere": {"a": 1},
}  # fmt: skip
PARAMS = [
    {"owner": 7}, {"owner": 8}, {"owner": 9}, {"owner": "mallory"}, {"owner": "bob"}, {"owner": True},
    {"liveblog": 1}, {"liveblog": 2}, {"liveblog": "1-staff"}, {"blog": "open"}, {"blog": "s3cr3"}, {},
]  # fmt: skip
NAMES = [
    "__proto__", "constructor", "prototype", "__class__", "__init__", "__dict__", "self", "cls", "user", "hook", "args",
    "kwargs", "params", "instance", "pk", "id", "pk__gt", "big__lt", "blog__slug", "password", "_state", "objects",
    "save", "delete", "is_staff", "", " ", "\0", "ⅰd", "p\u200bk", "ﬁle", "\u202etxet", "ı", "a" * 300,
    "big", "text", "sealed", "guest", "owner", "liveblog", "data", "expect", "ref", "stream", "action", "since",
]  # fmt: skip
TEXTS = [
    *NAMES, "1 OR 1=1", "'; DELETE FROM lab_thing; --", "1-staff", "%s", "{0.__class__}", "${7*7}", "../../etc/hosts",
    "<script>alert(1)</script>", "-1", "00", "1e3", "1e999", "-1e999", "NaN", "Infinity", "sNaN", "1e1000000", "9" * 30,
    "9" * 5_000, "1_0", "１", " 7 ", "0x10", "1.", "True", "null", "[]", "{}", "\ud7ff\uffff", "\U0010ffff" * 50,
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31", "0000-00-00", "2026-02-30", "24:00",
    "P999999999D", "-999999999 00:00:00", "P" + "9" * 400 + "D", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8:9", ":" * 500,
    "A===", "{" + "2c5ea4c0" * 4 + "}", "urn:uuid:" + "0" * 32, "things-9", "liveblog-1-staff", "private", "teams",
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 2, 7, 8, 9, 99, 12345, 2**31, 2**53, -(2**53), 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.1, -0.0, 1.0,
    1e300, 5e-324, 1.5, True, False, None,
]  # fmt: skip
ACTIONS = ["create", "update", "delete", "subscribe", "unsubscribe", "ping", "ack", "error", "snapshot", "changes",
           "reset", "perform", "_perform", "__init__", "Create", "create ", "", "has_permission"]  # fmt: skip
MOST = 950_000  # characters: daphne hangs up at 1 MiB, and that is for `breakage`
# Written into the text as they are: no JSON, or JSON that readers do not agree on.
SNIPPETS = ["NaN", "-Infinity", "1e999", "-1e-999", "1" * 400, "0" * 20 + "1", "+1", ".5", "0x1F", "'a'", '"\\ud800"',
            '"\\udc00\\ud800"', '"\\x41"', '"\t"', '"\0"', "\ufeff", "//", "/**/", "undefined", "[1,]", '{"a":1,}',
            '"', "{", "}", "]", ",", ":", "\\", "\u2028", "True"]  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def junk(number, seeded):
    """Return so many values that hypothesis thinks of."""
    found = []

    @seed(seeded)
    @settings(max_examples=number, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(JSON)
    def keep(value):
        found.append(value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        keep()
    return found


class Frames:
    """`junk` is any JSON, `loot` are cursors and keys of others that a thief may have."""

    def __init__(self, number, *, junk, loot=(), speaks_new=True):
        self._r, self._junk = random.Random(number), junk
        self._loot, self._refs, self._n = list(loot), ["bob-1", "bob-2"], 0
        self._speaks_new = speaks_new

    def next(self):
        """Return the text of a frame; bytes for one that is binary."""
        frame = self._frame()
        for _ in range(self._r.choice([0, 1, 1, 1, 2, 3])):
            frame = self._mutate(frame)
        if not self._speaks_new and isinstance(frame, dict):
            frame = self._as_in_1x(frame)
        if self._r.random() < 0.002 and isinstance(frame, dict):
            frame = {**frame, "stream": "people", "more": self._large()}  # where nothing of it can be kept
        text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))  # orjson writes nothing this deep
        if self._r.random() < 0.12:
            text = self._damage(text)
        if self._r.random() < 0.01:
            return text.encode()
        return text[:MOST]

    def _as_in_1x(self, frame):
        frame.pop("ref", None)
        if isinstance(payload := frame.get("payload"), dict) and payload.get("action") in (
            "subscribe", "unsubscribe", "ping",
        ):  # fmt: skip
            payload["action"] = "update"
        return frame

    # ---- one that the protocol knows

    def _frame(self):
        r = self._r
        stream = r.choice(["things", "things", *STREAMS])
        action = r.choice(
            ["create", "create", "update", "update", "update", "delete", "subscribe", *ACTIONS[:4], r.choice(ACTIONS)]
        )
        payload = {"action": action}
        if action in ("update", "delete"):
            payload["pk"] = self._pk()
        if action in ("create", "update"):
            payload["data"] = self._data(stream)
        if action in ("update", "delete") and r.random() < 0.3:
            payload["expect"] = r.choice([self._data(stream), self._value()])
        if action == "subscribe" and r.random() < 0.6:
            payload["since"] = self._cursor()
        frame = {"stream": stream, "payload": payload}
        if r.random() < 0.9:
            frame["ref"] = self._ref()
        if r.random() < (0.7 if "subscribe" in action else 0.1):
            frame["params"] = dict(r.choice(PARAMS))
        return frame

    def _data(self, stream):
        fields = STREAMS[stream]
        chosen = self._r.sample(list(fields), self._r.randint(0, min(5, len(fields))))
        data = {name: copy.deepcopy(fields[name]) for name in chosen}
        for name in chosen:
            if self._r.random() < 0.4:
                data[name] = self._value()
        return data

    def _pk(self):
        return self._r.choice([self._r.randint(1, 60), self._r.randint(1, 15), self._value(), *self._loot[:1]])

    def _ref(self):
        if self._refs and self._r.random() < 0.05:
            return self._r.choice(self._refs)
        self._n += 1
        self._refs.append(f"r{self._n}" if self._r.random() < 0.9 else f"{self._n}{self._text()}"[:64])
        return self._refs[-1]

    def _cursor(self):
        r = self._r
        cursor = str(r.choice(self._loot or ["a:1:b:c"]))
        at = r.randrange(len(cursor))
        other = r.choice("0123456789abcdef:.é")
        return r.choice(
            [
                cursor,
                cursor[:at],
                cursor[:at] + other + cursor[at + 1 :],
                cursor + other,
                ":".join(r.sample(parts := cursor.split(":"), len(parts))),
                self._value(),
            ]
        )

    def _text(self):
        return self._r.choice(TEXTS)

    def _value(self):
        r = self._r
        return r.choice(
            [
                copy.deepcopy(r.choice(self._junk)),
                self._text(),
                r.choice(NUMBERS),
                [r.choice(NUMBERS) for _ in range(r.randint(0, 5))],
                {r.choice(NAMES): copy.deepcopy(r.choice(self._junk))},
            ]
        )

    # ---- until nobody knows it

    def _mutate(self, frame):
        """Return the frame with one place in it changed, whichever."""
        r = self._r
        if not isinstance(frame, dict | list):
            return frame
        places = list(_places(frame))
        if deeper := [(holder, key) for holder, key in places if holder is not frame and key != "action"]:
            places = r.choice([places, deeper, deeper, deeper])  # so that most frames are still read
        if not places or r.random() < 0.01:
            return r.choice([self._value(), [frame], self._deep(frame)])
        holder, key = r.choice(places)
        how = r.random()
        if how < 0.55:
            holder[key] = self._value()
        elif how < 0.65:
            del holder[key]
        elif how < 0.80 and isinstance(holder, dict):
            holder[r.choice(NAMES)] = self._value()
        elif how < 0.85 and isinstance(holder, dict):
            holder[r.choice(NAMES)] = holder.pop(key)
        elif how < 0.88:
            holder[key] = self._deep(holder[key])
        elif how < 0.90:
            holder[key] = r.choice([self._value()] * 5 + ["x" * r.choice([70, 1_001, 5_000])])
        elif how < 0.91:
            holder[key] = [r.choice(NUMBERS)] * r.choice([100, 1_001])
        elif how < 0.92:
            holder[key] = {f"k{n}": n for n in range(r.choice([100, 1_001]))}
        else:
            holder[key] = r.choice([str(holder[key]), [holder[key]], {"pk": holder[key]}])
        return frame

    def _deep(self, value):
        """Wrap it, as deep as can still be written."""
        for _ in range(self._r.choice([3, 90, 99, 101, 250])):
            value = [value] if self._r.random() < 0.5 else {"a": value}
        return value

    def _large(self):
        """Return what is just not too large for daphne."""
        return self._r.choice(["x" * 900_000, [1] * 300_000, {f"k{n}": n for n in range(40_000)}, "\0" * 150_000])

    def _damage(self, text):
        r = self._r
        at = r.randrange(len(text) + 1)
        how = r.randrange(6)
        if how == 0:
            return text[:at]
        if how == 1:
            return text[:at] + r.choice(SNIPPETS) + text[at:]
        if how == 2:
            return text[:at] + text[at + 1 :]
        if how == 3:  # the value after some colon
            parts = text.split(":")
            at = r.randrange(len(parts))
            parts[at] = r.choice(SNIPPETS) + parts[at][-1:]
            return ":".join(parts)
        if how == 4:  # a key twice, the second time with something else
            again = r.choice(["stream", "payload", "params", *(["ref"] if self._speaks_new else [])])
            return text[:-1] + "," + json.dumps({again: self._value()})[1:]
        return r.choice(["[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, text + text, " " * 1_000 + text, ""])


def _places(value):
    """Return every place in a frame: (dict or list, key or index)."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list) and len(inner) < 20:
            yield from _places(inner)
