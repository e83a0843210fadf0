from django.contrib import admin

from .models import Note


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    list_display = ["__str__", "word_count", "created"]
    readonly_fields = ["word_count", "created"]
