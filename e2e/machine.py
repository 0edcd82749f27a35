"""**machine** → line → screen → conftest

What runs on this machine beside the browser: servers, and other programs that write to the database.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from process import free_port

BACKEND = Path(__file__).resolve().parents[1] / "backend"
START_S = 30
STOP_S = 10


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


class Server:
    """A daphne process, as in production: `daphne config.asgi:application`. `log` is what it told, a file."""

    def __init__(self, database, log, *, project=BACKEND, **more):
        self._log = log
        self._read = 0
        self._process = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        daphne = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port)]
        self._command = [*daphne, "config.asgi:application"]
        self._where = {"cwd": project, "env": environment(database, **more)}

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
