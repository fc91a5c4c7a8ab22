"""Passwords: which are accepted, and how they are hashed.

argon2id by argon2-cffi. Verifying deliberately takes tens of milliseconds of CPU: call it off the event loop.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torii_dynamodb._rules.checking import check_fields
from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = [
    "Argon2Hasher",
    "PasswordHasher",
    "PasswordPolicy",
    "SeveralForms",
    "SeveralKinds",
    "Verifier",
    "check_password",
]

_log = logging.getLogger("torii_dynamodb")


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """Which passwords are accepted. The defaults are NIST SP 800-63B's: length, and no rules on composition.

    Args:
        min_length: The minimum number of characters.
        max_length: The maximum number of characters: a limit on the work that one request can cause.
        refuse_common: Whether the 10,000 most common passwords are refused (OWASP ASVS 5, 6.2.4).
        words: Words of the application: names of the product, the company, its systems. A password that consists only
            of these and of the user's own words (address, name), with any digits and signs, is refused (ASVS 6.1.2).
            The name in the mail settings is added.
    """

    min_length: int = 8
    max_length: int = 128
    refuse_common: bool = True
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.min_length <= self.max_length <= 4096:
            raise ConfigurationError("password policy: give 1 <= min_length <= max_length <= 4096")


def check_password(password: object, policy: PasswordPolicy) -> str:
    """Check a new password, and return it in the form that is hashed (Unicode NFC, as in NIST SP 800-63B, 3.1.1.2).

    Raises:
        ValidationError: It is too short, too long, or not text. The message contains its length, never the password.
    """
    if not isinstance(password, str):
        raise ValidationError("password", f"give text, not {type(password).__name__}")
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        raise ValidationError("password", "has a lone surrogate, which is not a character") from None
    normalised = normalise_password(password)
    length = len(normalised)
    if not policy.min_length <= length <= policy.max_length:
        raise ValidationError(
            "password",
            f"has {length} characters ({size} bytes); use {policy.min_length} to {policy.max_length} characters",
        )
    return normalised


def normalise_password(password: str) -> str:
    """Return a password in the form that is hashed."""
    return unicodedata.normalize("NFC", password)


def attempted_password(password: object, policy: PasswordPolicy) -> str | None:
    """Return a password tried at sign-in, as it was typed; ``None`` for one that cannot be right."""
    if not isinstance(password, str):
        raise ValidationError("password", f"give text, not {type(password).__name__}")
    try:
        password.encode()
    except UnicodeEncodeError:
        return None
    if len(password) > policy.max_length * 4:
        return None
    return password


class PasswordHasher(Protocol):
    """What the services need for password hashing. All methods block; they are called in a thread."""

    def hash(self, password: str) -> str:
        """Return the hash to store, in PHC format: ``$<algorithm>$...``."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether the password is the one that was hashed. Also ``False`` for a hash that cannot be read."""
        ...

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than the current ones."""
        ...


@runtime_checkable
class SeveralKinds(PasswordHasher, Protocol):
    """A hasher that verifies hashes of several kinds, for example current ones and those imported from another system.

    Kinds take different times. So that the time of a wrong password does not reveal whether an address is known, and
    with which kind of hash, every verification does the work of each kind once.
    """

    def decoys(self) -> Mapping[str, str]:
        """Return one hash of every kind that may be stored, with its parameters: ``{kind: hash of anything}``.

        Called once, in a thread.
        """
        ...

    def kind(self, password_hash: str) -> str:
        """Return the kind of a stored hash: a key of :meth:`decoys`. Hashes of one kind take the same time."""
        ...


@runtime_checkable
class SeveralForms(Protocol):
    """A hasher for hashes of passwords that other systems normalised differently, or not at all."""

    def forms(self, password: str) -> Sequence[str]:
        """Return the forms of a password, as typed, to be verified, one after the other. Any of them may be right."""
        ...


class Verifier:
    """Verifies passwords with the same work for all hashes, and without one. Blocks.

    Args:
        hasher: The hasher.
    """

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._decoys: Mapping[str, str] | None = None
        self._warned = False

    def verify(self, password_hash: str | None, attempted: str | None) -> bool:
        """Whether the password is right. The work of every kind of hash is done once, whatever the result.

        Args:
            password_hash: The stored hash; ``None`` if there is none.
            attempted: The password, as it was typed; ``None`` for one that cannot be right.
        """
        if self._decoys is None:
            if isinstance(self._hasher, SeveralKinds):
                self._decoys = self._hasher.decoys()
            else:
                self._decoys = {"": self._hasher.hash("nobody's password")}
        stored = {} if password_hash is None else {self._kind(password_hash): password_hash}
        # A stored hash replaces its kind's decoy. All forms are tried, even after the right one: how many there are
        # depends only on the password.
        found = {
            kind: True in [self._hasher.verify(one, form) for form in self._forms(attempted or "")]
            for kind, one in {**self._decoys, **stored}.items()
        }
        return attempted is not None and any(found[kind] for kind in stored)

    def _forms(self, attempted: str) -> Sequence[str]:
        if isinstance(self._hasher, SeveralForms):
            return self._hasher.forms(attempted)
        return (normalise_password(attempted),)

    def _kind(self, password_hash: str) -> str:
        assert self._decoys is not None
        if isinstance(self._hasher, SeveralKinds):
            kind = self._hasher.kind(password_hash)
            expected = kind in self._decoys
        else:
            kind = ""
            expected = _scheme(password_hash) == _scheme(self._decoys[""])
        if not expected and not self._warned:
            self._warned = True
            _log.warning(
                "there is a password hash (%s) that the hasher does not expect: it counts as a wrong password or takes "
                "a different time, which shows that the address is known. For hashes of another system, pass "
                "hasher=ImportedHashes([...]) from torii_dynamodb.hashes; for other parameters of argon2, "
                "Argon2Hasher(..., earlier=[...]); or give your hasher decoys() and kind(): see SeveralKinds",
                _scheme(password_hash),
            )
        return kind


def _scheme(password_hash: str) -> str:
    return password_hash.lstrip("$").partition("$")[0]


class Argon2Hasher:
    """argon2id (RFC 9106), by argon2-cffi.

    Args:
        time_cost: Passes over the memory.
        memory_cost: Memory in KiB.
        parallelism: Lanes.
        earlier: The hashers of hashes that may still be stored, if their parameters were different: a wrong password
            takes the work of all, so that its time does not reveal which addresses are known.

    The defaults are RFC 9106's second recommended option: 64 MiB, 3 passes, 4 lanes. The
    :class:`HashingPool` limits how many run at the same time.
    """

    def __init__(
        self,
        *,
        time_cost: int = 3,
        memory_cost: int = 65536,
        parallelism: int = 4,
        earlier: Sequence[Argon2Hasher] = (),
    ) -> None:
        from argon2 import PasswordHasher as Argon2

        self._argon2 = Argon2(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism)
        self._earlier = tuple(earlier)

    def decoys(self) -> Mapping[str, str]:
        """See :class:`SeveralKinds`: a kind for each set of parameters."""
        hashes = [hasher.hash("nobody's password") for hasher in (self, *self._earlier)]
        return {self.kind(one): one for one in hashes}

    def kind(self, password_hash: str) -> str:
        """See :class:`SeveralKinds`: algorithm, version and parameters."""
        return "$".join(password_hash.split("$")[:4])

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
