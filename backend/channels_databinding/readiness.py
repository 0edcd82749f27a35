"""… → hub → **readiness** → metrics → …

Whether this process can do its work: for load balancers, which ask each process again and again.
"""

from dataclasses import dataclass
from typing import Final

from django.db import DEFAULT_DB_ALIAS, Error, connections

from .binding import aliases, bindings_in
from .capture.install import missing
from .hub import feeds
from .log import logger

BEHIND_S: Final = 30.0  # past it a process is not ready: browsers had better connect to another


@dataclass(frozen=True, slots=True)
class Readiness:
    """`database`: each database answers. `journal`: its tables and triggers are there. `follows`: somebody here
    listens, so journals are read here. `behind_s`: how long ago all was handed on that was there, 0 where nothing
    waits."""

    database: bool
    journal: bool
    follows: bool
    behind_s: float

    @property
    def ready(self) -> bool:
        return self.database and self.journal and self.behind_s < BEHIND_S


def readiness() -> Readiness:
    """Ask the databases and this process's feeds. What is wrong is logged, and not returned: it may hold names."""
    answers, journals = zip(*map(_look, {DEFAULT_DB_ALIAS, *aliases()}), strict=True)
    behind = [feed.behind_s for feed in feeds() if feed.behind_s is not None]
    ready = Readiness(all(answers), all(journals), bool(behind), round(max(behind, default=0.0), 3))
    if ready.behind_s >= BEHIND_S:
        logger.warning("Not ready: what was changed %.0f seconds ago is not yet handed on.", ready.behind_s)
    return ready


def _look(using: str) -> tuple[bool, bool]:
    """Return whether a database answers, and whether it has what its bindings need."""
    try:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT 1")
        lacking = missing(using) if bindings_in(using) else []
    except Error as error:
        logger.warning("Not ready: the database %r does not answer: %s", using, error)
        return False, False
    if lacking:
        what = ", ".join(lacking)
        logger.warning(
            "Not ready: the database %r has no %s. Run `manage.py migrate --database %s`.", using, what, using
        )
    return True, not lacking
