"""`manage.py seed`: two logins, and what each app's `seed.py` has to show."""

from importlib import import_module

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.module_loading import module_has_submodule

# These are passwords for development: `handle` refuses to write them anywhere else.
LOGINS = {
    "alice": {"password": "alice", "is_staff": True, "is_superuser": True},
    "bob": {"password": "bob", "is_staff": False, "is_superuser": False},
}


class Command(BaseCommand):
    help = "Adds two users, and what the apps have to show, where it is missing. Safe to repeat."

    @transaction.atomic
    def handle(self, *args, **options):
        if not settings.DEBUG:
            raise CommandError("seed makes users whose passwords everybody knows: it needs DEBUG=1.")
        for username, login in LOGINS.items():
            self.add_user(username, **login)
        for app in apps.get_app_configs():
            if module_has_submodule(app.module, "seed"):
                import_module(f"{app.name}.seed").seed()
        for username, login in LOGINS.items():
            role = "may write everywhere, and use /admin/" if login["is_staff"] else "an ordinary user"
            self.stdout.write(f"  log in as {username:<6} password {login['password']:<6} ({role})")

    def add_user(self, username, *, password, is_staff, is_superuser):
        user, added = get_user_model().objects.get_or_create(
            username=username, defaults={"is_staff": is_staff, "is_superuser": is_superuser}
        )
        if added:
            user.set_password(password)
            user.save()
