"""Second factors: setting them up, giving them, losing them, and every way that must not lead around them."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pyotp
import pytest
from tests.faults._async.primitives import together
from tests.services._async.support import (
    EMAIL,
    FIREFOX,
    PASSWORD,
    SECRET,
    AsyncSetting,
    just_before,
    recording,
    refuses,
)
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.services._async.test_passkeys import settings as passkey_settings
from tests.services.authenticator import Authenticator
from tests.services.provider import ISSUER

from torii_dynamodb import Browser, NewOAuthAccount, SecondFactorChallenge, SignedIn, SignInResult, User
from torii_dynamodb._rules import secrets
from torii_dynamodb.errors import (
    AccountLocked,
    ConfigurationError,
    InvalidCode,
    InvalidToken,
    NotFound,
    Revoked,
    SecondFactorRequired,
    ToriiError,
)
from torii_dynamodb.events import RecoveryCodeUsed, SecondFactorAdded, SecondFactorRemoved, SignInFailed, UserSignedIn
from torii_dynamodb.models import LockoutPolicy
from torii_dynamodb.oauth import OAuthResult, oidc
from torii_dynamodb.passkeys import PasskeyError
from torii_dynamodb.policies import SecondFactorPolicy
from torii_dynamodb.second_factor import EnrolledFactor


class AsyncFactorSetting(AsyncSetting):
    """Services with passkeys, and a user with an authenticator app."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**({"passkeys": passkey_settings()} | options))
        self.factors = self.torii.second_factor
        self.device = Authenticator()
        self.app: pyotp.TOTP | None = None
        self.recovery_codes: tuple[str, ...] = ()

    def code(self, *, later: int = 0) -> str:
        """What the app shows now, or this many steps later."""
        assert self.app is not None
        return self.app.at(self.clock() + timedelta(seconds=30 * later))

    def next_code(self) -> str:
        """A code that was not used yet: that of the next step, once the clock has reached it."""
        self.clock.advance(timedelta(seconds=30))
        return self.code()

    async def enrolled(self) -> User:
        """Register a user, verify the address and set up an authenticator app."""
        user = await self.torii.password.register(EMAIL, PASSWORD)
        await self.storage.mark_email_verified(user.id, email=user.email)
        user = await self.reread(user)
        await self.enrol(user)
        self.mailer.messages.clear()
        return await self.reread(user)

    async def enrol(self, user: User) -> None:
        """Set up an authenticator app."""
        begun = await self.factors.begin_enrolment(user, name="Phone")
        self.app = pyotp.TOTP(begun.secret)
        enrolled = await self.factors.complete_enrolment(user, begun.token, self.code())
        self.recovery_codes = enrolled.recovery_codes

    async def reread(self, user: User) -> User:
        """The user as stored now."""
        found = await self.storage.get_user(user.id)
        assert found is not None
        return found

    async def challenge(self, browser: Browser = Browser()) -> SecondFactorChallenge:  # noqa: B008
        """Give the right password."""
        result = await self.torii.password.authenticate(EMAIL, PASSWORD, browser=browser)
        assert isinstance(result, SecondFactorChallenge)
        return result


async def test_set_up_and_sign_in() -> None:
    """An app is set up with its first code; then the password leads to a challenge, and a code to a session."""
    here = AsyncFactorSetting()
    user = await here.torii.password.register(EMAIL, PASSWORD)
    before = await here.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(before, SignedIn)
    assert (before.session.amr, before.session.second_factor_at) == (("pwd",), None)
    await here.enrol(user)
    assert len(here.recovery_codes) == 10
    challenge = await here.challenge()
    assert (challenge.enrolment, challenge.expires_at) == (False, here.clock() + timedelta(minutes=10))
    assert challenge.token not in repr(challenge)
    assert await here.torii.get_signed_in(challenge.token) is None
    found = await here.factors.check(challenge.token)
    assert found is not None
    assert here.factors.kinds(found.user) == {"totp", "recovery"}
    signed_in = await here.factors.complete(challenge.token, here.next_code())
    assert signed_in.session.amr == ("pwd", "otp", "mfa")
    assert signed_in.session.second_factor_at == here.clock()
    assert await here.torii.get_signed_in(signed_in.session.token) is not None
    assert [type(event) for event in here.events if isinstance(event, UserSignedIn | SecondFactorAdded)] == [
        UserSignedIn,
        SecondFactorAdded,
        UserSignedIn,
    ]


async def test_a_wrong_code_leaves_the_challenge_and_a_right_one_uses_it_up() -> None:
    """The same challenge can be tried again after a wrong code, and not after a right one."""
    here = AsyncFactorSetting()
    await here.enrolled()
    challenge = await here.challenge()
    with pytest.raises(InvalidCode):
        await here.factors.complete(challenge.token, "000000")
    assert isinstance(here.events[-1], SignInFailed)
    assert here.events[-1].reason == "second_factor"
    code = here.next_code()
    assert await here.factors.complete(challenge.token, f"{code[:3]} {code[3:]}")
    with pytest.raises(InvalidToken):
        await here.factors.complete(challenge.token, here.next_code())


