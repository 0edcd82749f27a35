"""A server that really runs, in a process of its own."""

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parent
COMMANDS = {
    "daphne": ["daphne", "-v", "0", "-b", "127.0.0.1", "-p"],
    "uvicorn": ["uvicorn", "--log-level", "warning", "--port"],
}
START_S, STOP_S = 30, 20
FIRST_PORT = int(os.environ.get("FIRST_PORT", "20000"))  # bin/test runs two parts at a time, each with its own 6,000


def environment(database, settings, **more):
    """Return the environment of a process that works on the database of this URL as a server in production does."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "DATABASE_URL": database,
        "DEBUG": "0",  # which would remember each query
        "SECRET_KEY": "a key of production's length, which nobody can guess",
        "HTTPS": "0",
        **more,
    }


def free_port():
    """Return a port nobody listens on. Below those that systems hand out by themselves: it must still be free when a
    killed server comes back."""
    while True:
        port = random.randrange(FIRST_PORT, FIRST_PORT + 6_000)
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """`application` on the server `kind`. What it says goes to the file `log`. `process` is the last one it had."""

    def __init__(self, application, environment, log, kind="daphne", *, folder=None):
        self.port, self.process = free_port(), None
        self._command = [sys.executable, "-m", *COMMANDS[kind], str(self.port), application]
        self._environment, self._folder, self._log = environment, folder, log

    def start(self):
        """It answers. One that does already is left alone."""
        if self._runs():
            return
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._runs(), f"the server ended at once:\n{self.log()}"
            assert time.monotonic() < deadline, f"the server did not start in {START_S} s:\n{self.log()}"
            time.sleep(0.02)  # another process tells of nothing but by an answer

    def stop(self):
        """It ends as for a new version: in its own time, which is bounded."""
        if not self._runs():
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # it writes where each thread is
            self.process.wait()
            raise AssertionError(f"the server did not stop in {STOP_S} s:\n{self.log()}") from None

    def kill(self):
        """It ends as in a crash: nothing is flushed, nobody is told."""
        if self._runs():
            self.process.kill()
            self.process.wait()

    @contextmanager
    def running(self):
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def _runs(self):
        return self.process is not None and self.process.poll() is None

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def log(self):
        return self._log.read_text(errors="replace")

    def memory(self):
        """Return its resident memory in bytes, 0 where the system does not tell."""
        told = Path(f"/proc/{self.process.pid}/statm")
        return int(told.read_text().split()[1]) * resource.getpagesize() if told.exists() else 0

    def handles(self):
        """Return how many files and sockets it has open, 0 where the system does not tell."""
        try:
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except OSError:
            return 0
