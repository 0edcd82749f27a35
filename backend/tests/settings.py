"""The project's settings, and what only tests have: an app of odd tables, and two more databases."""

import json
import os
import tempfile

from config.settings import *  # noqa: F403
from config.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "example", "lab", "elsewhere"]

DATABASE_ROUTERS = ["elsewhere.models.Router"]
FOLDER = tempfile.gettempdir()
DATABASES["second"] = DATABASES["default"] | {
    "NAME": os.path.join(FOLDER, "second"),
    "TEST": {"NAME": f"{DATABASES['default']['TEST']['NAME']}-second"},
}
DATABASES["third"] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": os.path.join(FOLDER, "third"),
    "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL", "transaction_mode": "IMMEDIATE", "timeout": 20},
    "TEST": {"NAME": os.path.join(FOLDER, f"third-test-{os.getpid()}")},
}

CHANNELS_DATABINDING = json.loads(os.environ.get("CHANNELS_DATABINDING", "{}"))  # of a server that a test starts

# pytest-django put this module's name there. A server that a test starts is the project's own.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
