"""Passkeys: where they are good for, and what can go wrong."""

from __future__ import annotations

from torii_dynamodb._rules.webauthn import PasskeyError, PasskeyFailure, PasskeySettings

__all__ = ["PasskeyError", "PasskeyFailure", "PasskeySettings"]
