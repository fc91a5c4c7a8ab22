"""ImportedHashes: the same work for every address, whatever is stored, and what it logs about refused hashes."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import argon2.low_level
import bcrypt
import pytest

from torii_dynamodb._rules.hashing import Verifier
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.hashes import (
    Argon2,
    Bcrypt,
    FirebaseScrypt,
    ImportedHashes,
    Pbkdf2,
    SaltedSha,
    Scrypt,
    convert,
    from_firebase,
    from_salted_sha,
    needed_for,
)
from torii_dynamodb.policies import Argon2Hasher, SeveralKinds

PASSWORD = "correct horse"
NATIVE = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
EARLIER = Argon2Hasher(time_cost=2, memory_cost=64, parallelism=1)


def with_bcrypt(cost: int, password: str = PASSWORD) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def with_pbkdf2(digest: str, iterations: int, size: int | None = None, password: str = PASSWORD) -> str:
    value = hashlib.pbkdf2_hmac(digest, password.encode(), b"salt", iterations, size)
    return convert(f"pbkdf2_{digest}${iterations}$salt${base64.b64encode(value).decode()}")


def with_scrypt(n: int) -> str:
    value = hashlib.scrypt(PASSWORD.encode(), salt=b"salt", n=n, r=8, p=1)
    return convert(f"scrypt:{n}:8:1$salt${value.hex()}")


def with_argon2(memory_cost: int) -> str:
    kind = argon2.low_level.Type.I
    return argon2.low_level.hash_secret(PASSWORD.encode(), b"salt" * 4, 1, memory_cost, 1, 32, kind).decode()


def with_sha256() -> str:
    value = hashlib.sha256(b"salt" + PASSWORD.encode()).digest()
    return from_salted_sha("sha256", value, b"salt", order="prefix")


def hasher() -> ImportedHashes:
    native = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1, earlier=[EARLIER])
    return ImportedHashes(
        [
            Bcrypt(max_cost=7),
            Pbkdf2("sha1", max_iterations=300),
            Pbkdf2("sha256", max_iterations=1000),
            Scrypt(n=1024, r=8, p=1),
            Argon2(variant="i", time_cost=1, memory_cost=128, parallelism=1),
            FirebaseScrypt(signer_key="A" * 43, memory_cost=4),
            SaltedSha("sha256"),
        ],
        native=native,
    )


# What may be stored for an address, and whether PASSWORD is right.
STORED: dict[str, tuple[str | None, bool]] = {
    "nobody": (None, False),
    "native": (NATIVE.hash(PASSWORD), True),
    "native, earlier": (EARLIER.hash(PASSWORD), True),
    "native, another": (NATIVE.hash("another"), False),
    **{f"bcrypt {cost}": (with_bcrypt(cost), True) for cost in (4, 5, 6, 7)},
    "bcrypt over sha256": ("$bcrypt-sha256$v=2,t=2b,r=5$FTFizdqr301tBWgA2F4ER.$zHTQBxKlhqjQ1Nsa0PtQkJ5cXCY.gVS", False),
    "bcrypt, another": (with_bcrypt(5, "another"), False),
    **{f"pbkdf2 {count}": (with_pbkdf2("sha256", count), True) for count in (1, 10, 999, 1000)},
    "pbkdf2, two blocks": (with_pbkdf2("sha256", 500, 64), True),
    "pbkdf2 sha1": (with_pbkdf2("sha1", 200), True),
    "scrypt": (with_scrypt(1024), True),
    "argon2i": (with_argon2(128), True),
    "firebase": (from_firebase("B" * 42 + "E=", "AAAA", salt_separator="Bw==", memory_cost=4), False),
    "sha256": (with_sha256(), True),
    "bcrypt, too much": (with_bcrypt(8), False),
    "pbkdf2, too much": (with_pbkdf2("sha256", 1001), False),
    "pbkdf2, not declared": (with_pbkdf2("sha512", 10), False),
    "scrypt, not declared": (with_scrypt(512), False),
    "argon2, not declared": (with_argon2(256), False),
    "sha512, not declared": (from_salted_sha("sha512", bytes(64), b"salt", order="prefix"), False),
    "unknown": ("$something$" + "a" * 40, False),
    "damaged": ("$2b$04$" + "." * 20, False),
}  # fmt: skip


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the work of the primitives, in their own units, while they do it."""
    done: Counter[str] = Counter()

    def counted(owner: Any, name: str, units: Callable[..., tuple[str, int]]) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **options: Any) -> Any:
            what, amount = units(*args, **options)
            done[what] += amount
            return real(*args, **options)

        monkeypatch.setattr(owner, name, call)

    def argon2_units(text: bytes, *_: object) -> tuple[str, int]:
        return "".join(re.findall(r"argon2|m=\d+,t=\d+,p=\d+", text.decode())), 1

    counted(bcrypt, "hashpw", lambda _, salt: ("bcrypt", 2 ** int(salt[4:6])))
    counted(
        hashlib,
        "pbkdf2_hmac",
        lambda name, _, __, count, size: (name, count * -(-size // hashlib.new(name).digest_size)),
    )
    counted(hashlib, "scrypt", lambda *_, n, r, p, **__: (f"scrypt {n},{r},{p}", 1))
    counted(argon2.low_level, "verify_secret", argon2_units)
    counted(argon2._password_hasher, "verify_secret", argon2_units)
    return done


def test_every_address_takes_the_same_work(work: Counter[str]) -> None:
    """Unknown, native, imported, refused, damaged; right and wrong: exactly the same units of each primitive."""
    verifier = Verifier(hasher())
    expected = {
        "bcrypt": 2**7, "sha1": 300, "sha256": 1000, "scrypt 1024,8,1": 1, "scrypt 16,8,1": 1,
        "argon2m=64,t=1,p=1": 1, "argon2m=64,t=2,p=1": 1, "argon2m=128,t=1,p=1": 1,
    }  # fmt: skip
    verifier.verify(None, PASSWORD)
    for name, (stored, right) in STORED.items():
        for attempted, expects in ((PASSWORD, right), ("another password", False)):
            work.clear()
            assert verifier.verify(stored, attempted) is expects, name
            assert work == expected, name


def test_every_form_of_a_password_takes_the_same_work(work: Counter[str]) -> None:
    """A password with several forms takes the work several times for every address, even if the first is right."""
    verifier = Verifier(hasher())
    typed = "ﬁancé e\u0301"
    verifier.verify(None, typed)
    work.clear()
    verifier.verify(None, typed)
    expected = Counter(work)
    assert expected["bcrypt"] == 3 * 2**7
    for stored in (
        NATIVE.hash("ﬁancé é"),
        with_bcrypt(4, "ﬁancé é"),
        with_bcrypt(5, typed),
        with_bcrypt(4, "fiancé é"),
    ):
        work.clear()
        assert verifier.verify(stored, typed)
        assert work == expected


def test_a_password_is_also_tried_as_it_was_typed() -> None:
    """Other systems do not normalise; a hasher of ours gets only the normal form."""
    decomposed = "cafe\u0301 au lait"
    verifier = Verifier(hasher())
    assert verifier.verify(with_bcrypt(4, decomposed), decomposed)
    assert not verifier.verify(with_bcrypt(4, decomposed), "café au lait")
    assert Verifier(NATIVE).verify(NATIVE.hash("café au lait"), decomposed)


def test_every_foreign_hash_is_to_be_replaced() -> None:
    """Also an argon2 hash with other parameters, but not a native one."""
    imported = hasher()
    for name, (stored, _) in STORED.items():
        if stored is not None:
            assert imported.needs_rehash(stored) is (name not in ("native", "native, another")), name
    assert not imported.needs_rehash(imported.hash(PASSWORD))


def test_a_refused_hash_is_logged_once_with_what_to_declare(caplog: pytest.LogCaptureFixture) -> None:
    """One line for each format names it and the line of code, or the limit, and never contains the hash."""
    caplog.set_level(logging.INFO, "torii_dynamodb")
    verifier = Verifier(hasher())
    hostile = "$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$" + "A" * 43
    refused = [
        stored for name, (stored, _) in STORED.items() if "declared" in name or "much" in name or name == "unknown"
    ]
    for stored in (*refused, hostile, *refused):
        assert not verifier.verify(stored, PASSWORD)
    told = [record.getMessage() for record in caplog.records]
    assert not any(str(stored).rpartition("$")[2] in line for stored in refused for line in told)
    for wanted in (
        "declare Bcrypt(max_cost=8)", "declare Pbkdf2(digest='sha256', max_iterations=1001)",
        "declare Pbkdf2(digest='sha512', max_iterations=10)", "declare Scrypt(n=512, r=8, p=1)",
        "declare Argon2(time_cost=1, memory_cost=256, parallelism=1, variant='i', version=19)",
        "declare SaltedSha(digest='sha512')", "too much work (memory_cost: 99999999", "unknown form",
    ):  # fmt: skip
        assert sum(wanted in line for line in told) == 1, wanted


def test_needed_for_names_what_to_declare() -> None:
    """The line contains each kind once, with the most work, and accepts the hashes that it was made from."""
    hashes = [
        stored for name, (stored, right) in STORED.items() if stored is not None and right and "native" not in name
    ]
    line = needed_for(hashes, native=NATIVE)
    assert line == (
        "hasher=ImportedHashes([Argon2(time_cost=1, memory_cost=128, parallelism=1, variant='i', version=19), "
        "Bcrypt(max_cost=7), Pbkdf2(digest='sha1', max_iterations=200), Pbkdf2(digest='sha256', max_iterations=1000), "
        "SaltedSha(digest='sha256'), Scrypt(n=1024, r=8, p=1)])"
    )
    import torii_dynamodb.hashes as names

    made = eval(line.removeprefix("hasher="), vars(names))
    assert not any("argon2id" in made.kind(stored) for stored in hashes)
    firebase = STORED["firebase"][0]
    assert firebase is not None
    assert needed_for([firebase]) == "hasher=ImportedHashes([FirebaseScrypt(signer_key=..., rounds=8, memory_cost=4)])"
    assert needed_for([NATIVE.hash("x"), "$unknown$", with_bcrypt(4).replace("$04$", "$31$")], native=NATIVE) == ""


def test_a_missing_package_is_noticed_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the first sign-in; the error names the extra."""
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(ConfigurationError, match=r"torii-dynamodb\[hashes\]"):
        ImportedHashes([Bcrypt(max_cost=4)])
    ImportedHashes([Pbkdf2("sha1", max_iterations=1)])


def test_wrong_declarations_are_refused() -> None:
    """ConfigurationError for what is not a kind, for a kind declared twice, and for a hasher without kinds."""
    with pytest.raises(ConfigurationError, match="kinds of hashes"):
        ImportedHashes(["bcrypt"])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match=r"give a list, for example \[Bcrypt"):
        ImportedHashes(Bcrypt(max_cost=4))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="bcrypt is declared 2 times"):
        ImportedHashes([Bcrypt(max_cost=4), Bcrypt(max_cost=5)])
    plain: Any = argon2.PasswordHasher()
    with pytest.raises(ConfigurationError, match="native"):
        ImportedHashes([], native=plain)
    assert isinstance(hasher(), SeveralKinds)
