"""protocol → **counts** → cursor → …

What a process has done since it started: plain numbers, counted where it happens. `metrics` reads them.
"""

from collections import Counter
from dataclasses import dataclass, field

from .protocol import Close


@dataclass(slots=True)
class Counts:
    changes: int = 0  # read from the journal, of the tables that somebody here listens to
    frames: int = 0  # handed to sockets
    resets: int = 0  # subscriptions that were told to read again
    closes: Counter[Close] = field(default_factory=Counter)  # of sockets, by why they were closed
