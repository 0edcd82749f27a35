"""The rules of sync against the real code: random histories of two server processes over one database file."""

import os

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from world.schedule import World

RUNS = int(os.environ.get("MODEL_RUNS", "300"))

steps = st.integers(20, 150).flatmap(lambda n: st.lists(st.integers(0, 9_999), min_size=n, max_size=n))


@settings(
    max_examples=RUNS,
    deadline=None,
    derandomize="MODEL_RUNS" not in os.environ,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
@given(temper=st.integers(0, 9_999), steps=steps)
def test_whatever_happens_screens_show_what_is_there(transactional_db, caplog, temper, steps):
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(monkeypatch, temper)
        try:
            for number in steps:
                world.step(number)
            world.settle()
            check_end(world)
            assert not [record for record in caplog.records if record.levelname == "ERROR"]
        finally:
            note("\n".join(world.log))
            world.end()


def check_end(world):
    truth = world.truth
    assert max(truth.landed.values()) == 1, "something was written twice"
    for browser in world.browsers:
        assert not browser.writes, "pending for ever"
        assert all(browser.answered[ref] == 1 for ref in browser.asked), "asked and not answered"
        for ref, payload in browser.made.items():
            if payload["action"] == "delete":
                assert browser.results[ref] != "ack" or payload["pk"] not in truth.now, "acknowledged and not deleted"
            else:
                landed = truth.landed[payload["data"]["body"]]
                assert landed == (browser.results[ref] == "ack"), "acknowledged and lost, or refused and written"
        for collection in browser.collections.values():
            assert collection.rows == truth.view(collection.groups if collection.live else set(), truth.position)
