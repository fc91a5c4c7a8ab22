"""``ToriiUserDatabase``: the behaviour of a database of fastapi-users, and what ours adds."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi_users.exceptions import UserAlreadyExists, UserNotExists
from tests.fastapi_users.support import EMAIL, PASSWORD, QUICK, Person, Site

from torii_dynamodb import AsyncTorii
from torii_dynamodb.errors import ConfigurationError, CorruptItem, Revoked, ValidationError, VersionConflict
from torii_dynamodb.fastapi_users import ToriiAccessTokenDatabase, ToriiBaseUser, ToriiUserDatabase
from torii_dynamodb.testing import AsyncMemoryStorage

OTHER = "grace@example.com"


async def test_queries(site: Site) -> None:
    """A user is created with the defaults, changed, found by id and by address in any spelling, and deleted."""
    user = await site.person()
    assert isinstance(user.id, UUID)
    assert (user.email, user.is_active, user.is_superuser, user.is_verified) == (EMAIL, True, False, False)
    assert QUICK.verify_and_update(PASSWORD, user.hashed_password)[0]
    changed = await site.users.update(user, {"is_superuser": True})
    assert changed.is_superuser
    for found in (
        await site.users.get(user.id),
        await site.users.get_by_email(EMAIL),
        await site.users.get_by_email(EMAIL.upper()),
    ):
        assert found is not None
        assert (found.id, found.is_superuser, found.hashed_password) == (user.id, True, user.hashed_password)
    assert await site.users.get_by_email("galahad@example.com") is None
    assert await site.users.get(uuid4()) is None
    await site.users.delete(user)
    assert await site.users.get(user.id) is None
    assert await site.users.get_by_email(EMAIL) is None
    await site.users.delete(user)


async def test_what_cannot_be_an_address_or_id_finds_nobody(site: Site) -> None:
    """Looking for text that cannot be an address or an id returns None: it comes from forms and URLs."""
    for text in ("", "x", "a@b", "a" * 5000, "\u212aate@example.com", "\udc80@example.com"):
        assert await site.users.get_by_email(text) is None
    by_text = ToriiUserDatabase(site.torii, ToriiBaseUser[str], str)
    for text in ("", "a/b", "a" * 65, "a b"):
        assert await by_text.get(text) is None


async def test_a_taken_address_is_refused(site: Site) -> None:
    """A second user with an address raises what fastapi-users expects, at creation and at a change."""
    await site.person()
    with pytest.raises(UserAlreadyExists):
        await site.person(EMAIL.lower())
    other = await site.person(OTHER)
    with pytest.raises(UserAlreadyExists):
        await site.users.update(other, {"email": EMAIL.upper(), "first_name": "Grace"})
    kept = await site.users.get_by_email(OTHER)
    assert kept is not None
    assert kept.first_name is None


async def test_of_parallel_creations_one_succeeds(site: Site) -> None:
    """Of twenty that create one address at once, one succeeds, and the others raise UserAlreadyExists."""
    found = await asyncio.gather(*(site.person() for _ in range(20)), return_exceptions=True)
    assert len([one for one in found if isinstance(one, Person)]) == 1
    assert len([one for one in found if isinstance(one, UserAlreadyExists)]) == 19


class Role(Enum):
    """A kind of value that DynamoDB does not know."""

    EDITOR = "editor"


@dataclass(kw_only=True)
class Member(ToriiBaseUser[int]):
    """A user class with a field that must be given, and one of each difficult kind."""

    team: UUID
    role: Role = Role.EDITOR
    tags: tuple[str, ...] = ()


async def test_fields_of_the_application(site: Site) -> None:
    """Own fields come back equal and of their type, from creation, a change and every read; others are kept."""
    members = ToriiUserDatabase(site.torii, Member, int)
    team = uuid4()
    member = await members.create({"email": EMAIL, "team": team, "tags": ("a", "b")})
    assert (member.team, member.role, member.tags) == (team, Role.EDITOR, ("a", "b"))
    assert 2**52 <= member.id < 2**53
    # What the services store later is left alone.
    await site.storage.update_user(member.stored, metadata={**member.stored.metadata, "theme": "dark"})
    changed = await members.update(member, {"role": Role.EDITOR, "tags": ["c"]})
    found = await members.get(member.id)
    assert found == changed == member
    assert (found.team, found.tags, type(found.team)) == (team, ("c",), UUID)
    assert found.stored.metadata["theme"] == "dark"


@dataclass(kw_only=True)
class Named(ToriiBaseUser[str]):
    """A user class with fields that every user has here."""

    name: str
    created_at: datetime


async def test_fields_that_every_user_has(site: Site) -> None:
    """A field ``name`` is the user's name, which the services use; ``created_at`` is when the user was created."""
    users = ToriiUserDatabase(site.torii, Named, str)
    with pytest.raises(ValidationError, match="name"):
        await users.create({"email": EMAIL})
    user = await users.create({"email": EMAIL, "name": "Ada"})
    assert (user.name, user.stored.name, user.created_at) == ("Ada", "Ada", site.clock())
    await users.update(user, {"name": "Augusta"})
    assert (user.stored.name, user.stored.metadata) == ("Augusta", {})
    long_ago = datetime(2015, 1, 1, tzinfo=UTC)
    await users.update(user, {"created_at": long_ago})
    assert await users.get(user.id) == user
    assert user.created_at == long_ago


