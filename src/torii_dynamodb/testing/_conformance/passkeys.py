"""The conformance tests of :class:`~torii_dynamodb.contract.AsyncPasskeyStorage`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import get_args
from uuid import uuid4

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import (
    AlreadyExists,
    ClonedAuthenticator,
    LastSignInMethod,
    NotFound,
    Revoked,
    ValidationError,
)
from torii_dynamodb.models import CeremonyKind, NewPasskey, NewPasskeyChallenge, Passkey, User
from torii_dynamodb.testing._conformance.base import Conformance, clause, fresh, new_hash
from torii_dynamodb.testing._conformance.users import NASTY_METADATA, same
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["PasskeyConformance", "new_challenge", "new_credential_id"]


def new_credential_id(size: int = 32) -> bytes:
    """Return a credential id that nobody holds, of the given size (16 or more)."""
    return uuid4().bytes.ljust(size, b"\xff")


def new_challenge() -> bytes:
    """Return a challenge that was never used."""
    return uuid4().bytes + uuid4().bytes


class PasskeyConformance(Conformance):
    """Passkeys and challenges."""

    def new_passkey(self, user: User) -> NewPasskey:
        """Return a passkey that nobody has."""
        return NewPasskey(user_id=user.id, credential_id=new_credential_id(), public_key=b"\xa5" + uuid4().bytes)

    @clause("PASSKEY-11")
    async def test_no_passkey_outlives_the_sessions_it_was_begun_in(self, storage: AsyncStorage) -> None:
        """Begun before all sessions ended, a passkey is not added. One added before is returned as added."""
        user = await self.user(storage)
        new = self.new_passkey(user)
        await storage.delete_sessions_for_user(user.id)
        with pytest.raises(Revoked):
            await storage.add_passkey(new, session_epoch=user.session_epoch)
        assert await storage.get_passkey(new.credential_id) is None
        now = await self.reread(storage, user)
        assert now.identities == user.identities
        added = await storage.add_passkey(new, session_epoch=now.session_epoch)
        await storage.delete_sessions_for_user(user.id)
        assert await storage.add_passkey(new, session_epoch=now.session_epoch) == added

    @clause("PASSKEY-1", "PASSKEY-3")
    async def test_a_passkey_comes_back_as_added(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """All fields are as given; the passkey is created now and never used."""
        user = await self.user(storage)
        new = NewPasskey(
            user_id=user.id,
            credential_id=new_credential_id(),
            public_key=b"\x00\xff" * 100,
            sign_count=7,
            name="Zoë's Schlüssel \U0001f511",
            transports=("internal", "usb", "hybrid"),
            aaguid="ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4",
            backed_up=True,
            backup_eligible=True,
        )
        added = await storage.add_passkey(new)
        assert (added.user_id, added.credential_id, added.public_key) == (user.id, new.credential_id, new.public_key)
        assert (added.sign_count, added.name, added.transports) == (7, new.name, new.transports)
        assert (added.aaguid, added.backed_up, added.backup_eligible) == (new.aaguid, True, True)
        assert (added.created_at, added.last_used_at) == (clock(), None)
        assert await storage.get_passkey(new.credential_id) == added
        assert await storage.get_passkey(new.credential_id, consistent=True) == added
        assert len((await self.reread(storage, user)).identities) == 2

    @clause("PASSKEY-3")
    async def test_a_bare_passkey_has_the_defaults(self, storage: AsyncStorage) -> None:
        """Fields that are left out have their defaults."""
        user = await self.user(storage)
        added = await storage.add_passkey(self.new_passkey(user))
        assert (added.sign_count, added.name, added.transports, added.aaguid) == (0, "Passkey", (), None)
        assert (added.backed_up, added.backup_eligible) == (False, None)
        found = await self.until(
            lambda: storage.get_passkey(added.credential_id, consistent=False), lambda found: found is not None
        )
        assert found == added

    @clause("PASSKEY-3")
    async def test_an_unknown_passkey_is_none(self, storage: AsyncStorage) -> None:
        """An unknown id returns None; an id one byte longer, shorter or different is another passkey."""
        user = await self.user(storage)
        held = (await storage.add_passkey(self.new_passkey(user))).credential_id
        for credential_id in (new_credential_id(), held[:-1], held + b"\x00", held[:-1] + bytes([held[-1] ^ 1])):
            assert await storage.get_passkey(credential_id) is None

    @clause("PASSKEY-1", "PASSKEY-3")
    @pytest.mark.parametrize("size", [16, 64, 255, 1023])
    async def test_credential_ids_of_every_length_work(self, storage: AsyncStorage, size: int) -> None:
        """Credential ids up to WebAuthn's 1,023 bytes and public keys of 4,096 bytes work."""
        user = await self.user(storage)
        credential_id = new_credential_id(size)
        new = NewPasskey(user_id=user.id, credential_id=credential_id, public_key=b"k" * 4096)
        added = await storage.add_passkey(new)
        found = await storage.get_passkey(credential_id)
        assert found == added
        assert found is not None
        assert len(found.credential_id) == size

    @clause("PASSKEY-1")
    async def test_a_credential_id_has_one_holder(self, storage: AsyncStorage) -> None:
        """A second user cannot add it; the first one keeps it unchanged."""
        one, two = await self.user(storage), await self.user(storage)
        new = self.new_passkey(one)
        added = await storage.add_passkey(new)
        with pytest.raises(AlreadyExists) as caught:
            await storage.add_passkey(replace(new, user_id=two.id, public_key=b"other"))
        assert caught.value.what == "passkey"
        assert await storage.get_passkey(new.credential_id) == added
        assert await self.reread(storage, two) == two

    @clause("PASSKEY-1")
    async def test_adding_again_changes_nothing(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """If the holder adds it again, the passkey is returned as stored, whatever the call contains."""
        user = await self.user(storage)
        new = self.new_passkey(user)
        added = await storage.add_passkey(new)
        before = await self.reread(storage, user)
        clock.advance(60)
        assert await storage.add_passkey(replace(new, name="Other", public_key=b"other", sign_count=9)) == added
        assert await storage.get_passkey(new.credential_id) == added
        assert await self.reread(storage, user) == before

    @clause("PASSKEY-2")
    async def test_nobody_gets_no_passkey(self, storage: AsyncStorage) -> None:
        """NotFound for a user that never existed or is gone; the id stays free."""
        gone = await self.user(storage)
        await storage.delete_user(gone.id)
        for user_id in (fresh("u"), gone.id):
            new = replace(self.new_passkey(gone), user_id=user_id)
            with pytest.raises(NotFound) as caught:
                await storage.add_passkey(new)
            assert caught.value.what == "user"
            assert await storage.get_passkey(new.credential_id) is None
            assert await storage.get_user(user_id, consistent=True) is None

    @clause("PASSKEY-4")
    async def test_lists_exactly_the_users_passkeys_oldest_first(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A user's passkeys are listed in order of adding, without deleted ones, accounts and other users' passkeys."""
        user, other = await self.user(storage), await self.user(storage)
        await self.passkey(storage, other)
        await self.link(storage, user)
        added: list[Passkey] = []
        for _ in range(5):
            clock.advance(1)
            added.append(await self.passkey(storage, user))
        assert await storage.list_passkeys_for_user(user.id) == added
        assert await storage.delete_passkey(user.id, added[2].credential_id)
        assert await storage.list_passkeys_for_user(user.id) == [*added[:2], *added[3:]]
        assert await storage.list_passkeys_for_user(fresh("u")) == []

    @clause("PASSKEY-5")
    async def test_renaming_changes_the_name_only(self, storage: AsyncStorage) -> None:
        """The holder's passkey is renamed; for another user's, an unknown one or no user: None, and nothing changes."""
        user, other = await self.user(storage), await self.user(storage)
        passkey = await self.passkey(storage, user, sign_count=4)
        renamed = await storage.rename_passkey(user.id, passkey.credential_id, "Büro")
        assert renamed == replace(passkey, name="Büro")
        assert await storage.get_passkey(passkey.credential_id) == renamed
        unknown = new_credential_id()
        assert await storage.rename_passkey(other.id, passkey.credential_id, "Mine") is None
        assert await storage.rename_passkey(fresh("u"), passkey.credential_id, "Mine") is None
        assert await storage.rename_passkey(user.id, unknown, "Mine") is None
        assert await storage.get_passkey(passkey.credential_id) == renamed
        assert await storage.get_passkey(unknown) is None

    @clause("PASSKEY-6")
    @pytest.mark.parametrize(
        ("stored", "received"), [(0, 0), (0, 1), (5, 6), (5, 4_000_000_000), (2**32 - 2, 2**32 - 1)]
    )
    async def test_a_count_that_goes_up_is_stored(
        self, storage: AsyncStorage, clock: FakeClock, stored: int, received: int
    ) -> None:
        """The count and the time of use are stored; both zero means an authenticator that does not count."""
        user = await self.user(storage)
        passkey = await self.passkey(storage, user, sign_count=stored)
        clock.advance(60)
        used = await storage.update_passkey_use(user.id, passkey.credential_id, sign_count=received)
        assert used == replace(passkey, sign_count=received, last_used_at=clock())
        assert await storage.get_passkey(passkey.credential_id) == used

    @clause("PASSKEY-6")
    @pytest.mark.parametrize(("stored", "received"), [(1, 0), (5, 5), (5, 4), (5, 0), (2**32 - 1, 1), (10, 9)])
    async def test_a_count_that_does_not_go_up_is_refused(
        self, storage: AsyncStorage, clock: FakeClock, stored: int, received: int
    ) -> None:
        """ClonedAuthenticator names both counts, and nothing is written; with allow_decrease the count is stored."""
        user = await self.user(storage)
        passkey = await self.passkey(storage, user, sign_count=stored)
        clock.advance(60)
        with pytest.raises(ClonedAuthenticator) as caught:
            await storage.update_passkey_use(user.id, passkey.credential_id, sign_count=received)
        assert (caught.value.stored, caught.value.received) == (stored, received)
        assert await storage.get_passkey(passkey.credential_id) == passkey
        used = await storage.update_passkey_use(
            user.id, passkey.credential_id, sign_count=received, allow_decrease=True
        )
        assert used == replace(passkey, sign_count=received, last_used_at=clock())

    @clause("PASSKEY-12")
    async def test_the_backup_state_follows_each_use(self, storage: AsyncStorage) -> None:
        """The backup state is recorded with the count, in both directions, and left alone if not given."""
        user = await self.user(storage)
        passkey = await self.passkey(storage, user)
        for count, state in enumerate((True, False, None, True), start=1):
            before = await storage.get_passkey(passkey.credential_id, consistent=True)
            assert before is not None
            used = await storage.update_passkey_use(
                user.id, passkey.credential_id, sign_count=count, backup_eligible=True, backed_up=state
            )
            assert used is not None
            assert used.backed_up == (before.backed_up if state is None else state)
            assert (used.backup_eligible, used.sign_count) == (True, count)
            assert await storage.get_passkey(passkey.credential_id, consistent=True) == used

    @clause("PASSKEY-12")
    @pytest.mark.parametrize("recorded", [True, False])
    async def test_eligibility_for_backup_never_changes(self, storage: AsyncStorage, recorded: bool) -> None:
        """Eligibility is recorded with the first use that gives it; then a different value is refused, unwritten."""
        user = await self.user(storage)
        passkey = await self.passkey(storage, user)
        first = await storage.update_passkey_use(
            user.id, passkey.credential_id, sign_count=1, backup_eligible=recorded, backed_up=False
        )
        assert first is not None
        assert first.backup_eligible is recorded
        for allow in (False, True):
            with pytest.raises(ClonedAuthenticator):
                await storage.update_passkey_use(
                    user.id,
                    passkey.credential_id,
                    sign_count=2,
                    allow_decrease=allow,
                    backup_eligible=not recorded,
                    backed_up=False,
                )
        if not recorded:
            with pytest.raises(ClonedAuthenticator):  # a passkey that is backed up is eligible
                await storage.update_passkey_use(user.id, passkey.credential_id, sign_count=2, backed_up=True)
        assert await storage.get_passkey(passkey.credential_id, consistent=True) == first
        with pytest.raises(ValidationError):
            await storage.update_passkey_use(
                user.id, passkey.credential_id, sign_count=2, backup_eligible=False, backed_up=True
            )
        with pytest.raises(ValidationError):
            await storage.add_passkey(replace(self.new_passkey(user), backed_up=True, backup_eligible=False))
        backed_up = await storage.add_passkey(replace(self.new_passkey(user), backed_up=True))
        assert backed_up.backup_eligible is True

    @clause("PASSKEY-6")
    async def test_only_the_holders_use_is_recorded(self, storage: AsyncStorage) -> None:
        """Another user, an unknown passkey or a deleted one: None, and nothing is created."""
        user, other = await self.user(storage, password_hash=new_hash()), await self.user(storage)
        passkey = await self.passkey(storage, user)
        unknown = new_credential_id()
        for allow in (False, True):
            for user_id, credential_id in (
                (other.id, passkey.credential_id),
                (fresh("u"), passkey.credential_id),
                (user.id, unknown),
            ):
                used = await storage.update_passkey_use(user_id, credential_id, sign_count=9, allow_decrease=allow)
                assert used is None
        assert await storage.get_passkey(passkey.credential_id) == passkey
        await storage.delete_passkey(user.id, passkey.credential_id)
        assert await storage.update_passkey_use(user.id, passkey.credential_id, sign_count=9) is None
        assert await storage.get_passkey(passkey.credential_id) is None

    @clause("PASSKEY-7")
    @pytest.mark.parametrize(
        ("password", "oauth", "another", "verified", "allow"), list(product([False, True], repeat=5))
    )
    async def test_the_last_passkey_stays(
        self, storage: AsyncStorage, password: bool, oauth: bool, another: bool, verified: bool, allow: bool
    ) -> None:
        """A passkey can be removed if a password, an account, a passkey or (if allowed) a verified address is left."""
        user = await self.user(storage, password_hash=new_hash() if password else None, verified=verified)
        passkey = await self.passkey(storage, user)
        if oauth:
            await self.link(storage, user)
        if another:
            await self.passkey(storage, user)
        user = await self.reread(storage, user)
        if password or oauth or another or (verified and allow):
            assert await storage.delete_passkey(user.id, passkey.credential_id, allow_verified_email=allow) is True
            assert await storage.get_passkey(passkey.credential_id) is None
            assert len((await self.reread(storage, user)).identities) == len(user.identities) - 1
            assert await storage.delete_passkey(user.id, passkey.credential_id, allow_verified_email=allow) is False
        else:
            with pytest.raises(LastSignInMethod):
                await storage.delete_passkey(user.id, passkey.credential_id, allow_verified_email=allow)
            assert await storage.get_passkey(passkey.credential_id) == passkey
            assert await self.reread(storage, user) == user

    @clause("PASSKEY-13")
    async def test_no_removal_of_a_passkey_outlives_the_session(self, storage: AsyncStorage) -> None:
        """A removal from before all sessions ended is refused; a new one succeeds, and the next finds no passkey."""
        user = await self.user(storage, password_hash=new_hash())
        passkey = await self.passkey(storage, user)
        await storage.delete_sessions_for_user(user.id)
        now = await self.reread(storage, user)
        with pytest.raises(Revoked):
            await storage.delete_passkey(user.id, passkey.credential_id, session_epoch=user.session_epoch)
        assert await self.reread(storage, user) == now
        assert await storage.delete_passkey(user.id, passkey.credential_id, session_epoch=now.session_epoch)
        assert not await storage.delete_passkey(user.id, passkey.credential_id, session_epoch=now.session_epoch)

    @clause("PASSKEY-7")
    async def test_only_the_holders_passkey_is_deleted(self, storage: AsyncStorage) -> None:
        """Another user's passkey, an unknown one or no user: False, nothing is removed; a deleted passkey is free."""
        user, other = await self.user(storage, password_hash=new_hash()), await self.user(storage)
        new = self.new_passkey(user)
        passkey = await storage.add_passkey(new)
        assert await storage.delete_passkey(other.id, passkey.credential_id) is False
        assert await storage.delete_passkey(fresh("u"), passkey.credential_id) is False
        assert await storage.delete_passkey(user.id, new_credential_id()) is False
        assert await storage.get_passkey(passkey.credential_id) == passkey
        assert await storage.delete_passkey(user.id, passkey.credential_id) is True
        assert (await storage.add_passkey(replace(new, user_id=other.id))).user_id == other.id

    @clause("PASSKEY-8")
    @pytest.mark.parametrize(("password", "oauth", "verified", "allow"), list(product([False, True], repeat=4)))
    async def test_all_passkeys_go_or_none(
        self, storage: AsyncStorage, password: bool, oauth: bool, verified: bool, allow: bool
    ) -> None:
        """All three are removed if a password, an account or (if allowed) a verified address is left; else none is."""
        user = await self.user(storage, password_hash=new_hash() if password else None, verified=verified)
        passkeys = [await self.passkey(storage, user) for _ in range(3)]
        if oauth:
            await self.link(storage, user)
        user = await self.reread(storage, user)
        if password or oauth or (verified and allow):
            assert await storage.delete_passkeys_for_user(user.id, allow_verified_email=allow) == 3
            for passkey in passkeys:
                assert await storage.get_passkey(passkey.credential_id) is None
            assert await storage.list_passkeys_for_user(user.id) == []
            after = await self.reread(storage, user)
            assert len(after.identities) == len(user.identities) - 3
            assert after.has_password == password
            assert await storage.delete_passkeys_for_user(user.id, allow_verified_email=allow) == 0
        else:
            with pytest.raises(LastSignInMethod):
                await storage.delete_passkeys_for_user(user.id, allow_verified_email=allow)
            assert await self.reread(storage, user) == user
            assert len(await storage.list_passkeys_for_user(user.id)) == 3

    @clause("PASSKEY-8")
    async def test_without_passkeys_none_go(self, storage: AsyncStorage) -> None:
        """A user without passkeys, whatever else it has, and one that does not exist: 0."""
        user, other = await self.user(storage), await self.user(storage)
        kept = await self.passkey(storage, other)
        assert await storage.delete_passkeys_for_user(user.id) == 0
        assert await storage.delete_passkeys_for_user(fresh("u")) == 0
        assert await storage.get_passkey(kept.credential_id) == kept

    # Challenges.

    @clause("PASSKEY-9")
    async def test_a_challenge_is_not_readable(self, storage: AsyncStorage) -> None:
        """The raw tables do not show it in any usual encoding (the base class checks), nor does repr."""
        challenge = new_challenge()
        new = NewPasskeyChallenge(challenge=challenge, kind="registration", expires_at=self.later(300))
        await storage.store_passkey_challenge(new)
        assert repr(challenge) not in repr(new)
        if "raw" in self.capabilities:
            assert repr(challenge) not in repr(await self.dump())

    @clause("PASSKEY-10")
    @pytest.mark.parametrize("kind", get_args(CeremonyKind))
    async def test_a_challenge_is_used_once(self, storage: AsyncStorage, clock: FakeClock, kind: CeremonyKind) -> None:
        """The first use returns what was stored, the second None."""
        user, challenge = await self.user(storage), new_challenge()
        made = clock()
        await storage.store_passkey_challenge(
            NewPasskeyChallenge(
                challenge=challenge, kind=kind, expires_at=self.later(300), user_id=user.id, metadata=NASTY_METADATA
            )
        )
        clock.advance(10)
        found = await storage.consume_passkey_challenge(challenge, kind=kind)
        assert found is not None
        assert (found.kind, found.user_id, found.created_at) == (kind, user.id, made)
        assert found.expires_at == self.later(290)
        assert same(found.metadata, NASTY_METADATA)
        assert await storage.consume_passkey_challenge(challenge, kind=kind) is None

    @clause("PASSKEY-10")
    async def test_a_challenge_needs_no_user(self, storage: AsyncStorage) -> None:
        """A sign-in without a user name has no user; challenges of 16 and 64 bytes work."""
        for challenge in (uuid4().bytes, uuid4().bytes * 4):
            await storage.store_passkey_challenge(
                NewPasskeyChallenge(challenge=challenge, kind="authentication", expires_at=self.later(300))
            )
            found = await storage.consume_passkey_challenge(challenge, kind="authentication")
            assert found is not None
            assert (found.user_id, found.metadata) == (None, {})

    @clause("PASSKEY-10")
    @pytest.mark.parametrize(
        ("kind", "other"), [("registration", "authentication"), ("authentication", "registration")]
    )
    async def test_a_challenge_is_for_its_own_kind(
        self, storage: AsyncStorage, kind: CeremonyKind, other: CeremonyKind
    ) -> None:
        """A try for the other ceremony returns None and does not consume the challenge."""
        challenge = new_challenge()
        await storage.store_passkey_challenge(
            NewPasskeyChallenge(challenge=challenge, kind=kind, expires_at=self.later(300))
        )
        assert await storage.consume_passkey_challenge(challenge, kind=other) is None
        assert await storage.consume_passkey_challenge(challenge, kind=kind) is not None

    @clause("PASSKEY-10")
    async def test_a_challenge_is_stored_once(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A challenge is not stored over a live one, used or not: a used one never returns."""
        challenge = new_challenge()
        first = NewPasskeyChallenge(challenge=challenge, kind="registration", expires_at=self.later(60))
        await storage.store_passkey_challenge(first)
        for left in (1, 0):
            with pytest.raises(AlreadyExists) as refused:
                await storage.store_passkey_challenge(replace(first, expires_at=self.later(120)))
            assert refused.value.what == "challenge"
            found = await storage.consume_passkey_challenge(challenge, kind="registration")
            assert (found is not None) == bool(left)
        clock.advance(60)
        await storage.store_passkey_challenge(replace(first, expires_at=self.later(60)))
        assert await storage.consume_passkey_challenge(challenge, kind="registration") is not None

    @clause("PASSKEY-10")
    async def test_a_challenge_expires(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Valid until a microsecond before expires_at, refused from then on; an unknown one is None."""
        good, late = new_challenge(), new_challenge()
        for challenge in (good, late):
            await storage.store_passkey_challenge(
                NewPasskeyChallenge(challenge=challenge, kind="registration", expires_at=self.later(300))
            )
        clock.advance(self.later(300) - clock() - timedelta(microseconds=1))
        assert await storage.consume_passkey_challenge(good, kind="registration") is not None
        clock.advance(timedelta(microseconds=1))
        assert await storage.consume_passkey_challenge(late, kind="registration") is None
        assert await storage.consume_passkey_challenge(new_challenge(), kind="registration") is None
