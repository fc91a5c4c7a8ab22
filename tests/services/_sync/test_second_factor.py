# Generated from tests/services/_async/test_second_factor.py by tools/unasync.py. Do not edit.

"""Second factors: setting them up, giving them, losing them, and every way that must not lead around them."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pyotp
import pytest
from tests.faults._sync.primitives import together
from tests.services._sync.support import (
    EMAIL,
    FIREFOX,
    PASSWORD,
    SECRET,
    Setting,
    just_before,
    recording,
    refuses,
)
from tests.services._sync.test_oauth import OAuthSetting
from tests.services._sync.test_passkeys import settings as passkey_settings
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


class FactorSetting(Setting):
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

    def enrolled(self) -> User:
        """Register a user, verify the address and set up an authenticator app."""
        user = self.torii.password.register(EMAIL, PASSWORD)
        self.storage.mark_email_verified(user.id, email=user.email)
        user = self.reread(user)
        self.enrol(user)
        self.mailer.messages.clear()
        return self.reread(user)

    def enrol(self, user: User) -> None:
        """Set up an authenticator app."""
        begun = self.factors.begin_enrolment(user, name="Phone")
        self.app = pyotp.TOTP(begun.secret)
        enrolled = self.factors.complete_enrolment(user, begun.token, self.code())
        self.recovery_codes = enrolled.recovery_codes

    def reread(self, user: User) -> User:
        """The user as stored now."""
        found = self.storage.get_user(user.id)
        assert found is not None
        return found

    def challenge(self, browser: Browser = Browser()) -> SecondFactorChallenge:  # noqa: B008
        """Give the right password."""
        result = self.torii.password.authenticate(EMAIL, PASSWORD, browser=browser)
        assert isinstance(result, SecondFactorChallenge)
        return result


def test_set_up_and_sign_in() -> None:
    """An app is set up with its first code; then the password leads to a challenge, and a code to a session."""
    here = FactorSetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    before = here.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(before, SignedIn)
    assert (before.session.amr, before.session.second_factor_at) == (("pwd",), None)
    here.enrol(user)
    assert len(here.recovery_codes) == 10
    challenge = here.challenge()
    assert (challenge.enrolment, challenge.expires_at) == (False, here.clock() + timedelta(minutes=10))
    assert challenge.token not in repr(challenge)
    assert here.torii.get_signed_in(challenge.token) is None
    found = here.factors.check(challenge.token)
    assert found is not None
    assert here.factors.kinds(found.user) == {"totp", "recovery"}
    signed_in = here.factors.complete(challenge.token, here.next_code())
    assert signed_in.session.amr == ("pwd", "otp", "mfa")
    assert signed_in.session.second_factor_at == here.clock()
    assert here.torii.get_signed_in(signed_in.session.token) is not None
    assert [type(event) for event in here.events if isinstance(event, UserSignedIn | SecondFactorAdded)] == [
        UserSignedIn,
        SecondFactorAdded,
        UserSignedIn,
    ]


def test_a_wrong_code_leaves_the_challenge_and_a_right_one_uses_it_up() -> None:
    """The same challenge can be tried again after a wrong code, and not after a right one."""
    here = FactorSetting()
    here.enrolled()
    challenge = here.challenge()
    with pytest.raises(InvalidCode):
        here.factors.complete(challenge.token, "000000")
    assert isinstance(here.events[-1], SignInFailed)
    assert here.events[-1].reason == "second_factor"
    code = here.next_code()
    assert here.factors.complete(challenge.token, f"{code[:3]} {code[3:]}")
    with pytest.raises(InvalidToken):
        here.factors.complete(challenge.token, here.next_code())


def test_a_code_is_accepted_once_in_any_browser() -> None:
    """The code that was used, also the one of the set-up, opens no second challenge."""
    here = FactorSetting()
    here.enrolled()
    first, second = here.challenge(), here.challenge()
    with pytest.raises(InvalidCode):
        here.factors.complete(first.token, here.code())
    code = here.next_code()
    here.factors.complete(first.token, code)
    with pytest.raises(InvalidCode):
        here.factors.complete(second.token, code)


def test_of_parallel_right_codes_one_signs_in() -> None:
    """Nine calls with the right code on one challenge, and on nine challenges, make one session each."""
    here = FactorSetting(second_factor=SecondFactorPolicy(attempts=LockoutPolicy(max_attempts=20)))
    user = here.enrolled()
    one = (here.challenge()).token
    for tokens in ([one] * 9, [(here.challenge()).token for _ in range(9)]):
        code = here.next_code()
        results = together(*(partial(here.factors.complete, token, code) for token in tokens))
        assert len([result for result in results if isinstance(result, SignedIn)]) == 1
    assert len(here.torii.list_sessions(user.id)) == 2


def test_guessing_is_bounded_over_all_factors_and_routes() -> None:
    """Of 200 parallel wrong answers five are compared, whichever factor they are for; the password's limit is apart."""
    here = FactorSetting()
    user = here.enrolled()
    challenge = here.challenge()
    signed_in = here.factors.complete(challenge.token, here.next_code())
    challenges = [here.challenge() for _ in range(4)]
    answers = [f"{guess:06d}" for guess in range(100)] + ["aaaa-aaaa-aaaa-aaaa"] * 100
    results = together(
        *(partial(here.factors.complete, challenges[index % 4].token, answer) for index, answer in enumerate(answers))
    )
    assert len([result for result in results if isinstance(result, InvalidCode)]) == 5
    assert len([result for result in results if isinstance(result, AccountLocked)]) == 195
    late: list[Callable[[], object]] = [
        lambda: here.factors.complete(challenges[0].token, here.next_code()),
        lambda: here.factors.complete(challenges[0].token, here.recovery_codes[0]),
        lambda: here.factors.step_up(signed_in, here.next_code()),
    ]
    for call in late:
        with pytest.raises(AccountLocked) as locked:
            call()
        assert locked.value.retry_after is not None
    assert isinstance(here.challenge(), SecondFactorChallenge)
    assert user.id == signed_in.user.id
    here.clock.advance(timedelta(minutes=16))
    assert here.factors.complete((here.challenge()).token, here.next_code())


