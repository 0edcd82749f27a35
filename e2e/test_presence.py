# demos
"""Who is here, on both screens: two browsers on two server processes, and Redis between them."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

import databases
from machine import BACKEND, Server
from screen import LOST
from servers import Missing, Redis


@pytest.fixture(scope="module")
def redis():
    try:
        with Redis() as redis:
            yield redis
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def own(seeded, redis, tmp_path_factory):
    """Return (a database, the first server on it, the second), with Redis between the two."""
    folder = tmp_path_factory.mktemp("presence")
    database = databases.make(folder, like=seeded[0])
    databases.remember(database)
    settings = {
        "REDIS_URL": redis.url,
        "DJANGO_SETTINGS_MODULE": "quick_settings",
        "PYTHONPATH": f"{BACKEND}{os.pathsep}{Path(__file__).parent}",
    }
    first, second = (Server(database, folder / f"{name}.log", **settings) for name in ("first", "second"))
    yield database, first, second
    first.kill()
    second.kill()
    databases.drop(database)


def sees(screen, sentence, *names):
    """The screen says so, and has these faces, in any order."""
    expect(screen.page.locator(".people > p").first).to_have_text(sentence)
    faces = screen.page.get_by_role("list", name="Who is here").get_by_role("listitem")
    expect(faces).to_have_count(len(names))
    for name in names:
        expect(faces.get_by_text(name, exact=True)).to_have_count(1)


def test_readers_see_who_reads_and_who_leaves(visit, second_server):
    alice = visit("alice")
    sees(alice, "Only you are reading", "alice (you)")

    bob = visit("bob", at=second_server.url)
    sees(alice, "2 people are reading", "alice (you)", "bob")
    visit("nobody")
    sees(bob, "3 people are reading", "alice", "bob (you)", "1 more person")
    bob.page.close()

    sees(alice, "2 people are reading", "alice (you)", "1 more person")


def test_the_tabs_of_one_person_are_one_person(visit, second_server):
    alice = visit("alice")
    visit("alice", at=second_server.url)
    bob = visit("bob", at=second_server.url)

    sees(bob, "2 people are reading", "alice", "bob (you)")
    sees(alice, "2 people are reading", "alice (you)", "bob")


def test_readers_of_another_blog_are_not_here(visit):
    alice = visit("alice", "/liveblog/final/")
    visit("bob", "/liveblog/launch/")

    sees(alice, "Only you are reading", "alice (you)")


def test_a_hidden_tab_stays(visit):
    alice, bob = visit("alice"), visit("bob")
    sees(alice, "2 people are reading", "alice (you)", "bob")

    bob.page.evaluate(
        "Object.defineProperty(document, 'visibilityState', { value: 'hidden' });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    alice.page.wait_for_timeout(4_000)  # longer than until a silent one is gone

    sees(alice, "2 people are reading", "alice (you)", "bob")


def test_the_people_of_a_killed_server_vanish_and_come_back_on_the_other(visit, line, server, second_server):
    alice, bob = visit("alice", at=second_server.url), visit("bob", at=line.url)
    sees(alice, "2 people are reading", "alice (you)", "bob")

    server.kill()
    expect(bob.connection).to_contain_text(LOST)
    sees(alice, "Only you are reading", "alice (you)")
    line.mend(second_server.port)

    sees(alice, "2 people are reading", "alice (you)", "bob")
    sees(bob, "2 people are reading", "alice", "bob (you)")


def test_a_cell_says_who_is_in_it(visit, second_server):
    alice, bob = visit("alice", "/live-edit/"), visit("bob", "/live-edit/", at=second_server.url)
    sees(alice, "2 people are here", "alice (you)", "bob")

    bob.open_cell("Tune the piano", "Title")
    expect(alice.cell("Tune the piano", "Title")).to_have_attribute("data-here", "bob")
    expect(alice.cell("Tune the piano", "Title")).to_have_accessible_description("Here now: bob")
    bob.page.keyboard.press("Tab")
    expect(alice.cell("Tune the piano", "Owner")).to_have_attribute("data-here", "bob")
    expect(alice.grid.locator("[data-here]")).to_have_count(1)
    bob.page.get_by_role("button", name="Add a task").focus()

    expect(alice.grid.locator("[data-here]")).to_have_count(0)
    expect(bob.grid.locator("[data-here]")).to_have_count(0)


def test_one_sees_where_one_is_in_another_tab(visit):
    alice, other = visit("alice", "/live-edit/"), visit("alice", "/live-edit/")

    other.cell("Tune the piano", "Status").focus()

    expect(alice.cell("Tune the piano", "Status")).to_have_attribute("data-here", "You, in another tab")
    expect(other.grid.locator("[data-here]")).to_have_count(0)


def test_nothing_moves_when_people_come_and_go(visit):
    alice = visit("alice", "/live-edit/")
    cell = alice.cell("Tune the piano", "Title")
    sees(alice, "Only you are here", "alice (you)")
    before = cell.bounding_box()

    bob = visit("bob", "/live-edit/")
    bob.cell("Tune the piano", "Title").focus()
    expect(cell).to_have_attribute("data-here", "bob")

    assert cell.bounding_box() == before


def test_what_is_read_out_does_not_chatter(visit):
    alice = visit("alice")
    status = alice.page.get_by_role("status", name="People")
    for _ in range(3):
        bob = visit("bob")
        sees(alice, "2 people are reading", "alice (you)", "bob")
        bob.page.close()
        sees(alice, "Only you are reading", "alice (you)")

    expect(status).to_have_text("")
    expect(status).to_have_text("Only you are reading")