async def test_bad_values_are_refused(site: Site) -> None:
    """An unknown field, a value of another type and a password in plain text raise ValidationError; nothing changes."""
    user = await site.person()
    wrong: list[dict[str, Any]] = [
        {"nickname": "Ada"},
        {"born": "yesterday"},
        {"is_superuser": "yes"},
        {"hashed_password": "a password by mistake"},
        {"email": "not an address"},
        {"email": None, "password": "plain"},
    ]
    for values in wrong:
        with pytest.raises(ValidationError) as refused:
            await site.users.update(user, {"first_name": "Ada", **values})
        assert "a password by mistake" not in str(refused.value)
        with pytest.raises(ValidationError):
            await site.users.create({"email": OTHER, **values})
    assert await site.users.get(user.id) == user
    assert user.first_name is None
    assert await site.users.get_by_email(OTHER) is None


async def test_a_missing_field_is_told(site: Site) -> None:
    """A field without a default must be given; a stored user without it is reported with the field's name."""
    members = ToriiUserDatabase(site.torii, Member, int)
    with pytest.raises(ValidationError, match="team"):
        await members.create({"email": EMAIL})
    user = await ToriiUserDatabase(site.torii, ToriiBaseUser[int], int).create({"email": EMAIL})
    with pytest.raises(CorruptItem, match="team"):
        await members.get(user.id)


async def test_ids_of_another_database_are_kept(site: Site) -> None:
    """A given id of each kind is kept; a repeated creation returns the user; another's id is reported."""
    ids: list[Any] = [uuid4(), 42, "63f1c0ffee63f1c0ffee63f1"]
    for given in ids:
        users = ToriiUserDatabase(site.torii, ToriiBaseUser[Any], type(given))
        values = {"id": given, "email": f"user{ids.index(given)}@example.com"}
        user = await users.create(values)
        assert user.id == given
        assert await users.get(given) == user == await users.create(values)
    with pytest.raises(ConfigurationError, match="id_type=str"):
        await site.users.get_by_email("user1@example.com")
    with pytest.raises(ValidationError, match="id"):
        await site.users.update(await site.person(), {"id": uuid4()})


async def test_changes_at_once_all_count(site: Site) -> None:
    """Changes of different fields, all decided from the same reading, are all kept."""
    user = await site.person()
    readings = [await site.users.get(user.id) for _ in range(3)]
    changes: list[dict[str, Any]] = [{"first_name": "Ada"}, {"born": date(1815, 12, 10)}, {"is_superuser": True}]
    for reading, change in zip(readings, changes, strict=True):
        assert reading is not None
        await site.users.update(reading, change)
    found = await site.users.get(user.id)
    assert found is not None
    assert (found.first_name, found.born, found.is_superuser) == ("Ada", date(1815, 12, 10), True)


async def test_a_stale_reading_changes_no_password(site: Site) -> None:
    """A password is replaced only if it is still the one that was read, and no session has been revoked since."""
    user = await site.person()
    stale = await site.users.get(user.id)
    assert stale is not None
    await site.users.update(user, {"hashed_password": QUICK.hash("the owner's new password")})
    with pytest.raises((VersionConflict, Revoked)):
        await site.users.update(stale, {"hashed_password": QUICK.hash("the thief's password")})
    stale = await site.users.get(user.id)
    assert stale is not None
    await site.torii.delete_sessions_for_user(str(user.id))
    for change in ({"hashed_password": QUICK.hash("the thief's password")}, {"is_verified": True}, {"email": OTHER}):
        with pytest.raises(Revoked):
            await site.users.update(stale, change)
    with pytest.raises(Revoked):
        await site.users.delete(stale)
    found = await site.users.get_by_email(EMAIL)
    assert found is not None
    assert QUICK.verify_and_update("the owner's new password", found.hashed_password)[0]
    assert not found.is_verified


