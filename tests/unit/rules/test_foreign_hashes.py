"""Hashes of other systems: converted, verified, and refused where they are damaged or take too much work."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

import bcrypt
import pytest
from django.contrib.auth import hashers as django
from werkzeug.security import generate_password_hash

from torii_dynamodb._rules.foreign_hashes import FORMATS, Kind, kind_for, parse
from torii_dynamodb._rules.validation import password_hash
from torii_dynamodb.errors import ConfigurationError, ValidationError
from torii_dynamodb.hashes import (
    Argon2,
    Bcrypt,
    FirebaseScrypt,
    Pbkdf2,
    SaltedSha,
    Scrypt,
    convert,
    from_firebase,
    from_keycloak,
    from_salted_sha,
    identify,
)

PASSWORD = "correct horse é"

# The example of https://github.com/firebase/scrypt.
FIREBASE = FirebaseScrypt(
    signer_key="jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
)
FIREBASE_HASH = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
FIREBASE_SALT = "42xEC+ixf3L2lw=="


def by_django() -> dict[str, tuple[str, str]]:
    """Hash with Django's hashers, with little work."""
    settings = {"time_cost": 1, "memory_cost": 64, "parallelism": 1}
    quick = type("Quick", (django.Argon2PasswordHasher,), settings)()
    plain, prehashed = django.BCryptPasswordHasher, django.BCryptSHA256PasswordHasher
    bcrypts = [type("Quick", (one,), {"rounds": 4})() for one in (prehashed, plain)]
    return {
        "django pbkdf2": ("pbkdf2-sha256", django.PBKDF2PasswordHasher().encode(PASSWORD, "seasalt", 10)),
        "django pbkdf2 sha1": ("pbkdf2-sha1", django.PBKDF2SHA1PasswordHasher().encode(PASSWORD, "sea:salt", 10)),
        "django bcrypt_sha256": ("django-bcrypt-sha256", bcrypts[0].encode(PASSWORD, bcrypts[0].salt())),
        "django bcrypt": ("bcrypt", bcrypts[1].encode(PASSWORD, bcrypts[1].salt())),
        "django scrypt": ("scrypt", django.ScryptPasswordHasher().encode(PASSWORD, "seasalt", n=16, r=2, p=3)),
        "django argon2": ("argon2id", quick.encode(PASSWORD, quick.salt())),
    }  # fmt: skip


def better_auth(salt: str = "1c50892c354da5b23ec3b5007649bc6e") -> str:
    """Hash as better-auth does: the salt is its hexadecimal text."""
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt.encode(), n=16384, r=16, p=1, maxmem=2**26, dklen=64)
    return f"{salt}:{key.hex()}"


def keycloak_pbkdf2(algorithm: str = "pbkdf2-sha256", digest: str = "sha256", size: int = 64) -> str:
    """Hash as Keycloak does: older versions derive 64 bytes, more than one block of SHA-256."""
    value = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), b"sixteen byte sal", 27, size)
    return from_keycloak(
        {"hashIterations": 27, "algorithm": algorithm, "additionalParameters": {}},
        {"value": base64.b64encode(value).decode(), "salt": base64.b64encode(b"sixteen byte sal").decode()},
    )


