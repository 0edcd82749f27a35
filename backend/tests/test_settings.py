"""Settings, and what a fresh clone shows."""

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
from live_edit.models import IntegerValue
from liveblog.models import Liveblog, Post

REPOSITORY = Path(__file__).parents[2]


def load_settings(**environment):
    """Import the settings in a process of their own. `.env` has no say in what is given."""
    return subprocess.run(
        [sys.executable, "-c", "from config import settings; print(settings.SECRET_KEY)"],
        cwd=REPOSITORY / "backend",
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_production_refuses_to_start_without_a_secret_key():
    started = load_settings(DEBUG="0", SECRET_KEY="")

    assert started.returncode == 1
    assert "SECRET_KEY is not set: put a long random string into the environment" in started.stderr


def test_production_starts_with_one():
    assert load_settings(DEBUG="0", SECRET_KEY="long and random").stdout == "long and random\n"


def test_the_example_lists_every_name_that_is_read_and_no_other():
    read = re.findall(r'\benv\.\w+\(\s*"(\w+)"', (REPOSITORY / "backend/config/settings.py").read_text())
    listed = re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE)

    assert sorted(read) == sorted(listed)


@pytest.mark.django_db
def test_seeding_is_safe_to_repeat(settings, capsys):
    settings.DEBUG = True

    for _ in range(2):
        call_command("seed")

    alice, bob = get_user_model().objects.order_by("username")
    assert (alice.is_staff, bob.is_staff) == (True, False)
    assert (Liveblog.objects.count(), Post.objects.count(), IntegerValue.objects.count()) == (3, 10, 4)
    assert "alice" in capsys.readouterr().out


@pytest.mark.django_db
def test_seeding_is_refused_in_production():
    assert settings.DEBUG is False  # in tests it always is

    with pytest.raises(CommandError, match="passwords everybody knows"):
        call_command("seed")

    assert not get_user_model().objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/liveblog/final/", "/live-edit/", "/accounts/login/", "/admin/login/"])
def test_pages_load_nothing_from_outside(client, path):
    Liveblog.objects.create(name="The final", slug="final")

    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"] == POLICY
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', response.text)