async def test_a_deleted_user_is_not_changed(site: Site) -> None:
    """Every change of a user that was deleted meanwhile raises UserNotExists."""
    user = await site.person()
    stale = dataclasses.replace(user)
    with pytest.raises(ConfigurationError, match="ToriiUserDatabase"):
        await site.users.update(stale, {"first_name": "Ada"})
    await site.users.delete(user)
    for change in ({"first_name": "Ada"}, {"hashed_password": QUICK.hash("new")}, {"is_active": False}):
        with pytest.raises(UserNotExists):
            await site.users.update(user, change)


async def test_an_address_changes_with_everything(site: Site) -> None:
    """Address, proof, password, rights and lock change in one call; the user is found under the new address only."""
    user = await site.person(is_verified=True)
    assert user.is_verified
    unverified = await site.users.update(user, {"email": OTHER, "is_verified": False})
    assert (unverified.email, unverified.is_verified) == (OTHER, False)
    new = QUICK.hash("a new password")
    change = {"email": EMAIL, "is_verified": True, "hashed_password": new, "is_superuser": True, "is_active": False}
    changed = await site.users.update(user, change)
    assert changed is user
    assert await site.users.get_by_email(OTHER) is None
    assert await site.users.get_by_email(EMAIL) == user
    assert {name: getattr(user, name) for name in change} == change
    with pytest.raises(ValidationError, match="stays proved"):
        await site.users.update(user, {"is_verified": False, "first_name": "Ada"})
    assert user.first_name is None


async def test_a_weaker_hash_is_replaced_at_sign_in(site: Site) -> None:
    """A bcrypt hash verifies as it is; fastapi-users replaces it by argon2id, and that sign-in is completed."""
    bcrypt = QUICK.password_hash.hashers[1].hash(PASSWORD)
    user = await site.users.create({"email": EMAIL, "hashed_password": bcrypt})
    assert user.hashed_password == bcrypt
    assert await site.status(await site.login()) == 200
    found = await site.users.get(user.id)
    assert found is not None
    assert found.hashed_password.startswith("$argon2id$")


async def test_a_user_without_a_password(site: Site) -> None:
    """No password signs in, and nothing fails; the link to set one works, until all sessions are ended."""
    stored, _ = await site.storage.get_or_create_user_by_email(EMAIL)
    users = ToriiUserDatabase(site.torii, ToriiBaseUser[str], str)
    user = await users.get_by_email(EMAIL)
    assert user is not None
    for password in ("", user.hashed_password, PASSWORD):
        assert QUICK.verify_and_update(password, user.hashed_password) == (False, None)
    again = await users.get(stored.id)
    assert again is not None
    assert again.hashed_password == user.hashed_password
    await site.torii.delete_sessions_for_user(stored.id)
    again = await users.get(stored.id)
    assert again is not None
    assert again.hashed_password != user.hashed_password
    await users.update(again, {"hashed_password": QUICK.hash(PASSWORD)})
    assert QUICK.verify_and_update(PASSWORD, again.hashed_password)[0]


async def test_an_unknown_address_costs_what_a_known_one_does(site: Site) -> None:
    """A look-up sends three requests in two steps whether or not somebody has the address."""
    await site.person()
    site.requests()
    for email in (EMAIL, "nobody@example.com"):
        await site.users.get_by_email(email)
        assert site.requests() == 3


async def test_hashes_are_not_shown(site: Site) -> None:
    """Neither repr, nor a dictionary made of the user, nor an error has the password hash."""
    user = await site.person()
    assert user.hashed_password not in repr(user)
    assert user.hashed_password not in str(dataclasses.asdict(user))


def test_wrong_set_up_is_told() -> None:
    """Another kind of id, a class that is not ours or not a dataclass, and a missing secret are named at once."""

    class Undecorated(ToriiBaseUser[int]):
        nickname: str | None = None

    torii = AsyncTorii(AsyncMemoryStorage())
    storage: Any = torii.storage
    with pytest.raises(ConfigurationError, match="torii: give AsyncTorii"):
        ToriiUserDatabase(storage, ToriiBaseUser[str], str)
    with pytest.raises(ConfigurationError, match="torii: give AsyncTorii"):
        ToriiAccessTokenDatabase(storage)
    wrong: list[tuple[Any, Any, str]] = [
        (ToriiBaseUser, float, "id_type"),
        (object, int, "user_model"),
        (Undecorated, int, "dataclass"),
        (Person, UUID, "secret"),
    ]
    for model, id_type, names in wrong:
        with pytest.raises(ConfigurationError, match=names):
            ToriiUserDatabase(torii, model, id_type)
