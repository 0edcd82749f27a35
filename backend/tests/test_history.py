"""A row that lies in several tables is one row: seen, told and written as a whole, whichever of them changes."""

import uuid

import pytest
from django.db import transaction

from lab.bindings import Lab
from lab.models import Alias, Article, Blog, Draft, Essay, Membership, Person, Review, Tag, Team, Token
from lab.screen import db, elsewhere, look, serve

pytestmark = pytest.mark.usefixtures("bindings_of_one_test")


def by_body(cls, article):
    return [article.body]


def by_names(cls, team):
    """A team's groups are the names of its members."""
    return [person.name for person in team.members.all()]


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

    await db(lambda: transaction.atomic()(Essay.objects.update)(body="blue", pages=4))  # else it is two
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


async def test_a_write_to_the_childs_table_alone_is_named_on_the_row(visit, blog):
    def update(self, pk, data):
        Essay.objects.filter(pk=pk).update(pages=data["pages"])

    essay = await Essay.objects.acreate(blog=blog, body="a")
    essays = serve(Essay, group_names=by_body, update=update)
    a = await look(visit, "rows", essays, group="a")

    (frame,), answer = await a.visitor.ask("rows", {"action": "update", "pk": essay.pk, "data": {"pages": 2}})

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


# ---- many-to-many fields


@pytest.fixture
async def people(transactional_db):
    """Three of them, whose keys are in the order of their names."""
    return [await Person.objects.acreate(name=name) for name in ("ann", "bea", "cem")]


def members(screen):
    (keys,) = screen.column("members").values()
    return keys


async def test_a_many_to_many_field_is_the_keys_in_their_order(visit, people):
    ann, _, cem = people
    team = await Team.objects.acreate()
    teams = await look(visit, "teams")

    await team.members.aset([cem, ann])

    assert await teams.settle() == [("update", team.pk)]
    assert teams.rows == {team.pk: {"name": "", "members": [ann.pk, cem.pk], "tokens": [], "allies": [], "aliases": []}}


async def add(team, people):
    await team.members.aadd(people[2])


async def remove(team, people):
    await team.members.aremove(people[0])


async def clear(team, people):
    await team.members.aclear()


async def replace(team, people):
    await team.members.aset([people[2]])


async def from_the_other_side(team, people):
    await people[2].team_set.aadd(team)


async def by_the_link(team, people):
    await Membership.objects.acreate(team=team, person=people[2])


async def by_an_update_of_the_link(team, people):
    await Membership.objects.filter(person=people[0]).aupdate(person=people[2])


async def in_sql(team, people):
    elsewhere("INSERT INTO lab_membership (team_id, person_id, role) VALUES (?, ?, '')", team.pk, people[2].pk)


async def by_deletion(team, people):
    await people[0].adelete()


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (add, "abc"),
        (remove, "b"),
        (clear, ""),
        (replace, "c"),
        (from_the_other_side, "abc"),
        (by_the_link, "abc"),
        (by_an_update_of_the_link, "bc"),
        (in_sql, "abc"),
        (by_deletion, "b"),
    ],
)
async def test_a_link_that_comes_or_goes_is_a_change_of_the_row(visit, people, change, left):
    team = await Team.objects.acreate()
    await team.members.aset(people[:2])
    keys = {person.name[0]: person.pk for person in people}
    teams = await look(visit, "teams")

    await change(team, people)

    assert await teams.settle() == [("update", team.pk)]
    assert members(teams) == [keys[letter] for letter in left]


async def test_links_of_both_rows_and_other_kinds_of_keys(visit):
    token = await Token.objects.acreate(id=uuid.UUID(int=7))
    one, two = await Team.objects.acreate(name="one"), await Team.objects.acreate(name="two")
    teams = await look(visit, "teams")

    await one.allies.aadd(two)
    await one.tokens.aadd(token)
    await teams.settle()

    assert teams.column("allies") == {one.pk: [two.pk], two.pk: [one.pk]}
    assert teams.column("tokens") == {one.pk: [str(token.pk)], two.pk: []}


