"""How far a browser has read: proven, and bound to what it is good for."""

import pytest

from channels_databinding.cursor import fingerprint, seal, together, unseal

MINE = fingerprint("posts", '{"liveblog":3}', {"blog-3"}, ["body"])


def test_a_cursor_gives_its_position_back():
    assert unseal(seal("e", 184, [MINE]), "e", MINE) == "184"


def test_a_cursor_may_be_good_for_several_subscriptions():
    other = fingerprint("intval", "", {"all"}, ["value"])

    text = seal("e", 184, [MINE, other])

    assert unseal(text, "e", MINE) == unseal(text, "e", other) == "184"


@pytest.mark.parametrize(
    "other",
    [
        fingerprint("comments", '{"liveblog":3}', {"blog-3"}, ["body"]),
        fingerprint("posts", '{"liveblog":4}', {"blog-3"}, ["body"]),
        fingerprint("posts", '{"liveblog":3}', {"blog-3", "staff"}, ["body"]),
        fingerprint("posts", '{"liveblog":3}', {"blog-3"}, ["body", "published"]),
    ],
)
def test_a_cursor_is_good_for_no_other_subscription(other):
    assert unseal(seal("e", 184, [MINE]), "e", other) is None


def test_a_cursor_is_good_for_no_other_epoch():
    assert unseal(seal("e", 184, [MINE]), "f", MINE) is None


@pytest.mark.parametrize("text", [None, 1, "", ":", "e:184", f"e:999:{MINE}:x", "x" * 20_000, "ü:1:2:3", "\ud800"])
def test_what_we_did_not_sign_is_no_cursor(text):
    assert unseal(text, "e", MINE) is None


def test_a_cursor_cannot_be_moved(settings):
    text = seal("e", 184, [MINE])

    assert unseal(text.replace("184", "185"), "e", MINE) is None
    settings.SECRET_KEY = "another"
    assert unseal(text, "e", MINE) is None


def test_a_cursor_outlives_a_change_of_keys_while_the_old_one_is_a_fallback(settings):
    text = together([seal("other database", 7, ["x"]), seal("e", 184, [MINE])])

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]

    assert unseal(text, "e", MINE) == "184"
