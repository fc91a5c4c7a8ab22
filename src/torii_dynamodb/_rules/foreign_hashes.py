"""Password hashes of other systems: how they are written, converted, and verified.

A foreign hash is stored in one of the forms of ``FORMATS``, in PHC notation (``$algorithm$parameters$salt$digest``),
which other systems read too. :func:`convert` makes it from what the other system wrote; ``SOURCES`` lists what it
reads.

A hash is verified only by a declared :class:`Kind` (``Bcrypt(max_cost=12)``), which says how much work its hashes may
take, and does that much work for each of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, cast

from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = [
    "FORMATS",
    "Argon2",
    "Bcrypt",
    "FirebaseScrypt",
    "Kind",
    "Pbkdf2",
    "SaltedSha",
    "Scrypt",
    "StoredHash",
    "convert",
    "from_firebase",
    "from_keycloak",
    "from_salted_sha",
    "identify",
    "kind_for",
    "parse",
]

Digest = Literal["sha1", "sha256", "sha512"]
Variant = Literal["i", "d", "id"]

_DIGEST_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}

# bcrypt's alphabet, in the order of its values.
_BCRYPT64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_NUMBER = r"([1-9][0-9]{0,8})"
_SALT = r"(?P<salt>[A-Za-z0-9+/]{2,171})"  # 1 to 128 bytes
_DIGEST = r"(?P<digest>[A-Za-z0-9+/]{22,171})"  # 16 to 128 bytes
_BCRYPT = r"(?P<salt>[A-Za-z0-9./]{22})"
_BCRYPT_DIGEST = r"(?P<digest>[A-Za-z0-9./]{31})"


def _number(name: str) -> str:
    return _NUMBER.replace("(", f"(?P<{name}>", 1)


FORMATS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.ASCII)
    for name, pattern in {
        "bcrypt": rf"\$2[aby]\$(?P<cost>[0-9]{{2}})\${_BCRYPT}{_BCRYPT_DIGEST}",
        # passlib's; version 1 hashes the password with SHA-256, version 2 with HMAC-SHA-256 under the salt.
        "bcrypt-sha256": rf"\$bcrypt-sha256\$v=(?P<v>[12]),t=2[aby],r={_number('cost')}\${_BCRYPT}\${_BCRYPT_DIGEST}",
        # Django's: bcrypt over the SHA-256 in hexadecimal.
        "django-bcrypt-sha256": rf"\$django-bcrypt-sha256\$t=2[aby],r={_number('cost')}\${_BCRYPT}\${_BCRYPT_DIGEST}",
        "pbkdf2-sha1": rf"\$pbkdf2-sha1\$i={_number('i')}(?:,l=[0-9]+)?\${_SALT}\${_DIGEST}",
        "pbkdf2-sha256": rf"\$pbkdf2-sha256\$i={_number('i')}(?:,l=[0-9]+)?\${_SALT}\${_DIGEST}",
        "pbkdf2-sha512": rf"\$pbkdf2-sha512\$i={_number('i')}(?:,l=[0-9]+)?\${_SALT}\${_DIGEST}",
        # ln is the binary logarithm of N.
        "scrypt": rf"\$scrypt\$ln={_number('ln')},r={_number('r')},p={_number('p')}\${_SALT}\${_DIGEST}",
        # Firebase's, as Supabase writes it, but without the signer key, which is a secret of the project.
        "fbscrypt": rf"\$fbscrypt\$v=1,n={_number('ln')},r={_number('r')},p=1,ss=(?P<ss>[A-Za-z0-9+/]{{2,64}}={{0,2}})"
        rf"\${_SALT}\${_DIGEST}",
        # Without a version, it is 16 (argon2 1.0).
        **{
            f"argon2{variant}": rf"\$argon2{variant}(?:\$v=(?P<v>16|19))?"
            rf"\$m={_number('m')},t={_number('t')},p={_number('p')}\${_SALT}\${_DIGEST}"
            for variant in ("i", "d", "id")
        },
        # o: whether the salt comes before or after the password.
        "salted-sha256": rf"\$salted-sha256\$o=(?P<o>prefix|suffix)\${_SALT}\${_DIGEST}",
        "salted-sha512": rf"\$salted-sha512\$o=(?P<o>prefix|suffix)\${_SALT}\${_DIGEST}",
    }.items()
}
"""The forms that are stored and verified, by name."""


@dataclass(frozen=True, slots=True)
class StoredHash:
    """A hash, read.

    Args:
        format: Its name in ``FORMATS``.
        numbers: Its numeric parameters.
        words: Its other parameters.
        salt: The salt: bytes, or for bcrypt its 22 characters.
        digest: The digest, likewise.
        text: All of it.
    """

    format: str
    numbers: Mapping[str, int]
    words: Mapping[str, str]
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    text: str = field(repr=False)


def parse(text: str) -> StoredHash | None:
    """Read a hash in one of the forms of ``FORMATS``; ``None`` if it is in none of them."""
    for name, pattern in FORMATS.items():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        values = {key: value for key, value in found.groupdict().items() if value is not None}
        salt, digest = values.pop("salt"), values.pop("digest")
        try:
            decode = str.encode if "bcrypt" in name else _decode
            return StoredHash(
                format=name,
                numbers={key: int(value) for key, value in values.items() if value.isdigit()},
                words={key: value for key, value in values.items() if not value.isdigit()},
                salt=decode(salt),
                digest=decode(digest),
                text=text,
            )
        except ValueError:
            return None
    return None


# --- What is accepted, and how it is verified -------------------------------------------------------------------------


class Kind(ABC):
    """Hashes that take the same work: of one algorithm, up to a declared amount of work."""

    package: ClassVar[str | None] = None
    """The module of the extra ``hashes`` that it needs."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name, different for kinds that take different work."""

    @abstractmethod
    def decoy(self) -> str:
        """Return a hash of nobody's, which takes the work of this kind."""

    @abstractmethod
    def admits(self, stored: StoredHash) -> bool:
        """Whether a hash is of this kind."""

    @abstractmethod
    def verify(self, stored: StoredHash, password: str) -> bool:
        """Whether the password is right. The work is the same for all hashes of this kind. Blocks."""

    def merge(self, other: Kind) -> Kind:
        """Return one that admits what either does; they have the same name."""
        return other


