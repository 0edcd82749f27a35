"""What is there before any live page is: a front page, a login, the admin."""

import pytest
from playwright.sync_api import expect

# Browsers complain of a page that is left while its socket is still being opened.
pytestmark = pytest.mark.usefixtures("cuts")


@pytest.fixture
def open_page(visit):
    return lambda who, path: visit(who, path, live=False).page


def log_in(page, name, password):
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def test_the_front_page_says_who_one_is(open_page):
    for who in ("alice", "bob"):
        page = open_page(who, "/")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("navigation", name="Account")).to_contain_text(who)


def test_staff_are_led_to_the_admin_and_others_are_not(open_page):
    alice, bob = open_page("alice", "/"), open_page("bob", "/")

    alice.get_by_role("navigation", name="Account").get_by_role("link", name="Admin").click()

    expect(alice.get_by_role("heading", name="Site administration")).to_be_visible()
    expect(bob.get_by_role("navigation", name="Account").get_by_role("link", name="Admin")).to_have_count(0)


def test_a_wrong_password_is_told_in_the_page(open_page):
    page = open_page("nobody", "/accounts/login/")

    log_in(page, "alice", "wrong")

    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("alice")


def test_logging_in_on_the_login_page_leads_on(open_page, server):
    page = open_page("nobody", "/accounts/login/")
    if (link := page.get_by_role("link", name="Log in")).count():
        link.click()

    log_in(page, "bob", "bob")

    expect(page).to_have_url(f"{server.url}/")
    expect(page.get_by_role("navigation", name="Account")).to_contain_text("bob")


def test_logging_out_is_seen(open_page):
    page = open_page("bob", "/")

    page.get_by_role("button", name="Log out").click()

    expect(page.get_by_role("navigation", name="Account").get_by_role("link", name="Log in")).to_be_visible()
