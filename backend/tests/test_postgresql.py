"""PostgreSQL: every way a row can change, by whomever; transactions that commit in another order than they began; and a
database that is restarted, restored or pruned beneath its readers."""

import asyncio
import datetime
import math
import threading
import time
import uuid
from contextlib import ExitStack, closing, suppress
from decimal import Decimal

import psycopg
import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.models import BigIntegerField, Model

from channels_databinding import journal
from channels_databinding.capture.install import install
from channels_databinding.cursor import seal
from channels_databinding.history import rebuild
from channels_databinding.hub import Hub
from channels_databinding.models import Entry, Mark, Ref, State
from channels_databinding.past import Followed, Past
from channels_databinding.subscriptions import models
from databases import only
from lab.bindings import ArticleBinding, Lab
from lab.models import Article, Blog, Label, Nickname, Person, Thing
from lab.screen import Screen, db, elsewhere, look, serve

pytestmark = [
    pytest.mark.django_db(transaction=True),
    only("postgresql", "of its order of commits, its statements and its restarts"),
]

DAY = 86_400.0
START = 4_000_000_000.0  # seconds; the clock of these tests is ahead of the tail's own


def session(**options):
    """Return a session of somebody who knows nothing of Django. It is in a transaction from its first statement on."""
    known = connection.get_connection_params()
    return psycopg.connect(
        **{name: known[name] for name in ("dbname", "user", "password", "host", "port") if name in known}, **options
    )


def execute(*statements, **options):
    """Do these in one session, each committed."""
    with closing(session(autocommit=True, **options)) as other:
        for statement in statements:
            other.execute(statement)


def images(model, start):
    with journal.moment() as now:
        return [change.before for change in now.since(start, {model}).changes[model._meta.db_table]]


# ---- the order of commits


async def test_whoever_commits_first_is_heard_first_and_nobody_is_passed_over(visit):
    blogs = await look(visit, "blogs")
    with closing(session()) as early, closing(session()) as late:
        early.execute("INSERT INTO lab_blog (slug, title) VALUES ('early', '')")
        late.execute("INSERT INTO lab_blog (slug, title) VALUES ('late', '')")
        late.commit()
        await blogs.settle()
        assert set(blogs.column("slug").values()) == {"late"}

        early.commit()
        await blogs.settle()

    assert set(blogs.column("slug").values()) == {"early", "late"}
    assert blogs.resets == 0


async def test_a_cursor_misses_nothing_of_a_transaction_that_was_open_when_it_was_given(visit):
    blogs = await look(visit, "blogs")
    with closing(session()) as open_:
        open_.execute("INSERT INTO lab_blog (slug, title) VALUES ('open', '')")
        await Blog.objects.acreate(slug="meanwhile")
        await blogs.settle()
        cursor = blogs.cursor
        open_.commit()

    again = Screen(await visit(Lab), "blogs", {})

    assert await again.read(cursor) == ["create"]
    assert list(again.column("slug").values()) == ["open"]


@pytest.mark.parametrize("state", ["active", "idle in transaction"])
async def test_a_long_transaction_keeps_nobody_waiting(visit, state):
    blogs = await look(visit, "blogs")
    with closing(session()) as long:
        long.execute("INSERT INTO lab_blog (slug, title) VALUES ('long', '')")
        working = threading.Thread(target=sleep, args=[long])
        if state == "active":
            working.start()
        for slug in "abc":
            await Blog.objects.acreate(slug=slug)
            assert [action for action, _ in await blogs.settle()] == ["create"]
        if state == "active":
            long.cancel()
            working.join()
            long.rollback()
        else:
            long.commit()
            assert [action for action, _ in await blogs.settle()] == ["create"]


def sleep(session):
    with suppress(psycopg.errors.QueryCanceled):
        session.execute("SELECT pg_sleep(60)")


async def test_three_hundred_open_writers_keep_nobody_waiting_and_are_all_heard(visit):
    blogs = await look(visit, "blogs")
    with ExitStack() as stack:
        writers = [stack.enter_context(closing(session())) for _ in range(300)]
        for n, writer in enumerate(writers):
            writer.execute("INSERT INTO lab_blog (slug, title) VALUES (%s, '')", [f"writer {n}"])
        await Blog.objects.acreate(slug="one more")
        assert [action for action, _ in await blogs.settle()] == ["create"]
        again = Screen(await visit(Lab), "blogs", {})
        assert await again.read(blogs.cursor) == []
        for writer in reversed(writers):
            writer.commit()
    await blogs.settle()

    assert len(blogs.rows) == 301
    assert blogs.resets == 0


