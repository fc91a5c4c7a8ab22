"""Base64url without padding (RFC 4648, 5), as in URLs, cookies, JWT and WebAuthn."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

__all__ = ["decode", "encode"]


def encode(raw: bytes) -> str:
    """Encode bytes, without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Decode a text, padded or not.

    Raises:
        ValueError: It has a non-ASCII character, or an impossible length.
    """
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
