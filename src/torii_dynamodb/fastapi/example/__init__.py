"""The example application: everything switched on. ``torii-dynamodb serve`` runs it."""

from __future__ import annotations

from torii_dynamodb.fastapi.example.app import create_app

__all__ = ["create_app"]
