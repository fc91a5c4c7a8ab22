"""The conformance tests of :class:`~torii_dynamodb.contract.AsyncUserStorage`."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, cast

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import AlreadyExists, NotFound, Revoked, ValidationError, VersionConflict
from torii_dynamodb.models import MAGIC_LINK, NewOAuthAccount, NewSession, NewToken, NewUser, User
from torii_dynamodb.testing._conformance.base import (
    Call,
    Conformance,
    clause,
    fresh,
    new_address,
    new_hash,
)
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["NASTY_METADATA", "UserConformance", "same"]


class Shown(float):
    """A float with its own ``repr``, like NumPy's."""

    def __repr__(self) -> str:
        return f"np.float64({float(self)})"


class Choice(int, Enum):
    """A number whose ``str`` is its name."""

    ONE = 1


class Word(StrEnum):
    """Text that is a member of an enum."""

    KEY = "key"


NASTY_METADATA: dict[str, Any] = {
    "empty text": "",
    "text": "Zoë Ångström 東京 \U0001f469\u200d\U0001f680 e\u0301",
    "control": "a\x00b\tc\n\x7f\u2028",
    "looks like a number": "1.0",
    "none": None,
    "true": True,
    "false": False,
    "int 1": 1,
    "float 1.0": 1.0,
    "decimal 1": Decimal(1),
    "decimal 1.0": Decimal("1.0"),
    "decimal 1.00": Decimal("1.00"),
    "decimal 1E+2": Decimal("1E+2"),
    "decimal tiny": Decimal("1E-200"),
    "decimal huge": Decimal("9E+300"),
    "decimal long": Decimal("3." + "14159265" * 8),
    "decimal -0": Decimal("-0"),
    "int 0": 0,
    "float 0.0": 0.0,
    "float -0.0": -0.0,
    "negative": -17,
    "38 digits": 10**38 - 1,
    "39 digits": 10**38,
    "64 bits": 2**64,
    "1,000 bits": -(2**1000) + 1,
    "0.1": 0.1,
    "0.1 + 0.2": 0.1 + 0.2,
    "smallest normal": 2.2250738585072014e-308,
    "1e-310": 1e-310,
    "5e-324": 5e-324,
    "1e308": 1e308,
    "-1.7976931348623157e308": -1.7976931348623157e308,
    "pi": math.pi,
    "bytes": b"\x00\xff\x80bytes",
    "empty bytes": b"",
    "bytes that are base64": b"AAAA",
    "empty list": [],
    "empty map": {},
    "list": [1, 1.0, True, None, "1", b"1", Decimal(1), [], {}, [[[]]]],
    "map": {"a": {"b": {"c": [{"d": b"deep"}]}}},
    "\u00e9": "a key in composed form",
    "e\u0301": "the same key in decomposed form",
    "a.b[0]#:$ key": {"$": 1, "#": 2, ":": 3, " ": 4},
    "$float": "a key like a tag",
    "tags": {"$float": "1.5", "$int": {"$decimal": "2"}, "$map": {}},
    "one tag": [{"$float": "1.5"}, {"$int": 1}, {"$decimal": None}, {"$map": {"$map": {}}}, {"$": ""}],
    "attribute names": {"S": "s", "N": "1", "M": {}, "NULL": True, "id": "other", "version": 99},
    "long key " + "k" * 200: "v",
}


def same(left: object, right: object) -> bool:
    """Return whether two values are equal and of the same types throughout: ``1`` is not ``1.0`` is not ``True``."""
    if isinstance(left, Mapping):
        if not isinstance(right, Mapping):
            return False
        ours, theirs = cast("Mapping[str, object]", left), cast("Mapping[str, object]", right)
        return set(ours) == set(theirs) and all(same(ours[key], theirs[key]) for key in ours)
    if type(left) is not type(right):
        return False
    if isinstance(left, list) and isinstance(right, list):
        mine, others = cast("list[object]", left), cast("list[object]", right)
        return len(mine) == len(others) and all(same(a, b) for a, b in zip(mine, others, strict=True))
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack(">d", left) == struct.pack(">d", right)
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return left.as_tuple() == right.as_tuple()
    return left == right


