"""protocol → **counts** → cursor → …

What a process has done since it started: plain numbers, counted where it happens. `metrics` reads them.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    changes: int = 0  # read from the journal, of the tables that somebody here listens to
    frames: int = 0  # handed to sockets
    resets: int = 0  # subscriptions that were told to read again
    closes: Counter[int] = field(default_factory=Counter)  # of sockets, by the code that they were closed with
