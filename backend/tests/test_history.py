"""A row that lies in several tables is one row: seen, told and written as a whole, whichever of them changes."""

import pytest
from django.db import transaction

from channels_databinding import WebsocketBinding, WebsocketDemultiplexer
from channels_databinding.binding import BINDINGS
from lab.bindings import Lab
from lab.models import Article, Blog, Draft, Essay, Review
from lab.screen import db, elsewhere, look


@pytest.fixture(autouse=True)
def _bindings_of_one_test(transactional_db):  # whose flush installs triggers for what is left
    declared = list(BINDINGS)
    yield
    BINDINGS[:] = declared


def serve(model, **body):
    """Return a demultiplexer of one binding. A browser asks for the group it wants: `look(…, group=…)`."""
    defaults = {
        "model": model,
        "stream": "rows",
        "fields": ["__all__"],
        "subscription_groups": lambda self, user, group: [group],
        "has_permission": lambda self, user, action, pk: True,
    }
    binding = type("RowBinding", (WebsocketBinding,), defaults | body)
    return type("Demultiplexer", (WebsocketDemultiplexer,), {"consumers": {"rows": binding}})


def by_body(cls, article):
    return [article.body]


def by_slug(cls, article):
    return [article.blog.slug]


@pytest.fixture
async def blog(transactional_db):
    return await Blog.objects.acreate(slug="red")


# ---- rows that inherit a table


async def test_inherited_fields_are_sent_with_a_rows_own(visit, blog):
    essays = await look(visit, "essays")

    essay = await Essay.objects.acreate(blog=blog, body="a", pages=3)

    assert await essays.settle() == [("create", essay.pk)]
    assert essays.rows == {essay.pk: {"blog": blog.pk, "editor": None, "body": "a", "pages": 3}}


async def test_a_change_in_the_parents_table_is_a_change_of_the_row(visit, blog):
    essay = await Essay.objects.acreate(blog=blog, body="a", pages=3)
    essays = await look(visit, "essays")

    elsewhere("UPDATE lab_article SET body = 'b'")

    assert await essays.settle() == [("update", essay.pk)]
    assert essays.column("body") == {essay.pk: "b"}


async def test_a_save_that_changes_both_tables_is_one_update(visit, blog):
    essay = await Essay.objects.acreate(blog=blog, body="a", pages=3)
    essays = await look(visit, "essays")

    essay.body, essay.pages = "b", 4
    await essay.asave()

    assert await essays.settle() == [("update", essay.pk)]
    assert essays.rows[essay.pk] == {"blog": blog.pk, "editor": None, "body": "b", "pages": 4}


async def test_a_row_of_the_parents_table_alone_is_nobodys_business(visit, blog):
    essays = await look(visit, "essays")

    article = await Article.objects.acreate(blog=blog)
    await Article.objects.filter(pk=article.pk).aupdate(body="b")
    await article.adelete()

    assert await essays.settle() == []


async def test_a_child_without_columns_of_its_own_is_told_of_its_grandparents(visit, blog):
    review = await Review.objects.acreate(blog=blog, body="a", pages=3)
    reviews = await look(visit, "reviews")

    await Article.objects.filter(pk=review.pk).aupdate(body="b")
    assert await reviews.settle() == [("update", review.pk)]
    await Review.objects.all().adelete()

    assert await reviews.settle() == [("delete", review.pk)]


async def test_the_parents_binding_hears_of_its_children(visit, blog):
    articles = await look(visit, "articles", blog="red")

    essay = await Essay.objects.acreate(blog=blog, body="a")

    assert await articles.settle() == [("create", essay.pk)]


async def test_a_row_moves_by_a_column_of_its_parents_table(visit, blog):
    essays = serve(Essay, group_names=by_body)
    essay = await Essay.objects.acreate(blog=blog, body="red", pages=3)
    red, blue = await look(visit, "rows", essays, group="red"), await look(visit, "rows", essays, group="blue")

    await db(lambda: Essay.objects.update(body="blue", pages=4))
    farewell = await red.visitor.hear()

    assert farewell["payload"]["data"] == {"blog": blog.pk, "editor": None, "body": "red", "pages": 3}
    assert await blue.settle() == [("create", essay.pk)]
    assert red.resets == blue.resets == 0


