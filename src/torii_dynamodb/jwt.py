"""Access tokens as JWT: settings, claims, and checking without a storage."""

from __future__ import annotations

from torii_dynamodb._rules.jwt import (
    AccessClaims,
    AccessToken,
    AccessTokenClaims,
    JwtKey,
    JwtSettings,
    JwtTokens,
    tenant_of,
)

__all__ = ["AccessClaims", "AccessToken", "AccessTokenClaims", "JwtKey", "JwtSettings", "JwtTokens", "tenant_of"]
