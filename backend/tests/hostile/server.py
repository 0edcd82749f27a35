"""breakage → **server** → witness → attack

The target as a process: its database, its log, its memory, its open files.
"""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[2]
START_S = 30
STOP_S = 20
OURS = re.compile("sqlite_|channels_databinding_")  # the journal grows with what was allowed


class Server:
    """One process. `folder` gets the database and the log."""

    def __init__(self, folder, name="daphne"):
        self.database, self._log = folder / "db.sqlite3", folder / "server.log"
        self._environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "hostile.settings",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "DEBUG": "0",
            "SECRET_KEY": "a key of production's length, which nobody can guess",
            "ALLOWED_HOSTS": "localhost",
            "REDIS_URL": "",
            "PYTHONPATH": os.pathsep.join([str(BACKEND), str(BACKEND / "tests")]),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore:No directory at",
        }
        made = subprocess.run(
            [sys.executable, "-m", "hostile.target"], env=self._environment, capture_output=True, text=True, check=True
        )
        self.cookies = json.loads(made.stdout)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [sys.executable, "-m"] + {
            "daphne": ["daphne", "-b", "127.0.0.1", "-p", str(self.port), "-v", "0", "hostile.target:application"],
            "uvicorn": ["uvicorn", "--port", str(self.port), "--log-level", "warning", "hostile.target:application"],
        }[name]

    @contextmanager
    def running(self):
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            deadline = time.monotonic() + START_S
            while not self._answers():
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.02)
            yield self
        finally:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def log(self):
        return self._log.read_text(errors="replace")

    def memory(self):
        """Return KiB that the process has in memory, 0 where nobody can tell."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def handles(self):
        try:
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except OSError:
            return 0

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
