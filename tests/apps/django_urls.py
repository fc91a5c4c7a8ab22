"""The URLs of the application on Django."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from tests.apps.django_project import EXEMPT, VIEWS

urlpatterns = [
    path("", include("torii_dynamodb.django.urls")),
    path("admin/", admin.site.urls),
    path("protected/me", VIEWS["theirs"]),
    path("notes", VIEWS["me"], name="notes"),
    *(path(name, view) for name, view in EXEMPT.items()),
]
