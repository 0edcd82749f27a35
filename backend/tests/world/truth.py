"""What the table really held after each commit, read on a connection that knows nothing of Django."""

from bisect import bisect_right
from collections import Counter, defaultdict

from django.db import connection

import databases
from channels_databinding.capture import database

LETTERS = {1: "a", 2: "b", 3: "c"}  # live blogs, and the groups of their posts
CLEAN = """
    DELETE FROM example_post; DELETE FROM example_liveblog; DELETE FROM channels_databinding_journal;
    DELETE FROM channels_databinding_ref; DELETE FROM channels_databinding_mark;
    UPDATE channels_databinding_state SET value = '0' WHERE key = 'floor';
    UPDATE channels_databinding_state SET value = 'first' WHERE key = 'epoch';
    INSERT INTO example_liveblog (id, name, slug) VALUES (1, 'a', 'a'), (2, 'b', 'b'), (3, 'c', 'c');
"""
SEQUENCES = {
    "sqlite": "DELETE FROM sqlite_sequence WHERE name IN ('example_post', 'channels_databinding_journal')",
    "postgresql": "ALTER SEQUENCE example_post_id_seq RESTART",
}


def in_line(position):
    """Return a position as a number: here all commits come one after the other. On PostgreSQL a position is the first
    transaction that is not seen, and those before it that are running: at most the one that a savepoint is of."""
    first, *running = str(position).split(".")
    return int(first) * 2 - len(running)


def groups_of(data):
    """Return the groups of a post from its data: its blog's, and "b" too when it is published."""
    return {LETTERS[data["liveblog"]]} | ({"b"} if data["published"] else set())


class Truth:
    """Every commit, in order. Each writer writes a body never used before, so a body names one state of one row."""

    def __init__(self):
        self.file = databases.connect(databases.url_of(connection))
        for statement in ("BEGIN", *filter(str.strip, CLEAN.split(";")), SEQUENCES[connection.vendor], "COMMIT"):
            self.file.execute(statement)
        self.epoch, self.positions, self.tables = "", [], []
        self.landed = Counter()  # how often each body came into the table
        self.pk_of = {}  # body: pk
        self.newest = Counter()  # (who, pk): the number of the newest write of theirs on this row
        self.been = defaultdict(set)  # pk: groups it was in, even within a transaction
        self.look()

    def look(self, within=()):
        """Note what was committed since the last look: at most one transaction, within which these (pk, body) were
        written. Returns the journal's position."""
        self.file.execute("BEGIN")
        self.epoch, _, position, _ = database().stand(self.file.cursor())
        position = in_line(position)
        table = self.note(self.file.execute)
        self.file.execute("COMMIT")
        before = self.now if self.tables else {}
        if not self.positions or position != self.positions[-1]:
            self.positions.append(position)
            self.tables.append(table)
        assert table == self.now, "a change that the journal does not have"
        for pk, data in table.items():
            if data["body"] != before.get(pk, {}).get("body"):
                self.land(pk, data["body"])
        for pk, body in within:
            if body != table.get(pk, {}).get("body"):  # another write of the same transaction went over it
                self.landed[body] += 1
        return position

    def land(self, pk, body):
        self.landed[body] += 1
        self.pk_of[body] = pk
        who, _, number = body.rstrip("+").rpartition("-")
        if who:  # a browser's, named by its ref; but what is written beside it comes with it
            assert int(number) >= self.newest[who, pk], "an older edit of theirs overwrites a newer one"
            self.newest[who, pk] = int(number)

    def note(self, execute):
        """Read the table, inside somebody's transaction or outside, and note who may have seen its rows."""
        rows = execute("SELECT id, liveblog_id, body, published FROM example_post ORDER BY id").fetchall()
        table = {pk: {"liveblog": blog, "body": body, "published": bool(on)} for pk, blog, body, on in rows}
        for pk, data in table.items():
            self.been[pk] |= groups_of(data)
        return table

    @property
    def now(self):
        return self.tables[-1]

    @property
    def position(self):
        return self.positions[-1]

    def view(self, groups, position):
        """Return the rows that these groups may see, as they were at `position`."""
        return _seen(groups, self.tables[self._at(position)])

    def _at(self, position):
        return max(0, bisect_right(self.positions, position) - 1)

    def reached(self, rows, groups, position):
        """Whether `rows` is what these groups may see at `position` or later."""
        first = self._at(position)
        return any(rows == _seen(groups, table) for table in self.tables[first:])

    def was_told(self, groups, pk, data, since):
        """Whether somebody in these groups may have seen the row like this at `since` or later."""
        first = self._at(since)
        return bool(groups & groups_of(data)) and any(table.get(pk) == data for table in self.tables[first:])


def _seen(groups, table):
    return {pk: data for pk, data in table.items() if groups & groups_of(data)}
