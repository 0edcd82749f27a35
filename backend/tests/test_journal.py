"""Positions, marks and pruning by a given clock; batches that are too large; what wakes the tail."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import connection, transaction

from channels_databinding import journal
from channels_databinding.capture import database
from channels_databinding.limits import limit
from channels_databinding.models import Entry, Mark, Ref, State
from channels_databinding.nudge import Nudge
from lab.bindings import Lab
from lab.models import Blog, Thing
from lab.screen import Screen, db, elsewhere, in_another_process, look, newest

DAY = 86_400.0
START = 4_000_000_000.0  # seconds; the clock of these tests is ahead of the tail's own
MODELS = {Thing, Blog}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_clock_of_our_own(transactional_db):
    """Marks of other tests are at another time."""
    Mark.objects.all().delete()
    Ref.objects.all().delete()
    yield
    Mark.objects.all().delete()
    Ref.objects.all().delete()


def since(start):
    with journal.moment() as now:
        return now.since(start, MODELS)


def floor():
    with journal.moment() as now:
        return now.floor


# ---- reading


def test_a_batch_is_what_was_committed_after_a_position_by_table_in_order():
    start = journal.position()
    things = Thing.objects.bulk_create(Thing() for _ in range(3))
    Blog.objects.create(slug="red")
    Thing.objects.filter(pk=things[0].pk).update(integer=5)

    batch = since(start)

    assert batch.end == journal.position()
    assert [(c.op, c.pk) for c in batch.changes["lab_thing"]] == [
        *(("create", thing.pk) for thing in things),
        ("update", things[0].pk),
    ]
    assert [c.op for c in batch.changes["lab_blog"]] == ["create"]
    assert batch.changes["lab_thing"][-1].before["integer"] == 0


def test_tables_that_nobody_asks_for_are_not_read():
    start = journal.position()
    Thing.objects.create()
    Blog.objects.create(slug="red")

    with journal.moment() as now:
        batch = now.since(start, {Blog})

    assert set(batch.changes) == {"lab_blog"}


def test_what_is_not_committed_is_not_there_and_has_no_position():
    start = journal.position()
    with transaction.atomic():
        Thing.objects.create()

        batch = in_another_thread(since, start)
        assert (batch.end, batch.changes) == (start, {})

    assert [len(changes) for changes in since(start).changes.values()] == [1]


def test_a_rollback_leaves_nothing():
    start = journal.position()

    with transaction.atomic():
        Thing.objects.create()
        transaction.set_rollback(True)

    assert since(start).changes == {}


def test_a_moment_sees_nothing_of_what_comes_after_it():
    start = journal.position()
    Thing.objects.create(integer=1)

    with journal.moment() as now:
        elsewhere("UPDATE lab_thing SET integer = 2")
        batch = now.since(start, MODELS)

        assert [change.op for change in batch.changes["lab_thing"]] == ["create"]
        assert Thing.objects.get().integer == 1

    assert [change.op for change in since(now.position).changes["lab_thing"]] == ["update"]


def test_a_moment_keeps_no_writer_waiting():
    with journal.moment():
        elsewhere("INSERT INTO lab_blog (slug, title) VALUES ('red', '')")

    assert Blog.objects.count() == 1


def test_a_moment_waits_for_no_writer():
    start = journal.position()

    with transaction.atomic():
        Thing.objects.create()

        assert in_another_thread(journal.position) == start


def in_another_thread(ask, *arguments):
    def work():
        try:
            return ask(*arguments)
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        return pool.submit(work).result(10)


def test_a_pruned_journal_goes_on_from_where_it_was():
    Thing.objects.create()
    before = journal.position()

    elsewhere("DELETE FROM channels_databinding_journal")  # the ORM would read it first, whatever others left in it

    assert before <= journal.position()
    assert since(before).changes == {}


def test_more_changes_of_a_table_than_the_limit_are_unclear_and_the_others_are_told(settings):
    settings.CHANNELS_DATABINDING = {"reset_above": 5}
    start = journal.position()
    Thing.objects.bulk_create(Thing() for _ in range(6))
    Blog.objects.create(slug="red")

    batch = since(start)

    assert set(batch.unclear) == {"lab_thing"}
    assert set(batch.changes) == {"lab_blog"}


def test_as_many_changes_as_the_limit_are_told(settings):
    settings.CHANNELS_DATABINDING = {"reset_above": 5}
    start = journal.position()
    Thing.objects.bulk_create(Thing() for _ in range(5))

    assert len(since(start).changes["lab_thing"]) == 5


def test_ten_thousand_changes_are_the_limit_unless_a_setting_says_otherwise(settings):
    settings.CHANNELS_DATABINDING = {}

    assert limit("reset_above") == 10_000
    assert limit("retention_s") == DAY


async def test_a_batch_over_the_limit_resets_its_screens_and_they_end_right(visit, settings):
    settings.CHANNELS_DATABINDING = {"reset_above": 100}
    things, blogs = await look(visit, "things"), await look(visit, "blogs")

    await db(lambda: Thing.objects.bulk_create(Thing(integer=n) for n in range(101)))
    await things.settle()
    await Blog.objects.acreate(slug="red")
    await blogs.settle()

    assert things.resets == 1
    assert sorted(things.column("integer").values()) == list(range(101))
    assert blogs.resets == 0
    assert list(blogs.column("slug").values()) == ["red"]


async def test_a_reset_row_in_the_journal_resets_its_table_alone(visit):
    things, blogs = await look(visit, "things"), await look(visit, "blogs")

    await Entry.objects.acreate(table="lab_thing", op="reset")

    assert await things.settle() == [("reset", None)]
    assert await blogs.settle() == []


# ---- marks and pruning


def write():
    """Make a change and return the position after it."""
    Thing.objects.create()
    return journal.position()


def left():
    return list(Entry.objects.order_by("id").values_list("id", flat=True))


def test_a_mark_is_set_once_a_minute():
    journal.mark_and_prune(START)
    journal.mark_and_prune(START + 59)
    journal.mark_and_prune(START + 60)

    assert list(Mark.objects.order_by("at").values_list("at", flat=True)) == [START, START + 60]


def test_nothing_is_pruned_that_a_cursor_in_retention_needs():
    first, first_id = write(), newest()
    journal.mark_and_prune(START)
    later, later_id = write(), newest()

    journal.mark_and_prune(START + DAY)  # the mark is a day old, no older
    assert not first <= floor()
    assert {first_id, later_id} <= set(left())

    journal.mark_and_prune(START + DAY + 60)
    assert first <= floor()
    assert not later <= floor()
    assert left()[0] == later_id


def test_what_was_written_before_a_mark_and_committed_after_it_is_kept():
    journal.mark_and_prune(START)
    late = write()  # however long ago it was begun

    journal.mark_and_prune(START + DAY + 60)

    assert not late <= floor()
    assert left() == [newest()]


def test_marks_that_are_needed_no_more_go_and_one_older_than_retention_stays():
    for hour in range(30):
        journal.mark_and_prune(START + 3600 * hour)

    ages = [(START + 3600 * 29 - mark.at) / 3600 for mark in Mark.objects.order_by("at")]
    assert ages[0] == 25
    assert ages[1] == 24


def test_a_shorter_retention_prunes_sooner(settings):
    settings.CHANNELS_DATABINDING = {"retention_s": 600}
    write()
    journal.mark_and_prune(START)

    pruned = journal.mark_and_prune(START + 661)

    assert pruned >= 1
    assert left() == []


def test_a_great_deal_is_pruned_in_small_transactions():
    elsewhere("DELETE FROM channels_databinding_journal")
    Thing.objects.bulk_create(Thing() for _ in range(2 * journal.PRUNE_ROWS + 1))
    journal.mark_and_prune(START)
    deleted = []

    def count(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("DELETE FROM channels_databinding_journal"):
            deleted.append(context["cursor"].rowcount)
        return result

    with connection.execute_wrapper(count):
        pruned = journal.mark_and_prune(START + DAY + 60)

    assert pruned == sum(deleted) == 2 * journal.PRUNE_ROWS + 1
    assert max(deleted) <= journal.PRUNE_ROWS


def test_refs_outlive_the_journal():
    for n, age in enumerate((0, DAY + 60, 2 * DAY - 1, 2 * DAY + 1)):
        Ref.objects.create(who="user:1", ref=f"r{n}", digest="", at=START - age)

    journal.mark_and_prune(START)

    assert list(Ref.objects.filter(at__lt=START + 1).order_by("-at").values_list("ref", flat=True)) == [
        "r0",
        "r1",
        "r2",
    ]


async def test_a_cursor_after_the_floor_is_resumed_and_one_before_it_reads_again(visit):
    first = await look(visit, "things")
    cursors = []
    for n in range(4):
        if n == 2:
            await db(lambda: journal.mark_and_prune(START))
        await Thing.objects.acreate(integer=n)
        await first.settle()  # or its frame would stand among those of the resume
        cursors.append(first.cursor)

    await db(lambda: journal.mark_and_prune(START + DAY + 60))
    resumed, again = (Screen(first.visitor, "things", {}) for _ in range(2))

    assert await resumed.read(cursors[2]) == ["create"]
    assert list(resumed.column("integer").values()) == [3]
    assert await again.read(cursors[0]) == ["snapshot"]
    assert sorted(again.column("integer").values()) == [0, 1, 2, 3]


async def test_a_cursor_of_another_epoch_reads_again(visit):
    screen = await look(visit, "things")
    await Thing.objects.acreate()

    await screen.visitor.leave()
    await db(lambda: journal.renew(State.objects.get(key="epoch").value))
    again = Screen(await visit(Lab), "things", {})

    assert await again.read(screen.cursor) == ["snapshot"]


# ---- watching


@pytest.fixture
def nudge():
    nudge = Nudge()
    yield nudge
    nudge.close()


@pytest.fixture
def watch(nudge, settings):
    """A watch that on PostgreSQL looks by itself so seldom that a test which waits for that does not end."""
    settings.CHANNELS_DATABINDING = {"poll_s": 600}
    with closing(database().Watch("default", nudge)) as watch:
        yield watch


@pytest.mark.parametrize("somewhere", [elsewhere, in_another_process])
def test_waiting_ends_with_a_commit_of_another(watch, somewhere):
    somewhere("INSERT INTO lab_blog (slug, title) VALUES ('red', '')")

    watch.wait(timeout_s=600)


def test_without_a_commit_waiting_ends_in_time(watch):
    watch.wait(timeout_s=0.01)


def test_waiting_ends_with_a_nudge_and_takes_it(watch, nudge):
    nudge.set()

    watch.wait(timeout_s=600)

    assert not nudge.wait(0)
