"""SQLite takes any value in any column, and rows may push others out: no writer breaks, and screens end right."""

import re
import sqlite3

import pytest
from django.db import connection

import databases
from channels_databinding.capture import sqlite
from lab.models import Address, Diary, Label, Person, Seat, Thing, Token
from lab.screen import db, elsewhere, look, newest

pytestmark = databases.only("sqlite", "no other takes any value in any column, or REPLACE")


@pytest.fixture
async def things(visit):
    return await look(visit, "things")


@pytest.fixture
async def seats(visit):
    """Three seats on a screen: (row, number, ticket, guest)."""
    rows = [(1, 1, 11, "ann"), (1, 2, 12, "bea"), (1, 3, 13, "cy")]
    await db(
        lambda: Seat.objects.bulk_create(
            Seat(pk=n, row=r, number=s, ticket=t, guest=g) for n, (r, s, t, g) in enumerate(rows, 1)
        )
    )
    return await look(visit, "seats")


def in_table(column, table="lab_seat"):
    return dict(elsewhere(f'SELECT id, "{column}" FROM {table}'))


# ---- the schema


def test_a_table_of_more_columns_than_json_object_takes_has_an_image():
    columns = [f"c{n}" for n in range(130)]
    wide = sqlite3.connect(":memory:")
    wide.execute(f"CREATE TABLE lab_diary (id INTEGER PRIMARY KEY, {', '.join(columns)})")
    wide.execute(sqlite.JOURNAL)
    for trigger in sqlite.triggers_of(connection, Diary, ["id", *columns]).values():
        wide.execute(trigger)
    wide.execute(f"INSERT INTO lab_diary VALUES (1, {', '.join('?' * 130)})", range(130))

    wide.execute("DELETE FROM lab_diary")

    (image,) = wide.execute(
        "SELECT CAST(image AS BLOB) FROM channels_databinding_journal WHERE op = 'delete'"
    ).fetchone()
    assert sqlite.read_image(image) == {"id": 1} | {column: n for n, column in enumerate(columns)}
    wide.close()


