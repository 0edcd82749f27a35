"""The servers' settings: as in production, and quick to notice."""

from config.settings import *  # noqa: F403  (settings are all the names of a module)
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "fire"]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

LOOK_S = 1
CHANNELS_DATABINDING = {
    "look_s": LOOK_S,
    "presence_ttl_s": 6,
    "sockets_per_user": 10_000,
    "frames_per_s": 1_000,
    "user_frames_per_s": 1_000,
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["console"]},
}
