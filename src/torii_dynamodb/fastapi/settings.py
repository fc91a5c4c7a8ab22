"""The configuration of the web layer."""

from __future__ import annotations

from torii_dynamodb._web.settings import Credential, SessionTransport, WebConfig

__all__ = ["Credential", "SessionTransport", "WebConfig"]
