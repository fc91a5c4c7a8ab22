"""Checks of the raw tables after each test: references must be intact, and no secret may be stored."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from binascii import hexlify
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

__all__ = ["MAX_IDENTITIES", "Dump", "broken_invariants", "check_invariants", "check_no_secret"]

Dump: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""All items as plain Python values, by table (``users``, ``sessions``, ``identities``, ``tokens``, ...)."""

MAX_IDENTITIES = 90

_DIGEST = re.compile(r"[0-9a-f]{64}")


def broken_invariants(dump: Dump) -> list[str]:
    """Return the problems of the tables as a whole, in words; an empty list if there are none.

    Every identity's user exists and lists it; every identity that a user lists exists and belongs to that user; a user
    lists exactly one e-mail identity, its own address, and at most 90 identities; user and e-mail identity agree about
    the password; sessions and tokens are stored under a hash.
    """
    wrong: list[str] = []
    users = {str(item["id"]): item for item in dump.get("users", ())}
    identities = {str(item["id"]): item for item in dump.get("identities", ())}
    for key, identity in identities.items():
        user = users.get(str(identity.get("user_id")))
        if user is None:
            wrong.append(f"identity {key}: its user {identity.get('user_id')!r} does not exist")
        elif key not in _listed(str(user["id"]), user):
            wrong.append(f"identity {key}: its user {user['id']} does not list it")
    addresses: dict[str, str] = {}
    for user_id, user in users.items():
        listed = _listed(user_id, user)
        wrong.extend(_broken_user(user_id, user, listed, identities))
        address = str(user.get("email"))
        if address in addresses:
            wrong.append(f"users {addresses[address]} and {user_id}: both hold {address}")
        addresses[address] = user_id
    for table in ("sessions", "tokens"):
        keys = [str(item["id"]) for item in dump.get(table, ())]
        wrong.extend(
            f"{table}: {key!r} is not a SHA-256" for key in keys if not _DIGEST.fullmatch(key.rpartition("#")[2])
        )
    return wrong


def _listed(user_id: str, user: Mapping[str, Any]) -> set[str]:
    """The keys of the items of ``identities`` that a user lists."""
    factors = {f"factor#{user_id}#{name}" for name in user.get("factors", ()) if name != "passkey"}
    return {*user.get("identities", ()), *factors}


def _broken_user(
    user_id: str, user: Mapping[str, Any], listed: set[str], identities: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    for key in listed:
        identity = identities.get(key)
        if identity is None:
            yield f"user {user_id}: lists {key}, which does not exist"
        elif identity.get("user_id") != user_id:
            yield f"user {user_id}: lists {key}, which belongs to {identity.get('user_id')!r}"
    own = f"email#{user.get('email')}"
    if {key for key in listed if key.startswith("email#")} != {own}:
        yield f"user {user_id}: should list {own} as its only address, lists {sorted(listed)}"
    if len(listed) > MAX_IDENTITIES:
        yield f"user {user_id}: holds {len(listed)} identities"
    email = identities.get(own, {})
    if user.get("password_version") != email.get("password_version"):
        yield f"user {user_id}: its password version is not its e-mail identity's"
    if (email.get("password_hash") is None) != (email.get("password_version") is None):
        yield f"user {user_id}: its e-mail identity has a hash without a version, or a version without a hash"


def check_invariants(dump: Dump) -> None:
    """Fail, listing all problems, unless the tables are consistent (:func:`broken_invariants`)."""
    wrong = broken_invariants(dump)
    assert not wrong, "the tables are inconsistent:\n" + "\n".join(wrong[:20])


def check_no_secret(dump: Dump, secrets: Iterable[str | bytes]) -> None:
    """Fail if a table contains any of the secrets, in a key or a value: as it is, in base64 or in hex."""
    needles = {form for secret in secrets for form in _forms(secret)}
    if not needles:
        return
    for table, items in dump.items():
        # All items in one text, because searching it takes no interpreter loop, however many secrets there are.
        everything = b"\n".join(_texts(items))
        assert not any(needle in everything for needle in needles), f"an item of {table} contains a secret"


def _forms(secret: str | bytes) -> Iterable[bytes]:
    raw = secret.encode() if isinstance(secret, str) else secret
    yield raw
    yield hexlify(raw)
    yield b64encode(raw).rstrip(b"=")
    yield urlsafe_b64encode(raw).rstrip(b"=")


def _texts(value: object) -> Iterable[bytes]:
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in cast("Iterable[object]", value):
            yield from _texts(inner)
