"""The URLs of the account pages below a path."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("x/", include("torii_dynamodb.django.urls"))]
