from django.core.validators import FileExtensionValidator
from django.db import models

# What a browser shows as it is; an uploaded page or script would run in this site's name.
ATTACHMENTS = ["txt", "md", "csv", "pdf", "png", "jpg", "jpeg", "gif", "webp"]


class Note(models.Model):
    text = models.TextField(max_length=5000)
    attachment = models.FileField(
        upload_to="attachments/%Y/%m/", blank=True, validators=[FileExtensionValidator(ATTACHMENTS)]
    )
    word_count = models.PositiveIntegerField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created", "-id"]

    def __str__(self):
        return self.text[:60]


class Heartbeat(models.Model):
    """One row: when beat last came by, and how many notes the worker has counted."""

    last_beat = models.DateTimeField(null=True)
    tasks_done = models.PositiveIntegerField(default=0)

    @classmethod
    def row(cls):
        return cls.objects.get_or_create(pk=1)[0]
