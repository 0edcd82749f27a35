"""Every kind of field, out as Channels 1.x wrote it and back in; what a browser may set and what not."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from channels_databinding import serializers
from channels_databinding.protocol import plain
from lab.bindings import Lab, LabelBinding, ThingBinding
from lab.models import Article, Blog, Label, Person, Team, Thing, Token
from lab.screen import look as look_at

UTC = dt.UTC
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")

FIELDS = [
    # field, what a browser reads, what the row has
    ("char", "ä€😀", "ä€😀"),
    ("text", "one\ntwo", "one\ntwo"),
    ("integer", -7, -7),
    ("big", 2**53 - 1, 2**53 - 1),
    ("big", "9007199254740992", 2**53),
    ("big", "-9223372036854775808", -(2**63)),
    ("boolean", True, True),
    ("maybe", None, None),
    ("maybe", False, False),
    ("float", 0.1, 0.1),
    ("float", 1e300, 1e300),
    ("decimal", "12.50", Decimal("12.5")),
    ("decimal", "-0.01", Decimal("-0.01")),
    ("date", "2017-01-02", dt.date(2017, 1, 2)),
    ("time", "03:04:05", dt.time(3, 4, 5)),
    ("time", "03:04:05.678", dt.time(3, 4, 5, 678000)),
    ("datetime", "2017-01-02T03:04:05Z", dt.datetime(2017, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("datetime", "2017-01-02T03:04:05.678Z", dt.datetime(2017, 1, 2, 3, 4, 5, 678000, UTC)),
    ("duration", "1 00:00:02.000003", dt.timedelta(days=1, seconds=2, microseconds=3)),
    ("duration", "00:00:00", dt.timedelta()),
    ("uuid", str(ID), ID),
    ("json", {"a": [1, None, {"b": "ä"}]}, {"a": [1, None, {"b": "ä"}]}),
    ("json", [], []),
    ("json", "text", "text"),
    ("json", None, None),
    ("binary", "AP+A", b"\0\xff\x80"),
    ("binary", "", b""),
    ("address", "::1", "::1"),
    ("size", "l", Thing.Size.LARGE),
]


def data(instance, binding=ThingBinding):
    """Return the row's data as a browser reads it."""
    return plain(binding().serialize_data(instance))


def read(value, name):
    """Return what a browser reads where a Thing has this value."""
    return plain(serializers.value_of(Thing(**{name: value}), Thing._meta.get_field(name)))


def stored(**values):
    """Return a Thing as it comes out of the database."""
    return Thing.objects.get(pk=Thing.objects.create(**values).pk)


# ---- out


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "read", "value"), FIELDS)
def test_a_field_is_written_in_its_format(name, read, value):
    row = stored(**{name: value})

    assert data(row)[name] == read
    assert type(data(row)[name]) is type(read)


def test_a_time_has_milliseconds_and_no_more():
    assert read(dt.datetime(2017, 1, 2, 3, 4, 5, 678999, UTC), "datetime") == "2017-01-02T03:04:05.678Z"
    assert read(dt.time(3, 4, 5, 678999), "time") == "03:04:05.678"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_has_no_number_for_is_null(value):
    assert read(value, "float") is None
    assert read({"a": [value]}, "json") == {"a": [None]}


def test_an_integer_that_a_browser_would_round_is_a_string_wherever_it_is():
    assert read(2**62, "big") == "4611686018427387904"
    assert read({"a": [2**53, 2**53 - 1]}, "json") == {"a": ["9007199254740992", 2**53 - 1]}


def test_half_a_surrogate_pair_is_sent_as_a_question_mark():
    assert read("a\ud83d", "text") == "a?"


@pytest.mark.django_db
def test_a_foreign_key_is_its_key():
    article = Article.objects.create(blog=Blog.objects.create(slug="red"), editor=None)

    assert serializers.serialize(article, Article._meta.concrete_fields) == {
        "blog": article.blog_id,
        "editor": None,
        "body": "",
    }


@pytest.mark.django_db
def test_what_the_database_computes_is_sent():
    assert data(stored(integer=21))["twice"] == 42


