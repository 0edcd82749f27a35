"""breakage → **server** → witness → attack

The target as a process: its database, its log, its memory, its open files.
"""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import process

OURS = re.compile("sqlite_|channels_databinding_")  # the journal grows with what was allowed


class Server(process.Server):
    """One process. `folder` gets the database and the log."""

    def __init__(self, folder, kind="daphne"):
        self.database = folder / "db.sqlite3"
        environment = process.environment(
            self.database, "hostile.settings", ALLOWED_HOSTS="localhost", PYTHONWARNINGS="ignore:No directory at"
        )
        super().__init__("hostile.target:application", environment, folder / "server.log", kind)
        made = subprocess.run(
            [sys.executable, "-m", "hostile.target"], env=environment, capture_output=True, text=True, check=True
        )
        self.cookies = json.loads(made.stdout)

    def rows(self):
        """Return {table: {rowid: row}} of everything but the journal."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=20)) as connection:
            connection.row_factory, connection.text_factory = sqlite3.Row, lambda text: text.decode(errors="replace")
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {
                table: {
                    row["_rowid"]: dict(row) for row in connection.execute(f"SELECT rowid _rowid, * FROM '{table}'")
                }
                for table in tables
                if not OURS.match(table)
            }
