# demos
"""Lines that are cut, servers that die: whoever was away misses nothing, and nothing is done twice."""

import re

import pytest
from playwright.sync_api import expect

from databases import ask, execute
from screen import LIVE, LOST

KICK_OFF = "We are under way."


def resumed(screen):
    """Whether the screen came back by the changes it had missed, not by reading all rows again."""
    *_, subscribe = screen.frames.sent("subscribe")
    return "since" in subscribe["payload"] and not screen.frames.received("snapshot", "reset")


def test_who_was_offline_gets_exactly_what_was_missed(visit, line):
    alice, bob = visit("alice"), visit("bob", at=line.url)
    bob.mark()
    bob.frames.forget()

    line.cut()
    expect(bob.connection).to_contain_text(LOST)
    alice.write("While you were away")
    alice.edit("27'", "27' Off the bar!")
    alice.delete(KICK_OFF)
    alice.shows_settled("While you were away", "27' Off the bar!")
    alice.lacks(KICK_OFF)
    bob.shows(KICK_OFF)
    line.mend()

    bob.shows("While you were away", "27' Off the bar!")
    bob.lacks(KICK_OFF)
    expect(bob.connection).to_have_text(LIVE)
    assert bob.is_marked()
    assert resumed(bob)
    assert sorted(change["action"] for change in bob.frames.changes()) == ["create", "delete", "update"]


def test_a_catch_up_is_shown_in_one_step(visit, line, database):
    bob = visit("bob", at=line.url)
    first, second = bob.watch("One of two"), bob.watch("Two of two")
    bob.page.evaluate(
        """() => {
          window.halves = 0
          new MutationObserver(() => {
            const text = document.body.innerText
            if (text.includes('One of two') !== text.includes('Two of two')) window.halves += 1
          }).observe(document.body, { childList: true, subtree: true, characterData: true })
        }"""
    )

    line.cut()
    expect(bob.connection).to_contain_text(LOST)
    execute(database, "UPDATE liveblog_post SET body = 'One of two' WHERE body LIKE '12%'")
    execute(database, "UPDATE liveblog_post SET body = 'Two of two' WHERE body LIKE '27%'")
    line.mend()

    bob.shows("One of two", "Two of two")
    assert bob.page.evaluate("window.halves") == 0
    assert first()["most"] == second()["most"] == 1


def test_what_is_written_offline_is_shown_at_once_and_sent_later(visit, line, database):
    alice, bob = visit("alice", at=line.url), visit("bob")
    seen = alice.watch("Goal!")

    line.cut()
    expect(alice.connection).to_contain_text(LOST)
    alice.write("Goal!")
    alice.shows("Goal!")
    expect(alice.post("Goal!").get_by_text("Sending")).to_be_visible()
    bob.lacks("Goal!")
    line.mend()

    bob.shows("Goal!")
    alice.shows_settled("Goal!")
    assert seen() == {"most": 1, "elements": 1, "sending": True}
    assert ask(database, "SELECT count(*) FROM liveblog_post WHERE body = 'Goal!'") == [(1,)]


def test_a_write_whose_answer_was_lost_is_done_once(visit, line, database):
    alice, bob = visit("alice", at=line.url), visit("bob")
    seen = alice.watch("Goal!")

    line.hold()
    alice.write("Goal!")
    bob.shows("Goal!")  # so it is done, and nobody has told alice
    line.cut()
    expect(alice.connection).to_contain_text(LOST)
    line.mend()

    alice.shows_settled("Goal!")
    first, again = alice.frames.sent("create")
    assert first == again
    assert seen() == {"most": 1, "elements": 1, "sending": True}
    assert ask(database, "SELECT count(*) FROM liveblog_post WHERE body = 'Goal!'") == [(1,)]
    assert [change["action"] for change in bob.frames.changes()] == ["create"]


def test_unsettled_writes_leave_before_the_rows_are_asked_for(visit, line):
    alice = visit("alice", at=line.url)

    line.cut()
    expect(alice.connection).to_contain_text(LOST)
    alice.frames.forget()
    alice.write("One")
    alice.write("Two")
    line.mend()
    alice.shows_settled("One", "Two")
    expect(alice.connection).to_have_text(LIVE)

    actions = [frame["payload"]["action"] for way, frame in alice.frames.all if way == "→"]
    assert actions[:3] == ["create", "create", "subscribe"]


