from celery import shared_task
from django.db.models import F
from django.utils import timezone

from .models import Heartbeat, Note


@shared_task
def count_words(note_id):
    note = Note.objects.get(pk=note_id)
    words = len(note.text.split())
    if note.attachment.name.lower().endswith((".txt", ".md")):
        with note.attachment.open("rb") as file:
            words += len(file.read().split())
    Note.objects.filter(pk=note_id).update(word_count=words)
    Heartbeat.row()
    Heartbeat.objects.update(tasks_done=F("tasks_done") + 1)


@shared_task
def tick():
    """Beat asks for this every ten seconds, so that the page can tell whether beat and worker are alive."""
    Heartbeat.row()
    Heartbeat.objects.update(last_beat=timezone.now())
