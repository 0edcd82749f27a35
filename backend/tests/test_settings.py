"""Settings, and what a project shows that has no apps of its own yet."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from config.content_security_policy import POLICY

REPOSITORY = Path(__file__).parents[2]


# What a server that people reach is started with.
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "".join(map(chr, range(48, 110))),
    "ALLOWED_HOSTS": "example.org",
    "BEHIND_PROXY": "1",
    "REDIS_URL": "redis://redis:6379/0",
}


def python(*arguments, **environment):
    """Run Python in a process of its own. `.env` has no say in what is given."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY / "backend",
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | environment,
        capture_output=True,
        text=True,
    )


def load_settings(**environment):
    return python("-c", "from config import settings; print(settings.SECRET_KEY)", **environment)


def test_production_refuses_to_start_without_a_secret_key():
    started = load_settings(DEBUG="0", SECRET_KEY="")

    assert started.returncode == 1
    assert "SECRET_KEY is not set: put a long random string into the environment" in started.stderr


def test_production_starts_with_one():
    assert load_settings(DEBUG="0", SECRET_KEY="long and random").stdout == "long and random\n"


def test_production_passes_every_check_of_django():
    checked = python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("missing", "warning"),
    [
        ({"ALLOWED_HOSTS": ""}, "security.W020"),
        ({"HTTPS": "0"}, "security.W012"),
        ({"SECRET_KEY": "x"}, "security.W009"),
        ({"REDIS_URL": ""}, "channels_databinding.W003"),
    ],
)
def test_what_production_lacks_is_told(missing, warning):
    checked = python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION | missing)

    assert checked.returncode == 1
    assert warning in checked.stderr


ASK = """
import django, sys
django.setup()
from django.test import Client
response = Client().get("/admin/", headers={"host": "example.org", "x-forwarded-proto": sys.argv[1]})
print(response.status_code, response["Location"], response.get("Strict-Transport-Security"))
"""


@pytest.mark.parametrize(
    ("came_over", "behind_proxy", "answer"),
    [
        ("http", "1", "301 https://example.org/admin/ None\n"),
        ("https", "1", "302 /admin/login/?next=/admin/ max-age=3600\n"),
        ("https", "0", "301 https://example.org/admin/ None\n"),  # without a proxy anybody can say so
    ],
)
def test_production_answers_only_what_came_over_https(came_over, behind_proxy, answer):
    assert python("-c", ASK, came_over, **PRODUCTION | {"BEHIND_PROXY": behind_proxy}).stdout == answer


def test_the_example_lists_every_name_that_is_read_and_no_other():
    by_settings = re.findall(r'\benv\.\w+\(\s*"(\w+)"', (REPOSITORY / "backend/config/settings.py").read_text())
    by_compose = re.findall(r"\$\{(\w+)", (REPOSITORY / "docker-compose.yml").read_text())
    listed = re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE)

    assert {*by_settings, *by_compose} == set(listed)


@pytest.mark.django_db
def test_seeding_is_safe_to_repeat(settings, capsys):
    settings.DEBUG = True

    for _ in range(2):
        call_command("seed")

    alice, bob = get_user_model().objects.order_by("username")
    assert (alice.is_staff, bob.is_staff) == (True, False)
    assert "alice" in capsys.readouterr().out


@pytest.mark.django_db
def test_seeding_is_refused_in_production():
    assert settings.DEBUG is False  # in tests it always is

    with pytest.raises(CommandError, match="passwords everybody knows"):
        call_command("seed")

    assert not get_user_model().objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/admin/login/"])
def test_pages_load_nothing_from_outside(client, path):
    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"] == POLICY
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', response.text)
