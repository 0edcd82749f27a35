"""Settings: development out of the box, production by the environment. `.env.example` lists every name read here."""

import json
import os
import tempfile
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

REPOSITORY = Path(__file__).resolve().parents[2]
BACKEND = REPOSITORY / "backend"
FRONTEND = REPOSITORY / "frontend"

env = environ.Env()
env.read_env(REPOSITORY / ".env")  # what the environment says already is left as it is

DEBUG = env.bool("DEBUG", default=False)

SECRET_KEY = env.str("SECRET_KEY", default="only for development" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set: put a long random string into the environment "
        "(or DEBUG=1 if this is your own machine; bin/setup writes that into .env)."
    )

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])  # empty with DEBUG: localhost only

# ---- https

HTTPS = env.bool("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=3600) if HTTPS else 0
# Whether other sites under this one's name may do without https, and whether browsers shall have it built in, is not
# this project's to decide: set SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_PRELOAD if it is yours.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

if env.bool("BEHIND_PROXY", default=False):  # only then: anybody may send this header, and only a proxy overwrites it
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "daphne",  # first: its runserver speaks WebSocket
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels_databinding",
    "config",  # for `manage.py seed`
    # demos
    "liveblog",
    "live_edit",
    # end of demos
]

MIDDLEWARE = [
    "config.health.HealthMiddleware",  # first: whatever the others think of the question, it answers
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.content_security_policy.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [FRONTEND],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# ---- data

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BACKEND / 'db.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"] |= {
        "OPTIONS": {
            # WAL: readers and the one writer do not wait for each other. NORMAL is safe with it: a power cut may
            # take the last transactions with it, but never damages the file.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            # Take the write lock at BEGIN: a transaction that reads first and writes later would otherwise fail at
            # once with "database is locked", without waiting.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds to wait for that lock
        },
        # A file, since threads and other processes must see the same data; one a process, since two people may test.
        "TEST": {"NAME": os.path.join(tempfile.gettempdir(), f"{REPOSITORY.name}-test-{os.getpid()}.sqlite3")},
    }
else:
    DATABASES["default"]["TEST"] = {"NAME": f"test_{os.getpid()}"}  # one a process here, too

REDIS_URL = env.str("REDIS_URL", default="")
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
if REDIS_URL:
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Without socket_timeout=None redis-py gives up on a quiet channel, and the websocket with it, every 5 seconds.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
    }

# ---- what it tells

LOGGING = json.loads((BACKEND / "config/log.json").read_text())  # uvicorn reads it, too
if DEBUG:
    LOGGING["handlers"]["console"]["formatter"] = "line"

METRICS = env.str("METRICS", default="")

# ---- people

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "index"
LOGOUT_REDIRECT_URL = "index"

# ---- files for the browser

STATIC_URL = "/static/"
STATIC_ROOT = BACKEND / "staticfiles"
STATICFILES_DIRS = [("app", FRONTEND / "dist")]  # what Vite built: /static/app/…
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Browsers may keep these for ever: their names change with what is in them. Vite names the chunks, Django the rest.
WHITENOISE_IMMUTABLE_FILE_TEST = r"/app/chunks/|\.[0-9a-f]{12}\."

# ---- time and language

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
