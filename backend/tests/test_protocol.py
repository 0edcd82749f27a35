"""Frames: read without trust, written as Django writes JSON."""

import contextlib
import datetime
import decimal
import uuid

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_databinding.protocol import SAFE_INTEGER, BadFrame, Close, decode, encode, frame, plain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.text() | JSON.map(str) | JSON.map(lambda value: repr(value).replace("'", '"')))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(BadFrame):
        decode(text)


@given(st.fixed_dictionaries({}, optional={key: JSON for key in ("stream", "payload", "params", "ref", "cursor")}))
def test_any_object_is_read_or_refused(told):
    try:
        text = orjson.dumps(told).decode()
    except TypeError:
        return
    try:
        request = decode(text)
    except BadFrame:
        return
    assert isinstance(request.stream, str)
    assert isinstance(request.action, str)


@given(JSON)
def test_any_json_can_be_written_and_says_no_integer_that_a_browser_would_round(value):
    def check(item):
        if isinstance(item, int) and not isinstance(item, bool):
            assert abs(item) <= SAFE_INTEGER
        elif isinstance(item, dict | list):
            for inner in item.values() if isinstance(item, dict) else item:
                check(inner)

    check(plain(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (SAFE_INTEGER, b"9007199254740991"),
        (SAFE_INTEGER + 1, b'"9007199254740992"'),
        (-(2**70), b'"-1180591620717411303424"'),
        ({"deep": [2**60]}, b'{"deep":["1152921504606846976"]}'),
        (float("nan"), b"null"),
        (float("-inf"), b"null"),
        (datetime.datetime(2017, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC), b'"2017-01-02T03:04:05.678Z"'),
        (datetime.datetime(2017, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), b'"2017-01-02T03:04:05Z"'),
        (datetime.time(3, 4, 5, 678901), b'"03:04:05.678"'),
        (datetime.date(2017, 1, 2), b'"2017-01-02"'),
        (decimal.Decimal("1.50"), b'"1.50"'),
        (uuid.UUID(int=0), b'"00000000-0000-0000-0000-000000000000"'),
        ("\ud800", b'"?"'),
        ("ü", '"ü"'.encode()),
    ],
)
def test_values_are_written_as_django_writes_them(value, text):
    assert encode(value) == text


def test_stream_and_payload_alone_make_the_frame_of_channels_1():
    assert frame("a", {"action": "delete", "pk": 1}) == '{"stream":"a","payload":{"action":"delete","pk":1}}'


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({}, None, True),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": True}, False),
    ],
)
def test_params_name_a_subscription_by_what_they_say(one, other, same):
    def name(params):
        return decode(
            orjson.dumps({"stream": "s", "params": params, "payload": {"action": "subscribe"}}).decode()
        ).params

    assert (name(one) == name(other)) is same


@pytest.mark.parametrize("params", [[], 1, "x", {"a": None}, {"a": 1.5}, {"a": []}, {"a": 2**53}, {"a": "x" * 1_001}])
def test_params_of_another_shape_are_refused(params):
    with pytest.raises(BadFrame) as caught:
        decode(orjson.dumps({"stream": "s", "params": params, "payload": {"action": "subscribe"}}).decode())

    assert caught.value.code == "bad_params"


@pytest.mark.parametrize("ref", ["", "x" * 65, "a\0", 1, [], {}])
def test_a_ref_of_another_shape_is_refused(ref):
    with pytest.raises(BadFrame):
        decode(orjson.dumps({"stream": "s", "ref": ref, "payload": {"action": "ping"}}).decode())


def test_deep_nesting_is_refused_without_a_crash():
    with pytest.raises(BadFrame):
        decode("[" * 100_000)


def test_every_close_code_is_one_that_an_application_may_send():
    """daphne refuses others, and then the socket stays open and is told nothing for ever."""
    assert all(3000 <= code < 5000 for code in Close)
