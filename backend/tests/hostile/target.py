"""A site under attack: `daphne hostile.target:application`; `python -m hostile.target` makes its tables and rows.

mallory may write things, seats, teams and labels of her own and articles in one blog, within a quota. Everything else
is closed to her; what she must never learn has SECRET in it.
"""

import json
import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostile.settings")
pages = get_asgi_application()  # first: what follows imports models

from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.exceptions import PermissionDenied  # noqa: E402
from django.core.management import call_command  # noqa: E402

from channels_databinding import WebsocketBinding, WebsocketDemultiplexer  # noqa: E402
from example.bindings import PostBinding  # noqa: E402
from example.models import Liveblog, Post  # noqa: E402
from lab.models import Alias, Article, Blog, Label, Membership, Person, Seat, Team, Thing, Token  # noqa: E402

SECRET = "s3cr3t"
QUOTA = 30  # rows a person may have on a stream: a snapshot shall not grow with the attack


class Own(WebsocketBinding):
    """Rows that belong to who made them, by a column that is not listed."""

    model = None
    owner = ""  # the column
    owner_is = "pk"  # what of the user is in it

    @classmethod
    def group_names(cls, instance):
        return [f"{cls.stream}-{getattr(instance, cls.owner)}"]

    @classmethod
    def rows_in(cls, group):
        stream, _, owner = group.partition("-")
        return cls.model.objects.filter(**{cls.owner: owner}) if stream == cls.stream else []

    def subscription_groups(self, user, owner):
        if not user.is_authenticated or owner != getattr(user, self.owner_is):
            raise PermissionDenied
        return [f"{self.stream}-{owner}"]

    def get_queryset(self):
        return self.model.objects.filter(**{self.owner: getattr(self.user, self.owner_is)})

    def has_permission(self, user, action, pk):
        return user.is_authenticated and (action != "create" or self.get_queryset().count() < QUOTA)

    def create(self, data):
        return self._save(self.model(**{self.owner: getattr(self.user, self.owner_is)}), data)


class Things(Own):
    """A column of each kind."""

    model, stream, owner, image_fields = Thing, "things", "big", ["big"]
    exclude = ["big", "text", "sealed"]


class Seats(Own):
    model, stream, owner, owner_is, image_fields = Seat, "seats", "guest", "username", ["guest"]
    fields = ["row", "number", "ticket", "hall"]


class Posts(PostBinding):
    """That of the documentation: she may read what is published."""


class Articles(WebsocketBinding):
    """Points to rows she may not see."""

    model, stream = Article, "articles"
    fields = ["blog", "editor", "body"]

    def group_names(cls, article):
        return [f"blog-{article.blog_id}"]

    def subscription_groups(self, user, **params):
        if params.get("blog") != "open":
            raise PermissionDenied
        return [f"blog-{Blog.objects.get(slug='open').pk}"]

    def get_queryset(self):
        return Article.objects.filter(blog__slug="open")

    def has_permission(self, user, action, pk):
        if action == "create" and self.get_queryset().count() >= QUOTA:
            return False
        blog = Blog.objects.get(slug="open").pk
        return user.is_authenticated and (action == "delete" or self.data.get("blog", blog) == blog)

    def create(self, data):
        return self._save(Article(blog=Blog.objects.get(slug="open")), data)


class Teams(WebsocketBinding):
    """Links to many."""

    model, stream = Team, "teams"
    fields = ["name", "tokens", "aliases"]

    def group_names(cls, team):
        return ["teams"]

    def has_permission(self, user, action, pk):
        if action == "delete":  # its members go with it
            return user.is_authenticated and not Membership.objects.filter(team__pk=pk).exists()
        return user.is_authenticated and (action != "create" or Team.objects.count() < QUOTA)


class Labels(WebsocketBinding):
    """A natural key: she may make new ones, and change none."""

    model, stream = Label, "labels"
    fields = ["code", "text"]

    def group_names(cls, label):
        return ["private"]

    def has_permission(self, user, action, pk):
        return user.is_authenticated and action == "create" and Label.objects.count() < QUOTA


class People(WebsocketBinding):
    """Everybody sees the names of some, nobody a password. Closed to all writers."""

    model, stream = Person, "people"
    fields, image_fields = ["name"], ["motto"]

    def group_names(cls, person):
        return ["public" if person.motto == "public" else "private"]

    def has_permission(self, user, action, pk):
        raise PermissionDenied("Nobody writes here.")


class Tokens(WebsocketBinding):
    """Closed: no permission, no subscription."""

    model, stream = Token, "tokens"
    fields = ["__all__"]

    def group_names(cls, token):
        return ["private"]


class Blogs(WebsocketBinding):
    model, stream = Blog, "blogs"
    fields = ["__all__"]

    def group_names(cls, blog):
        return ["private"]


class NoSuchPlace(AsyncWebsocketConsumer):
    """Where no stream is. URLRouter would log an error with a traceback for each who asks."""

    async def connect(self):
        await self.accept()
        await self.close(4404)


class Echo(AsyncJsonWebsocketConsumer):
    """Somebody's own consumer."""

    async def receive_json(self, content, **kwargs):
        await self.send_json(content)


class Target(WebsocketDemultiplexer):
    consumers = {
        **{one.stream: one.consumer for one in (Things, Seats, Posts, Articles, Teams, Labels, People, Tokens, Blogs)},
        "echo": Echo,
    }

    def connection_groups(self, **url_kwargs):
        return ["public", "teams", *([f"things-{self.user.pk}"] if self.user.is_authenticated else [])]


sockets = [path("ws/", Target.as_asgi()), re_path("", NoSuchPlace.as_asgi())]
application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(sockets))),
    }
)


def log_in(name, pk):
    """Make a person. Returns the cookie of their session."""
    user = get_user_model().objects.create(pk=pk, username=name, password=f"!{SECRET}")
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.create()
    return session.session_key


def make():
    """Make all tables and rows. Returns the cookies by name."""
    call_command("migrate", verbosity=0)
    cookies = {name: log_in(name, pk) for name, pk in (("mallory", 7), ("bob", 8), ("victim", 9))}
    for owner, word in ((7, "mine"), (8, "bob"), (9, SECRET)):
        for n in range(5):
            Thing.objects.create(big=owner, char=f"{word} {n}", text=SECRET, sealed=SECRET.encode(), json=[word])
    for n in range(5):
        Seat.objects.create(row=n, number=1, guest="mallory", ticket=n)
        Seat.objects.create(row=n, number=2, guest=SECRET, ticket=100 + n, hall=f"{SECRET}-{n}")
        Person.objects.create(name=f"person {n}", motto="public", password=SECRET)
        Person.objects.create(name=f"{SECRET} {n}", motto=SECRET, password=SECRET)
        Label.objects.create(code=f"{SECRET}-{n}", text=SECRET)
        Token.objects.create(text=SECRET)
        Alias.objects.create(name=f"{SECRET}-{n}")
    for n, slug in enumerate(("open", SECRET)):
        blog = Blog.objects.create(slug=slug, title=SECRET)
        Article.objects.create(blog=blog, editor=Person.objects.first(), body="open" if slug == "open" else SECRET)
        live = Liveblog.objects.create(name=slug, slug=slug)
        Post.objects.create(liveblog=live, body=f"post {n}", published=True)
        Post.objects.create(liveblog=live, body=SECRET, published=False)
    team = Team.objects.create(name="team")
    Membership.objects.create(team=team, person=Person.objects.first(), role=SECRET)
    return cookies


if __name__ == "__main__":
    print(json.dumps(make()))