def test_a_recovery_code_is_used_once_and_told() -> None:
    """It signs in however it is typed, once; the owner hears of it and of how many are left."""
    here = FactorSetting()
    user = here.enrolled()
    typed = here.recovery_codes[3].upper().replace("-", " ")
    assert here.factors.complete((here.challenge()).token, typed)
    with pytest.raises(InvalidCode):
        here.factors.complete((here.challenge()).token, here.recovery_codes[3])
    assert [event.left for event in here.events if isinstance(event, RecoveryCodeUsed)] == [9]
    assert "recovery_code_used" in here.templates()
    fresh = here.factors.make_recovery_codes(here.reread(user))
    for code in here.recovery_codes:
        with pytest.raises((InvalidCode, AccountLocked)):
            here.factors.complete((here.challenge()).token, code)
    here.clock.advance(timedelta(minutes=16))
    assert here.factors.complete((here.challenge()).token, fresh[0])


def end_sessions(here: FactorSetting, user: User) -> None:
    """Sign out everywhere."""
    here.torii.delete_sessions_for_user(user.id)


def reset(here: FactorSetting, user: User) -> None:
    """Reset the password by mail."""
    here.torii.password.send_reset(EMAIL)
    here.torii.password.complete_reset(here.link(), "another good passphrase")


def delete(here: FactorSetting, user: User) -> None:
    """Delete the user."""
    here.torii.delete_user(user.id)


def lock(here: FactorSetting, user: User) -> None:
    """Lock the account."""
    here.torii.lock_user(user.id)


def remove(here: FactorSetting, user: User) -> None:
    """Remove the factors."""
    here.torii.administration.remove_second_factors(user)


ENDS = [end_sessions, reset, delete, lock, remove]


@pytest.mark.parametrize(
    ("event", "late"),
    [(event, late) for event in ENDS for late in (False, True)],
)
def test_an_open_challenge_ends_with_what_it_was_begun_under(
    event: Callable[[FactorSetting, User], None], late: bool
) -> None:
    """Signing out everywhere, a reset, a deletion, a lock or a removal ends it, also late."""
    here = FactorSetting()
    user = here.enrolled()
    challenge = here.challenge()
    code = here.next_code()
    if not late:
        event(here, user)
        with pytest.raises((InvalidToken, InvalidCode, AccountLocked)):
            here.factors.complete(challenge.token, code)
    else:
        happened: list[object] = []

        def act() -> None:
            if not happened:
                happened.append(event)
                event(here, user)

        with just_before(here.storage, "verify_token", act), pytest.raises((InvalidToken, InvalidCode, AccountLocked)):
            here.factors.complete(challenge.token, code)
        assert happened
    assert not here.torii.list_sessions(user.id)


def test_a_session_made_just_before_everything_ends_is_dead() -> None:
    """Signing out everywhere between the use of the challenge and the session leaves a session that is not valid."""
    here = FactorSetting()
    user = here.enrolled()
    challenge = here.challenge()
    with just_before(here.storage, "create_session", lambda: here.storage.delete_sessions_for_user(user.id)):
        signed_in = here.factors.complete(challenge.token, here.next_code())
    assert here.torii.get_signed_in(signed_in.session.token) is None


