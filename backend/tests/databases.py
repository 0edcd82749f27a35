"""servers → **databases**

A database under test, as somebody knows it who knows nothing of Django: by its URL, `sqlite:///…` or `postgres://…`.
DATABASE_URL says which kind is tested, and where PostgreSQL is.
"""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import count
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

# What tests leave as it is: SQLite's own tables, Django's lists of what there is, the journal.
KEPT = re.compile("sqlite_|channels_databinding_|django_migrations|django_content_type|auth_permission")
KIND = "postgresql" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "sqlite"
numbers = count(1)


def connect(url, **options):
    """Return a connection that commits each statement by itself."""
    if url.startswith("sqlite:"):
        return sqlite3.connect(file(url), isolation_level=None, timeout=20, **options)
    return psycopg.connect(url, autocommit=True, **options)


def ask(url, statement, *values):
    """Execute this on a connection of its own. Returns the rows that it gives. A value stands for each `?`."""
    with closing(connect(url)) as connection:
        if not url.startswith("sqlite:"):
            statement, values = (statement.replace("?", "%s"), values) if values else (statement, None)
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def execute(url, *statements):
    """Execute these in another process, in one transaction."""
    driver, where, patience = ("psycopg", url, "connect_timeout")
    if url.startswith("sqlite:"):
        driver, where, patience = ("sqlite3", file(url), "timeout")
    program = (
        f"import sys, {driver}\n"
        f"connection = {driver}.connect(sys.argv[1], {patience}=20)\n"
        "for statement in sys.argv[2:]: connection.execute(statement)\n"
        "connection.commit()\n"
        "connection.close()\n"
    )
    command = [sys.executable, "-I", "-c", program, where, *statements]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def file(url):
    return url.removeprefix("sqlite:///")


def url_of(connection):
    """Return the URL of the database that one of Django's connections is to."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{known['NAME']}"
    return _named(known["NAME"])


def close_others(connection):
    """End all sessions of this database, Django's own among them, and of the second one beside it."""
    if connection.vendor == "postgresql":
        ask(
            url_of(connection),
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname IN (current_database(), current_database() || '-second') AND pid <> pg_backend_pid()""",
        )


def only(kind, why):
    """Mark tests that are about one kind of database, and say why."""
    return pytest.mark.skipif(kind != KIND, reason=f"on {kind} only: {why}")


def make(folder, *, like=None):
    """Return the URL of a new database: a file in a folder, or one on the server. What is in the database `like` is
    in this one."""
    if KIND == "sqlite":
        url = f"sqlite:///{folder / 'db.sqlite3'}"
        if like:
            with closing(connect(like)) as old, closing(connect(url)) as new:
                old.backup(new)
        return url
    name = f"test_{os.getpid()}_{next(numbers)}"
    template = sql.SQL(" TEMPLATE {}").format(sql.Identifier(_name(like))) if like else sql.SQL("")
    with closing(connect(_named("postgres"))) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + template)
    return _named(name)


def drop(url):
    """Have it be gone. A file goes with its folder."""
    if not url.startswith("sqlite:"):
        with closing(connect(_named("postgres"))) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_name(url))))


def remember(url):
    """Note the rows of the tables that tests may change, for `restore`."""
    if url.startswith("sqlite:"):
        with closing(connect(url)) as now, closing(connect(f"{url}.remembered")) as then:
            now.backup(then)
        return
    with closing(connect(url)) as connection, connection.transaction():
        connection.execute("CREATE SCHEMA remembered")
        for table in _tables(connection, "pg_tables WHERE schemaname = 'public'", "tablename"):
            connection.execute(f'CREATE TABLE remembered."{table}" AS TABLE public."{table}"')


def restore(url):
    """Give the tables that tests may change the rows they had."""
    with closing(connect(url)) as connection:
        if url.startswith("sqlite:"):
            now, then = "main", "remembered"
            connection.execute("ATTACH ? AS remembered", [f"{file(url)}.remembered"])
            connection.execute("BEGIN IMMEDIATE")
            tables = _tables(connection, "remembered.sqlite_master WHERE type = 'table'", "name")
        else:
            now, then = "public", "remembered"
            connection.execute("BEGIN")
            tables = _tables(connection, "pg_tables WHERE schemaname = 'remembered'", "tablename")
        for table in tables:
            connection.execute(f'DELETE FROM {now}."{table}"')
        for table in tables:
            connection.execute(f'INSERT INTO {now}."{table}" SELECT * FROM {then}."{table}"')
        connection.execute("COMMIT")


def _tables(connection, of, name):
    return [table for (table,) in connection.execute(f"SELECT {name} FROM {of}").fetchall() if not KEPT.match(table)]


def _name(url):
    return urlsplit(url).path[1:]


def _named(name):
    """Return the URL of another database of the server that is tested."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
