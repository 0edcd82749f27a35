# demos
"""Whoever changes the rows, by whatever means: readers see it."""

import time

import pytest
from playwright.sync_api import expect

from databases import execute
from machine import shell

KICK_OFF = "We are under way."
DRAFT = "Waiting for the referee"


@pytest.fixture
def admin(visit):
    """Alice's screen: the admin's list of posts."""
    return visit("alice", "/admin/liveblog/post/", live=False).page


def test_a_change_in_the_admin_shows(visit, admin):
    bob = visit("bob")

    admin.get_by_role("link", name=DRAFT).click()
    admin.get_by_label("Body").fill("The referee has decided.")
    admin.get_by_label("Published").check()
    admin.get_by_role("button", name="Save", exact=True).click()

    expect(admin.get_by_role("list").filter(has_text="was changed successfully")).to_be_visible()
    bob.shows("The referee has decided.")


def test_a_post_added_and_one_deleted_in_the_admin_show(visit, admin):
    bob = visit("bob")
    bob.shows(KICK_OFF)

    admin.get_by_role("link", name="Add post").click()
    admin.get_by_role("combobox", name="Liveblog").select_option("The final")
    admin.get_by_label("Body").fill("From the admin")
    admin.get_by_label("Published").check()
    admin.get_by_role("button", name="Save", exact=True).click()
    admin.get_by_role("link", name=KICK_OFF).click()
    admin.get_by_role("link", name="Delete").click()
    admin.get_by_role("button", name="Yes, I’m sure").click()

    bob.shows("From the admin")
    bob.lacks(KICK_OFF)


def test_a_change_in_the_shell_shows(visit, database):
    bob = visit("bob")

    shell(
        database,
        "from liveblog.models import Liveblog, Post\n"
        "Post.objects.create(liveblog=Liveblog.objects.get(slug='final'), body='From the shell', published=True)",
    )

    bob.shows("From the shell")


def test_an_update_of_100_rows_shows_whole_and_in_one_frame(visit, database):
    shell(
        database,
        "from liveblog.models import Liveblog, Post\n"
        "final = Liveblog.objects.get(slug='final')\n"
        "Post.objects.bulk_create(Post(liveblog=final, body=f'Flood {n}.', published=True) for n in range(100))",
    )
    alice, bob = visit("alice"), visit("bob")
    for screen in (alice, bob):
        expect(screen.post("Flood")).to_have_count(100)
        screen.frames.forget()

    shell(
        database,
        "from django.db.models import F, Value\n"
        "from django.db.models.functions import Concat\n"
        "from liveblog.models import Post\n"
        "Post.objects.filter(body__startswith='Flood').update(body=Concat(F('body'), Value(' Checked.')))",
    )

    for screen in (alice, bob):
        expect(screen.post("Checked.")).to_have_count(100)
        assert len(screen.frames.received("changes")) == 1
        assert [change["action"] for change in screen.frames.changes()] == ["update"] * 100


def test_a_change_by_sql_in_another_program_shows(visit, database):
    bob = visit("bob")
    bob.shows(KICK_OFF)

    execute(
        database,
        "UPDATE liveblog_post SET body = 'Updated by hand' WHERE body LIKE '27%'",
        "DELETE FROM liveblog_post WHERE body LIKE 'We are under way%'",
        "INSERT INTO liveblog_post (liveblog_id, body, published, created, updated)"
        " SELECT id, 'Inserted by hand', true, '2026-01-01 12:00:00', '2026-01-01 12:00:00'"
        " FROM liveblog_liveblog WHERE slug = 'final'",
    )

    bob.shows("Updated by hand", "Inserted by hand")
    bob.lacks(KICK_OFF, "Off the post!")
    assert len(bob.frames.received("changes")) == 1  # one transaction, one step on the screen


def test_a_change_from_elsewhere_shows_within_a_blink(visit, database):
    bob = visit("bob")
    took_s = []

    for n in range(4):
        execute(database, f"UPDATE liveblog_post SET body = 'Look {n}' WHERE body LIKE '27%' OR body LIKE 'Look%'")
        committed = time.monotonic()
        bob.shows(f"Look {n}")
        took_s.append(time.monotonic() - committed)

    assert min(took_s[1:]) < 1  # the first may meet the server's own look at the journal, every few seconds
