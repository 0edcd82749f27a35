# demos
"""Two people, one live blog."""

import re

from playwright.sync_api import expect

from databases import ask

BLOG, OTHER_BLOG = "/liveblog/final/", "/liveblog/launch/"
KICK_OFF = "We are under way."
DRAFT = "Waiting for the referee"


def test_a_post_shows_in_the_other_browser(visit):
    alice, bob = visit("alice"), visit("bob")

    alice.write("Goal!")

    bob.shows("Goal!")
    alice.shows_settled("Goal!")
    for screen in (alice, bob):
        expect(screen.posts.nth(1)).to_contain_text("Goal!")  # below the one that is pinned


def test_an_edit_shows_in_the_other_browser(visit):
    alice, bob = visit("alice"), visit("bob")

    alice.edit(KICK_OFF, "We are under way, at last.")

    bob.shows("We are under way, at last.")
    bob.lacks(KICK_OFF)
    alice.shows_settled("We are under way, at last.")


def test_publishing_is_a_create_for_readers(visit):
    alice, bob = visit("alice"), visit("bob")
    bob.lacks(DRAFT)

    alice.press(DRAFT, "Publish")

    bob.shows(DRAFT)
    assert [change["action"] for change in bob.frames.changes()] == ["create"]
    expect(alice.post(DRAFT).get_by_text("only staff see it")).to_be_hidden()


def test_withdrawing_takes_a_post_from_readers_only(visit):
    alice, bob = visit("alice"), visit("bob")
    bob.shows(KICK_OFF)

    alice.press(KICK_OFF, "Withdraw")

    bob.lacks(KICK_OFF)
    assert [change["action"] for change in bob.frames.changes()] == ["delete"]
    alice.shows_settled(KICK_OFF)
    expect(alice.post(KICK_OFF).get_by_text("only staff see it")).to_be_visible()


def test_a_deleted_post_leaves_both_browsers(visit, database):
    alice, bob = visit("alice"), visit("bob")
    bob.shows(KICK_OFF)

    alice.delete(KICK_OFF)

    bob.lacks(KICK_OFF)
    alice.lacks(KICK_OFF)
    assert ask(database, "SELECT count(*) FROM liveblog_post WHERE body LIKE ?", f"{KICK_OFF}%") == [(0,)]


def test_a_moved_post_leaves_one_page_and_enters_the_other(visit):
    alice = visit("alice", BLOG)
    reader, reader_of_the_other = visit("bob", BLOG), visit("bob", OTHER_BLOG)
    reader.shows(KICK_OFF)
    reader_of_the_other.lacks(KICK_OFF)

    alice.move(KICK_OFF, to="Launch day")

    reader_of_the_other.shows(KICK_OFF)
    reader.lacks(KICK_OFF)
    alice.lacks(KICK_OFF)
    assert [change["action"] for change in reader.frames.changes()] == ["delete"]
    assert [change["action"] for change in reader_of_the_other.frames.changes()] == ["create"]


def test_a_pinned_post_goes_to_the_top_and_back(visit):
    alice, bob = visit("alice"), visit("bob")

    alice.press(KICK_OFF, "Pin")
    for screen in (alice, bob):
        expect(screen.post(KICK_OFF).get_by_text("Pinned")).to_be_visible()
        expect(screen.posts.first).to_contain_text(KICK_OFF)

    alice.press(KICK_OFF, "Unpin")
    for screen in (alice, bob):
        expect(screen.post(KICK_OFF).get_by_text("Pinned")).to_be_hidden()
        expect(screen.posts.first).to_contain_text("How to follow")


def test_a_like_of_anybody_counts_on_every_screen(visit, database):
    alice, nobody = visit("alice"), visit("nobody")
    nobody.mark()

    for _ in range(3):
        nobody.press(KICK_OFF, "Like")

    for screen in (alice, nobody):
        expect(screen.post(KICK_OFF).get_by_role("button", name="Like")).to_have_text(re.compile(r"\b8$"))
    assert ask(database, "SELECT likes FROM liveblog_post WHERE body LIKE ?", f"{KICK_OFF}%") == [(8,)]
    assert nobody.is_marked()


def test_a_like_that_cannot_be_sent_says_so(visit, line):
    nobody = visit("nobody", at=line.url)

    line.cut()
    nobody.press(KICK_OFF, "Like")

    expect(nobody.post(KICK_OFF).get_by_role("alert")).to_contain_text("could not be sent")


