"""The application's ``secret``: the keys that everything signed or sealed under it uses, and a tenant's own keys."""

from __future__ import annotations

from collections.abc import Sequence

from torii_dynamodb._rules.checking import wrong
from torii_dynamodb.errors import ConfigurationError

__all__ = ["secret_keys"]

_LEAST_SECRET = 32  # bytes: RFC 2104, 3: a key shorter than the hash weakens HMAC
_TENANT_USE = b"torii-dynamodb/tenant/1/"


def secret_keys(secret: str | bytes | Sequence[str | bytes], *, tenant: str | None = None) -> tuple[bytes, ...]:
    """Check the application's secrets, and return the keys made of them, the signing one first.

    Each use derives a key of its own from these. Whatever is signed or sealed with a tenant's keys, such as device
    tokens, challenges, recovery codes and seeds, is not valid in another tenant, even for a user with the same id.

    Args:
        secret: The secret, or several to rotate.
        tenant: The tenant, whose keys HKDF-SHA-256 derives; ``None``: the secrets themselves.

    Raises:
        ConfigurationError: One is shorter than 32 bytes. The message does not show it.
    """
    given = [secret] if isinstance(secret, str | bytes) else secret
    # bytes(64) would be 64 zeros.
    if not isinstance(given, list | tuple) or not all(isinstance(one, str | bytes) for one in given):
        raise wrong("secret", secret, "text or bytes, or a list of them")
    keys = tuple(one.encode() if isinstance(one, str) else bytes(one) for one in given)
    if not keys or any(len(key) < _LEAST_SECRET for key in keys):
        raise ConfigurationError(
            f"secret: give at least {_LEAST_SECRET} random bytes, for example from secrets.token_urlsafe(32)"
        )
    return keys if tenant is None else tuple(_derive(key, tenant) for key in keys)


def _derive(key: bytes, tenant: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_TENANT_USE + tenant.encode()).derive(key)
