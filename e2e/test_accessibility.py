"""Every page, light and dark, for everybody: axe has nothing to say against it."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from databases import execute, only

pytestmark = only("sqlite", "a page of the same rows is the same page")

AXE = (Path(__file__).parents[1] / "node_modules/axe-core/axe.min.js").read_text()
PAGES = {
    "front": ("nobody", "/"),
    "front, staff": ("alice", "/"),
    "log in": ("nobody", "/accounts/login/"),
    # demos
    "live blog": ("nobody", "/liveblog/final/"),
    "live blog, staff": ("alice", "/liveblog/final/"),
    "live edit": ("nobody", "/live-edit/"),
    "live edit, logged in": ("bob", "/live-edit/"),
    # end of demos
}


def violations(page):
    """Return what axe finds, as `rule: the elements`."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [f"{rule['id']}: {[node['html'] for node in rule['nodes']]}" for rule in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_violations(visit, name, scheme):
    who, path = PAGES[name]
    # demos
    live = "accounts" not in path
    # instead: live = False
    # end of demos

    screen = visit(who, path, live=live, color_scheme=scheme)

    assert violations(screen.page) == []


# demos
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_none_when_others_are_there(visit, scheme):
    found = []
    for path in ("/liveblog/final/", "/live-edit/"):
        alice = visit("alice", path, color_scheme=scheme)
        others = [visit(who, path) for who in ("bob", "nobody", "nobody")]
        if path == "/live-edit/":
            others[0].cell("Tune the piano", "Title").focus()
            expect(alice.cell("Tune the piano", "Title")).to_have_attribute("data-here", "bob")
        expect(alice.page.get_by_text("4 people are", exact=False).first).to_be_visible()
        found.extend(violations(alice.page))

    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_live_blog_has_none_in_any_of_its_states(visit, line, scheme):
    alice = visit("alice", at=line.url, color_scheme=scheme)
    found = []

    def look():
        found.extend(violations(alice.page))

    alice.page.get_by_role("button", name="What just happened?").click()
    look()
    alice.page.get_by_role("button", name="What just happened?").click()
    alice.press("27'", "Edit")
    look()
    alice.page.get_by_role("button", name="Cancel").click()
    alice.press("27'", "Move")
    look()
    alice.page.get_by_role("button", name="Cancel").click()
    alice.press("27'", "Delete")
    look()
    alice.page.get_by_role("button", name="Keep it").click()
    alice.write(" \n ")
    alice.page.get_by_role("alert").filter(has_text="Write something").wait_for()
    look()
    line.cut()
    alice.connection.filter(has_text="Connection lost").wait_for()
    alice.write("Typed while the line was down.")
    look()

    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_table_of_tasks_has_none_in_any_of_its_states(visit, database, scheme):
    alice = visit("alice", "/live-edit/", color_scheme=scheme)
    found = []

    for column in ("Title", "Owner", "Status", "Due", "Notes"):
        alice.open_cell("Tune the piano", column)
        found.extend(violations(alice.page))
    alice.open_cell("Tune the piano", "Title").fill(" ")
    alice.note.filter(has_text="Give the task a title.").wait_for()
    found.extend(violations(alice.page))
    execute(database, "UPDATE live_edit_task SET title = 'Theirs' WHERE title = 'Tune the piano'")
    alice.note.filter(has_text="Somebody else wrote").wait_for()
    found.extend(violations(alice.page))
    execute(database, "DELETE FROM live_edit_task WHERE title = 'Theirs'")
    alice.note.filter(has_text="Deleted by somebody else.").wait_for()
    found.extend(violations(alice.page))
    alice.cell("Book the room", "Delete").get_by_role("button").click()
    found.extend(violations(alice.page))

    assert found == []


# end of demos