def test_text_is_shown_as_text(visit):
    alice, bob = visit("alice"), visit("bob")

    alice.write("<img src=x onerror=alert(1)> & <b>bold</b>\n\nSecond paragraph,\nsecond line.")

    for screen in (alice, bob, visit("bob")):
        post = screen.post("Second paragraph")
        expect(post.get_by_role("paragraph").filter(has_text="onerror")).to_have_text(
            "<img src=x onerror=alert(1)> & <b>bold</b>"
        )
        expect(post.get_by_role("paragraph").filter(has_text="second line")).to_have_count(1)


def test_who_is_not_logged_in_reads_along_and_has_nothing_to_write_with(visit):
    alice, nobody = visit("alice"), visit("nobody")

    alice.write("Goal!")

    nobody.shows(KICK_OFF, "Goal!")
    nobody.lacks(DRAFT)
    expect(nobody.page.get_by_role("textbox")).to_have_count(0)
    expect(nobody.post(KICK_OFF).get_by_role("button")).to_have_count(1)  # to like it


def test_drafts_never_reach_a_reader(visit):
    alice, bob, nobody = visit("alice"), visit("bob"), visit("nobody")

    alice.write("Secret one", publish=False)
    alice.shows_settled("Secret one")
    alice.edit("Secret one", "Secret two")
    alice.shows_settled("Secret two")
    alice.write("Secret three", publish=False)
    alice.delete("Secret two")
    alice.lacks("Secret two")
    alice.write("That is all.")

    for reader in (bob, nobody):
        reader.shows("That is all.")  # and all that came before it has been heard
        heard = str(reader.frames.all)
        assert "That is all." in heard
        assert "Secret" not in heard
        assert DRAFT not in heard


def test_a_post_is_on_its_authors_screen_at_once_and_never_twice(visit, line):
    alice = visit("alice", at=line.url)
    seen = alice.watch("Goal!")
    line.hold()

    alice.write("Goal!")
    alice.shows("Goal!")
    expect(alice.post("Goal!").get_by_text("Sending")).to_be_visible()
    line.release()

    alice.shows_settled("Goal!")
    assert seen() == {"most": 1, "elements": 1, "sending": True}


def test_an_edit_is_on_its_authors_screen_at_once_and_never_flickers_back(visit, line):
    alice = visit("alice", at=line.url)
    old, new = alice.watch(KICK_OFF), alice.watch("At last!")
    line.hold()

    alice.edit(KICK_OFF, "At last!")
    alice.shows("At last!")
    line.release()

    alice.shows_settled("At last!")
    assert new() == {"most": 1, "elements": 1, "sending": True}
    assert old()["elements"] == 1


def test_a_refused_post_is_taken_back_and_its_author_told_why(visit, database, line):
    bob, alice = visit("bob", at=line.url), visit("alice")
    seen = bob.watch("I was here")
    line.hold()

    bob.write("I was here")
    bob.shows("I was here")
    line.release()

    bob.lacks("I was here")
    expect(bob.page.get_by_role("alert").filter(has_text="may not")).to_be_visible()
    assert seen() == {"most": 1, "elements": 1, "sending": True}
    assert ask(database, "SELECT count(*) FROM liveblog_post WHERE body = 'I was here'") == [(0,)]
    assert "I was here" not in str(alice.frames.all)


def test_what_was_typed_is_kept_when_it_is_refused(visit):
    bob = visit("bob")

    bob.write("Half an hour of work")

    expect(bob.page.get_by_role("alert").filter(has_text="may not")).to_be_visible()
    expect(bob.page.get_by_role("textbox", name="New post")).to_have_value("Half an hour of work")


def test_what_was_typed_since_is_kept_too(visit, line):
    bob = visit("bob", at=line.url)
    text = bob.page.get_by_role("textbox", name="New post")
    line.hold()
    bob.write("Half an hour of work")

    text.fill("Another idea")
    line.release()

    expect(text).to_have_value("Half an hour of work\n\nAnother idea")


def form(screen):
    return screen.page.get_by_role("form", name="Edit post")


def theirs(screen, text):
    return form(screen).get_by_role("status").filter(has_text=text)


