"""**limits** → log → protocol → …

What a project may set in `CHANNELS_DATABINDING`, and what holds where it does not. Each bound has a consequence, told
beside it; `docs/security.md` has them all.
"""

from collections.abc import Mapping
from typing import Final

from django.conf import settings

DEFAULTS: Final[Mapping[str, float]] = {
    # Of one frame from a browser; past it: `too_large`. As UTF-8 at most 1 MiB, where daphne cuts a connection.
    "frame_characters": 1 << 18,
    "params_characters": 1_000,  # of a subscription's params as JSON; past it: `bad_params`
    "subscriptions": 100,  # of one socket; past it: `too_large`
    "snapshot_rows": 10_000,  # of one subscription; past it: `too_large`
    # Of a row as JSON; past it, it is left out and logged. daphne sends no frame of more than 1 MiB.
    "row_bytes": 700_000,
    # From one socket, and from all of one user's. Past it they are done more slowly; who sends on is closed: 4413.
    "frames_per_s": 100,
    "user_frames_per_s": 300,
    # Of one user, and from one address, in one server process. Past it: 4413. Private addresses are not counted: they
    # are proxies.
    "sockets_per_user": 100,
    "sockets_per_address": 1_000,
    # Of one socket's state in a room, as JSON; past it: `too_large`.
    "presence_characters": 1_000,
    "presence_entries": 100,  # of a room, told one by one: those that changed last. The others are a number
    "presence_ttl_s": 30,  # until those of a server process that fell silent are gone; it speaks three times as often
    "look_s": 5,  # between two looks at who is on a socket and what they may see: so long may a lost right still show
    "retention_s": 86_400,  # how long a browser may be away and still catch up; past it: a snapshot
    # PostgreSQL only. NOTIFY has writers wait for each other, so there are so many a second; 0 for none at all, as
    # two-phase commit asks for. What is not notified is seen when the journal is looked at all the same.
    "notifies_per_s": 50,
    "poll_s": 1,
    "reset_above": 10_000,  # changes of one table in one batch; past it: its subscriptions read again
}


def limit(name: str) -> float:
    """Return what the project set, or the default."""
    value: float = getattr(settings, "CHANNELS_DATABINDING", {}).get(name, DEFAULTS[name])
    return value


class Bucket:
    """Lets so many a second through, and after a quiet second as many at once.

    Source: the virtual scheduling algorithm (GCRA) of ITU-T I.371.
    """

    def __init__(self, per_s: float) -> None:
        self._apart_s = 1 / per_s
        self._next_at = float("-inf")

    def take(self, now: float) -> float:
        """Take one. Returns the seconds until it is there."""
        self._next_at = max(self._next_at, now - 1) + self._apart_s
        return max(0.0, self._next_at - now)