async def test_a_code_is_accepted_once_in_any_browser() -> None:
    """The code that was used, also the one of the set-up, opens no second challenge."""
    here = AsyncFactorSetting()
    await here.enrolled()
    first, second = await here.challenge(), await here.challenge()
    with pytest.raises(InvalidCode):
        await here.factors.complete(first.token, here.code())
    code = here.next_code()
    await here.factors.complete(first.token, code)
    with pytest.raises(InvalidCode):
        await here.factors.complete(second.token, code)


async def test_of_parallel_right_codes_one_signs_in() -> None:
    """Nine calls with the right code on one challenge, and on nine challenges, make one session each."""
    here = AsyncFactorSetting(second_factor=SecondFactorPolicy(attempts=LockoutPolicy(max_attempts=20)))
    user = await here.enrolled()
    one = (await here.challenge()).token
    for tokens in ([one] * 9, [(await here.challenge()).token for _ in range(9)]):
        code = here.next_code()
        results = await together(*(partial(here.factors.complete, token, code) for token in tokens))
        assert len([result for result in results if isinstance(result, SignedIn)]) == 1
    assert len(await here.torii.list_sessions(user.id)) == 2


async def test_guessing_is_bounded_over_all_factors_and_routes() -> None:
    """Of 200 parallel wrong answers five are compared, whichever factor they are for; the password's limit is apart."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    challenge = await here.challenge()
    signed_in = await here.factors.complete(challenge.token, here.next_code())
    challenges = [await here.challenge() for _ in range(4)]
    answers = [f"{guess:06d}" for guess in range(100)] + ["aaaa-aaaa-aaaa-aaaa"] * 100
    results = await together(
        *(partial(here.factors.complete, challenges[index % 4].token, answer) for index, answer in enumerate(answers))
    )
    assert len([result for result in results if isinstance(result, InvalidCode)]) == 5
    assert len([result for result in results if isinstance(result, AccountLocked)]) == 195
    late: list[Callable[[], Awaitable[object]]] = [
        lambda: here.factors.complete(challenges[0].token, here.next_code()),
        lambda: here.factors.complete(challenges[0].token, here.recovery_codes[0]),
        lambda: here.factors.step_up(signed_in, here.next_code()),
    ]
    for call in late:
        with pytest.raises(AccountLocked) as locked:
            await call()
        assert locked.value.retry_after is not None
    assert isinstance(await here.challenge(), SecondFactorChallenge)
    assert user.id == signed_in.user.id
    here.clock.advance(timedelta(minutes=16))
    assert await here.factors.complete((await here.challenge()).token, here.next_code())


async def test_a_recovery_code_is_used_once_and_told() -> None:
    """It signs in however it is typed, once; the owner hears of it and of how many are left."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    typed = here.recovery_codes[3].upper().replace("-", " ")
    assert await here.factors.complete((await here.challenge()).token, typed)
    with pytest.raises(InvalidCode):
        await here.factors.complete((await here.challenge()).token, here.recovery_codes[3])
    assert [event.left for event in here.events if isinstance(event, RecoveryCodeUsed)] == [9]
    assert "recovery_code_used" in await here.templates()
    fresh = await here.factors.make_recovery_codes(await here.reread(user))
    for code in here.recovery_codes:
        with pytest.raises((InvalidCode, AccountLocked)):
            await here.factors.complete((await here.challenge()).token, code)
    here.clock.advance(timedelta(minutes=16))
    assert await here.factors.complete((await here.challenge()).token, fresh[0])


async def end_sessions(here: AsyncFactorSetting, user: User) -> None:
    """Sign out everywhere."""
    await here.torii.delete_sessions_for_user(user.id)


async def reset(here: AsyncFactorSetting, user: User) -> None:
    """Reset the password by mail."""
    await here.torii.password.send_reset(EMAIL)
    await here.torii.password.complete_reset(await here.link(), "another good passphrase")


async def delete(here: AsyncFactorSetting, user: User) -> None:
    """Delete the user."""
    await here.torii.delete_user(user.id)


async def lock(here: AsyncFactorSetting, user: User) -> None:
    """Lock the account."""
    await here.torii.lock_user(user.id)


async def remove(here: AsyncFactorSetting, user: User) -> None:
    """Remove the factors."""
    await here.torii.administration.remove_second_factors(user)


ENDS = [end_sessions, reset, delete, lock, remove]


@pytest.mark.parametrize(
    ("event", "late"),
    [(event, late) for event in ENDS for late in (False, True)],
)
async def test_an_open_challenge_ends_with_what_it_was_begun_under(
    event: Callable[[AsyncFactorSetting, User], Awaitable[None]], late: bool
) -> None:
    """Signing out everywhere, a reset, a deletion, a lock or a removal ends it, also late."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    challenge = await here.challenge()
    code = here.next_code()
    if not late:
        await event(here, user)
        with pytest.raises((InvalidToken, InvalidCode, AccountLocked)):
            await here.factors.complete(challenge.token, code)
    else:
        happened: list[object] = []

        async def act() -> None:
            if not happened:
                happened.append(event)
                await event(here, user)

        with just_before(here.storage, "verify_token", act), pytest.raises((InvalidToken, InvalidCode, AccountLocked)):
            await here.factors.complete(challenge.token, code)
        assert happened
    assert not await here.torii.list_sessions(user.id)


async def test_a_session_made_just_before_everything_ends_is_dead() -> None:
    """Signing out everywhere between the use of the challenge and the session leaves a session that is not valid."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    challenge = await here.challenge()
    with just_before(here.storage, "create_session", lambda: here.storage.delete_sessions_for_user(user.id)):
        signed_in = await here.factors.complete(challenge.token, here.next_code())
    assert await here.torii.get_signed_in(signed_in.session.token) is None