def test_enrolment_is_the_users_own_and_ends() -> None:
    """Somebody else's enrolment, an old one, one begun before signing out everywhere, or garbage: refused."""
    here = FactorSetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    other = here.torii.password.register("eve@example.com", PASSWORD)
    begun = here.factors.begin_enrolment(other)
    code = pyotp.TOTP(begun.secret).at(here.clock())
    for token in (begun.token, "garbage", "", "é"):
        with pytest.raises(InvalidToken):
            here.factors.complete_enrolment(user, token, code)
    begun = here.factors.begin_enrolment(user)
    with pytest.raises(InvalidCode):
        here.factors.complete_enrolment(user, begun.token, "000000")
    here.clock.advance(timedelta(minutes=15))
    with pytest.raises(InvalidToken):
        here.factors.complete_enrolment(user, begun.token, pyotp.TOTP(begun.secret).at(here.clock()))
    begun = here.factors.begin_enrolment(user)
    here.torii.delete_sessions_for_user(user.id)
    code = pyotp.TOTP(begun.secret).at(here.clock())
    with pytest.raises(Revoked):
        here.factors.complete_enrolment(user, begun.token, code)
    with pytest.raises(InvalidToken):
        here.factors.complete_enrolment(here.reread(user), begun.token, code)
    assert here.factors.list_for_user(user.id) == []


def test_a_factor_that_is_always_required_is_set_up_before_the_session() -> None:
    """With ``required="always"``, the challenge leads to an enrolment, and the session begins after it."""
    here = FactorSetting(second_factor=SecondFactorPolicy(required="always"))
    here.torii.password.register(EMAIL, PASSWORD)
    challenge = here.challenge()
    assert challenge.enrolment
    with pytest.raises(InvalidCode):
        here.factors.complete(challenge.token, "123456")
    begun = here.factors.begin_enrolment(challenge.user)
    code = pyotp.TOTP(begun.secret).at(here.clock())
    signed_in, enrolled = here.factors.complete_by_enrolling(challenge.token, begun.token, code)
    assert len(enrolled.recovery_codes) == 10
    assert signed_in.session.second_factor_at == here.clock()
    assert here.torii.get_signed_in(signed_in.session.token) is not None
    second = here.challenge()
    assert not second.enrolment
    again = here.factors.begin_enrolment(second.user)
    with pytest.raises(InvalidToken):
        here.factors.complete_by_enrolling(second.token, again.token, pyotp.TOTP(again.secret).at(here.clock()))


def test_a_policy_may_ask_some_users_only() -> None:
    """A function decides for users without a factor; whoever has one is asked whatever it says."""
    here = FactorSetting(second_factor=SecondFactorPolicy(required=lambda user: user.name == "Admin"))
    here.torii.password.register("admin@example.com", PASSWORD, name="Admin")
    assert isinstance(here.torii.password.authenticate("admin@example.com", PASSWORD), SecondFactorChallenge)
    here.torii.password.register("eve@example.com", PASSWORD)
    assert isinstance(here.torii.password.authenticate("eve@example.com", PASSWORD), SignedIn)
    here.enrolled()
    assert isinstance(here.challenge(), SecondFactorChallenge)


def test_a_trusted_device_does_without_for_a_while() -> None:
    """Within the policy's time it signs in by password only; not later, nor after any change of factors or password."""
    here = FactorSetting(second_factor=SecondFactorPolicy(trust_devices_for=timedelta(days=30)))
    user = here.enrolled()

    def trusted() -> Browser:
        signed_in = here.factors.complete((here.challenge()).token, here.next_code())
        token = here.torii.devices.issue(signed_in.user, trusted_since=signed_in.session.second_factor_at)
        return Browser(device_token=token, user_agent=FIREFOX)

    browser = trusted()
    here.clock.advance(timedelta(days=29))
    result = here.torii.password.authenticate(EMAIL, PASSWORD, browser=browser)
    assert isinstance(result, SignedIn)
    assert result.session.second_factor_at is not None
    assert result.session.second_factor_at < here.clock() - timedelta(days=28)
    renewed = here.torii.devices.issue(user, browser.device_token)
    here.clock.advance(timedelta(days=2))
    assert isinstance(here.challenge(Browser(device_token=renewed)), SecondFactorChallenge)

    events: list[Callable[[], object]] = [
        lambda: here.torii.delete_sessions_for_user(user.id),
        lambda: here.factors.make_recovery_codes(user_now[0]),
        lambda: here.factors.remove(user_now[0], "recovery"),
    ]
    for number, event in enumerate(events):
        browser, user_now = trusted(), [here.reread(user)]
        event()
        # New recovery codes do not change which factors there are.
        kept = number == 1
        result = here.torii.password.authenticate(EMAIL, PASSWORD, browser=browser)
        assert isinstance(result, SignedIn) is kept, number
    # The same factors as before the removal: what was ended stays ended.
    here.factors.make_recovery_codes(here.reread(user))
    assert isinstance(here.challenge(browser), SecondFactorChallenge)


