"""The conformance tests of :class:`~torii_dynamodb.contract.AsyncTokenStorage`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import NotFound, ValidationError
from torii_dynamodb.models import (
    EMAIL_VERIFICATION,
    MAGIC_LINK,
    PASSWORD_RESET,
    NewPasskeyChallenge,
    NewToken,
    Token,
    User,
)
from torii_dynamodb.testing._conformance.base import (
    Call,
    Conformance,
    clause,
    fresh,
    new_address,
    new_hash,
    retarget,
)
from torii_dynamodb.testing._conformance.oauth import new_state, new_verifier
from torii_dynamodb.testing._conformance.passkeys import new_challenge
from torii_dynamodb.testing._conformance.sessions import garbage_tokens
from torii_dynamodb.testing._conformance.users import NASTY_METADATA, same
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["TokenConformance"]

PURPOSES = [MAGIC_LINK, PASSWORD_RESET, EMAIL_VERIFICATION, "invite", "a", "x" * 32, "0-_"]

DEADLY = ["address", "password", "removal", "reset", "sessions", "lock", "first proof", "deletion"]
HARMLESS = [
    "name",
    "spelling",
    "metadata",
    "proof",
    "rehash",
    "account",
    "passkey",
    "sign-out",
    "session",
    "other",
]


class TokenConformance(Conformance):
    """One-time tokens."""

    @clause("TOKEN-1")
    async def test_nothing_tells_a_token(self, storage: AsyncStorage) -> None:
        """A token has 256 random bits, new each time; neither raw tables, repr nor the token's id show it."""
        user = await self.user(storage)
        made = [
            await storage.create_token(NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=user.id))
            for _ in range(20)
        ]
        secrets = {token.token.rpartition(".")[2][:43] for token in made}
        assert len(secrets) == 20
        assert all(len(secret) == 43 for secret in secrets), "43 characters of base64 hold 256 bits"
        assert len({token.id for token in made}) == 20
        shown = repr(made)
        if "raw" in self.capabilities:
            shown += repr(await self.dump())
        assert not [secret for secret in secrets if secret in shown]

    @clause("TOKEN-1", "TOKEN-3")
    @pytest.mark.parametrize("purpose", PURPOSES)
    async def test_a_token_is_good_once(self, storage: AsyncStorage, clock: FakeClock, purpose: str) -> None:
        """For any purpose, the first use returns what was stored and the user, the second None."""
        user = await self.user(storage)
        created = await storage.create_token(
            NewToken(purpose=purpose, expires_at=self.later(600), user_id=user.id, metadata=NASTY_METADATA)
        )
        assert created.token
        verified = await storage.verify_token(created.token, purpose=purpose)
        assert verified is not None
        assert verified.user == user
        for token in (created, verified.token):
            assert (token.id, token.purpose, token.user_id) == (created.id, purpose, user.id)
            assert (token.email, token.created_at, token.expires_at) == (user.email, clock(), self.later(600))
            assert same(token.metadata, NASTY_METADATA)
        assert created.token not in repr(verified)
        assert await storage.verify_token(created.token, purpose=purpose) is None
        assert await storage.check_token(created.token, purpose=purpose) is None

    @clause("TOKEN-1", "TOKEN-3", "TOKEN-7")
    async def test_a_token_without_a_user(self, storage: AsyncStorage) -> None:
        """A token for a sign-up proves an address that nobody holds yet, and stays valid when somebody claims it."""
        address = new_address()
        created = await storage.create_token(
            NewToken(purpose=MAGIC_LINK, expires_at=self.later(), email=address.upper())
        )
        assert created.token
        assert (created.user_id, created.email) == (None, address)
        checked = await storage.check_token(created.token, purpose=MAGIC_LINK)
        assert checked is not None
        await storage.get_or_create_user_by_email(address)
        verified = await storage.verify_token(created.token, purpose=MAGIC_LINK)
        assert verified is not None
        assert verified.user is None
        assert (verified.token.user_id, verified.token.email) == (None, address)
        assert await storage.verify_token(created.token, purpose=MAGIC_LINK) is None

    @clause("TOKEN-1", "TOKEN-6")
    async def test_no_token_for_nobody(self, storage: AsyncStorage) -> None:
        """NotFound for a user that never existed or is gone; bound to a deleted user, at most an invalid token."""
        gone = await self.user(storage)
        await storage.delete_user(gone.id)
        for user_id in (fresh("u"), gone.id):
            with pytest.raises(NotFound) as caught:
                await storage.create_token(NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=user_id))
            assert caught.value.what == "user"
        new_token = NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=gone.id)
        try:
            created = await storage.create_token(new_token, user=gone)
        except NotFound:
            return
        assert created.token
        assert await storage.check_token(created.token, purpose=MAGIC_LINK) is None
        assert await storage.verify_token(created.token, purpose=MAGIC_LINK) is None
        assert await storage.get_user(gone.id, consistent=True) is None

    @clause("TOKEN-6")
    async def test_a_token_cannot_be_bound_to_another_user(self, storage: AsyncStorage) -> None:
        """A given user that is not the token's is refused."""
        one, two = await self.user(storage), await self.user(storage)
        with pytest.raises(ValidationError):
            await storage.create_token(NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=one.id), user=two)

    @clause("TOKEN-2")
    async def test_earlier_tokens_can_be_revoked(self, storage: AsyncStorage) -> None:
        """With revoke_earlier the user's earlier tokens of the purpose end; other purposes and users keep theirs."""
        user, other = await self.user(storage), await self.user(storage)
        earlier = [await self.token(storage, user, PASSWORD_RESET) for _ in range(3)]
        link = await self.token(storage, user, MAGIC_LINK)
        others = await self.token(storage, other, PASSWORD_RESET)
        session = await self.session(storage, user)
        created = await storage.create_token(
            NewToken(purpose=PASSWORD_RESET, expires_at=self.later(), user_id=user.id, revoke_earlier=True)
        )
        assert created.token
        for token in earlier:
            assert await storage.check_token(token, purpose=PASSWORD_RESET) is None
            assert await storage.verify_token(token, purpose=PASSWORD_RESET) is None
            assert await storage.complete_password_reset(token, new_hash()) is None
        assert await storage.check_token(link, purpose=MAGIC_LINK) is not None
        assert await storage.check_token(others, purpose=PASSWORD_RESET) is not None
        assert await storage.get_session(session) is not None
        later = await self.token(storage, user, PASSWORD_RESET)
        assert await storage.verify_token(created.token, purpose=PASSWORD_RESET) is not None
        assert await storage.verify_token(later, purpose=PASSWORD_RESET) is not None

    @clause("TOKEN-2")
    async def test_without_revoking_all_live(self, storage: AsyncStorage) -> None:
        """Without revoke_earlier, several tokens of one purpose are valid side by side."""
        user = await self.user(storage)
        tokens = [await self.token(storage, user, MAGIC_LINK) for _ in range(3)]
        for token in tokens:
            assert await storage.verify_token(token, purpose=MAGIC_LINK) is not None

    @clause("TOKEN-2")
    async def test_revoking_works_again_and_from_a_user_as_read(self, storage: AsyncStorage) -> None:
        """Each of several issues with revoke_earlier, some from a stale user, ends all tokens before it, none after."""
        user = await self.user(storage)
        issued: list[str] = []
        for number in range(5):
            created = await storage.create_token(
                NewToken(purpose="invite", expires_at=self.later(), user_id=user.id, revoke_earlier=True),
                user=user if number % 2 else None,
            )
            assert created.token
            for token in issued:
                assert await storage.check_token(token, purpose="invite") is None
            assert await storage.check_token(created.token, purpose="invite") is not None
            issued.append(created.token)

    @clause("TOKEN-2")
    async def test_revoking_for_nobody_raises(self, storage: AsyncStorage) -> None:
        """With revoke_earlier, a user that is gone raises NotFound even if it is given; nothing is created."""
        user = await self.user(storage)
        await storage.delete_user(user.id)
        new_token = NewToken(purpose="invite", expires_at=self.later(), user_id=user.id, revoke_earlier=True)
        with pytest.raises(NotFound):
            await storage.create_token(new_token)
        with pytest.raises(NotFound):
            await storage.create_token(new_token, user=user)
        assert await storage.get_user(user.id, consistent=True) is None

    @clause("TOKEN-9", "TOKEN-10", "TOKEN-11")
    async def test_the_latest_token_is_found_and_can_be_revoked(self, storage: AsyncStorage) -> None:
        """What was issued with revoke_earlier is found until it is used, revoked, replaced or outdated, by its user."""
        user, other = await self.user(storage), await self.user(storage)

        async def issue(purpose: str = "invite") -> Token:
            return await storage.create_token(
                NewToken(purpose=purpose, expires_at=self.later(), user_id=user.id, revoke_earlier=True)
            )

        async def latest(of: User = user, purpose: str = "invite") -> str | None:
            found = await storage.get_latest_token(of.id, purpose=purpose)
            assert found is None or not found.token
            return None if found is None else found.id

        await self.token(storage, user, "invite")
        assert await latest() is None
        assert not await storage.revoke_latest_token(user.id, purpose="invite")
        first = await issue()
        assert await latest() == first.id
        second, kept = await issue(), await issue("offer")
        assert await latest() == second.id
        as_read = await storage.get_user(user.id, consistent=True)
        found = await storage.get_latest_token(user.id, purpose="invite", user=as_read)
        assert found is not None
        assert found.id == second.id
        assert await latest(other) is None
        assert not await storage.revoke_latest_token(other.id, purpose="invite")
        assert await storage.revoke_latest_token(user.id, purpose="invite")
        assert not await storage.revoke_latest_token(user.id, purpose="invite")
        assert await latest() is None
        assert await storage.verify_token(second.token, purpose="invite") is None
        assert await storage.get_user(user.id, consistent=True) == as_read
        assert await latest(purpose="offer") == kept.id
        assert await storage.verify_token(kept.token, purpose="offer") is not None
        assert await latest(purpose="offer") is None
        await issue()
        await storage.delete_sessions_for_user(user.id)
        assert await latest() is None
        assert not await storage.revoke_latest_token(user.id, purpose="invite")
        with pytest.raises(ValidationError):
            await storage.get_latest_token(user.id, purpose="invite", user=other)

    @clause("TOKEN-3", "TOKEN-4")
    async def test_garbage_is_no_token(self, storage: AsyncStorage) -> None:
        """Texts that were never issued, some one character away from one that was, return None and consume nothing."""
        user, other = await self.user(storage), await self.user(storage)
        token = await self.token(storage, user, MAGIC_LINK)
        session = await self.session(storage, user)
        others = [session, retarget(token, other.id), retarget(token, fresh("u")), retarget(token, "")]
        for text in [*garbage_tokens(token), *others]:
            assert await storage.check_token(text, purpose=MAGIC_LINK) is None, text[:80]
            assert await storage.verify_token(text, purpose=MAGIC_LINK) is None, text[:80]
        assert await storage.verify_token(token, purpose=MAGIC_LINK) is not None

    @clause("TOKEN-4")
    async def test_a_token_is_for_its_own_purpose(self, storage: AsyncStorage) -> None:
        """A try for another purpose returns None, and the token stays valid for its own."""
        user = await self.user(storage)
        for purpose in PURPOSES:
            token = await self.token(storage, user, purpose)
            for other in PURPOSES:
                if other != purpose:
                    assert await storage.check_token(token, purpose=other) is None
                    assert await storage.verify_token(token, purpose=other) is None
            if purpose != PASSWORD_RESET:
                assert await storage.complete_password_reset(token, new_hash()) is None
            assert await storage.verify_token(token, purpose=purpose) is not None

    @clause("TOKEN-5")
    async def test_expiry_of_a_token_is_exact(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A token is valid until a microsecond before expires_at (in whole seconds) and refused from then on."""
        user = await self.user(storage)
        good, late = [await self.token(storage, user, MAGIC_LINK, seconds=600) for _ in range(2)]
        created = await storage.create_token(
            NewToken(purpose=MAGIC_LINK, expires_at=self.later(600) + timedelta(microseconds=999_999), user_id=user.id)
        )
        assert created.token
        assert created.expires_at == self.later(600)
        clock.advance(self.later(600) - clock() - timedelta(microseconds=1))
        assert await storage.check_token(late, purpose=MAGIC_LINK) is not None
        assert await storage.verify_token(good, purpose=MAGIC_LINK) is not None
        clock.advance(timedelta(microseconds=1))
        for token in (late, created.token):
            assert await storage.check_token(token, purpose=MAGIC_LINK) is None
            assert await storage.verify_token(token, purpose=MAGIC_LINK) is None

    @clause("TOKEN-5")
    async def test_a_token_that_is_over_already_never_passes(self, storage: AsyncStorage) -> None:
        """If expires_at is not in the future, creating the token is refused, or the token is never valid."""
        user = await self.user(storage)
        for seconds in (0, -1, -86_400):
            try:
                token = await self.token(storage, user, MAGIC_LINK, seconds=seconds)
            except ValidationError:
                continue
            assert await storage.verify_token(token, purpose=MAGIC_LINK) is None

    @clause("TOKEN-6")
    @pytest.mark.parametrize("cause", DEADLY)
    async def test_a_token_dies_with_what_it_was_issued_for(self, storage: AsyncStorage, cause: str) -> None:
        """Tokens of every purpose end, and so does one bound afterwards to the user as read before."""
        verified = cause in ("removal", "lock")
        user = await self.user(storage, password_hash=new_hash(), verified=verified)
        await self.link(storage, user)
        user = await self.reread(storage, user)
        purposes = (MAGIC_LINK, PASSWORD_RESET, EMAIL_VERIFICATION, "invite")
        tokens = {purpose: await self.token(storage, user, purpose) for purpose in purposes}
        reset = await self.token(storage, user, PASSWORD_RESET)
        causes: dict[str, Call[object]] = {
            "address": lambda: storage.update_user(user, email=new_address()),
            "password": lambda: storage.set_password_hash(user.id, new_hash()),
            "removal": lambda: storage.remove_password_hash(user.id),
            "reset": lambda: storage.complete_password_reset(reset, new_hash()),
            "sessions": lambda: storage.delete_sessions_for_user(user.id),
            "lock": lambda: storage.set_locked_at(user.id, self.now()),
            "first proof": lambda: storage.mark_email_verified(user.id, email=user.email, remove_unproven=True),
            "deletion": lambda: storage.delete_user(user.id),
        }
        await causes[cause]()
        created = await storage.create_token(
            NewToken(purpose="invite", expires_at=self.later(), user_id=user.id), user=user
        )
        assert created.token
        assert await storage.verify_token(created.token, purpose="invite") is None
        for purpose, token in tokens.items():
            assert await storage.check_token(token, purpose=purpose) is None, purpose
            assert await storage.verify_token(token, purpose=purpose) is None, purpose

    @clause("TOKEN-6")
    async def test_an_address_that_comes_back_revives_no_token(self, storage: AsyncStorage) -> None:
        """If a user moves from address A to B and back, A's token stays invalid, though no session was ended."""
        user = await self.user(storage)
        token = await self.token(storage, user, EMAIL_VERIFICATION)
        moved = await storage.update_user(user, email=new_address())
        assert await storage.check_token(token, purpose=EMAIL_VERIFICATION) is None
        await storage.update_user(moved, email=user.email)
        assert await storage.verify_token(token, purpose=EMAIL_VERIFICATION) is None

    @clause("TOKEN-6")
    @pytest.mark.parametrize("cause", HARMLESS)
    async def test_a_token_outlives_what_does_not_concern_it(self, storage: AsyncStorage, cause: str) -> None:
        """Changes to neither address nor session epoch keep tokens valid; they return the user as stored now."""
        digest = new_hash()
        user, other = await self.user(storage, password_hash=digest), await self.user(storage)
        token = await self.token(storage, user, MAGIC_LINK)
        session = await self.session(storage, user)
        causes: dict[str, Call[object]] = {
            "name": lambda: storage.update_user(user, name="Ada"),
            "spelling": lambda: storage.update_user(user, email=user.email.upper()),
            "metadata": lambda: storage.update_user(user, metadata={"a": 1}),
            "proof": lambda: storage.mark_email_verified(user.id, email=user.email),
            "rehash": lambda: storage.rehash_password(user.id, email=user.email, old_hash=digest, new_hash=new_hash()),
            "account": lambda: self.link(storage, user),
            "passkey": lambda: self.passkey(storage, user),
            "sign-out": lambda: storage.delete_session(session),
            "session": lambda: self.session(storage, user),
            "other": lambda: storage.delete_user(other.id),
        }
        await causes[cause]()
        verified = await storage.verify_token(token, purpose=MAGIC_LINK)
        assert verified is not None
        assert verified.user == await self.reread(storage, user)

    @clause("TOKEN-7")
    async def test_checking_changes_nothing(self, storage: AsyncStorage) -> None:
        """Checking a token many times returns the same and leaves it valid for one use."""
        user = await self.user(storage)
        token = await self.token(storage, user, MAGIC_LINK)
        first = await storage.check_token(token, purpose=MAGIC_LINK)
        assert first is not None
        assert first.user == user
        if "raw" in self.capabilities:
            before = await self.dump()
            await storage.check_token(token, purpose=MAGIC_LINK)
            assert await self.dump() == before
        for _ in range(3):
            assert await storage.check_token(token, purpose=MAGIC_LINK) == first
        assert await storage.verify_token(token, purpose=MAGIC_LINK) == first

    @clause("TOKEN-8")
    async def test_cleaning_up_keeps_tokens_that_have_not_expired(
        self, storage: AsyncStorage, clock: FakeClock
    ) -> None:
        """Tokens, verifiers and challenges with a second left survive the clean-up; expired ones stay refused."""
        user = await self.user(storage)
        short, long = [await self.token(storage, user, MAGIC_LINK, seconds=seconds) for seconds in (60, 61)]
        states = [new_state(), new_state()]
        challenges = [new_challenge(), new_challenge()]
        for seconds, state, challenge in zip((60, 61), states, challenges, strict=True):
            await storage.store_pkce_verifier(state, new_verifier(), expires_at=self.later(seconds))
            await storage.store_passkey_challenge(
                NewPasskeyChallenge(challenge=challenge, kind="registration", expires_at=self.later(seconds))
            )
        clock.advance(self.later(60) - clock())
        assert await storage.cleanup_expired_tokens() >= 0
        assert await storage.cleanup_expired_tokens() == 0
        assert await storage.verify_token(short, purpose=MAGIC_LINK) is None
        assert await storage.consume_pkce_verifier(states[0]) is None
        assert await storage.consume_passkey_challenge(challenges[0], kind="registration") is None
        assert await storage.verify_token(long, purpose=MAGIC_LINK) is not None
        assert await storage.consume_pkce_verifier(states[1]) is not None
        assert await storage.consume_passkey_challenge(challenges[1], kind="registration") is not None
