"""The admin area: users, their sessions and failed attempts, and activity."""

from __future__ import annotations

from torii_dynamodb.fastapi.admin.activity import Activity
from torii_dynamodb.fastapi.admin.area import Admin

__all__ = ["Activity", "Admin"]
