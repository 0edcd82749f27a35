"""What each audience hears of a batch: rows as they were and as they are, also where that cannot be told."""

import logging

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction

from databases import only
from lab.models import Article, Blog, Person, Thing
from lab.screen import db, elsewhere, look, serve

pytestmark = pytest.mark.usefixtures("bindings_of_one_test")


def by_text(cls, thing):
    """A row's groups are the words of its text."""
    return thing.text.split()


def by_slug(cls, article):
    return [article.blog.slug]


def change(**values):
    return db(lambda: Thing.objects.update(**values))


# ---- was, is, passed


async def test_a_row_that_moves_is_deleted_here_and_created_there(visit):
    things = serve(Thing, group_names=by_text)
    thing = await Thing.objects.acreate(text="red")
    red, blue = await look(visit, "rows", things, group="red"), await look(visit, "rows", things, group="blue")

    await change(text="blue")

    assert await red.settle() == [("delete", thing.pk)]
    assert await blue.settle() == [("create", thing.pk)]


async def test_leaving_tells_only_what_was_known(visit):
    things = serve(Thing, group_names=by_text, fields=["text", "integer"])
    await Thing.objects.acreate(text="red", integer=1)
    red = await look(visit, "rows", things, group="red")

    await change(text="blue", integer=2)
    frame = await red.visitor.hear()

    assert frame["payload"]["data"] == {"text": "red", "integer": 1}


async def test_who_is_in_the_old_and_the_new_group_hears_one_update(visit):
    things = serve(Thing, group_names=by_text, subscription_groups=lambda self, user, group: [group, "blue"])
    thing = await Thing.objects.acreate(text="red")
    both = await look(visit, "rows", things, group="red")

    await change(text="blue")

    assert await both.settle() == [("update", thing.pk)]


async def test_a_group_that_was_only_passed_hears_the_key_alone(visit):
    things = serve(Thing, group_names=by_text)
    thing = await Thing.objects.acreate(text="red", integer=7)
    blue = await look(visit, "rows", things, group="blue")

    def pass_through():
        with transaction.atomic():
            Thing.objects.update(text="blue")
            Thing.objects.update(text="green")

    await db(pass_through)
    frame = await blue.visitor.hear()

    assert frame["payload"] == {"action": "delete", "pk": thing.pk, "data": {}, "model": "lab.thing"}


async def test_a_row_that_leaves_and_returns_in_a_batch_is_an_update(visit):
    things = serve(Thing, group_names=by_text)
    thing = await Thing.objects.acreate(text="red")
    red = await look(visit, "rows", things, group="red")

    def there_and_back():
        with transaction.atomic():
            Thing.objects.update(text="blue")
            Thing.objects.update(text="red", integer=2)

    await db(there_and_back)

    assert await red.settle() == [("update", thing.pk)]
    assert red.column("integer") == {thing.pk: 2}


async def test_a_batch_is_deletes_then_updates_then_creates_in_the_order_of_writing(visit):
    things = serve(Thing, group_names=by_text)
    a, b, c, d = await db(lambda: Thing.objects.bulk_create(Thing(text="red") for _ in range(4)))
    red = await look(visit, "rows", things, group="red")

    def much():
        with transaction.atomic():
            made = Thing.objects.create(text="red")
            for thing in (d, b):
                Thing.objects.filter(pk=thing.pk).update(integer=1)
            for pk in (c.pk, a.pk):
                Thing.objects.filter(pk=pk).delete()
            return made, Thing.objects.create(text="red")

    made, made_too = await db(much)

    assert await red.settle() == [
        ("delete", c.pk),
        ("delete", a.pk),
        ("update", d.pk),
        ("update", b.pk),
        ("create", made.pk),
        ("create", made_too.pk),
    ]


async def test_deleted_and_made_again_in_a_batch_is_an_update(visit):
    things = serve(Thing, group_names=by_text)
    thing = await Thing.objects.acreate(text="red")
    red = await look(visit, "rows", things, group="red")

    def replace():
        with transaction.atomic():
            Thing.objects.filter(pk=thing.pk).delete()
            Thing.objects.create(pk=thing.pk, text="red", integer=9)

    await db(replace)

    assert await red.settle() == [("update", thing.pk)]
    assert red.column("integer") == {thing.pk: 9}