def test_the_fields_are_in_the_models_order_and_the_key_is_not_among_them():
    fields = serializers.select(Thing, ["float", "char", "id", "integer"], None)

    assert list(serializers.serialize(Thing(pk=3), fields)) == ["char", "integer", "float"]


def test_a_natural_key_is_not_among_the_data():
    assert data(Label(code="a", text="b"), LabelBinding) == {"text": "b"}


@pytest.mark.parametrize("everything", ["__all__", ["__all__"], ("__all__",)])
def test_all_fields_are_all_but_the_key(everything):
    names = [field.name for field in serializers.select(Person, everything, None)]

    assert names == ["name", "password", "motto"]


def test_excluded_fields_are_left_out():
    names = [field.name for field in serializers.select(Person, None, ["password"])]

    assert names == ["name", "motto"]


def test_without_a_list_nothing_is_sent():
    assert serializers.select(Person, None, None) == []


# ---- in


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "read", "value"), FIELDS)
def test_what_was_written_can_be_sent_back(name, read, value):
    row = Thing()

    serializers.assign(row, ThingBinding.listed(), {name: read})
    row.save()

    again = Thing.objects.get(pk=row.pk)
    assert getattr(again, name) == value
    assert data(again)[name] == read


def test_a_files_name_is_sent_and_never_taken_from_a_browser():
    row = Thing(file="mine.txt")

    serializers.assign(row, ThingBinding.listed(), {"file": "uploads/somebody-elses.pdf"})

    assert row.file.name == "mine.txt"


def test_a_thousand_links_are_the_most_of_one_write():
    team = Team()
    keys = list(range(1_001))

    with pytest.raises(ValidationError, match="1,000"):
        serializers.assign(team, serializers.select(Team, ["__all__"], None), {"members": keys})


@pytest.mark.parametrize(("name", "message"), [("char", "cannot be null"), ("integer", "cannot be null")])
def test_null_is_refused_by_field_where_the_column_takes_none(name, message):
    with pytest.raises(ValidationError) as refused:
        serializers.assign(Thing(), ThingBinding.listed(), {name: None})

    assert message in refused.value.message_dict[name][0]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-inf", "1e999", 1e308 * 10])
def test_a_number_that_is_none_is_refused(value):
    with pytest.raises(ValidationError):
        serializers.assign(Thing(), ThingBinding.listed(), {"float": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("integer", "seven"),
        ("integer", {}),
        ("integer", [1]),
        ("integer", float("inf")),
        ("integer", 1.5),
        ("integer", "1.5"),
        ("float", "much"),
        ("decimal", "much"),
        ("decimal", []),
        ("boolean", "maybe"),
        ("boolean", 7),
        ("date", "yesterday"),
        ("date", "2017-02-30"),
        ("date", 20170102),
        ("time", "25:00"),
        ("datetime", "soon"),
        ("datetime", 0),
        ("duration", "long"),
        ("uuid", "x"),
        ("uuid", 2**200),
        ("binary", "not base64!"),
        ("binary", 7),
        ("char", {"a": 1}),
        ("text", ["a"]),
        ("address", "nowhere"),
    ],
)
def test_what_a_field_cannot_be_is_refused_under_its_name(name, value):
    def save(row):
        serializers.assign(row, ThingBinding.listed(), {name: value})
        row.clean_fields()

    with pytest.raises(ValidationError) as refused:
        save(Thing())

    assert list(refused.value.message_dict) == [name]


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(ValidationError) as refused:
        serializers.assign(Thing(), ThingBinding.listed(), {"integer": "x", "date": "x", "char": "fine"})

    assert sorted(refused.value.message_dict) == ["date", "integer"]


def test_what_is_not_listed_is_passed_over():
    person = Person(name="ann", password="secret")

    serializers.assign(person, serializers.select(Person, ["name"], None), {"name": "bea", "password": "x", "no": 1})

    assert (person.name, person.password) == ("bea", "secret")


