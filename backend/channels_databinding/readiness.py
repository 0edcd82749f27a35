"""… → hub → **readiness** → metrics → …

Whether this process can do its work: for load balancers, which ask each process again and again.
"""

import logging
from dataclasses import dataclass
from typing import Final

from django.db import Error, connection

from .capture.install import missing
from .hub import hubs

logger = logging.getLogger(__name__)

BEHIND_S: Final = 30.0  # past it a process is not ready: browsers had better connect to another


@dataclass(frozen=True, slots=True)
class Readiness:
    """`journal`: its tables and triggers are there. `follows`: somebody here listens, so the journal is read here.
    `behind_s`: how long ago all was handed on that was there, 0 where nothing waits."""

    database: bool
    journal: bool
    follows: bool
    behind_s: float

    @property
    def ready(self) -> bool:
        return self.database and self.journal and self.behind_s < BEHIND_S


def readiness() -> Readiness:
    """Ask the database and this process's hubs. What is wrong is logged, and not returned: it may hold names."""
    database = journal = False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        database = True
        lacking = missing()
        journal = not lacking
        if lacking:
            logger.warning("Not ready: there is no %s. Run `manage.py migrate`.", ", ".join(lacking))
    except Error as error:
        logger.warning("Not ready: the database does not answer: %s", error)
    behind = [seconds for hub in hubs() if (seconds := hub.behind_s) is not None]
    ready = Readiness(database, journal, bool(behind), round(max(behind, default=0.0), 3))
    if ready.behind_s >= BEHIND_S:
        logger.warning("Not ready: what was changed %.0f seconds ago is not yet handed on.", ready.behind_s)
    return ready
