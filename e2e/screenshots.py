"""Pictures of every page, to look at: `SCREENSHOTS=some/folder .venv/bin/python -m pytest e2e/screenshots.py`

Not a test, and run only when it is named. Without SCREENSHOTS they go to a temporary folder, which is printed.
"""

import os
import re
import tempfile
from base64 import b64encode
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import expect

from databases import execute
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


def test_liveblog_of_many(open_page, shoot, database):
    """A live blog with a conflict, with five hundred posts, and with none."""
    alice, other = open_page("alice"), open_page("alice")
    alice.press("27'", "Edit")
    alice.page.get_by_label("Text").fill("27' Off the bar!")
    other.edit("27'", "27' Off the post, then off the bar!")
    expect(alice.page.get_by_role("button", name="Keep mine")).to_be_visible()
    shoot(alice, "liveblog-conflict")
    execute(
        database,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " INSERT INTO liveblog_post (liveblog_id, body, published, created, updated)"
        " SELECT liveblog.id, 'District ' || i || ' is counted.', 1, '2026-01-01 12:00:00', '2026-01-01 12:00:00'"
        " FROM n, liveblog_liveblog AS liveblog WHERE slug = 'election'",
    )
    reader = open_page("nobody", "/liveblog/election/")
    reader.post("District 250 ").scroll_into_view_if_needed()
    open_page("alice", "/liveblog/election/").write("All districts are counted twice.")
    expect(reader.page.get_by_role("button", name="1 new post")).to_be_visible()
    reader.page.get_by_role("button", name="What just happened?").click()
    shoot(reader, "liveblog-500", whole=False)
    execute(database, "DELETE FROM liveblog_post")
    expect(reader.posts).to_have_count(0)
    shoot(reader, "liveblog-empty")


def test_tasks(open_page, shoot, database):
    """The table of tasks in all its states."""
    alice = open_page("alice", "/live-edit/")
    alice.open_cell("Tune the piano", "Title").fill("Tune the piano today")
    alice.page.keyboard.press("Enter")
    alice.open_cell("Tune the piano", "Notes").fill("The man from the theatre comes at nine.")
    shoot(alice, "tasks-edited")
    alice.open_cell("Print the programmes", "Title").fill("Print 300 programmes")
    execute(database, "UPDATE live_edit_task SET title = 'Print 200 programmes' WHERE title LIKE 'Print%'")
    expect(alice.note).to_contain_text("Somebody else wrote")
    shoot(alice, "tasks-conflict", whole=False)
    alice.page.get_by_role("button", name="Take theirs").click()
    alice.editor("Title").fill(" ")
    expect(alice.note).to_contain_text("Give the task a title.")
    shoot(alice, "tasks-refused", whole=False)
    alice.page.keyboard.press("Escape")
    alice.open_cell("Print 200 programmes", "Notes").fill("On thick paper, folded by hand.")
    execute(database, "DELETE FROM live_edit_task WHERE title LIKE 'Print%'")
    expect(alice.note).to_contain_text("Deleted by somebody else")
    shoot(alice, "tasks-gone", whole=False)
    alice.page.get_by_role("button", name="Dismiss").click()
    alice.cell("Book the room", "Delete").get_by_role("button").click()
    shoot(alice, "tasks-deletes", whole=False)
    alice.page.get_by_role("button", name="Keep it").click()
    execute(database, "DELETE FROM live_edit_task")
    expect(alice.tasks).to_have_count(0)
    shoot(alice, "tasks-empty")
    execute(
        database,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " INSERT INTO live_edit_task (title, status, notes, position)"
        " SELECT 'Number ' || i, 'to do', CASE i % 3 WHEN 0 THEN 'With a note.' ELSE '' END, i FROM n",
    )
    expect(alice.tasks).to_have_count(500)
    shoot(alice, "tasks-500", whole=False)


WINDOW = {"viewport": {"width": 640, "height": 700}}
WIDE_WINDOW = {"viewport": {"width": 880, "height": 640}}
SIDE_BY_SIDE = """
  <style>
    body { margin: 0; padding: 16px; display: flex; align-items: start; gap: 16px; background: #d8dde5 }
    img { width: 600px; border-radius: 10px; box-shadow: 0 2px 12px #0004 }
  </style>"""


def test_pictures_of_the_readme(visit, browser, folder):
    """Two windows side by side, of each demo. Copy them to docs/ when they have changed."""

    def shoot(name, *screens):
        files = [folder / f"{name}-{n}.png" for n in range(len(screens))]
        for file, screen in zip(files, screens, strict=True):
            screen.page.screenshot(path=file, animations="disabled")
        page = browser.new_page(viewport={"width": 1248, "height": 400})
        images = "".join(f'<img src="data:image/png;base64,{b64encode(file.read_bytes()).decode()}">' for file in files)
        page.set_content(SIDE_BY_SIDE + images)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        page.close()

    alice, bob = visit("alice", **WINDOW), visit("bob", color_scheme="dark", **WINDOW)
    alice.write("44' GOAL! A header from six metres, and the whole stadium is on its feet.")
    bob.shows("44' GOAL!")
    expect(alice.posts.get_by_text("Sending").filter(visible=True)).to_have_count(0)
    for screen in (alice, bob):
        screen.page.evaluate("document.querySelector('.posts').scrollIntoView()")
    shoot("liveblog", alice, bob)

    alice, bob = (
        visit("alice", "/live-edit/", **WIDE_WINDOW),
        visit("bob", "/live-edit/", color_scheme="dark", **WIDE_WINDOW),
    )
    bob.open_cell("Tune the piano", "Title")
    alice.open_cell("Tune the piano", "Title").fill("Tune both pianos")
    expect(bob.note).to_contain_text("Somebody else wrote")
    bob.editor("Title").fill("Tune the piano, and its stool")
    shoot("live-edit", alice, bob)


# end of demos
