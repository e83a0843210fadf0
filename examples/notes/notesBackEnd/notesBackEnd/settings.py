import os
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

try:
    from .localsettings import ALLOWED_HOSTS, SITE_TITLE
except ModuleNotFoundError as error:
    if error.name != "notesBackEnd.localsettings":
        raise
    raise ImproperlyConfigured(
        "notesBackEnd/notesBackEnd/localsettings.py is missing: copy localsettings.py.example, which lies beside it."
    ) from None

BASE_DIR = Path(__file__).resolve().parent.parent

# What must outlive a release: the database, uploads, Celery's messages.
DATA = Path(os.environ.get("LANDFALL_SHARED") or BASE_DIR / "data")
for folder in ("media", "broker/queue", "broker/processed", "broker/control"):
    (DATA / folder).mkdir(parents=True, exist_ok=True)

SECRET_KEY = os.environ.get("SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not in the environment (see .env.example).")

DEBUG = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

ROOT_URLCONF = "notesBackEnd.urls"
WSGI_APPLICATION = "notesBackEnd.wsgi.application"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "board",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "db.sqlite3",
        # Several web processes, a worker and beat write: readers don't wait in WAL mode, and writers queue up instead of
        # failing in the middle of a transaction.
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
# A server gives the app a PostgreSQL database of its own.
if os.environ.get("DATABASE_URL"):
    DATABASES["default"] = dj_database_url.config(conn_max_age=60, conn_health_checks=True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticroot"
MEDIA_URL = "/media/"
MEDIA_ROOT = DATA / "media"

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
}

# A server gives the app a Redis of its own. Without one Celery's messages are files: no broker to install for an example.
# See broker.py.
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or "filesystem://localhost"
if CELERY_BROKER_URL.startswith("filesystem:"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(DATA / "broker" / "queue"),
        "data_folder_out": str(DATA / "broker" / "queue"),  # the same: what is put in is what is taken out
        "processed_folder": str(DATA / "broker" / "processed"),
        "control_folder": str(DATA / "broker" / "control"),
        "store_processed": True,
        "polling_interval": 0.25,
    }

CELERY_TASK_IGNORE_RESULT = True  # the results are in the models
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False  # would leave a queue behind for every worker there ever was
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "board.tasks.tick", "schedule": 10.0, "options": {"expires": 30}},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
