"""Recovery codes: ten of 80 random bits, shown once, stored as MACs under the application's secret."""

from __future__ import annotations

import hmac
import unicodedata
from base64 import b32encode
from collections.abc import Sequence

from torii_dynamodb._rules import base64url
from torii_dynamodb.clock import RandomBytes

__all__ = ["RecoveryCodes"]

COUNT = 10
_BYTES = 10
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")
_USE = b"torii-dynamodb/recovery-code/1"
_KEY_ID_DIGITS = 16


class RecoveryCodes:
    """Makes recovery codes, and the marks that are stored of them. No I/O.

    Args:
        secrets: The application's secrets: the first marks new codes, all are recognised.
        random: The randomness for codes.
    """

    def __init__(self, secrets: Sequence[bytes], *, random: RandomBytes) -> None:
        self._keys = [hmac.digest(secret, _USE, "sha256") for secret in secrets]
        self._random = random

    def make(self) -> tuple[str, ...]:
        """Return new codes, written as people read them: ``xxxx-xxxx-xxxx-xxxx``."""
        raw = [b32encode(self._random(_BYTES)).decode().lower() for _ in range(COUNT)]
        return tuple("-".join(code[start : start + 4] for start in range(0, 16, 4)) for code in raw)

    def mark(self, user_id: str, code: str) -> str:
        """Return what is stored of a code from :meth:`make`: the key's id and the MAC."""
        return _mark(self._keys[0], user_id, code.replace("-", ""))

    def candidates(self, user_id: str, typed: object) -> tuple[str, ...]:
        """Return the marks that may be stored of a typed code, one for each secret; none if it cannot be a code."""
        code = _typed(typed)
        return () if code is None else tuple(_mark(key, user_id, code) for key in self._keys)

    @property
    def current_key_id(self) -> str:
        """The beginning of the marks of new codes."""
        return _key_id(self._keys[0])


def _key_id(key: bytes) -> str:
    return hmac.digest(key, b"id", "sha256").hex()[:_KEY_ID_DIGITS]


def _mark(key: bytes, user_id: str, code: str) -> str:
    # The code has a fixed length, so code and user id cannot be confused.
    return f"{_key_id(key)}.{base64url.encode(hmac.digest(key, f'{code}.{user_id}'.encode(), 'sha256'))}"


def _typed(typed: object) -> str | None:
    if not isinstance(typed, str) or len(typed) > 128:
        return None
    folded = unicodedata.normalize("NFKC", typed).casefold()
    # Base32 has neither 0 nor 1, which people type for O and L.
    code = "".join(folded.replace("-", "").split()).replace("0", "o").replace("1", "l")
    return code if len(code) == 16 and _ALPHABET.issuperset(code) else None