async def test_a_cursor_from_the_future_reads_again(visit):
    blogs = await look(visit, "blogs")
    await Blog.objects.acreate(slug="a")
    await blogs.settle()
    body, _ = blogs.cursor.rsplit(":", 1)
    epoch, position, marks = body.split(":")
    ahead = seal(epoch, int(position.split(".")[0]) + 1_000, [marks])
    again = Screen(await visit(Lab), "blogs", {})

    assert await again.read(ahead) == ["snapshot"]


async def test_a_group_that_a_row_passed_is_told_whichever_change_was_committed_first(visit):
    """The blog's new name alone, or the article's new blog alone: a snapshot may have been taken of either."""
    red, blue = await Blog.objects.acreate(slug="red"), await Blog.objects.acreate(slug="blue")
    article = await Article.objects.acreate(blog=red)
    start = await db(journal.position)
    with closing(session()) as first, closing(session()) as second:
        first.execute("UPDATE lab_article SET blog_id = %s WHERE id = %s", [blue.pk, article.pk])
        second.execute("UPDATE lab_blog SET slug = 'green' WHERE id = %s", [red.pk])
        second.commit()
        first.commit()

    def groups():
        with journal.moment() as now:
            past = Past(ArticleBinding, now.since(start, models([ArticleBinding])))
            while True:
                with suppress(Followed):
                    return {group for row in past.states(article.pk) for group in past.groups(row)}

    assert await db(groups) >= {"blog-red", "blog-green"}


# ---- by whomever, by whatever


async def test_a_role_that_may_write_to_one_table_only_is_heard(visit):
    blogs = await look(visit, "blogs")
    role = "channels_databinding_writer"
    execute(
        f"DROP ROLE IF EXISTS {role}",
        f"CREATE ROLE {role}",
        f"GRANT INSERT, SELECT ON lab_blog TO {role}",
        f"GRANT USAGE ON SEQUENCE lab_blog_id_seq TO {role}",
    )
    try:
        execute(f"SET ROLE {role}", "INSERT INTO lab_blog (slug, title) VALUES ('role', '')")
        await blogs.settle()
    finally:
        execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")

    assert list(blogs.column("slug").values()) == ["role"]


async def test_another_search_path_and_a_temporary_table_of_the_journals_name_lead_nowhere_else(visit):
    blogs = await look(visit, "blogs")

    execute(
        "CREATE TEMPORARY TABLE channels_databinding_journal (LIKE public.channels_databinding_journal)",
        "SET search_path = pg_temp, pg_catalog",
        "INSERT INTO public.lab_blog (slug, title) VALUES ('elsewhere', '')",
    )
    await blogs.settle()

    assert list(blogs.column("slug").values()) == ["elsewhere"]


@pytest.mark.parametrize(
    ("statement", "heard"),
    [
        ("INSERT INTO lab_blog (slug, title) VALUES ('a', '2') ON CONFLICT (slug) DO UPDATE SET title = '2'", "update"),
        ("INSERT INTO lab_blog (slug, title) VALUES ('b', '2') ON CONFLICT (slug) DO UPDATE SET title = '2'", "create"),
        ("INSERT INTO lab_blog (slug, title) VALUES ('a', '2') ON CONFLICT DO NOTHING", None),
        ("MERGE INTO lab_blog USING (VALUES ('a')) AS v (s) ON slug = s WHEN MATCHED THEN DELETE", "delete"),
        ("WITH gone AS (DELETE FROM lab_blog RETURNING slug) SELECT * FROM gone", "delete"),
        ("UPDATE lab_blog SET title = '2' WHERE slug = 'nobody'", None),
        ("COPY lab_blog (slug, title) FROM PROGRAM 'printf \"c\\\\t2\\\\n\"'", "create"),
    ],
)
async def test_every_kind_of_statement_is_heard(visit, statement, heard):
    if statement.startswith("MERGE") and int(elsewhere("SHOW server_version_num")[0][0]) < 150_000:
        pytest.skip("PostgreSQL 15 was the first to know MERGE")
    await Blog.objects.acreate(slug="a")
    blogs = await look(visit, "blogs")

    execute(statement)

    assert [action for action, _ in await blogs.settle()] == ([heard] if heard else [])
    assert blogs.rows == {blog.pk: {"slug": blog.slug, "title": blog.title} async for blog in Blog.objects.all()}


