"""PostgreSQL and Redis of the tests' own come, crash, come back and leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

import servers
from databases import only
from servers import PostgreSQL, Redis

pytestmark = only("sqlite", "it starts servers of its own, and asks none that is tested")

ECHO = [sys.executable, "-c", "import os; print(*map(os.getenv, ('DATABASE_URL', 'REDIS_URL')), flush=True); input()"]


@pytest.fixture
def installed(monkeypatch):
    """All servers are, or the test is skipped; and none is named."""
    for kind in servers.SERVERS.values():
        monkeypatch.delenv(kind.variable, raising=False)
    if missing := servers.main([]):
        pytest.skip(missing)


def listens(url):
    with socket.socket() as visitor:
        return visitor.connect_ex(("127.0.0.1", urlsplit(url).port)) == 0


@pytest.mark.parametrize("kind", [PostgreSQL, Redis])
def test_a_server_that_was_stopped_or_killed_comes_back_at_its_url_and_leaves_nothing(installed, kind):
    with kind() as server:
        url = server.url
        for end in (server.stop, server.kill):
            assert listens(url)
            end()
            assert not listens(url)
            server.start()
        assert server.folder.exists()

    assert not server.folder.exists()
    assert not listens(url)


def test_what_was_committed_outlives_a_crash(installed):
    with PostgreSQL() as server:
        with closing(psycopg.connect(server.url)) as session:
            session.execute("CREATE TABLE kept AS SELECT 1 AS one")
            session.commit()

            server.kill()
            server.restart(sign=signal.SIGQUIT)

        with closing(psycopg.connect(server.url)) as session:
            assert session.execute("SELECT one FROM kept").fetchall() == [(1,)]


def test_servers_end_with_a_command_that_is_told_to_end(installed):
    run = [sys.executable, servers.__file__, *ECHO]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        urls = process.stdout.readline().split()
        assert all(map(listens, urls))

        process.terminate()

    assert not any(map(listens, urls))


def test_servers_that_are_named_are_taken():
    named = {"TEST_DATABASE_URL": "postgres://a/b", "TEST_REDIS_URL": "redis://c/1"}

    done = subprocess.run(
        [sys.executable, servers.__file__, *ECHO], env=os.environ | named, input="\n", stdout=subprocess.PIPE, text=True
    )

    assert done.stdout == "postgres://a/b redis://c/1\n"


def test_what_is_not_installed_is_told_with_what_to_do(monkeypatch):
    monkeypatch.setattr(servers, "_places", lambda: [])
    monkeypatch.setattr(servers, "_install", lambda package: False)
    for kind in (PostgreSQL, Redis):
        monkeypatch.delenv(kind.variable, raising=False)

    told = servers.main([])

    assert told.startswith("PostgreSQL was not found: install it")
    assert "TEST_DATABASE_URL=postgres://" in told
