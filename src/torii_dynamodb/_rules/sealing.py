"""Sealing of secrets that must be read back: AES-256-GCM from ``cryptography``, imported when something is sealed.

There are two uses. The data of a sign-in through a provider is sealed under its ``state``, which the browser carries;
the table has only its SHA-256, so nobody can open the row without the state. Data that is kept for long
(providers' tokens) is sealed under the application's ``secret``, by a :class:`Keyring`.

Keys come from HKDF-SHA-256, one per use. Every sealing draws a nonce of 96 random bits (NIST SP 800-38D, 8.2.2). The
associated data names the place where a sealed value is stored, so it cannot be opened anywhere else.

A seal under a state is as strong as the state is hard to guess. This library's states have 256 random bits.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torii_dynamodb.clock import RandomBytes
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Keyring", "seal_under_state", "unseal_under_state"]

_STATE_USE = b"torii-dynamodb/pkce/2"
_KEYRING_USE = b"torii-dynamodb/secret-box/1"
_NONCE_BYTES = 12
_KEY_ID_BYTES = 8
_VERSION = b"\x01"


def seal_under_state(plain: bytes, *, state: str, place: bytes, random: RandomBytes) -> bytes:
    """Seal under a state, as nonce, ciphertext and tag.

    Args:
        plain: What to seal.
        state: The state; 256 random bits.
        place: Where it will be stored.
        random: The randomness for the nonce.
    """
    nonce = random(_NONCE_BYTES)
    return nonce + _cipher(state.encode(), _STATE_USE).encrypt(nonce, plain, place)


def unseal_under_state(sealed: bytes, *, state: str, place: bytes) -> bytes:
    """Open what :func:`seal_under_state` sealed.

    Raises:
        ValueError: It was sealed under another state or for another place, or was changed.
    """
    return _open(_cipher(state.encode(), _STATE_USE), sealed, place)


class Keyring:
    """Seals under the application's secrets: the first seals, all open.

    A sealed value is a version byte, the key's id (64 bits, derived from the secret by HMAC, so that it does not reveal
    the secret), the nonce, the ciphertext and the tag.

    Args:
        secrets: The application's secrets, as :func:`~torii_dynamodb._rules.app_secret.secret_keys` checks them.
        random: The randomness for nonces.

    Raises:
        ConfigurationError: There is no secret.
    """

    def __init__(self, secrets: Sequence[bytes], *, random: RandomBytes) -> None:
        if not secrets:
            raise ConfigurationError("give at least one secret to seal under")
        self._secrets = {_key_id(secret): secret for secret in reversed(secrets)}
        self._first = _key_id(secrets[0])
        self._random = random

    def __repr__(self) -> str:
        return f"<Keyring: {len(self._secrets)} keys>"

    def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        """Seal under the first secret.

        Args:
            plain: What to seal.
            associated: Where it will be stored, for example ``b"oauth#google#subject"``; needed again to open it.
        """
        nonce = self._random(_NONCE_BYTES)
        head = _VERSION + self._first
        cipher = _cipher(self._secrets[self._first], _KEYRING_USE)
        return head + nonce + cipher.encrypt(nonce, plain, head + associated)

    def is_current(self, sealed: bytes) -> bool:
        """Whether a value was sealed under the first secret."""
        return sealed.startswith(_VERSION + self._first)

    def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        """Open what was sealed under one of the secrets.

        Raises:
            ValueError: It was sealed under another secret or for another place, or was changed.
        """
        head = sealed[: 1 + _KEY_ID_BYTES]
        secret = self._secrets.get(head[1:])
        if head[:1] != _VERSION or secret is None:
            raise ValueError("not sealed under a secret that is configured here")
        return _open(_cipher(secret, _KEYRING_USE), sealed[len(head) :], head + associated)


def _key_id(secret: bytes) -> bytes:
    return hmac.digest(secret, _KEYRING_USE + b"/key-id", "sha256")[:_KEY_ID_BYTES]


def _cipher(secret: bytes, use: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=use).derive(secret))


def _open(cipher: AESGCM, sealed: bytes, associated: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        if len(nonce) == _NONCE_BYTES:
            return cipher.decrypt(nonce, rest, associated)
    except InvalidTag:
        pass
    raise ValueError("not sealed under this key for this place, or changed")