def test_trust_is_off_unless_the_policy_has_it() -> None:
    """Without ``trust_devices_for`` a device token that says so changes nothing."""
    here = FactorSetting()
    user = here.enrolled()
    token = here.torii.devices.issue(user, trusted_since=here.clock())
    assert isinstance(here.challenge(Browser(device_token=token)), SecondFactorChallenge)


def test_step_up_replaces_the_session() -> None:
    """Somebody who is signed in gives the factor again: another token, the time of now, the old one dead."""
    here = FactorSetting()
    here.enrolled()
    old = here.factors.complete((here.challenge()).token, here.next_code())
    here.clock.advance(timedelta(hours=2))
    with pytest.raises(InvalidCode):
        here.factors.step_up(old, "000000")
    new = here.factors.step_up(old, here.next_code())
    assert new.session.second_factor_at == here.clock()
    assert new.session.authenticated_at == old.session.created_at
    assert new.session.amr == ("pwd", "otp", "mfa")
    assert here.torii.get_signed_in(old.session.token) is None
    with pytest.raises(Revoked):
        here.factors.step_up(old, here.next_code())


def test_a_passkey_as_second_factor() -> None:
    """A passkey serves where its user says so, for its user only, and not when it was removed."""
    here = FactorSetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    with pytest.raises(NotFound):
        here.factors.use_passkeys(user)
    options = here.torii.passkeys.begin_registration(user)
    passkey = here.torii.passkeys.complete_registration(user, here.device.create(options))
    assert isinstance(here.torii.password.authenticate(EMAIL, PASSWORD), SignedIn)
    assert len(here.factors.use_passkeys(here.reread(user))) == 10
    challenge = here.challenge()
    assert here.factors.kinds(challenge.user) == {"passkey", "recovery"}
    options = here.factors.begin_passkey(challenge.token)
    signed_in = here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    assert signed_in.session.amr == ("pwd", "pop", "mfa")
    assert signed_in.session.second_factor_at == here.clock()
    challenge = here.challenge()
    here.torii.passkeys.remove(user.id, passkey.credential_id)
    with pytest.raises(InvalidCode):
        here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    assert isinstance(here.torii.password.authenticate(EMAIL, PASSWORD), SignedIn)


def test_a_verified_passkey_is_both_factors() -> None:
    """With user verification it signs in at once, and the session says that two factors were given."""
    here = FactorSetting()
    user = here.enrolled()
    options = here.torii.passkeys.begin_registration(user)
    here.torii.passkeys.complete_registration(user, here.device.create(options))
    options = here.torii.passkeys.begin_sign_in()
    result = here.torii.passkeys.complete_sign_in(here.device.get(options))
    assert isinstance(result, SignedIn)
    assert result.session.second_factor_at == here.clock()
    assert "mfa" in result.session.amr


def test_a_passkey_is_not_both_factors_without_verifying_its_user() -> None:
    """What was the first factor completes the sign-in only if the authenticator verified its user by then."""
    here = FactorSetting(passkeys=passkey_settings(user_verification="preferred"))
    user = here.enrolled()
    options = here.torii.passkeys.begin_registration(user)
    here.torii.passkeys.complete_registration(user, here.device.create(options))
    session = here.torii.create_session(user, second_factor_at=here.clock())
    with pytest.raises(InvalidCode):
        here.factors.step_up_with_passkey(SignedIn(user, session), {})
    here.factors.use_passkeys(here.reread(user))
    here.device.verified = False
    options = here.torii.passkeys.begin_sign_in()
    challenge = here.torii.passkeys.complete_sign_in(here.device.get(options))
    assert isinstance(challenge, SecondFactorChallenge)
    options = here.factors.begin_passkey(challenge.token)
    with refuses(PasskeyError, "refused"):
        here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    here.device.verified = True
    options = here.factors.begin_passkey(challenge.token)
    here.factors.complete_with_passkey(challenge.token, here.device.get(options))


