# Generated from src/torii_dynamodb/_async/secret_box.py by tools/unasync.py. Do not edit.

"""Sealing of data that must be read back and is kept for long: providers' tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torii_dynamodb._rules.devices import secret_keys
from torii_dynamodb._rules.sealing import Keyring
from torii_dynamodb.clock import RandomBytes, system_random

__all__ = ["AesGcmBox", "SecretBox"]


class SecretBox(Protocol):
    """Seals and opens. To use a key management service instead, pass an object with these two methods."""

    def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        """Seal.

        Args:
            plain: What to seal.
            associated: Where it will be stored. Not secret, but needed again to open it, so that a sealed value that is
                moved to another row does not open there.
        """
        ...

    def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        """Open what :meth:`seal` sealed.

        Raises:
            ValueError: It does not open: another key, another place, or it was changed.
        """
        ...


class AesGcmBox:
    """AES-256-GCM under keys derived from the application's ``secret``. The sealed value contains the key's id.

    Args:
        secret: 32 or more random bytes, or several to rotate: the first seals, all open.
        random: The randomness for nonces.

    Raises:
        ConfigurationError: A secret is too short.
    """

    def __init__(self, secret: str | bytes | Sequence[str | bytes], *, random: RandomBytes = system_random) -> None:
        self._keyring = Keyring(secret_keys(secret), random=random)

    def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        """See :class:`SecretBox`."""
        return self._keyring.seal(plain, associated=associated)

    def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        """See :class:`SecretBox`."""
        return self._keyring.open(sealed, associated=associated)
