"""One socket, and bindings whose rows are in three databases: each has its own journal, and is followed by itself."""

from contextlib import closing
from random import Random
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import connection, connections, transaction
from django.test import RequestFactory

import databases
from channels_databinding import WebsocketDemultiplexer, journal, readiness, tail
from channels_databinding.capture import database
from channels_databinding.capture.install import install, missing, post_migrate, uninstall
from channels_databinding.hub import Hub
from channels_databinding.models import Entry, Mark, Ref, State
from databases import only
from elsewhere.models import Memo, Note
from example.models import IntegerValue
from lab.bindings import LabBinding
from lab.screen import Screen

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "second", "third"])

PLACES = {"values": (IntegerValue, "default"), "notes": (Note, "second"), "memos": (Memo, "third")}
START, DAY = 4_000_000_000.0, 86_400  # a clock that is ahead of the tails' own
TEXT = {"values": "name", "notes": "text", "memos": "text"}


def url(using):
    return databases.url_of(connections[using])


@pytest.fixture
def several(bindings_of_one_test):
    """Return a demultiplexer with a stream for each database."""
    consumers = {
        stream: type(stream, (LabBinding,), {"model": model, "stream": stream, "__module__": __name__})
        for stream, (model, _) in PLACES.items()
    }
    for _, using in PLACES.values():
        install(using)
        Ref.objects.using(using).all().delete()
        connections[using].close()  # who ends all sessions but the test's own should not have to know of this one
    return type("Several", (WebsocketDemultiplexer,), {"consumers": consumers, "groups": ["lab"]})


def data(stream, text):
    return {TEXT[stream]: text, **({"value": 1} if stream == "values" else {})}


def make(stream, text):
    model, _ = PLACES[stream]
    return model.objects.create(**data(stream, text))


async def look(visitor):
    """Return the Screens of somebody who has subscribed to every stream."""
    screens = [Screen(visitor, stream, {}) for stream in PLACES]
    for screen in screens:
        await screen.read()
    return screens


async def settle(screens):
    """Have the Screens of one socket show all that is committed by now."""
    for screen in screens:
        # Refused, but like every answer it leaves after what was committed before it.
        frames, _ = await screen.visitor.ask(screen.stream, {"action": "delete", "pk": "0"})
        for each in screens:
            each.apply(frames)


@pytest.mark.parametrize("stream", PLACES)
async def test_what_anybody_changes_in_a_database_is_heard(visit, several, stream):
    row = await sync_to_async(make)(stream, "a")
    visitor = await visit(several)
    screens = {screen.stream: screen for screen in await look(visitor)}
    model, using = PLACES[stream]

    url_, statement = url(using), f"UPDATE {model._meta.db_table} SET {TEXT[stream]} = 'b' WHERE id = {row.pk}"
    await sync_to_async(databases.execute)(url_, statement)
    heard = await visitor.hear()

    assert screens[stream].column(TEXT[stream]) == {row.pk: "a"}
    assert (heard["stream"], heard["payload"]["data"][TEXT[stream]]) == (stream, "b")


async def test_a_write_is_answered_after_its_change_and_known_again_in_its_own_database(visit, several):
    visitor = await visit(several)
    await look(visitor)

    for stream, (model, using) in PLACES.items():
        [change], ack = await visitor.ask(stream, {"action": "create", "data": data(stream, "mine")})
        row = await model.objects.using(using).aget()
        [], again = await visitor.ask(stream, {"action": "create", "data": data(stream, "mine")}, ref=ack["ref"])

        assert change["payload"]["pk"] == ack["payload"]["pk"] == again["payload"]["pk"] == row.pk
        assert change["refs"] == [ack["ref"]]
        assert [ref async for ref in Ref.objects.using(using).values_list("ref", flat=True)] == [ack["ref"]]


