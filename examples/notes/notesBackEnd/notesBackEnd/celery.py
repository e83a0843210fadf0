import os

from celery import Celery

from . import broker  # noqa: F401  takes the place of kombu's filesystem transport

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notesBackEnd.settings")

app = Celery("notesBackEnd")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