def test_losing_all_factors() -> None:
    """An administrator removes them; the owner is told, and the password is enough again."""
    here = FactorSetting()
    user = here.enrolled()
    assert here.torii.administration.remove_second_factors(user)
    assert not here.torii.administration.remove_second_factors(user)
    assert "second_factors_removed" in here.templates()
    removed = [event for event in here.events if isinstance(event, SecondFactorRemoved)]
    assert [(event.kind, event.by_administrator) for event in removed] == [("all", True)]
    assert isinstance(here.torii.password.authenticate(EMAIL, PASSWORD), SignedIn)


def test_every_change_of_a_factor_is_mailed() -> None:
    """Adding, removing and replacing factors and recovery codes sends the owner one mail each."""
    here = FactorSetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    options = here.torii.passkeys.begin_registration(user)
    here.torii.passkeys.complete_registration(user, here.device.create(options))
    here.clock.advance(timedelta(minutes=16))  # the limit of mails is not what is tested
    here.enrol(here.reread(user))
    here.factors.make_recovery_codes(here.reread(user))
    here.factors.use_passkeys(here.reread(user))
    here.factors.use_passkeys(here.reread(user), False)
    here.factors.remove(here.reread(user), "recovery")
    assert here.templates() == [
        "passkey_added",
        "second_factor_added",
        "recovery_codes_replaced",
        "second_factor_added",
        *["second_factor_removed"] * 2,
    ]


def test_seeds_are_sealed_anew_under_a_new_secret() -> None:
    """After a rotation, old seeds work; resealed, they work without the old secret, and old recovery codes do not."""
    old = FactorSetting()
    user = old.enrolled()
    both = FactorSetting(storage=old.storage, secret=["n" * 32, SECRET], clock=old.clock)
    both.app, both.clock = old.app, old.clock
    result = both.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SecondFactorChallenge)
    assert both.factors.complete(result.token, old.next_code())
    assert both.factors.reseal(user.id) == 1
    new = FactorSetting(storage=old.storage, secret="n" * 32, clock=old.clock)
    result = new.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SecondFactorChallenge)
    with pytest.raises(InvalidCode):
        new.factors.complete(result.token, old.recovery_codes[0])
    assert new.factors.complete(result.token, old.next_code())


def test_without_a_secret_there_is_no_second_factor() -> None:
    """The option that is missing is named; a user with factors is still not let in by the password only."""
    here = FactorSetting()
    here.enrolled()
    bare = Setting(storage=here.storage, secret=None, clock=here.clock)
    result = bare.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SecondFactorChallenge)
    with pytest.raises(ConfigurationError, match="secret"):
        bare.torii.second_factor.complete(result.token, here.next_code())


def test_an_applications_own_sign_in_cannot_forget_the_second_factor() -> None:
    """``create_session`` refuses a user who must give one, unless it is told that they did."""
    here = FactorSetting()
    user = here.enrolled()
    with pytest.raises(SecondFactorRequired):
        here.torii.create_session(user)
    session = here.torii.create_session(user, second_factor_at=here.clock())
    assert session.second_factor_at == here.clock()
    assert isinstance(here.torii.sign_in(user), SecondFactorChallenge)


def test_strangers_cannot_use_up_the_owners_attempts() -> None:
    """A challenge that was made up costs no request; whoever has the password leaves a known browser its own tries."""
    calls: list[str] = []
    here = FactorSetting()
    user = here.enrolled()
    challenge = here.challenge()
    made_up = secrets.make_one_time_token(user.id, lambda size: b"x" * size)
    spied = FactorSetting(storage=recording(here.storage, calls), clock=here.clock)
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
            spied.torii.second_factor.complete(forged, "123456")
        assert spied.torii.second_factor.check(forged) is None
    assert calls == []
    known = Browser(device_token=here.torii.devices.issue(user))
    for _ in range(5):
        with pytest.raises(InvalidCode):
            here.factors.complete(challenge.token, "000000")
    with pytest.raises(AccountLocked):
        here.factors.complete(challenge.token, here.next_code())
    assert here.factors.complete(challenge.token, here.next_code(), browser=known)
    challenge = here.challenge()
    for _ in range(4):
        with pytest.raises(InvalidCode):
            here.factors.complete(challenge.token, "000000", browser=known)
    with pytest.raises(AccountLocked):
        here.factors.complete(challenge.token, here.next_code(), browser=known)


def test_an_expired_challenge_uses_up_no_attempt() -> None:
    """Whoever once knew the password cannot keep the owner out with an old challenge: it costs no request."""
    calls: list[str] = []
    here = FactorSetting()
    here.enrolled()
    challenge = here.challenge()
    here.clock.advance(timedelta(minutes=10))
    spied = FactorSetting(storage=recording(here.storage, calls), clock=here.clock)
    for _ in range(6):
        with pytest.raises(InvalidToken):
            spied.torii.second_factor.complete(challenge.token, "000000")
    assert calls == []
    token, until, mac = challenge.token.split("~")
    with pytest.raises(InvalidToken):
        spied.torii.second_factor.complete(f"{token}~{int(until, 16) + 600:x}~{mac}", "000000")
    assert calls == []
    assert here.factors.complete((here.challenge()).token, here.next_code())


