"""Base64url without padding (RFC 4648, 5), as URLs, cookies, JWT and WebAuthn have it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

__all__ = ["decode", "encode"]


def encode(raw: bytes) -> str:
    """Bytes as text, without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of a text, padded or not.

    Raises:
        ValueError: It has a character beyond ASCII, or a length that no bytes encode to.
    """
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
