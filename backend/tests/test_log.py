"""What is logged while a write is done says whose it is, and what servers print is one JSON object a line."""

import json
import logging
import sys

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError

from channels_databinding.log import SubjectFilter, subject
from config.log import JsonFormatter
from example.bindings import IntegerValueBinding
from example.consumers import Values
from example.models import IntegerValue
from test_settings import PRODUCTION, python


@pytest.fixture
def lines(caplog):
    """Return what a server would have printed."""
    caplog.handler.addFilter(about := SubjectFilter())
    caplog.set_level(logging.INFO)
    yield lambda: [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    caplog.handler.removeFilter(about)


def logged(lines, message):
    return next(line for line in lines() if message in line["message"])


async def write(visit, **data):
    """Have alice create a row. Returns her browser's ref and her pk."""
    alice = await User.objects.acreate(username="alice")
    browser = await visit(Values, alice)
    ref = await browser.say("intval", {"action": "create", "data": {"name": "a", "value": 1, **data}})
    await browser.hear_until(ref)
    return {"ref": ref, "stream": "intval", "user": str(alice.pk)}


async def test_what_a_hook_logs_says_whose_write_it_is(visit, lines, monkeypatch):
    def create(self, data):
        logging.getLogger("shop").info("charged")
        return IntegerValue.objects.create(**data)

    monkeypatch.setattr(IntegerValueBinding, "create", create)

    whose = await write(visit)

    assert logged(lines, "charged").items() >= whose.items()


async def test_a_write_that_fails_is_logged_with_its_subject_and_its_traceback(visit, lines, monkeypatch):
    monkeypatch.setattr(IntegerValue, "save", lambda self, **kwargs: 1 / 0)

    whose = await write(visit)

    line = logged(lines, "the write failed")
    assert line.items() >= whose.items()
    assert line["exception"].endswith("ZeroDivisionError: division by zero")


def test_what_is_logged_after_a_write_is_not_about_it(lines):
    with subject(ref="r1"):
        pass

    logging.getLogger("shop").info("closing time")

    assert "ref" not in logged(lines, "closing time")


def line_of(message="hello", **options):
    record = logging.LogRecord("shop", logging.INFO, "shop.py", 7, message, (), options.pop("exc_info", None))
    for name, value in options.items():
        setattr(record, name, value)
    return JsonFormatter().format(record)


def test_a_record_is_one_line_with_when_how_bad_and_who_says_so():
    line = json.loads(line_of("two\nlines"))

    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "INFO", "logger": "shop", "message": "two\nlines"}
    assert "\n" not in line_of("two\nlines")


def test_what_a_record_carries_beside_its_message_stays_unsaid():
    assert "cookie" not in line_of(request="a cookie", data={"name": "cookie"})


def test_the_row_that_postgresql_quotes_is_left_out():
    try:
        try:
            raise ValueError(
                'violates "once"\nDETAIL:  Failing row contains (7, dear\nbob@example.org, null).\nCONTEXT:  x'
            )
        except ValueError as cause:
            raise IntegrityError(*cause.args) from cause
    except IntegrityError as error:
        line = line_of(f"refused: {error}", exc_info=sys.exc_info()) + line_of(f"refused: {error!r}")

    assert "bob@example.org" not in line
    assert line.count('violates \\"once\\"') == 4
    assert "IntegrityError: violates" in line


LOG = "import django, logging; django.setup(); logging.getLogger('shop').info('hello')"


@pytest.mark.parametrize(("debug", "start"), [("0", '{"time": "'), ("1", "20")])
def test_people_read_lines_in_development_and_programs_json_in_production(debug, start):
    told = python("-c", LOG, **PRODUCTION | {"DEBUG": debug}).stderr

    assert told.startswith(start)
    assert "hello" in told


def test_what_django_says_is_said_once():
    ask = "import django; django.setup(); from django.test import Client; Client().get('/', headers={'host': 'evil'})"

    told = python("-W", "ignore", "-c", ask, **PRODUCTION).stderr

    loggers = [json.loads(line)["logger"] for line in told.splitlines()]
    assert loggers.count("django.security.DisallowedHost") == 1  # Django 5.2.0 has django.request tell it, too