@pytest.mark.parametrize("stream", PLACES)
async def test_a_write_that_is_refused_leaves_nothing_in_its_database(visit, several, stream):
    visitor = await visit(several)
    _, using = PLACES[stream]
    too_long = {"action": "create", "data": data(stream, "x" * 200)}

    _, refused = await visitor.ask(stream, too_long)
    _, again = await visitor.ask(stream, too_long, ref=refused["ref"])

    assert [answer["payload"]["code"] for answer in (refused, again)] == ["invalid", "invalid"]
    assert not await Ref.objects.using(using).aexists()


async def test_one_pings_cursor_is_good_for_each(visit, several):
    visitor = await visit(several)
    await look(visitor)
    for stream in PLACES:
        await sync_to_async(make)(stream, "before")
        await visitor.hear()
    _, ack = await visitor.ask("", {"action": "ping"})
    await visitor.leave()
    for stream in PLACES:
        await sync_to_async(make)(stream, "meanwhile")

    back = await visit(several)
    told = {stream: (await back.subscribe(stream, ack["cursor"]))[0] for stream in PLACES}

    for stream, [change] in told.items():
        assert (change["payload"]["action"], change["payload"]["data"][TEXT[stream]]) == ("create", "meanwhile")


async def test_a_new_epoch_of_one_resets_only_its_own_clients(visit, several):
    visitor = await visit(several)
    await look(visitor)
    epoch = await State.objects.using("second").aget(key="epoch")
    for _, using in PLACES.values():
        await Mark.objects.using(using).aget_or_create(at=START, defaults={"position": "0"})

    await sync_to_async(journal.renew)(epoch.value, "second")
    told = await visitor.hear()
    for stream in ("values", "memos"):
        await sync_to_async(make)(stream, "on")

    assert (told["stream"], told["payload"]["action"]) == ("notes", "reset")
    for _, using in PLACES.values():
        assert await Mark.objects.using(using).aexists() == (using != "second")
        await Mark.objects.using(using).all().adelete()
    assert {(await visitor.hear())["stream"], (await visitor.hear())["stream"]} == {"values", "memos"}


@only("postgresql", "on SQLite a copy is told by its position alone")
async def test_a_journal_that_is_restored_into_one_resets_only_its_own_clients(visit, several):
    visitor = await visit(several)
    await look(visitor)

    await sync_to_async(sql)(  # as a dump of a server that was further on has it
        "second",
        """INSERT INTO channels_databinding_journal (xid, "table", pk, op)
           SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000000)::text::xid8,
               'elsewhere_note', '1', 'create'""",
    )
    told = await visitor.hear()
    await sync_to_async(make)("values", "on")

    assert (told["stream"], told["payload"]["action"]) == ("notes", "reset")
    assert (await visitor.hear())["stream"] == "values"


async def test_who_holds_one_database_holds_up_nobody_in_another(visit, several):
    waits, goes_on = await visit(several), await visit(several)
    screens = await look(goes_on)
    with closing(databases.connect(url("second"))) as other:
        other.execute("BEGIN")
        # On SQLite a write takes the whole file, on PostgreSQL this is as if somebody altered the table.
        other.execute("DELETE FROM elsewhere_note" if connection.vendor == "sqlite" else "LOCK TABLE elsewhere_note")
        ref = await waits.say("notes", {"action": "create", "data": {"text": "late"}})
        for stream in ("values", "memos"):
            await goes_on.ask(stream, {"action": "create", "data": data(stream, "soon")})
        other.execute("ROLLBACK")
    await waits.hear_until(ref)
    await settle(screens)

    assert [*screens[1].column("text").values()] == ["late"]


async def test_a_journal_that_is_broken_stops_no_other(visit, several, caplog):
    visitor = await visit(several)
    await look(visitor)
    await sync_to_async(sql)("second", "ALTER TABLE channels_databinding_state RENAME TO hidden")
    try:
        for stream in PLACES:
            await sync_to_async(make)(stream, "on")
        heard = {(await visitor.hear())["stream"] for _ in range(2)}
    finally:
        await sync_to_async(sql)("second", "ALTER TABLE hidden RENAME TO channels_databinding_state")

    assert heard == {"values", "memos"}
    assert (await visitor.hear())["payload"]["data"]["text"] == "on"  # later, and not less


def sql(using, statement):
    with connections[using].cursor() as cursor:
        cursor.execute(statement)


