# demos
"""The front page: what there is, counted live."""

from playwright.sync_api import expect

from databases import execute


def card(screen, name):
    return screen.page.get_by_role("listitem").filter(has_text=name)


def test_the_number_of_posts_is_live(visit, database):
    front, alice = visit("nobody", "/"), visit("alice")
    expect(card(front, "The final")).to_contain_text("5 posts")

    alice.write("Goal!")
    expect(card(front, "The final")).to_contain_text("6 posts")
    execute(database, "UPDATE liveblog_post SET liveblog_id = (SELECT id FROM liveblog_liveblog WHERE slug = 'launch')")

    expect(card(front, "The final")).to_contain_text("0 posts")
    expect(card(front, "Launch day")).to_contain_text("9 posts")


def test_a_draft_is_neither_counted_nor_told(visit):
    front, alice = visit("nobody", "/"), visit("alice")

    alice.write("Secret", publish=False)
    alice.write("For everybody")

    expect(card(front, "The final")).to_contain_text("6 posts")
    heard = str(front.frames.all)
    assert "Secret" not in heard
    assert "For everybody" not in heard  # the front page counts, and has no use for what they say


def test_live_now_and_new_live_blogs_are_live(visit, database):
    front = visit("nobody", "/")
    expect(card(front, "Election night").get_by_text("Live now")).to_be_hidden()

    execute(
        database,
        "UPDATE liveblog_liveblog SET live = true WHERE slug = 'election'",
        "INSERT INTO liveblog_liveblog (name, slug) VALUES ('Derby', 'derby')",
    )

    expect(card(front, "Election night").get_by_text("Live now")).to_be_visible()
    expect(card(front, "Derby")).to_contain_text("0 posts")


def test_the_drawer_shows_the_frames_as_they_come(visit, database):
    front = visit("nobody", "/")
    drawer = front.page.get_by_role("complementary", name="What just happened")
    drawer.get_by_role("button").click()
    expect(drawer.get_by_role("listitem").filter(has_text="published: subscribe")).to_contain_text("to the server")

    execute(database, "UPDATE liveblog_liveblog SET name = 'The cup final' WHERE slug = 'final'")

    expect(drawer.get_by_role("listitem").first).to_contain_text('"name":"The cup final"')
    drawer.get_by_role("button").click()
    expect(drawer.get_by_role("listitem")).to_have_count(0)