def _bounded(option: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationError(f"{option}: {value!r}: give a whole number from {low} to {high:,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bcrypt(Kind):
    """bcrypt: ``$2a$``, ``$2b$``, ``$2y$``, and over SHA-256 as Django and passlib do.

    Args:
        max_cost: The highest cost, 4 to 16: 2**cost rounds, about 60 ms for 10 and 230 ms for 12. A hash of a lower
            cost takes the same rounds.

    bcrypt itself reads no more than 72 bytes; the rest of a longer password is ignored, as it was where it was hashed.
    """

    package: ClassVar[str | None] = "bcrypt"

    max_cost: int

    def __post_init__(self) -> None:
        _bounded("max_cost", self.max_cost, 4, 16)

    @property
    def name(self) -> str:
        return "bcrypt"

    def decoy(self) -> str:
        return f"$2b${self.max_cost:02}${'.' * 53}"

    def admits(self, stored: StoredHash) -> bool:
        return "bcrypt" in stored.format and 4 <= stored.numbers["cost"] <= self.max_cost

    def verify(self, stored: StoredHash, password: str) -> bool:
        import bcrypt

        secret = _before_bcrypt(stored, password.encode())
        # Only two bits of the salt's last character count. Some libraries set the others too, which bcrypt refuses.
        salt = stored.salt[:21].decode() + _BCRYPT64[_BCRYPT64.index(chr(stored.salt[21])) & 0b110000]
        cost = stored.numbers["cost"]
        digest = bcrypt.hashpw(secret, f"$2b${cost:02}${salt}".encode())[-31:]
        # 2**c + 2**c + 2**(c+1) + ... + 2**(C-1) = 2**C.
        for more in range(cost, self.max_cost):
            bcrypt.hashpw(secret, f"$2b${more:02}${salt}".encode())
        return hmac.compare_digest(digest, stored.digest)

    def merge(self, other: Kind) -> Kind:
        return Bcrypt(max_cost=max(self.max_cost, cast("Bcrypt", other).max_cost))


def _before_bcrypt(stored: StoredHash, password: bytes) -> bytes:
    if stored.format == "bcrypt":
        return password[:72]
    if stored.format == "django-bcrypt-sha256":
        return hashlib.sha256(password).hexdigest().encode()
    if stored.numbers["v"] == 1:
        return base64.b64encode(hashlib.sha256(password).digest())
    return base64.b64encode(hmac.digest(stored.salt, password, "sha256"))


@dataclass(frozen=True, slots=True)
class Pbkdf2(Kind):
    """PBKDF2 (RFC 8018): Django's, Werkzeug's, passlib's, ASP.NET Identity's, Keycloak's.

    Args:
        digest: ``"sha1"``, ``"sha256"`` or ``"sha512"``: the hash function inside.
        max_iterations: The most iterations, up to 10,000,000: about 230 ms for a million of SHA-256. A hash with fewer
            takes the same.

    Of a digest longer than the hash function's, as Keycloak's are, the first block is compared: more of them would cost
    us more and a thief nothing.
    """

    digest: Digest
    max_iterations: int = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.digest not in _DIGEST_SIZES:
            raise ConfigurationError(f'digest: {self.digest!r}: give "sha1", "sha256" or "sha512"')
        _bounded("max_iterations", self.max_iterations, 1, 10_000_000)

    @property
    def name(self) -> str:
        return f"pbkdf2-{self.digest}"

    def decoy(self) -> str:
        return _phc(self.name, f"i={self.max_iterations},l=16", bytes(16), bytes(16))

    def admits(self, stored: StoredHash) -> bool:
        return stored.format == self.name and stored.numbers["i"] <= self.max_iterations

    def verify(self, stored: StoredHash, password: str) -> bool:
        secret, iterations = password.encode(), stored.numbers["i"]
        size = min(len(stored.digest), _DIGEST_SIZES[self.digest])
        digest = hashlib.pbkdf2_hmac(self.digest, secret, stored.salt, iterations, size)
        if iterations < self.max_iterations:
            hashlib.pbkdf2_hmac(self.digest, secret, stored.salt, self.max_iterations - iterations, size)
        return hmac.compare_digest(digest, stored.digest[:size])

    def merge(self, other: Kind) -> Kind:
        return Pbkdf2(self.digest, max_iterations=max(self.max_iterations, cast("Pbkdf2", other).max_iterations))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrypt(Kind):
    """scrypt (RFC 7914) with one set of parameters: Werkzeug's, Django's, better-auth's, passlib's.

    Each set is a kind of its own: the time depends on the memory too, so that the work of one set cannot replace that
    of another.

    Args:
        n: The cost N, a power of 2.
        r: The block size.
        p: The parallelism. 128 * n * r bytes, at most 256 MiB, are used p times one after the other.
    """

    n: int
    r: int
    p: int

    def __post_init__(self) -> None:
        _check_scrypt(self.n, self.r, self.p)

    @property
    def name(self) -> str:
        return f"scrypt ln={self.n.bit_length() - 1},r={self.r},p={self.p}"

    def decoy(self) -> str:
        return _phc("scrypt", f"ln={self.n.bit_length() - 1},r={self.r},p={self.p}", bytes(16), bytes(64))

    def admits(self, stored: StoredHash) -> bool:
        return stored.format == "scrypt" and stored.numbers == {
            "ln": self.n.bit_length() - 1,
            "r": self.r,
            "p": self.p,
        }

    def verify(self, stored: StoredHash, password: str) -> bool:
        digest = _scrypt(password.encode(), stored.salt, self.n, self.r, self.p, len(stored.digest))
        return hmac.compare_digest(digest, stored.digest)


def _check_scrypt(n: int, r: int, p: int) -> None:
    _bounded("n", n, 2, 2**20)
    if n & (n - 1):
        raise ConfigurationError(f"n: {n!r}: give a power of 2")
    _bounded("r", r, 1, 64)
    _bounded("p", p, 1, 64)
    if 128 * n * r > 256 * 2**20 or n * r * p > 2**22:
        raise ConfigurationError(f"scrypt with n={n}, r={r}, p={p} takes too much: at most 256 MiB and n*r*p = 2**22")


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, size: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + p + 2), dklen=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirebaseScrypt(Kind):
    """Firebase's scrypt: the project's signer key, encrypted under a key that scrypt derives from the password.

    The parameters are on the page "Users" of the Firebase console, under "Password hash parameters".

    Args:
        signer_key: ``base64_signer_key``, a secret of the project. It is not in the hashes: keep it as other secrets.
        rounds: ``rounds``.
        memory_cost: ``mem_cost``.
    """

    signer_key: str
    rounds: int = 8
    memory_cost: int = 14

    def __repr__(self) -> str:
        return f"FirebaseScrypt(signer_key=..., rounds={self.rounds}, memory_cost={self.memory_cost})"

    def __post_init__(self) -> None:
        try:
            key = _decode(self.signer_key)
        except (ValueError, AttributeError):  # a printed "..." that nobody has replaced is no text
            key = b""
        if not 16 <= len(key) <= 128:
            raise ConfigurationError("signer_key: is not a key: give the project's base64_signer_key, in base64")
        _bounded("memory_cost", self.memory_cost, 1, 20)
        _check_scrypt(2**self.memory_cost, self.rounds, 1)

    @property
    def name(self) -> str:
        return f"fbscrypt n={self.memory_cost},r={self.rounds}"

    def decoy(self) -> str:
        size = len(_decode(self.signer_key))
        return _phc("fbscrypt", f"v=1,n={self.memory_cost},r={self.rounds},p=1,ss=Bw==", bytes(16), bytes(size))

    def admits(self, stored: StoredHash) -> bool:
        return stored.format == "fbscrypt" and stored.numbers == {"ln": self.memory_cost, "r": self.rounds}

    def verify(self, stored: StoredHash, password: str) -> bool:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        salt = stored.salt + _decode(stored.words["ss"])
        key = _scrypt(password.encode(), salt, 2**self.memory_cost, self.rounds, 1, 32)
        cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        return hmac.compare_digest(cipher.update(_decode(self.signer_key)) + cipher.finalize(), stored.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2(Kind):
    """argon2 (RFC 9106) with one set of parameters, other than those of the hasher for new passwords.

    Each set is a kind of its own: the time depends on memory and lanes too, so that the work of one set cannot replace
    that of another.

    Args:
        time_cost: Passes over the memory.
        memory_cost: Memory in KiB, at most 1,048,576 (1 GiB) over all passes and 512 MiB at once.
        parallelism: Lanes.
        variant: ``"id"``, ``"i"`` or ``"d"``.
        version: 19 for version 1.3, 16 for 1.0.
    """

    time_cost: int
    memory_cost: int
    parallelism: int
    variant: Variant = "id"
    version: int = 19

    def __post_init__(self) -> None:
        if self.variant not in ("i", "d", "id") or self.version not in (16, 19):
            raise ConfigurationError('argon2: give variant "id", "i" or "d", and version 19 or 16')
        _bounded("parallelism", self.parallelism, 1, 64)
        _bounded("memory_cost", self.memory_cost, 8 * self.parallelism, 2**19)
        _bounded("time_cost", self.time_cost, 1, 2**12)
        if self.memory_cost * self.time_cost > 2**22:
            raise ConfigurationError("argon2: time_cost * memory_cost is more than 4 GiB, which takes seconds")

    @property
    def name(self) -> str:
        return f"$argon2{self.variant}$v={self.version}${self._parameters}"

    @property
    def _parameters(self) -> str:
        return f"m={self.memory_cost},t={self.time_cost},p={self.parallelism}"

    def decoy(self) -> str:
        return _phc(f"argon2{self.variant}$v={self.version}", self._parameters, bytes(16), bytes(32))

    def admits(self, stored: StoredHash) -> bool:
        return stored.format == f"argon2{self.variant}" and {"v": 16, **stored.numbers} == {
            "v": self.version,
            "m": self.memory_cost,
            "t": self.time_cost,
            "p": self.parallelism,
        }

    def verify(self, stored: StoredHash, password: str) -> bool:
        from argon2.exceptions import VerificationError
        from argon2.low_level import Type, verify_secret

        kind = {"i": Type.I, "d": Type.D, "id": Type.ID}[self.variant]
        try:
            return verify_secret(stored.text.encode(), password.encode(), kind)
        except VerificationError:
            return False


@dataclass(frozen=True, slots=True)
class SaltedSha(Kind):
    """One SHA-256 or SHA-512 over salt and password.

    Declare it only to move away from it: whoever steals such hashes can try billions of passwords a second. A hash is
    replaced when its user signs in. After a while, remove those that are left; these users then reset their password.

    Args:
        digest: ``"sha256"`` or ``"sha512"``.
    """

    digest: Literal["sha256", "sha512"]

    def __post_init__(self) -> None:
        if self.digest not in ("sha256", "sha512"):
            raise ConfigurationError(f'digest: {self.digest!r}: give "sha256" or "sha512"')

    @property
    def name(self) -> str:
        return f"salted-{self.digest}"

    def decoy(self) -> str:
        return _phc(self.name, "o=prefix", bytes(16), bytes(32))

    def admits(self, stored: StoredHash) -> bool:
        return stored.format == self.name

    def verify(self, stored: StoredHash, password: str) -> bool:
        secret = password.encode()
        parts = (stored.salt, secret) if stored.words["o"] == "prefix" else (secret, stored.salt)
        return hmac.compare_digest(hashlib.new(self.digest, b"".join(parts)).digest(), stored.digest)


def kind_for(stored: StoredHash) -> Kind:
    """Return the smallest kind that admits a hash. Firebase's has a signer key of nobody's.

    Raises:
        ConfigurationError: The hash takes more work than any kind may.
    """
    numbers = stored.numbers
    if "bcrypt" in stored.format:
        return Bcrypt(max_cost=numbers["cost"])
    if stored.format == "scrypt":
        return Scrypt(n=2 ** min(numbers["ln"], 32), r=numbers["r"], p=numbers["p"])
    if stored.format == "fbscrypt":
        return FirebaseScrypt(signer_key=_encode(bytes(64)), rounds=numbers["r"], memory_cost=numbers["ln"])
    name, _, digest = stored.format.partition("-")
    if name == "pbkdf2":
        return Pbkdf2(cast("Digest", digest), max_iterations=numbers["i"])
    if name == "salted":
        return SaltedSha(cast("Literal['sha256', 'sha512']", digest))
    return Argon2(
        time_cost=numbers["t"],
        memory_cost=numbers["m"],
        parallelism=numbers["p"],
        variant=cast("Variant", stored.format.removeprefix("argon2")),
        version=numbers.get("v", 16),
    )


# --- What other systems write -----------------------------------------------------------------------------------------

_HEX = r"((?:[0-9a-f]{2}){16,128})"
_TEXT_SALT = r"([\x21-\x23\x25-\x7e]{1,128})"
_BASE64 = r"([A-Za-z0-9+/]{22,172}={0,2})"
_AB64 = r"([A-Za-z0-9./]{2,172})"

Groups = tuple[str, ...]

SOURCES: tuple[tuple[str, str, Callable[[Groups], str]], ...] = (
    (
        "Django PBKDF2",
        rf"pbkdf2_(sha1|sha256|sha512)\${_NUMBER}\${_TEXT_SALT}\${_BASE64}",
        lambda g: _pbkdf2(g[0], g[1], g[2].encode(), _decode(g[3])),
    ),
    ("Django bcrypt", r"bcrypt\$(\$2[aby]\$.{56})", lambda g: g[0]),
    (
        "Django bcrypt over SHA-256",
        r"bcrypt_sha256\$\$(2[aby])\$([0-9]{2})\$(.{22})(.{31})",
        lambda g: f"$django-bcrypt-sha256$t={g[0]},r={int(g[1])}${g[2]}${g[3]}",
    ),
    ("Django argon2", r"argon2(\$argon2(?:id|i|d)\$.+)", lambda g: g[0]),
    (
        "Django scrypt",
        rf"scrypt\${_NUMBER}\${_TEXT_SALT}\${_NUMBER}\${_NUMBER}\${_BASE64}",
        lambda g: _scrypt_text(int(g[0]), g[2], g[3], g[1].encode(), _decode(g[4])),
    ),
    (
        "Werkzeug PBKDF2",
        rf"pbkdf2:(sha1|sha256|sha512):{_NUMBER}\${_TEXT_SALT}\${_HEX}",
        lambda g: _pbkdf2(g[0], g[1], g[2].encode(), bytes.fromhex(g[3])),
    ),
    (
        "Werkzeug scrypt",
        rf"scrypt:{_NUMBER}:{_NUMBER}:{_NUMBER}\${_TEXT_SALT}\${_HEX}",
        lambda g: _scrypt_text(int(g[0]), g[1], g[2], g[3].encode(), bytes.fromhex(g[4])),
    ),
    (
        "passlib PBKDF2",
        rf"\$pbkdf2(|-sha256|-sha512)\${_NUMBER}\${_AB64}\${_AB64}",
        lambda g: _pbkdf2(g[0][1:] or "sha1", g[1], _decode(g[2].replace(".", "+")), _decode(g[3].replace(".", "+"))),
    ),
    (
        "passlib bcrypt over SHA-256, version 1",
        r"\$bcrypt-sha256\$(2[aby]),([0-9]{1,2})\$(.{22})\$(.{31})",
        lambda g: f"$bcrypt-sha256$v=1,t={g[0]},r={int(g[1])}${g[2]}${g[3]}",
    ),
    (
        "Supabase's form of Firebase scrypt",
        r"(\$fbscrypt\$v=1,n=[0-9]+,r=[0-9]+,p=1,ss=[^,$]+),sk=[^$]+\$([^=$]+)=*\$([^=$]+)=*",
        lambda g: f"{g[0]}${g[1]}${g[2]}",
    ),
    ("LDAP salted SHA-256", r"\{SSHA256\}([A-Za-z0-9+/]+={0,2})", lambda g: _ldap("sha256", g[0])),
    ("LDAP salted SHA-512", r"\{SSHA512\}([A-Za-z0-9+/]+={0,2})", lambda g: _ldap("sha512", g[0])),
    # The salt is the hexadecimal text itself.
    (
        "better-auth",
        r"([0-9a-f]{32}):([0-9a-f]{128})",
        lambda g: _scrypt_text(16384, "16", "1", g[0].encode(), bytes.fromhex(g[1])),
    ),
    ("ASP.NET Identity", r"(A[A-Q][A-Za-z0-9+/]+={0,2})", lambda g: _aspnet(_decode(g[0]))),
)
"""What :func:`convert` reads besides ``FORMATS``: the system, the form, and what makes it one of ``FORMATS``."""

_SOURCES = tuple((re.compile(pattern, re.ASCII), make) for _, pattern, make in SOURCES)


def convert(text: str) -> str:
    """Return the form in which a foreign hash is stored.

    Args:
        text: The hash, as the other system wrote it: Django, Werkzeug, passlib, ASP.NET Identity (versions 2 and 3),
            better-auth, Supabase, LDAP's ``{SSHA256}`` and ``{SSHA512}``, bcrypt (``$2b$``), and PHC notation. For
            Firebase and Keycloak, whose exports have several fields, see :func:`from_firebase` and
            :func:`from_keycloak`.

    Raises:
        ValidationError: It is in no form that can be verified. The message does not contain it.
    """
    found = _converted(text) if isinstance(text, str) and len(text) <= 1024 else None
    if found is None:
        raise ValidationError("password_hash", "is in no known form, or damaged; see the table in docs/moving-in.md")
    return found.text


def identify(text: str) -> str | None:
    """Return the name of a hash's format, for example ``"pbkdf2-sha256"``; ``None`` if :func:`convert` refuses it."""
    found = _converted(text) if len(text) <= 1024 else None
    return None if found is None else found.format


def _converted(text: str) -> StoredHash | None:
    found = parse(text)
    if found is not None:
        return found
    for pattern, make in _SOURCES:
        match = pattern.fullmatch(text)
        if match is not None:
            try:
                return parse(make(match.groups()))
            except ValueError:
                return None
    return None


def from_firebase(password_hash: str, salt: str, *, salt_separator: str, rounds: int = 8, memory_cost: int = 14) -> str:
    """Return the stored form of a user in Firebase's export.

    Args:
        password_hash: ``passwordHash``, in base64.
        salt: ``salt``, in base64.
        salt_separator: The project's ``base64_salt_separator``.
        rounds: The project's ``rounds``.
        memory_cost: The project's ``mem_cost``.

    Raises:
        ValidationError: One of them cannot be used.
    """
    try:
        separator = base64.b64encode(_decode(salt_separator)).decode()
        return convert(
            _phc(
                "fbscrypt",
                f"v=1,n={memory_cost},r={rounds},p=1,ss={separator}",
                _decode(salt),
                _decode(password_hash),
            )
        )
    except ValueError:
        raise ValidationError("password_hash", "is not base64, or its salt or salt separator is not") from None


def from_keycloak(credential_data: Mapping[str, object], secret_data: Mapping[str, object]) -> str:
    """Return the stored form of a password credential in Keycloak's export: PBKDF2 or argon2.

    Args:
        credential_data: ``credentialData``, parsed.
        secret_data: ``secretData``, parsed.

    Raises:
        ValidationError: They cannot be used. The message names the algorithm, if it is that.
    """
    algorithm, iterations = credential_data.get("algorithm"), credential_data.get("hashIterations")
    digest = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}.get(str(algorithm))
    if digest is None and algorithm != "argon2":
        raise ValidationError("password_hash", f"has the algorithm {str(algorithm)[:40]!r}, which is not known")
    try:
        salt, value = _decode(str(secret_data.get("salt"))), _decode(str(secret_data.get("value")))
    except ValueError:
        raise ValidationError("password_hash", "has a salt or a value that is not base64") from None
    if digest is not None:
        return convert(_pbkdf2(digest, str(iterations), salt, value))
    more = credential_data.get("additionalParameters")
    given: Mapping[str, object] = cast("Mapping[str, object]", more) if isinstance(more, Mapping) else {}
    variant, version, memory, lanes = (_only(given.get(key)) for key in ("type", "version", "memory", "parallelism"))
    parameters = f"m={memory},t={iterations},p={lanes}"
    number = {"1.0": 16, "1.3": 19}.get(str(version))
    return convert(_phc(f"argon2{variant}$v={number}", parameters, salt, value))


def _only(value: object) -> object:
    """Return the value of a parameter, which Keycloak writes as a list of one."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return values[0] if len(values) == 1 else None


def from_salted_sha(
    digest: Literal["sha256", "sha512"], value: bytes, salt: bytes, *, order: Literal["prefix", "suffix"]
) -> str:
    """Return the stored form of a salted SHA-256 or SHA-512.

    Args:
        digest: ``"sha256"`` or ``"sha512"``.
        value: The hash.
        salt: The salt.
        order: ``"prefix"`` if the salt comes before the password, ``"suffix"`` if after.

    Raises:
        ValidationError: They cannot be used.
    """
    if len(value) != _DIGEST_SIZES.get(digest):
        raise ValidationError("password_hash", f"has {len(value)} bytes, which is not the size of {digest}")
    return convert(_phc(f"salted-{digest}", f"o={order}", salt, value))


def _aspnet(blob: bytes) -> str:
    """Read ASP.NET Identity's blob: `PasswordHasher.cs` of dotnet/aspnetcore describes both versions."""
    if blob[0] == 0 and len(blob) == 49:
        return _pbkdf2("sha1", "1000", blob[1:17], blob[17:])
    function, iterations, size = (int.from_bytes(blob[at : at + 4]) for at in (1, 5, 9))
    if blob[0] != 1 or function > 2 or len(blob) < 13 + size:
        raise ValueError
    return _pbkdf2(("sha1", "sha256", "sha512")[function], str(iterations), blob[13 : 13 + size], blob[13 + size :])


def _ldap(digest: str, encoded: str) -> str:
    blob, size = _decode(encoded), _DIGEST_SIZES[digest]
    return _phc(f"salted-{digest}", "o=suffix", blob[size:], blob[:size])


def _pbkdf2(digest: str, iterations: str, salt: bytes, value: bytes) -> str:
    return _phc(f"pbkdf2-{digest}", f"i={iterations},l={len(value)}", salt, value)


def _scrypt_text(n: int, r: str, p: str, salt: bytes, value: bytes) -> str:
    if n & (n - 1):
        raise ValueError
    return _phc("scrypt", f"ln={n.bit_length() - 1},r={r},p={p}", salt, value)


def _phc(name: str, parameters: str, salt: bytes, digest: bytes) -> str:
    return f"${name}${parameters}${_encode(salt)}${_encode(digest)}"


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """Decode base64 with or without padding, in either alphabet. Raises ValueError, also for stray bits at the end."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    value = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    if _encode(value) != plain:
        raise binascii.Error("stray bits")
    return value