async def test_a_changed_key_is_a_row_that_went_and_one_that_came(visit):
    await Blog.objects.acreate(pk=1, slug="a")
    blogs = await look(visit, "blogs")

    execute("UPDATE lab_blog SET id = 7")

    assert await blogs.settle() == [("delete", 1), ("create", 7)]


async def test_keys_that_are_exchanged_are_rows_that_changed(visit):
    for name in ("ann", "bea"):
        await Label.objects.acreate(code=name, text=name)
    labels = await look(visit, "labels")
    with closing(session(autocommit=True)) as other:
        other.execute("ALTER TABLE lab_label DROP CONSTRAINT lab_label_pkey")
        try:
            other.execute("UPDATE lab_label SET code = CASE code WHEN 'ann' THEN 'bea' ELSE 'ann' END")
        finally:
            other.execute("ALTER TABLE lab_label ADD PRIMARY KEY (code)")

    assert sorted(await labels.settle()) == [("update", "ann"), ("update", "bea")]
    assert labels.column("text") == {"ann": "bea", "bea": "ann"}


async def test_a_key_that_is_the_same_in_capitals_is_another_to_browsers(visit):
    await Nickname.objects.acreate(name="ann")
    names = await look(visit, "nicknames")

    execute("UPDATE lab_nickname SET name = 'Ann'")

    assert await names.settle() == [("delete", "ann"), ("create", "Ann")]


@pytest.mark.parametrize("statement", ["TRUNCATE lab_blog CASCADE", "TRUNCATE lab_person CASCADE"])
async def test_an_emptied_table_is_read_again_and_those_that_go_with_it(visit, statement):
    blog = await Blog.objects.acreate(slug="a")
    await Article.objects.acreate(blog=blog)
    articles = await look(visit, "articles", blog="a")

    execute(statement)
    await articles.settle()

    assert articles.resets == 1
    assert articles.rows == {}


async def test_a_partition_is_heard_by_its_own_name_and_by_its_tables(visit, bindings_of_one_test):
    def make():
        execute(
            "CREATE TABLE lab_log (id bigint PRIMARY KEY) PARTITION BY RANGE (id)",
            "CREATE TABLE lab_log_small PARTITION OF lab_log FOR VALUES FROM (0) TO (100)",
            "CREATE TABLE lab_log_large PARTITION OF lab_log FOR VALUES FROM (100) TO (1000)",
        )
        meta = type("Meta", (), {"app_label": "lab", "managed": False, "db_table": "lab_log"})
        body = {"id": BigIntegerField(primary_key=True), "Meta": meta, "__module__": "lab.models"}
        served = serve(type("Log", (Model,), body), group_names=lambda cls, row: ["g"], fields=["id"])
        install()
        return served

    served = await db(make)
    try:
        logs = await look(visit, "rows", served, group="g")
        execute("INSERT INTO lab_log VALUES (1), (101)")
        assert sorted(await logs.settle()) == [("create", 1), ("create", 101)]
        execute("INSERT INTO lab_log_small VALUES (2)")
        assert await logs.settle() == [("create", 2)]
        execute("UPDATE lab_log SET id = 102 WHERE id = 2")  # it moves
        assert await logs.settle() == [("delete", 2), ("create", 102)]
        execute("DELETE FROM lab_log_large WHERE id = 101")
        assert await logs.settle() == [("delete", 101)]
    finally:
        execute("DROP TABLE lab_log")
        apps.all_models["lab"].pop("log")
        apps.clear_cache()


# ---- images