async def test_each_state_is_put_together_of_what_both_tables_had_at_that_time(visit, blog):
    essays = serve(Essay, group_names=lambda cls, essay: [f"{essay.body}-{essay.pages}"])
    essay = await Essay.objects.acreate(blog=blog, body="red", pages=1)
    groups = ["red-1", "blue-1", "blue-2", "green-2", "red-2", "green-1"]
    screens = {group: await look(visit, "rows", essays, group=group) for group in groups}

    def change():
        with transaction.atomic():
            Article.objects.update(body="blue")
            Essay.objects.update(pages=2)
            Article.objects.update(body="green")

    await db(change)

    assert {group: await screen.settle() for group, screen in screens.items()} == {
        "red-1": [("delete", essay.pk)],
        "blue-1": [("delete", essay.pk)],  # passed: somebody may have taken a snapshot
        "blue-2": [("delete", essay.pk)],
        "green-2": [("create", essay.pk)],
        "red-2": [],
        "green-1": [],
    }


async def test_a_deleted_row_leaves_with_the_values_of_both_tables(visit, blog):
    essays = serve(Essay, group_names=by_slug)
    essay = await Essay.objects.acreate(blog=blog, body="a", pages=3)
    red = await look(visit, "rows", essays, group="red")

    await Essay.objects.all().adelete()
    frame = await red.visitor.hear()

    assert (frame["payload"]["action"], frame["payload"]["pk"]) == ("delete", essay.pk)
    assert frame["payload"]["data"] == {"blog": blog.pk, "editor": None, "body": "a", "pages": 3}


async def test_a_row_that_leaves_its_parent_behind_is_gone(visit, blog):
    essays = serve(Essay, group_names=by_body)
    essay = await Essay.objects.acreate(blog=blog, body="red")
    red = await look(visit, "rows", essays, group="red")

    await db(lambda: essay.delete(keep_parents=True))
    await red.settle()

    assert red.rows == {}
    assert await Article.objects.acount() == 1


async def test_a_browser_writes_inherited_fields_and_is_named_on_the_row(visit, blog):
    visitor = (await look(visit, "essays")).visitor

    data = {"blog": blog.pk, "body": "a", "pages": 3}
    (created,), answer = await visitor.ask("essays", {"action": "create", "data": data})
    pk = answer["payload"]["pk"]
    (updated,), done = await visitor.ask("essays", {"action": "update", "pk": pk, "data": {"body": "b"}})

    assert created["payload"]["data"] == {**data, "editor": None}
    assert (created["refs"], updated["refs"]) == ([answer["ref"]], [done["ref"]])
    assert updated["payload"]["data"]["body"] == "b"
    assert [(e.pk, e.body, e.pages) async for e in Essay.objects.all()] == [(pk, "b", 3)]


async def test_a_write_to_a_child_without_columns_is_named_on_the_row(visit, blog):
    review = await Review.objects.acreate(blog=blog, body="a")
    visitor = (await look(visit, "reviews")).visitor

    before, answer = await visitor.ask("reviews", {"action": "update", "pk": review.pk, "data": {"body": "b"}})

    (frame,) = [frame for frame in before if frame["stream"] == "reviews"]
    assert frame["refs"] == [answer["ref"]]


async def test_what_joins_a_row_to_its_parent_is_never_written(visit, blog):
    article = await Article.objects.acreate(blog=blog, body="mine")
    essays = serve(Essay, fields=["article_ptr", "id", "blog", "body"], group_names=lambda cls, essay: ["all"])
    visitor = await visit(essays)

    data = {"article_ptr": article.pk, "id": article.pk, "blog": blog.pk, "body": "theirs"}
    _, answer = await visitor.ask("rows", {"action": "create", "data": data})

    assert answer["payload"]["pk"] != article.pk
    assert (await Article.objects.aget(pk=article.pk)).body == "mine"


async def test_validation_reaches_inherited_fields(visit, blog):
    visitor = await visit(Lab)

    _, answer = await visitor.ask("essays", {"action": "create", "data": {"pages": 1}})

    assert answer["payload"]["code"] == "invalid"
    assert list(answer["payload"]["fields"]) == ["blog"]


# ---- another name for a table


async def test_a_proxy_hears_what_happens_to_its_models_rows(visit, blog):
    drafts = serve(Draft, group_names=by_body)
    red = await look(visit, "rows", drafts, group="red")

    article = await Article.objects.acreate(blog=blog, body="red")
    frame = await red.visitor.hear()
    assert (frame["payload"]["action"], frame["payload"]["model"]) == ("create", "lab.draft")
    await Draft.objects.all().adelete()

    assert await red.settle() == [("delete", article.pk)]