def test_a_code_used_elsewhere_meanwhile_leaves_the_challenge() -> None:
    """Two challenges and one code at the same moment: the loser tries again with its challenge."""
    here = FactorSetting()
    user = here.enrolled()
    [_, app] = here.factors.list_for_user(user.id)
    challenge, code = here.challenge(), here.next_code()
    step = int(here.clock().timestamp()) // 30
    taken = [False]

    def other() -> None:
        if not taken[0]:
            taken[0] = True
            assert here.storage.accept_totp_step(user.id, app.id, step)

    with just_before(here.storage, "accept_totp_step", other), pytest.raises(InvalidCode):
        here.factors.complete(challenge.token, code)
    assert here.factors.complete(challenge.token, here.next_code())


def test_wrong_codes_of_an_enrolment_and_of_strangers_leave_the_owner_a_way() -> None:
    """Mistyped first codes use up no attempt at the factors; in a known browser, neither do others' wrong codes."""
    here = FactorSetting()
    user = here.enrolled()
    begun = here.factors.begin_enrolment(user)
    for _ in range(5):
        with pytest.raises(InvalidCode):
            here.factors.complete_enrolment(user, begun.token, "000000")
    with pytest.raises(AccountLocked):
        here.factors.complete_enrolment(user, begun.token, "000000")
    signed_in = here.factors.complete((here.challenge()).token, here.next_code())
    challenge = here.challenge()
    for _ in range(5):
        with pytest.raises(InvalidCode):
            here.factors.complete(challenge.token, "000000")
    with pytest.raises(AccountLocked):
        here.factors.step_up(signed_in, here.next_code())
    known = Browser(device_token=here.torii.devices.issue(user))
    assert here.factors.step_up(signed_in, here.next_code(), browser=known)


def test_one_key_is_not_two_factors() -> None:
    """The passkey that was the first factor is the second only with a PIN or a biometric; so it is for a step-up."""
    here = FactorSetting(passkeys=passkey_settings(user_verification="preferred"))
    user = here.torii.password.register(EMAIL, PASSWORD)
    answer = here.device.create(here.torii.passkeys.begin_registration(user))
    here.torii.passkeys.complete_registration(user, answer)
    here.factors.use_passkeys(here.reread(user))
    here.device.verified = False
    challenge = here.torii.passkeys.complete_sign_in(here.device.get(here.torii.passkeys.begin_sign_in()))
    assert isinstance(challenge, SecondFactorChallenge)
    options = here.factors.begin_passkey(challenge.token)
    with pytest.raises(PasskeyError):
        here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    here.device.verified = True
    options = here.factors.begin_passkey(challenge.token)
    signed_in = here.factors.complete_with_passkey(challenge.token, here.device.get(options))
    here.device.verified = False
    by_password = here.challenge()
    options = here.factors.begin_passkey(by_password.token)
    other = here.factors.complete_with_passkey(by_password.token, here.device.get(options))
    options = here.torii.passkeys.begin_sign_in(user=user)
    with pytest.raises(PasskeyError):
        here.factors.step_up_with_passkey(signed_in, here.device.get(options))
    options = here.torii.passkeys.begin_sign_in(user=user)
    assert here.factors.step_up_with_passkey(other, here.device.get(options))


def test_a_form_submitted_twice_shows_recovery_codes_that_hold() -> None:
    """Two submissions of one enrolment at once show the same codes; a third one later mails nothing more."""
    here = FactorSetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    begun = here.factors.begin_enrolment(user)
    here.app = pyotp.TOTP(begun.secret)
    results = together(*[partial(here.factors.complete_enrolment, user, begun.token, here.code())] * 2)
    codes = {result.recovery_codes for result in results if isinstance(result, EnrolledFactor)}
    assert [len(shown) for shown in codes] == [10]
    mails = len(here.templates())
    again = here.factors.complete_enrolment(here.reread(user), begun.token, here.code())
    assert again.recovery_codes == ()
    assert len(here.templates()) == mails
    assert here.factors.complete((here.challenge()).token, codes.pop()[0])