# ---- groups by a foreign key


@pytest.fixture
def articles():
    """Articles in the group of their blog's slug; blogs are bound, so that their past is known too."""
    return serve(Article, group_names=by_slug)


async def test_a_row_leaves_the_group_that_its_foreign_key_named(visit, articles):
    red, blue = [await Blog.objects.acreate(slug=slug) for slug in ("red", "blue")]
    article = await Article.objects.acreate(blog=red)
    reds = await look(visit, "rows", articles, group="red")
    blues = await look(visit, "rows", articles, group="blue")

    await db(lambda: Article.objects.update(blog=blue))

    assert await reds.settle() == [("delete", article.pk)]
    assert await blues.settle() == [("create", article.pk)]


async def test_a_row_that_follows_a_blog_renamed_in_the_same_transaction_leaves_its_old_name(visit, articles):
    blog = await Blog.objects.acreate(slug="red")
    article = await Article.objects.acreate(blog=blog)
    reds = await look(visit, "rows", articles, group="red")
    blues = await look(visit, "rows", articles, group="blue")

    def rename():
        with transaction.atomic():
            Blog.objects.update(slug="blue")
            Article.objects.update(body="x")

    await db(rename)
    await reds.settle()
    await blues.settle()

    assert reds.rows == {}
    assert blues.column("body") == {article.pk: "x"}


async def test_a_row_changed_before_its_blog_is_renamed_in_the_same_transaction_leaves_its_old_name(visit, articles):
    blog = await Blog.objects.acreate(slug="red")
    article = await Article.objects.acreate(blog=blog)
    reds = await look(visit, "rows", articles, group="red")
    blues = await look(visit, "rows", articles, group="blue")

    def rename():
        with transaction.atomic():
            Article.objects.update(body="x")
            Blog.objects.update(slug="blue")

    await db(rename)
    await reds.settle()
    await blues.settle()

    assert reds.rows == {}
    assert blues.column("body") == {article.pk: "x"}


async def test_a_row_that_changes_often_is_told_and_not_read_again(visit, articles):
    red, blue = [await Blog.objects.acreate(slug=slug) for slug in ("red", "blue")]
    article = await Article.objects.acreate(blog=red)
    reds = await look(visit, "rows", articles, group="red")

    def change_often():
        with transaction.atomic():
            for n in range(100):
                Article.objects.update(blog=blue if n % 2 else red)

    await db(change_often)

    assert await reds.settle() == [("delete", article.pk)]
    assert reds.resets == 0


async def test_a_row_deleted_with_its_blog_leaves_the_blogs_group(visit, articles):
    blog = await Blog.objects.acreate(slug="red")
    article = await Article.objects.acreate(blog=blog)
    reds = await look(visit, "rows", articles, group="red")

    await blog.adelete()

    assert await reds.settle() == [("delete", article.pk)]
    assert reds.resets == 0


async def test_a_row_deleted_beside_a_blog_that_was_renamed_and_deleted_leaves_its_old_name(visit, articles):
    blog = await Blog.objects.acreate(slug="red")
    await Article.objects.acreate(blog=blog)
    reds = await look(visit, "rows", articles, group="red")

    def rename_and_delete():
        with transaction.atomic():
            Blog.objects.update(slug="blue")
            Article.objects.update(body="x")
            Blog.objects.all().delete()

    await db(rename_and_delete)
    await reds.settle()

    assert reds.rows == {}


async def test_one_query_a_relation_answers_for_the_whole_batch(visit, articles, django_assert_max_num_queries):
    from channels_databinding.differ import diff
    from channels_databinding.journal import moment, position
    from channels_databinding.subscriptions import models

    binding = articles.consumers["rows"]

    def work():
        blogs = Blog.objects.bulk_create(Blog(slug=f"b{n}") for n in range(5))
        Article.objects.bulk_create(Article(blog=blog) for blog in blogs * 10)
        start = position()
        Article.objects.all().delete()
        with moment() as now:
            batch = now.since(start, models([binding]))
            with django_assert_max_num_queries(6):  # two of them a savepoint
                return diff(batch, binding, {"b1": {frozenset({"b1"})}})

    heard = await db(work)

    assert len(heard[frozenset({"b1"})]) == 10