@pytest.mark.parametrize("table", ["lab_seat", "lab_address"])
@pytest.mark.django_db(transaction=True)
def test_an_insert_does_not_look_at_every_row_for_what_it_may_push_out(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT sql FROM sqlite_master WHERE name = 'channels_databinding:{table}:replace_insert'")
        plan = []
        for select in re.findall(r"SELECT .*?(?=;)", cursor.fetchone()[0]):
            cursor.execute("EXPLAIN QUERY PLAN " + re.sub(r'NEW\."[^"]*"', "1", select))
            plan += [step for *_, step in cursor.fetchall()]

    assert plan
    assert "SCAN was" not in plan


# ---- images


VALUES = [
    pytest.param(None, id="NULL"),
    pytest.param(0, id="zero"),
    pytest.param(2**63 - 1, id="the largest integer"),
    pytest.param(-(2**63), id="the smallest integer"),
    pytest.param(0.1, id="a real"),
    pytest.param(1 / 3, id="a real of 16 digits"),
    pytest.param(5e-324, id="the smallest real"),
    pytest.param(1.7976931348623157e308, id="the largest real"),
    pytest.param(1e22, id="a whole real"),
    pytest.param(float("inf"), id="Infinity"),
    pytest.param(float("-inf"), id="-Infinity"),
    pytest.param("", id="an empty text"),
    pytest.param("b00", id="a text that looks like a blob"),
    pytest.param("r1.0", id="a text that looks like a real"),
    pytest.param("1", id="a text that looks like a number"),
    pytest.param("a\0b", id="NUL in a text"),
    pytest.param('"\\\n\x01\x1f\x7f\u2028', id="what JSON escapes"),
    pytest.param("ä€😀", id="beyond ASCII"),
    pytest.param("x" * 10_000_000, id="10 MB of text"),
    pytest.param(b"", id="an empty blob"),
    pytest.param(b"\0\xff\x80", id="a blob"),
]


@pytest.fixture
def untyped():
    """Return a table that keeps each value as it is, followed: its journal gives back what it had."""
    table = sqlite3.connect(":memory:")
    table.execute("CREATE TABLE lab_diary (id INTEGER PRIMARY KEY, value)")
    table.execute(sqlite.JOURNAL)
    for trigger in sqlite.triggers_of(connection, Diary, ["id", "value"]).values():
        table.execute(trigger)
    yield table
    table.close()


def image(table):
    (text,) = table.execute(
        "SELECT CAST(image AS BLOB) FROM channels_databinding_journal WHERE op = 'delete'"
    ).fetchone()
    return sqlite.read_image(text)["value"]


@pytest.mark.parametrize("value", VALUES)
def test_an_image_gives_back_the_value(untyped, value):
    untyped.execute("INSERT INTO lab_diary VALUES (1, ?)", [value])

    untyped.execute("DELETE FROM lab_diary")

    was = image(untyped)
    assert (type(was), was) == (type(value), value)


def test_an_image_of_a_text_that_is_not_utf8_can_be_read(untyped):
    untyped.execute("INSERT INTO lab_diary VALUES (1, CAST(x'61ff62' AS TEXT))")

    untyped.execute("DELETE FROM lab_diary")

    assert image(untyped) == "a\N{REPLACEMENT CHARACTER}b"


def test_the_image_holds_the_key_the_foreign_keys_and_what_bindings_list_and_no_more(transactional_db):
    person = Person.objects.create(name="ann", password="secret", motto="hidden")
    before = newest()

    Person.objects.all().delete()

    ((text,),) = elsewhere("SELECT image FROM channels_databinding_journal WHERE id > ?", before)
    assert sqlite.read_image(text.encode()) == {"id": person.pk, "name": "ann"}


# ---- values that fields do not expect


@pytest.mark.parametrize(
    "value",
    [
        "'text'",
        "''",
        "-1",
        "9223372036854775807",
        "0.5",
        "9e999",
        "-9e999",
        "x'00ff'",
        "CAST(x'61ff' AS TEXT)",
        "'a' || char(0) || 'b'",
    ],
)
async def test_any_value_in_any_column_lets_its_writer_and_the_others_go_on(things, value):
    columns = [field.column for field in Thing._meta.concrete_fields if field.column not in ("id", "twice")]
    await db(lambda: Thing.objects.bulk_create(Thing(text=column) for column in columns))
    good = await Thing.objects.acreate(text="good")
    await things.settle()

    for column in columns:
        elsewhere(f"UPDATE OR IGNORE lab_thing SET {column} = {value} WHERE text = ?", column)
    await Thing.objects.filter(pk=good.pk).aupdate(char="1")
    await things.settle()
    elsewhere("DELETE FROM lab_thing WHERE id <> ?", good.pk)
    await Thing.objects.filter(pk=good.pk).aupdate(char="2")
    await things.settle()

    assert things.column("char") == {good.pk: "2"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("uuid", "'not a uuid'"),
        ("decimal", "'a lot'"),
        ("text", "CAST(x'ff' AS TEXT)"),
        ("duration", "'long'"),
    ],
)
async def test_a_row_that_cannot_be_read_leaves_the_screen_and_comes_back_mended(things, caplog, column, value):
    bad, good = await db(lambda: Thing.objects.bulk_create([Thing(integer=1), Thing(integer=2)]))
    await things.settle()

    elsewhere(f"UPDATE lab_thing SET {column} = {value} WHERE id = ?", bad.pk)
    await things.settle()
    assert list(things.rows) == [good.pk]
    await Thing.objects.filter(pk=good.pk).aupdate(integer=3)
    await things.settle()
    assert things.column("integer") == {good.pk: 3}
    elsewhere(
        f"UPDATE lab_thing SET {column} = DEFAULT_VALUE WHERE id = ?".replace(
            "DEFAULT_VALUE", "'0'" if column in ("text", "decimal") else "NULL"
        ),
        bad.pk,
    )
    await things.settle()

    assert things.column("integer") == {bad.pk: 1, good.pk: 3}


