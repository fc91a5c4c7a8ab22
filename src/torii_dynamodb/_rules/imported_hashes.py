"""A hasher for a table in which hashes of other systems are stored beside our own."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from torii_dynamodb._rules.checking import check_kind, check_methods
from torii_dynamodb._rules.extras import needed
from torii_dynamodb._rules.foreign_hashes import Kind, StoredHash, kind_for, parse
from torii_dynamodb._rules.hashing import Argon2Hasher, SeveralKinds
from torii_dynamodb.errors import ConfigurationError

__all__ = ["ImportedHashes", "needed_for"]

_log = logging.getLogger("torii_dynamodb")


class ImportedHashes:
    """Verifies hashes of other systems, and has them replaced at the first successful sign-in.

    Only what is declared is accepted. Any other hash counts as a wrong password and is logged, once for each format,
    with what to declare.

    Every verification takes the work of all declared kinds, one after the other, so that its time does not reveal
    whether an address is known, or with which hash. Remove a kind that is no longer in the table.

    Args:
        accepted: The kinds of hashes that may be in the table, with the most work that they may take:
            ``[Bcrypt(max_cost=12), Pbkdf2("sha256", max_iterations=870_000)]``. An import ends by printing this list.
        native: The hasher for new passwords; ``None`` for ``Argon2Hasher()``.
    """

    def __init__(self, accepted: Iterable[Kind], *, native: SeveralKinds | None = None) -> None:
        self._native: SeveralKinds = native or Argon2Hasher()
        methods = ["hash", "verify", "needs_rehash", "decoys", "kind"]
        check_methods("native", self._native, methods, "a hasher that names its kinds, for example Argon2Hasher()")
        if isinstance(accepted, Kind):
            raise ConfigurationError(f"accepted: give a list, for example [{type(accepted).__name__}(...)]")
        self._accepted = tuple(accepted)
        for kind in self._accepted:
            check_kind("accepted", kind, f"{Kind.__module__}.Kind", "kinds of hashes, for example Bcrypt(max_cost=12)")
            if kind.package is not None:
                needed(kind.package, "hashes")
        names = [kind.name for kind in self._accepted]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"accepted: {name} is declared {names.count(name)} times; declare it once")
        self._decoys: Mapping[str, str] | None = None
        self._told: set[str] = set()

    def _native_decoys(self) -> Mapping[str, str]:
        if self._decoys is None:
            self._decoys = self._native.decoys()
        return self._decoys

    def decoys(self) -> Mapping[str, str]:
        """See :class:`~torii_dynamodb.policies.SeveralKinds`."""
        return {**{kind.name: kind.decoy() for kind in self._accepted}, **self._native_decoys()}

    def kind(self, password_hash: str) -> str:
        """See :class:`~torii_dynamodb.policies.SeveralKinds`. A hash that is refused takes the work of a native one."""
        native, decoys = self._native.kind(password_hash), self._native_decoys()
        if native in decoys:
            return native
        found = self._find(parse(password_hash))
        return next(iter(decoys)) if found is None else found.name

    def _find(self, stored: StoredHash | None) -> Kind | None:
        return next((kind for kind in self._accepted if stored is not None and kind.admits(stored)), None)

    def forms(self, password: str) -> Sequence[str]:
        """Return the forms of a password that are tried: as hashed here, as typed, and as better-auth hashes it.

        Other systems hashed what was typed, without normalising it. Most passwords have one form.
        """
        normalised = (unicodedata.normalize("NFC", password), password, unicodedata.normalize("NFKC", password))
        return tuple(dict.fromkeys(normalised))

    def hash(self, password: str) -> str:
        """Hash a password with the native hasher."""
        return self._native.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        """See :class:`~torii_dynamodb.policies.PasswordHasher`."""
        decoys = self._native_decoys()
        if self._native.kind(password_hash) in decoys:
            return self._native.verify(password_hash, password)
        stored = parse(password_hash)
        kind = self._find(stored)
        if stored is not None and kind is not None:
            return kind.verify(stored, password)
        self._native.verify(next(iter(decoys.values())), password)
        self._tell(stored)
        return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash is not one that the native hasher would make now."""
        if self._native.kind(password_hash) in self._native_decoys():
            return self._native.needs_rehash(password_hash)
        return True

    def _tell(self, stored: StoredHash | None) -> None:
        name = "unknown" if stored is None else stored.format
        if name in self._told:
            return
        self._told.add(name)
        if stored is None:
            _log.error(
                "a stored password hash has an unknown form, or is damaged: it counts as a wrong password. Convert "
                "hashes with torii_dynamodb.hashes.convert() before they are stored"
            )
            return
        try:
            advice = f"declare {kind_for(stored)} in ImportedHashes([...])"
        except ConfigurationError as error:
            advice = f"no kind accepts it, because it takes too much work ({error.message})"
        _log.error(
            "a stored password hash of the format %s is not accepted with its parameters, and counts as a wrong "
            "password: %s",
            name,
            advice,
        )


def needed_for(hashes: Iterable[str], *, native: SeveralKinds | None = None) -> str:
    """Return what an application has to pass to ``Torii`` so that these hashes are verified.

    Args:
        hashes: Stored hashes. One of each set of parameters is enough. Those that no kind accepts are skipped.
        native: The hasher for new passwords; ``None`` for ``Argon2Hasher()``.

    Returns:
        For example ``hasher=ImportedHashes([Bcrypt(max_cost=12)])``; an empty text if the native hasher verifies all.
    """
    native = native or Argon2Hasher()
    known, needed = native.decoys(), dict[str, Kind]()
    for text in hashes:
        stored = parse(text)
        if stored is None or native.kind(text) in known:
            continue
        with suppress(ConfigurationError):
            kind = kind_for(stored)
            needed[kind.name] = needed[kind.name].merge(kind) if kind.name in needed else kind
    return f"hasher=ImportedHashes([{', '.join(sorted(map(repr, needed.values())))}])" if needed else ""