# ---- hooks that cannot be asked


async def test_a_query_about_a_row_as_it_was_resets_instead_of_answering_wrongly(visit):
    def by_motto(cls, person):
        return [Thing.objects.get(integer=person.pk).text]

    people = serve(Person, group_names=by_motto)
    person = await Person.objects.acreate(name="ann")
    await Thing.objects.acreate(integer=person.pk, text="red")
    red, blue = await look(visit, "rows", people, group="red"), await look(visit, "rows", people, group="blue")

    def move():
        with transaction.atomic():
            Thing.objects.update(text="blue")
            Person.objects.update(name="bea")

    await db(move)
    await red.settle()
    await blue.settle()

    assert (red.resets, blue.resets) == (1, 1)
    assert red.rows == {}
    assert blue.column("name") == {person.pk: "bea"}


@pytest.mark.parametrize("caught", [Exception, ObjectDoesNotExist])
async def test_a_hook_that_catches_everything_does_not_answer_wrongly(visit, caught):
    def by_thing(cls, person):
        try:
            return [Thing.objects.get(integer=person.pk).text]
        except caught:
            return []

    people = serve(Person, group_names=by_thing)
    person = await Person.objects.acreate(name="ann")
    await Thing.objects.acreate(integer=person.pk, text="red")
    red = await look(visit, "rows", people, group="red")
    assert list(red.rows) == [person.pk]

    await person.adelete()
    await red.settle()

    assert red.rows == {}


async def test_a_column_that_is_in_no_list_resets_instead_of_answering_wrongly(visit):
    people = serve(Person, fields=["name"], group_names=lambda cls, person: [person.motto])
    person = await Person.objects.acreate(name="ann", motto="red")
    red = await look(visit, "rows", people, group="red")

    await db(lambda: Person.objects.update(motto="blue"))
    await red.settle()

    assert red.resets == 1
    assert red.rows == {}
    assert person.pk


async def test_a_group_names_that_fails_hides_the_row_and_the_others_go_on(visit, caplog):
    def picky(cls, thing):
        return {0: ["red"], 1: ["red"]}[thing.integer]

    things = serve(Thing, group_names=picky)
    bad, good = await db(lambda: Thing.objects.bulk_create([Thing(), Thing()]))
    red = await look(visit, "rows", things, group="red")

    await db(lambda: Thing.objects.filter(pk=bad.pk).update(integer=5))
    await red.settle()
    assert list(red.rows) == [good.pk]
    await db(lambda: Thing.objects.filter(pk=good.pk).update(integer=1))
    await red.settle()
    assert red.column("integer") == {good.pk: 1}
    await db(lambda: Thing.objects.filter(pk=bad.pk).update(integer=1))
    await red.settle()

    assert red.column("integer") == {bad.pk: 1, good.pk: 1}