# passlib's were made with passlib 1.7.4.
HASHES = {
    **by_django(),
    "werkzeug pbkdf2": ("pbkdf2-sha256", generate_password_hash(PASSWORD, "pbkdf2:sha256:10")),
    "werkzeug pbkdf2 sha512": ("pbkdf2-sha512", generate_password_hash(PASSWORD, "pbkdf2:sha512:10")),
    "werkzeug scrypt": ("scrypt", generate_password_hash(PASSWORD, "scrypt:1024:8:1")),
    "bcrypt": ("bcrypt", bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()),
    "passlib pbkdf2": ("pbkdf2-sha1", "$pbkdf2$1200$ACAEIASgVEpprbUWwhhjDA$B6poGD3a2acMtRzDiwr/vTrTMw0"),
    "passlib pbkdf2 sha256": (
        "pbkdf2-sha256",
        "$pbkdf2-sha256$1200$wTgHoNTaG4MwZmyNsTamdA$OSCG/MiyxwGc/.XeH0FXyPWn.ghRkh7vm4o7i1Z0tMo",
    ),
    "passlib pbkdf2 sha512": (
        "pbkdf2-sha512",
        ("$pbkdf2-sha512$1200$YkwJASBkDMH4fw8h5ByD8A"
         "$ppJL1vcCm.VYPXesTmrKzxSZ2dC9NbuESOcWX2pH5FgtGoAZ5hPq5yNDrdn.Sid7q66JKXmD0QDONWdyMtnEEQ"),
    ),
    "passlib bcrypt-sha256": (
        "bcrypt-sha256",
        "$bcrypt-sha256$v=2,t=2b,r=5$FTFizdqr301tBWgA2F4ER.$zHTQBxKlhqjQ1Nsa0PtQkJ5cXCY.gVS",
    ),
    "passlib bcrypt-sha256 1": (
        "bcrypt-sha256",
        "$bcrypt-sha256$2b,5$rQ7rwHxHKbMq6VzGz1.JWe$iX2a9VYRHCB4MpPjIIZeYVRtSfPs/3O",
    ),
    "passlib scrypt": (
        "scrypt",
        "$scrypt$ln=8,r=8,p=1$OGcspbRWitH6HyPkvBciJA$IsxgNa6N/baxC9C1RKnXosyeK+5wIRTU7EVGeb/vjIY",
    ),
    "2a": ("bcrypt", "$2a$05$XE8B5G.hSdkrB6PxS87eZenvrLsTQXt6AF8Wod.6cen1WlaC46Vdm"),
    "2y": ("bcrypt", "$2y$05$Z0L.EWbkf7JoYTJNy34/c.iULuNXEjtmGohhAlQx31vTGTHWJ0a9u"),
    "argon2i": (
        "argon2i",
        "$argon2i$v=19$m=256,t=2,p=1$hhACgDDG2Fvr3bs3xvifcw$/MYAknqVCpDdpIL+7+OUwe5FUm0FR0xIsb0lUCGYutw",
    ),
    "argon2d": (
        "argon2d",
        "$argon2d$v=19$m=256,t=2,p=2$M+Y8Z8z53xtD6J3T2jvnPA$nDyP1rbAO2BJvyd3rXNXdW9tEJFmrHcxYnqeZELza4A",
    ),
    "ldap sha256": ("salted-sha256", "{SSHA256}0mlTlwsd6BvLdeiKPlqhBNOA5dfVqff+jPyMU39zSc6ac+5dCwFgrA=="),
    "ldap sha512": (
        "salted-sha512",
        "{SSHA512}QC+UB4s6ncB2lb4U7orTB4GUCdnLFc6czuFB4xuiF4/btKqValpwmz6jmDvTb9kuXYJgQRyaO7EYwGn5bf38cC3lXKv1ntMa",
    ),
    "better-auth": ("scrypt", better_auth()),
    "keycloak, two blocks": ("pbkdf2-sha256", keycloak_pbkdf2()),
    "keycloak sha1": ("pbkdf2-sha1", keycloak_pbkdf2("pbkdf2", "sha1", 64)),
    "keycloak sha512": ("pbkdf2-sha512", keycloak_pbkdf2("pbkdf2-sha512", "sha512", 64)),
    "salt first": (
        "salted-sha512",
        from_salted_sha("sha512", hashlib.sha512(b"salt" + PASSWORD.encode()).digest(), b"salt", order="prefix"),
    ),
}  # fmt: skip

# Published, with the passwords that go with them.
PUBLISHED = {
    # https://github.com/firebase/scrypt
    "firebase": ("fbscrypt", from_firebase(FIREBASE_HASH, FIREBASE_SALT, salt_separator="Bw=="), "user1password"),
    "supabase's firebase": (
        "fbscrypt",
        f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={FIREBASE.signer_key}${FIREBASE_SALT}${FIREBASE_HASH}",
        "user1password",
    ),
    # dotnet/aspnetcore, PasswordHasherTest.cs
    "aspnet sha1": ("pbkdf2-sha1", "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M", "my password"),
    "aspnet sha256": (
        "pbkdf2-sha256",
        "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=",
        "my password",
    ),
    # As Keycloak 26 exports it.
    "keycloak argon2": (
        "argon2id",
        from_keycloak(
            {
                "hashIterations": 5,
                "algorithm": "argon2",
                "additionalParameters": {
                    "hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"],
                },
            },
            {"value": "xKjWvB9+0sSP6wTqI1JoEI7w+iA0x9VDhPgmrOHRG80=", "salt": "LRScGShC7shkdoU5B1UgUQ=="},
        ),
        "secret",
    ),
}  # fmt: skip