async def test_enrolment_is_the_users_own_and_ends() -> None:
    """Somebody else's enrolment, an old one, one begun before signing out everywhere, or garbage: refused."""
    here = AsyncFactorSetting()
    user = await here.torii.password.register(EMAIL, PASSWORD)
    other = await here.torii.password.register("eve@example.com", PASSWORD)
    begun = await here.factors.begin_enrolment(other)
    code = pyotp.TOTP(begun.secret).at(here.clock())
    for token in (begun.token, "garbage", "", "é"):
        with pytest.raises(InvalidToken):
            await here.factors.complete_enrolment(user, token, code)
    begun = await here.factors.begin_enrolment(user)
    with pytest.raises(InvalidCode):
        await here.factors.complete_enrolment(user, begun.token, "000000")
    here.clock.advance(timedelta(minutes=15))
    with pytest.raises(InvalidToken):
        await here.factors.complete_enrolment(user, begun.token, pyotp.TOTP(begun.secret).at(here.clock()))
    begun = await here.factors.begin_enrolment(user)
    await here.torii.delete_sessions_for_user(user.id)
    code = pyotp.TOTP(begun.secret).at(here.clock())
    with pytest.raises(Revoked):
        await here.factors.complete_enrolment(user, begun.token, code)
    with pytest.raises(InvalidToken):
        await here.factors.complete_enrolment(await here.reread(user), begun.token, code)
    assert await here.factors.list_for_user(user.id) == []


async def test_a_factor_that_is_always_required_is_set_up_before_the_session() -> None:
    """With ``required="always"``, the challenge leads to an enrolment, and the session begins after it."""
    here = AsyncFactorSetting(second_factor=SecondFactorPolicy(required="always"))
    await here.torii.password.register(EMAIL, PASSWORD)
    challenge = await here.challenge()
    assert challenge.enrolment
    with pytest.raises(InvalidCode):
        await here.factors.complete(challenge.token, "123456")
    begun = await here.factors.begin_enrolment(challenge.user)
    code = pyotp.TOTP(begun.secret).at(here.clock())
    signed_in, enrolled = await here.factors.complete_by_enrolling(challenge.token, begun.token, code)
    assert len(enrolled.recovery_codes) == 10
    assert signed_in.session.second_factor_at == here.clock()
    assert await here.torii.get_signed_in(signed_in.session.token) is not None
    second = await here.challenge()
    assert not second.enrolment
    again = await here.factors.begin_enrolment(second.user)
    with pytest.raises(InvalidToken):
        await here.factors.complete_by_enrolling(second.token, again.token, pyotp.TOTP(again.secret).at(here.clock()))


async def test_a_policy_may_ask_some_users_only() -> None:
    """A function decides for users without a factor; whoever has one is asked whatever it says."""
    here = AsyncFactorSetting(second_factor=SecondFactorPolicy(required=lambda user: user.name == "Admin"))
    await here.torii.password.register("admin@example.com", PASSWORD, name="Admin")
    assert isinstance(await here.torii.password.authenticate("admin@example.com", PASSWORD), SecondFactorChallenge)
    await here.torii.password.register("eve@example.com", PASSWORD)
    assert isinstance(await here.torii.password.authenticate("eve@example.com", PASSWORD), SignedIn)
    await here.enrolled()
    assert isinstance(await here.challenge(), SecondFactorChallenge)


async def test_a_trusted_device_does_without_for_a_while() -> None:
    """Within the policy's time it signs in by password only; not later, nor after any change of factors or password."""
    here = AsyncFactorSetting(second_factor=SecondFactorPolicy(trust_devices_for=timedelta(days=30)))
    user = await here.enrolled()

    async def trusted() -> Browser:
        signed_in = await here.factors.complete((await here.challenge()).token, here.next_code())
        token = here.torii.devices.issue(signed_in.user, trusted_since=signed_in.session.second_factor_at)
        return Browser(device_token=token, user_agent=FIREFOX)

    browser = await trusted()
    here.clock.advance(timedelta(days=29))
    result = await here.torii.password.authenticate(EMAIL, PASSWORD, browser=browser)
    assert isinstance(result, SignedIn)
    assert result.session.second_factor_at is not None
    assert result.session.second_factor_at < here.clock() - timedelta(days=28)
    renewed = here.torii.devices.issue(user, browser.device_token)
    here.clock.advance(timedelta(days=2))
    assert isinstance(await here.challenge(Browser(device_token=renewed)), SecondFactorChallenge)

    events: list[Callable[[], Awaitable[object]]] = [
        lambda: here.torii.delete_sessions_for_user(user.id),
        lambda: here.factors.make_recovery_codes(user_now[0]),
        lambda: here.factors.remove(user_now[0], "recovery"),
    ]
    for number, event in enumerate(events):
        browser, user_now = await trusted(), [await here.reread(user)]
        await event()
        # New recovery codes do not change which factors there are.
        kept = number == 1
        result = await here.torii.password.authenticate(EMAIL, PASSWORD, browser=browser)
        assert isinstance(result, SignedIn) is kept, number
    # The same factors as before the removal: what was ended stays ended.
    await here.factors.make_recovery_codes(await here.reread(user))
    assert isinstance(await here.challenge(browser), SecondFactorChallenge)


