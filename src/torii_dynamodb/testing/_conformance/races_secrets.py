"""Concurrent callers for secrets, sessions and attempts: winners are counted.

Each race runs many rounds (:attr:`Conformance.race_rounds`); the base class checks the raw tables after it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import (
    VersionConflict,
)
from torii_dynamodb.models import (
    EMAIL_VERIFICATION,
    MAGIC_LINK,
    PASSWORD_RESET,
    AttemptResult,
    LockoutPolicy,
    NewPasskey,
    NewPasskeyChallenge,
    NewToken,
    Token,
    User,
    VerifiedToken,
)
from torii_dynamodb.testing._conformance.base import (
    Call,
    Conformance,
    clause,
    new_address,
    new_hash,
)
from torii_dynamodb.testing._conformance.oauth import new_account, new_state, new_verifier
from torii_dynamodb.testing._conformance.passkeys import new_challenge, new_credential_id

__all__ = ["SecretRaceConformance"]

CALLERS = 50


class SecretRaceConformance(Conformance):
    """Races for what is used once, for sessions, and for attempts."""

    # Single use.

    @clause("TOKEN-3")
    async def test_of_50_uses_of_a_token_one_wins(self, storage: AsyncStorage) -> None:
        """50 callers use one token, some for another purpose or only checking it: one gets it."""
        self.needs("races")
        user = await self.user(storage)
        for number in range(self.rounds):
            token = await self.token(storage, user, MAGIC_LINK)

            def use(token: str = token) -> Call[object]:
                return lambda: storage.verify_token(token, purpose=MAGIC_LINK)

            def misuse(token: str = token) -> Call[object]:
                return lambda: storage.verify_token(token, purpose=PASSWORD_RESET)

            calls = [*(use() for _ in range(CALLERS)), *(misuse() for _ in range(5))]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost)
            assert len([found for found in won if found is not None]) == 1

    @clause("OAUTH-14")
    async def test_of_50_uses_of_a_verifier_one_wins(self, storage: AsyncStorage) -> None:
        """50 callers use one PKCE verifier: one gets it."""
        self.needs("races")
        for _ in range(self.rounds):
            state = new_state()
            await storage.store_pkce_verifier(state, new_verifier(), expires_at=self.later())

            def use(state: str = state) -> Call[object]:
                return lambda: storage.consume_pkce_verifier(state)

            won, lost = await self.race([use() for _ in range(CALLERS)])
            self.only(lost)
            assert len([found for found in won if found is not None]) == 1

    @clause("OAUTH-17")
    async def test_of_50_changes_of_the_same_tokens_one_wins(self, storage: AsyncStorage) -> None:
        """50 callers replace the tokens that all have read: one succeeds, and its tokens are stored."""
        self.needs("races")
        for _ in range(self.rounds):
            user = await self.user(storage)
            account = replace(new_account(), tokens={"n": 0})
            subject = account.subject
            await storage.link_oauth_account(user.id, account)

            def change(number: int, user_id: str = user.id, subject: str = subject) -> Call[object]:
                return lambda: storage.update_oauth_account(
                    user_id, "google", subject, tokens={"n": number}, expected_tokens={"n": 0}
                )

            won, lost = await self.race([change(number) for number in range(1, CALLERS + 1)])
            self.only(lost, VersionConflict)
            assert len(won) == 1
            found = await storage.get_oauth_account_by_provider_and_subject("google", subject, consistent=True)
            assert found == won[0]

    @clause("PASSKEY-10")
    async def test_of_50_uses_of_a_challenge_one_wins(self, storage: AsyncStorage) -> None:
        """50 callers use one challenge: one gets it."""
        self.needs("races")
        for _ in range(self.rounds):
            challenge = new_challenge()
            await storage.store_passkey_challenge(
                NewPasskeyChallenge(challenge=challenge, kind="authentication", expires_at=self.later())
            )

            def use(challenge: bytes = challenge) -> Call[object]:
                return lambda: storage.consume_passkey_challenge(challenge, kind="authentication")

            won, lost = await self.race([use() for _ in range(CALLERS)])
            self.only(lost)
            assert len([found for found in won if found is not None]) == 1

    @clause("PASSWORD-9", "TOKEN-3")
    async def test_of_completions_of_a_reset_one_wins(self, storage: AsyncStorage) -> None:
        """One token, many new passwords, some plain uses: one caller gets it, and the stored hash is the winner's."""
        self.needs("races")
        for number in range(self.rounds):
            old = new_hash()
            user = await self.user(storage, password_hash=old)
            token = await self.token(storage, user, PASSWORD_RESET)
            hashes = [new_hash() for _ in range(20)]

            def complete(digest: str, token: str = token) -> Call[object]:
                async def reset() -> object:
                    done = await storage.complete_password_reset(token, digest)
                    return digest if done is not None else None

                return reset

            def use(token: str = token) -> Call[object]:
                return lambda: storage.verify_token(token, purpose=PASSWORD_RESET)

            calls = [*(complete(digest) for digest in hashes), use(), use()]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost)
            winners = [found for found in won if found is not None]
            assert len(winners) == 1
            stored = await storage.get_password_hash(user.id)
            assert stored == (winners[0] if isinstance(winners[0], str) else old)
        await self.whole()

    @clause("PASSWORD-12", "PASSWORD-13")
    async def test_of_completions_of_a_proof_one_wins(self, storage: AsyncStorage) -> None:
        """One token, used to keep, to remove, to move and plainly, while a link is added: one caller gets all of it."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage, password_hash=new_hash())
            await self.link(storage, user)
            digest = await storage.get_password_hash(user.id)
            token = await self.token(storage, user, EMAIL_VERIFICATION)
            target = new_address()
            calls: list[Call[Any]] = [
                *(partial(storage.complete_email_proof, token, keep=keep) for keep in (True, False) * 3),
                *(partial(storage.complete_email_proof, token, new_email=target, keep=keep) for keep in (True, False)),
                partial(storage.verify_token, token, purpose=EMAIL_VERIFICATION),
                partial(self.passkey, storage, user),
            ]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost)
            proved = [found for found in won if isinstance(found, User)]
            used = [found for found in won if isinstance(found, VerifiedToken)]
            assert len(proved) + len(used) == 1
            now = await self.reread(storage, user)
            assert now.is_email_verified == bool(proved)
            if proved:
                assert (now.email, now.has_password) == (proved[0].email, proved[0].has_password)
            assert await storage.get_password_hash(user.id) == (digest if now.has_password else None)
        await self.whole()

    @clause("PASSWORD-14")
    async def test_completing_a_change_of_address_against_signing_out_everywhere(self, storage: AsyncStorage) -> None:
        """While all sessions end, an address moves entirely or not at all; earlier links move none afterwards."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage, password_hash=new_hash())
            raced = await self.token(storage, user, EMAIL_VERIFICATION)
            left = await self.token(storage, user, "mine")
            calls: list[Call[Any]] = [
                partial(storage.complete_email_proof, raced, new_email=new_address(), keep=True),
                partial(storage.delete_sessions_for_user, user.id),
            ]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost)
            moved = [found for found in won if isinstance(found, User)]
            now = await self.reread(storage, user)
            assert now.email == (moved[0] if moved else user).email
            assert now.is_email_verified == bool(moved)
            assert await storage.complete_email_proof(left, purpose="mine", new_email=new_address(), keep=True) is None
            assert await self.reread(storage, user) == now
        await self.whole()

    @clause("TOKEN-2", "TOKEN-3")
    async def test_revoking_against_using(self, storage: AsyncStorage) -> None:
        """Used during an issue with revoke_earlier, a token may be accepted; after the issue has returned it is not."""
        self.needs("races")
        user = await self.user(storage)
        for number in range(self.rounds):
            tokens = [await self.token(storage, user, MAGIC_LINK) for _ in range(4)]
            new_token = NewToken(purpose=MAGIC_LINK, expires_at=self.later(), user_id=user.id, revoke_earlier=True)

            def issue(new_token: NewToken = new_token) -> Call[object]:
                return lambda: storage.create_token(new_token)

            def use(token: str) -> Call[object]:
                return lambda: storage.verify_token(token, purpose=MAGIC_LINK)

            calls = [issue(), *(use(token) for token in tokens[:3])]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost)
            for token in tokens:
                assert await storage.verify_token(token, purpose=MAGIC_LINK) is None
            [issued] = [found.token for found in won if isinstance(found, Token)]
            assert issued
            assert await storage.check_token(issued, purpose=MAGIC_LINK) is not None

    @clause("TOKEN-6")
    async def test_what_a_token_proves_is_still_so_when_it_is_used(self, storage: AsyncStorage) -> None:
        """While the address moves, an e-mail verification is used: it returns the old address or nothing."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage)
            token = await self.token(storage, user, EMAIL_VERIFICATION)

            def move(user: User = user) -> Call[object]:
                return lambda: storage.update_user(user, email=new_address())

            async def use(token: str = token) -> object:
                verified = await storage.verify_token(token, purpose=EMAIL_VERIFICATION)
                if verified is None or verified.user is None or verified.token.email is None:
                    return None
                return await storage.mark_email_verified(verified.user.id, email=verified.token.email)

            _, lost = await self.race(self.shuffled([move(), use], number))
            self.only(lost, VersionConflict)
            now = await self.reread(storage, user)
            assert not now.is_email_verified or now.email == user.email

    # Sessions.

    @clause("SESSION-2", "PASSWORD-1")
    async def test_changing_the_password_against_signing_in_with_the_old_one(self, storage: AsyncStorage) -> None:
        """However sign-ins and the change interleave, no session from the old password is valid afterwards."""
        self.needs("races")
        for number in range(self.rounds):
            old, new = new_hash(), new_hash()
            user = await self.user(storage, password_hash=old)

            async def sign_in(user: User = user, old: str = old) -> object:
                credentials = await storage.get_credentials_by_email(user.email)
                assert credentials is not None
                read = await self.reread(storage, user)
                if credentials.password_hash != old or credentials.password_version != read.password_version:
                    return None
                return await self.session(storage, read)

            def change(user: User = user, new: str = new) -> Call[object]:
                return lambda: storage.set_password_hash(user.id, new)

            won, lost = await self.race(self.shuffled([*(sign_in for _ in range(8)), change()], number))
            self.only(lost)
            for token in won:
                if isinstance(token, str):
                    assert await storage.get_session(token) is None
            assert await storage.get_password_hash(user.id) == new
            fresh_session = await self.session(storage, await self.reread(storage, user))
            assert await storage.get_session(fresh_session) is not None

    @clause("SESSION-12", "SESSION-14")
    async def test_signing_out_everywhere_against_signing_in(self, storage: AsyncStorage) -> None:
        """Sessions from before the sign-out are invalid after it; those made after it are valid and stay so."""
        self.needs("races")
        user = await self.user(storage)
        for number in range(self.rounds):
            user = await self.reread(storage, user)
            before = [await self.session(storage, user) for _ in range(10)]

            async def sign_in(user: User = user) -> object:
                return await self.session(storage, await self.reread(storage, user))

            def check(token: str) -> Call[object]:
                return lambda: storage.get_signed_in(token)

            calls: list[Call[Any]] = [
                *(sign_in for _ in range(6)),
                partial(storage.delete_sessions_for_user, user.id),
                *(check(token) for token in before),
            ]
            _, lost = await self.race(self.shuffled(calls, number))
            self.only(lost)
            for token in before:
                assert await storage.get_session(token) is None
            after = [await self.session(storage, await self.reread(storage, user)) for _ in range(3)]
            for _ in range(3):
                for token in after:
                    assert await storage.get_session(token) is not None

    @clause("SESSION-12")
    async def test_a_check_that_begins_after_the_sign_out_fails(self, storage: AsyncStorage) -> None:
        """Among hundreds of other checks (whose reads may be merged), every check after the sign-out is refused."""
        self.needs("races")
        user, other = await self.user(storage), await self.user(storage)
        others = await self.session(storage, other)
        for _ in range(self.rounds):
            user = await self.reread(storage, user)
            tokens = [await self.session(storage, user) for _ in range(4)]

            async def end_then_check(user: User = user, tokens: list[str] = tokens) -> object:
                await storage.delete_sessions_for_user(user.id)
                return [await storage.get_signed_in(token) for token in tokens]

            async def keep_checking(tokens: list[str] = tokens) -> object:
                for token in tokens * 3:
                    await storage.get_signed_in(token)
                    assert await storage.get_session(others) is not None
                return None

            calls: list[Call[object]] = [end_then_check, *(keep_checking for _ in range(10))]
            won, lost = await self.race(calls)
            self.only(lost)
            assert won[0] == [None] * len(tokens)

    @clause("SESSION-9", "SESSION-10")
    async def test_refreshing_against_signing_out(self, storage: AsyncStorage) -> None:
        """A session refreshed while it is signed out is signed out in the end."""
        self.needs("races")
        user = await self.user(storage)
        for number in range(self.rounds):
            token = await self.session(storage, user)

            def refresh(seconds: int, token: str = token) -> Call[object]:
                return lambda: storage.refresh_session(token, expires_at=self.later(7200 + seconds))

            def out(token: str = token) -> Call[object]:
                return lambda: storage.delete_session(token)

            _, lost = await self.race(self.shuffled([*(refresh(n) for n in range(5)), out()], number))
            self.only(lost)
            assert await storage.get_session(token) is None
        if "raw" in self.capabilities:
            assert not [row for row in (await self.dump())["sessions"] if row["user_id"] == user.id]

    @clause("SESSION-9")
    async def test_of_refreshes_the_latest_end_stays(self, storage: AsyncStorage) -> None:
        """With many refreshes at once, the session gets the latest expiry."""
        self.needs("races")
        user = await self.user(storage)
        for number in range(self.rounds):
            token = await self.session(storage, user)

            def refresh(seconds: int, token: str = token) -> Call[object]:
                return lambda: storage.refresh_session(token, expires_at=self.later(3600 + seconds))

            _, lost = await self.race(self.shuffled([refresh(n) for n in range(10)], number))
            self.only(lost)
            found = await storage.get_session(token)
            assert found is not None
            assert found.expires_at == self.later(3609)

    # Attempts.

    @clause("LOCKOUT-1")
    async def test_of_200_attempts_the_limit_passes(self, storage: AsyncStorage) -> None:
        """200 concurrent callers, limits of 1, 5 and 20: exactly that many are allowed, now and in the next window."""
        self.needs("races")
        for limit in (1, 5, 20):
            policy = LockoutPolicy(max_attempts=limit)
            email = new_address()
            for _ in range(3):

                def ask(email: str = email, policy: LockoutPolicy = policy) -> Call[AttemptResult]:
                    return lambda: storage.acquire_login_attempt(email, policy=policy)

                won, lost = await self.race([ask() for _ in range(200)])
                self.only(lost)
                allowed = [result for result in won if result.allowed]
                assert len(allowed) == limit
                assert len({result.attempt_id for result in allowed}) == limit
                assert all(result.retry_after == policy.window for result in won if not result.allowed)
                self._clock.advance(policy.window)

    @clause("LOCKOUT-1", "LOCKOUT-8")
    async def test_a_success_clears_no_attempt_made_beside_it(self, storage: AsyncStorage) -> None:
        """Attempts made while a success clears the register are allowed up to the limit in total."""
        self.needs("races")
        policy = LockoutPolicy(max_attempts=5)
        for number in range(self.rounds):
            email = new_address()
            first = await storage.acquire_login_attempt(email, policy=policy)

            def ask(email: str = email) -> Call[Any]:
                return lambda: storage.acquire_login_attempt(email, policy=policy)

            def clear(email: str = email, attempt_id: str = first.attempt_id) -> Call[Any]:
                return lambda: storage.clear_attempts(email, attempt_id=attempt_id)

            calls = [*(ask() for _ in range(20)), clear()]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost)
            allowed = sum(isinstance(found, AttemptResult) and found.allowed for found in won)
            assert allowed in (4, 5), "all five if the success was the last attempt, otherwise the four that were left"
            assert (await storage.get_lockout_status(email, policy=policy)).locked

    @clause("LOCKOUT-6", "LOCKOUT-9")
    async def test_no_audit_row_is_lost(self, storage: AsyncStorage) -> None:
        """Failures recorded at once, even at one instant, are one row each; recorded twice, still one."""
        self.needs("races")
        email = new_address()
        policy = LockoutPolicy(max_attempts=20, window=timedelta(seconds=1))
        ids: set[str] = set()
        for _ in range(3):
            for _ in range(10):
                ids.add((await storage.acquire_login_attempt(email, policy=policy)).attempt_id)
            self._clock.advance(5)

        def record(attempt_id: str) -> Call[None]:
            return lambda: storage.record_failed_attempt(email, attempt_id, ip_address="192.0.2.1")

        _, lost = await self.race([record(attempt_id) for attempt_id in sorted(ids) * 2])
        self.only(lost)
        rows = await storage.list_failed_attempts(email)
        assert {row.attempt_id for row in rows} == ids
        assert len(rows) == len(ids) == 30

    @clause("LOCKOUT-11")
    async def test_locking_against_signing_in(self, storage: AsyncStorage) -> None:
        """No session bound to a user read before the lock is valid after it."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage)

            def sign_in(user: User = user) -> Call[object]:
                return lambda: self.session(storage, user)

            def lock(user: User = user) -> Call[object]:
                return lambda: storage.set_locked_at(user.id, self.now())

            won, lost = await self.race(self.shuffled([*(sign_in() for _ in range(8)), lock()], number))
            self.only(lost)
            for token in won:
                if isinstance(token, str):
                    assert await storage.get_session(token) is None

    @clause("USER-10", "SESSION-12", "PASSWORD-1", "OAUTH-2", "PASSKEY-1")
    async def test_changes_of_one_user_all_take_effect(self, storage: AsyncStorage) -> None:
        """Different changes of one user at once (the storage decides again after a conflict): none is lost."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage, password_hash=new_hash())
            account, digest = new_account(), new_hash()
            new = NewPasskey(user_id=user.id, credential_id=new_credential_id(), public_key=b"key")
            calls: list[Call[Any]] = [
                partial(storage.link_oauth_account, user.id, account),
                partial(storage.add_passkey, new),
                partial(storage.set_password_hash, user.id, digest),
                partial(storage.mark_email_verified, user.id, email=user.email),
                partial(storage.delete_sessions_for_user, user.id),
                partial(storage.set_locked_at, user.id, self.now()),
            ]
            won, lost = await self.race(self.shuffled(calls, number))
            self.only(lost)
            assert len(won) == len(calls)
            now = await self.reread(storage, user)
            assert len(now.identities) == 3
            assert now.is_email_verified
            assert now.locked_at is not None
            assert now.version == user.version + len(calls)
            assert await storage.get_password_hash(user.id) == digest
            stale = await self.session(storage, user)
            assert await storage.get_session(stale) is None
        await self.whole()
