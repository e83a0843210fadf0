from django.contrib import admin
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from board.views import NoteViewSet, about, healthz

router = SimpleRouter()
router.register("notes", NoteViewSet)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/about/", about),
    path("api/", include(router.urls)),
    path("healthz/", healthz),
]
