"""**servers** → measures → compare

What is measured, in processes of their own: each peer on each server, on a core of its own.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from load import Line

HERE = Path(__file__).resolve().parent
APPS = HERE / "apps"
PYTHON = HERE / ".venv/bin/python"
START_S = 30
SERVER_CORE, LOAD_CORE = 0, 1

COMMANDS = {
    "daphne": ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p"],
    "raw": ["raw.py"],  # no server at all: how fast the load client can be
    "uvicorn": ["-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--lifespan", "off", "--port"],
}


def install():
    """Make `bench/.venv` what `bench/requirements.txt` says."""
    lock, stamp = HERE / "requirements.txt", HERE / ".venv/.installed"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return
    print("Installing bench/requirements.txt into bench/.venv …", flush=True)
    subprocess.run([sys.executable, "-m", "venv", HERE / ".venv"], check=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", lock]
    subprocess.run(pip, check=True)
    stamp.write_text(lock.read_text())


def pin(pid, core):
    """Keep a process on one core, where that can be done. Returns whether."""
    if not hasattr(os, "sched_setaffinity") or core not in os.sched_getaffinity(0) | {core} or os.cpu_count() < 2:
        return False
    os.sched_setaffinity(pid, {core})
    return True


def versions():
    """Return the versions of what the servers run."""
    names = ("Django", "channels", "daphne", "Twisted", "autobahn", "uvicorn", "websockets", "uvloop", "orjson")
    code = (
        "import json, platform, sqlite3, sys\nfrom importlib.metadata import version\n"
        "told = {'Python': platform.python_version(), 'SQLite': sqlite3.sqlite_version}\n"
        "print(json.dumps(told | {name: version(name) for name in sys.argv[1:]}))"
    )
    done = subprocess.run([PYTHON, "-c", code, *names, "djangochannelsrestframework"], capture_output=True, check=True)
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Status:
    """What a server says of itself: seconds of CPU, resident memory, statements sent to the database."""

    cpu_s: float
    resident_kb: int
    queries: dict


class Server:
    """One peer on one server, with a fresh copy of its database."""

    def __init__(self, peer, server, folder):
        self.peer, self.server, self.folder = peer, server, Path(folder)

    def __enter__(self):
        database = self.folder / f"{time.monotonic_ns()}.sqlite3"
        database.write_bytes(self._filled().read_bytes())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [PYTHON, *COMMANDS[self.server], str(self.port), f"peer_{self.peer}:application"]
        self._log = (self.folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            command, cwd=APPS, env=self._environment(database), stdout=self._log, stderr=self._log
        )
        pin(self._process.pid, SERVER_CORE)
        self._control = self._wait()
        self._asking = Line(self.port, "/control")
        return self

    def __exit__(self, *_):
        self._control.close()
        self._asking.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    def save(self, pk, value):
        """Have an item saved. Returns before it is."""
        self._control.say(f"save {pk} {value}")

    def update(self, board, value):
        self._control.say(f"update {board} {value}")

    def status(self):
        return Status(**json.loads(self._asking.ask("status")))

    def cpu_s(self):
        """Return how long this process has been on a processor. On Linux without disturbing it."""
        libc, clock = ctypes.CDLL(None), ctypes.c_int()
        if not hasattr(libc, "clock_getcpuclockid"):
            return self.status().cpu_s
        libc.clock_getcpuclockid(self._process.pid, ctypes.byref(clock))
        return time.clock_gettime(clock.value)

    def log(self):
        """Return the end of what it told."""
        return (self.folder / "server.log").read_text()[-2_000:]

    def _environment(self, database):
        path = os.pathsep.join([str(APPS), str(HERE.parent / "backend")])
        own = {"PYTHONPATH": path, "BENCH_PEER": self.peer, "BENCH_DATABASE": str(database)}
        return os.environ | own | {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONUNBUFFERED": "1"}

    def _filled(self):
        """Return the file that servers of this peer are given a copy of."""
        file = self.folder / f"{self.peer}.sqlite3"
        if not file.exists():
            subprocess.run([PYTHON, "fill.py"], cwd=APPS, env=self._environment(file), check=True)
        return file

    def _wait(self):
        deadline = time.monotonic() + START_S
        while True:
            try:
                return Line(self.port, "/control")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.peer} did not start on {self.server}:\n{self.log()}") from None
                time.sleep(0.02)


@contextmanager
def databases():
    """Give a folder for the servers' files. It is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield folder
