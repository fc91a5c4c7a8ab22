"""Access tokens as JWT: the settings, and what a token says."""

from __future__ import annotations

from torii_dynamodb._core.jwt import AccessClaims, AccessToken, JwtKey, JwtSettings

__all__ = ["AccessClaims", "AccessToken", "JwtKey", "JwtSettings"]
