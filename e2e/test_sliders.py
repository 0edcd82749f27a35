# demos
"""Two people, four sliders."""

from playwright.sync_api import expect

PAGE = "/live-edit/"


def test_a_slider_moved_with_the_keyboard_moves_in_the_other_browser_and_back(visit):
    alice, bob = visit("alice", PAGE), visit("bob", PAGE)
    expect(bob.slider("Bass")).to_have_value("60")

    for _ in range(5):
        alice.slider("Bass").press("ArrowRight")
    expect(bob.slider("Bass")).to_have_value("65")

    bob.slider("Bass").press("Home")
    expect(alice.slider("Bass")).to_have_value("0")
    for screen in (alice, bob):
        expect(screen.slider("Middle")).to_have_value("45")


def test_a_slider_dragged_moves_in_the_other_browser_while_it_is_dragged(visit):
    alice, bob = visit("alice", PAGE), visit("bob", PAGE)
    slider = alice.slider("Volume")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2

    alice.page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    alice.page.mouse.down()
    alice.page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=10)
    half_way = slider.input_value()
    expect(bob.slider("Volume")).to_have_value(half_way)
    alice.page.mouse.move(box["x"] + box["width"] - 1, middle, steps=10)
    alice.page.mouse.up()

    assert 50 < int(half_way) < 70
    expect(slider).to_have_value("100")
    expect(bob.slider("Volume")).to_have_value("100")


def test_a_dragged_slider_has_one_write_on_the_way_and_ends_where_it_was_let_go(visit, line):
    alice, bob = visit("alice", PAGE, at=line.url), visit("bob", PAGE)
    alice.frames.forget()
    line.hold()

    for _ in range(20):
        alice.slider("Treble").press("ArrowLeft")
    expect(alice.slider("Treble")).to_have_value("50")
    assert len(alice.frames.sent("update")) == 1
    line.release()

    expect(bob.slider("Treble")).to_have_value("50")
    expect(alice.slider("Treble")).to_have_value("50")
    assert [frame["payload"]["data"] for frame in alice.frames.sent("update")] == [{"value": 69}, {"value": 50}]


def test_who_is_not_logged_in_sees_sliders_move_and_cannot_move_them(visit):
    alice, nobody = visit("alice", PAGE), visit("nobody", PAGE)

    alice.slider("Bass").press("End")

    expect(nobody.slider("Bass")).to_have_value("100")
    expect(nobody.slider("Bass")).to_be_disabled()
