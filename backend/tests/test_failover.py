"""Another database in the place of the one that was there: a standby that takes over, or what is restored from a dump.
Real servers, which PostgreSQL's own programs copy and tests kill."""

import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from databases import ask, only
from reader import Reader, environment, serve
from servers import Missing, PostgreSQL

pytestmark = only("postgresql", "SQLite has no standby, and its backup is a copy of the file")

BLOG = 1
RESTORE = {
    "plain": ["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=dump"],
    "custom": ["pg_restore", "--exit-on-error", "dump"],
}


@pytest.fixture(scope="module")
def server():
    try:
        server = PostgreSQL()
    except Missing as missing:
        pytest.skip(f"It copies and kills servers of its own, and none that TEST_DATABASE_URL names. {missing}")
    with server:
        django(server.url, "migrate", "--verbosity=0")
        yield server


@pytest.fixture(scope="module")
def process(server, tmp_path_factory):
    """A process that serves its database, and stays whatever becomes of that."""
    with serve(server.url, tmp_path_factory.mktemp("process") / "log") as process:
        yield process


@pytest.fixture
def primary(server):
    """A server that is there, and three posts in its database."""
    server.start()  # the test before may have killed it
    ask(server.url, "TRUNCATE example_liveblog CASCADE")
    ask(server.url, "INSERT INTO example_liveblog (id, name, slug) VALUES (?, 'b', 'b')", BLOG)
    for body in "abc":
        ask(server.url, insert(body))
    return server


@pytest.fixture
async def come():
    """Return `come(process, before=None)`: somebody who reads the posts, as who was there before. All leave at the
    end."""
    readers = []

    async def come(process, before=None):
        readers.append(await Reader.come(process.port, BLOG, before=before))
        return readers[-1]

    yield come
    for reader in readers:
        await leave(reader)


async def leave(reader):
    reader.leave()
    await reader.gone


def django(url, *command):
    subprocess.run([sys.executable, "-m", "django", *command], env=environment(url), check=True)


def insert(body):
    return f"""INSERT INTO example_post (liveblog_id, body, published, created, updated)
        VALUES ({BLOG}, '{body}', true, '2017-01-01', '2017-01-01')"""


def stored(url):
    return dict(ask(url, "SELECT id, body FROM example_post"))


def journaled(url):
    return ask(url, 'SELECT id, xid::text, "table", pk, op FROM channels_databinding_journal ORDER BY id')


def named(server, database):
    return urlunsplit(urlsplit(server.url)._replace(path=f"/{database}"))


@contextmanager
def restored(server, dump, *options, into=None):
    """Dump the server's database and restore it. Gives the URL of what is restored: another database of this server,
    or that of the server `into`."""
    server.do("pg_dump", f"--dbname={server.url}", f"--format={dump}", "--file=dump", *options)
    program, *how = RESTORE[dump]
    if into is not None:
        server.do(program, f"--dbname={into.url}", *how)
        yield into.url
        return
    ask(server.url, "CREATE DATABASE restored")
    try:
        server.do(program, f"--dbname={named(server, 'restored')}", *how)
        yield named(server, "restored")
    finally:
        ask(server.url, "DROP DATABASE restored WITH (FORCE)")


async def hear(reader, url):
    """Wait until the reader shows what is there. Returns what it was told since the last time."""
    there = stored(url)
    await reader.until(lambda: reader.rows == there)
    told, reader.told = reader.told, []
    return [action for action in told if action not in ("ack", "ping")]


# ---- a standby takes over


async def test_a_standby_that_takes_over_is_followed_and_everybody_reads_again(primary, come, tmp_path):
    with primary.standby() as standby:
        either = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        url = f"postgres://postgres@{either}/postgres?target_session_attrs=read-write"
        with serve(url, tmp_path / "log") as process:
            stays, leaves = [await come(process) for _ in range(2)]
            await leave(leaves)
            ask(primary.url, insert("replicated"))
            assert await hear(stays, primary.url) == ["snapshot", "create"]
            standby.catch_up()

            primary.kill()
            standby.promote()
            ask(standby.url, insert("after"))
            told = await hear(stays, standby.url)
            ask(standby.url, insert("live"))
            told_live = await hear(stays, standby.url)
            back = await come(process, before=leaves)

            assert told == ["reset", "snapshot"]
            assert {"replicated", "after"} < set(stays.rows.values())
            assert told_live == ["create"]
            assert await hear(back, standby.url) == ["snapshot"]


