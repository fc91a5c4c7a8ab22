"""The conformance tests of second factors and of mailed codes."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from torii_dynamodb.contract import AsyncStorage
from torii_dynamodb.errors import NotFound, Revoked, TooManyFactors, ValidationError, VersionConflict
from torii_dynamodb.models import (
    EMAIL_VERIFICATION,
    MAGIC_LINK,
    PASSWORD_RESET,
    Factor,
    NewFactor,
    NewSession,
    NewToken,
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
from torii_dynamodb.testing.clock import FakeClock

__all__ = ["SecondFactorConformance"]

CODE = "01234567"
WRONG = "76543210"
CALLERS = 50


def new_factor(user: User, factor_id: str | None = None, *, last_step: int = 100) -> NewFactor:
    """Return an authenticator app to add to a user."""
    return NewFactor(
        user_id=user.id,
        id=factor_id or uuid4().hex,
        secret=b"sealed" + uuid4().bytes,
        last_step=last_step,
        name="Phone",
    )


class SecondFactorConformance(Conformance):
    """Second factors and mailed codes."""

    # Authenticator apps.

    @clause("FACTOR-1", "FACTOR-4", "FACTOR-14")
    async def test_a_factor_is_listed_as_it_was_added(self, storage: AsyncStorage) -> None:
        """What was added is listed, and the user's set names it; adding it ends no session."""
        user = await self.user(storage)
        session = await self.session(storage, user)
        new = new_factor(user)
        added = await storage.add_factor(new)
        assert (added.id, added.kind, added.name, added.secret) == (new.id, "totp", "Phone", new.secret)
        assert (added.last_step, added.last_used_at, added.created_at) == (100, None, self.now())
        assert await storage.list_factors_for_user(user.id) == [added]
        assert await storage.get_factor(user.id, new.id) == added
        assert await storage.get_factor(user.id, "other") is None
        assert await storage.get_factor(user.id, "recovery") is None
        after = await self.reread(storage, user)
        assert after.factors == {f"totp#{new.id}"}
        assert after.version == user.version + 1
        assert await storage.list_factors_for_user(user.id, user=after) == [added]
        assert await storage.get_session(session) is not None
        assert new.secret not in repr(added).encode()

    @clause("FACTOR-1")
    async def test_nobody_has_no_factors(self, storage: AsyncStorage) -> None:
        """For a user that does not exist, adding raises NotFound, and the rest returns nothing or False."""
        nobody = fresh("u")
        gone = await self.user(storage)
        await storage.delete_user(gone.id)
        for user_id in (nobody, gone.id):
            with pytest.raises(NotFound):
                await storage.add_factor(NewFactor(user_id=user_id, id="one", secret=b"sealed", last_step=0))
            with pytest.raises(NotFound):
                await storage.set_recovery_codes(user_id, ["mark"])
            assert await storage.list_factors_for_user(user_id) == []
            assert not await storage.remove_factor(user_id, "one")
            assert not await storage.remove_factors_for_user(user_id)
            assert not await storage.use_passkeys_as_factor(user_id, True)
            assert not await storage.accept_totp_step(user_id, "one", 5)
            assert not await storage.use_recovery_code(user_id, "mark")

    @clause("FACTOR-2")
    async def test_adding_a_factor_again_changes_nothing(self, storage: AsyncStorage) -> None:
        """A repeated call with the same id does not change the first factor."""
        user = await self.user(storage)
        first = await storage.add_factor(new_factor(user, "app"))
        await storage.add_factor(new_factor(user, "app", last_step=200))
        assert await storage.list_factors_for_user(user.id) == [first]

    @clause("FACTOR-15")
    async def test_only_the_first_factor(self, storage: AsyncStorage) -> None:
        """A user who has another app gets none; recovery codes are no factor; a repeated call passes."""
        user = await self.user(storage)
        await storage.set_recovery_codes(user.id, ["mark"])
        await storage.add_factor(new_factor(user, "app"), only_first=True)
        await storage.add_factor(new_factor(user, "app"), only_first=True)
        with pytest.raises(VersionConflict):
            await storage.add_factor(new_factor(user, "late"), only_first=True)
        assert (await self.reread(storage, user)).factors == {"totp#app", "recovery"}

    @clause("FACTOR-15")
    async def test_of_parallel_first_factors_one_is_added(self, storage: AsyncStorage) -> None:
        """Five callers add a first app at once: one does."""
        self.needs("races")
        for _ in range(self.rounds):
            user = await self.user(storage)
            calls = [partial(storage.add_factor, new_factor(user, f"app{n}"), only_first=True) for n in range(5)]
            won, lost = await self.race(calls)
            assert len(won) == 1
            self.only(lost, VersionConflict)
            assert len((await self.reread(storage, user)).factors) == 1

    @clause("FACTOR-16")
    @pytest.mark.parametrize("how", ["one", "all", "passkeys"])
    async def test_a_removal_ends_open_challenges(self, storage: AsyncStorage, how: str) -> None:
        """A challenge issued before is no longer valid; one issued afterwards is, and so is any other link."""
        user = await self.user(storage)
        await storage.add_factor(new_factor(user, "app"))
        await storage.use_passkeys_as_factor(user.id, True)
        challenge = await self.token(storage, user, "second_factor")
        link = await self.token(storage, user, MAGIC_LINK)
        if how == "one":
            await storage.remove_factor(user.id, "app")
        elif how == "all":
            await storage.remove_factors_for_user(user.id)
        else:
            await storage.use_passkeys_as_factor(user.id, False)
        assert await storage.check_token(challenge, purpose="second_factor") is None
        assert await storage.verify_token(challenge, purpose="second_factor") is None
        assert await storage.verify_token(link, purpose=MAGIC_LINK) is not None
        later = await self.token(storage, await self.reread(storage, user), "second_factor")
        assert await storage.verify_token(later, purpose="second_factor") is not None

    @clause("FACTOR-1")
    async def test_a_user_has_at_most_five_apps(self, storage: AsyncStorage) -> None:
        """The sixth is refused, and another can be added once one is removed."""
        user = await self.user(storage)
        for number in range(5):
            await storage.add_factor(new_factor(user, f"app{number}"))
        with pytest.raises(TooManyFactors) as caught:
            await storage.add_factor(new_factor(user, "app5"))
        assert caught.value.limit == 5
        assert await storage.remove_factor(user.id, "app0")
        await storage.add_factor(new_factor(user, "app5"))
        assert {factor.id for factor in await storage.list_factors_for_user(user.id)} == {
            f"app{number}" for number in range(1, 6)
        }

    @clause("FACTOR-3")
    async def test_a_revoked_session_changes_no_factor(self, storage: AsyncStorage) -> None:
        """Under an earlier epoch, nothing is added, removed, replaced or switched."""
        user = await self.user(storage)
        await storage.add_factor(new_factor(user, "app"))
        await storage.set_recovery_codes(user.id, ["mark"])
        before = await self.reread(storage, user)
        await storage.delete_sessions_for_user(user.id)
        epoch = user.session_epoch
        for call in (
            lambda: storage.add_factor(new_factor(user, "other"), session_epoch=epoch),
            lambda: storage.remove_factor(user.id, "app", session_epoch=epoch),
            lambda: storage.remove_factors_for_user(user.id, session_epoch=epoch),
            lambda: storage.set_recovery_codes(user.id, ["other"], session_epoch=epoch),
            lambda: storage.use_passkeys_as_factor(user.id, True, session_epoch=epoch),
        ):
            with pytest.raises(Revoked):
                await call()
        assert (await self.reread(storage, user)).factors == before.factors
        assert await storage.use_recovery_code(user.id, "mark")
        assert await storage.remove_factor(user.id, "app", session_epoch=epoch + 1)

    @clause("FACTOR-5", "FACTOR-6", "FACTOR-7", "FACTOR-8")
    async def test_removing_factors(self, storage: AsyncStorage) -> None:
        """A removed factor accepts nothing; recovery codes are removed with the last other factor."""
        user = await self.user(storage)
        for factor_id in ("one", "two"):
            await storage.add_factor(new_factor(user, factor_id))
        await storage.set_recovery_codes(user.id, ["mark"])
        assert await storage.remove_factor(user.id, "one")
        assert not await storage.remove_factor(user.id, "one")
        assert not await storage.accept_totp_step(user.id, "one", 101)
        assert [factor.id for factor in await storage.list_factors_for_user(user.id)] == ["recovery", "two"]
        assert await storage.remove_factor(user.id, "two")
        assert (await self.reread(storage, user)).factors == frozenset()
        assert await storage.list_factors_for_user(user.id) == []
        assert not await storage.use_recovery_code(user.id, "mark")
        await storage.add_factor(new_factor(user, "one"))
        await storage.set_recovery_codes(user.id, ["mark"])
        await storage.use_passkeys_as_factor(user.id, True)
        assert await storage.remove_factors_for_user(user.id)
        assert not await storage.remove_factors_for_user(user.id)
        assert (await self.reread(storage, user)).factors == frozenset()

    @clause("FACTOR-9")
    async def test_passkeys_serve_as_a_factor_while_the_user_says_so(self, storage: AsyncStorage) -> None:
        """The user's set names passkeys as long as they count; recovery codes are removed with the last factor."""
        user = await self.user(storage)
        assert await storage.use_passkeys_as_factor(user.id, True)
        assert not await storage.use_passkeys_as_factor(user.id, True)
        await storage.set_recovery_codes(user.id, ["mark"])
        assert (await self.reread(storage, user)).factors == {"passkey", "recovery"}
        assert await storage.use_passkeys_as_factor(user.id, False)
        assert not await storage.use_passkeys_as_factor(user.id, False)
        assert (await self.reread(storage, user)).factors == frozenset()

    @clause("FACTOR-7")
    async def test_factors_live_and_die_with_the_user(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A change of address, a verified user's reset and a lock keep them; deleting the user removes them."""
        user = await self.user(storage, password_hash=new_hash(), verified=True)
        await storage.add_factor(new_factor(user, "app"))
        await storage.set_recovery_codes(user.id, ["mark"])
        user = await storage.update_user(await self.reread(storage, user), email=new_address())
        assert await storage.mark_email_verified(user.id, email=user.email)
        token = await self.token(storage, user, PASSWORD_RESET)
        assert await storage.complete_password_reset(token, new_hash())
        await storage.set_locked_at(user.id, clock())
        await storage.set_locked_at(user.id, None)
        assert (await self.reread(storage, user)).factors == {"totp#app", "recovery"}
        assert await storage.accept_totp_step(user.id, "app", 101)
        await storage.delete_user(user.id)
        assert not await storage.accept_totp_step(user.id, "app", 102)
        assert not await storage.use_recovery_code(user.id, "mark")

    @clause("FACTOR-8")
    @pytest.mark.parametrize("proof", ["mark", "link", "reset"])
    async def test_the_first_proof_removes_factors(self, storage: AsyncStorage, proof: str) -> None:
        """The first proof of the address removes the factors that were set up before it."""
        user = await self.user(storage, password_hash=new_hash())
        await storage.add_factor(new_factor(user, "app"))
        await storage.set_recovery_codes(user.id, ["mark"])
        await storage.use_passkeys_as_factor(user.id, True)
        if proof == "mark":
            await storage.mark_email_verified(user.id, email=user.email, remove_unproven=True)
        elif proof == "link":
            await storage.complete_email_proof(await self.token(storage, user, EMAIL_VERIFICATION))
        else:
            await storage.complete_password_reset(await self.token(storage, user, PASSWORD_RESET), new_hash())
        after = await self.reread(storage, user)
        assert after.is_email_verified
        assert after.factors == frozenset()
        assert not await storage.accept_totp_step(user.id, "app", 101)
        assert not await storage.use_recovery_code(user.id, "mark")

    # Using them.

    @clause("FACTOR-10")
    async def test_a_step_is_accepted_once(self, storage: AsyncStorage) -> None:
        """The last accepted step and earlier ones are refused; a later one is accepted and stored."""
        user = await self.user(storage)
        await storage.add_factor(new_factor(user, "app"))
        assert [await storage.accept_totp_step(user.id, "app", step) for step in (99, 100, 101, 101, 103, 102)] == [
            False,
            False,
            True,
            False,
            True,
            False,
        ]
        [factor] = await storage.list_factors_for_user(user.id)
        assert (factor.last_step, factor.last_used_at) == (103, self.now())

    @clause("FACTOR-11", "FACTOR-12")
    async def test_recovery_codes_are_used_once(self, storage: AsyncStorage) -> None:
        """Each is accepted once and counted; new ones replace the old."""
        user = await self.user(storage)
        await storage.add_factor(new_factor(user, "app"))
        told = await storage.set_recovery_codes(user.id, ["a", "b", "c"])
        assert told.factors == {"totp#app", "recovery"}
        assert await storage.use_recovery_code(user.id, "b")
        assert not await storage.use_recovery_code(user.id, "b")
        assert not await storage.use_recovery_code(user.id, "d")
        [codes, _] = await storage.list_factors_for_user(user.id)
        assert (codes.codes_left, codes.marks, codes.last_used_at) == (2, frozenset({"a", "c"}), self.now())
        await storage.set_recovery_codes(user.id, ["x", "y"])
        assert not await storage.use_recovery_code(user.id, "a")
        assert await storage.use_recovery_code(user.id, "x")
        assert await storage.use_recovery_code(user.id, "y")
        [codes, _] = await storage.list_factors_for_user(user.id)
        assert codes.codes_left == 0

    @clause("FACTOR-13")
    async def test_a_seed_is_sealed_anew_if_it_is_the_one_read(self, storage: AsyncStorage) -> None:
        """The seed is replaced if it is still as read and the factor still exists."""
        user = await self.user(storage)
        factor = await storage.add_factor(new_factor(user, "app"))
        assert await storage.reseal_factor(factor, b"sealed anew")
        assert not await storage.reseal_factor(factor, b"sealed once more")
        [now] = await storage.list_factors_for_user(user.id)
        assert (now.secret, now.last_step) == (b"sealed anew", 100)
        await storage.remove_factor(user.id, "app")
        assert not await storage.reseal_factor(now, b"sealed once more")

    @clause("FACTOR-1")
    @pytest.mark.parametrize("factor_id", ["recovery", "passkey"])
    async def test_reserved_ids_are_refused(self, storage: AsyncStorage, factor_id: str) -> None:
        """An authenticator app cannot have the id of recovery codes or passkeys."""
        user = await self.user(storage)
        with pytest.raises(ValidationError):
            await storage.add_factor(new_factor(user, factor_id))

    @clause("SESSION-19")
    async def test_a_session_remembers_how_it_began(self, storage: AsyncStorage) -> None:
        """Methods and times are returned as given, and are empty if nothing was given."""
        user = await self.user(storage)
        began, asked = self.now() - timedelta(hours=2), self.now() - timedelta(hours=1)
        created = await storage.create_session(
            NewSession(
                user_id=user.id,
                expires_at=self.later(),
                amr=("pwd", "otp", "mfa"),
                authenticated_at=began,
                second_factor_at=asked,
            )
        )
        assert created.token
        found = await storage.get_session(created.token)
        assert found is not None
        assert (found.amr, found.authenticated_at, found.second_factor_at) == (("pwd", "otp", "mfa"), began, asked)
        plain = await storage.get_session(await self.session(storage, user))
        assert plain is not None
        assert (plain.amr, plain.authenticated_at, plain.second_factor_at) == ((), None, None)

    # Codes from mails.

    async def code(
        self, storage: AsyncStorage, user: User | None, *, purpose: str = MAGIC_LINK, seconds: float = 600
    ) -> str:
        """Store a new code, and return its flow token."""
        created = await storage.create_code(
            NewToken(
                purpose=purpose,
                expires_at=self.later(seconds),
                user_id=None if user is None else user.id,
                email=new_address() if user is None else None,
            ),
            CODE,
        )
        assert created.token
        return created.token

    @clause("CODE-1", "CODE-2", "CODE-4")
    async def test_a_code_passes_once_with_its_flow_token(self, storage: AsyncStorage) -> None:
        """It proves once what it was bound to; nothing stored or shown reveals it."""
        user = await self.user(storage)
        created = await storage.create_code(
            NewToken(purpose=MAGIC_LINK, expires_at=self.later(600), user_id=user.id, metadata={"a": 1}), CODE
        )
        flow = created.token
        assert flow
        assert flow not in repr(created)
        if "raw" in self.capabilities:
            stored = repr(await self.dump())
            assert CODE not in stored
            assert flow.rpartition(".")[2][:43] not in stored
        assert await storage.verify_token(flow, purpose=MAGIC_LINK) is None
        assert await storage.check_token(flow, purpose=MAGIC_LINK) is None
        found = await storage.try_code(flow, " 0123-4567 ", purpose=MAGIC_LINK)
        assert found is not None
        assert (found.user, found.token.email, found.token.metadata) == (user, user.email, {"a": 1})
        assert await storage.try_code(flow, CODE, purpose=MAGIC_LINK) is None

    @clause("CODE-1")
    async def test_a_code_without_a_user(self, storage: AsyncStorage) -> None:
        """For sign-up by code: it proves an address that nobody has yet."""
        flow = await self.code(storage, None)
        found = await storage.try_code(flow, CODE, purpose=MAGIC_LINK)
        assert found is not None
        assert found.user is None
        assert found.token.email

    @clause("CODE-7")
    async def test_a_flow_token_does_not_tell_who_has_an_account(self, storage: AsyncStorage) -> None:
        """It names no user and has the same length with and without one: whoever asked for a code reads it."""
        user = await self.user(storage)
        known, unknown = await self.code(storage, user), await self.code(storage, None)
        assert user.id not in known
        assert len(known) == len(unknown)
        assert known.rpartition(".")[0] == unknown.rpartition(".")[0]

    @clause("CODE-3")
    async def test_five_tries_are_compared(self, storage: AsyncStorage) -> None:
        """The right code is accepted at the fifth try but not at the sixth; what is not a code is not counted."""
        user = await self.user(storage)
        fourth, fifth = await self.code(storage, user), await self.code(storage, user)
        for flow, wrong in ((fourth, 4), (fifth, 5)):
            for _ in range(wrong):
                assert await storage.try_code(flow, WRONG, purpose=MAGIC_LINK) is None
            for nothing in ("", "1234567", "abcdefgh", "1" * 500):
                assert await storage.try_code(flow, nothing, purpose=MAGIC_LINK) is None
        assert await storage.try_code(fourth, CODE, purpose=MAGIC_LINK) is not None
        assert await storage.try_code(fifth, CODE, purpose=MAGIC_LINK) is None

    @clause("CODE-5")
    async def test_a_code_is_for_one_purpose_flow_and_time(self, storage: AsyncStorage, clock: FakeClock) -> None:
        """A code is refused for another purpose or flow, with another user in the token, and when it has expired."""
        user, other = await self.user(storage), await self.user(storage)
        flow, second = await self.code(storage, user), await self.code(storage, user)
        assert await storage.try_code(flow, CODE, purpose=PASSWORD_RESET) is None
        assert await storage.try_code(retarget(flow, other.id), CODE, purpose=MAGIC_LINK) is None
        assert await storage.try_code("garbage", CODE, purpose=MAGIC_LINK) is None
        token = await self.token(storage, user, MAGIC_LINK)
        assert await storage.try_code(token, CODE, purpose=MAGIC_LINK) is None
        assert await storage.try_code(flow, CODE, purpose=MAGIC_LINK) is not None
        clock.advance(timedelta(seconds=600))
        assert await storage.try_code(second, CODE, purpose=MAGIC_LINK) is None

    @clause("CODE-5")
    async def test_a_code_is_for_the_browser_that_asked(self, storage: AsyncStorage) -> None:
        """If two browsers ask for one user, each code is accepted in its own browser and not in the other."""
        user = await self.user(storage)
        flows: list[str] = []
        for code in (CODE, WRONG):
            new = NewToken(purpose=MAGIC_LINK, expires_at=self.later(600), user_id=user.id)
            flows.append((await storage.create_code(new, code)).token)
        assert await storage.try_code(flows[0], WRONG, purpose=MAGIC_LINK) is None
        assert await storage.try_code(flows[1], CODE, purpose=MAGIC_LINK) is None
        assert await storage.try_code(flows[0], CODE, purpose=MAGIC_LINK) is not None
        assert await storage.try_code(flows[1], WRONG, purpose=MAGIC_LINK) is not None

    @clause("CODE-6")
    @pytest.mark.parametrize("event", ["sessions", "address", "password", "lock", "deletion"])
    async def test_a_code_dies_with_what_it_was_bound_to(
        self, storage: AsyncStorage, clock: FakeClock, event: str
    ) -> None:
        """After any event that ends a one-time token, the right code is refused."""
        user = await self.user(storage)
        flow = await self.code(storage, user)
        if event == "sessions":
            await storage.delete_sessions_for_user(user.id)
        elif event == "address":
            await storage.update_user(user, email=new_address())
        elif event == "password":
            await storage.set_password_hash(user.id, new_hash())
        elif event == "lock":
            await storage.set_locked_at(user.id, clock())
        else:
            await storage.delete_user(user.id)
        assert await storage.try_code(flow, CODE, purpose=MAGIC_LINK) is None

    # Races.

    @clause("FACTOR-10", "FACTOR-12")
    async def test_of_50_right_answers_one_is_accepted(self, storage: AsyncStorage) -> None:
        """Of 50 callers with the code of one step, one succeeds, and of 50 with one recovery code, too."""
        self.needs("races")
        user = await self.user(storage)
        await storage.add_factor(new_factor(user, "app"))
        for number in range(self.rounds):
            await storage.set_recovery_codes(user.id, ["a", "b"])

            def step(number: int = number) -> Call[object]:
                return lambda: storage.accept_totp_step(user.id, "app", 101 + number)

            def recovery() -> Call[object]:
                return lambda: storage.use_recovery_code(user.id, "a")

            steps, lost = await self.race([step() for _ in range(CALLERS)])
            self.only(lost)
            codes, lost = await self.race([recovery() for _ in range(CALLERS)])
            self.only(lost)
            assert (steps.count(True), codes.count(True)) == (1, 1)

    @clause("CODE-3", "CODE-4")
    async def test_of_many_parallel_tries_five_are_compared(self, storage: AsyncStorage) -> None:
        """Of 50 right codes, one is accepted; of 200 wrong ones, five are compared, then the right one is refused."""
        self.needs("races")
        user = await self.user(storage)

        def attempt(flow: str, code: str = CODE) -> Call[object]:
            return lambda: storage.try_code(flow, code, purpose=MAGIC_LINK)

        for number in range(self.rounds):
            flow, mixed = await self.code(storage, user), await self.code(storage, user)
            won, lost = await self.race([attempt(flow) for _ in range(CALLERS)])
            self.only(lost)
            assert len([found for found in won if found is not None]) == 1
            guesses = [attempt(mixed, f"{guess:08d}") for guess in range(10_000_000, 10_000_009)]
            won, lost = await self.race(self.shuffled([*guesses, attempt(mixed)], number))
            self.only(lost)
            assert len([found for found in won if found is not None]) <= 1
            assert await storage.try_code(mixed, CODE, purpose=MAGIC_LINK) is None
        guessed = await self.code(storage, user)
        won, lost = await self.race([attempt(guessed, f"{guess:08d}") for guess in range(10_000_000, 10_000_200)])
        self.only(lost)
        assert set(won) == {None}
        assert await storage.try_code(guessed, CODE, purpose=MAGIC_LINK) is None
        if "raw" in self.capabilities:
            # Each code here had 5 tries or one that was right, and no sixth was counted.
            tried = [len(item["tries"]) for item in (await self.dump())["tokens"] if item.get("tries")]
            assert max(tried) == 5

    @clause("FACTOR-1", "FACTOR-5")
    async def test_adding_and_removing_at_once_leaves_whole_users(self, storage: AsyncStorage) -> None:
        """Callers that add, remove, use and delete at the same time leave only factors that their users list."""
        self.needs("races")
        for number in range(self.rounds):
            user = await self.user(storage)
            await storage.add_factor(new_factor(user, "app"))
            await storage.set_recovery_codes(user.id, ["a"])

            def add(factor_id: str, user: User = user) -> Call[Factor]:
                return lambda: storage.add_factor(new_factor(user, factor_id))

            calls: list[Call[Any]] = [
                *(add(f"app{index}") for index in range(6)),
                *[partial(storage.remove_factor, user.id, "app")] * 4,
                partial(storage.remove_factors_for_user, user.id),
                partial(storage.set_recovery_codes, user.id, ["b"]),
                partial(storage.use_recovery_code, user.id, "a"),
                partial(storage.accept_totp_step, user.id, "app", 101),
            ]
            if number % 2:
                calls.append(partial(storage.delete_user, user.id))
            _, lost = await self.race(self.shuffled(calls, number))
            self.only(lost, NotFound, TooManyFactors)
            await self.whole()