async def test_a_row_whose_key_cannot_be_read_does_not_stop_the_others(visit):
    labels = await look(visit, "labels")

    elsewhere("INSERT INTO lab_label (code, text) VALUES (CAST(x'61ff' AS TEXT), '')")
    await Label.objects.acreate(code="good", text="1")
    await labels.settle()
    elsewhere("DELETE FROM lab_label WHERE code <> 'good'")
    await Label.objects.aupdate(text="2")
    await labels.settle()

    assert labels.column("text") == {"good": "2"}


async def test_a_snapshot_passes_over_a_row_whose_key_is_none(visit):
    token = await Token.objects.acreate(text="good")
    elsewhere("INSERT INTO lab_token (id, text) VALUES ('not a uuid', 'bad')")

    tokens = await look(visit, "tokens")

    assert tokens.column("text") == {str(token.pk): "good"}


# ---- conflicts

INTO = "INTO lab_seat (id, row, number, ticket, guest, hall) VALUES"

CONFLICTS = [
    pytest.param(f"REPLACE {INTO} (2, 5, 5, 50, 'new', 'main')", id="REPLACE, the key"),
    pytest.param(f"INSERT OR REPLACE {INTO} (9, 5, 5, 12, 'new', 'main')", id="REPLACE, a unique column"),
    pytest.param(f"INSERT OR REPLACE {INTO} (9, 1, 2, 50, 'new', 'main')", id="REPLACE, columns unique together"),
    pytest.param(f"INSERT OR REPLACE {INTO} (NULL, 1, 1, 13, 'new', 'main')", id="REPLACE, two rows at once"),
    pytest.param(f"INSERT OR REPLACE {INTO} (2, 1, 1, 13, 'new', 'main')", id="REPLACE, three rows at once"),
    pytest.param(f"INSERT OR REPLACE {INTO} (9, '1', '2', '50', 'new', 'main')", id="REPLACE, numbers as text"),
    pytest.param("UPDATE OR REPLACE lab_seat SET ticket = 11 WHERE id = 2", id="UPDATE OR REPLACE, a unique column"),
    pytest.param("UPDATE OR REPLACE lab_seat SET id = 1 WHERE id = 2", id="UPDATE OR REPLACE, the key"),
    pytest.param("UPDATE OR REPLACE lab_seat SET ticket = 11", id="UPDATE OR REPLACE, each the next"),
    pytest.param(f"INSERT OR IGNORE {INTO} (9, 1, 2, 50, 'new', 'main')", id="IGNORE, in the way"),
    pytest.param(f"INSERT OR IGNORE {INTO} (9, 5, 5, 50, 'new', 'main')", id="IGNORE, not in the way"),
    pytest.param(f"INSERT {INTO} (9, 5, 5, 12, 'new', 'main') ON CONFLICT DO NOTHING", id="DO NOTHING"),
    pytest.param(
        f"INSERT {INTO} (9, 5, 5, 12, 'new', 'main') ON CONFLICT (ticket) DO UPDATE SET guest = excluded.guest",
        id="DO UPDATE",
    ),
    pytest.param(
        f"INSERT {INTO} (2, 5, 5, 50, 'new', 'main') ON CONFLICT (id) DO UPDATE SET id = 77",
        id="DO UPDATE of the key",
    ),
    pytest.param("UPDATE OR IGNORE lab_seat SET ticket = 11, guest = 'new'", id="UPDATE OR IGNORE"),
]


@pytest.mark.parametrize("statement", CONFLICTS)
async def test_after_a_conflict_the_screen_is_as_the_table(seats, statement):
    elsewhere(statement)
    await seats.settle()

    assert seats.column("guest") == in_table("guest")
    assert seats.column("ticket") == in_table("ticket")
    assert seats.resets == 0


async def test_a_row_pushed_out_by_a_constraint_with_a_condition_leaves_the_screen(visit):
    old = await Address.objects.acreate(person=1, current=True, street="old")
    await Address.objects.acreate(person=1, street="older")
    addresses = await look(visit, "addresses")

    elsewhere("REPLACE INTO lab_address (person, current, street) VALUES (1, 1, 'new')")
    await addresses.settle()

    assert old.pk not in addresses.rows
    assert sorted(addresses.column("street").values()) == ["new", "older"]
