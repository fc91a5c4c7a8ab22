"""Sealing of data that must be read back and is kept for long: providers' tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from torii_dynamodb._rules.app_secret import secret_keys
from torii_dynamodb._rules.sealing import Keyring
from torii_dynamodb.clock import RandomBytes, system_random

__all__ = ["AsyncAesGcmBox", "AsyncSecretBox", "box_of_tenant"]


class AsyncSecretBox(Protocol):
    """Seals and opens. To use a key management service instead, pass an object with these two methods.

    For a tenant, a box with a method ``tenant(name)`` is asked for the tenant's box, which may have a key of its own.
    The ``associated`` data that any other box gets begins with the tenant (``@acme#``).
    """

    async def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        """Seal.

        Args:
            plain: What to seal.
            associated: Where it will be stored. Not secret, but needed again to open it, so that a sealed value that is
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
    """AES-256-GCM under keys derived from the application's ``secret``. The sealed value contains the key's id.

    Args:
        secret: 32 or more random bytes, or several to rotate: the first seals, all open.
        tenant: Seals and opens for this tenant, as the services do with a tenant's storage.
        random: The randomness for nonces.

    Raises:
        ConfigurationError: A secret is too short.
    """

    def __init__(
        self,
        secret: str | bytes | Sequence[str | bytes],
        *,
        tenant: str | None = None,
        random: RandomBytes = system_random,
    ) -> None:
        self._secrets = secret_keys(secret)
        self._random = random
        self._keyring = Keyring(secret_keys(self._secrets, tenant=tenant), random=random)

    def tenant(self, name: str) -> AsyncAesGcmBox:
        """Return a tenant's box."""
        return AsyncAesGcmBox(self._secrets, tenant=name, random=self._random)

    async def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        """See :class:`AsyncSecretBox`."""
        return self._keyring.seal(plain, associated=associated)

    async def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        """See :class:`AsyncSecretBox`."""
        return self._keyring.open(sealed, associated=associated)


class _TenantsBox:
    """A box that knows no tenants, for one of them."""

    def __init__(self, box: AsyncSecretBox, tenant: str) -> None:
        self._box = box
        self._place = f"@{tenant}#".encode()

    async def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        return await self._box.seal(plain, associated=self._place + associated)

    async def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        return await self._box.open(sealed, associated=self._place + associated)


def box_of_tenant(box: AsyncSecretBox, tenant: str | None) -> AsyncSecretBox:
    """Return the box that seals and opens for a tenant: what it seals does not open in another."""
    if tenant is None:
        return box
    own: Callable[[str], AsyncSecretBox] | None = getattr(box, "tenant", None)
    return _TenantsBox(box, tenant) if own is None else own(tenant)
