"""Passwords: which are taken, and how they are hashed.

argon2id by argon2-cffi. Verifying takes tens of milliseconds of CPU on purpose: call it off the event loop.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Protocol

from torii_dynamodb.errors import ValidationError

__all__ = ["Argon2Hasher", "PasswordHasher", "PasswordPolicy", "check_password"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """Which passwords are taken. The defaults are NIST SP 800-63B's: length, and no rules on composition.

    Args:
        min_length: Characters at least.
        max_length: Characters at most: a bound on the work that one request can ask for.
    """

    min_length: int = 8
    max_length: int = 128


def check_password(password: object, policy: PasswordPolicy) -> str:
    """A new password, in the form in which it is hashed (Unicode NFC, as NIST SP 800-63B, 3.1.1.2 asks).

    Raises:
        ValidationError: It is too short, too long, or not text. The message says how long it is, never what it is.
    """
    if not isinstance(password, str):
        raise ValidationError("password", f"give text, not {type(password).__name__}")
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        raise ValidationError("password", "has a lone surrogate, which is no character") from None
    normalised = unicodedata.normalize("NFC", password)
    length = len(normalised)
    if not policy.min_length <= length <= policy.max_length:
        raise ValidationError(
            "password",
            f"has {length} characters ({size} bytes); take {policy.min_length} to {policy.max_length} characters",
        )
    return normalised


def attempted_password(password: object, policy: PasswordPolicy) -> str | None:
    """A password tried at sign-in, in the form in which it was hashed; ``None`` for one that cannot be right."""
    if not isinstance(password, str):
        raise ValidationError("password", f"give text, not {type(password).__name__}")
    try:
        password.encode()
    except UnicodeEncodeError:
        return None
    if len(password) > policy.max_length * 4:
        return None
    return unicodedata.normalize("NFC", password)


class PasswordHasher(Protocol):
    """What the services need of a password hash. All methods block; they are called in a thread."""

    def hash(self, password: str) -> str:
        """The hash to store: PHC text, ``$<algorithm>$...``."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether the password is the one that was hashed. ``False`` too for a hash that cannot be read."""
        ...

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        ...


class Argon2Hasher:
    """argon2id (RFC 9106), by argon2-cffi.

    Args:
        time_cost: Passes over the memory.
        memory_cost: Memory in KiB.
        parallelism: Lanes.

    The defaults are RFC 9106's second recommended option: 64 MiB, 3 passes, 4 lanes.
    """

    def __init__(self, *, time_cost: int = 3, memory_cost: int = 65536, parallelism: int = 4) -> None:
        from argon2 import PasswordHasher as Argon2

        self._argon2 = Argon2(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism)

    def hash(self, password: str) -> str:
        """See :class:`PasswordHasher`."""
        return self._argon2.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        """See :class:`PasswordHasher`."""
        from argon2.exceptions import Argon2Error, InvalidHashError

        try:
            return self._argon2.verify(password_hash, password)
        # InvalidHashError is a ValueError, not an Argon2Error.
        except (Argon2Error, InvalidHashError):
            return False

    def needs_rehash(self, password_hash: str) -> bool:
        """See :class:`PasswordHasher`."""
        from argon2.exceptions import InvalidHashError

        try:
            return self._argon2.check_needs_rehash(password_hash)
        except InvalidHashError:
            return False