class UserConformance(Conformance):
    """Users."""

    # Creating.

    @clause("USER-1")
    async def test_a_taken_address_is_refused(self, storage: AsyncStorage) -> None:
        """A second user with the same address is refused, and the first one stays unchanged."""
        address = new_address()
        first = await storage.create_user(NewUser(email=address, name="First"), password_hash=new_hash())
        with pytest.raises(AlreadyExists) as caught:
            await storage.create_user(NewUser(email=address, name="Second"), password_hash=new_hash())
        assert caught.value.what == "email"
        assert await storage.get_user_by_email(address) == first

    @clause("USER-1", "USER-7")
    async def test_a_new_user_is_returned_as_it_is_stored(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """create_user returns what get_user reads: the given fields, times from the clock, and nothing more."""
        address = new_address()
        created = await storage.create_user(NewUser(email=address, name="Ada", metadata={"plan": "pro"}))
        assert (created.email, created.email_as_given, created.name) == (address, address, "Ada")
        assert created.metadata == {"plan": "pro"}
        assert created.created_at == created.updated_at == clock()
        assert created.email_verified_at is None
        assert created.locked_at is None
        assert not created.has_password
        assert len(created.identities) == 1
        assert await storage.get_user(created.id) == created
        assert await storage.get_user(created.id, consistent=True) == created

    @clause("USER-1")
    async def test_ids_that_are_made_are_all_different(self, storage: AsyncStorage) -> None:
        """Users without a given id get different ids, made of the documented characters."""
        ids = [(await self.user(storage)).id for _ in range(20)]
        assert len(set(ids)) == 20
        assert all(1 <= len(user_id) <= 64 and user_id.replace("-", "_").replace("_", "a").isalnum() for user_id in ids)

    @clause("USER-1")
    async def test_optional_fields_of_a_new_user_are_kept(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """An explicit id, a missing name and the time of verification are stored as given."""
        user_id = fresh("u")
        at = clock() - timedelta(days=3, microseconds=17)
        created = await storage.create_user(NewUser(email=new_address(), id=user_id, email_verified_at=at))
        found = await self.reread(storage, created)
        assert (found.id, found.name, found.email_verified_at) == (user_id, None, at)
        assert found.is_email_verified

    @clause("USER-1")
    @pytest.mark.parametrize("user_id", ["a", "_", "-", "Z" * 64, "0-_A"])
    async def test_ids_of_every_allowed_shape_work(self, storage: AsyncStorage, user_id: str) -> None:
        """The shortest, the longest and the oddest allowed ids work everywhere."""
        await storage.delete_user(user_id)
        created = await storage.create_user(NewUser(email=new_address(), id=user_id))
        token = await self.session(storage, created)
        found = await storage.get_signed_in(token)
        assert found is not None
        assert found.user == created
        assert await storage.delete_user(user_id)

    @clause("USER-2", "USER-8")
    @pytest.mark.parametrize(
        ("given", "spelling"),
        [
            ("{x}@example.com", "{X}@EXAMPLE.COM"),
            ("{X}@Example.Com", "{x}@example.com"),
            ("  {x}@example.com\n", "{x}@example.com"),
            ("{x}@example.com", "\t {x}@example.com  "),
            ("{x}@bücher.example", "{x}@xn--bcher-kva.example"),
            ("{x}@xn--bcher-kva.example", "{x}@BÜCHER.example"),
            ("{x}@bu\u0308cher.example", "{x}@b\u00fccher.example"),
        ],
    )
    async def test_spellings_of_one_address_are_one_address(
        self, storage: AsyncStorage, given: str, spelling: str
    ) -> None:
        """Case, white space and IDNA spelling do not make a different address; any spelling finds the user."""
        local = fresh("Mixed")
        address = given.format(x=local.lower(), X=local.upper())
        other = spelling.format(x=local.lower(), X=local.upper())
        created = await storage.create_user(NewUser(email=address))
        with pytest.raises(AlreadyExists) as caught:
            await storage.create_user(NewUser(email=other))
        assert caught.value.what == "email"
        for text in (address, other, created.email, created.email_as_given):
            found = await storage.get_user_by_email(text)
            assert found == created, f"not found as {text!r}"

    @clause("USER-2")
    async def test_addresses_that_differ_are_different(self, storage: AsyncStorage) -> None:
        """Dots, tags and subdomains are up to the mail host: they make a different address."""
        local = fresh("q")
        addresses = [
            f"{local}@example.com",
            f"{local}+tag@example.com",
            f"{local[:5]}.{local[5:]}@example.com",
            f"{local}@mail.example.com",
            f"{local}@example.org",
        ]
        users = [await storage.create_user(NewUser(email=address)) for address in addresses]
        assert len({user.email for user in users}) == len(addresses)
        for address, user in zip(addresses, users, strict=True):
            assert await storage.get_user_by_email(address) == user

    @clause("USER-2")
    async def test_the_address_as_given_is_kept(self, storage: AsyncStorage) -> None:
        """The address is also stored as the person wrote it, without surrounding white space."""
        local = fresh("Grace")
        created = await storage.create_user(NewUser(email=f"  {local}@Bücher.Example "))
        assert created.email == f"{local.lower()}@xn--bcher-kva.example"
        assert created.email_as_given.startswith(local)
        assert created.email_as_given.rpartition("@")[2].lower() == "bücher.example"
        assert (await self.reread(storage, created)).email_as_given == created.email_as_given

    @clause("USER-3")
    async def test_the_password_is_there_with_the_user(self, storage: AsyncStorage) -> None:
        """A user created with a password hash can sign in with it at once."""
        digest = new_hash()
        created = await self.user(storage, password_hash=digest)
        assert created.has_password
        credentials = await storage.get_credentials_by_email(created.email)
        assert credentials is not None
        assert (credentials.user_id, credentials.email) == (created.id, created.email)
        assert credentials.password_hash == digest
        assert credentials.password_version == created.password_version
        assert await storage.get_password_hash(created.id) == digest

    @clause("USER-3")
    async def test_a_refused_user_leaves_nothing(self, storage: AsyncStorage) -> None:
        """If a user is refused for its address, neither a row nor the password is left."""
        first = await self.user(storage, password_hash=(kept := new_hash()))
        user_id, refused = fresh("u"), new_hash()
        with pytest.raises(AlreadyExists) as caught:
            await storage.create_user(NewUser(email=first.email, id=user_id), password_hash=refused)
        assert caught.value.what == "email"
        assert await storage.get_user(user_id, consistent=True) is None
        assert await storage.get_password_hash(first.id) == kept

    @clause("USER-4")
    async def test_a_repeated_creation_returns_the_user(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Repeating the call with an explicit id returns the first call's user and changes nothing."""
        new_user = NewUser(email=new_address(), id=fresh("u"), name="Ada", metadata={"n": 1})
        digest = new_hash()
        first = await storage.create_user(new_user, password_hash=digest)
        clock.advance(10)
        assert await storage.create_user(new_user, password_hash=digest) == first
        assert await storage.get_user(first.id) == first
        assert await storage.get_password_hash(first.id) == digest

    @clause("USER-4")
    async def test_a_repetition_is_known_by_its_address_in_any_spelling(self, storage: AsyncStorage) -> None:
        """A call is recognised as a repetition by id and normalised address, even if the user has changed since."""
        user_id, address = fresh("u"), new_address()
        created = await storage.create_user(NewUser(email=address, id=user_id))
        changed = await storage.update_user(created, name="Changed")
        assert await storage.create_user(NewUser(email=address.upper(), id=user_id)) == changed

    @clause("USER-4", "USER-1")
    async def test_without_an_id_a_repetition_is_a_second_user(self, storage: AsyncStorage) -> None:
        """Without an explicit id, a repetition looks like another person and is refused."""
        new_user = NewUser(email=new_address())
        await storage.create_user(new_user)
        with pytest.raises(AlreadyExists):
            await storage.create_user(new_user)

    @clause("USER-5", "USER-3")
    async def test_a_taken_id_claims_no_address(self, storage: AsyncStorage) -> None:
        """A taken id is refused as such; the address stays free, and the holder is unchanged."""
        first = await self.user(storage)
        address = new_address()
        with pytest.raises(AlreadyExists) as caught:
            await storage.create_user(NewUser(email=address, id=first.id), password_hash=new_hash())
        assert caught.value.what == "user"
        assert await storage.get_user_by_email(address) is None
        assert await storage.get_credentials_by_email(address) is None
        assert await self.reread(storage, first) == first
        assert (await storage.create_user(NewUser(email=address))).email == address

    @clause("USER-5", "USER-4")
    async def test_a_creation_repeated_after_a_change_of_address_is_refused(self, storage: AsyncStorage) -> None:
        """If the id's holder has another address by now, a repetition does not claim the old address for anyone."""
        address, user_id = new_address(), fresh("u")
        created = await storage.create_user(NewUser(email=address, id=user_id))
        await storage.update_user(created, email=new_address())
        with pytest.raises(AlreadyExists) as caught:
            await storage.create_user(NewUser(email=address, id=user_id))
        assert caught.value.what == "user"
        assert await storage.get_user_by_email(address) is None

    @clause("USER-6")
    @pytest.mark.parametrize("name", list(NASTY_METADATA))
    async def test_a_metadata_value_comes_back_the_same(self, storage: AsyncStorage, name: str) -> None:
        """Each odd value comes back equal and of the same type, from creation and from every read."""
        metadata = {name: NASTY_METADATA[name]}
        created = await storage.create_user(NewUser(email=new_address(), metadata=metadata))
        found = await self.reread(storage, created)
        assert same(created.metadata, metadata), f"{created.metadata!r}"
        assert same(found.metadata, metadata), f"{found.metadata!r}"

    @clause("USER-6")
    async def test_metadata_of_subclasses_can_be_read_again(self, storage: AsyncStorage) -> None:
        """Numbers and text of classes with their own representation (NumPy's, enums) are stored as plain values."""
        given: dict[str, Any] = {"float": Shown(0.5), "int": Choice.ONE, "map": {Word.KEY: [Word.KEY, Shown(1.0)]}}
        user = await storage.create_user(NewUser(email=new_address(), metadata={**given, Word.KEY: 1}))
        for found in (user, await self.reread(storage, user)):
            assert same(found.metadata, {"float": 0.5, "int": 1, "map": {"key": ["key", 1.0]}, "key": 1})

    @clause("USER-6", "USER-11")
    async def test_all_metadata_together_comes_back_the_same(self, storage: AsyncStorage) -> None:
        """A map of all odd values, nested ones too, comes back the same from every kind of read and from an update."""
        metadata = {**NASTY_METADATA, "nested": [NASTY_METADATA, {"again": NASTY_METADATA}]}
        created = await self.user(storage)
        updated = await storage.update_user(created, metadata=metadata)
        token = await self.session(storage, updated)
        checked = await storage.get_signed_in(token)
        [batched] = await storage.batch_get_users([created.id])
        assert checked is not None
        assert batched is not None
        for found in (updated, await self.reread(storage, created), checked.user, batched):
            assert same(found.metadata, metadata)

    @clause("USER-6")
    async def test_stored_metadata_is_not_the_callers(self, storage: AsyncStorage) -> None:
        """Changing an object that was passed in or returned changes nothing stored."""
        metadata: dict[str, Any] = {"list": [1], "map": {"a": 1}}
        created = await storage.create_user(NewUser(email=new_address(), metadata=metadata))
        metadata["list"].append(2)
        metadata["map"]["b"] = 2
        read = await self.reread(storage, created)
        assert same(read.metadata, {"list": [1], "map": {"a": 1}})
        cast("dict[str, Any]", read.metadata)["list"].append(3)
        assert same((await self.reread(storage, created)).metadata, {"list": [1], "map": {"a": 1}})

    # Reading.

    @clause("USER-7", "USER-8")
    async def test_a_look_up_that_misses_returns_none(self, storage: AsyncStorage) -> None:
        """If there is no user, look-ups by id and by address return None in both consistency modes."""
        for consistent in (None, True, False):
            assert await storage.get_user(fresh("u"), consistent=consistent) is None
            assert await storage.get_user_by_email(new_address(), consistent=consistent) is None

    @clause("USER-7", "USER-8")
    async def test_an_eventual_read_finds_the_user(self, storage: AsyncStorage) -> None:
        """With consistent=False a user is found as soon as the store has caught up."""
        user = await self.user(storage)
        by_id = await self.until(lambda: storage.get_user(user.id, consistent=False), lambda found: found is not None)
        by_email = await self.until(
            lambda: storage.get_user_by_email(user.email, consistent=False), lambda found: found is not None
        )
        assert by_id == by_email == user

    @clause("USER-7")
    async def test_a_consistent_read_sees_each_write(self, storage: AsyncStorage) -> None:
        """After each of many writes, a consistent read returns the written user, and the version has changed."""
        user = await self.user(storage)
        for number in range(10):
            changed = await storage.update_user(user, metadata={"n": number})
            assert changed.version == user.version + 1
            assert await storage.get_user(user.id, consistent=True) == changed
            assert await storage.get_user_by_email(user.email, consistent=True) == changed
            user = changed

    @clause("USER-9")
    async def test_get_or_create_creates_once(self, storage: AsyncStorage) -> None:
        """The first call creates the user with the name; later ones, in any spelling, find it and change nothing."""
        address = new_address()
        created, new = await storage.get_or_create_user_by_email(address, name="Ada")
        assert new
        assert (created.name, created.email, created.has_password) == ("Ada", address, False)
        assert created.email_verified_at is None
        again, new = await storage.get_or_create_user_by_email(f" {address.upper()}", name="Other")
        assert not new
        assert again == created

    # Updating.

    @clause("USER-10")
    async def test_a_stale_update_is_refused(self, storage: AsyncStorage) -> None:
        """Updating a version that has been updated since raises VersionConflict and keeps the first update."""
        user = await self.user(storage)
        wanted = new_address()
        first = await storage.update_user(user, name="First", metadata={"by": 1})
        with pytest.raises(VersionConflict):
            await storage.update_user(user, name="Second")
        with pytest.raises(VersionConflict):
            await storage.update_user(user, metadata={"by": 2})
        with pytest.raises(VersionConflict):
            await storage.update_user(user, email=wanted)
        with pytest.raises(VersionConflict):
            await storage.update_user(user, email=user.email.upper())
        assert await self.reread(storage, user) == first
        assert await storage.get_user_by_email(wanted) is None

    @clause("USER-10")
    async def test_every_change_of_a_user_moves_the_version(self, storage: AsyncStorage) -> None:
        """Every change moves the version, so an update based on an earlier read is refused."""
        user = await self.user(storage)
        subject = fresh("s")
        changes: list[Call[Any]] = [
            lambda: storage.set_password_hash(user.id, new_hash()),
            lambda: self.link(storage, user, subject=subject),
            lambda: storage.unlink_oauth_account(user.id, "google", subject),
            lambda: self.passkey(storage, user),
            lambda: storage.mark_email_verified(user.id, email=user.email),
            lambda: storage.set_locked_at(user.id, self.now()),
            lambda: storage.set_locked_at(user.id, None),
            lambda: storage.delete_sessions_for_user(user.id),
            lambda: storage.remove_password_hash(user.id),
            lambda: storage.delete_passkeys_for_user(user.id, allow_verified_email=True),
        ]
        for number, change in enumerate(changes):
            before = await self.reread(storage, user)
            await change()
            after = await self.reread(storage, user)
            assert after.version > before.version, f"change {number} did not move the version"
            with pytest.raises(VersionConflict):
                await storage.update_user(before, name="Stale")
            assert await self.reread(storage, user) == after

    @clause("USER-11")
    async def test_only_what_is_given_changes(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Name, metadata and address can each change alone; updated_at changes, and everything else stays."""
        user = await storage.create_user(
            NewUser(email=new_address(), name="Ada", metadata={"a": 1}, email_verified_at=clock()),
            password_hash=new_hash(),
        )
        token = await self.session(storage, user)
        clock.advance(5)
        named = await storage.update_user(user, name="Grace")
        assert (named.name, named.metadata, named.email) == ("Grace", {"a": 1}, user.email)
        assert named.email_verified_at == user.email_verified_at
        assert (named.created_at, named.updated_at) == (user.created_at, clock())
        clock.advance(5)
        described = await storage.update_user(named, metadata={"b": 2})
        assert (described.name, described.metadata) == ("Grace", {"b": 2})
        assert described.updated_at == clock()
        clock.advance(5)
        nameless = await storage.update_user(described, name=None)
        assert (nameless.name, nameless.metadata) == (None, {"b": 2})
        emptied = await storage.update_user(nameless, metadata={})
        assert emptied.metadata == {}
        for after in (named, described, nameless, emptied):
            assert (after.id, after.identities, after.password_version, after.session_epoch, after.email) == (
                user.id,
                user.identities,
                user.password_version,
                user.session_epoch,
                user.email,
            )
        assert await self.reread(storage, user) == emptied
        assert await storage.get_session(token) is not None

    @clause("USER-11")
    async def test_several_fields_change_together(self, storage: AsyncStorage) -> None:
        """Name, metadata and address can change in one write."""
        user = await self.user(storage)
        address = new_address()
        changed = await storage.update_user(user, name="Ada", metadata={"x": 1}, email=address)
        assert (changed.name, changed.metadata, changed.email) == ("Ada", {"x": 1}, address)
        assert await self.reread(storage, user) == changed
        assert await storage.get_user_by_email(address) == changed

    @clause("USER-11")
    async def test_an_update_of_nothing_is_refused(self, storage: AsyncStorage) -> None:
        """An update that names nothing to change raises ValidationError and changes nothing."""
        user = await self.user(storage)
        with pytest.raises(ValidationError):
            await storage.update_user(user)
        assert await self.reread(storage, user) == user

    @clause("USER-12")
    async def test_a_new_address_moves_everything(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """The new address is claimed, the old one is free, the password moves along, and the verification is reset."""
        digest = new_hash()
        user = await self.user(storage, password_hash=digest, verified=True)
        assert user.is_email_verified
        local = fresh("New")
        moved = await storage.update_user(user, email=f"{local}@Example.com")
        assert moved.email == f"{local.lower()}@example.com"
        assert moved.email_as_given.lower() == moved.email
        assert moved.email_as_given.startswith(local)
        assert moved.email_verified_at is None
        assert moved.has_password
        assert await storage.get_user_by_email(user.email) is None
        assert await storage.get_user_by_email(moved.email) == moved
        assert await storage.get_credentials_by_email(user.email) is None
        credentials = await storage.get_credentials_by_email(moved.email)
        assert credentials is not None
        assert (credentials.user_id, credentials.password_hash) == (user.id, digest)
        assert credentials.password_version == moved.password_version
        assert await storage.get_password_hash(user.id) == digest
        newcomer = await storage.create_user(NewUser(email=user.email))
        assert newcomer.id != user.id

    @clause("USER-12")
    async def test_a_new_address_keeps_other_identities(self, storage: AsyncStorage) -> None:
        """A user who changes the address keeps accounts, passkeys and sessions."""
        user = await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, user)
        passkey = await self.passkey(storage, user)
        user = await self.reread(storage, user)
        token = await self.session(storage, user)
        moved = await storage.update_user(user, email=new_address())
        assert len(moved.identities) == 3
        assert await storage.list_oauth_accounts_for_user(user.id) == [account]
        assert await storage.list_passkeys_for_user(user.id) == [passkey]
        assert await storage.get_signed_in(token) is not None

    @clause("USER-12")
    async def test_an_address_can_go_and_come_back(self, storage: AsyncStorage) -> None:
        """Two users exchange addresses by way of a third; each is then found under its current address."""
        one, two = await self.user(storage, password_hash=new_hash()), await self.user(storage)
        one_moved = await storage.update_user(one, email=new_address())
        two_moved = await storage.update_user(two, email=one.email)
        one_there = await storage.update_user(one_moved, email=two.email)
        assert await storage.get_user_by_email(one.email) == two_moved
        assert await storage.get_user_by_email(two.email) == one_there
        assert await storage.get_user_by_email(one_moved.email) is None

    @clause("USER-12", "USER-10")
    async def test_a_change_of_address_never_loses_a_newer_password(self, storage: AsyncStorage) -> None:
        """An address change based on a read before a password change never restores the old password."""
        user = await self.user(storage, password_hash=new_hash())
        newer = new_hash()
        await storage.set_password_hash(user.id, newer)
        with pytest.raises(VersionConflict):
            await storage.update_user(user, email=new_address())
        assert await storage.get_password_hash(user.id) == newer

    @clause("USER-13")
    async def test_a_taken_address_changes_nothing(self, storage: AsyncStorage) -> None:
        """Moving to a taken address, in any spelling, is refused entirely: a name in the same call does not change."""
        holder, user = await self.user(storage), await self.user(storage, password_hash=new_hash())
        for spelling in (holder.email, holder.email.upper()):
            with pytest.raises(AlreadyExists) as caught:
                await storage.update_user(user, email=spelling, name="Changed")
            assert caught.value.what == "email"
        assert await self.reread(storage, user) == user
        assert await storage.get_user_by_email(holder.email) == holder
        assert await storage.get_user_by_email(user.email) == user

    @clause("USER-14")
    async def test_a_new_spelling_is_the_same_address(self, storage: AsyncStorage) -> None:
        """A new spelling of the same address is shown; the user is still found, still verified, with its password."""
        digest = new_hash()
        user = await self.user(storage, password_hash=digest, verified=True)
        spelling = user.email.replace("p", "P", 1)
        changed = await storage.update_user(user, email=spelling)
        assert (changed.email, changed.email_as_given) == (user.email, spelling)
        assert changed.email_verified_at == user.email_verified_at
        assert (changed.identities, changed.password_version) == (user.identities, user.password_version)
        assert changed.version == user.version + 1
        assert await storage.get_user_by_email(user.email) == changed
        assert await storage.get_password_hash(user.id) == digest

    @clause("USER-14")
    async def test_the_same_address_again_is_no_error(self, storage: AsyncStorage) -> None:
        """A user's own address is not a conflict."""
        user = await self.user(storage, verified=True)
        changed = await storage.update_user(user, email=user.email_as_given)
        assert (changed.email, changed.email_verified_at) == (user.email, user.email_verified_at)
        assert await storage.get_user_by_email(user.email) == changed

    @clause("USER-15")
    async def test_updating_a_deleted_user_creates_nothing(self, storage: AsyncStorage) -> None:
        """Updating a deleted user raises NotFound and creates neither a user nor an address."""
        user = await self.user(storage, password_hash=new_hash())
        await storage.delete_user(user.id)
        address = new_address()
        calls: list[Call[User]] = [
            lambda: storage.update_user(user, name="Ghost"),
            lambda: storage.update_user(user, metadata={"ghost": True}),
            lambda: storage.update_user(user, email=address),
            lambda: storage.update_user(user, email=user.email.upper()),
        ]
        for call in calls:
            with pytest.raises(NotFound) as caught:
                await call()
            assert caught.value.what == "user"
        assert await storage.get_user(user.id, consistent=True) is None
        assert await storage.get_user_by_email(address) is None
        assert await storage.get_user_by_email(user.email) is None

    # Verifying.

    @clause("USER-16")
    async def test_verifies_the_named_address(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """The user's address, in any spelling, is verified as of now."""
        user = await self.user(storage)
        clock.advance(7)
        verified = await storage.mark_email_verified(user.id, email=user.email.upper())
        assert verified is not None
        assert verified.email_verified_at == clock()
        assert (verified.email, verified.email_as_given) == (user.email, user.email_as_given)
        assert await self.reread(storage, user) == verified

    @clause("USER-16")
    async def test_another_address_proves_nothing(self, storage: AsyncStorage) -> None:
        """A proof of an earlier or a foreign address verifies nothing; nor does one for a missing user."""
        user = await self.user(storage, password_hash=new_hash())
        moved = await storage.update_user(user, email=new_address())
        assert await storage.mark_email_verified(user.id, email=user.email) is None
        assert await storage.mark_email_verified(user.id, email=new_address(), remove_unproven=True) is None
        assert await self.reread(storage, user) == moved
        ghost = fresh("u")
        assert await storage.mark_email_verified(ghost, email=new_address()) is None
        assert await storage.get_user(ghost, consistent=True) is None

    @clause("USER-17")
    async def test_a_second_proof_changes_nothing(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A verified address stays verified since the first proof."""
        user = await self.user(storage)
        first = await storage.mark_email_verified(user.id, email=user.email)
        clock.advance(100)
        again = await storage.mark_email_verified(user.id, email=user.email)
        assert again == first
        assert await self.reread(storage, user) == first

    @clause("USER-18")
    async def test_the_first_proof_removes_what_was_not_proved(self, storage: AsyncStorage) -> None:
        """With remove_unproven, passwords, accounts, passkeys and sessions from before the first proof are removed."""
        user = await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, user)
        passkey = await self.passkey(storage, user)
        token = await self.session(storage, await self.reread(storage, user))
        link = await self.token(storage, user, "attacker")
        verified = await storage.mark_email_verified(user.id, email=user.email, remove_unproven=True)
        assert verified is not None
        assert verified.is_email_verified
        assert not verified.has_password
        assert len(verified.identities) == 1
        assert await self.reread(storage, user) == verified
        assert await storage.get_password_hash(user.id) is None
        assert await storage.list_oauth_accounts_for_user(user.id) == []
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
        assert await storage.get_passkey(passkey.credential_id) is None
        assert await storage.get_session(token) is None
        assert await storage.check_token(link, purpose="attacker") is None
        new = await self.session(storage, verified)
        assert await storage.get_session(new) is not None
        assert (await storage.set_password_hash(user.id, new_hash())).has_password

    @clause("USER-25")
    async def test_a_proof_under_an_epoch_that_is_over_proves_nothing(self, storage: AsyncStorage) -> None:
        """If all sessions ended since the proof was given, nothing is verified or removed; a later proof counts."""
        user = await self.user(storage, password_hash=new_hash())
        await storage.delete_sessions_for_user(user.id)
        now = await self.reread(storage, user)
        for remove in (True, False):
            with pytest.raises(Revoked):
                await storage.mark_email_verified(
                    user.id, email=user.email, remove_unproven=remove, session_epoch=user.session_epoch
                )
        assert await self.reread(storage, user) == now
        verified = await storage.mark_email_verified(user.id, email=user.email, session_epoch=now.session_epoch)
        assert verified is not None
        assert verified.is_email_verified
        # Already verified: there is nothing to write, so nothing to refuse.
        again = await storage.mark_email_verified(user.id, email=user.email, session_epoch=user.session_epoch)
        assert again == verified

    @clause("USER-18")
    async def test_the_first_proof_of_a_bare_user_removes_nothing_else(self, storage: AsyncStorage) -> None:
        """A user without anything to remove is verified, too; name and metadata stay."""
        user = await storage.create_user(NewUser(email=new_address(), name="Ada", metadata={"a": 1}))
        verified = await storage.mark_email_verified(user.id, email=user.email, remove_unproven=True)
        assert verified is not None
        assert (verified.name, verified.metadata, verified.is_email_verified) == ("Ada", {"a": 1}, True)

    @clause("USER-18", "USER-17")
    async def test_a_later_proof_removes_nothing(self, storage: AsyncStorage) -> None:
        """After the first proof, everything the owner has set up since is kept, including sessions."""
        user = await self.user(storage, verified=True)
        digest = new_hash()
        await storage.set_password_hash(user.id, digest)
        account = await self.link(storage, user)
        passkey = await self.passkey(storage, user)
        before = await self.reread(storage, user)
        token = await self.session(storage, before)
        assert await storage.mark_email_verified(user.id, email=user.email, remove_unproven=True) == before
        assert await storage.get_password_hash(user.id) == digest
        assert await storage.list_oauth_accounts_for_user(user.id) == [account]
        assert await storage.list_passkeys_for_user(user.id) == [passkey]
        assert await storage.get_session(token) is not None

    # Deleting.

    @clause("USER-19", "SESSION-7")
    async def test_nothing_is_left_of_a_deleted_user(self, storage: AsyncStorage) -> None:
        """When delete_user returns, user, address, account, passkey, sessions and tokens are all gone or invalid."""
        user = await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, user)
        passkey = await self.passkey(storage, user)
        user = await self.reread(storage, user)
        sessions = [await self.session(storage, user) for _ in range(5)]
        tokens = [await self.token(storage, user, MAGIC_LINK) for _ in range(3)]
        assert await storage.delete_user(user.id)
        assert await storage.get_user(user.id, consistent=True) is None
        assert await storage.get_user_by_email(user.email) is None
        assert await storage.get_credentials_by_email(user.email) is None
        assert await storage.get_password_hash(user.id) is None
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
        assert await storage.get_user_by_provider_and_subject(account.provider, account.subject) is None
        assert await storage.get_passkey(passkey.credential_id) is None
        assert await storage.list_oauth_accounts_for_user(user.id) == []
        assert await storage.list_passkeys_for_user(user.id) == []
        assert await storage.list_sessions_for_user(user.id) == []
        for session in sessions:
            assert await storage.get_session(session) is None
            assert await storage.get_signed_in(session) is None
        for token in tokens:
            assert await storage.check_token(token, purpose=MAGIC_LINK) is None
            assert await storage.verify_token(token, purpose=MAGIC_LINK) is None
        if "raw" in self.capabilities:
            dump = await self.dump()
            assert user.id not in {item["id"] for item in dump["users"]}
            assert user.id not in {item["user_id"] for item in dump["identities"]}

    @clause("USER-19")
    async def test_deleting_one_user_leaves_the_others(self, storage: AsyncStorage) -> None:
        """Another user keeps everything."""
        other = await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, other)
        other = await self.reread(storage, other)
        token = await self.session(storage, other)
        user = await self.user(storage)
        await storage.delete_user(user.id)
        assert await storage.get_signed_in(token) is not None
        assert await self.reread(storage, other) == other
        assert await storage.list_oauth_accounts_for_user(other.id) == [account]

    @clause("USER-20")
    async def test_what_a_deleted_user_held_is_free(self, storage: AsyncStorage) -> None:
        """A deleted user's address, account and passkey can be claimed by another user at once."""
        user = await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, user)
        passkey = await self.passkey(storage, user)
        await storage.delete_user(user.id)
        heir = await storage.create_user(NewUser(email=user.email))
        assert heir.id != user.id
        assert not heir.has_password
        linked = await storage.link_oauth_account(
            heir.id, NewOAuthAccount(provider=account.provider, subject=account.subject)
        )
        assert linked.user_id == heir.id
        again = await storage.get_passkey(passkey.credential_id)
        assert again is None
        assert await storage.get_user_by_provider_and_subject(account.provider, account.subject) is not None

    @clause("USER-26")
    async def test_no_deletion_outlives_the_session_it_was_begun_in(self, storage: AsyncStorage) -> None:
        """A deletion from before all sessions ended is refused; a new one succeeds, and the next finds no user."""
        user = await self.user(storage)
        await storage.delete_sessions_for_user(user.id)
        now = await self.reread(storage, user)
        with pytest.raises(Revoked):
            await storage.delete_user(user.id, session_epoch=user.session_epoch)
        assert await self.reread(storage, user) == now
        assert await storage.delete_user(user.id, session_epoch=now.session_epoch)
        assert not await storage.delete_user(user.id, session_epoch=now.session_epoch)

    @clause("USER-21")
    async def test_deleting_nobody_returns_false(self, storage: AsyncStorage) -> None:
        """If there is no user, or no longer, delete_user returns False, however often it is called."""
        assert await storage.delete_user(fresh("u")) is False
        user = await self.user(storage)
        assert await storage.delete_user(user.id) is True
        assert await storage.delete_user(user.id) is False
        assert await storage.delete_user(user.id) is False

    @clause("USER-22", "SESSION-2", "TOKEN-6")
    async def test_an_id_used_again_revives_nothing(self, storage: AsyncStorage) -> None:
        """A new user with the same id and address gets no old session or token, nor new ones bound to the old user.

        Repeated, because a new epoch could equal the old one once by chance.
        """
        user_id, address = fresh("u"), new_address()
        old: list[tuple[User, str, str]] = []
        for _ in range(4):
            user = await storage.create_user(NewUser(email=address, id=user_id), password_hash=new_hash())
            for earlier, session, token in old:
                assert await storage.get_session(session) is None
                assert await storage.check_token(token, purpose=MAGIC_LINK) is None
                stale = await self.session(storage, earlier)
                assert await storage.get_session(stale) is None
                bound = await storage.create_token(
                    NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=user_id), user=earlier
                )
                assert bound.token
                assert await storage.verify_token(bound.token, purpose=MAGIC_LINK) is None
            session = await self.session(storage, user)
            token = await self.token(storage, user, MAGIC_LINK)
            assert await storage.get_session(session) is not None
            assert await storage.check_token(token, purpose=MAGIC_LINK) is not None
            old.append((user, session, token))
            await storage.delete_user(user_id)

    @clause("USER-10", "USER-22")
    async def test_a_reading_is_not_of_a_later_user_of_the_same_id(self, storage: AsyncStorage) -> None:
        """An update based on a read of a deleted user does not change a new user with the same id."""
        user_id, address = fresh("u"), new_address()
        old = await storage.create_user(NewUser(email=address, id=user_id, name="old"))
        await storage.delete_user(user_id)
        anew = await storage.create_user(NewUser(email=address, id=user_id, name="new"))
        assert anew.version == old.version
        with pytest.raises(VersionConflict):
            await storage.update_user(old, name="stale")
        with pytest.raises(VersionConflict):
            await storage.update_user(old, email=new_address())
        assert await self.reread(storage, anew) == anew

    @clause("USER-22")
    async def test_refreshing_does_not_revive_a_session_of_an_id_used_again(self, storage: AsyncStorage) -> None:
        """An old session stays refused when it is refreshed after the deletion and after the re-creation."""
        user_id, address = fresh("u"), new_address()
        user = await storage.create_user(NewUser(email=address, id=user_id))
        created = await storage.create_session(NewSession(user_id=user_id, expires_at=self.later()), user=user)
        assert created.token
        await storage.delete_user(user_id)
        await storage.refresh_session(created.token, expires_at=self.later(7200))
        assert await storage.get_session(created.token) is None
        await storage.create_user(NewUser(email=address, id=user_id))
        await storage.refresh_session(created.token, expires_at=self.later(9000))
        assert await storage.get_session(created.token) is None

    # Many.

    @clause("USER-23")
    @pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 200, 250])
    async def test_a_batch_answers_in_the_order_asked(self, storage: AsyncStorage, size: int) -> None:
        """Each place in the result is that place's user or None, at any size, with duplicates and missing ones."""
        users = [await self.user(storage) for _ in range(4)]
        places = {0: 0, 1: 1, 50: 0, 98: 2, 99: 3, 100: 0, 101: 1, 199: 2, 200: 3, 249: 0}
        ids = [users[places[n]].id if n in places else fresh("missing") for n in range(size)]
        found = await storage.batch_get_users(ids)
        assert found == [users[places[n]] if n in places else None for n in range(size)]

    @clause("USER-23")
    async def test_a_batch_of_one_user_many_times(self, storage: AsyncStorage) -> None:
        """One id requested 230 times is returned 230 times; so are two ids in turn."""
        one, two = await self.user(storage), await self.user(storage)
        assert await storage.batch_get_users([one.id] * 230) == [one] * 230
        assert await storage.batch_get_users([one.id, two.id] * 60) == [one, two] * 60
        assert await storage.batch_get_users([one.id, one.id], consistent=True) == [one, one]

    @clause("USER-23")
    async def test_a_batch_of_many_different_users(self, storage: AsyncStorage) -> None:
        """130 existing users come back, in reverse order too."""
        self.needs("large")
        users = [await self.user(storage) for _ in range(130)]
        ids = [user.id for user in users]
        assert await storage.batch_get_users(ids) == users
        assert await storage.batch_get_users(list(reversed(ids))) == list(reversed(users))

    @clause("USER-23")
    async def test_a_batch_over_a_page_of_data_is_complete(self, storage: AsyncStorage) -> None:
        """100 users of 200 KB exceed one response (16 MB): none is missing."""
        self.needs("large")
        blob = b"x" * 200_000
        users = [await storage.create_user(NewUser(email=new_address(), metadata={"b": blob})) for _ in range(100)]
        found = await storage.batch_get_users([user.id for user in users])
        assert [user.id if user else None for user in found] == [user.id for user in users]

    @clause("USER-24")
    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 1000])
    async def test_pages_hold_each_user_once(self, storage: AsyncStorage, limit: int) -> None:
        """Seven users in pages of any size: no page exceeds the limit, and each user appears once with all fields."""
        if limit < 8:
            self.needs("isolated")
        users = {user.id: user for user in [await self.user(storage) for _ in range(7)]}
        seen = await self._walk(storage, limit)
        assert len(seen) == len({user.id for user in seen})
        assert {user.id: user for user in seen if user.id in users} == users

    @clause("USER-24")
    async def test_an_empty_table_is_one_empty_page(self, storage: AsyncStorage) -> None:
        """Without users, following the pages ends and returns nobody."""
        self.needs("isolated")
        assert await self._walk(storage, 10) == []

    @clause("USER-24")
    async def test_pages_outlive_deletions(self, storage: AsyncStorage) -> None:
        """Deleting users between two pages, even the one at the cursor, loses no other user."""
        self.needs("isolated")
        users = [await self.user(storage) for _ in range(12)]
        page = await storage.list_users(limit=4)
        seen = [user.id for user in page.items]
        await storage.delete_user(seen[-1])
        await storage.delete_user(seen[0])
        while page.next_cursor is not None:
            page = await storage.list_users(limit=4, cursor=page.next_cursor)
            seen += [user.id for user in page.items]
        assert len(seen) == len(set(seen))
        assert set(seen) == {user.id for user in users}

    @clause("USER-24")
    async def test_pages_over_a_megabyte_are_followed(self, storage: AsyncStorage) -> None:
        """30 users of 90 KB exceed one read (1 MB): following the cursor still returns all of them."""
        self.needs("large")
        blob = b"x" * 90_000
        made = {(await storage.create_user(NewUser(email=new_address(), metadata={"b": blob}))).id for _ in range(30)}
        seen = [user.id for user in await self._walk(storage, 1000)]
        assert len(seen) == len(set(seen))
        assert made <= set(seen)

    async def _walk(self, storage: AsyncStorage, limit: int) -> list[User]:
        page = await storage.list_users(limit=limit)
        assert len(page.items) <= limit
        seen = list(page.items)
        while page.next_cursor is not None:
            page = await storage.list_users(limit=limit, cursor=page.next_cursor)
            assert len(page.items) <= limit
            seen += page.items
        return seen