def test_a_first_factor_is_not_added_to_another() -> None:
    """Where one is required, a thief with the password is refused as soon as the owner has set up an app (P11)."""
    here = FactorSetting(second_factor=SecondFactorPolicy(required="always"))
    user = here.torii.password.register(EMAIL, PASSWORD)
    challenge = here.challenge()
    thief = here.factors.begin_enrolment(challenge.user)
    code = pyotp.TOTP(thief.secret).at(here.clock())
    with just_before(here.storage, "acquire_attempt", partial(owner_enrols, here, user)), pytest.raises(InvalidToken):
        here.factors.complete_by_enrolling(challenge.token, thief.token, code)
    assert [factor.kind for factor in here.factors.list_for_user(user.id)] == ["recovery", "totp"]
    assert here.factors.complete((here.challenge()).token, here.recovery_codes[0])


def owner_enrols(here: FactorSetting, user: User) -> None:
    """Set up an app elsewhere, once."""
    if here.app is None:
        here.app = pyotp.TOTP("A" * 32)
        here.enrol(user)


@pytest.mark.parametrize("answer", [None, 1, "yes"])
def test_a_policy_answers_by_yes_or_no(answer: Any) -> None:
    """A function that forgets to return, or answers anything but a truth value, lets nobody in."""
    here = FactorSetting(second_factor=SecondFactorPolicy(required=lambda user: answer))
    here.torii.password.register(EMAIL, PASSWORD)
    with pytest.raises(ConfigurationError, match="True or False"):
        here.torii.password.authenticate(EMAIL, PASSWORD)


