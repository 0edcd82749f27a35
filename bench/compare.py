"""Side by side with what else there is: `.venv/bin/python bench/compare.py`

    --quick              four minutes, fewer rounds, at most 1,000 sockets
    --only fanout,back   some of the parts: fanout writes selective memory back bulk
    --servers daphne     --peers ours,bare      some of what is compared
    --write              keep the figures in bench/results/, and write docs/performance.md

Servers run on one core, the load on another, in rounds (A B C D A B C D …), each with a fresh database. The
figures are medians of the rounds.
"""

import argparse
import gc
import os
import resource
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "apps"))  # for the layout that both sides know

import measures
from peers import PEERS
from servers import LOAD_CORE, Server, databases, install, pin

PARTS = {name: getattr(measures, name) for name in ("fanout", "writes", "selective", "memory", "back", "bulk")}
SERVERS = ("daphne", "uvicorn")
FILES = 12_000  # sockets that may be open


@dataclass(frozen=True)
class Pace:
    """How long each measure goes on: so many seconds, so many times."""

    rounds: int
    seconds: float
    times: int
    most: int

    def sizes(self, peer):
        return [size for size in (1, 100, 1_000, 4_000) if size <= self.most]


QUICK = Pace(rounds=1, seconds=1.0, times=6, most=1_000)
FULL = Pace(rounds=3, seconds=2.0, times=15, most=4_000)


def combinations(part, servers, peers):
    """Return what a part compares, as (server, peer)."""
    if part == "fanout":
        yield "raw", "bare"
    for server in servers:
        for peer in peers:
            if part == "writes" and PEERS[peer].write is None:
                continue
            if part == "bulk" and not PEERS[peer].sees_update:
                continue
            yield server, peer
        if part == "memory":
            yield server, "hello"


def measure(parts, servers, peers, pace):
    """Return {(part, server, peer): {figure: [one of each round]}}."""
    figures = defaultdict(lambda: defaultdict(list))
    with databases() as folder:
        for turn in range(pace.rounds):
            for part in parts:
                for server, peer in combinations(part, servers, peers):
                    begun = time.monotonic()
                    with Server(peer, server, folder) as running:
                        try:
                            for name, figure in PARTS[part](running, PEERS[peer], pace):
                                figures[part, server, peer][name].append(figure)
                        except Exception as error:
                            print(f"  {part} {server} {peer}: {error!r}\n{running.log()}", flush=True)
                    took = time.monotonic() - begun
                    print(f"· round {turn + 1}, {part}, {server}, {peer}: {took:.0f} s", flush=True)
                    gc.collect()
    return figures


def listed(names):
    def read(text):
        chosen = text.split(",")
        if unknown := set(chosen) - set(names):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
        return chosen

    return read


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=listed(PARTS), default=list(PARTS))
    parser.add_argument("--servers", type=listed(SERVERS), default=list(SERVERS))
    peers = [peer for peer in PEERS if peer != "hello"]
    parser.add_argument("--peers", type=listed(peers), default=peers)
    parser.add_argument("--rounds", type=int)
    options = parser.parse_args()

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard))
    pin(os.getpid(), LOAD_CORE)
    install()
    gc.disable()
    pace = QUICK if options.quick else FULL
    figures = measure(options.only, options.servers, options.peers, pace)
    for (part, server, peer), found in figures.items():
        for name, values in found.items():
            spread = f"{min(values):.2f} to {max(values):.2f}"
            print(f"{part:10} {server:8} {peer:9} {name:20} {measures.median(values):12.2f}   {spread}")


if __name__ == "__main__":
    main()