def test_an_edit_of_somebody_else_is_shown_beside_what_one_types_and_overwrites_nothing(visit):
    alice, other_tab, bob = visit("alice"), visit("alice"), visit("bob")
    alice.press(KICK_OFF, "Edit")
    form(alice).get_by_label("Text").fill("They have begun.")

    other_tab.edit(KICK_OFF, "Kick-off!")

    expect(theirs(alice, "Kick-off!")).to_be_visible()
    expect(form(alice).get_by_label("Text")).to_have_value("They have begun.")
    expect(form(alice).get_by_label("Text")).to_be_focused()
    form(alice).get_by_role("button", name="Keep mine").click()
    bob.shows("They have begun.")
    bob.lacks("Kick-off!")
    expect(form(alice)).to_have_count(0)


def test_an_edit_of_somebody_else_can_be_taken(visit):
    alice, other_tab, bob = visit("alice"), visit("alice"), visit("bob")
    alice.press(KICK_OFF, "Edit")
    form(alice).get_by_label("Text").fill("They have begun.")
    other_tab.edit(KICK_OFF, "Kick-off!")

    form(alice).get_by_role("button", name="Take theirs").click()

    expect(form(alice).get_by_label("Text")).to_have_value("Kick-off!")
    expect(theirs(alice, "Kick-off!")).to_be_hidden()
    bob.shows("Kick-off!")


def test_an_edit_that_was_under_way_when_somebody_else_saved_asks_first(visit, line):
    alice, other_tab, bob = visit("alice", at=line.url), visit("alice"), visit("bob")
    alice.press(KICK_OFF, "Edit")
    form(alice).get_by_label("Text").fill("They have begun.")
    line.hold()
    other_tab.edit(KICK_OFF, "Kick-off!")
    bob.shows("Kick-off!")

    form(alice).get_by_role("button", name="Save").click()
    expect(form(alice)).to_have_count(0)
    line.release()

    expect(theirs(alice, "Kick-off!")).to_be_visible()
    expect(form(alice).get_by_label("Text")).to_have_value("They have begun.")
    bob.lacks("They have begun.")


def test_what_one_types_into_a_post_outlives_the_post(visit):
    alice, other_tab, bob = visit("alice"), visit("alice"), visit("bob")
    alice.press(KICK_OFF, "Edit")
    form(alice).get_by_label("Text").fill("They have begun.")

    other_tab.delete(KICK_OFF)

    expect(theirs(alice, "no longer here")).to_be_visible()
    expect(form(alice).get_by_label("Text")).to_have_value("They have begun.")
    expect(form(alice).get_by_label("Text")).to_be_focused()
    form(alice).get_by_role("button", name="Post it anew").click()
    bob.shows("They have begun.")
    expect(form(alice)).to_have_count(0)


def test_a_refused_edit_stays_open_and_says_why(visit):
    alice, bob = visit("alice"), visit("bob")
    alice.press(KICK_OFF, "Edit")

    form(alice).get_by_label("Text").fill(" \n ")
    form(alice).get_by_role("button", name="Save").click()

    expect(form(alice).get_by_role("alert")).to_have_text("Write something first.")
    bob.shows(KICK_OFF)
    form(alice).get_by_role("button", name="Cancel").click()
    alice.shows_settled(KICK_OFF)
    expect(alice.post(KICK_OFF).get_by_role("button", name="Edit")).to_be_focused()


def test_none_of_many_posts_ever_blinks(visit):
    alice, bob = visit("alice"), visit("bob")
    seen = [alice.watch(f"Post number {n}.") for n in range(8)]

    for n in range(8):
        alice.write(f"Post number {n}.")

    expect(bob.post("Post number")).to_have_count(8)
    alice.shows_settled(*(f"Post number {n}." for n in range(8)))
    assert [look()["elements"] for look in seen] == [1] * 8


def test_a_post_that_is_not_valid_is_taken_back_and_its_author_told_what_to_mend(visit):
    alice, bob = visit("alice"), visit("bob")

    alice.write(" \n ")  # enough for the browser's `required`, not for the model
    expect(alice.page.get_by_role("alert").filter(has_text="Write something")).to_be_visible()
    alice.write("Goal!")

    bob.shows("Goal!")
    expect(alice.posts).to_have_count(7)
    assert [change["action"] for change in bob.frames.changes()] == ["create"]
