"""`/healthz`, as a load balancer asks for it."""

import pytest
from django.db import OperationalError, connection

pytestmark = pytest.mark.django_db


def test_a_healthy_process_says_ok(client):
    response = client.get("/healthz")

    assert (response.status_code, response.text) == (200, "ok\n")
    assert response.headers["Cache-Control"] == "no-store"


def test_it_may_be_asked_without_a_body(client):
    response = client.head("/healthz")

    assert (response.status_code, response.content) == (200, b"")


def test_it_answers_by_address_and_without_tls(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["example.org"]

    response = client.get("/healthz", headers={"host": "10.0.0.7:8000"})

    assert response.status_code == 200


def test_it_starts_no_session_and_asks_one_question(client, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = client.get("/healthz")

    assert not response.cookies


def test_a_database_that_does_not_answer_is_told_in_one_sentence_and_in_the_log(client, caplog):
    def fail(*_):
        raise OperationalError("unable to open /secret/db.sqlite3")

    with connection.execute_wrapper(fail):
        response = client.get("/healthz")

    assert (response.status_code, response.text) == (503, "The database does not answer: the log says why.\n")
    assert "/secret/db.sqlite3" in caplog.text


def test_nothing_is_done_for_who_wants_more_than_an_answer(client):
    assert client.post("/healthz").status_code == 404
