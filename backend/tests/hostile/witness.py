"""server → **witness** → attack

What was seen, held against what may be: answers against the protocol, rows against what they were, the log against
silence.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import get_args

from channels_databinding import protocol

SECRET = "s3cr3t"
MALLORY, BOB = 7, 8

ENVELOPE = {"stream", "payload", "params", "ref", "refs", "cursor"}
CODES = set(get_args(protocol.Code))
# Nobody is told how we are made.
INSIDES = re.compile(
    SECRET + r"|Traceback|File \"|\.py\b|/site-packages|\bSELECT |\bINSERT |constraint failed|\blab_\w+\.|sqlite|"
    r"\bdjango\.|\w(?:Error|Exception)\b|object at 0x|NoneType|'(?:str|int|dict|list|float|bool)'|argument|__main__"
)
# The hooks of some bindings trip over junk, as people's own will: told in full once, then in a line. And what a server
# below us says by itself, each time.
TRIPPED = re.compile(r"ERROR \S+: \w+, a subscribe: |WARNING \S+: stream '\w+', .*$")
BELOW = re.compile(
    r"WARNING: +Invalid HTTP request received|"
    r"ERROR: +(?:Invalid UTF-8 sequence|Exception in ASGI application[\s\S]*Invalid IPv6 URL)"
)
RECORD = re.compile(r"^(?=(?:WARNING|ERROR|CRITICAL)(?: \S+)?: |Unhandled)", re.M)

# The columns that somebody here may change on a row, before as after: None where it is nobody's. mallory makes and
# deletes hers, too; bob only goes on with one thing.
THING = (
    "char integer boolean maybe float decimal date time datetime duration uuid json binary address size changed twice"
)
ALLOWED = {
    "lab_thing": lambda row: {MALLORY: THING, BOB: "char changed"}.get(row["big"]),
    "lab_seat": lambda row: "row number ticket hall" if row["guest"] == "mallory" else None,
    "lab_article": lambda row: "editor_id body" if row["blog_id"] == 1 else None,
    "lab_team": lambda row: "name",
    "lab_team_tokens": lambda row: "team_id token_id",
    "lab_team_aliases": lambda row: "team_id alias_id",
    "lab_label": lambda row: "" if SECRET not in row["text"] else None,
}
UNLISTED = {"lab_thing": {"big": MALLORY, "text": "", "sealed": b""}}  # what a new row has in other columns


@dataclass
class Report:
    sent: int = 0
    answers: Counter = field(default_factory=Counter)  # ack, or an error's code
    silent: int = 0  # frames that the protocol leaves without an answer
    overtaken: int = 0  # answers before those of earlier frames
    closed: Counter = field(default_factory=Counter)
    broken: Counter = field(default_factory=Counter)
    latencies: list = field(default_factory=list)  # seconds, of the bystander's writes
    tripped: Counter = field(default_factory=Counter)  # of the target's own hooks, in the log
    below: int = 0  # of the server itself, in the log
    complaints: Counter = field(default_factory=Counter)  # all else in the log
    illegitimate: list = field(default_factory=list)  # rows that should not be as they are
    faults: list = field(default_factory=list)
    memory: list = field(default_factory=list)  # bytes: before, and after each tenth
    handles: list = field(default_factory=list)  # open files after each tenth, and at last

    def fault(self, what, *evidence):
        self.faults.append(" | ".join([what, *(str(part)[:600] for part in evidence)]))

    def lines(self):
        yield f"frames sent            {self.sent:,}"
        yield f"  answered             {sum(self.answers.values()):,}: " + _told(self.answers)
        yield f"  rightly not answered {self.silent:,}"
        yield f"  answers that came before those of earlier frames {self.overtaken:,}"
        yield f"sockets closed         {_told(self.closed) or 'none'}"
        yield f"below the frames       {sum(self.broken.values()):,}"
        yield from (f"  {how:<55} {number:,}" for how, number in sorted(self.broken.items()))
        yield f"written that should not be   {len(self.illegitimate)}"
        yield from (f"  {row[:300]}" for row in self.illegitimate[:20])
        if self.latencies:
            ordered = sorted(self.latencies)
            worst, late = ordered[-1], ordered[int(len(ordered) * 0.99)]
            yield (
                f"bystander's writes     {len(ordered):,}: median {median(ordered) * 1e3:.0f} ms, "
                f"99 % within {late * 1e3:.0f} ms, worst {worst * 1e3:.0f} ms"
            )
        yield f"server's memory, MB    {', '.join(f'{size / (1 << 20):.1f}' for size in self.memory)}"
        yield f"server's open files    {' → '.join(map(str, self.handles))}"
        yield f"log: complaints        {sum(self.complaints.values()):,}"
        yield f"  beside those of hooks {sum(self.tripped.values()):,}, of the server itself {self.below:,}"
        yield from (f"  {number:>6,} × {what}" for what, number in self.complaints.most_common(40))
        yield f"faults                 {len(self.faults)}"
        yield from (f"  {fault}" for fault in self.faults[:40])


def _told(counter):
    return ", ".join(f"{what} {number:,}" for what, number in counter.most_common())


def illegitimate(before, after):
    """Return the changes that nobody was allowed."""
    for table in before.keys() | after.keys():
        old, new = before[table], after[table]
        for key in old.keys() | new.keys():
            was, now = old.get(key), new.get(key)
            if was != now and not _is_allowed(table, was, now):
                yield f"{table}: {was} became {now}"


def _is_allowed(table, was, now):
    columns = {ALLOWED.get(table, lambda row: None)(row) for row in (was, now) if row is not None}
    if len(columns) > 1 or None in columns:
        return False
    if was and now:
        return {name for name in was if was[name] != now[name]} <= set(columns.pop().split())
    unlisted = UNLISTED.get(table, {})
    return now is None or all(now[name] == value for name, value in unlisted.items())


def read_log(report, text):
    """Put each record of a log where it belongs."""
    for record in filter(str.strip, RECORD.split(text)):
        if BELOW.match(record):
            report.below += 1
            continue
        what = _complaint(record)
        kind = report.tripped if TRIPPED.match(record.strip()) else report.complaints
        kind[what] += 1
        if "Traceback" in record and kind[what] == 2:
            report.fault("told in full again", what)


def _complaint(text):
    """Return one line for a complaint: what is the same each time."""
    lines = text.strip().splitlines()
    first = re.sub(r"ref .*:|\d+|'[^']*'|\"[^\"]*\"", "…", lines[0])
    return first[:160] + (" → " + re.sub(r"'[^']*'", "…", lines[-1])[:200] if len(lines) > 1 else "")
