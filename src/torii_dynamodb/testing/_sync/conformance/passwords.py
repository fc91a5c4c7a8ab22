# Generated from src/torii_dynamodb/testing/_async/conformance/passwords.py by tools/unasync.py. Do not edit.

"""The conformance tests of :class:`~torii_dynamodb._sync.contract.EmailPasswordStorage`."""

from __future__ import annotations

from itertools import product

import pytest

from torii_dynamodb._sync.contract import Storage
from torii_dynamodb.errors import AlreadyExists, LastSignInMethod, NotFound, Revoked, VersionConflict
from torii_dynamodb.models import EMAIL_VERIFICATION, MAGIC_LINK, PASSWORD_RESET, NewToken, User
from torii_dynamodb.testing._sync.conformance.primitives import Call
from torii_dynamodb.testing._sync.conformance.sessions import garbage_tokens
from torii_dynamodb.testing._sync.conformance.support import (
    Conformance,
    clause,
    fresh,
    new_address,
    new_hash,
    retarget,
)
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["PasswordConformance"]


class PasswordConformance(Conformance):
    """Password hashes."""

    @clause("PASSWORD-1", "PASSWORD-5")
    def test_a_password_is_set_and_replaced(self, storage: Storage) -> None:
        """The first and the second password are each the only one when set_password_hash has returned."""
        user = self.user(storage)
        versions = {user.password_version}
        for digest in (new_hash(), new_hash(), new_hash()):
            changed = storage.set_password_hash(user.id, digest)
            assert changed.has_password
            assert changed.password_version not in versions
            versions.add(changed.password_version)
            assert self.reread(storage, user) == changed
            assert storage.get_password_hash(user.id) == digest
            credentials = storage.get_credentials_by_email(user.email)
            assert credentials is not None
            assert credentials.password_hash == digest
            assert credentials.password_version == changed.password_version

    @clause("PASSWORD-1")
    def test_a_new_password_ends_all_sessions(self, storage: Storage) -> None:
        """Older sessions are refused; one bound to the user returned passes, one bound to the user before does not."""
        user = self.user(storage, password_hash=new_hash())
        old = [self.session(storage, user) for _ in range(3)]
        changed = storage.set_password_hash(user.id, new_hash())
        assert changed.session_epoch != user.session_epoch
        for token in old:
            assert storage.get_session(token) is None
        assert storage.get_session(self.session(storage, changed)) is not None
        assert storage.get_session(self.session(storage, user)) is None

    @clause("PASSWORD-1")
    def test_a_user_at_hand_may_be_stale(self, storage: Storage) -> None:
        """Handed in, the user saves a read; a stale one is read again, and nothing of it comes back."""
        user = self.user(storage)
        first = storage.set_password_hash(user.id, new_hash(), user=user)
        moved = storage.update_user(first, email=new_address(), name="Moved")
        digest = new_hash()
        changed = storage.set_password_hash(user.id, digest, user=user)
        assert (changed.email, changed.name) == (moved.email, "Moved")
        assert storage.get_password_hash(user.id) == digest
        assert storage.get_user_by_email(user.email) is None
        credentials = storage.get_credentials_by_email(moved.email)
        assert credentials is not None
        assert credentials.password_hash == digest

    @clause("PASSWORD-2")
    def test_the_version_verified_is_the_condition(self, storage: Storage) -> None:
        """With the current password_version the password changes; with any other, VersionConflict and nothing does."""
        user = self.user(storage)
        digest = new_hash()
        with pytest.raises(VersionConflict):
            storage.set_password_hash(user.id, new_hash(), expected_version="other")
        first = storage.set_password_hash(user.id, digest, expected_version=None)
        token = self.session(storage, first)
        for wrong in (None, "other", f"{first.password_version}x"):
            with pytest.raises(VersionConflict):
                storage.set_password_hash(user.id, new_hash(), expected_version=wrong)
        assert storage.get_password_hash(user.id) == digest
        assert storage.get_session(token) is not None
        second = storage.set_password_hash(user.id, new_hash(), expected_version=first.password_version)
        with pytest.raises(VersionConflict):
            storage.set_password_hash(user.id, new_hash(), expected_version=first.password_version)
        assert self.reread(storage, user) == second

    @clause("PASSWORD-2")
    def test_the_condition_holds_with_a_stale_user_at_hand(self, storage: Storage) -> None:
        """A user read before the change does not help an outdated expected_version through."""
        user = self.user(storage, password_hash=new_hash())
        digest = new_hash()
        storage.set_password_hash(user.id, digest)
        with pytest.raises(VersionConflict):
            storage.set_password_hash(user.id, new_hash(), expected_version=user.password_version, user=user)
        assert storage.get_password_hash(user.id) == digest

    @clause("PASSWORD-11")
    @pytest.mark.parametrize("first", [True, False], ids=["first", "changed"])
    def test_no_password_outlives_the_session_it_was_begun_in(self, storage: Storage, first: bool) -> None:
        """Begun, then all sessions ended: a first password and a changed one are refused, with a user at hand too."""
        user = self.user(storage, password_hash=None if first else new_hash())
        before = storage.get_password_hash(user.id)
        storage.delete_sessions_for_user(user.id)
        now = self.reread(storage, user)
        for at_hand in (None, user, now):
            with pytest.raises(Revoked):
                storage.set_password_hash(
                    user.id,
                    new_hash(),
                    expected_version=user.password_version,
                    user=at_hand,
                    session_epoch=user.session_epoch,
                )
        assert self.reread(storage, user) == now
        assert storage.get_password_hash(user.id) == before
        changed = storage.set_password_hash(user.id, new_hash(), session_epoch=now.session_epoch)
        assert changed.has_password

    @clause("PASSWORD-3")
    def test_a_password_for_nobody_creates_nobody(self, storage: Storage) -> None:
        """NotFound for a user that never was and for one that is gone; no row comes into being."""
        user = self.user(storage, password_hash=new_hash())
        storage.delete_user(user.id)
        for user_id in (user.id, fresh("u")):
            with pytest.raises(NotFound) as caught:
                storage.set_password_hash(user_id, new_hash())
            assert caught.value.what == "user"
            with pytest.raises(NotFound):
                storage.remove_password_hash(user_id)
            assert storage.get_user(user_id, consistent=True) is None
        with pytest.raises(NotFound):
            storage.set_password_hash(user.id, new_hash(), user=user)
        assert storage.get_credentials_by_email(user.email) is None
        assert storage.get_password_hash(user.id) is None

    @clause("PASSWORD-4")
    def test_a_rehash_ends_nothing(self, storage: Storage) -> None:
        """A stronger hash of the same password replaces the old one; sessions and the password's version stay."""
        old, new = new_hash(), new_hash()
        user = self.user(storage, password_hash=old)
        token = self.session(storage, user)
        assert storage.rehash_password(user.id, email=user.email.upper(), old_hash=old, new_hash=new) is True
        assert storage.get_password_hash(user.id) == new
        after = self.reread(storage, user)
        assert (after.session_epoch, after.password_version) == (user.session_epoch, user.password_version)
        assert storage.get_session(token) is not None

    @clause("PASSWORD-4")
    def test_a_rehash_overwrites_its_own_old_hash_only(self, storage: Storage) -> None:
        """Another stored hash, no password, another address, another user or nobody: False, and nothing changes."""
        old, current = new_hash(), new_hash()
        user = self.user(storage, password_hash=old)
        storage.set_password_hash(user.id, current)
        bare, other = self.user(storage), self.user(storage, password_hash=old)
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
            replaced = storage.rehash_password(user_id, email=email, old_hash=digest, new_hash=new_hash())
            assert replaced is False, (user_id, email)
        assert storage.get_password_hash(user.id) == current
        assert storage.get_password_hash(other.id) == old
        assert storage.get_password_hash(bare.id) is None

    @clause("PASSWORD-4")
    def test_a_rehash_does_not_bring_a_removed_password_back(self, storage: Storage) -> None:
        """After the password was removed, or the user deleted, a late re-hash changes nothing."""
        old = new_hash()
        user = self.user(storage, password_hash=old)
        self.link(storage, user)
        storage.remove_password_hash(user.id)
        assert not storage.rehash_password(user.id, email=user.email, old_hash=old, new_hash=new_hash())
        assert storage.get_password_hash(user.id) is None
        storage.delete_user(user.id)
        assert not storage.rehash_password(user.id, email=user.email, old_hash=old, new_hash=new_hash())
        assert storage.get_credentials_by_email(user.email) is None

    @clause("PASSWORD-5", "PASSWORD-6")
    def test_without_a_password_there_is_none(self, storage: Storage) -> None:
        """No user: None and None; a user without a password: no hash, and credentials with both fields None."""
        user = self.user(storage)
        assert storage.get_password_hash(user.id) is None
        assert storage.get_password_hash(fresh("u")) is None
        assert storage.get_credentials_by_email(new_address()) is None
        credentials = storage.get_credentials_by_email(user.email)
        assert credentials is not None
        assert (credentials.user_id, credentials.email) == (user.id, user.email)
        assert credentials.password_hash is None
        assert credentials.password_version is None

    @clause("PASSWORD-6")
    def test_credentials_are_found_by_any_spelling(self, storage: Storage) -> None:
        """Case and white space do not matter; repr shows no hash."""
        digest = new_hash()
        user = self.user(storage, password_hash=digest)
        credentials = storage.get_credentials_by_email(f"\t{user.email.upper()} ")
        assert credentials is not None
        assert credentials.password_hash == digest
        assert digest not in repr(credentials)
        assert digest not in repr(self.reread(storage, user))

    @clause("PASSWORD-7", "PASSWORD-8")
    @pytest.mark.parametrize(("oauth", "passkey", "verified", "allow"), list(product([False, True], repeat=4)))
    def test_the_last_password_stays(
        self, storage: Storage, oauth: bool, passkey: bool, verified: bool, allow: bool
    ) -> None:
        """The password can go if an account, a passkey or (where the caller counts it) a verified address is left."""
        digest = new_hash()
        user = self.user(storage, password_hash=digest, verified=verified)
        if oauth:
            self.link(storage, user)
        if passkey:
            self.passkey(storage, user)
        user = self.reread(storage, user)
        token = self.session(storage, user)
        if oauth or passkey or (verified and allow):
            assert storage.remove_password_hash(user.id, allow_verified_email=allow) is True
            after = self.reread(storage, user)
            assert not after.has_password
            assert after.identities == user.identities
            assert storage.get_password_hash(user.id) is None
            credentials = storage.get_credentials_by_email(user.email)
            assert credentials is not None
            assert credentials.password_hash is None
            assert storage.get_session(token) is None
            assert storage.get_session(self.session(storage, user)) is None
            assert storage.get_session(self.session(storage, after)) is not None
            assert storage.remove_password_hash(user.id, allow_verified_email=allow) is False
        else:
            with pytest.raises(LastSignInMethod):
                storage.remove_password_hash(user.id, allow_verified_email=allow)
            assert self.reread(storage, user) == user
            assert storage.get_password_hash(user.id) == digest
            assert storage.get_session(token) is not None

    @clause("PASSWORD-7")
    def test_removing_no_password_changes_nothing(self, storage: Storage) -> None:
        """A user without a password: False, and the sessions stay."""
        user = self.user(storage)
        self.link(storage, user)
        user = self.reread(storage, user)
        token = self.session(storage, user)
        assert storage.remove_password_hash(user.id) is False
        assert storage.get_session(token) is not None
        assert self.reread(storage, user) == user

    @clause("PASSWORD-17")
    def test_no_removal_of_the_password_outlives_the_session(self, storage: Storage) -> None:
        """Begun, then the owner changed the password: the new one stays; begun anew, it goes."""
        user = self.user(storage, password_hash=new_hash())
        self.link(storage, user)
        before = self.reread(storage, user)
        changed = storage.set_password_hash(user.id, new_hash())
        with pytest.raises(Revoked):
            storage.remove_password_hash(user.id, session_epoch=before.session_epoch)
        assert self.reread(storage, user) == changed
        assert storage.remove_password_hash(user.id, session_epoch=changed.session_epoch)

    @clause("PASSWORD-8")
    def test_a_removed_password_is_not_stored(self, storage: Storage) -> None:
        """No table holds the hash after its removal."""
        digest = new_hash()
        user = self.user(storage, password_hash=digest)
        self.passkey(storage, user)
        storage.remove_password_hash(user.id)
        assert digest not in repr(self.dump())

    # Resetting.

    @clause("PASSWORD-9", "TOKEN-6")
    def test_a_reset_changes_the_password_once(self, storage: Storage) -> None:
        """Token used, password set, sessions and all other tokens dead; a second try changes nothing."""
        user = self.user(storage, password_hash=new_hash(), verified=True)
        session = self.session(storage, user)
        reset, second = [self.token(storage, user, PASSWORD_RESET) for _ in range(2)]
        link = self.token(storage, user, MAGIC_LINK)
        digest = new_hash()
        after = storage.complete_password_reset(reset, digest)
        assert after is not None
        assert after.id == user.id
        assert self.reread(storage, user) == after
        assert storage.get_password_hash(user.id) == digest
        assert storage.get_session(session) is None
        assert storage.get_session(self.session(storage, user)) is None
        assert storage.get_session(self.session(storage, after)) is not None
        assert storage.complete_password_reset(reset, new_hash()) is None
        assert storage.complete_password_reset(second, new_hash()) is None
        assert storage.check_token(reset, purpose=PASSWORD_RESET) is None
        assert storage.verify_token(second, purpose=PASSWORD_RESET) is None
        assert storage.verify_token(link, purpose=MAGIC_LINK) is None
        assert storage.get_password_hash(user.id) == digest

    @clause("PASSWORD-9")
    def test_a_reset_gives_a_first_password(self, storage: Storage) -> None:
        """A user without a password gets one."""
        user = self.user(storage)
        reset = self.token(storage, user, PASSWORD_RESET)
        digest = new_hash()
        after = storage.complete_password_reset(reset, digest)
        assert after is not None
        assert after.has_password
        assert storage.get_password_hash(user.id) == digest

    @clause("PASSWORD-9")
    def test_a_reset_proves_the_address(self, storage: Storage, clock: FakeClock) -> None:
        """The first proof verifies the address and removes accounts and passkeys that somebody set before it."""
        user = self.user(storage, password_hash=new_hash())
        account = self.link(storage, user)
        passkey = self.passkey(storage, user)
        reset = self.token(storage, user, PASSWORD_RESET)
        clock.advance(60)
        after = storage.complete_password_reset(reset, new_hash())
        assert after is not None
        assert after.email_verified_at == clock()
        assert len(after.identities) == 1
        assert self.reread(storage, user) == after
        assert storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
        assert storage.get_passkey(passkey.credential_id) is None

    @clause("PASSWORD-9")
    def test_a_later_reset_keeps_accounts_and_passkeys(self, storage: Storage) -> None:
        """Of a user whose address is verified already, a reset changes the password only."""
        user = self.user(storage, password_hash=new_hash(), verified=True)
        account = self.link(storage, user)
        passkey = self.passkey(storage, user)
        reset = self.token(storage, user, PASSWORD_RESET)
        after = storage.complete_password_reset(reset, new_hash())
        assert after is not None
        assert after.email_verified_at == user.email_verified_at
        assert storage.list_oauth_accounts_for_user(user.id) == [account]
        assert storage.list_passkeys_for_user(user.id) == [passkey]

    @clause("PASSWORD-9")
    def test_a_token_that_does_not_hold_resets_nothing(self, storage: Storage, clock: FakeClock) -> None:
        """Garbage, another purpose's token, one without a user, another user's id in it, an expired one: None."""
        digest = new_hash()
        user, other = self.user(storage, password_hash=digest), self.user(storage)
        reset = self.token(storage, user, PASSWORD_RESET, seconds=60)
        link = self.token(storage, user, MAGIC_LINK)
        nobody = storage.create_token(NewToken(purpose=PASSWORD_RESET, expires_at=self.later(), email=user.email))
        assert nobody.token
        session = self.session(storage, user)
        for text in [*garbage_tokens(reset), link, nobody.token, session, retarget(reset, other.id)]:
            assert storage.complete_password_reset(text, new_hash()) is None, text[:80]
        assert storage.check_token(link, purpose=MAGIC_LINK) is not None
        assert storage.check_token(reset, purpose=PASSWORD_RESET) is not None
        clock.advance(self.later(60) - clock())
        assert storage.complete_password_reset(reset, new_hash()) is None
        assert storage.get_password_hash(user.id) == digest
        assert storage.get_password_hash(other.id) is None

    @clause("PASSWORD-9")
    def test_a_token_used_otherwise_resets_nothing(self, storage: Storage) -> None:
        """Used up by verify_token, a reset token is used up."""
        user = self.user(storage, password_hash=(digest := new_hash()))
        reset = self.token(storage, user, PASSWORD_RESET)
        assert storage.verify_token(reset, purpose=PASSWORD_RESET) is not None
        assert storage.complete_password_reset(reset, new_hash()) is None
        assert storage.get_password_hash(user.id) == digest

    @clause("PASSWORD-10")
    @pytest.mark.parametrize("change", ["address", "password", "sessions", "removal", "lock", "deletion", "reset"])
    def test_a_reset_dies_with_what_it_was_issued_for(self, storage: Storage, change: str) -> None:
        """Address, password, sessions epoch or the user changed since the issue: the token is refused."""
        user = self.user(storage, password_hash=new_hash(), verified=True)
        self.link(storage, user)
        user = self.reread(storage, user)
        reset, other = [self.token(storage, user, PASSWORD_RESET) for _ in range(2)]
        changes: dict[str, Call[object]] = {
            "address": lambda: storage.update_user(user, email=new_address()),
            "password": lambda: storage.set_password_hash(user.id, new_hash()),
            "sessions": lambda: storage.delete_sessions_for_user(user.id),
            "removal": lambda: storage.remove_password_hash(user.id),
            "lock": lambda: storage.set_locked_at(user.id, self.now()),
            "deletion": lambda: storage.delete_user(user.id),
            "reset": lambda: storage.complete_password_reset(other, new_hash()),
        }
        changes[change]()
        before = storage.get_password_hash(user.id)
        assert storage.complete_password_reset(reset, new_hash()) is None
        assert storage.get_password_hash(user.id) == before
        if change == "deletion":
            assert storage.get_user(user.id, consistent=True) is None

    # Proving an address by a link.

    def set_up(self, storage: Storage, *, verified: bool = False) -> User:
        """A user with a password, an account, a passkey; as stored."""
        user = self.user(storage, password_hash=new_hash(), verified=verified)
        self.link(storage, user)
        self.passkey(storage, user)
        return self.reread(storage, user)

    def is_bare(self, storage: Storage, user: User) -> bool:
        """Whether nothing is left that somebody could sign in with."""
        now = self.reread(storage, user)
        left = [*storage.list_oauth_accounts_for_user(user.id), *storage.list_passkeys_for_user(user.id)]
        sessions = storage.list_sessions_for_user(user.id)
        return not (left or sessions or now.has_password or storage.get_password_hash(user.id))

    @clause("PASSWORD-12", "PASSWORD-13", "PASSWORD-15")
    @pytest.mark.parametrize("moves", [False, True], ids=["own address", "another"])
    @pytest.mark.parametrize("keep", [False, True], ids=["removes", "keeps"])
    def test_the_first_proof_by_a_link(self, storage: Storage, clock: FakeClock, moves: bool, keep: bool) -> None:
        """The address is verified and the token used; what was set up before is gone, or all there with keep."""
        user = self.set_up(storage, verified=moves)
        digest = storage.get_password_hash(user.id)
        session = self.session(storage, user)
        link, other = [self.token(storage, user, EMAIL_VERIFICATION) for _ in range(2)]
        target = new_address().upper() if moves else None
        clock.advance(60)
        after = storage.complete_email_proof(link, new_email=target, keep=keep)
        assert after is not None
        assert after == self.reread(storage, user)
        assert (after.id, after.email_verified_at, after.version) == (user.id, clock(), user.version + 1)
        assert after.email == (user.email if target is None else target.lower())
        assert after.email_as_given == (user.email_as_given if target is None else target)
        assert storage.get_user_by_email(after.email) == after
        assert (storage.get_user_by_email(user.email) is None) == moves
        if keep:
            assert storage.get_password_hash(user.id) == digest
            assert len(after.identities) == 3
            assert storage.get_session(session) is not None
        else:
            assert self.is_bare(storage, user)
            assert storage.get_session(session) is None
        for text in (link, other):
            found = storage.check_token(text, purpose=EMAIL_VERIFICATION)
            assert (found is not None) == (keep and not moves and text == other)
        assert storage.complete_email_proof(link) is None
        assert self.reread(storage, user) == after

    @clause("PASSWORD-16")
    @pytest.mark.parametrize("moves", [False, True], ids=["own address", "another"])
    def test_a_proof_sets_a_new_password(self, storage: Storage, moves: bool) -> None:
        """The new password is the only one, and what was set up before is gone."""
        user = self.set_up(storage)
        link, digest = self.token(storage, user, "mine"), new_hash()
        target = new_address() if moves else None
        after = storage.complete_email_proof(link, purpose="mine", new_email=target, password_hash=digest)
        assert after is not None
        assert after == self.reread(storage, user)
        assert (after.has_password, len(after.identities)) == (True, 1)
        assert storage.get_password_hash(user.id) == digest
        assert storage.list_oauth_accounts_for_user(user.id) == []
        assert storage.get_session(self.session(storage, user)) is None
        assert storage.get_session(self.session(storage, after)) is not None

    @clause("PASSWORD-13", "PASSWORD-16")
    def test_a_later_proof_by_a_link_changes_nothing(self, storage: Storage) -> None:
        """Proved before: with keep or without nothing goes, the token is used; a new password is refused."""
        user = self.set_up(storage, verified=True)
        for keep in (True, False):
            link = self.token(storage, user, EMAIL_VERIFICATION)
            assert storage.complete_email_proof(link, password_hash=new_hash()) is None
            assert storage.complete_email_proof(link, keep=keep) == user
            assert storage.complete_email_proof(link, keep=keep) is None
        assert self.reread(storage, user) == user

    @clause("PASSWORD-15", "PASSWORD-12")
    @pytest.mark.parametrize("keep", [False, True], ids=["removes", "keeps"])
    def test_a_proof_of_a_taken_address_changes_nothing(self, storage: Storage, keep: bool) -> None:
        """Somebody else holds the address by now: refused as such, nothing is removed, the token is not used up."""
        user, other = self.set_up(storage), self.user(storage)
        link = self.token(storage, user, EMAIL_VERIFICATION)
        with pytest.raises(AlreadyExists) as caught:
            storage.complete_email_proof(link, new_email=other.email, keep=keep)
        assert caught.value.what == "email"
        assert self.reread(storage, user) == user
        assert self.reread(storage, other) == other
        assert storage.check_token(link, purpose=EMAIL_VERIFICATION) is not None

    @clause("PASSWORD-12")
    def test_a_token_that_does_not_hold_proves_nothing(self, storage: Storage, clock: FakeClock) -> None:
        """Garbage, another purpose's token, one without a user, another user's id in it, an expired one: None."""
        user, other = self.user(storage), self.user(storage)
        link = self.token(storage, user, EMAIL_VERIFICATION, seconds=60)
        reset = self.token(storage, user, PASSWORD_RESET)
        new = NewToken(purpose=EMAIL_VERIFICATION, expires_at=self.later(), email=user.email)
        nobody = storage.create_token(new)
        assert nobody.token
        for text in [*garbage_tokens(link), reset, nobody.token, retarget(link, other.id)]:
            assert storage.complete_email_proof(text, keep=True) is None, text[:80]
        clock.advance(self.later(60) - clock())
        assert storage.complete_email_proof(link, keep=True) is None
        assert self.reread(storage, user) == user
        assert self.reread(storage, other) == other

    @clause("PASSWORD-14")
    @pytest.mark.parametrize("change", ["address", "password", "sessions", "lock", "deletion", "proof"])
    def test_a_proof_dies_with_what_it_was_issued_for(self, storage: Storage, change: str) -> None:
        """Address, password, sessions epoch or the user changed since the issue: the token is refused, kept or not."""
        user = self.set_up(storage)
        link, other = [self.token(storage, user, EMAIL_VERIFICATION) for _ in range(2)]
        changes: dict[str, Call[object]] = {
            "address": lambda: storage.update_user(user, email=new_address()),
            "password": lambda: storage.set_password_hash(user.id, new_hash()),
            "sessions": lambda: storage.delete_sessions_for_user(user.id),
            "lock": lambda: storage.set_locked_at(user.id, self.now()),
            "deletion": lambda: storage.delete_user(user.id),
            "proof": lambda: storage.complete_email_proof(other),
        }
        changes[change]()
        before = storage.get_user(user.id, consistent=True)
        for keep in (True, False):
            assert storage.complete_email_proof(link, keep=keep) is None
            assert storage.complete_email_proof(link, new_email=new_address(), keep=keep) is None
        assert storage.get_user(user.id, consistent=True) == before