async def test_nobody_keeps_what_only_the_lost_primary_had(primary, process, come):
    """The standby has not heard of the last changes, and has gone on without them before it comes to the address."""
    with primary.standby() as standby:
        standby.catch_up()
        standby.stop()
        stays = await come(process)
        ask(primary.url, f"{insert('lost')}; UPDATE example_post SET body = 'lost' WHERE body = 'a'")
        ask(primary.url, "DELETE FROM example_post WHERE body = 'b'")
        await hear(stays, primary.url)
        leaves = await come(process)
        await leave(leaves)
        assert list(leaves.rows.values()) == list(stays.rows.values()) == ["lost", "c", "lost"]

        primary.kill()
        standby.start()
        standby.promote()
        for body in "defghi":  # it gives the lost transactions' ids to others
            ask(standby.url, insert(body))
        standby.stop()
        standby.port = primary.port
        standby.start()
        told = await hear(stays, standby.url)
        back = await come(process, before=leaves)

        assert told == ["reset", "snapshot"]
        assert await hear(back, standby.url) == ["snapshot"]
        assert list(stays.rows.values()) == list(back.rows.values()) == list("abcdefghi")


# ---- a dump


async def test_what_is_restored_is_another_database_and_goes_on_from_there(primary, process, come, tmp_path):
    reader = await come(process)
    await leave(reader)
    with restored(primary, "plain") as url, serve(url, tmp_path / "log") as other:
        back = await come(other, before=reader)
        assert await hear(back, url) == ["snapshot"]
        assert journaled(url) == journaled(primary.url) != []

        ask(url, insert("d"))
        assert await hear(back, url) == ["create"]
        ask(url, "UPDATE example_post SET body = body || '!'")
        assert await hear(back, url) == ["changes"]
        ask(url, "DELETE FROM example_post WHERE body = 'a!'")
        assert await hear(back, url) == ["delete"]


async def test_in_what_is_restored_who_has_no_right_to_the_journal_is_heard(primary, come, tmp_path):
    with restored(primary, "custom") as url, serve(url, tmp_path / "log") as process:
        reader = await come(process)
        await hear(reader, url)
        ask(
            url,
            f"""CREATE ROLE writer; GRANT INSERT ON example_post TO writer;
                GRANT USAGE ON SEQUENCE example_post_id_seq TO writer; SET ROLE writer; {insert("d")}""",
        )
        try:
            assert await hear(reader, url) == ["create"]
        finally:
            ask(url, "DROP OWNED BY writer; DROP ROLE writer")


def test_a_migrate_of_what_is_restored_finds_everything_there(primary):
    with restored(primary, "custom") as url:
        django(url, "migrate", "--verbosity=0")

        assert journaled(url) == journaled(primary.url)


async def test_a_migrate_begins_anew_where_the_dump_left_out_the_journal(primary, process, come, tmp_path):
    reader = await come(process)
    await leave(reader)
    with restored(primary, "custom", "--exclude-table-data=channels_databinding_*") as url:
        django(url, "migrate", "--verbosity=0")
        with serve(url, tmp_path / "log") as other:
            back = await come(other, before=reader)
            assert await hear(back, url) == ["snapshot"]
            ask(url, insert("d"))
            assert await hear(back, url) == ["create"]


async def test_a_dump_that_is_restored_over_its_database_makes_everybody_read_again(primary, process, come):
    stays, leaves = [await come(process) for _ in range(2)]
    await leave(leaves)
    then = stored(primary.url)
    primary.do("pg_dump", f"--dbname={primary.url}", "--format=custom", "--file=dump")
    ask(primary.url, insert("after the dump"))
    assert await hear(stays, primary.url) == ["snapshot", "create"]

    primary.do("pg_restore", f"--dbname={primary.url}", "--clean", "--single-transaction", "dump")
    told = await hear(stays, primary.url)
    back = await come(process, before=leaves)

    assert told == ["reset", "snapshot"]
    assert stays.rows == then
    assert await hear(back, primary.url) == ["snapshot"]
    ask(primary.url, insert("live"))
    assert await hear(stays, primary.url) == await hear(back, primary.url) == ["create"]


@pytest.mark.parametrize("journal", ["full", "pruned"])
async def test_a_dump_of_a_server_that_was_further_on_begins_anew_on_a_fresh_one(
    primary, process, come, journal, tmp_path
):
    ask(primary.url, "DO $$ BEGIN FOR n IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
    ask(primary.url, "UPDATE example_post SET body = body || '!'")
    if journal == "pruned":
        prune = "from channels_databinding import journal; [journal.mark_and_prune(at) for at in (4e9, 5e9, 6e9)]"
        django(primary.url, "shell", "-c", prune)
        assert journaled(primary.url) == []
    reader = await come(process)
    await leave(reader)
    with (
        PostgreSQL() as fresh,
        restored(primary, "custom", into=fresh) as url,
        serve(url, tmp_path / "log") as other,
    ):
        back = await come(other, before=reader)
        assert await hear(back, url) == ["snapshot"]
        ask(url, insert("d"))
        assert await hear(back, url) == ["create"]

        await leave(back)
        ask(url, insert("e"))
        again = await come(other, before=back)

        assert await hear(again, url) == ["create"]
        assert [op for *_, op in journaled(url)] == ["create", "create"]