async def test_trust_is_off_unless_the_policy_has_it() -> None:
    """Without ``trust_devices_for`` a device token that says so changes nothing."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    token = here.torii.devices.issue(user, trusted_since=here.clock())
    assert isinstance(await here.challenge(Browser(device_token=token)), SecondFactorChallenge)


async def test_step_up_replaces_the_session() -> None:
    """Somebody who is signed in gives the factor again: another token, the time of now, the old one dead."""
    here = AsyncFactorSetting()
    await here.enrolled()
    old = await here.factors.complete((await here.challenge()).token, here.next_code())
    here.clock.advance(timedelta(hours=2))
    with pytest.raises(InvalidCode):
        await here.factors.step_up(old, "000000")
    new = await here.factors.step_up(old, here.next_code())
    assert new.session.second_factor_at == here.clock()
    assert new.session.authenticated_at == old.session.created_at
    assert new.session.amr == ("pwd", "otp", "mfa")
    assert await here.torii.get_signed_in(old.session.token) is None
    with pytest.raises(Revoked):
        await here.factors.step_up(old, here.next_code())


async def test_a_passkey_as_second_factor() -> None:
    """A passkey serves where its user says so, for its user only, and not when it was removed."""
    here = AsyncFactorSetting()
    user = await here.torii.password.register(EMAIL, PASSWORD)
    with pytest.raises(NotFound):
        await here.factors.use_passkeys(user)
    options = await here.torii.passkeys.begin_registration(user)
    passkey = await here.torii.passkeys.complete_registration(user, here.device.create(options))
    assert isinstance(await here.torii.password.authenticate(EMAIL, PASSWORD), SignedIn)
    assert len(await here.factors.use_passkeys(await here.reread(user))) == 10
    challenge = await here.challenge()
    assert here.factors.kinds(challenge.user) == {"passkey", "recovery"}
    options = await here.factors.begin_passkey(challenge.token)
    signed_in = await here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    assert signed_in.session.amr == ("pwd", "pop", "mfa")
    assert signed_in.session.second_factor_at == here.clock()
    challenge = await here.challenge()
    await here.torii.passkeys.remove(user.id, passkey.credential_id)
    with pytest.raises(InvalidCode):
        await here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    assert isinstance(await here.torii.password.authenticate(EMAIL, PASSWORD), SignedIn)


async def test_a_verified_passkey_is_both_factors() -> None:
    """With user verification it signs in at once, and the session says that two factors were given."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    options = await here.torii.passkeys.begin_registration(user)
    await here.torii.passkeys.complete_registration(user, here.device.create(options))
    options = await here.torii.passkeys.begin_sign_in()
    result = await here.torii.passkeys.complete_sign_in(here.device.get(options))
    assert isinstance(result, SignedIn)
    assert result.session.second_factor_at == here.clock()
    assert "mfa" in result.session.amr


async def test_a_passkey_is_not_both_factors_without_verifying_its_user() -> None:
    """What was the first factor completes the sign-in only if the authenticator verified its user by then."""
    here = AsyncFactorSetting(passkeys=passkey_settings(user_verification="preferred"))
    user = await here.enrolled()
    options = await here.torii.passkeys.begin_registration(user)
    await here.torii.passkeys.complete_registration(user, here.device.create(options))
    session = await here.torii.create_session(user, second_factor_at=here.clock())
    with pytest.raises(InvalidCode):
        await here.factors.step_up_with_passkey(SignedIn(user, session), {})
    await here.factors.use_passkeys(await here.reread(user))
    here.device.verified = False
    options = await here.torii.passkeys.begin_sign_in()
    challenge = await here.torii.passkeys.complete_sign_in(here.device.get(options))
    assert isinstance(challenge, SecondFactorChallenge)
    options = await here.factors.begin_passkey(challenge.token)
    with refuses(PasskeyError, "refused"):
        await here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    here.device.verified = True
    options = await here.factors.begin_passkey(challenge.token)
    await here.factors.complete_with_passkey(challenge.token, here.device.get(options))