ALL = {**{name: (*found, PASSWORD) for name, found in HASHES.items()}, **PUBLISHED}


def needed(text: str) -> Kind:
    """Return what has to be declared for a stored hash."""
    stored = parse(text)
    assert stored is not None
    return FIREBASE if stored.format == "fbscrypt" else kind_for(stored)


@pytest.mark.parametrize(("kind", "text", "password"), ALL.values(), ids=ALL)
def test_a_hash_of_another_system_is_verified(kind: str, text: str, password: str) -> None:
    """The right password passes, a wrong one does not, and the form that is stored is one that storage accepts."""
    stored = convert(text)
    assert identify(text) == identify(stored) == kind
    assert convert(stored) == password_hash(stored) == stored
    read = parse(stored)
    assert read is not None
    verifier = needed(stored)
    assert verifier.admits(read)
    assert verifier.verify(read, password)
    assert not verifier.verify(read, password + "x")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_kind_whose_decoy_it_admits(name: str) -> None:
    """The decoy is of the kind, which takes the same work for it, and no password fits."""
    text = next(convert(text) for kind, text, _ in ALL.values() if kind == name)
    kind = needed(text)
    decoy = parse(kind.decoy())
    assert decoy is not None
    assert kind.admits(decoy)
    assert not kind.verify(decoy, PASSWORD)


@pytest.mark.parametrize(("kind", "text", "password"), ALL.values(), ids=ALL)
def test_a_damaged_hash_is_refused_or_readable(kind: str, text: str, password: str) -> None:
    """A hash that is cut, lengthened or otherwise damaged causes no other error than ValidationError."""
    for damaged in (text[:-1], text[1:], text + "$x", text.replace("$", "$$"), text[: len(text) // 2], text * 2):
        assert identify(damaged) in (None, kind)


@pytest.mark.parametrize(
    "text",
    [
        "", "$", "secret password", "a" * 2000, "$2b$", "$2x$05$" + "." * 53, "$2b$5$" + "." * 53, "$1$abc$" + "a" * 22,
        "pbkdf2:sha256$salt$" + "00" * 32, "pbkdf2:md5:10$salt$" + "00" * 16, "pbkdf2_sha256$0$salt$" + "A" * 44,
        "scrypt:15:8:1$salt$" + "00" * 64, "$pbkdf2-sha256$i=10$c2FsdA$AAAA", "!", "!unusable",
        "AQAAAAkAACcQAAAAEA==" + "A" * 44,
        "{SSHA256}AAAA", "sha1$salt$" + "0" * 40, "$scrypt$ln=8,r=8,p=1$OGcspbRWitH6HyPkvBciJB$" + "A" * 43,
        "$argon2id$v=18$m=64,t=1,p=1$c29tZXNhbHQ$" + "A" * 43, "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" + "A" * 200,
        "pbkdf2_sha256$9999999999$salt$" + "A" * 43 + "=", "$2b$05$" + "." * 53 + "\n", "$2b$05$" + "é" * 53,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    """A plain password, an unusable one, and what only looks like a hash raise ValidationError."""
    assert identify(text) is None
    with pytest.raises(ValidationError, match="known form"):
        convert(text)


def test_bcrypt_ignores_what_follows_72_bytes() -> None:
    """As the system did that hashed it, and without an error of bcrypt 5."""
    text = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4)).decode()
    read = parse(text)
    assert read is not None
    kind = Bcrypt(max_cost=4)
    assert kind.verify(read, "a" * 500)
    assert kind.verify(read, "a" * 72 + "é")
    assert not kind.verify(read, "a" * 71)


def test_stray_bits_of_a_bcrypt_salt_are_ignored() -> None:
    """Some libraries set bits of the salt that do not count."""
    text = bcrypt.hashpw(PASSWORD.encode(), b"$2b$04$" + b"." * 22).decode()
    read = parse(text[:28] + "D" + text[29:])
    assert read is not None
    assert Bcrypt(max_cost=5).verify(read, PASSWORD)


@pytest.mark.parametrize(
    "hostile",
    [
        "$2b$31$" + "." * 53,
        "$pbkdf2-sha256$i=999999999$AAAAAAAAAAA$" + "A" * 43,
        "$scrypt$ln=31,r=8,p=1$AAAAAAAAAAA$" + "A" * 43,
        "$scrypt$ln=999999999,r=8,p=1$AAAAAAAAAAA$" + "A" * 43,
        "$scrypt$ln=10,r=999999,p=1$AAAAAAAAAAA$" + "A" * 43,
        "$scrypt$ln=14,r=8,p=9999$AAAAAAAAAAA$" + "A" * 43,
        "$argon2id$v=19$m=4194304,t=1,p=1$AAAAAAAAAAA$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=99999,p=1$AAAAAAAAAAA$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=3,p=9999$AAAAAAAAAAA$" + "A" * 43,
        "$fbscrypt$v=1,n=31,r=8,p=1,ss=Bw==$AAAAAAAAAAA$" + "A" * 86,
        "$fbscrypt$v=1,n=999999999,r=8,p=1,ss=Bw==$AAAAAAAAAAA$" + "A" * 86,
        "$bcrypt-sha256$v=2,t=2b,r=31$" + "." * 22 + "$" + "." * 31,
    ],
)
def test_a_hostile_hash_is_admitted_by_no_kind(hostile: str) -> None:
    """No kind can be declared that takes a minute or a gigabyte, and the largest ones do not admit the hash."""
    read = parse(hostile)
    assert read is not None
    began = time.monotonic()
    with pytest.raises(ConfigurationError):
        kind_for(read)
    largest: list[Kind] = [
        Bcrypt(max_cost=16), Pbkdf2("sha256", max_iterations=10_000_000), Scrypt(n=2**18, r=8, p=1), FIREBASE,
        Argon2(time_cost=8, memory_cost=2**19, parallelism=1),
    ]  # fmt: skip
    assert not any(kind.admits(read) for kind in largest)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: Bcrypt(max_cost=17),
        lambda: Bcrypt(max_cost=True),
        lambda: Pbkdf2("md5", max_iterations=1),  # type: ignore[arg-type]
        lambda: Pbkdf2("sha1", max_iterations=0),
        lambda: Scrypt(n=15, r=8, p=1),
        lambda: Scrypt(n=2**20, r=8, p=1),
        lambda: Argon2(time_cost=100, memory_cost=2**19, parallelism=1),
        lambda: Argon2(time_cost=1, memory_cost=8, parallelism=1, variant="x"),  # type: ignore[arg-type]
        lambda: FirebaseScrypt(signer_key="secret"),
        lambda: FirebaseScrypt(signer_key=...),  # type: ignore[arg-type]
        lambda: FirebaseScrypt(signer_key=FIREBASE.signer_key, memory_cost=20),
        lambda: SaltedSha("md5"),  # type: ignore[arg-type]
    ],
)
def test_a_kind_that_takes_too_much_cannot_be_declared(make: Any) -> None:
    """ConfigurationError says which option is wrong, without a signer key."""
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert "secret:" not in str(refused.value)


