"""The target's settings: as in production. Each line of its log begins with a level."""

from config.settings import *  # noqa: F403  (settings are all the names of a module)
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "example", "lab"]

# The attack shall meet what is behind the limits: those have tests of their own.
CHANNELS_DATABINDING = {
    "frames_per_s": 1_000_000,
    "user_frames_per_s": 1_000_000,
    "sockets_per_user": 1_000_000,
    "sockets_per_address": 1_000_000,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["console"]},
}