async def test_losing_all_factors() -> None:
    """An administrator removes them; the owner is told, and the password is enough again."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    assert await here.torii.administration.remove_second_factors(user)
    assert not await here.torii.administration.remove_second_factors(user)
    assert "second_factors_removed" in await here.templates()
    removed = [event for event in here.events if isinstance(event, SecondFactorRemoved)]
    assert [(event.kind, event.by_administrator) for event in removed] == [("all", True)]
    assert isinstance(await here.torii.password.authenticate(EMAIL, PASSWORD), SignedIn)


async def test_every_change_of_a_factor_is_mailed() -> None:
    """Adding, removing and replacing factors and recovery codes sends the owner one mail each."""
    here = AsyncFactorSetting()
    user = await here.torii.password.register(EMAIL, PASSWORD)
    options = await here.torii.passkeys.begin_registration(user)
    await here.torii.passkeys.complete_registration(user, here.device.create(options))
    here.clock.advance(timedelta(minutes=16))  # the limit of mails is not what is tested
    await here.enrol(await here.reread(user))
    await here.factors.make_recovery_codes(await here.reread(user))
    await here.factors.use_passkeys(await here.reread(user))
    await here.factors.use_passkeys(await here.reread(user), False)
    await here.factors.remove(await here.reread(user), "recovery")
    assert await here.templates() == [
        "passkey_added",
        "second_factor_added",
        "recovery_codes_replaced",
        "second_factor_added",
        *["second_factor_removed"] * 2,
    ]


async def test_seeds_are_sealed_anew_under_a_new_secret() -> None:
    """After a rotation, old seeds work; resealed, they work without the old secret, and old recovery codes do not."""
    old = AsyncFactorSetting()
    user = await old.enrolled()
    both = AsyncFactorSetting(storage=old.storage, secret=["n" * 32, SECRET], clock=old.clock)
    both.app, both.clock = old.app, old.clock
    result = await both.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SecondFactorChallenge)
    assert await both.factors.complete(result.token, old.next_code())
    assert await both.factors.reseal(user.id) == 1
    new = AsyncFactorSetting(storage=old.storage, secret="n" * 32, clock=old.clock)
    result = await new.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SecondFactorChallenge)
    with pytest.raises(InvalidCode):
        await new.factors.complete(result.token, old.recovery_codes[0])
    assert await new.factors.complete(result.token, old.next_code())


async def test_without_a_secret_there_is_no_second_factor() -> None:
    """The option that is missing is named; a user with factors is still not let in by the password only."""
    here = AsyncFactorSetting()
    await here.enrolled()
    bare = AsyncSetting(storage=here.storage, secret=None, clock=here.clock)
    result = await bare.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SecondFactorChallenge)
    with pytest.raises(ConfigurationError, match="secret"):
        await bare.torii.second_factor.complete(result.token, here.next_code())


async def test_an_applications_own_sign_in_cannot_forget_the_second_factor() -> None:
    """``create_session`` refuses a user who must give one, unless it is told that they did."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    with pytest.raises(SecondFactorRequired):
        await here.torii.create_session(user)
    session = await here.torii.create_session(user, second_factor_at=here.clock())
    assert session.second_factor_at == here.clock()
    assert isinstance(await here.torii.sign_in(user), SecondFactorChallenge)


async def test_strangers_cannot_use_up_the_owners_attempts() -> None:
    """A challenge that was made up costs no request; whoever has the password leaves a known browser its own tries."""
    calls: list[str] = []
    here = AsyncFactorSetting()
    user = await here.enrolled()
    challenge = await here.challenge()
    made_up = secrets.make_one_time_token(user.id, lambda size: b"x" * size)
    spied = AsyncFactorSetting(storage=recording(here.storage, calls), clock=here.clock)
    token, _, mac = challenge.token.rpartition("~")
    for forged in (
        made_up,
        f"{made_up}~{mac}",
        token,
        f"{token}~",
        f"{token}~{mac[::-1]}",
        f"{token}~\ud800",
        "",
        "~",
        "x" * 10_000,
        "\ud800~",
    ):
        with pytest.raises(InvalidToken):
            await spied.torii.second_factor.complete(forged, "123456")
        assert await spied.torii.second_factor.check(forged) is None
    assert calls == []
    known = Browser(device_token=here.torii.devices.issue(user))
    for _ in range(5):
        with pytest.raises(InvalidCode):
            await here.factors.complete(challenge.token, "000000")
    with pytest.raises(AccountLocked):
        await here.factors.complete(challenge.token, here.next_code())
    assert await here.factors.complete(challenge.token, here.next_code(), browser=known)
    challenge = await here.challenge()
    for _ in range(4):
        with pytest.raises(InvalidCode):
            await here.factors.complete(challenge.token, "000000", browser=known)
    with pytest.raises(AccountLocked):
        await here.factors.complete(challenge.token, here.next_code(), browser=known)


async def test_an_expired_challenge_uses_up_no_attempt() -> None:
    """Whoever once knew the password cannot keep the owner out with an old challenge: it costs no request."""
    calls: list[str] = []
    here = AsyncFactorSetting()
    await here.enrolled()
    challenge = await here.challenge()
    here.clock.advance(timedelta(minutes=10))
    spied = AsyncFactorSetting(storage=recording(here.storage, calls), clock=here.clock)
    for _ in range(6):
        with pytest.raises(InvalidToken):
            await spied.torii.second_factor.complete(challenge.token, "000000")
    assert calls == []
    token, until, mac = challenge.token.split("~")
    with pytest.raises(InvalidToken):
        await spied.torii.second_factor.complete(f"{token}~{int(until, 16) + 600:x}~{mac}", "000000")
    assert calls == []
    assert await here.factors.complete((await here.challenge()).token, here.next_code())