async def test_who_was_away_hears_of_links_like_of_anything(visit, people):
    team = await Team.objects.acreate()
    teams = await look(visit, "teams")
    await teams.visitor.leave()

    await team.members.aadd(people[0])
    teams.visitor = await visit(Lab)

    assert await teams.read(teams.cursor) == ["update"]
    assert members(teams) == [people[0].pk]


async def test_a_row_moves_by_what_it_is_linked_to(visit, people):
    team = await Team.objects.acreate()
    await team.members.aadd(people[0])
    bound = serve(Team, group_names=by_names)
    ann, bea, cem = [await look(visit, "rows", bound, group=person.name) for person in people]

    def move():
        with transaction.atomic():
            team.members.set([people[1]])
            team.members.set([people[2]])

    await db(move)

    assert await ann.settle() == [("delete", team.pk)]
    assert await bea.settle() == [("delete", team.pk)]  # passed
    assert await cem.settle() == [("create", team.pk)]
    assert (ann.resets, bea.resets, cem.resets) == (0, 0, 0)


async def test_a_row_leaves_with_the_links_it_had(visit, people):
    team = await Team.objects.acreate()
    await team.members.aset(people[:2])
    bound = serve(Team, group_names=by_names, fields=["members"])
    ann = await look(visit, "rows", bound, group="ann")

    await team.members.aset([people[2]])
    frame = await ann.visitor.hear()

    assert frame["payload"]["data"] == {"members": [people[0].pk, people[1].pk]}


async def test_a_deleted_row_leaves_with_the_links_it_had(visit, people):
    team = await Team.objects.acreate()
    await team.members.aset(people[:2])
    bound = serve(Team, group_names=by_names, fields=["members"])
    ann = await look(visit, "rows", bound, group="ann")

    await Team.objects.all().adelete()
    frame = await ann.visitor.hear()

    assert (frame["payload"]["action"], frame["payload"]["pk"]) == ("delete", team.pk)
    assert frame["payload"]["data"] == {"members": [people[0].pk, people[1].pk]}
    assert ann.resets == 0


async def test_a_linked_row_is_as_it_was_if_its_model_is_bound(visit, people):
    team = await Team.objects.acreate()
    await team.members.aadd(people[0])
    ann, dee = [await look(visit, "rows", serve(Team, group_names=by_names), group=name) for name in ("ann", "dee")]

    def rename():
        with transaction.atomic():
            Person.objects.filter(name="ann").update(name="dee")
            Team.objects.update(name="x")

    await db(rename)

    assert await ann.settle() == [("delete", team.pk)]
    assert await dee.settle() == [("create", team.pk)]
    assert ann.resets == 0


async def test_a_linked_row_that_is_gone_and_was_not_bound_resets_instead_of_answering_wrongly(visit):
    team = await Team.objects.acreate()
    await team.aliases.aadd(await Alias.objects.acreate(name="red"))
    bound = serve(Team, group_names=lambda cls, team: [alias.name for alias in team.aliases.all()])
    red = await look(visit, "rows", bound, group="red")

    await Alias.objects.all().adelete()
    await red.settle()

    assert red.rows == {}
    assert red.resets == 1


async def test_any_other_query_about_links_as_they_were_resets_instead_of_answering_wrongly(visit, people):
    team = await Team.objects.acreate()
    await team.members.aadd(people[0])
    bound = serve(Team, group_names=lambda cls, team: [p.name for p in team.members.filter(name__gt="")])
    ann, bea = [await look(visit, "rows", bound, group=name) for name in ("ann", "bea")]

    await team.members.aset([people[1]])
    await ann.settle()
    await bea.settle()

    assert (ann.rows, list(bea.rows)) == ({}, [team.pk])
    assert ann.resets == 1


