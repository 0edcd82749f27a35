"""breakage → **server** → witness → attack

The target as a process: its database, its log, its memory, its open files.
"""

import json
import re
import subprocess
import sys
from contextlib import closing, contextmanager

import databases
import process

OURS = re.compile("sqlite_|channels_databinding_")  # the journal grows with what was allowed
SQLITE_KEYS = "SELECT name, 'rowid' FROM sqlite_master WHERE type = 'table'"
POSTGRESQL_KEYS = """SELECT table_name, quote_ident(min(column_name)) FROM information_schema.key_column_usage
    JOIN information_schema.table_constraints USING (constraint_name, table_name)
    WHERE constraint_type = 'PRIMARY KEY' GROUP BY table_name"""


class Server(process.Server):
    """One process. `folder` gets the database and the log."""

    def __init__(self, folder, kind="daphne"):
        self.database = databases.make(folder)
        environment = process.environment(
            self.database, "hostile.settings", ALLOWED_HOSTS="localhost", PYTHONWARNINGS="ignore:No directory at"
        )
        super().__init__("hostile.target:application", environment, folder / "server.log", kind)
        made = subprocess.run(
            [sys.executable, "-m", "hostile.target"], env=environment, capture_output=True, text=True, check=True
        )
        self.cookies = json.loads(made.stdout)

    @contextmanager
    def running(self):
        """Serve, once: the database goes with it."""
        try:
            with super().running():
                yield self
        finally:
            databases.drop(self.database)

    def rows(self):
        """Return {table: {its key: row}} of everything but the journal."""
        sqlite = self.database.startswith("sqlite:")
        with closing(databases.connect(self.database)) as connection:
            if sqlite:
                connection.text_factory = lambda text: text.decode(errors="replace")
            tables = connection.execute(SQLITE_KEYS if sqlite else POSTGRESQL_KEYS).fetchall()
            return {table: _rows(connection, table, key) for table, key in tables if not OURS.match(table)}


def _rows(connection, table, key):
    cursor = connection.execute(f'SELECT {key} AS "its key", * FROM "{table}"')
    names = [name for name, *_ in cursor.description]
    return {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}
