# Generated from src/torii_dynamodb/_async/services/__init__.py by tools/unasync.py. Do not edit.

"""The services: what an application calls. They stand on the contract alone, so they run on any storage."""

from __future__ import annotations

from torii_dynamodb._sync.services.torii import Torii

__all__ = ["Torii"]