def test_each_has_the_triggers_of_its_own_tables_and_of_no_other(several):
    tables = {}
    for _, using in PLACES.values():
        with connections[using].cursor() as cursor:
            tables[using] = {table for table, _ in database(using).installed(cursor).values() if table}

    assert tables["second"] == {"elsewhere_note"}
    assert tables["third"] == {"elsewhere_memo"} | {"elsewhere_memo_about"}
    assert "example_integervalue" in tables["default"]
    assert not tables["default"] & {"elsewhere_note", "elsewhere_memo"}


def test_what_one_lacks_is_told(several, caplog):
    uninstall(["elsewhere_memo"], "third")

    assert missing("second") == []
    assert not readiness.readiness().ready
    assert "elsewhere_memo" in caplog.text
    assert "migrate --database third" in caplog.text
    post_migrate("third")
    assert readiness.readiness().ready


@pytest.mark.parametrize("stream", PLACES)
async def test_triggers_that_are_missing_are_put_back_and_clients_read_again(visit, several, stream, monkeypatch):
    monkeypatch.setattr(tail, "LOOK_AT_TRIGGERS_S", 0.1)
    model, using = PLACES[stream]
    visitor = await visit(several)
    await look(visitor)

    await sync_to_async(uninstall)([model._meta.db_table], using)
    told = await visitor.hear()

    assert (told["stream"], told["payload"]["action"]) == (stream, "reset")
    assert await sync_to_async(missing)(using) == []


def test_the_rows_for_a_page_come_from_their_own_database(several):
    make("notes", "a")
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    rows = several.snapshot(request, "notes")["rows"]

    assert [row["data"] for row in rows] == [{"text": "a"}]


async def test_links_are_looked_for_and_heard_of_in_their_own_database(visit, several):
    one, other = await Memo.objects.acreate(text="one"), await Memo.objects.acreate(text="other")
    visitor = await visit(several)
    await look(visitor)

    [change], _ = await visitor.ask("memos", {"action": "update", "pk": one.pk, "data": {"about": [other.pk]}})

    assert (change["payload"]["data"]["text"], change["payload"]["data"]["about"]) == ("one", [other.pk])


async def test_a_row_that_is_gone_is_told_as_it_was_in_its_own_database(visit, several):
    """Its image is read as SQLite writes it, whatever the other databases are."""
    visitor = await visit(several)
    await look(visitor)
    values = {"text": "a", "at": "2026-11-28T12:00:00Z", "price": "12.50", "done": True, "code": str(UUID(int=7))}

    [made], ack = await visitor.ask("memos", {"action": "create", "data": values})
    await Memo.objects.filter(pk=ack["payload"]["pk"]).adelete()
    gone = await visitor.hear()

    assert made["payload"]["data"] == values | {"about": []}
    assert (gone["payload"]["action"], gone["payload"]["data"]) == ("delete", made["payload"]["data"])


def test_each_is_pruned_by_itself(several):
    for stream, (_, using) in PLACES.items():
        Mark.objects.using(using).all().delete()
        journal.mark_and_prune(START, using)
        make(stream, "old")
    after = {using: journal.position(using) for _, using in PLACES.values()}
    journal.mark_and_prune(START + 60, "second")
    journal.mark_and_prune(START + DAY + 120, "second")

    for _, using in PLACES.values():
        assert Mark.objects.using(using).count() == (2 if using == "second" else 1)
        with journal.moment(using) as now:
            assert (after[using] <= now.floor) == (using == "second")
        assert Entry.objects.using(using).exists() == (using != "second")
        Mark.objects.using(using).all().delete()