async def test_a_serialize_that_fails_hides_the_row_and_the_others_go_on(visit, caplog):
    def serialize_data(self, thing):
        return {"share": 10 // thing.integer}

    things = serve(Thing, group_names=lambda cls, thing: ["red"], serialize_data=serialize_data)
    bad, good = await db(lambda: Thing.objects.bulk_create([Thing(integer=1), Thing(integer=2)]))
    red = await look(visit, "rows", things, group="red")

    for n in (1, 2, 3):
        await db(lambda: Thing.objects.filter(pk=bad.pk).update(integer=0))
        await Thing.objects.filter(pk=good.pk).aupdate(integer=n)
        await red.settle()
        assert red.column("share") == {good.pk: 10 // n}
    logged = [record for record in caplog.records if "serialize failed" in record.getMessage()]
    await db(lambda: Thing.objects.filter(pk=bad.pk).update(integer=5))
    await red.settle()

    assert red.column("share") == {bad.pk: 2, good.pk: 3}
    assert len(logged) == 1
    assert logged[0].levelno == logging.ERROR
    assert str(bad.pk) in logged[0].getMessage()


async def test_a_group_that_is_no_text_hides_the_row_and_the_others_go_on(visit, caplog):
    def odd(cls, thing):
        return [["not", "hashable"]] if thing.integer == 1 else ["red"]

    things = serve(Thing, group_names=odd)
    bad, good = await db(lambda: Thing.objects.bulk_create([Thing(), Thing()]))
    red = await look(visit, "rows", things, group="red")

    await db(lambda: Thing.objects.filter(pk=bad.pk).update(integer=1))
    await db(lambda: Thing.objects.filter(pk=good.pk).update(integer=2))
    await red.settle()

    assert red.column("integer") == {good.pk: 2}


async def test_what_serialize_gives_and_json_does_not_know_does_not_stop_the_others(visit, caplog):
    def serialize_data(self, thing):
        return {"integer": object() if thing.integer == 1 else thing.integer}

    things = serve(Thing, group_names=lambda cls, thing: ["red"], serialize_data=serialize_data)
    others = serve(Thing, group_names=lambda cls, thing: ["red"])
    bad, good = await db(lambda: Thing.objects.bulk_create([Thing(), Thing()]))
    red, other = await look(visit, "rows", things, group="red"), await look(visit, "rows", others, group="red")

    await db(lambda: Thing.objects.filter(pk=bad.pk).update(integer=1))
    await db(lambda: Thing.objects.filter(pk=good.pk).update(integer=2))
    await other.settle()
    await red.settle()

    assert other.column("integer") == {bad.pk: 1, good.pk: 2}
    assert red.column("integer") == {good.pk: 2}


async def test_a_payload_without_data_is_told_like_any_other(visit):
    def serialize(self, thing, action):
        return {"action": action, "pk": thing.pk, "text": thing.text}

    things = serve(Thing, group_names=lambda cls, thing: ["red"], serialize=serialize)
    thing = await Thing.objects.acreate(text="a")
    visitor = await visit(things)

    before, ack = await visitor.subscribe("rows", group="red")

    assert ack["payload"] == {"action": "ack"}
    assert before[0]["payload"]["rows"][0]["pk"] == thing.pk


async def test_async_hooks_are_awaited(visit):
    async def group_names(cls, thing):
        return [thing.text]

    async def serialize_data(self, thing):
        return {"blogs": await Blog.objects.acount(), "text": thing.text}

    things = serve(Thing, group_names=group_names, serialize_data=serialize_data)
    thing = await Thing.objects.acreate(text="red")
    red = await look(visit, "rows", things, group="red")

    await Blog.objects.acreate(slug="x")
    await change(integer=1)
    await red.settle()

    assert red.rows == {thing.pk: {"blogs": 1, "text": "red"}}


# ---- values that the ORM reads otherwise than the database has them


@only("sqlite", "elsewhere a truth is true or false")
async def test_a_truth_that_is_neither_0_nor_1_leaks_no_row_to_a_group_it_was_never_in(visit):
    def readers(cls, thing):
        return ["readers"] if thing.boolean else ["staff"]

    things = serve(Thing, group_names=readers)
    await Thing.objects.acreate(text="draft")
    elsewhere("UPDATE lab_thing SET boolean = 2")  # the ORM reads it as False
    reader = await look(visit, "rows", things, group="readers")
    assert reader.rows == {}

    elsewhere("DELETE FROM lab_thing")

    assert await reader.settle() == []


async def test_a_model_whose_rows_can_be_false_is_told(visit, monkeypatch):
    monkeypatch.setattr(Thing, "__len__", lambda self: 0, raising=False)
    things = serve(Thing, group_names=by_text)
    red = await look(visit, "rows", things, group="red")

    thing = await Thing.objects.acreate(text="red")
    assert await red.settle() == [("create", thing.pk)]
    await change(text="blue")

    assert await red.settle() == [("delete", thing.pk)]
