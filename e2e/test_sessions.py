# demos
"""Who is on a socket is who is logged in."""

import re

from playwright.sync_api import expect

from screen import LIVE, log_in

KICK_OFF = "We are under way."


def test_logging_out_in_another_tab_ends_the_connection(visit, server):
    alice, bob = visit("alice"), visit("bob")
    other_tab = alice.page.context.new_page()
    other_tab.goto(f"{server.url}/live-edit/")

    other_tab.get_by_role("button", name="Log out").click()
    expect(other_tab.get_by_role("link", name="Log in")).not_to_have_count(0)

    expect(alice.connection).to_have_text(re.compile("logged out", re.IGNORECASE))
    alice.lacks(KICK_OFF)  # what is on the screen is no longer for these eyes
    bob.shows(KICK_OFF)
    expect(bob.connection).to_have_text(LIVE)


def test_who_logs_in_on_a_live_page_comes_back_to_it_and_may_write(visit, server):
    someone, bob = visit("nobody"), visit("bob")

    log_in(someone.page, f"{server.url}/liveblog/final/", "alice")
    expect(someone.connection).to_have_text(LIVE)
    someone.write("Here I am")

    bob.shows("Here I am")
