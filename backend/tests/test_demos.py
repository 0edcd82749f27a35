# demos
"""What the demos show on a fresh clone."""

import re

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import call_command

from config.content_security_policy import POLICY
from live_edit.models import Task
from liveblog.models import Liveblog, Post

pytestmark = pytest.mark.django_db


def test_seeding_is_safe_to_repeat(settings):
    settings.DEBUG = True
    models = [model for app in ("liveblog", "live_edit") for model in apps.get_app_config(app).get_models()]

    call_command("seed")
    seeded = {model: model.objects.count() for model in models}
    call_command("seed")

    assert all(seeded.values())
    assert seeded == {model: model.objects.count() for model in models}


@pytest.mark.parametrize("path", ["/", "/liveblog/final/", "/live-edit/"])
def test_pages_load_nothing_from_outside(client, path):
    Liveblog.objects.create(name="The final", slug="final")

    response = client.get(path)

    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"] == POLICY
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', response.text)


@pytest.mark.parametrize(("published", "status", "likes"), [(True, 302, 1), (False, 404, 0)])
def test_only_what_is_published_can_be_liked(client, published, status, likes):
    liveblog = Liveblog.objects.create(name="The final", slug="final")
    post = Post.objects.create(liveblog=liveblog, body="Goal!", published=published)

    response = client.post(f"/liveblog/posts/{post.pk}/like/")

    post.refresh_from_db()
    assert (response.status_code, post.likes) == (status, likes)


def test_a_link_is_not_enough_to_like(client):
    assert client.get("/liveblog/posts/1/like/").status_code == 405


def test_a_task_without_a_position_comes_last():
    Task.objects.create(title="First", position=7)

    last = Task.objects.create(title="Last")

    assert list(Task.objects.all())[-1] == last


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("", "Give the task a title."),
        (" ", "Give the task a title."),
        ("x" * 101, "A title has at most 100 characters; this one has 101."),
    ],
)
def test_a_task_says_what_is_wrong_with_its_title(title, reason):
    with pytest.raises(ValidationError) as refused:
        Task(title=title).full_clean()

    assert refused.value.message_dict == {"title": [reason]}