@pytest.mark.django_db
def test_what_is_not_editable_is_sent_and_never_written():
    row = stored(sealed=b"wax", integer=1)
    changed = row.changed

    serializers.assign(row, ThingBinding.listed(), {"sealed": "AAAA", "changed": "2020-01-01T00:00:00Z", "twice": 5})

    assert (row.sealed, row.changed, row.twice) == (b"wax", changed, 2)
    assert data(row)["sealed"] == "d2F4"


def test_a_natural_key_may_be_given_while_the_row_is_new():
    label = Label()

    serializers.assign(label, LabelBinding.listed(), {"code": "a"})

    assert label.pk == "a"


def test_a_natural_key_is_not_changed_afterwards():
    label = Label.from_db("default", ["code", "text"], ["a", ""])

    serializers.assign(label, LabelBinding.listed(), {"code": "b", "text": "c"})

    assert (label.code, label.text) == ("a", "c")


def test_a_numbered_key_is_never_given_even_if_it_is_listed():
    thing = Thing()

    serializers.assign(thing, serializers.select(Thing, ["id", "text"], None), {"id": 2**63 - 1, "text": "a"})

    assert thing.pk is None


@pytest.mark.parametrize(("sent", "key"), [(3, 3), ("3", 3), ("", None), (None, None), (str(2**53 + 1), 2**53 + 1)])
def test_a_foreign_key_is_taken_as_its_key(sent, key):
    article = Article()

    serializers.assign(article, serializers.select(Article, ["editor"], None), {"editor": sent})

    assert article.editor_id == key


def test_another_related_row_takes_the_place_of_the_one_that_was_read():
    article = Article(blog=Blog(pk=1, slug="red"))

    serializers.assign(article, serializers.select(Article, ["blog"], None), {"blog": 2})

    assert "blog" not in article._state.fields_cache


@pytest.mark.parametrize("value", ["2017-01-02T03:04", "2017-01-02T03:04:05"])
@pytest.mark.django_db
def test_a_datetime_without_a_zone_is_in_the_servers(value, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    row = Thing()

    serializers.assign(row, ThingBinding.listed(), {"datetime": value})
    row.save()

    assert Thing.objects.get(pk=row.pk).datetime.astimezone(UTC).hour == 2


# ---- keys and expectations, through the door


async def test_a_key_and_a_number_of_64_bits_go_both_ways(visit):
    await Person.objects.acreate(pk=2**53 + 1, name="ann")
    people = await look_at(visit, "people")
    (pk,) = people.rows

    (change,), answer = await people.visitor.ask("people", {"action": "update", "pk": pk, "data": {"name": "bea"}})

    assert change["payload"]["pk"] == answer["payload"]["pk"] == "9007199254740993"
    assert (await Person.objects.aget(pk=2**53 + 1)).name == "bea"


async def test_a_uuid_is_a_key(visit):
    token = await Token.objects.acreate(text="a")
    visitor = await visit(Lab)

    before, answer = await visitor.ask("tokens", {"action": "update", "pk": str(token.pk), "data": {"text": "b"}})

    assert before[0]["payload"]["pk"] == str(token.pk)
    assert answer["payload"] == {"action": "ack", "pk": str(token.pk)}


@pytest.mark.parametrize(("name", "read", "value"), FIELDS)
async def test_what_was_read_is_what_is_expected(visit, name, read, value):
    thing = await Thing.objects.acreate(**{name: value})
    visitor = await visit(Lab)

    _, answer = await visitor.ask(
        "things", {"action": "update", "pk": thing.pk, "data": {"char": "x"}, "expect": {name: read}}
    )

    assert answer["payload"] == {"action": "ack", "pk": thing.pk}


async def test_what_only_looks_alike_is_not_what_was_expected(visit):
    thing = await Thing.objects.acreate(decimal=Decimal("12.50"))
    visitor = await visit(Lab)

    _, answer = await visitor.ask(
        "things", {"action": "update", "pk": thing.pk, "data": {"char": "x"}, "expect": {"decimal": "12.5"}}
    )

    assert answer["payload"]["code"] == "conflict"
    assert (await Thing.objects.aget()).char == ""