async def test_a_code_used_elsewhere_meanwhile_leaves_the_challenge() -> None:
    """Two challenges and one code at the same moment: the loser tries again with its challenge."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    [_, app] = await here.factors.list_for_user(user.id)
    challenge, code = await here.challenge(), here.next_code()
    step = int(here.clock().timestamp()) // 30
    taken = [False]

    async def other() -> None:
        if not taken[0]:
            taken[0] = True
            assert await here.storage.accept_totp_step(user.id, app.id, step)

    with just_before(here.storage, "accept_totp_step", other), pytest.raises(InvalidCode):
        await here.factors.complete(challenge.token, code)
    assert await here.factors.complete(challenge.token, here.next_code())


async def test_wrong_codes_of_an_enrolment_and_of_strangers_leave_the_owner_a_way() -> None:
    """Mistyped first codes use up no attempt at the factors; in a known browser, neither do others' wrong codes."""
    here = AsyncFactorSetting()
    user = await here.enrolled()
    begun = await here.factors.begin_enrolment(user)
    for _ in range(5):
        with pytest.raises(InvalidCode):
            await here.factors.complete_enrolment(user, begun.token, "000000")
    with pytest.raises(AccountLocked):
        await here.factors.complete_enrolment(user, begun.token, "000000")
    signed_in = await here.factors.complete((await here.challenge()).token, here.next_code())
    challenge = await here.challenge()
    for _ in range(5):
        with pytest.raises(InvalidCode):
            await here.factors.complete(challenge.token, "000000")
    with pytest.raises(AccountLocked):
        await here.factors.step_up(signed_in, here.next_code())
    known = Browser(device_token=here.torii.devices.issue(user))
    assert await here.factors.step_up(signed_in, here.next_code(), browser=known)


async def test_one_key_is_not_two_factors() -> None:
    """The passkey that was the first factor is the second only with a PIN or a biometric; so it is for a step-up."""
    here = AsyncFactorSetting(passkeys=passkey_settings(user_verification="preferred"))
    user = await here.torii.password.register(EMAIL, PASSWORD)
    answer = here.device.create(await here.torii.passkeys.begin_registration(user))
    await here.torii.passkeys.complete_registration(user, answer)
    await here.factors.use_passkeys(await here.reread(user))
    here.device.verified = False
    challenge = await here.torii.passkeys.complete_sign_in(here.device.get(await here.torii.passkeys.begin_sign_in()))
    assert isinstance(challenge, SecondFactorChallenge)
    options = await here.factors.begin_passkey(challenge.token)
    with pytest.raises(PasskeyError):
        await here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    here.device.verified = True
    options = await here.factors.begin_passkey(challenge.token)
    signed_in = await here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    here.device.verified = False
    by_password = await here.challenge()
    options = await here.factors.begin_passkey(by_password.token)
    other = await here.factors.complete_with_passkey(by_password.token, here.device.get(options))
    options = await here.torii.passkeys.begin_sign_in(user=user)
    with pytest.raises(PasskeyError):
        await here.factors.step_up_with_passkey(signed_in, here.device.get(options))
    options = await here.torii.passkeys.begin_sign_in(user=user)
    assert await here.factors.step_up_with_passkey(other, here.device.get(options))


async def test_a_form_submitted_twice_shows_recovery_codes_that_hold() -> None:
    """Two submissions of one enrolment at once show the same codes; a third one later mails nothing more."""
    here = AsyncFactorSetting()
    user = await here.torii.password.register(EMAIL, PASSWORD)
    begun = await here.factors.begin_enrolment(user)
    here.app = pyotp.TOTP(begun.secret)
    results = await together(*[partial(here.factors.complete_enrolment, user, begun.token, here.code())] * 2)
    codes = {result.recovery_codes for result in results if isinstance(result, EnrolledFactor)}
    assert [len(shown) for shown in codes] == [10]
    mails = len(await here.templates())
    again = await here.factors.complete_enrolment(await here.reread(user), begun.token, here.code())
    assert again.recovery_codes == ()
    assert len(await here.templates()) == mails
    assert await here.factors.complete((await here.challenge()).token, codes.pop()[0])


async def test_a_first_factor_is_not_added_to_another() -> None:
    """Where one is required, a thief with the password is refused as soon as the owner has set up an app (P11)."""
    here = AsyncFactorSetting(second_factor=SecondFactorPolicy(required="always"))
    user = await here.torii.password.register(EMAIL, PASSWORD)
    challenge = await here.challenge()
    thief = await here.factors.begin_enrolment(challenge.user)
    code = pyotp.TOTP(thief.secret).at(here.clock())
    with just_before(here.storage, "acquire_attempt", partial(owner_enrols, here, user)), pytest.raises(InvalidToken):
        await here.factors.complete_by_enrolling(challenge.token, thief.token, code)
    assert [factor.kind for factor in await here.factors.list_for_user(user.id)] == ["recovery", "totp"]
    assert await here.factors.complete((await here.challenge()).token, here.recovery_codes[0])


async def owner_enrols(here: AsyncFactorSetting, user: User) -> None:
    """Set up an app elsewhere, once."""
    if here.app is None:
        here.app = pyotp.TOTP("A" * 32)
        await here.enrol(user)


@pytest.mark.parametrize("answer", [None, 1, "yes"])
async def test_a_policy_answers_by_yes_or_no(answer: Any) -> None:
    """A function that forgets to return, or answers anything but a truth value, lets nobody in."""
    here = AsyncFactorSetting(second_factor=SecondFactorPolicy(required=lambda user: answer))
    await here.torii.password.register(EMAIL, PASSWORD)
    with pytest.raises(ConfigurationError, match="True or False"):
        await here.torii.password.authenticate(EMAIL, PASSWORD)


