"""Every kind of change is seen, whoever makes it, and screens end right."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from lab.models import Address, Article, Blog, Nickname, Odd, Person, Seat, Thing
from lab.screen import db, elsewhere, in_another_process, journal, look, newest


@pytest.fixture
async def things(visit):
    return await look(visit, "things")


async def test_bulk_create_is_heard_row_by_row(things):
    made = await db(lambda: Thing.objects.bulk_create(Thing(integer=n) for n in range(3)))

    assert await things.settle() == [("create", thing.pk) for thing in made]
    assert things.column("integer") == {thing.pk: n for n, thing in enumerate(made)}


async def test_update_over_a_thousand_rows_is_heard_whole(things):
    made = await db(lambda: Thing.objects.bulk_create(Thing() for _ in range(1000)))
    await things.settle()

    await db(lambda: Thing.objects.update(integer=7))

    assert sorted(await things.settle()) == [("update", thing.pk) for thing in made]
    assert set(things.column("integer").values()) == {7}
    assert things.resets == 0


async def test_an_f_expression_is_heard_as_the_database_has_it(things):
    thing = await Thing.objects.acreate(integer=1)
    thing.integer = F("integer") + 1

    await thing.asave()
    await things.settle()

    assert things.column("integer") == {thing.pk: 2}


async def test_raw_sql_is_heard(things):
    thing = await Thing.objects.acreate()

    await db(lambda: connection.cursor().execute("UPDATE lab_thing SET text = 'raw' WHERE id = %s", [thing.pk]))
    await things.settle()

    assert things.column("text") == {thing.pk: "raw"}


async def test_another_program_is_heard(visit):
    blogs = await look(visit, "blogs")

    in_another_process("INSERT INTO lab_blog (slug, title) VALUES ('x', 'from elsewhere')")

    assert [action for action, _ in await blogs.settle()] == ["create"]
    assert list(blogs.rows.values()) == [{"slug": "x", "title": "from elsewhere"}]


async def test_a_rollback_is_silent(things):
    def fail():
        with transaction.atomic():
            Thing.objects.create(text="never")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await db(fail)

    assert await things.settle() == []


async def test_a_rolled_back_savepoint_is_silent_and_the_rest_is_heard(things):
    def half():
        with transaction.atomic():
            Thing.objects.create(text="kept")
            with transaction.atomic():
                Thing.objects.update(text="never")
                Thing.objects.create(text="never")
                transaction.set_rollback(True)

    await db(half)
    await things.settle()

    assert list(things.column("text").values()) == ["kept"]


async def test_many_changes_of_one_row_in_a_transaction_are_one(things):
    def busy():
        with transaction.atomic():
            thing = Thing.objects.create()
            for n in range(1, 4):
                Thing.objects.filter(pk=thing.pk).update(integer=n)
            return thing.pk

    pk = await db(busy)

    assert await things.settle() == [("create", pk)]
    assert things.column("integer") == {pk: 3}


async def test_a_row_that_comes_and_goes_in_a_transaction_is_told_by_its_key_alone(things):
    def flicker():
        with transaction.atomic():
            thing = Thing.objects.create(text="never seen")
            pk = thing.pk
            thing.delete()
            return pk

    pk = await db(flicker)
    frame = await things.visitor.hear()

    assert frame["payload"] == {"action": "delete", "pk": pk, "data": {}, "model": "lab.thing"}


async def test_a_deletion_of_all_is_heard_row_by_row(things):
    await db(lambda: Thing.objects.bulk_create(Thing() for _ in range(5)))
    await things.settle()

    elsewhere("DELETE FROM lab_thing")

    assert [action for action, _ in await things.settle()] == ["delete"] * 5
    assert things.rows == {}


async def test_a_cascade_takes_the_rows_that_follow(visit):
    blog = await Blog.objects.acreate(slug="red")
    await Article.objects.acreate(blog=blog)
    articles = await look(visit, "articles", blog="red")

    await blog.adelete()
    heard = await articles.settle()

    assert [action for action, _ in heard] == ["delete"]
    assert articles.rows == {}


async def test_set_null_is_an_update_of_the_rows_that_pointed_there(visit):
    blog, editor = await Blog.objects.acreate(slug="red"), await Person.objects.acreate(name="ed")
    article = await Article.objects.acreate(blog=blog, editor=editor)
    articles = await look(visit, "articles", blog="red")

    await editor.adelete()

    assert await articles.settle() == [("update", article.pk)]
    assert articles.column("editor") == {article.pk: None}


async def test_names_that_have_to_be_quoted_are_followed(visit):
    odds = await look(visit, "odds")

    odd = await Odd.objects.acreate(value=1)
    await Odd.objects.aupdate(value=2)
    await odds.settle()

    assert odds.column("value") == {odd.pk: 2}


async def test_ten_megabytes_of_text_arrive(things, settings):
    settings.CHANNELS_DATABINDING = {"row_bytes": 1 << 24}
    await Thing.objects.acreate(text="x" * 10_000_000)
    frame = await things.visitor.hear()

    assert frame["payload"]["data"]["text"] == "x" * 10_000_000


async def test_ten_megabytes_of_text_arrive_with_a_snapshot(visit, settings):
    settings.CHANNELS_DATABINDING = {"row_bytes": 1 << 24}
    thing = await Thing.objects.acreate(text="x" * 10_000_000)

    things = await look(visit, "things")

    assert things.column("text") == {thing.pk: "x" * 10_000_000}


async def test_a_key_in_other_capitals_does_not_stop_the_others(visit):
    await Nickname.objects.acreate(name="ann", text="1")
    nicknames = await look(visit, "nicknames")

    elsewhere("UPDATE lab_nickname SET name = 'ANN'")
    await nicknames.settle()
    await Nickname.objects.aupdate(text="2")
    await nicknames.settle()

    assert nicknames.column("text") == {"ANN": "2"}


async def test_a_key_that_does_not_fit_a_browser_is_a_string(visit):
    people = await look(visit, "people")

    await Person.objects.acreate(pk=-(2**53) - 1, name="last")  # one above would be followed by others
    await people.settle()

    assert people.column("name") == {"-9007199254740993": "last"}


async def test_a_changed_key_is_a_delete_and_a_create(things):
    thing = await Thing.objects.acreate(text="moved")
    await things.settle()

    elsewhere("UPDATE lab_thing SET id = 1000 WHERE id = ?", thing.pk)

    assert await things.settle() == [("delete", thing.pk), ("create", 1000)]
    assert things.column("text") == {1000: "moved"}


async def test_two_keys_that_change_places_are_two_updates(visit):
    for pk, guest in ((1, "ann"), (2, "bea")):
        await Seat.objects.acreate(pk=pk, row=1, number=pk, guest=guest)
    seats = await look(visit, "seats")

    in_another_process(*(f"UPDATE lab_seat SET id = {new} WHERE id = {old}" for old, new in ((1, 99), (2, 1), (99, 2))))

    assert [heard for heard in await seats.settle() if heard != ("delete", 99)] == [("update", 1), ("update", 2)]
    assert seats.column("guest") == {1: "bea", 2: "ann"}


@pytest.mark.django_db(transaction=True)
def test_one_save_beside_a_constraint_with_a_condition_is_one_journal_row():
    one, *_ = Address.objects.bulk_create(Address(person=1) for _ in range(10))
    before = newest()

    one.save()

    assert [entry[:2] for entry in journal(before)] == [("update", "lab_address")]


@pytest.mark.django_db(transaction=True)
def test_a_conflict_that_fails_leaves_nothing_in_the_journal():
    Blog.objects.create(slug="red")
    before = newest()

    with pytest.raises(IntegrityError):
        Blog.objects.create(slug="red")

    assert journal(before) == []


async def test_bulk_create_with_update_conflicts_is_heard_as_it_ended(visit):
    blog = await Blog.objects.acreate(slug="red", title="old")
    blogs = await look(visit, "blogs")

    await db(
        lambda: Blog.objects.bulk_create(
            [Blog(slug="red", title="new"), Blog(slug="blue", title="blue")],
            update_conflicts=True,
            unique_fields=["slug"],
            update_fields=["title"],
        )
    )
    await blogs.settle()

    assert blogs.rows.pop(blog.pk) == {"slug": "red", "title": "new"}
    assert list(blogs.rows.values()) == [{"slug": "blue", "title": "blue"}]
