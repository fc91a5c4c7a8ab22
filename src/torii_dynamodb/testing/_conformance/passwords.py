"""The conformance tests of :class:`~torii_dynamodb.contract.AsyncEmailPasswordStorage`."""

from __future__ import annotations

from itertools import product

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import AlreadyExists, LastSignInMethod, NotFound, Revoked, VersionConflict
from torii_dynamodb.models import EMAIL_VERIFICATION, MAGIC_LINK, PASSWORD_RESET, NewToken, User
from torii_dynamodb.testing._conformance.base import (
    Call,
    Conformance,
    clause,
    fresh,
    new_address,
    new_hash,
    retarget,
)
from torii_dynamodb.testing._conformance.sessions import garbage_tokens
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["PasswordConformance"]


class PasswordConformance(Conformance):
    """Password hashes."""

    @clause("PASSWORD-1", "PASSWORD-5")
    async def test_a_password_is_set_and_replaced(self, storage: AsyncStorage) -> None:
        """After set_password_hash has returned, the new hash is the only one: the first time and the second."""
        user = await self.user(storage)
        versions = {user.password_version}
        for digest in (new_hash(), new_hash(), new_hash()):
            changed = await storage.set_password_hash(user.id, digest)
            assert changed.has_password
            assert changed.password_version not in versions
            versions.add(changed.password_version)
            assert await self.reread(storage, user) == changed
            assert await storage.get_password_hash(user.id) == digest
            credentials = await storage.get_credentials_by_email(user.email)
            assert credentials is not None
            assert credentials.password_hash == digest
            assert credentials.password_version == changed.password_version

    @clause("PASSWORD-1")
    async def test_a_new_password_ends_all_sessions(self, storage: AsyncStorage) -> None:
        """Older sessions are refused; one bound to the returned user is valid, one bound to the earlier user is not."""
        user = await self.user(storage, password_hash=new_hash())
        old = [await self.session(storage, user) for _ in range(3)]
        changed = await storage.set_password_hash(user.id, new_hash())
        assert changed.session_epoch != user.session_epoch
        for token in old:
            assert await storage.get_session(token) is None
        assert await storage.get_session(await self.session(storage, changed)) is not None
        assert await storage.get_session(await self.session(storage, user)) is None

    @clause("PASSWORD-1")
    async def test_a_user_at_hand_may_be_stale(self, storage: AsyncStorage) -> None:
        """Giving the user saves a read; a stale one is read again, and none of its old values return."""
        user = await self.user(storage)
        first = await storage.set_password_hash(user.id, new_hash(), user=user)
        moved = await storage.update_user(first, email=new_address(), name="Moved")
        digest = new_hash()
        changed = await storage.set_password_hash(user.id, digest, user=user)
        assert (changed.email, changed.name) == (moved.email, "Moved")
        assert await storage.get_password_hash(user.id) == digest
        assert await storage.get_user_by_email(user.email) is None
        credentials = await storage.get_credentials_by_email(moved.email)
        assert credentials is not None
        assert credentials.password_hash == digest

    @clause("PASSWORD-2")
    async def test_the_version_verified_is_the_condition(self, storage: AsyncStorage) -> None:
        """With the current password_version the password changes; with any other, VersionConflict and no change."""
        user = await self.user(storage)
        digest = new_hash()
        with pytest.raises(VersionConflict):
            await storage.set_password_hash(user.id, new_hash(), expected_version="other")
        first = await storage.set_password_hash(user.id, digest, expected_version=None)
        token = await self.session(storage, first)
        for wrong in (None, "other", f"{first.password_version}x"):
            with pytest.raises(VersionConflict):
                await storage.set_password_hash(user.id, new_hash(), expected_version=wrong)
        assert await storage.get_password_hash(user.id) == digest
        assert await storage.get_session(token) is not None
        second = await storage.set_password_hash(user.id, new_hash(), expected_version=first.password_version)
        with pytest.raises(VersionConflict):
            await storage.set_password_hash(user.id, new_hash(), expected_version=first.password_version)
        assert await self.reread(storage, user) == second

    @clause("PASSWORD-2")
    async def test_the_condition_holds_with_a_stale_user_at_hand(self, storage: AsyncStorage) -> None:
        """A user read before the change does not make an outdated expected_version pass."""
        user = await self.user(storage, password_hash=new_hash())
        digest = new_hash()
        await storage.set_password_hash(user.id, digest)
        with pytest.raises(VersionConflict):
            await storage.set_password_hash(user.id, new_hash(), expected_version=user.password_version, user=user)
        assert await storage.get_password_hash(user.id) == digest

    @clause("PASSWORD-11")
    @pytest.mark.parametrize("first", [True, False], ids=["first", "changed"])
    async def test_no_password_outlives_the_session_it_was_begun_in(self, storage: AsyncStorage, first: bool) -> None:
        """A first password or a change from before all sessions ended is refused, also with the user given."""
        user = await self.user(storage, password_hash=None if first else new_hash())
        before = await storage.get_password_hash(user.id)
        await storage.delete_sessions_for_user(user.id)
        now = await self.reread(storage, user)
        for at_hand in (None, user, now):
            with pytest.raises(Revoked):
                await storage.set_password_hash(
                    user.id,
                    new_hash(),
                    expected_version=user.password_version,
                    user=at_hand,
                    session_epoch=user.session_epoch,
                )
        assert await self.reread(storage, user) == now
        assert await storage.get_password_hash(user.id) == before
        changed = await storage.set_password_hash(user.id, new_hash(), session_epoch=now.session_epoch)
        assert changed.has_password

    @clause("PASSWORD-3")
    async def test_a_password_for_nobody_creates_nobody(self, storage: AsyncStorage) -> None:
        """NotFound for a user that never existed and for one that is gone; no row is created."""
        user = await self.user(storage, password_hash=new_hash())
        await storage.delete_user(user.id)
        for user_id in (user.id, fresh("u")):
            with pytest.raises(NotFound) as caught:
                await storage.set_password_hash(user_id, new_hash())
            assert caught.value.what == "user"
            with pytest.raises(NotFound):
                await storage.remove_password_hash(user_id)
            assert await storage.get_user(user_id, consistent=True) is None
        with pytest.raises(NotFound):
            await storage.set_password_hash(user.id, new_hash(), user=user)
        assert await storage.get_credentials_by_email(user.email) is None
        assert await storage.get_password_hash(user.id) is None

    @clause("PASSWORD-4")
    async def test_a_rehash_ends_nothing(self, storage: AsyncStorage) -> None:
        """A stronger hash of the same password replaces the old one; sessions and the password's version stay."""
        old, new = new_hash(), new_hash()
        user = await self.user(storage, password_hash=old)
        token = await self.session(storage, user)
        assert await storage.rehash_password(user.id, email=user.email.upper(), old_hash=old, new_hash=new) is True
        assert await storage.get_password_hash(user.id) == new
        after = await self.reread(storage, user)
        assert (after.session_epoch, after.password_version) == (user.session_epoch, user.password_version)
        assert await storage.get_session(token) is not None

    @clause("PASSWORD-4")
    async def test_a_rehash_overwrites_its_own_old_hash_only(self, storage: AsyncStorage) -> None:
        """Another stored hash, no password, another address or another user: False, and nothing changes."""
        old, current = new_hash(), new_hash()
        user = await self.user(storage, password_hash=old)
        await storage.set_password_hash(user.id, current)
        bare, other = await self.user(storage), await self.user(storage, password_hash=old)
        attempts = [
            (user.id, user.email, old),
            (bare.id, bare.email, old),
            (user.id, other.email, old),
            (other.id, user.email, current),
            (user.id, new_address(), current),
            (fresh("u"), user.email, current),
            (fresh("u"), new_address(), old),
        ]
        for user_id, email, digest in attempts:
            replaced = await storage.rehash_password(user_id, email=email, old_hash=digest, new_hash=new_hash())
            assert replaced is False, (user_id, email)
        assert await storage.get_password_hash(user.id) == current
        assert await storage.get_password_hash(other.id) == old
        assert await storage.get_password_hash(bare.id) is None

    @clause("PASSWORD-4")
    async def test_a_rehash_does_not_bring_a_removed_password_back(self, storage: AsyncStorage) -> None:
        """After the password was removed or the user deleted, a late re-hash changes nothing."""
        old = new_hash()
        user = await self.user(storage, password_hash=old)
        await self.link(storage, user)
        await storage.remove_password_hash(user.id)
        assert not await storage.rehash_password(user.id, email=user.email, old_hash=old, new_hash=new_hash())
        assert await storage.get_password_hash(user.id) is None
        await storage.delete_user(user.id)
        assert not await storage.rehash_password(user.id, email=user.email, old_hash=old, new_hash=new_hash())
        assert await storage.get_credentials_by_email(user.email) is None

    @clause("PASSWORD-5", "PASSWORD-6")
    async def test_without_a_password_there_is_none(self, storage: AsyncStorage) -> None:
        """No user returns None; a user without a password has no hash, and credentials with both fields None."""
        user = await self.user(storage)
        assert await storage.get_password_hash(user.id) is None
        assert await storage.get_password_hash(fresh("u")) is None
        assert await storage.get_credentials_by_email(new_address()) is None
        credentials = await storage.get_credentials_by_email(user.email)
        assert credentials is not None
        assert (credentials.user_id, credentials.email) == (user.id, user.email)
        assert credentials.password_hash is None
        assert credentials.password_version is None

    @clause("PASSWORD-6")
    async def test_credentials_are_found_by_any_spelling(self, storage: AsyncStorage) -> None:
        """Case and white space do not matter; repr shows no hash."""
        digest = new_hash()
        user = await self.user(storage, password_hash=digest)
        credentials = await storage.get_credentials_by_email(f"\t{user.email.upper()} ")
        assert credentials is not None
        assert credentials.password_hash == digest
        assert digest not in repr(credentials)
        assert digest not in repr(await self.reread(storage, user))

    @clause("PASSWORD-7", "PASSWORD-8")
    @pytest.mark.parametrize(("oauth", "passkey", "verified", "allow"), list(product([False, True], repeat=4)))
    async def test_the_last_password_stays(
        self, storage: AsyncStorage, oauth: bool, passkey: bool, verified: bool, allow: bool
    ) -> None:
        """The password can be removed if an account, a passkey or (if allowed) a verified address is left."""
        digest = new_hash()
        user = await self.user(storage, password_hash=digest, verified=verified)
        if oauth:
            await self.link(storage, user)
        if passkey:
            await self.passkey(storage, user)
        user = await self.reread(storage, user)
        token = await self.session(storage, user)
        if oauth or passkey or (verified and allow):
            assert await storage.remove_password_hash(user.id, allow_verified_email=allow) is True
            after = await self.reread(storage, user)
            assert not after.has_password
            assert after.identities == user.identities
            assert await storage.get_password_hash(user.id) is None
            credentials = await storage.get_credentials_by_email(user.email)
            assert credentials is not None
            assert credentials.password_hash is None
            assert await storage.get_session(token) is None
            assert await storage.get_session(await self.session(storage, user)) is None
            assert await storage.get_session(await self.session(storage, after)) is not None
            assert await storage.remove_password_hash(user.id, allow_verified_email=allow) is False
        else:
            with pytest.raises(LastSignInMethod):
                await storage.remove_password_hash(user.id, allow_verified_email=allow)
            assert await self.reread(storage, user) == user
            assert await storage.get_password_hash(user.id) == digest
            assert await storage.get_session(token) is not None

    @clause("PASSWORD-7")
    async def test_removing_no_password_changes_nothing(self, storage: AsyncStorage) -> None:
        """For a user without a password the result is False, and the sessions stay."""
        user = await self.user(storage)
        await self.link(storage, user)
        user = await self.reread(storage, user)
        token = await self.session(storage, user)
        assert await storage.remove_password_hash(user.id) is False
        assert await storage.get_session(token) is not None
        assert await self.reread(storage, user) == user

    @clause("PASSWORD-17")
    async def test_no_removal_of_the_password_outlives_the_session(self, storage: AsyncStorage) -> None:
        """A removal from before the owner changed the password is refused; a new one succeeds."""
        user = await self.user(storage, password_hash=new_hash())
        await self.link(storage, user)
        before = await self.reread(storage, user)
        changed = await storage.set_password_hash(user.id, new_hash())
        with pytest.raises(Revoked):
            await storage.remove_password_hash(user.id, session_epoch=before.session_epoch)
        assert await self.reread(storage, user) == changed
        assert await storage.remove_password_hash(user.id, session_epoch=changed.session_epoch)

    @clause("PASSWORD-8")
    async def test_a_removed_password_is_not_stored(self, storage: AsyncStorage) -> None:
        """No table contains the hash after its removal."""
        digest = new_hash()
        user = await self.user(storage, password_hash=digest)
        await self.passkey(storage, user)
        await storage.remove_password_hash(user.id)
        assert digest not in repr(await self.dump())

    # Resetting.

    @clause("PASSWORD-9", "TOKEN-6")
    async def test_a_reset_changes_the_password_once(self, storage: AsyncStorage) -> None:
        """The token is used, the password set, sessions and all other tokens end; a second try changes nothing."""
        user = await self.user(storage, password_hash=new_hash(), verified=True)
        session = await self.session(storage, user)
        reset, second = [await self.token(storage, user, PASSWORD_RESET) for _ in range(2)]
        link = await self.token(storage, user, MAGIC_LINK)
        digest = new_hash()
        after = await storage.complete_password_reset(reset, digest)
        assert after is not None
        assert after.id == user.id
        assert await self.reread(storage, user) == after
        assert await storage.get_password_hash(user.id) == digest
        assert await storage.get_session(session) is None
        assert await storage.get_session(await self.session(storage, user)) is None
        assert await storage.get_session(await self.session(storage, after)) is not None
        assert await storage.complete_password_reset(reset, new_hash()) is None
        assert await storage.complete_password_reset(second, new_hash()) is None
        assert await storage.check_token(reset, purpose=PASSWORD_RESET) is None
        assert await storage.verify_token(second, purpose=PASSWORD_RESET) is None
        assert await storage.verify_token(link, purpose=MAGIC_LINK) is None
        assert await storage.get_password_hash(user.id) == digest

    @clause("PASSWORD-9")
    async def test_a_reset_gives_a_first_password(self, storage: AsyncStorage) -> None:
        """A user without a password gets one."""
        user = await self.user(storage)
        reset = await self.token(storage, user, PASSWORD_RESET)
        digest = new_hash()
        after = await storage.complete_password_reset(reset, digest)
        assert after is not None
        assert after.has_password
        assert await storage.get_password_hash(user.id) == digest

    @clause("PASSWORD-9")
    async def test_a_reset_proves_the_address(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """The first proof verifies the address and removes accounts and passkeys set up before it."""
        user = await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, user)
        passkey = await self.passkey(storage, user)
        reset = await self.token(storage, user, PASSWORD_RESET)
        clock.advance(60)
        after = await storage.complete_password_reset(reset, new_hash())
        assert after is not None
        assert after.email_verified_at == clock()
        assert len(after.identities) == 1
        assert await self.reread(storage, user) == after
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
        assert await storage.get_passkey(passkey.credential_id) is None

    @clause("PASSWORD-9")
    async def test_a_later_reset_keeps_accounts_and_passkeys(self, storage: AsyncStorage) -> None:
        """For a user with a verified address, a reset changes only the password."""
        user = await self.user(storage, password_hash=new_hash(), verified=True)
        account = await self.link(storage, user)
        passkey = await self.passkey(storage, user)
        reset = await self.token(storage, user, PASSWORD_RESET)
        after = await storage.complete_password_reset(reset, new_hash())
        assert after is not None
        assert after.email_verified_at == user.email_verified_at
        assert await storage.list_oauth_accounts_for_user(user.id) == [account]
        assert await storage.list_passkeys_for_user(user.id) == [passkey]

    @clause("PASSWORD-9")
    async def test_a_token_that_does_not_hold_resets_nothing(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Garbage and tokens that are expired, of another purpose, or of another or no user return None."""
        digest = new_hash()
        user, other = await self.user(storage, password_hash=digest), await self.user(storage)
        reset = await self.token(storage, user, PASSWORD_RESET, seconds=60)
        link = await self.token(storage, user, MAGIC_LINK)
        nobody = await storage.create_token(NewToken(purpose=PASSWORD_RESET, expires_at=self.later(), email=user.email))
        assert nobody.token
        session = await self.session(storage, user)
        for text in [*garbage_tokens(reset), link, nobody.token, session, retarget(reset, other.id)]:
            assert await storage.complete_password_reset(text, new_hash()) is None, text[:80]
        assert await storage.check_token(link, purpose=MAGIC_LINK) is not None
        assert await storage.check_token(reset, purpose=PASSWORD_RESET) is not None
        clock.advance(self.later(60) - clock())
        assert await storage.complete_password_reset(reset, new_hash()) is None
        assert await storage.get_password_hash(user.id) == digest
        assert await storage.get_password_hash(other.id) is None

    @clause("PASSWORD-9")
    async def test_a_token_used_otherwise_resets_nothing(self, storage: AsyncStorage) -> None:
        """A reset token consumed by verify_token cannot be used again."""
        user = await self.user(storage, password_hash=(digest := new_hash()))
        reset = await self.token(storage, user, PASSWORD_RESET)
        assert await storage.verify_token(reset, purpose=PASSWORD_RESET) is not None
        assert await storage.complete_password_reset(reset, new_hash()) is None
        assert await storage.get_password_hash(user.id) == digest

    @clause("PASSWORD-10")
    @pytest.mark.parametrize("change", ["address", "password", "sessions", "removal", "lock", "deletion", "reset"])
    async def test_a_reset_dies_with_what_it_was_issued_for(self, storage: AsyncStorage, change: str) -> None:
        """If address, password, session epoch or user changed since the issue, the token is refused."""
        user = await self.user(storage, password_hash=new_hash(), verified=True)
        await self.link(storage, user)
        user = await self.reread(storage, user)
        reset, other = [await self.token(storage, user, PASSWORD_RESET) for _ in range(2)]
        changes: dict[str, Call[object]] = {
            "address": lambda: storage.update_user(user, email=new_address()),
            "password": lambda: storage.set_password_hash(user.id, new_hash()),
            "sessions": lambda: storage.delete_sessions_for_user(user.id),
            "removal": lambda: storage.remove_password_hash(user.id),
            "lock": lambda: storage.set_locked_at(user.id, self.now()),
            "deletion": lambda: storage.delete_user(user.id),
            "reset": lambda: storage.complete_password_reset(other, new_hash()),
        }
        await changes[change]()
        before = await storage.get_password_hash(user.id)
        assert await storage.complete_password_reset(reset, new_hash()) is None
        assert await storage.get_password_hash(user.id) == before
        if change == "deletion":
            assert await storage.get_user(user.id, consistent=True) is None

    # Proving an address by a link.

    async def set_up(self, storage: AsyncStorage, *, verified: bool = False) -> User:
        """Create a user with a password, an account and a passkey; return it as stored."""
        user = await self.user(storage, password_hash=new_hash(), verified=verified)
        await self.link(storage, user)
        await self.passkey(storage, user)
        return await self.reread(storage, user)

    async def is_bare(self, storage: AsyncStorage, user: User) -> bool:
        """Return whether nothing is left to sign in with."""
        now = await self.reread(storage, user)
        left = [*await storage.list_oauth_accounts_for_user(user.id), *await storage.list_passkeys_for_user(user.id)]
        sessions = await storage.list_sessions_for_user(user.id)
        return not (left or sessions or now.has_password or await storage.get_password_hash(user.id))

    @clause("PASSWORD-12", "PASSWORD-13", "PASSWORD-15")
    @pytest.mark.parametrize("moves", [False, True], ids=["own address", "another"])
    @pytest.mark.parametrize("keep", [False, True], ids=["removes", "keeps"])
    async def test_the_first_proof_by_a_link(
        self, storage: AsyncStorage, clock: FakeClock, moves: bool, keep: bool
    ) -> None:
        """The address is verified and the token used; what was set up before is removed, or kept with keep."""
        user = await self.set_up(storage, verified=moves)
        digest = await storage.get_password_hash(user.id)
        session = await self.session(storage, user)
        link, other = [await self.token(storage, user, EMAIL_VERIFICATION) for _ in range(2)]
        target = new_address().upper() if moves else None
        clock.advance(60)
        after = await storage.complete_email_proof(link, new_email=target, keep=keep)
        assert after is not None
        assert after == await self.reread(storage, user)
        assert (after.id, after.email_verified_at, after.version) == (user.id, clock(), user.version + 1)
        assert after.email == (user.email if target is None else target.lower())
        assert after.email_as_given == (user.email_as_given if target is None else target)
        assert await storage.get_user_by_email(after.email) == after
        assert (await storage.get_user_by_email(user.email) is None) == moves
        if keep:
            assert await storage.get_password_hash(user.id) == digest
            assert len(after.identities) == 3
            assert await storage.get_session(session) is not None
        else:
            assert await self.is_bare(storage, user)
            assert await storage.get_session(session) is None
        for text in (link, other):
            found = await storage.check_token(text, purpose=EMAIL_VERIFICATION)
            assert (found is not None) == (keep and not moves and text == other)
        assert await storage.complete_email_proof(link) is None
        assert await self.reread(storage, user) == after

    @clause("PASSWORD-16")
    @pytest.mark.parametrize("moves", [False, True], ids=["own address", "another"])
    async def test_a_proof_sets_a_new_password(self, storage: AsyncStorage, moves: bool) -> None:
        """The new password is the only one, and everything set up before is removed."""
        user = await self.set_up(storage)
        link, digest = await self.token(storage, user, "mine"), new_hash()
        target = new_address() if moves else None
        after = await storage.complete_email_proof(link, purpose="mine", new_email=target, password_hash=digest)
        assert after is not None
        assert after == await self.reread(storage, user)
        assert (after.has_password, len(after.identities)) == (True, 1)
        assert await storage.get_password_hash(user.id) == digest
        assert await storage.list_oauth_accounts_for_user(user.id) == []
        assert await storage.get_session(await self.session(storage, user)) is None
        assert await storage.get_session(await self.session(storage, after)) is not None

    @clause("PASSWORD-13", "PASSWORD-16")
    async def test_a_later_proof_by_a_link_changes_nothing(self, storage: AsyncStorage) -> None:
        """If already proved, nothing is removed, with keep or not; the token is used; a new password is refused."""
        user = await self.set_up(storage, verified=True)
        for keep in (True, False):
            link = await self.token(storage, user, EMAIL_VERIFICATION)
            assert await storage.complete_email_proof(link, password_hash=new_hash()) is None
            assert await storage.complete_email_proof(link, keep=keep) == user
            assert await storage.complete_email_proof(link, keep=keep) is None
        assert await self.reread(storage, user) == user

    @clause("PASSWORD-15", "PASSWORD-12")
    @pytest.mark.parametrize("keep", [False, True], ids=["removes", "keeps"])
    async def test_a_proof_of_a_taken_address_changes_nothing(self, storage: AsyncStorage, keep: bool) -> None:
        """If another user holds the address by now: AlreadyExists, nothing is removed, and the token stays valid."""
        user, other = await self.set_up(storage), await self.user(storage)
        link = await self.token(storage, user, EMAIL_VERIFICATION)
        with pytest.raises(AlreadyExists) as caught:
            await storage.complete_email_proof(link, new_email=other.email, keep=keep)
        assert caught.value.what == "email"
        assert await self.reread(storage, user) == user
        assert await self.reread(storage, other) == other
        assert await storage.check_token(link, purpose=EMAIL_VERIFICATION) is not None

    @clause("PASSWORD-12")
    async def test_a_token_that_does_not_hold_proves_nothing(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Garbage and tokens that are expired, of another purpose, or of another or no user return None."""
        user, other = await self.user(storage), await self.user(storage)
        link = await self.token(storage, user, EMAIL_VERIFICATION, seconds=60)
        reset = await self.token(storage, user, PASSWORD_RESET)
        new = NewToken(purpose=EMAIL_VERIFICATION, expires_at=self.later(), email=user.email)
        nobody = await storage.create_token(new)
        assert nobody.token
        for text in [*garbage_tokens(link), reset, nobody.token, retarget(link, other.id)]:
            assert await storage.complete_email_proof(text, keep=True) is None, text[:80]
        clock.advance(self.later(60) - clock())
        assert await storage.complete_email_proof(link, keep=True) is None
        assert await self.reread(storage, user) == user
        assert await self.reread(storage, other) == other

    @clause("PASSWORD-14")
    @pytest.mark.parametrize("change", ["address", "password", "sessions", "lock", "deletion", "proof"])
    async def test_a_proof_dies_with_what_it_was_issued_for(self, storage: AsyncStorage, change: str) -> None:
        """If address, password, session epoch or user changed since the issue, the token is refused, keep or not."""
        user = await self.set_up(storage)
        link, other = [await self.token(storage, user, EMAIL_VERIFICATION) for _ in range(2)]
        changes: dict[str, Call[object]] = {
            "address": lambda: storage.update_user(user, email=new_address()),
            "password": lambda: storage.set_password_hash(user.id, new_hash()),
            "sessions": lambda: storage.delete_sessions_for_user(user.id),
            "lock": lambda: storage.set_locked_at(user.id, self.now()),
            "deletion": lambda: storage.delete_user(user.id),
            "proof": lambda: storage.complete_email_proof(other),
        }
        await changes[change]()
        before = await storage.get_user(user.id, consistent=True)
        for keep in (True, False):
            assert await storage.complete_email_proof(link, keep=keep) is None
            assert await storage.complete_email_proof(link, new_email=new_address(), keep=keep) is None
        assert await storage.get_user(user.id, consistent=True) == before