async def test_a_row_with_more_states_than_can_be_looked_at_is_read_again(visit, people, monkeypatch):
    monkeypatch.setattr("channels_databinding.past.MOST_STATES", 3)
    team = await Team.objects.acreate()
    ann = await look(visit, "rows", serve(Team, group_names=by_names), group="ann")

    await team.members.aset(people)
    await ann.settle()

    assert ann.resets == 1
    assert list(ann.rows) == [team.pk]


async def test_links_of_many_rows_cost_some_queries_and_not_some_for_each(visit, people, django_assert_max_num_queries):
    from channels_databinding.differ import diff
    from channels_databinding.journal import moment, position
    from channels_databinding.subscriptions import models

    binding = serve(Team, group_names=by_names, fields=["members"]).consumers["rows"]

    def work():
        made = Team.objects.bulk_create(Team(name=str(n)) for n in range(50))
        Membership.objects.bulk_create(Membership(team=team, person=people[0]) for team in made)
        start = position()
        Membership.objects.update(person=people[1])
        with moment() as now:
            batch = now.since(start, models([binding]))
            with django_assert_max_num_queries(10):  # two of them a savepoint
                return diff(batch, binding, {"bea": {frozenset({"bea"})}})

    heard = await db(work)

    assert [change.action for change in heard[frozenset({"bea"})]] == ["create"] * 50


# ---- many-to-many fields from a browser


async def test_a_browser_writes_links_and_is_named_on_the_row(visit, people):
    ann, bea, cem = people
    teams = await look(visit, "teams")

    data = {"name": "x", "members": [cem.pk, ann.pk]}
    (created,), answer = await teams.visitor.ask("teams", {"action": "create", "data": data})
    pk = answer["payload"]["pk"]
    update = {"action": "update", "pk": pk, "data": {"members": [bea.pk]}, "expect": {"members": [ann.pk, cem.pk]}}
    (updated,), done = await teams.visitor.ask("teams", update)

    assert created["payload"]["data"]["members"] == [ann.pk, cem.pk]
    assert (created["refs"], updated["refs"]) == ([answer["ref"]], [done["ref"]])
    assert updated["payload"]["data"] == {"name": "x", "members": [bea.pk], "tokens": [], "allies": [], "aliases": []}


@pytest.mark.parametrize(
    ("stream", "data", "message"),
    [
        ("teams", {"members": [12345]}, "Select a valid choice. 12345 is not one of the available choices."),
        ("teams", {"members": ["x"]}, None),
        ("teams", {"members": [{}]}, "Enter a single value."),
        ("teams", {"members": [None]}, None),
        ("teams", {"members": 1}, "Enter a list of values."),
        ("teams", {"members": None}, "Enter a list of values."),
        ("teams", {"tokens": ["x"]}, None),
        ("tags", {"name": "x", "articles": []}, "This field is required."),
    ],
)
async def test_links_that_cannot_be_are_refused_by_their_field_and_nothing_is_written(visit, stream, data, message):
    visitor = await visit(Lab)

    _, answer = await visitor.ask(stream, {"action": "create", "data": data})

    assert answer["payload"]["code"] == "invalid"
    (name,) = answer["payload"]["fields"]
    assert name in data
    assert message is None or answer["payload"]["fields"] == {name: [message]}
    assert not await Team.objects.aexists()
    assert not await Tag.objects.aexists()


async def test_links_that_are_not_listed_are_neither_sent_nor_written(visit, people):
    team = await Team.objects.acreate()
    visitor = await visit(serve(Team, fields=["name"], group_names=lambda cls, team: ["all"]))

    payload = {"action": "update", "pk": team.pk, "data": {"name": "x", "members": [people[0].pk]}}
    _, answer = await visitor.ask("rows", payload)
    before, _ = await visitor.subscribe("rows", group="all")

    assert answer["payload"]["action"] == "ack"
    assert before[0]["payload"]["rows"] == [{"pk": team.pk, "data": {"name": "x"}}]
    assert not await Membership.objects.aexists()