BAD: list[Any] = [
    *(None, 1, b"123456", [], {}, "", " ", "\ud800", "\x00", "123456\ud800", "\u0e51" * 6, "é"),
    "x" * 100_000,
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_bad_input_is_refused_by_typed_errors(bad: Any) -> None:
    """Whatever is typed or sent in place of a code, a challenge, an enrolment, a passkey or a name."""
    here = FactorSetting(second_factor=SecondFactorPolicy(attempts=LockoutPolicy(max_attempts=20)))
    user = here.enrolled()
    challenge = (here.challenge()).token
    signed_in = here.factors.complete((here.challenge()).token, here.next_code())
    begun = here.factors.begin_enrolment(user)
    flow = here.torii.email_code.send(EMAIL)
    factors, codes = here.factors, here.torii.email_code
    calls: list[Callable[[], object]] = [
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
            call()
    assert factors.check(bad) is None


def test_passkeys_set_by_a_call_that_failed_lead_to_recovery_codes() -> None:
    """The first call set them, and its answer was lost; the next makes the codes. They are removed under their name."""
    here = FactorSetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    answer = here.device.create(here.torii.passkeys.begin_registration(user))
    here.torii.passkeys.complete_registration(user, answer)
    here.storage.use_passkeys_as_factor(user.id, True)
    assert len(here.factors.use_passkeys(here.reread(user))) == 10
    assert here.factors.use_passkeys(here.reread(user)) == ()
    assert here.factors.remove(here.reread(user), "passkey")
    [removed] = [event for event in here.events if isinstance(event, SecondFactorRemoved)]
    assert (removed.kind, removed.factor_id) == ("passkey", None)


def test_a_lost_secret_is_named() -> None:
    """A seed sealed under a secret that is not configured any more is a configuration error, not a wrong code."""
    here = FactorSetting()
    here.enrolled()
    other = FactorSetting(storage=here.storage, secret="z" * 32, clock=here.clock)
    result = other.torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SecondFactorChallenge)
    with pytest.raises(ConfigurationError, match="secret"):
        other.factors.complete(result.token, here.next_code())


def test_four_rounds_of_requests_give_the_second_factor() -> None:
    """With the factor named: count, challenge and factor; accept; use up; session and clear. Six write units."""
    calls: list[str] = []
    here = FactorSetting()
    user = here.enrolled()
    [_, app] = here.factors.list_for_user(user.id)
    challenge = here.challenge()
    spied = FactorSetting(storage=recording(here.storage, calls), clock=here.clock)
    spied.factors.complete(challenge.token, here.next_code(), factor_id=app.id)
    assert calls == [
        *("acquire_attempt", "check_token", "get_factor"),
        "accept_totp_step",
        "verify_token",
        *("create_session", "clear_attempt"),
    ]


def test_no_secret_is_stored_told_or_mailed() -> None:
    """Neither the seed, a code, a recovery code nor a challenge is in a table, an event, a log or a mail."""
    here = FactorSetting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    begun = here.factors.begin_enrolment(user)
    here.app = pyotp.TOTP(begun.secret)
    enrolled = here.factors.complete_enrolment(user, begun.token, here.code())
    challenge = here.challenge()
    code = here.next_code()
    here.factors.complete(challenge.token, code)
    here.factors.complete((here.challenge()).token, enrolled.recovery_codes[0])
    here.torii.wait_for_mail()
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


ROUTES: dict[str, Callable[[OAuthSetting], SignInResult | OAuthResult]] = {}


def route(call: Callable[[OAuthSetting], SignInResult | OAuthResult]) -> Any:
    """Enter a way to sign in."""
    ROUTES[call.__name__] = call
    return call


@route
def password(here: OAuthSetting) -> SignInResult:
    """The right password."""
    return here.torii.password.authenticate(EMAIL, PASSWORD)


@route
def magic_link(here: OAuthSetting) -> SignInResult:
    """A link from a mail."""
    here.torii.magic_link.send(EMAIL)
    return here.torii.magic_link.complete(here.link())


@route
def email_code(here: OAuthSetting) -> SignInResult:
    """A code from a mail."""
    flow = here.torii.email_code.send(EMAIL)
    return here.torii.email_code.complete(flow, mailed_code(here))


@route
def provider(here: OAuthSetting) -> OAuthResult:
    """A provider that vouches for the address."""
    return here.sign_in()


@route
def after_a_reset(here: OAuthSetting) -> SignInResult:
    """A reset, and the new password."""
    here.torii.password.send_reset(EMAIL)
    here.torii.password.complete_reset(here.link(), "another good passphrase")
    return here.torii.password.authenticate(EMAIL, "another good passphrase")


@route
def after_a_reset_by_code(here: OAuthSetting) -> SignInResult:
    """A reset by code, and an application that signs the user in."""
    flow = here.torii.email_code.send(EMAIL, purpose="password_reset")
    token = here.torii.email_code.exchange(flow, mailed_code(here), purpose="password_reset")
    user = here.torii.password.complete_reset(token, "another good passphrase")
    return here.torii.sign_in(user, method="password_reset")


@route
def unverified_passkey(here: OAuthSetting) -> SignInResult:
    """A passkey whose authenticator did not ask for a PIN or a biometric."""
    user = here.storage.get_user_by_email(EMAIL)
    assert user is not None
    device = Authenticator()
    answer = device.create(here.torii.passkeys.begin_registration(user))
    here.torii.passkeys.complete_registration(user, answer)
    device.verified = False
    return here.torii.passkeys.complete_sign_in(device.get(here.torii.passkeys.begin_sign_in()))


@route
def registered_again(here: OAuthSetting) -> SignInResult:
    """A second sign-up with the address, and its password."""
    with contextlib.suppress(Exception):
        here.torii.password.sign_up(EMAIL, "a second passphrase")
    return here.torii.password.authenticate(EMAIL, PASSWORD)


def mailed_code(here: Setting) -> str:
    """The code in the last mail."""
    here.torii.wait_for_mail()
    found = re.search(r"^([0-9]{4} [0-9]{4})$", here.mailer.messages[-1].text, re.MULTILINE)
    assert found is not None, here.mailer.messages[-1].text
    return found[1]


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_no_way_leads_around_the_second_factor(name: str) -> None:
    """Whoever has a second factor gets a challenge from every first factor, and no session (P11)."""
    settings = passkey_settings(user_verification="preferred")
    with OAuthSetting(passkeys=settings) as here:
        user = here.torii.password.register(EMAIL, PASSWORD)
        here.storage.mark_email_verified(user.id, email=user.email)
        here.storage.link_oauth_account(user.id, NewOAuthAccount(provider="issuer", subject="subject-1"))
        found = here.storage.get_user(user.id)
        assert found is not None
        begun = here.torii.second_factor.begin_enrolment(found)
        code = pyotp.TOTP(begun.secret).at(here.clock())
        here.torii.second_factor.complete_enrolment(found, begun.token, code)
        result = ROUTES[name](here)
        challenge = result.challenge if isinstance(result, OAuthResult) else result
        assert isinstance(challenge, SecondFactorChallenge), name
        assert not challenge.enrolment
        if isinstance(result, OAuthResult):
            assert result.session is None
        assert here.torii.list_sessions(user.id) == []
        assert "user.signed_in" not in here.names()
        assert here.torii.get_signed_in(challenge.token) is None
        assert here.torii.get_signed_in(challenge.token.partition("~")[0]) is None


def test_a_trusted_provider_gives_both_factors() -> None:
    """With ``trust_second_factor`` a sign-in through the provider is not challenged."""
    trusted = oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=("*",))
    trusted = replace(trusted, trust_second_factor=True)
    with OAuthSetting(trusted, second_factor=SecondFactorPolicy(required="always")) as here:
        result = here.sign_in()
        assert result.challenge is None
        assert result.session is not None
        assert result.session.second_factor_at == here.clock()
