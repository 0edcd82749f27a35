"""Pictures of every page, to look at: `SCREENSHOTS=some/folder .venv/bin/python -m pytest e2e/screenshots.py`

Not a test, and run only when it is named. Without SCREENSHOTS they go to a temporary folder, which is printed.
"""

import os
import re
import tempfile
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import expect

from machine import sqlite
from screen import LOST

SIZES = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "desktop-dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
    "phone-dark": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "color_scheme": "dark"},
}


@pytest.fixture(scope="session")
def folder():
    folder = Path(os.environ.get("SCREENSHOTS") or tempfile.mkdtemp(prefix="screenshots-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"\nPictures are in {folder}")
    return folder


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


@pytest.fixture
def shoot(folder, size):
    def shoot(screen, name, *, whole=True):
        screen.page.screenshot(path=folder / f"{name}-{size}.png", full_page=whole, animations="disabled")

    return shoot


@pytest.fixture
def open_page(visit, size):
    return partial(visit, **SIZES[size])


def test_pages(open_page, shoot):
    shoot(open_page("bob", "/", live=False), "front")
    shoot(open_page("nobody", "/accounts/login/", live=False), "login")


# demos
def test_demos(open_page, shoot, line):
    shoot(open_page("bob", "/live-edit/"), "live-edit")
    shoot(open_page("nobody", "/live-edit/"), "live-edit-nobody")
    shoot(open_page("nobody"), "liveblog-nobody")

    alice = open_page("alice")
    shoot(alice, "liveblog-alice")
    alice.press("27'", "Edit")
    shoot(alice, "liveblog-alice-edits")
    alice.page.get_by_role("button", name="Cancel").click()
    alice.press("27'", "Move")
    shoot(alice, "liveblog-alice-moves", whole=False)
    alice.page.get_by_role("button", name="Cancel").click()
    alice.press("27'", "Delete")
    shoot(alice, "liveblog-alice-deletes", whole=False)

    bob = open_page("bob", at=line.url)
    shoot(bob, "liveblog-bob")
    bob.write("Let me in!")
    expect(bob.page.get_by_role("alert").filter(has_text=re.compile("."))).to_be_visible()
    shoot(bob, "liveblog-bob-refused")

    alice = open_page("alice", at=line.url)
    line.cut()
    for screen in (alice, bob):
        expect(screen.connection).to_contain_text(LOST)
    alice.write("Typed while the line was down.")
    alice.shows("Typed while the line was down.")
    shoot(alice, "liveblog-alice-lost")
    shoot(bob, "liveblog-bob-lost")
    bob.page.context.set_offline(True)
    expect(bob.connection).to_contain_text("offline")
    shoot(bob, "liveblog-bob-offline")


def test_tasks(open_page, shoot, database):
    """The table of tasks in all its states."""
    alice = open_page("alice", "/live-edit/")
    alice.open_cell("Tune the piano", "Title").fill("Tune the piano today")
    alice.page.keyboard.press("Enter")
    alice.open_cell("Tune the piano", "Notes").fill("The man from the theatre comes at nine.")
    shoot(alice, "tasks-edited")
    alice.open_cell("Print the programmes", "Title").fill("Print 300 programmes")
    sqlite(database, "UPDATE live_edit_task SET title = 'Print 200 programmes' WHERE title LIKE 'Print%'")
    expect(alice.note).to_contain_text("Somebody else wrote")
    shoot(alice, "tasks-conflict", whole=False)
    alice.page.get_by_role("button", name="Take theirs").click()
    alice.editor("Title").fill(" ")
    expect(alice.note).to_contain_text("Give the task a title.")
    shoot(alice, "tasks-refused", whole=False)
    alice.page.keyboard.press("Escape")
    alice.open_cell("Print 200 programmes", "Notes").fill("On thick paper, folded by hand.")
    sqlite(database, "DELETE FROM live_edit_task WHERE title LIKE 'Print%'")
    expect(alice.note).to_contain_text("Deleted by somebody else")
    shoot(alice, "tasks-gone", whole=False)
    alice.page.get_by_role("button", name="Dismiss").click()
    alice.cell("Book the room", "Delete").get_by_role("button").click()
    shoot(alice, "tasks-deletes", whole=False)
    alice.page.get_by_role("button", name="Keep it").click()
    sqlite(database, "DELETE FROM live_edit_task")
    expect(alice.tasks).to_have_count(0)
    shoot(alice, "tasks-empty")
    sqlite(
        database,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " INSERT INTO live_edit_task (title, status, notes, position)"
        " SELECT 'Number ' || i, 'to do', CASE i % 3 WHEN 0 THEN 'With a note.' ELSE '' END, i FROM n",
    )
    expect(alice.tasks).to_have_count(500)
    shoot(alice, "tasks-500", whole=False)


# end of demos
