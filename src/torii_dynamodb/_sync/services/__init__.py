# Generated from src/torii_dynamodb/_async/services/__init__.py by tools/unasync.py. Do not edit.

"""The services: what an application calls. They use only the contract, so they run on any storage."""

from __future__ import annotations

from torii_dynamodb._sync.services.torii import Torii

__all__ = ["Torii"]
