"""Side by side with what else there is: `.venv/bin/python bench/compare.py`

    --quick              four minutes at most: one round, at most 1,000 sockets
    --only fanout,back   some of the parts: fanout writes selective memory back bulk
    --servers daphne     --peers ours,bare      some of what is compared
    --rounds 5           more rounds
    --write              keep the figures in bench/results/, and write docs/performance.md and its plot

Servers run on one core, the load on another, in rounds (A B C D A B C D …), each with a fresh process and database. The
figures are medians of the rounds. What the servers need is installed into bench/.venv. Made for Linux, with two cores.
"""

import argparse
import datetime
import gc
import os
import platform
import resource
import signal
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "apps"))  # for the layout that both sides know

import measures
import report
from figures import Figures
from load import Silent
from peers import PEERS
from servers import LOAD_CORE, Server, databases, install, pin, versions
from websocket import Closed, Failed

PARTS = {name: getattr(measures, name) for name in ("fanout", "writes", "selective", "memory", "back", "bulk")}
FILES = 12_000  # sockets that may be open


@dataclass(frozen=True)
class Pace:
    """How long each measure goes on: so many seconds, or so many times. `most` is how many sockets there are."""

    rounds: int
    seconds: float
    times: int
    most: int

    def sizes(self, server, peer, turn):
        """Return the numbers of sockets for one fan-out. Some take minutes for 4,000: once must do."""
        most = 1_000 if turn and PEERS[peer].has_layer else self.most
        return [size for size in report.SIZES if size <= most]


QUICK = Pace(rounds=1, seconds=1.0, times=6, most=1_000)
FULL = Pace(rounds=3, seconds=2.0, times=15, most=4_000)


def combinations(part, servers, peers):
    """Return what a part compares, as (server, peer)."""
    if part == "fanout":
        yield "raw", "bare"
    for server in servers:
        for name in peers:
            peer = PEERS[name]
            if (part != "writes" or peer.write) and (part != "bulk" or peer.sees_update):
                yield server, name
        if part == "memory":
            yield server, "hello"


def measure(parts, servers, peers, pace):
    """Return {(part, server, peer, name): [one of each round]}."""
    found = defaultdict(list)
    with databases() as folder:
        for turn in range(pace.rounds):
            for part in parts:
                for server, peer in combinations(part, servers, peers):
                    print(f"· round {turn + 1} of {pace.rounds}: {part}, {server}, {peer}", end="", flush=True)
                    begun = time.monotonic()
                    with Server(peer, server, folder) as running:
                        try:
                            sizes = pace.sizes(server, peer, turn)
                            for name, figure in PARTS[part](running, PEERS[peer], pace, sizes):
                                found[part, server, peer, name].append(figure)
                        except (Silent, Closed, Failed, OSError) as error:  # a figure less, and the rest goes on
                            print(f"\n  failed: {error}\n{running.log()}", end="", flush=True)
                    print(f", {time.monotonic() - begun:.0f} s", flush=True)
                    gc.collect()
    return dict(found)


def machine():
    """Return what this runs on, in words."""
    kernel = f"{platform.system()} {platform.release()}"
    try:
        told = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        processor = next(value.strip() for name, value in told.items() if name.strip() == "model name")
    except (OSError, StopIteration):
        processor = platform.processor()
    return f"{os.cpu_count()} cores of {processor}, {kernel}"


def some_of(names):
    def read(text):
        chosen = text.split(",")
        if unknown := set(chosen) - set(names):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
        return chosen

    return read


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peers = [peer for peer, _ in report.COMPARED]
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=some_of(PARTS), default=list(PARTS))
    parser.add_argument("--servers", type=some_of(report.SERVERS), default=list(report.SERVERS))
    parser.add_argument("--peers", type=some_of(peers), default=peers)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def main():
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # not before the server is
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if most == resource.RLIM_INFINITY else min(FILES, most), most))
    install()
    pinned = pin(os.getpid(), LOAD_CORE)
    gc.disable()  # it would stop the load for some milliseconds; between the parts it is called
    pace = QUICK if chosen.quick else FULL
    pace = Pace(chosen.rounds or pace.rounds, pace.seconds, pace.times, pace.most)
    begun, (load, _, _) = time.monotonic(), os.getloadavg()
    values = measure(chosen.only, chosen.servers, chosen.peers, pace)
    about = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "rounds": f"{pace.rounds} round{'s' if pace.rounds > 1 else ''}, {(time.monotonic() - begun) / 60:.0f} minutes",
        "load": round(load, 2),
        "pinned": pinned,
    }
    figures = Figures(about, values)
    report.show(figures)
    if chosen.write:
        print(f"\nKept in {report.keep(figures)}.")
        report.publish(figures)


if __name__ == "__main__":
    main()
