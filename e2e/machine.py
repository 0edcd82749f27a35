"""**machine** → line → screen → conftest

What runs on this machine beside the browser: servers, the database file, other programs that write to it.
"""

import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[1] / "backend"
# What tests leave as it is: SQLite's own tables, Django's lists of what there is, the journal.
KEPT = re.compile("sqlite_|channels_databinding_|django_migrations|django_content_type|auth_permission")
START_S = 30
STOP_S = 10


def environment(database):
    """Return the environment of every process of ours: this database, and nothing of what `.env` may say."""
    settings = {"DEBUG": "1", "DATABASE_URL": f"sqlite:///{database}", "REDIS_URL": "", "ALLOWED_HOSTS": ""}
    return os.environ | settings | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


def manage(database, *arguments):
    """Run manage.py in a process of its own. Returns what it printed."""
    return _run([sys.executable, "manage.py", *arguments], cwd=BACKEND, env=environment(database))


def shell(database, code):
    return manage(database, "shell", "--no-imports", "--command", code)


def sqlite(database, *statements):
    """Run SQL in a process that knows the `sqlite3` module and nothing of Django."""
    program = (
        "import sqlite3, sys\n"
        "with sqlite3.connect(sys.argv[1], timeout=20) as connection:\n"
        "    for statement in sys.argv[2:]: connection.execute(statement)\n"
        "connection.close()\n"
    )
    _run([sys.executable, "-I", "-c", program, str(database), *statements])


def rows(database, question, *values):
    """Ask the database. It is only read."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=20)) as connection:
        return connection.execute(question, values).fetchall()


def restore(database, seeded):
    """Give the tables that tests may change the rows they have in another file."""
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS seeded", [str(seeded)])
        connection.execute("BEGIN IMMEDIATE")
        tables = [name for (name,) in connection.execute("SELECT name FROM seeded.sqlite_master WHERE type = 'table'")]
        for table in tables:
            if not KEPT.match(table):
                connection.execute(f"DELETE FROM main.{table}")
                connection.execute(f"INSERT INTO main.{table} SELECT * FROM seeded.{table}")
        connection.execute("COMMIT")


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port():
    """Return a port nobody listens on. Below those that systems hand out by themselves: it must still be free when a
    killed server comes back."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """A daphne process, as in production: `daphne config.asgi:application`. `log` is what it told, a file."""

    def __init__(self, database, log, *, project=BACKEND):
        self._log = log
        self._read = 0
        self._process = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        daphne = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port)]
        self._command = [*daphne, "config.asgi:application"]
        self._where = {"cwd": project, "env": environment(database)}

    def start(self):
        """It answers. One that does already is left alone."""
        if self._process is not None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._where
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, f"daphne ended at once:\n{self.told()}"
            assert time.monotonic() < deadline, f"daphne did not start in {START_S} s:\n{self.told()}"
            time.sleep(0.02)

    def kill(self):
        """It ends as in a crash: nothing is flushed, nobody is told."""
        self._end(signal.SIGKILL)

    def stop(self):
        """It ends as for a new version: in its own time."""
        self._end(signal.SIGTERM)

    def told(self):
        """Return what is new in its log."""
        with self._log.open() as log:
            log.seek(self._read)
            new = log.read()
            self._read = log.tell()
        return new

    def _end(self, sign):
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(sign)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it writes where each thread is
            process.wait()
            raise AssertionError(f"daphne did not stop in {STOP_S} s:\n{self.told()}") from None

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
