"""**machine** → line → screen → conftest

What runs on this machine beside the browser: servers, and other programs that write to the database.
"""

import os
import subprocess
import sys
from pathlib import Path

import process

BACKEND = Path(__file__).resolve().parents[1] / "backend"


def environment(database, **more):
    """Return the environment of every process of ours: the database of this URL, nothing of what `.env` may say."""
    settings = {"DEBUG": "1", "DATABASE_URL": database, "ALLOWED_HOSTS": ""}
    return os.environ | settings | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"} | more


def manage(database, *arguments):
    """Run manage.py in a process of its own. Returns what it printed."""
    return _run([sys.executable, "manage.py", *arguments], cwd=BACKEND, env=environment(database))


def shell(database, code):
    return manage(database, "shell", "--no-imports", "--command", code)


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Server(process.Server):
    """A daphne process, as in production: `daphne config.asgi:application`. `log` is what it told, a file."""

    def __init__(self, database, log, *, project=BACKEND, **more):
        super().__init__("config.asgi:application", environment(database, **more), log, folder=project)
        self.url = f"http://127.0.0.1:{self.port}"
        self._read = 0

    def told(self):
        """Return what is new in its log."""
        with self._log.open() as log:
            log.seek(self._read)
            new = log.read()
            self._read = log.tell()
        return new
