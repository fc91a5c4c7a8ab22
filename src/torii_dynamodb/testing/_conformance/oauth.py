"""The conformance tests of :class:`~torii_dynamodb.contract.AsyncOAuthStorage`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import (
    AlreadyExists,
    LastSignInMethod,
    NotFound,
    ProviderDisconnected,
    Revoked,
    TooManyIdentities,
    VersionConflict,
)
from torii_dynamodb.models import (
    EMAIL_VERIFICATION,
    PASSWORD_RESET,
    Metadata,
    NewFactor,
    NewOAuthAccount,
    NewUser,
    User,
)
from torii_dynamodb.testing._conformance.base import (
    Call,
    Conformance,
    clause,
    fresh,
    new_address,
    new_hash,
)
from torii_dynamodb.testing._conformance.invariants import MAX_IDENTITIES
from torii_dynamodb.testing._conformance.users import NASTY_METADATA, same
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["OAuthConformance", "new_account", "new_state", "new_verifier"]


def new_account(provider: str = "google") -> NewOAuthAccount:
    """Return an account that nobody has linked."""
    return NewOAuthAccount(provider=provider, subject=fresh("s"))


def new_state() -> str:
    """Return a state that was never used."""
    return fresh("state-")


def new_verifier() -> str:
    """Return a verifier of the length that RFC 7636 requires."""
    return fresh("verifier-") + "~._-" + fresh("")


class OAuthConformance(Conformance):
    """OAuth accounts and PKCE verifiers."""

    # Creating and linking.

    @clause("OAUTH-1", "OAUTH-6", "OAUTH-7")
    async def test_a_user_is_created_with_an_account(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """User, address and account all exist, each as returned."""
        address, account = new_address(), new_account()
        user, linked = await storage.create_oauth_account(
            NewUser(email=address, name="Ada", email_verified_at=clock(), metadata={"a": 1}), account
        )
        assert (user.email, user.name, user.is_email_verified, user.has_password) == (address, "Ada", True, False)
        assert user.metadata == {"a": 1}
        assert len(user.identities) == 2
        assert (linked.user_id, linked.provider, linked.subject) == (user.id, account.provider, account.subject)
        assert linked.created_at == linked.updated_at == clock()
        assert await storage.get_user_by_email(address) == user
        assert await self.reread(storage, user) == user
        assert await storage.get_user_by_provider_and_subject(account.provider, account.subject) == user
        assert await storage.list_oauth_accounts_for_user(user.id) == [linked]

    @clause("OAUTH-1")
    async def test_a_taken_account_creates_nobody(self, storage: AsyncStorage) -> None:
        """If another user holds the account, that is the error, and the address stays free."""
        holder, account, address = await self.user(storage), new_account(), new_address()
        await storage.link_oauth_account(holder.id, account)
        with pytest.raises(AlreadyExists) as caught:
            await storage.create_oauth_account(NewUser(email=address), account)
        assert caught.value.what == "oauth_account"
        assert await storage.get_user_by_email(address) is None
        assert await storage.get_user_by_provider_and_subject(account.provider, account.subject) == await self.reread(
            storage, holder
        )

    @clause("OAUTH-1")
    async def test_a_taken_address_links_nothing(self, storage: AsyncStorage) -> None:
        """If another user holds the address, that is the error, and the account is linked to nobody."""
        holder, account = await self.user(storage), new_account()
        with pytest.raises(AlreadyExists) as caught:
            await storage.create_oauth_account(NewUser(email=holder.email.upper()), account)
        assert caught.value.what == "email"
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
        assert await self.reread(storage, holder) == holder

    @clause("OAUTH-1")
    async def test_a_taken_id_links_and_claims_nothing(self, storage: AsyncStorage) -> None:
        """If another user holds the id, that is the error, and account and address stay free."""
        holder, account, address = await self.user(storage), new_account(), new_address()
        with pytest.raises(AlreadyExists) as caught:
            await storage.create_oauth_account(NewUser(email=address, id=holder.id), account)
        assert caught.value.what == "user"
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
        assert await storage.get_user_by_email(address) is None

    @clause("OAUTH-2")
    async def test_an_account_has_one_holder(self, storage: AsyncStorage) -> None:
        """A second user cannot link an account that the first one holds; the first one keeps it."""
        one, two, account = await self.user(storage), await self.user(storage), new_account()
        linked = await storage.link_oauth_account(one.id, account)
        with pytest.raises(AlreadyExists) as caught:
            await storage.link_oauth_account(two.id, account)
        assert caught.value.what == "oauth_account"
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) == linked
        assert await self.reread(storage, two) == two
        assert await storage.list_oauth_accounts_for_user(two.id) == []

    @clause("OAUTH-15")
    async def test_no_link_outlives_the_sessions_it_was_begun_in(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Begun before all sessions ended (by signing out, a new password or a lock), nothing is linked."""
        user, account = await self.user(storage), new_account()
        for end in (
            lambda: storage.delete_sessions_for_user(user.id),
            lambda: storage.set_password_hash(user.id, new_hash()),
            lambda: storage.set_locked_at(user.id, clock()),
            lambda: storage.set_locked_at(user.id, None),
        ):
            begun = await self.reread(storage, user)
            await end()
            if begun.session_epoch == (await self.reread(storage, user)).session_epoch:
                continue
            with pytest.raises(Revoked):
                await storage.link_oauth_account(user.id, account, session_epoch=begun.session_epoch)
            assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
        now = await self.reread(storage, user)
        linked = await storage.link_oauth_account(user.id, account, session_epoch=now.session_epoch)
        await storage.delete_sessions_for_user(user.id)
        # A caller that lost the response asks again: the account is linked, so that is the result.
        again = await storage.link_oauth_account(user.id, account, session_epoch=now.session_epoch)
        assert again == linked

    @clause("OAUTH-15")
    async def test_a_user_made_anew_gets_no_link_of_the_old(self, storage: AsyncStorage) -> None:
        """Begun by a user who was deleted and created again under the same id, nothing is linked."""
        user, account = await self.user(storage), new_account()
        await storage.delete_user(user.id)
        with pytest.raises(NotFound):
            await storage.link_oauth_account(user.id, account, session_epoch=user.session_epoch)
        await storage.create_user(NewUser(email=user.email, id=user.id))
        with pytest.raises(Revoked):
            await storage.link_oauth_account(user.id, account, session_epoch=user.session_epoch)
        assert await storage.list_oauth_accounts_for_user(user.id) == []

    @clause("OAUTH-16")
    async def test_a_disconnected_provider_is_not_joined(self, storage: AsyncStorage) -> None:
        """After unlinking, accounts of that provider are not joined by address; others are, and linking still works."""
        user, other = await self.user(storage, password_hash=new_hash()), await self.user(storage)
        assert user.disconnected == frozenset()
        first, second = new_account(), new_account()
        await storage.link_oauth_account(user.id, first, joining=True)
        assert await storage.unlink_oauth_account(user.id, first.provider, first.subject)
        assert (await self.reread(storage, user)).disconnected == {"google"}
        for account in (first, second):
            with pytest.raises(ProviderDisconnected):
                await storage.link_oauth_account(user.id, account, joining=True)
        assert await storage.list_oauth_accounts_for_user(user.id) == []
        await storage.link_oauth_account(other.id, first, joining=True)
        await storage.link_oauth_account(user.id, new_account("github"), joining=True)
        # Unrelated writes keep it remembered.
        await storage.update_user(await self.reread(storage, user), name="Ada")
        await storage.set_password_hash(user.id, new_hash())
        await storage.delete_sessions_for_user(user.id)
        assert (await self.reread(storage, user)).disconnected == {"google"}
        linked = await storage.link_oauth_account(user.id, second)
        assert (await self.reread(storage, user)).disconnected == frozenset()
        # Joining an account that is already linked is not a join.
        assert await storage.link_oauth_account(user.id, second, joining=True) == linked
        await storage.link_oauth_account(user.id, new_account(), joining=True)
        if "raw" in self.capabilities:
            assert [item for item in (await self.dump())["users"] if "disconnected" in item] == []

    @clause("OAUTH-16", "OAUTH-10")
    async def test_what_was_not_unlinked_is_not_remembered(self, storage: AsyncStorage) -> None:
        """If unlinking is refused, or the account is another user's or unknown, nothing is remembered."""
        user, other, account = await self.user(storage), await self.user(storage), new_account()
        await storage.link_oauth_account(user.id, account)
        before = await self.reread(storage, user)
        with pytest.raises(LastSignInMethod):
            await storage.unlink_oauth_account(user.id, account.provider, account.subject)
        assert not await storage.unlink_oauth_account(other.id, account.provider, account.subject)
        assert not await storage.unlink_oauth_account(other.id, "google", "nobody's")
        assert await self.reread(storage, user) == before
        assert await self.reread(storage, other) == other

    @clause("OAUTH-16")
    @pytest.mark.parametrize("proof", ["mark", "reset", "link", "move"])
    async def test_the_first_proof_forgets_what_a_stranger_disconnected(
        self, storage: AsyncStorage, proof: str
    ) -> None:
        """A stranger who registered an address cannot keep its owner from joining by it."""
        user = await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, user)
        assert await storage.unlink_oauth_account(user.id, account.provider, account.subject)
        reset, link = [await self.token(storage, user, purpose) for purpose in (PASSWORD_RESET, EMAIL_VERIFICATION)]
        proofs: dict[str, Call[User | None]] = {
            "mark": lambda: storage.mark_email_verified(user.id, email=user.email, remove_unproven=True),
            "reset": lambda: storage.complete_password_reset(reset, new_hash()),
            "link": lambda: storage.complete_email_proof(link),
            "move": lambda: storage.complete_email_proof(link, new_email=new_address()),
        }
        after = await proofs[proof]()
        assert after is not None
        assert after.disconnected == frozenset()
        assert await self.reread(storage, user) == after
        await storage.link_oauth_account(user.id, new_account(), joining=True)

    @clause("OAUTH-2")
    async def test_provider_and_subject_are_told_apart(self, storage: AsyncStorage) -> None:
        """Subjects are compared exactly, per provider: no case folding, concatenation or trimming."""
        tail = fresh("")
        pairs = [
            ("google", f"A{tail}"),
            ("google", f"a{tail}"),
            ("github", f"A{tail}"),
            ("google", f"#{tail}"),
            ("google", f"x#A{tail}"),
            ("google-x", f"A{tail}"),
            ("google_x", f"A{tail}"),
            ("google", f" A{tail}"),
            ("google", f"A{tail} "),
            ("google", f"é{tail}"),
            ("google", f"e\u0301{tail}"),
        ]
        for provider, subject in pairs:
            user = await self.user(storage)
            await storage.link_oauth_account(user.id, NewOAuthAccount(provider=provider, subject=subject))
            found = await storage.get_user_by_provider_and_subject(provider, subject)
            assert found is not None
            assert found.id == user.id
            account = await storage.get_oauth_account_by_provider_and_subject(provider, subject)
            assert account is not None
            assert (account.provider, account.subject, account.user_id) == (provider, subject, user.id)

    @clause("OAUTH-2")
    async def test_the_longest_subject_works(self, storage: AsyncStorage) -> None:
        """A subject of 255 bytes at a provider of 32 characters works like any other."""
        user = await self.user(storage)
        account = NewOAuthAccount(provider="p" * 32, subject=fresh("s").ljust(255, "x"))
        linked = await storage.link_oauth_account(user.id, account)
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) == linked

    @clause("OAUTH-3")
    async def test_linking_again_changes_nothing(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """If the holder links again, the account is returned as stored, whatever the call contains."""
        user, account = await self.user(storage), new_account()
        first = await storage.link_oauth_account(user.id, replace(account, email="a@example.com", profile={"n": 1}))
        before = await self.reread(storage, user)
        clock.advance(60)
        again = await storage.link_oauth_account(user.id, replace(account, email="b@example.com", profile={"n": 2}))
        assert again == first
        assert await self.reread(storage, user) == before
        assert await storage.list_oauth_accounts_for_user(user.id) == [first]

    @clause("OAUTH-4")
    async def test_nobody_gets_nothing_linked(self, storage: AsyncStorage) -> None:
        """NotFound for a user that never existed or is gone; the account stays free, and no row is created."""
        account, gone = new_account(), await self.user(storage)
        await storage.delete_user(gone.id)
        for user_id in (fresh("u"), gone.id):
            with pytest.raises(NotFound) as caught:
                await storage.link_oauth_account(user_id, account)
            assert caught.value.what == "user"
            assert await storage.get_user(user_id, consistent=True) is None
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None

    async def factors(self, storage: AsyncStorage, user: User) -> None:
        """Give a user as many second factors as possible."""
        for number in range(5):
            await storage.add_factor(NewFactor(user_id=user.id, id=f"app{number}", secret=b"sealed", last_step=0))
        await storage.set_recovery_codes(user.id, ["mark"])

    @clause("OAUTH-5", "PASSKEY-2", "USER-19", "FACTOR-1")
    async def test_ninety_identities_are_the_limit(self, storage: AsyncStorage) -> None:
        """The 91st identity is refused; one already held can be linked again; all 90 are deleted with the user.

        So are as many second factors as a user can have.
        """
        self.needs("many")
        user = await self.user(storage)
        accounts = [new_account() for _ in range(MAX_IDENTITIES - 2)]
        for account in accounts:
            await storage.link_oauth_account(user.id, account)
        passkey = await self.passkey(storage, user)
        await self.factors(storage, user)
        full = await self.reread(storage, user)
        assert len(full.identities) == MAX_IDENTITIES
        extra = new_account()
        with pytest.raises(TooManyIdentities) as caught:
            await storage.link_oauth_account(user.id, extra)
        assert caught.value.limit == MAX_IDENTITIES
        with pytest.raises(TooManyIdentities):
            await self.passkey(storage, user)
        assert await storage.get_oauth_account_by_provider_and_subject(extra.provider, extra.subject) is None
        assert await self.reread(storage, user) == full
        again = await storage.link_oauth_account(user.id, accounts[0])
        assert (again.subject, again.user_id) == (accounts[0].subject, user.id)
        listed = await storage.list_oauth_accounts_for_user(user.id)
        assert {account.subject for account in listed} == {account.subject for account in accounts}
        moved = await storage.update_user(full, email=new_address())
        assert len(moved.identities) == MAX_IDENTITIES
        assert await storage.unlink_oauth_account(user.id, accounts[0].provider, accounts[0].subject)
        await storage.link_oauth_account(user.id, extra)
        assert await storage.delete_user(user.id)
        for account in [*accounts, extra]:
            assert await storage.get_user_by_provider_and_subject(account.provider, account.subject) is None
        assert await storage.get_passkey(passkey.credential_id) is None

    @clause("OAUTH-5", "USER-18", "PASSWORD-9")
    @pytest.mark.parametrize("moving", [False, True])
    async def test_a_first_proof_removes_ninety_identities(self, storage: AsyncStorage, moving: bool) -> None:
        """Even with the most identities and second factors, one write of the first proof leaves only the address."""
        self.needs("many")
        user = await self.user(storage, password_hash=new_hash())
        for _ in range(MAX_IDENTITIES - 1):
            await storage.link_oauth_account(user.id, new_account())
        await self.factors(storage, user)
        if moving:
            token = await self.token(storage, user, EMAIL_VERIFICATION)
            verified = await storage.complete_email_proof(token, new_email=new_address())
        else:
            verified = await storage.mark_email_verified(user.id, email=user.email, remove_unproven=True)
        assert verified is not None
        assert verified.factors == frozenset()
        assert await storage.list_factors_for_user(user.id) == []
        assert len(verified.identities) == 1
        assert await storage.list_oauth_accounts_for_user(user.id) == []

    # Reading.

    @clause("OAUTH-6")
    @pytest.mark.parametrize("consistent", [None, True, False])
    async def test_an_account_comes_back_as_stored(self, storage: AsyncStorage, consistent: bool | None) -> None:
        """Address, profile and tokens keep values and types; repr shows neither profile nor tokens."""
        user = await self.user(storage)
        account = replace(
            new_account(),
            email="Display@Example.com",
            profile=NASTY_METADATA,
            tokens={"access_token": "provider-secret", "nasty": NASTY_METADATA},
        )
        linked = await storage.link_oauth_account(user.id, account)
        found = await self.until(
            lambda: storage.get_oauth_account_by_provider_and_subject(
                account.provider, account.subject, consistent=consistent
            ),
            lambda found: found is not None,
        )
        assert found is not None
        for each in (linked, found):
            assert each.email == "Display@Example.com"
            assert same(each.profile, account.profile)
            assert same(each.tokens, account.tokens)
            assert "provider-secret" not in repr(each)
            assert "smallest normal" not in repr(each)

    @clause("OAUTH-6", "OAUTH-7", "OAUTH-8")
    async def test_an_unknown_account_is_none(self, storage: AsyncStorage) -> None:
        """For an account that nobody linked: None, None and, for a user that does not exist, an empty list."""
        for consistent in (None, True, False):
            assert (
                await storage.get_oauth_account_by_provider_and_subject("google", fresh("s"), consistent=consistent)
                is None
            )
            assert await storage.get_user_by_provider_and_subject("google", fresh("s"), consistent=consistent) is None
        assert await storage.list_oauth_accounts_for_user(fresh("u")) == []

    @clause("OAUTH-7")
    async def test_the_holder_is_found_as_it_is_now(self, storage: AsyncStorage) -> None:
        """The account leads to the current user; after unlinking or deletion, to nobody."""
        user, account = await self.user(storage, password_hash=new_hash()), new_account()
        await storage.link_oauth_account(user.id, account)
        user = await storage.update_user(await self.reread(storage, user), name="Ada", email=new_address())
        assert await storage.get_user_by_provider_and_subject(account.provider, account.subject) == user
        assert await storage.unlink_oauth_account(user.id, account.provider, account.subject)
        assert await storage.get_user_by_provider_and_subject(account.provider, account.subject) is None
        await storage.link_oauth_account(user.id, account)
        await storage.delete_user(user.id)
        assert await storage.get_user_by_provider_and_subject(account.provider, account.subject) is None

    @clause("OAUTH-8")
    async def test_lists_exactly_the_linked_accounts_oldest_first(
        self, storage: AsyncStorage, clock: FakeClock
    ) -> None:
        """A user's linked accounts are listed in order of linking, without passkeys, unlinked ones and other users'."""
        user, other = await self.user(storage), await self.user(storage)
        await self.link(storage, other)
        made: list[str] = []
        for provider in ("google", "github", "apple", "google"):
            clock.advance(1)
            linked = await storage.link_oauth_account(user.id, new_account(provider))
            made.append(linked.subject)
        await self.passkey(storage, user)
        listed = await storage.list_oauth_accounts_for_user(user.id)
        assert [account.subject for account in listed] == made
        assert await storage.unlink_oauth_account(user.id, "github", made[1])
        listed = await storage.list_oauth_accounts_for_user(user.id)
        assert [account.subject for account in listed] == [made[0], made[2], made[3]]

    # Updating.

    @clause("OAUTH-9")
    async def test_an_account_is_updated_by_what_is_given(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """Address, profile and tokens change alone or together; updated_at changes, and the rest stays."""
        user = await self.user(storage)
        account = replace(new_account(), email="a@example.com", profile={"p": 1}, tokens={"t": 1})
        linked = await storage.link_oauth_account(user.id, account)
        name = (account.provider, account.subject)
        clock.advance(60)
        first = await storage.update_oauth_account(user.id, *name, tokens={"t": 2})
        assert first == replace(linked, tokens={"t": 2}, updated_at=clock())
        clock.advance(60)
        second = await storage.update_oauth_account(user.id, *name, email=None, profile={"p": 1.0})
        assert second is not None
        assert (second.email, second.tokens, second.updated_at) == (None, {"t": 2}, clock())
        assert same(second.profile, {"p": 1.0})
        third = await storage.update_oauth_account(user.id, *name, email="c@example.com", profile={}, tokens={})
        assert third is not None
        assert (third.email, third.profile, third.tokens) == ("c@example.com", {}, {})
        assert await storage.get_oauth_account_by_provider_and_subject(*name) == third

    @clause("OAUTH-9")
    async def test_only_the_holders_account_is_updated(self, storage: AsyncStorage) -> None:
        """Another user, an unlinked account or no user: None, and nothing changes or is created."""
        user, other = await self.user(storage, password_hash=new_hash()), await self.user(storage)
        account = new_account()
        linked = await storage.link_oauth_account(user.id, account)
        name = (account.provider, account.subject)
        assert await storage.update_oauth_account(other.id, *name, email="x@example.com") is None
        assert await storage.update_oauth_account(fresh("u"), *name, tokens={"x": 1}) is None
        assert await storage.get_oauth_account_by_provider_and_subject(*name) == linked
        await storage.unlink_oauth_account(user.id, *name)
        assert await storage.update_oauth_account(user.id, *name, email="x@example.com") is None
        assert await storage.get_oauth_account_by_provider_and_subject(*name) is None

    @clause("OAUTH-17")
    async def test_tokens_are_replaced_only_if_they_are_as_expected(self, storage: AsyncStorage) -> None:
        """If the tokens are not as expected: VersionConflict, no change; equal ones, even nested, are replaced."""
        user = await self.user(storage)
        tokens: Metadata = {"sealed": b"1", "nested": NASTY_METADATA}
        account = replace(new_account(), tokens=tokens)
        linked = await storage.link_oauth_account(user.id, account)
        name = (account.provider, account.subject)
        for wrong in ({}, {"sealed": b"1"}, {**tokens, "sealed": b"2"}):
            with pytest.raises(VersionConflict):
                await storage.update_oauth_account(user.id, *name, tokens={"t": 2}, expected_tokens=wrong)
        assert await storage.get_oauth_account_by_provider_and_subject(*name) == linked
        held = await storage.update_oauth_account(user.id, *name, tokens={}, expected_tokens=tokens)
        assert held is not None
        assert held.tokens == {}
        again = await storage.update_oauth_account(user.id, *name, tokens={"t": 3}, expected_tokens={})
        assert again is not None
        other = fresh("u")
        assert await storage.update_oauth_account(other, *name, tokens={}, expected_tokens={"t": 3}) is None

    # Unlinking.

    @clause("OAUTH-10")
    @pytest.mark.parametrize(
        ("password", "another", "passkey", "verified", "allow"), list(product([False, True], repeat=5))
    )
    async def test_the_last_account_stays(
        self, storage: AsyncStorage, password: bool, another: bool, passkey: bool, verified: bool, allow: bool
    ) -> None:
        """An account can be removed if a password, an account, a passkey or (if allowed) a verified address is left."""
        user = await self.user(storage, password_hash=new_hash() if password else None, verified=verified)
        account = await self.link(storage, user)
        if another:
            await self.link(storage, user)
        if passkey:
            await self.passkey(storage, user)
        user = await self.reread(storage, user)
        if password or another or passkey or (verified and allow):
            removed = await storage.unlink_oauth_account(
                user.id, account.provider, account.subject, allow_verified_email=allow
            )
            assert removed is True
            after = await self.reread(storage, user)
            assert len(after.identities) == len(user.identities) - 1
            assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) is None
            assert not await storage.unlink_oauth_account(
                user.id, account.provider, account.subject, allow_verified_email=allow
            )
        else:
            with pytest.raises(LastSignInMethod):
                await storage.unlink_oauth_account(
                    user.id, account.provider, account.subject, allow_verified_email=allow
                )
            assert await self.reread(storage, user) == user
            assert await storage.list_oauth_accounts_for_user(user.id) == [account]

    @clause("OAUTH-10")
    async def test_unlinking_ends_at_the_last(self, storage: AsyncStorage) -> None:
        """Of three accounts two can be removed, one after the other; the third stays."""
        user = await self.user(storage)
        accounts = [await self.link(storage, user) for _ in range(3)]
        for account in accounts[:2]:
            assert await storage.unlink_oauth_account(user.id, account.provider, account.subject)
        with pytest.raises(LastSignInMethod):
            await storage.unlink_oauth_account(user.id, accounts[2].provider, accounts[2].subject)
        assert await storage.list_oauth_accounts_for_user(user.id) == [accounts[2]]

    @clause("OAUTH-18")
    async def test_no_unlinking_outlives_the_session_it_was_begun_in(self, storage: AsyncStorage) -> None:
        """An unlinking from before all sessions ended is refused; a new one succeeds, and the next finds no account."""
        user = await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, user)
        await storage.delete_sessions_for_user(user.id)
        now = await self.reread(storage, user)
        named = (user.id, account.provider, account.subject)
        with pytest.raises(Revoked):
            await storage.unlink_oauth_account(*named, session_epoch=user.session_epoch)
        assert await self.reread(storage, user) == now
        assert await storage.unlink_oauth_account(*named, session_epoch=now.session_epoch)
        assert not await storage.unlink_oauth_account(*named, session_epoch=now.session_epoch)

    @clause("OAUTH-11")
    async def test_only_the_holders_account_is_unlinked(self, storage: AsyncStorage) -> None:
        """Another user's account, an unknown one, or no user: False, and nothing is removed."""
        user, other = await self.user(storage), await self.user(storage, password_hash=new_hash())
        account = await self.link(storage, user)
        before = await self.reread(storage, other)
        for user_id in (other.id, fresh("u")):
            assert await storage.unlink_oauth_account(user_id, account.provider, account.subject) is False
        assert await storage.unlink_oauth_account(user.id, "google", fresh("s")) is False
        assert await storage.unlink_oauth_account(other.id, "google", fresh("s")) is False
        assert await storage.get_oauth_account_by_provider_and_subject(account.provider, account.subject) == account
        assert await self.reread(storage, other) == before

    @clause("OAUTH-11")
    async def test_what_was_unlinked_is_free(self, storage: AsyncStorage) -> None:
        """After unlinking, another user can link the account."""
        user, other = await self.user(storage, password_hash=new_hash()), await self.user(storage)
        account = await self.link(storage, user, subject=(subject := fresh("s")))
        await storage.unlink_oauth_account(user.id, account.provider, subject)
        assert (await self.link(storage, other, subject=subject)).user_id == other.id

    # PKCE.

    @clause("OAUTH-12")
    async def test_nothing_kept_under_a_state_is_readable(self, storage: AsyncStorage) -> None:
        """The raw tables never show state, verifier or metadata, before or after the use; nor does repr."""
        state, verifier, extra = new_state(), new_verifier(), fresh("where-to-go-next")
        await storage.store_pkce_verifier(state, verifier, expires_at=self.later(600), metadata={"next": extra})
        found = await storage.get_pkce_verifier(state)
        assert verifier not in repr(found)
        for _ in range(2):
            if "raw" in self.capabilities:
                dump = repr(await self.dump())
                assert state not in dump
                assert verifier not in dump
                assert extra not in dump
            await storage.consume_pkce_verifier(state)

    @clause("OAUTH-13", "OAUTH-14")
    async def test_a_verifier_is_kept_until_it_is_used(self, storage: AsyncStorage) -> None:
        """A verifier can be read any number of times and used once; then it is gone."""
        state, verifier = new_state(), new_verifier()
        metadata: Metadata = {"next": "/home", "nested": NASTY_METADATA}
        await storage.store_pkce_verifier(state, verifier, expires_at=self.later(600), metadata=metadata)
        for _ in range(3):
            found = await storage.get_pkce_verifier(state)
            assert found is not None
            assert (found.verifier, found.expires_at) == (verifier, self.later(600))
            assert same(found.metadata, metadata)
        used = await storage.consume_pkce_verifier(state)
        assert used is not None
        assert (used.verifier, used.expires_at) == (verifier, self.later(600))
        assert same(used.metadata, metadata)
        assert await storage.consume_pkce_verifier(state) is None
        assert await storage.get_pkce_verifier(state) is None

    @clause("OAUTH-13")
    async def test_a_verifier_without_metadata_has_none(self, storage: AsyncStorage) -> None:
        """If left out, the metadata is empty."""
        state = new_state()
        await storage.store_pkce_verifier(state, new_verifier(), expires_at=self.later(600))
        found = await storage.get_pkce_verifier(state)
        assert found is not None
        assert found.metadata == {}

    @clause("OAUTH-13", "OAUTH-14")
    async def test_a_verifier_expires(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A verifier is there until a microsecond before expires_at; from then on it is neither read nor used."""
        state, late = new_state(), new_state()
        for each in (state, late):
            await storage.store_pkce_verifier(each, new_verifier(), expires_at=self.later(600))
        clock.advance(self.later(600) - clock() - timedelta(microseconds=1))
        assert await storage.get_pkce_verifier(state) is not None
        assert await storage.consume_pkce_verifier(state) is not None
        clock.advance(timedelta(microseconds=1))
        assert await storage.get_pkce_verifier(late) is None
        assert await storage.consume_pkce_verifier(late) is None

    @clause("OAUTH-14")
    async def test_a_state_serves_once(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A state cannot be stored again until it expires, used or not: a used one never returns."""
        state, verifier = new_state(), new_verifier()
        await storage.store_pkce_verifier(state, verifier, expires_at=self.later(60))
        for kept in (verifier, None):
            with pytest.raises(AlreadyExists) as refused:
                await storage.store_pkce_verifier(state, new_verifier(), expires_at=self.later(120))
            assert refused.value.what == "state"
            found = await storage.consume_pkce_verifier(state)
            assert (None if found is None else found.verifier) == kept
        clock.advance(60)
        await storage.store_pkce_verifier(state, new_verifier(), expires_at=self.later(60))
        assert await storage.consume_pkce_verifier(state) is not None

    @clause("OAUTH-13", "OAUTH-14")
    async def test_states_do_not_mix(self, storage: AsyncStorage) -> None:
        """Each state has its own verifier; an unknown one, close to another, has none; using one keeps the other."""
        one, two = new_state(), new_state()
        first, second = new_verifier(), new_verifier()
        await storage.store_pkce_verifier(one, first, expires_at=self.later(600))
        await storage.store_pkce_verifier(two, second, expires_at=self.later(600))
        for unknown in (new_state(), one + "x", one[:-1], one.upper()):
            assert await storage.get_pkce_verifier(unknown) is None
            assert await storage.consume_pkce_verifier(unknown) is None
        used = await storage.consume_pkce_verifier(one)
        assert used is not None
        assert used.verifier == first
        left = await storage.get_pkce_verifier(two)
        assert left is not None
        assert left.verifier == second

    @clause("OAUTH-13")
    @pytest.mark.parametrize("length", [16, 17, 512])
    async def test_states_of_every_length_work(self, storage: AsyncStorage, length: int) -> None:
        """The shortest and the longest state work."""
        state = (fresh("")[:16]).ljust(length, "~")
        await storage.store_pkce_verifier(state, new_verifier(), expires_at=self.later(600))
        assert await storage.consume_pkce_verifier(state) is not None
