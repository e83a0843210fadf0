import os

from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from notesBackEnd.release import RELEASE
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action, api_view
from rest_framework.response import Response

from .models import Heartbeat, Note
from .tasks import count_words


class NoteSerializer(serializers.ModelSerializer):
    attachment = serializers.FileField(
        required=False, use_url=False, validators=Note._meta.get_field("attachment").validators
    )

    class Meta:
        model = Note
        fields = ["id", "text", "attachment", "word_count", "created"]
        read_only_fields = ["word_count"]

    def to_representation(self, note):
        # The path alone: the page may be on another port than the API.
        return {**super().to_representation(note), "attachment": note.attachment.url if note.attachment else None}


class NoteViewSet(mixins.ListModelMixin, mixins.CreateModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    queryset = Note.objects.all()
    serializer_class = NoteSerializer

    def list(self, request):
        return Response(self.get_serializer(self.get_queryset()[:20], many=True).data)

    @action(detail=True, methods=["post"])
    def count(self, request, pk=None):
        note = self.get_object()
        Note.objects.filter(pk=note.pk).update(word_count=None)
        count_words.delay(note.pk)
        return Response({"queued": True}, status=202)


@api_view()
def about(request):
    row = Heartbeat.objects.first()
    return Response(
        {
            "title": settings.SITE_TITLE,
            "release": RELEASE,
            "commit": os.environ.get("LANDFALL_COMMIT", ""),
            "number": os.environ.get("LANDFALL_RELEASE", ""),
            "last_beat": row.last_beat if row else None,
            "tasks_done": row.tasks_done if row else 0,
        }
    )


def healthz(request):
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        return HttpResponse(f"database: {error}\n", status=503, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")