BAD: list[Any] = [
    *(None, 1, b"123456", [], {}, "", " ", "\ud800", "\x00", "123456\ud800", "\u0e51" * 6, "é"),
    "x" * 100_000,
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
async def test_bad_input_is_refused_by_typed_errors(bad: Any) -> None:
    """Whatever is typed or sent in place of a code, a challenge, an enrolment, a passkey or a name."""
    here = AsyncFactorSetting(second_factor=SecondFactorPolicy(attempts=LockoutPolicy(max_attempts=20)))
    user = await here.enrolled()
    challenge = (await here.challenge()).token
    signed_in = await here.factors.complete((await here.challenge()).token, here.next_code())
    begun = await here.factors.begin_enrolment(user)
    flow = await here.torii.email_code.send(EMAIL)
    factors, codes = here.factors, here.torii.email_code
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: factors.complete(bad, "123456"),
        lambda: factors.complete(challenge, bad),
        lambda: factors.complete(challenge, "123456", factor_id="" if bad is None else bad),
        lambda: factors.complete_with_passkey(bad, {}),
        lambda: factors.complete_with_passkey(challenge, bad),
        lambda: factors.begin_passkey(bad),
        lambda: factors.complete_by_enrolling(bad, begun.token, "123456"),
        lambda: factors.complete_by_enrolling(challenge, bad, bad),
        lambda: factors.complete_enrolment(user, bad, "123456"),
        lambda: factors.complete_enrolment(user, begun.token, bad),
        lambda: factors.step_up(signed_in, bad),
        lambda: factors.step_up_with_passkey(signed_in, bad),
        lambda: codes.send(bad),
        lambda: codes.send(EMAIL, purpose=bad),
        lambda: codes.complete(bad, "12345678"),
        lambda: codes.complete(flow, bad),
        lambda: codes.exchange(flow, "12345678", purpose=bad),
        lambda: codes.exchange(flow, bad, purpose="password_reset"),
        lambda: codes.exchange(bad, bad, purpose="password_reset"),
    ]
    if bad not in (" ", "é", "\u0e51" * 6):
        calls.append(lambda: factors.begin_enrolment(user, name=bad))
    for call in calls:
        with pytest.raises(ToriiError):
            await call()
    assert await factors.check(bad) is None


async def test_passkeys_set_by_a_call_that_failed_lead_to_recovery_codes() -> None:
    """The first call set them, and its answer was lost; the next makes the codes. They are removed under their name."""
    here = AsyncFactorSetting()
    user = await here.torii.password.register(EMAIL, PASSWORD)
    answer = here.device.create(await here.torii.passkeys.begin_registration(user))
    await here.torii.passkeys.complete_registration(user, answer)
    await here.storage.use_passkeys_as_factor(user.id, True)
    assert len(await here.factors.use_passkeys(await here.reread(user))) == 10
    assert await here.factors.use_passkeys(await here.reread(user)) == ()
    assert await here.factors.remove(await here.reread(user), "passkey")
    [removed] = [event for event in here.events if isinstance(event, SecondFactorRemoved)]
    assert (removed.kind, removed.factor_id) == ("passkey", None)


async def test_a_lost_secret_is_named() -> None:
    """A seed sealed under a secret that is not configured any more is a configuration error, not a wrong code."""
    here = AsyncFactorSetting()
    await here.enrolled()
    other = AsyncFactorSetting(storage=here.storage, secret="z" * 32, clock=here.clock)
    result = await other.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SecondFactorChallenge)
    with pytest.raises(ConfigurationError, match="secret"):
        await other.factors.complete(result.token, here.next_code())


async def test_four_rounds_of_requests_give_the_second_factor() -> None:
    """With the factor named: count, challenge and factor; accept; use up; session and clear. Six write units."""
    calls: list[str] = []
    here = AsyncFactorSetting()
    user = await here.enrolled()
    [_, app] = await here.factors.list_for_user(user.id)
    challenge = await here.challenge()
    spied = AsyncFactorSetting(storage=recording(here.storage, calls), clock=here.clock)
    await spied.factors.complete(challenge.token, here.next_code(), factor_id=app.id)
    assert calls == [
        *("acquire_attempt", "check_token", "get_factor"),
        "accept_totp_step",
        "verify_token",
        *("create_session", "clear_attempt"),
    ]


async def test_no_secret_is_stored_told_or_mailed() -> None:
    """Neither the seed, a code, a recovery code nor a challenge is in a table, an event, a log or a mail."""
    here = AsyncFactorSetting()
    user = await here.torii.password.register(EMAIL, PASSWORD)
    begun = await here.factors.begin_enrolment(user)
    here.app = pyotp.TOTP(begun.secret)
    enrolled = await here.factors.complete_enrolment(user, begun.token, here.code())
    challenge = await here.challenge()
    code = here.next_code()
    await here.factors.complete(challenge.token, code)
    await here.factors.complete((await here.challenge()).token, enrolled.recovery_codes[0])
    await here.torii.wait_for_mail()
    shown = repr((here.storage.dump(), here.events, begun, enrolled, challenge))
    shown += "".join(message.text + (message.html or "") for message in here.mailer.messages)
    random_part = challenge.token.rpartition(".")[2][:43]
    for secret in (
        begun.secret,
        begun.token,
        *enrolled.recovery_codes,
        random_part,
        base64.b32decode(begun.secret).hex(),
    ):
        assert secret not in shown
        assert secret.replace("-", "") not in shown


