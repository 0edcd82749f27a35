"""One Django project for all peers. The environment says which one this process serves, and from which file."""

import os

BENCH_PEER = os.environ["BENCH_PEER"]

SECRET_KEY = "only for measuring"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "board",
    *(["channels_databinding"] if BENCH_PEER == "ours" else []),  # its triggers would cost the others something
    *(["rest_framework"] if BENCH_PEER == "dcrf" else []),
]
MIGRATION_MODULES = {"board": None}  # `migrate --run-syncdb` makes its table
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["BENCH_DATABASE"],
        # Connections stay open. Closed after each use, as is Django's default, the last one out makes SQLite write its
        # whole log back: 15 ms that only those would pay who keep no other connection.
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}
# Room for all that is on the way: at its default, 100, the layer would drop changes, and be faster for it.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}}}
# One address has all the sockets here, and one of them may write as fast as it is answered.
CHANNELS_DATABINDING = {"sockets_per_address": 100_000, "sockets_per_user": 100_000, "frames_per_s": 100_000}
