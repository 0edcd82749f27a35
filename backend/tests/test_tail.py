"""The thread that follows the journal, step by step."""

from itertools import pairwise

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from channels_databinding import journal
from channels_databinding.capture import sqlite
from channels_databinding.models import State
from channels_databinding.tail import Tail
from example.consumers import Values
from example.models import IntegerValue


@pytest.fixture
def steps(transactional_db):
    """Return (a tail, the (start, end) of each batch it handed on)."""
    batches = []
    floor = State.objects.get(key="floor")
    yield (
        Tail("default", lambda now, start: (start, now.position), lambda tail, batch: batches.append(batch)),
        batches,
    )
    floor.save()


def test_a_tail_begins_where_the_journal_is(steps):
    tail, batches = steps
    here = journal.position()

    tail.step()

    assert batches == [(None, here)]


def test_each_batch_begins_where_the_last_one_ended(steps):
    tail, batches = steps
    tail.step()
    places = [journal.position()]

    for name in "ab":
        IntegerValue.objects.create(name=name, value=1)
        tail.step()
        tail.step()  # nothing new, nothing handed on
        places.append(journal.position())

    assert batches[1:] == list(pairwise(places))


def test_what_fails_is_read_again(steps):
    _, batches = steps
    here = journal.position()

    def prepare(now, start):
        if start == here and not failed:
            failed.append(start)
            raise RuntimeError
        return start, now.position

    failed = []
    tail = Tail("default", prepare, lambda tail, batch: batches.append(batch))
    tail.step()
    IntegerValue.objects.create(name="a", value=1)

    with pytest.raises(RuntimeError):
        tail.step()
    tail.step()

    assert batches == [(None, here), (here, journal.position())]


def test_a_tail_that_slept_for_longer_than_the_journal_is_kept_starts_over(steps):
    tail, batches = steps
    tail.step()

    IntegerValue.objects.create(name="a", value=1)
    State.objects.filter(key="floor").update(value=str(journal.position()))
    IntegerValue.objects.create(name="b", value=1)
    tail.step()

    assert batches[1:] == [(None, journal.position())]


def test_a_tail_over_another_epoch_starts_over(steps):
    tail, batches = steps
    tail.step()

    journal.renew(State.objects.get(key="epoch").value)
    tail.step()

    assert batches[1:] == [(None, journal.position())]


@pytest.fixture
def seldom(monkeypatch, settings):
    """A tail hardly looks by itself."""
    monkeypatch.setattr(sqlite, "POLL_S", 60)
    settings.CHANNELS_DATABINDING = {"poll_s": 60}


@pytest.mark.usefixtures("seldom")
async def test_a_save_in_this_process_is_told_without_waiting_for_the_next_look(visit):
    browser = await visit(Values)
    await browser.subscribe("intval")

    await IntegerValue.objects.acreate(name="at once", value=1)

    assert (await browser.hear())["payload"]["data"]["name"] == "at once"


@pytest.mark.usefixtures("seldom")
async def test_what_a_transaction_saved_is_told_when_it_is_committed_and_not_before(visit):
    browser = await visit(Values)
    await browser.subscribe("intval")

    @sync_to_async
    def save_twice():
        with transaction.atomic():
            IntegerValue.objects.create(name="one", value=1)
            IntegerValue.objects.create(name="two", value=2)

    await save_twice()

    assert len((await browser.hear())["payload"]["changes"]) == 2
