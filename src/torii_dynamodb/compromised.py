"""Lists of passwords known from breaches, looked up on this machine. Nothing here uses the network.

Any object with ``is_compromised(password) -> bool`` works; it is called in a thread. There are two here:
:class:`PasswordList` for a short list in memory, and :class:`PwnedPasswordsFiles` for all of Have I Been Pwned's
"Pwned Passwords", downloaded once with its own downloader as one file per prefix of five hexadecimal digits of SHA-1.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Protocol

from torii_dynamodb.errors import ConfigurationError

__all__ = ["CompromisedPasswords", "PasswordList", "PwnedPasswordsFiles", "common_passwords"]


class CompromisedPasswords(Protocol):
    """Knows passwords that must not be accepted."""

    def is_compromised(self, password: str) -> bool:
        """Whether the password is known from a breach, or too common. Blocks; it is called in a thread."""
        ...


class PasswordList:
    """A list in memory, which ignores case, full-width forms and invisible characters.

    Args:
        passwords: The passwords.
    """

    def __init__(self, passwords: Iterable[str]) -> None:
        self._known = frozenset(_folded(password) for password in passwords if password.strip())

    @classmethod
    def from_file(cls, path: Path | str) -> PasswordList:
        """Read a UTF-8 file with one password per line."""
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return cls(line.rstrip("\r\n") for line in file)

    def is_compromised(self, password: str) -> bool:
        """See :class:`CompromisedPasswords`."""
        return _folded(password) in self._known

    def __len__(self) -> int:
        return len(self._known)


@cache
def common_passwords() -> PasswordList:
    """The 10,000 most common passwords of at least eight characters. Read from a file at the first call."""
    lines = (Path(__file__).parent / "data" / "common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return PasswordList(line for line in lines if not line.startswith("#"))


class PwnedPasswordsFiles:
    """Pwned Passwords in a folder: one file ``<5 hex digits>.txt`` a prefix, lines ``<35 hex digits>:<count>``.

    Args:
        folder: The folder with the files.
        least: The occurrences from which a password counts as compromised.

    Raises:
        ConfigurationError: The folder does not exist or contains no such file.
    """

    def __init__(self, folder: Path | str, *, least: int = 1) -> None:
        self._folder = Path(folder)
        self._least = least
        if not self._folder.is_dir() or next(self._folder.glob("?????.txt"), None) is None:
            raise ConfigurationError(f"{self._folder}: contains no files '<5 hexadecimal digits>.txt'")

    def is_compromised(self, password: str) -> bool:
        """See :class:`CompromisedPasswords`. Reads one file of about 40 KB; no file means unknown."""
        # SHA-1 because the lists are keyed by it; it protects nothing.
        digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            text = (self._folder / f"{digest[:5]}.txt").read_text(encoding="ascii")
        except FileNotFoundError:
            return False
        for line in text.splitlines():
            suffix, _, count = line.strip().partition(":")
            if suffix.upper() == digest[5:]:
                return int(count or 1) >= self._least
        return False


def _folded(password: str) -> str:
    # Full-width letters and invisible characters do not make a common password a rare one.
    plain = unicodedata.normalize("NFKC", password).strip().casefold()
    return "".join(character for character in plain if unicodedata.category(character) != "Cf")
