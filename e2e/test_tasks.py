"""A table of tasks that everybody writes at once."""

from playwright.sync_api import expect

PAGE = "/live-edit/"
PIANO = "Tune the piano"


def test_others_see_a_cell_change_while_it_is_being_typed(visit):
    alice, bob = visit("alice", PAGE), visit("bob", PAGE)

    alice.open_cell(PIANO, "Title").press_sequentially(" again")

    expect(bob.cell(PIANO, "Title")).to_have_text("Tune the piano again")
    expect(alice.editor("Title")).to_be_focused()