VALUES = {
    "decimal": Decimal("12345678.90"),
    "float": 0.1 + 0.2,
    "binary": bytes(range(256)),
    "big": (1 << 62) + 1,
    "uuid": uuid.UUID(int=7),
    "json": {"a": [1, "ä", None, 1e300, {"b": "\\u0041\n"}]},
    "datetime": datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC),
    "date": datetime.date(1, 1, 1),
    "time": datetime.time(23, 59, 59, 999999),
    "duration": datetime.timedelta(days=-1, microseconds=1),
    "address": "2001:db8::1",
    "text": "'\"\\ \t\n" + "ä" * 1_000,
    "boolean": True,
    "maybe": None,
}
OTHERS = (
    "-c DateStyle=SQL,DMY -c IntervalStyle=sql_standard -c TimeZone=Asia/Tokyo -c extra_float_digits=-10 "
    "-c bytea_output=escape"
)


@pytest.mark.parametrize("options", ["", OTHERS])
def test_an_image_gives_back_the_values_whoever_wrote(options):
    thing = Thing.objects.create(**VALUES)
    thing.refresh_from_db()
    start = journal.position()

    execute("UPDATE lab_thing SET integer = 7", options=options)
    (before,) = images(Thing, start)
    was = rebuild(Thing, {"lab_thing": before})

    assert VALUES.keys() <= was.__dict__.keys()
    for field in Thing._meta.concrete_fields:
        if field.attname in was.__dict__:
            assert getattr(was, field.attname) == getattr(thing, field.attname), field


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e-300"])
def test_an_image_gives_back_the_odd_numbers(number):
    Thing.objects.create(float=float(number))
    start = journal.position()

    execute("UPDATE lab_thing SET integer = 7")
    (before,) = images(Thing, start)

    assert before["float"] == float(number) or (math.isnan(before["float"]) and number == "NaN")


def test_no_image_has_a_column_that_no_binding_sends():
    Person.objects.create(name="ann", password="secret", motto="m")
    start = journal.position()

    Person.objects.update(name="bea")

    assert images(Person, start) == [{"id": Person.objects.get().pk, "name": "ann"}]
    assert "secret" not in str(list(Entry.objects.values_list("image", flat=True)))


async def test_what_jsonb_refuses_breaks_no_writer_and_its_clients_read_again(visit):
    blogs = await look(visit, "blogs")
    await Blog.objects.acreate(slug="a")
    await blogs.settle()
    execute("ALTER TABLE lab_blog ALTER title TYPE json USING to_json(title)")
    try:
        execute("""UPDATE lab_blog SET title = '"\\u0000"'""", """UPDATE lab_blog SET title = '"b"'""")
        await blogs.settle()
    finally:
        execute("ALTER TABLE lab_blog ALTER title TYPE varchar(50) USING 'b'")

    assert blogs.resets == 1


def test_a_column_that_a_migration_takes_away_breaks_no_writer():
    Blog.objects.create(slug="a")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE lab_blog DROP COLUMN title")
        cursor.execute("UPDATE lab_blog SET slug = 'b'")

        assert set(Entry.objects.latest("id").image) == {"id", "slug"}
        transaction.set_rollback(True)


# ---- triggers


@pytest.mark.parametrize(
    "sabotage",
    [
        "DROP TRIGGER channels_databinding_update ON lab_blog",
        "ALTER TABLE lab_blog DISABLE TRIGGER channels_databinding_update",
        "DROP FUNCTION channels_databinding_capture CASCADE",
    ],
)
async def test_triggers_that_were_taken_off_are_put_back_and_clients_read_again(visit, sabotage):
    blogs = await look(visit, "blogs")
    await Blog.objects.acreate(slug="a")
    await blogs.settle()

    execute(sabotage, "UPDATE lab_blog SET title = 'unseen'")
    assert "lab_blog" in await db(lambda: install(only_missing=True))
    await blogs.settle()

    assert blogs.resets == 1
    assert list(blogs.column("title").values()) == ["unseen"]


def test_what_is_as_it_should_be_is_left_alone():
    assert install() == []


def test_triggers_are_put_back_by_somebody_impatient_who_lets_writers_pass():
    execute("DROP TRIGGER channels_databinding_update ON lab_blog")
    with closing(session()) as writer:
        writer.execute("INSERT INTO lab_blog (slug, title) VALUES ('w', '')")
        with pytest.raises(Exception, match="lock timeout"):
            install(only_missing=True)
        writer.commit()

    assert install() == ["lab_blog"]