ROUTES: dict[str, Callable[[AsyncOAuthSetting], Awaitable[SignInResult | OAuthResult]]] = {}


def route(call: Callable[[AsyncOAuthSetting], Awaitable[SignInResult | OAuthResult]]) -> Any:
    """Enter a way to sign in."""
    ROUTES[call.__name__] = call
    return call


@route
async def password(here: AsyncOAuthSetting) -> SignInResult:
    """The right password."""
    return await here.torii.password.authenticate(EMAIL, PASSWORD)


@route
async def magic_link(here: AsyncOAuthSetting) -> SignInResult:
    """A link from a mail."""
    await here.torii.magic_link.send(EMAIL)
    return await here.torii.magic_link.complete(await here.link())


@route
async def email_code(here: AsyncOAuthSetting) -> SignInResult:
    """A code from a mail."""
    flow = await here.torii.email_code.send(EMAIL)
    return await here.torii.email_code.complete(flow, await mailed_code(here))


@route
async def provider(here: AsyncOAuthSetting) -> OAuthResult:
    """A provider that vouches for the address."""
    return await here.sign_in()


@route
async def after_a_reset(here: AsyncOAuthSetting) -> SignInResult:
    """A reset, and the new password."""
    await here.torii.password.send_reset(EMAIL)
    await here.torii.password.complete_reset(await here.link(), "another good passphrase")
    return await here.torii.password.authenticate(EMAIL, "another good passphrase")


@route
async def after_a_reset_by_code(here: AsyncOAuthSetting) -> SignInResult:
    """A reset by code, and an application that signs the user in."""
    flow = await here.torii.email_code.send(EMAIL, purpose="password_reset")
    token = await here.torii.email_code.exchange(flow, await mailed_code(here), purpose="password_reset")
    user = await here.torii.password.complete_reset(token, "another good passphrase")
    return await here.torii.sign_in(user, method="password_reset")


@route
async def unverified_passkey(here: AsyncOAuthSetting) -> SignInResult:
    """A passkey whose authenticator did not ask for a PIN or a biometric."""
    user = await here.storage.get_user_by_email(EMAIL)
    assert user is not None
    device = Authenticator()
    answer = device.create(await here.torii.passkeys.begin_registration(user))
    await here.torii.passkeys.complete_registration(user, answer)
    device.verified = False
    return await here.torii.passkeys.complete_sign_in(device.get(await here.torii.passkeys.begin_sign_in()))


@route
async def registered_again(here: AsyncOAuthSetting) -> SignInResult:
    """A second sign-up with the address, and its password."""
    with contextlib.suppress(Exception):
        await here.torii.password.sign_up(EMAIL, "a second passphrase")
    return await here.torii.password.authenticate(EMAIL, PASSWORD)


async def mailed_code(here: AsyncSetting) -> str:
    """The code in the last mail."""
    await here.torii.wait_for_mail()
    found = re.search(r"^([0-9]{4} [0-9]{4})$", here.mailer.messages[-1].text, re.MULTILINE)
    assert found is not None, here.mailer.messages[-1].text
    return found[1]


@pytest.mark.parametrize("name", sorted(ROUTES))
async def test_no_way_leads_around_the_second_factor(name: str) -> None:
    """Whoever has a second factor gets a challenge from every first factor, and no session (P11)."""
    settings = passkey_settings(user_verification="preferred")
    async with AsyncOAuthSetting(passkeys=settings) as here:
        user = await here.torii.password.register(EMAIL, PASSWORD)
        await here.storage.mark_email_verified(user.id, email=user.email)
        await here.storage.link_oauth_account(user.id, NewOAuthAccount(provider="issuer", subject="subject-1"))
        found = await here.storage.get_user(user.id)
        assert found is not None
        begun = await here.torii.second_factor.begin_enrolment(found)
        code = pyotp.TOTP(begun.secret).at(here.clock())
        await here.torii.second_factor.complete_enrolment(found, begun.token, code)
        result = await ROUTES[name](here)
        challenge = result.challenge if isinstance(result, OAuthResult) else result
        assert isinstance(challenge, SecondFactorChallenge), name
        assert not challenge.enrolment
        if isinstance(result, OAuthResult):
            assert result.session is None
        assert await here.torii.list_sessions(user.id) == []
        assert "user.signed_in" not in here.names()
        assert await here.torii.get_signed_in(challenge.token) is None
        assert await here.torii.get_signed_in(challenge.token.partition("~")[0]) is None


async def test_a_trusted_provider_gives_both_factors() -> None:
    """With ``trust_second_factor`` a sign-in through the provider is not challenged."""
    trusted = oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=("*",))
    trusted = replace(trusted, trust_second_factor=True)
    async with AsyncOAuthSetting(trusted, second_factor=SecondFactorPolicy(required="always")) as here:
        result = await here.sign_in()
        assert result.challenge is None
        assert result.session is not None
        assert result.session.second_factor_at == here.clock()
