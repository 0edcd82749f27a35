"""`/healthz` and `/readyz`, as a load balancer asks for them."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection

from channels_databinding import journal, readiness
from channels_databinding.capture import database, install
from example.consumers import Values
from example.models import IntegerValue

pytestmark = pytest.mark.django_db

READY = {"ready": True, "database": True, "journal": True, "follows": False, "behind_s": 0.0}


def fail(*_):
    raise OperationalError("unable to open /secret/db.sqlite3")


@pytest.fixture
def ask(client):
    return sync_to_async(lambda: client.get("/readyz"))


async def until(ask, true):
    """Ask until it is as wanted."""
    async with asyncio.timeout(10):
        while not true(response := await ask()):
            pass
    return response


# ---- /healthz


def test_a_process_that_answers_says_ok(client):
    response = client.get("/healthz")

    assert (response.status_code, response.text) == (200, "ok\n")
    assert response.headers["Cache-Control"] == "no-store"


def test_it_says_so_whatever_the_database_does(client):
    with connection.execute_wrapper(fail):
        response = client.get("/healthz")

    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_it_may_be_asked_without_a_body(client, path):
    response = client.head(path)

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_it_answers_by_address_and_without_tls(client, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["example.org"]

    response = client.get(path, headers={"host": "10.0.0.7:8000"})

    assert (response.status_code, dict(response.cookies)) == (200, {})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_nothing_is_done_for_who_wants_more_than_an_answer(client, path):
    assert client.post(path).status_code == 404


# ---- /readyz


def test_a_process_where_nobody_listens_is_ready(client):
    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (200, READY)
    assert response.headers["Cache-Control"] == "no-store"


async def test_one_where_somebody_listens_follows_the_journal(visit, ask):
    browser = await visit(Values)
    await browser.subscribe("intval")

    response = await until(ask, lambda response: response.json()["behind_s"] == 0)

    assert response.json() == READY | {"follows": True}


def test_a_database_that_does_not_answer_is_told_and_only_the_log_says_why(client, caplog):
    with connection.execute_wrapper(fail):
        response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == READY | {"ready": False, "database": False, "journal": False}
    assert "/secret/db.sqlite3" in caplog.text


def sql(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("lose", "lacking"),
    [
        (lambda: install.uninstall(["example_integervalue"]), "example_integervalue"),
        (lambda: sql("DROP TABLE channels_databinding_state"), "channels_databinding_journal"),
        (lambda: sql("ALTER TABLE example_integervalue RENAME TO another"), "example_integervalue"),
    ],
)
def test_what_the_journal_lacks_is_told_and_named_in_the_log(client, caplog, lose, lacking):
    lose()

    response = client.get("/readyz")

    assert (response.status_code, response.json()) == (503, READY | {"ready": False, "journal": False})
    assert "Not ready: the database 'default' has no" in caplog.text
    assert lacking in caplog.text


async def test_a_process_that_has_lost_the_database_falls_behind_until_it_can(visit, ask, monkeypatch, caplog):
    browser = await visit(Values)
    await browser.subscribe("intval")
    monkeypatch.setattr(readiness, "BEHIND_S", 0.1)
    with monkeypatch.context() as broken:
        broken.setattr(database().Watch, "wait", fail)
        broken.setattr(journal, "moment", fail)
        await IntegerValue.objects.acreate(name="a", value=1)

        behind = await until(ask, lambda response: response.status_code == 503)

    assert behind.json()["behind_s"] >= 0.1
    assert "is not yet handed on" in caplog.text
    assert (await browser.hear())["payload"]["data"]["name"] == "a"
    assert (await until(ask, lambda response: response.status_code == 200)).json()["follows"]
