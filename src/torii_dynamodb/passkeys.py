"""Passkeys: settings and errors."""

from __future__ import annotations

from torii_dynamodb._rules.webauthn import PasskeyError, PasskeyFailure, PasskeySettings

__all__ = ["PasskeyError", "PasskeyFailure", "PasskeySettings"]
