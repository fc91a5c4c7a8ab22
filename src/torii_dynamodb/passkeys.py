"""Passkeys: where they are good for, and what can go wrong."""

from __future__ import annotations

from torii_dynamodb._core.webauthn_options import PasskeyError, PasskeyFailure, PasskeySettings

__all__ = ["PasskeyError", "PasskeyFailure", "PasskeySettings"]
