"""process → **servers**

PostgreSQL and Redis of the tests' own: from what is installed on this machine, in temporary folders, on free ports of
loopback. They are not yours: nothing in them outlives the tests.

    .venv/bin/python backend/tests/servers.py COMMAND…

runs a command with DATABASE_URL and REDIS_URL of such servers, or of those that TEST_DATABASE_URL and TEST_REDIS_URL
name, and ends them after it. Without a command it says whether it could.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from glob import glob
from pathlib import Path

import psycopg

from process import free_port

START_S, STOP_S = 30, 20


class Missing(Exception):
    """A server is not installed. Says what to do."""


class Service:
    """A server in a folder of its own. After `start` it answers; `kill` is a crash; `url` stays the same."""

    program: str  # without which it cannot be
    package: str  # of Debian's
    variable: str  # that names one which is there already
    _who: dict = {}  # whom it runs as

    @classmethod
    def find(cls):
        """Return the folder of its programs. On Debian root has them installed. Raises Missing."""
        for install in (False, True):
            if install and not _install(cls.package):
                break
            if program := shutil.which(cls.program, path=os.pathsep.join(_places())):
                return Path(program).resolve().parent
        raise Missing(
            f"{cls.__name__} was not found: install it (Debian and Ubuntu: apt-get install {cls.package}), "
            f"or name a server that tests may use: {cls.variable}={cls.example} bin/test"
        )

    def __init__(self):
        self._programs = self.find()
        self.folder = Path(tempfile.mkdtemp(prefix="channels-databinding-tests-"))
        self.port, self._process = free_port(), None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *error):
        self._leave()

    def _leave(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        deadline = time.monotonic() + START_S
        while not (self._process and self._answers()):
            assert time.monotonic() < deadline, f"{self.program} did not start in {START_S} s:\n{self.log()}"
            # One that was killed may leave children who are still about to end: then it does not start at once.
            if self._process is None or self._process.poll() is not None:
                self._process = self._run(*self._command())
            time.sleep(0.02)  # another process tells of nothing but by an answer

    def stop(self, sign=signal.SIGTERM):
        """End it as this signal does, and wait until it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(sign)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.program} did not stop in {STOP_S} s:\n{self.log()}") from None

    def kill(self):
        self.stop(signal.SIGKILL)

    def restart(self, **how):
        self.stop(**how)
        self.start()

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def _run(self, program, *arguments):
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._programs / program), *arguments],
                **self._who,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; they end us when they have ended
            )


class PostgreSQL(Service):
    """`settings` are those of postgresql.conf, as text. `stop()` closes all sessions ("fast"), `stop(signal.SIGQUIT)`
    is a crash that all take part in ("immediate")."""

    program, package = "initdb", "postgresql"
    variable, example = "TEST_DATABASE_URL", "postgres://me@localhost/postgres"
    if os.geteuid() == 0:  # it refuses root
        _who = {"user": "postgres", "group": "postgres", "extra_groups": []}

    def __init__(self, **settings):
        super().__init__()
        self._settings = settings
        if self._who:
            shutil.chown(self.folder, "postgres", "postgres")

    @property
    def url(self):
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        if not (self.folder / "data").exists():
            self._make()
        super().start()

    def stop(self, sign=signal.SIGINT):
        super().stop(sign)

    def do(self, program, *arguments):
        """Have one of its programs do something in its folder."""
        assert self._run(program, *arguments).wait(START_S) == 0, self.log()

    def standby(self):
        """Return one that follows this one, and answers whoever reads."""
        return Standby(self)

    def _make(self):
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        self.do("initdb", "--pgdata=data", *options)

    def _command(self):
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 400,  # there is a test of 300 writers
            # What is committed is with the kernel and outlives a crash of the server, not one of the machine.
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",  # its transactions move the journal's position
            **self._settings,
        }
        return "postgres", "-D", "data", "-p", str(self.port), *(f"--{name}={is_}" for name, is_ in settings.items())

    def _answers(self):
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url).close()
            return True


class Standby(PostgreSQL):
    """Where it answers, `port` says: set it before a start to have it in another's place."""

    def __init__(self, primary):
        super().__init__(**primary._settings)
        self._primary = primary

    def catch_up(self):
        """It has all that the one it follows has committed."""
        (end,) = self._ask(self._primary.url, "SELECT pg_current_wal_lsn()")
        deadline = time.monotonic() + START_S
        while not self._ask(self.url, "SELECT pg_last_wal_replay_lsn() >= %s", end)[0]:
            assert time.monotonic() < deadline, f"it did not catch up in {START_S} s:\n{self.log()}"
            time.sleep(0.02)  # another process tells of nothing but by an answer

    def promote(self):
        """It follows nobody any more, and may be written to."""
        self._ask(self.url, "SELECT pg_promote()")

    def _ask(self, url, statement, *values):
        with closing(psycopg.connect(url)) as session:
            return session.execute(statement, values or None).fetchone()

    def _make(self):
        how = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        self.do("pg_basebackup", "--pgdata=data", f"--dbname={self._primary.url}", *how)


class Redis(Service):
    program, package = "redis-server", "redis-server"
    variable, example = "TEST_REDIS_URL", "redis://localhost/9"

    def __init__(self):
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def _command(self):
        keeps_nothing = ["--save", "", "--appendonly", "no"]
        return self.program, "--bind", "127.0.0.1", "--port", str(self.port), *keeps_nothing

    def _answers(self):
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")


def _places():
    """Return the folders to look in: Debian and Homebrew put PostgreSQL beside the PATH. The newest release first."""
    beside = [
        found
        for place in ("/usr/lib/postgresql/*", "/opt/homebrew/opt/postgresql@*", "/usr/local/opt/postgresql@*")
        for found in glob(f"{place}/bin")
    ]
    return [*os.get_exec_path(), *sorted(beside, key=lambda path: int(re.search(r"\d+", path)[0]), reverse=True)]


def _install(package):
    """Have Debian's root install a package. Returns whether it is there."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return False
    print(f"· Servers: installing Debian's {package}", file=sys.stderr, flush=True)
    quietly = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], **quietly)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    return subprocess.run(install, **quietly).returncode == 0


SERVERS = {"DATABASE_URL": PostgreSQL, "REDIS_URL": Redis}


def main(command):
    missing = [kind for kind in SERVERS.values() if not os.environ.get(kind.variable)]
    try:
        for kind in missing:
            kind.find()
    except Missing as error:
        return str(error)
    if not command:
        return 0
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, lambda sign, _: sys.exit(128 + sign))
    with ExitStack() as stack:
        urls = {
            name: stack.enter_context(kind()).url if kind in missing else os.environ[kind.variable]
            for name, kind in SERVERS.items()
        }
        child = subprocess.Popen(command, env=os.environ | urls)
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:  # the command has heard it, too, and ends by itself
                continue
            except SystemExit:
                child.terminate()
                child.wait()
                raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