@only("postgresql", "an SQLite file has no sessions to end")
async def test_sessions_of_one_that_are_ended_are_begun_anew(visit, several):
    visitor = await visit(several)
    await look(visitor)
    mine = await sync_to_async(lambda: connections["second"].cursor().connection.info.backend_pid)()
    await sync_to_async(databases.ask)(
        url("second"),
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND pid NOT IN (pg_backend_pid(), ?)""",
        mine,
    )

    [change], ack = await visitor.ask("notes", {"action": "create", "data": {"text": "a"}})

    assert (change["payload"]["data"], ack["payload"]["action"]) == ({"text": "a"}, "ack")


@pytest.mark.parametrize("model", [IntegerValue, Note])
async def test_a_hook_may_ask_no_database_about_a_row_as_it_was(visit, several, model):
    """The answer would be of now."""
    asked = several.consumers["notes"]
    asked.group_names = classmethod(lambda cls, note: ["lab"] if model.objects.exists() else [])
    await sync_to_async(make)("values", "there")
    note = await sync_to_async(make)("notes", "a")
    visitor = await visit(several)
    await look(visitor)

    await Note.objects.filter(pk=note.pk).aupdate(text="b")

    assert (await visitor.hear())["payload"]["action"] == "reset"


class Stale:
    """Sends what reads it can to a database that knows nothing yet, as a replica that is behind."""

    def db_for_read(self, model, instance=None, **hints):
        return "default" if model in (Note, Memo, Memo.about.through) and instance is None else None


async def test_a_replica_is_never_read_for_what_is_sent(visit, several, settings):
    settings.DATABASE_ROUTERS = ["test_several_databases.Stale", *settings.DATABASE_ROUTERS]
    note = await sync_to_async(make)("notes", "a")
    visitor = await visit(several)
    screen = Screen(visitor, "notes", {})
    await screen.read()

    await Note.objects.using("second").filter(pk=note.pk).aupdate(text="b")
    heard = await visitor.hear()
    _, ack = await visitor.ask("notes", {"action": "update", "pk": note.pk, "data": {"text": "c"}})

    assert screen.column("text") == {note.pk: "a"}
    assert heard["payload"]["data"]["text"] == "b"
    assert ack["payload"]["action"] == "ack"


async def test_a_replica_is_never_read_for_links(visit, several, settings):
    settings.DATABASE_ROUTERS = ["test_several_databases.Stale", *settings.DATABASE_ROUTERS]
    several.consumers["memos"].group_names = classmethod(
        lambda cls, memo: [m.text for m in memo.about.all()] or ["lab"]
    )
    one, other = [await sync_to_async(make)("memos", text) for text in ("one", "lab")]
    visitor = await visit(several)
    screen = Screen(visitor, "memos", {})
    await screen.read()

    [change], _ = await visitor.ask("memos", {"action": "update", "pk": one.pk, "data": {"about": [other.pk]}})

    assert screen.column("about") == {one.pk: [], other.pk: []}
    assert change["payload"]["data"]["about"] == [other.pk]


async def test_who_stays_and_who_comes_and_goes_show_what_is_there(visit, several):
    random, hub = Random(7), Hub()
    stays = await look(await visit(several, hub=hub))
    comes = [Screen(None, stream, {}) for stream in PLACES]
    for n in range(30):
        stream = random.choice([*PLACES])
        model, using = PLACES[stream]
        await sync_to_async(change)(random, stream, str(n))
        if n % 5 == 0:
            visitor = await visit(several, hub=random.choice([hub, Hub()]))
            for screen in comes:
                screen.visitor = visitor
                await screen.read(screen.cursor)
        elif n % 5 == 4:
            await visitor.leave()
    visitor = await visit(several)
    for screen in comes:
        screen.visitor = visitor
        await screen.read(screen.cursor)
    await settle(stays)

    for screen in (*stays, *comes):
        model, using = PLACES[screen.stream]
        there = dict(await sync_to_async(list)(model.objects.using(using).values_list("pk", TEXT[screen.stream])))
        assert screen.column(TEXT[screen.stream]) == there


def change(random, stream, text):
    model, using = PLACES[stream]
    with transaction.atomic(using):
        rows = list(model.objects.using(using).order_by("pk"))
        match random.choice(["create", "create", "update", "delete"]):
            case "update":
                model.objects.using(using).update(**{TEXT[stream]: text})
            case "delete" if rows:
                random.choice(rows).delete()
            case _:
                make(stream, text)
        transaction.set_rollback(random.random() < 0.2, using)