# ---- the database goes away, or is another


async def test_a_tail_whose_connection_is_cut_goes_on_from_where_it_was(visit):
    blogs = await look(visit, "blogs")
    await Blog.objects.acreate(slug="a")
    await blogs.settle()

    mine = await db(lambda: [connection.cursor().connection.info.backend_pid])
    with closing(session(autocommit=True)) as other:
        other.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> ALL (%s)""",
            [mine],
        )
        other.execute("INSERT INTO lab_blog (slug, title) VALUES ('b', '')")
    frame = await blogs.visitor.hear()

    assert (frame["payload"]["action"], frame["payload"]["data"]["slug"]) == ("create", "b")
    _, answer = await blogs.visitor.ask("blogs", {"action": "create", "data": {"slug": "c", "title": "t"}})
    assert answer["payload"]["action"] == "ack"


async def test_a_journal_of_another_database_is_emptied_and_everybody_reads_again(visit):
    blogs = await look(visit, "blogs")
    await Blog.objects.acreate(slug="a")
    await blogs.settle()

    execute(  # as a dump of a server that was further on has it
        """INSERT INTO channels_databinding_journal (xid, "table", pk, op)
           SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000000)::text::xid8,
               'lab_blog', '1', 'create'""",
        "NOTIFY channels_databinding",
    )
    await blogs.settle()

    assert blogs.resets == 1
    assert await Entry.objects.filter(op="create").acount() == 0


async def test_a_table_that_was_restored_from_a_dump_makes_old_cursors_worthless(visit):
    blogs = await look(visit, "blogs")
    await Blog.objects.acreate(slug="a")
    await blogs.settle()
    cursor = blogs.cursor
    await blogs.visitor.leave()

    execute(  # as pg_restore --clean does it
        "CREATE TABLE restored (LIKE channels_databinding_journal INCLUDING ALL)",
        "INSERT INTO restored OVERRIDING SYSTEM VALUE SELECT * FROM channels_databinding_journal",
        "DROP TABLE channels_databinding_journal",
        "ALTER TABLE restored RENAME TO channels_databinding_journal",
        "ALTER SEQUENCE restored_id_seq RENAME TO channels_databinding_journal_id_seq",
        "SELECT setval('channels_databinding_journal_id_seq', max(id)) FROM channels_databinding_journal",
    )
    again = Screen(await visit(Lab), "blogs", {})

    assert await again.read(cursor) == ["snapshot"]
    await Blog.objects.acreate(slug="b")
    assert [action for action, _ in await again.settle()] == ["create"]


async def test_who_comes_before_another_database_is_noticed_has_it_noticed(visit, settings):
    settings.CHANNELS_DATABINDING = {"poll_s": 60}
    await look(visit, "blogs")

    await State.objects.filter(key="epoch").aupdate(value="another")  # nobody notifies
    labels = Screen(await visit(Lab), "labels", {})

    async with asyncio.timeout(2):  # by itself it looks every five seconds
        assert await labels.read() == ["snapshot"]


def test_what_an_open_transaction_wrote_is_not_pruned():
    Entry.objects.all().delete()
    Mark.objects.all().delete()
    try:
        with closing(session()) as long:
            long.execute("INSERT INTO lab_blog (slug, title) VALUES ('long', '')")
            Blog.objects.create(slug="short")
            journal.mark_and_prune(START)
            long.commit()

        assert journal.mark_and_prune(START + DAY + 60) == 1
        (left,) = Entry.objects.all()
        assert left.pk_value == str(Blog.objects.get(slug="long").pk)
    finally:
        Mark.objects.all().delete()
        State.objects.filter(key="floor").update(value="0")


# ---- hooks


async def test_a_hook_whose_query_fails_stops_nobody_else(visit, caplog):
    def broken(cls, person):
        connection.cursor().execute("SELECT 1/0")

    people = await look(visit, "rows", serve(Person, group_names=broken, fields=["name"]), group="g")
    blogs = await look(visit, "blogs")

    await Person.objects.acreate(name="ann")
    await Blog.objects.acreate(slug="a")

    assert [action for action, _ in await blogs.settle()] == ["create"]
    assert people.rows == {}


# ---- writes


async def test_two_writes_that_block_each_other_are_both_done(visit):
    """A deadlock ends one transaction; it is done again."""
    one, two = [await Blog.objects.acreate(slug=slug, title="t") for slug in ("one", "two")]
    at_both = threading.Barrier(2, timeout=5)

    def update(self, pk, data):
        with suppress(threading.BrokenBarrierError):
            at_both.wait()
        Blog.objects.filter(pk=two.pk if int(pk) == one.pk else one.pk).update(title=f"{pk}")
        return super(type(self), self).update(pk, data)

    served = serve(Blog, group_names=lambda cls, row: ["g"], update=update)
    first, second = await visit(served, hub=Hub()), await visit(served, hub=Hub())
    asked = [
        await visitor.say("rows", {"action": "update", "pk": row.pk, "data": {"slug": row.slug * 2}})
        for visitor, row in ((first, one), (second, two))
    ]
    answers = [(await visitor.hear_until(ref))[-1] for visitor, ref in zip((first, second), asked, strict=True)]

    assert [answer["payload"]["action"] for answer in answers] == ["ack", "ack"]
    assert {blog.slug async for blog in Blog.objects.all()} == {"oneone", "twotwo"}


async def test_the_same_ref_in_two_processes_at_once_is_done_once(visit):
    await Ref.objects.all().adelete()
    at_once = threading.Barrier(2, timeout=2)

    def create(self, data):
        with suppress(threading.BrokenBarrierError):
            at_once.wait()  # the second never comes: it waits for the first one's ref
        return Blog.objects.create(**data)

    served = serve(Blog, group_names=lambda cls, row: ["g"], create=create)
    first, second = await visit(served, hub=Hub()), await visit(served, hub=Hub())
    payload = {"action": "create", "data": {"slug": "once"}}
    for visitor in (first, second):
        await visitor.say("rows", payload, ref="the same")
    answers = [(await visitor.hear_until("the same"))[-1]["payload"] for visitor in (first, second)]

    assert answers[0] == answers[1] == {"action": "ack", "pk": (await Blog.objects.aget()).pk}


async def test_the_ref_is_on_the_row_that_the_write_itself_touched(visit):
    blogs = await look(visit, "blogs")

    before, answer = await blogs.visitor.ask("blogs", {"action": "create", "data": {"slug": "mine", "title": "t"}})

    assert [frame["refs"] for frame in before] == [[answer["ref"]]]


# ---- wake-ups


async def test_without_a_notification_changes_are_heard_at_the_next_look(visit, settings):
    settings.CHANNELS_DATABINDING = {"notifies_per_s": 0, "poll_s": 0.1}
    await db(install)
    try:
        blogs = await look(visit, "blogs")
        execute("INSERT INTO lab_blog (slug, title) VALUES ('a', '')")
        assert (await blogs.visitor.hear())["payload"]["data"]["slug"] == "a"
    finally:
        settings.CHANNELS_DATABINDING = {}
        await db(install)


def test_who_comes_in_the_same_moment_does_not_notify_again_and_a_transaction_never_twice(settings):
    settings.CHANNELS_DATABINDING = {"notifies_per_s": 1}
    install()
    try:
        with closing(session(autocommit=True)) as listener, ExitStack() as stack:
            listener.execute("LISTEN channels_databinding")
            began = time.time()
            writers = [stack.enter_context(closing(session())) for _ in range(50)]
            for writer in writers:
                for _ in range(3):
                    writer.execute("INSERT INTO lab_blog (slug, title) VALUES (gen_random_uuid()::text, '')")
            for writer in writers:
                writer.commit()
            moments = int(time.time() - began) + 2
            notified = len(list(listener.notifies(timeout=0.5)))
    finally:
        settings.CHANNELS_DATABINDING = {}
        install()

    assert 1 <= notified <= moments


def test_a_long_transaction_of_many_statements_holds_one_lock_for_it():
    with closing(session()) as writer:
        for n in range(500):
            writer.execute("INSERT INTO lab_blog (slug, title) VALUES (%s, '')", [str(n)])
        (held,) = writer.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()

    assert held <= 1
