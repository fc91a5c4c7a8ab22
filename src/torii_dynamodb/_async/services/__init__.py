"""The services: what an application calls. They use only the contract, so they run on any storage."""

from __future__ import annotations

from torii_dynamodb._async.services.torii import AsyncTorii

__all__ = ["AsyncTorii"]
