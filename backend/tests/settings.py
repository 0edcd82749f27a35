"""The project's settings, and an app of odd tables that only tests have."""

import json
import os

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "example", "lab"]

CHANNELS_DATABINDING = json.loads(os.environ.get("CHANNELS_DATABINDING", "{}"))  # of a server that a test starts

# pytest-django put this module's name there. A server that a test starts is the project's own.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