def test_a_browser_that_is_told_there_is_no_network_says_so_and_comes_back(visit):
    alice, bob = visit("alice"), visit("bob")
    bob.mark()
    bob.frames.forget()

    bob.page.context.set_offline(True)
    expect(bob.connection).to_have_text(re.compile("offline", re.IGNORECASE))
    alice.write("While you were away")
    alice.shows_settled("While you were away")
    bob.lacks("While you were away")
    bob.page.context.set_offline(False)

    bob.shows("While you were away")
    expect(bob.connection).to_have_text(LIVE)
    assert bob.is_marked()
    assert resumed(bob)


def test_a_line_that_has_fallen_silent_is_noticed(visit, line):
    alice, bob = visit("alice"), visit("bob", at=line.url)
    bob.page.clock.install()
    bob.page.reload()
    expect(bob.connection).to_have_text(LIVE)
    bob.shows(KICK_OFF)
    bob.frames.forget()

    line.hold()
    alice.write("Did you hear that?")
    alice.shows_settled("Did you hear that?")
    bob.page.clock.fast_forward("00:26")
    bob.page.clock.fast_forward("00:11")
    expect(bob.connection).to_contain_text(LOST)
    line.cut()
    line.mend()

    bob.shows("Did you hear that?")
    assert bob.frames.sent("ping")
    assert resumed(bob)


@pytest.mark.usefixtures("cuts")
def test_a_killed_server_that_comes_back_is_found_again_and_nothing_is_lost(visit, server, database):
    alice, bob = visit("alice"), visit("bob")
    for screen in (alice, bob):
        screen.mark()
        screen.frames.forget()

    server.kill()
    for screen in (alice, bob):
        expect(screen.connection).to_contain_text(LOST)
    execute(database, f"DELETE FROM liveblog_post WHERE body LIKE '{KICK_OFF}%'")
    execute(database, "UPDATE liveblog_post SET body = 'Changed in the dark' WHERE body LIKE '27%'")
    server.start()

    for screen in (alice, bob):
        screen.shows("Changed in the dark")
        screen.lacks(KICK_OFF)
        expect(screen.connection).to_have_text(LIVE)
    alice.write("Back again")
    bob.shows("Back again")
    for screen in (alice, bob):
        assert screen.is_marked()
        assert resumed(screen)


@pytest.mark.usefixtures("cuts")
def test_what_is_written_while_the_server_is_down_is_done_once_when_it_is_back(visit, server, database):
    alice, bob = visit("alice"), visit("bob")
    seen = [screen.watch("Goal!") for screen in (alice, bob)]

    server.kill()
    expect(alice.connection).to_contain_text(LOST)
    alice.write("Goal!")
    alice.edit("27'", "27' Off the bar!")
    alice.shows("Goal!", "27' Off the bar!")
    server.start()

    for screen in (alice, bob):
        screen.shows_settled("Goal!", "27' Off the bar!")
    assert [look()["elements"] for look in seen] == [1, 1]
    assert ask(database, "SELECT count(*) FROM liveblog_post WHERE body = 'Goal!'") == [(1,)]


@pytest.mark.usefixtures("cuts")
def test_a_server_killed_in_the_middle_of_many_writes_has_done_each_once(visit, server, database):
    alice, bob = visit("alice"), visit("bob")
    wanted = [f"Post number {n:02}." for n in range(40)]

    for n, text in enumerate(wanted):
        alice.write(text)
        if n == 20:
            server.kill()
    server.start()

    for screen in (alice, bob):
        expect(screen.post("Post number")).to_have_count(40)
    expect(alice.posts.get_by_text("Sending").filter(visible=True)).to_have_count(0)
    done = ask(database, "SELECT body FROM liveblog_post WHERE body LIKE 'Post number%' ORDER BY id")
    assert [body for (body,) in done] == wanted
