"""figures, goals, plot → **report** → compare

The figures as tables, set between the marks of `docs/performance.md`. What stands around them is written by hand.
From figures that were kept: `.venv/bin/python bench/report.py bench/results/2026-01-31.json`
"""

import json
import re
import sys
from pathlib import Path

from figures import Figures, written
from goals import goals
from peers import PEERS
from plot import plot

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs/performance.md"
PLOT = PAGE.with_suffix(".svg")
SERVERS = ("daphne", "uvicorn")
COMPARED = [(name, peer.label) for name, peer in PEERS.items() if name != "hello"]
SIZES = (1, 100, 1_000, 4_000)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def grid(figures, part, columns, *, peers=COMPARED, servers=SERVERS):
    """Return a table of one part: a row for each peer on each server, a column for each (title, name)."""
    rows = []
    for server in servers:
        for peer, label in peers:
            cells = [figures.cell(part, server, peer, name) for _, name in columns]
            if set(cells) != {"–"}:
                rows.append([label, server, *cells])
    return table(["", "", *(title for title, _ in columns)], rows) if rows else "Not measured in this run."


def _sizes(name):
    return [(f"{size:,}", f"{size}.{name}") for size in SIZES]


def about(figures):
    told = figures.about
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    sentences = [
        f"Measured on {told['date']}: {told['machine']}.",
        f"{versions}.",
        f"{told['rounds']}.",
        f"The load average before it was {told['load']}." if "load" in told else "",
        "" if told["pinned"] else "The processes could not be kept on cores of their own.",
    ]
    return " ".join(filter(None, sentences))


def goal_table(figures):
    rows = [[goal, server, told, "yes" if reached else "**no**"] for goal, server, told, reached in goals(figures)]
    return table(["goal", "on", "figure", "reached"], rows)


def client(figures):
    """How we know that the load client holds nobody up."""
    shares = [
        max(values)
        for (_, server, _, name), values in figures.values.items()
        if name.endswith("load_share") and server != "raw"
    ]
    rows = []
    for size in SIZES:
        key = "fanout", "raw", "bare"
        rate, share = figures.median(*key, f"{size}.per_s"), figures.median(*key, f"{size}.load_share")
        if rate:
            rows.append([f"{size:,}", figures.cell(*key, f"{size}.per_s"), f"{share:.0%}", written(rate / share)])
    told = table(["sockets", "frames a second", "the client's share of its core", "so a full core would take"], rows)
    return f"{told}\n\nIn what is compared above it was busy for {max(shares, default=0):.0%} of its time at most."


TABLES = {
    "about": about,
    "goals": goal_table,
    "rate": lambda figures: grid(figures, "fanout", _sizes("per_s")),
    "frames": lambda figures: grid(
        figures, "fanout", _sizes("frames_per_s"), peers=[one for one in COMPARED if one[0] == "ours"]
    ),
    "cpu": lambda figures: grid(figures, "fanout", _sizes("cpu_us")),
    "one-cpu": lambda figures: grid(figures, "fanout", _sizes("one_cpu_us")),
    "median": lambda figures: grid(figures, "fanout", _sizes("median_ms")),
    "last": lambda figures: grid(figures, "fanout", _sizes("last_ms")),
    "echo": lambda figures: grid(
        figures,
        "fanout",
        [
            ("nothing else, ms", "echo.quiet_ms"),
            ("meanwhile, median", "echo.meanwhile_ms"),
            ("99 % within, ms", "echo.p99_ms"),
            ("longest, ms", "echo.most_ms"),
        ],
    ),
    "writes": lambda figures: grid(
        figures,
        "writes",
        [
            ("1: a second", "1.per_s"),
            ("1: median, ms", "1.median_ms"),
            ("50: a second", "50.per_s"),
            ("50: median, ms", "50.median_ms"),
            ("50: CPU, µs", "50.cpu_us"),
        ],
    ),
    "selective": lambda figures: grid(
        figures, "selective", [("deliveries a second", "per_s"), ("CPU per delivery, µs", "cpu_us")]
    ),
    "memory": lambda figures: grid(
        figures, "memory", [("KB a socket", "socket_kb")], peers=[*COMPARED, ("hello", PEERS["hello"].label)]
    ),
    "back": lambda figures: grid(figures, "back", [("all have their rows, ms", "all_ms"), ("queries", "queries")]),
    "bulk": lambda figures: grid(figures, "bulk", [("median, ms", "median_ms"), ("last, ms", "last_ms")]),
    "client": client,
}


def fill(page, figures):
    """Return the page with a new table between each pair of marks."""

    def between(found):
        return f"<!-- {found[1]} -->\n\n{TABLES[found[1]](figures)}\n\n<!-- end -->"

    return re.sub(r"<!-- ([\w-]+) -->\n.*?<!-- end -->", between, page, flags=re.DOTALL)


def show(figures):
    """Print all tables that have a row."""
    for name, write in TABLES.items():
        text = write(figures)
        if name == "about" or text.count("\n| ") > 1:
            print(f"\n## {name}\n\n{text}")


def publish(figures):
    PAGE.write_text(fill(PAGE.read_text(), figures))
    PLOT.write_text(plot(figures, SERVERS, COMPARED))


def keep(figures):
    """Write the figures to a file of their day. Returns it."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{figures.about['date']}.json"
    rounded = [[*key, [float(f"{value:.5g}") for value in values]] for *key, values in figures.as_json()["figures"]]
    lines = ",\n  ".join(json.dumps(line) for line in rounded)
    file.write_text(f'{{"about": {json.dumps(figures.about, indent=2)},\n"figures": [\n  {lines}\n]}}\n')
    return file


if __name__ == "__main__":
    publish(Figures.from_json(json.loads(Path(sys.argv[1]).read_text())))
