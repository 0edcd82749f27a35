# demos
"""Reading a live blog: from the first byte, further down the page, on a slow line, without JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from machine import shell
from screen import LIVE

BLOG = "/liveblog/final/"
KICK_OFF = "We are under way."

# What moved without being asked to, and what was painted: `window.moved` and `window.painted`, from the first byte on.
WATCH_LAYOUT = """
  window.moved = []
  window.painted = new Set()
  new PerformanceObserver(list => {
    for (const entry of list.getEntries())
      window.moved.push(...entry.sources.map(({ node }) => node?.outerHTML ?? String(node)))
  }).observe({ type: 'layout-shift', buffered: true })
  const look = () => {
    const list = document.querySelector('.posts')
    if (list && document.readyState !== 'loading') window.painted.add(list.innerText.replace(/\\s+/g, ' '))
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
"""


@pytest.fixture
def many_posts(database):
    shell(
        database,
        "from liveblog.models import Liveblog, Post\n"
        "final = Liveblog.objects.get(slug='final')\n"
        "Post.objects.bulk_create(Post(liveblog=final, body=f'Older post {n}.', published=True) for n in range(40))",
    )


@pytest.fixture
def scripts():
    """Hold back the page's scripts: `scripts.hold(page)`, then `scripts.let_go()`."""

    class Scripts:
        held = ()
        holding = True

        def hold(self, page):
            page.route(
                re.compile(r"\.js$"), lambda route: self.held.append(route) if self.holding else route.continue_()
            )

        def let_go(self):
            self.holding = False
            for route in self.held:
                route.continue_()

    scripts = Scripts()
    scripts.held = []
    return scripts


def new_page(visit, who="bob", **options):
    """Return an empty screen of `who`, to open a page on."""
    screen = visit(who, "/accounts/login/", live=False, **options)
    return screen.page


def test_without_javascript_a_live_blog_can_be_read_and_liked(visit, server):
    page = visit("nobody", BLOG, live=False, java_script_enabled=False).page
    posts = page.get_by_role("region", name="Posts").get_by_role("listitem")
    expect(posts).to_have_count(5)
    expect(posts.first).to_contain_text("How to follow this evening")
    expect(page.locator("noscript .notice")).to_be_visible()

    posts.filter(has_text=KICK_OFF).get_by_role("button", name="Like").click()

    expect(page).to_have_url(re.compile(r"/liveblog/final/#post-\d+$"))
    expect(posts.filter(has_text=KICK_OFF).get_by_role("button", name="Like")).to_have_text(re.compile(r"\b6$"))
    expect(page.get_by_role("textbox")).to_have_count(0)


@pytest.mark.parametrize("who", ["nobody", "alice"])
def test_the_rows_are_in_the_page_and_nothing_moves_when_it_comes_to_life(visit, server, scripts, who):
    page = new_page(visit, who)
    page.add_init_script(WATCH_LAYOUT)
    scripts.hold(page)

    page.goto(server.url + BLOG, wait_until="commit")
    expect(page.get_by_role("region", name="Posts").get_by_role("listitem").filter(has_text=KICK_OFF)).to_be_visible()
    expect(page.get_by_text("Connecting…")).to_be_visible()
    scripts.let_go()

    expect(page.get_by_role("complementary", name="Connection").get_by_role("status").first).to_have_text(LIVE)
    assert page.evaluate("window.moved") == []
    assert len(page.evaluate("[...window.painted]")) == 1


def test_what_the_page_came_with_is_not_sent_again(visit):
    bob = visit("bob")

    assert "since" in bob.frames.sent("subscribe")[0]["payload"]
    assert bob.frames.received("snapshot") == []


def test_what_happens_between_the_page_and_its_connection_is_not_missed(visit, server, scripts):
    alice = visit("alice")
    page = new_page(visit)
    scripts.hold(page)
    page.goto(server.url + BLOG, wait_until="commit")
    expect(page.get_by_text(KICK_OFF)).to_be_visible()

    alice.write("In between")
    alice.delete(KICK_OFF)
    alice.shows_settled("In between")
    posts = page.get_by_role("region", name="Posts").get_by_role("listitem")
    expect(posts.filter(has_text="In between")).to_have_count(0)
    scripts.let_go()

    expect(posts.filter(has_text="In between")).to_be_visible()
    expect(posts.filter(has_text=KICK_OFF)).to_have_count(0)


def test_what_was_typed_before_the_script_was_there_stays_and_so_does_the_focus(visit, server, scripts):
    page = new_page(visit, "alice")
    scripts.hold(page)
    page.goto(server.url + BLOG, wait_until="commit")
    page.get_by_role("textbox", name="New post").fill("Typed early")
    page.get_by_role("listitem").filter(has_text=KICK_OFF).get_by_role("button", name="Like").focus()
    scripts.let_go()

    expect(page.get_by_role("complementary", name="Connection").get_by_role("status").first).to_have_text(LIVE)
    expect(page.get_by_role("textbox", name="New post")).to_have_value("Typed early")
    expect(page.get_by_role("listitem").filter(has_text=KICK_OFF).get_by_role("button", name="Like")).to_be_focused()


def test_new_posts_wait_while_one_reads_further_down(visit, many_posts):
    alice, bob = visit("alice"), visit("bob")
    reading = bob.post("Older post 20.")
    reading.scroll_into_view_if_needed()
    bob.page.mouse.wheel(0, 200)
    expect(reading).to_be_in_viewport()
    before = reading.bounding_box()["y"]

    alice.write("News one")
    more = bob.page.get_by_role("button", name="1 new post")
    expect(more).to_be_in_viewport()
    alice.write("News two")
    alice.write("News three")
    more = bob.page.get_by_role("button", name="3 new posts")
    expect(more).to_be_in_viewport()
    bob.lacks("News")
    assert reading.bounding_box()["y"] == before

    more.click()

    bob.shows("News one", "News two", "News three")
    expect(bob.post("News three")).to_be_in_viewport()
    expect(more).to_be_hidden()


def test_a_post_that_waits_and_is_withdrawn_is_not_counted(visit, many_posts):
    alice, bob = visit("alice"), visit("bob")
    bob.post("Older post 20.").scroll_into_view_if_needed()
    alice.write("News one")
    alice.write("News two")
    expect(bob.page.get_by_role("button", name="2 new posts")).to_be_visible()

    alice.press("News one", "Withdraw")

    expect(bob.page.get_by_role("button", name="1 new post")).to_be_visible()


def test_who_scrolls_up_by_oneself_finds_what_waits(visit, many_posts):
    alice, bob = visit("alice"), visit("bob")
    bob.post("Older post 20.").scroll_into_view_if_needed()
    alice.write("News")
    expect(bob.page.get_by_role("button", name="1 new post")).to_be_visible()

    bob.page.mouse.wheel(0, -100_000)

    bob.shows("News")
    expect(bob.page.get_by_role("button", name="new post")).to_be_hidden()


def test_a_new_post_is_marked_for_a_while_and_told_politely(visit):
    alice, bob = visit("alice"), visit("bob")
    bob.page.clock.install()

    alice.write("Goal!")

    bob.shows("Goal!")
    expect(bob.post("Goal!")).to_have_class(re.compile(r"\bfresh\b"))
    expect(bob.page.get_by_role("status", name="New posts")).to_have_text("New post: Goal!")
    expect(alice.post("Goal!")).not_to_have_class(re.compile(r"\bfresh\b"))  # who wrote it knows
    expect(alice.page.get_by_role("status", name="New posts")).to_be_empty()
    bob.page.clock.fast_forward("00:10")
    expect(bob.post("Goal!")).not_to_have_class(re.compile(r"\bfresh\b"))


def test_the_notice_counts_what_is_not_sent(visit, line):
    alice = visit("alice", at=line.url)
    unsent = alice.page.get_by_role("status", name="Unsent")
    expect(unsent).to_be_empty()

    line.cut()
    expect(alice.connection).to_contain_text("Connection lost")
    alice.write("One")
    alice.edit(KICK_OFF, "Under way.")

    expect(unsent).to_have_text("Your unsent changes: 2.")
    line.mend()
    expect(alice.connection).to_have_text(LIVE)
    expect(unsent).to_be_empty()