def test_a_signer_key_is_not_shown() -> None:
    """Neither by repr nor in the stored form, even if the export contained it."""
    assert FIREBASE.signer_key not in repr(FIREBASE)
    text = PUBLISHED["supabase's firebase"][1]
    assert "sk=" not in convert(text)
    assert convert(text) == convert(PUBLISHED["firebase"][1])


@pytest.mark.parametrize(
    ("credential", "secret", "message"),
    [
        ({"algorithm": "md5-crypt", "hashIterations": 1}, {"salt": "AAAA", "value": "AAAA"}, "md5-crypt"),
        ({"algorithm": "pbkdf2", "hashIterations": 1}, {"salt": "A", "value": "A" * 43}, "base64"),
        ({"algorithm": "pbkdf2", "hashIterations": -1}, {"salt": "AAAA", "value": "A" * 43 + "="}, "known form"),
        ({"algorithm": "argon2", "hashIterations": 1}, {"salt": "AAAA", "value": "A" * 43 + "="}, "known form"),
        (
            {"algorithm": "argon2", "hashIterations": 1, "additionalParameters": "type"},
            {"salt": "AAAA", "value": "A" * 43 + "="},
            "known form",
        ),
        ({}, {}, "algorithm"),
    ],
)
def test_a_credential_of_keycloak_that_cannot_be_used_is_refused(
    credential: dict[str, object], secret: dict[str, object], message: str
) -> None:
    """ValidationError names the algorithm or the damage."""
    with pytest.raises(ValidationError, match=message):
        from_keycloak(credential, secret)
