"""… → models → capture.sqlite → capture.postgresql → **capture** → capture.install → journal → …

Database triggers that write one journal row for every changed row, in the transaction that changes it, and how those
rows are read back. One module a kind of database, each with the same names; `install` puts the triggers where bindings
need them.
"""

from types import ModuleType
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from . import postgresql, sqlite

DATABASES: Final[dict[str, ModuleType]] = {"sqlite": sqlite, "postgresql": postgresql}


def database(using: str = DEFAULT_DB_ALIAS) -> Any:
    """Return the module that knows this database's kind."""
    return DATABASES[connections[using].vendor]
