"""Sealing what must be read back and kept for long: the tokens of providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torii_dynamodb._rules.devices import secret_keys
from torii_dynamodb._rules.sealing import Keyring
from torii_dynamodb.clock import RandomBytes, system_random

__all__ = ["AsyncAesGcmBox", "AsyncSecretBox"]


class AsyncSecretBox(Protocol):
    """Seals and opens. Put a key management service in its place, by an object with these two methods."""

    async def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        """Seal.

        Args:
            plain: What to seal.
            associated: Where it is to stand. Not secret, and needed again to open it, so that a sealed value that was
                moved to another row does not open there.
        """
        ...

    async def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        """Open what :meth:`seal` sealed.

        Raises:
            ValueError: It does not open: another key, another place, or it was changed.
        """
        ...


class AsyncAesGcmBox:
    """AES-256-GCM under keys that are derived from the application's ``secret``. The key's id stands in what is sealed.

    Args:
        secret: 32 or more random bytes, or several to rotate: the first seals, all open.
        random: Where nonces come from.

    Raises:
        ConfigurationError: A secret is too short.
    """

    def __init__(self, secret: str | bytes | Sequence[str | bytes], *, random: RandomBytes = system_random) -> None:
        self._keyring = Keyring(secret_keys(secret), random=random)

    async def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        """See :class:`AsyncSecretBox`."""
        return self._keyring.seal(plain, associated=associated)

    async def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        """See :class:`AsyncSecretBox`."""
        return self._keyring.open(sealed, associated=associated)
