"""Migrating users of another system when they first sign in."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.faults._async.primitives import together
from tests.services._async import moments
from tests.services._async.support import EMAIL, PASSWORD, AsyncSetting, as_signed_in

from torii_dynamodb import SecondFactorChallenge, SignedIn
from torii_dynamodb.errors import AccountLocked, ConfigurationError, InvalidCredentials
from torii_dynamodb.events import LegacyFailed, UserCreated
from torii_dynamodb.legacy import LegacyAccount, LegacyRefused, LegacyTotp, LegacyUser
from torii_dynamodb.models import NewUser

LONG = timedelta(seconds=0.1)
OLD = "old pw"  # shorter than a new password may be


class Time:
    """The monotonic clock of the services. Sleeping moves it on and takes no time."""

    def __init__(self) -> None:
        self.now = 1000.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Let refusals wait on a clock of the test's."""
    time = Time()
    monkeypatch.setattr("torii_dynamodb._async.services.legacy.sleep", time.sleep)
    for module in ("legacy", "passwords"):
        monkeypatch.setattr(f"torii_dynamodb._async.services.{module}.monotonic", lambda: time.now)
    return time


class Old:
    """The other system: one user, and what it was asked. Asking takes 30 milliseconds."""

    def __init__(self, time: Time | None = None, **fields: Any) -> None:
        self.time = time or Time()
        given: dict[str, Any] = {"email": EMAIL, "id": "old-1", "email_verified": True} | fields
        self.user = LegacyUser(**given)
        self.asked: list[tuple[str, str]] = []
        self.closed: list[str] = []
        self.error: Exception | None = None

    async def __call__(self, email: str, password: str) -> LegacyUser | None:
        self.asked.append((email, password))
        self.time.now += 0.03
        if self.error is not None:
            raise self.error
        right = email.lower() == EMAIL.lower() and password == OLD and email.lower() not in self.closed
        return self.user if right else None

    async def migrated(self, user: LegacyUser) -> None:
        self.closed.append(user.email.lower())


def setting(old: Any, **options: Any) -> AsyncSetting:
    return AsyncSetting(legacy=old, legacy_timeout=LONG, **options)


async def refused(here: AsyncSetting, email: str = EMAIL, password: str = OLD) -> None:
    with pytest.raises(InvalidCredentials):
        await here.torii.password.authenticate(email, password)


async def test_a_user_is_migrated_at_the_first_sign_in() -> None:
    """With address, name, verification and metadata; afterwards the password is ours, and nobody is asked."""
    old = Old(name="Ada", metadata={"plan": "pro"}, accounts=(LegacyAccount(provider="google", subject="g-1"),))
    here = setting(old)
    signed_in = as_signed_in(await here.torii.password.authenticate(EMAIL, OLD))
    user = signed_in.user
    assert (user.id, user.email_as_given, user.name, user.metadata) == ("old-1", EMAIL, "Ada", {"plan": "pro"})
    assert user.is_email_verified
    assert [one.subject for one in await here.storage.list_oauth_accounts_for_user(user.id)] == ["g-1"]
    assert here.hasher.hash(OLD) == await here.storage.get_password_hash(user.id)
    assert old.asked == [(EMAIL, OLD)]
    assert old.closed == [EMAIL.lower()]
    created = [event for event in here.events if isinstance(event, UserCreated)]
    assert [event.method for event in created] == ["legacy"]
    as_signed_in(await here.torii.password.authenticate(EMAIL, OLD))
    await refused(here, password="another")
    assert len(old.asked) == 1


async def test_an_address_is_verified_only_if_the_other_system_says_so() -> None:
    """Otherwise the first proof of the address removes the password, as of anyone who registers."""
    here = setting(Old(email_verified=False))
    signed_in = as_signed_in(await here.torii.password.authenticate(EMAIL, OLD))
    assert not signed_in.user.is_email_verified


async def test_a_known_address_is_never_asked_about() -> None:
    """Not with a wrong password, nor without any, and not by the methods for people who are signed in."""
    old = Old()
    here = setting(old)
    user = await here.storage.create_user(NewUser(email=EMAIL))
    await refused(here)
    with pytest.raises(InvalidCredentials):
        await here.torii.password.check(user, OLD)
    assert old.asked == []


async def test_the_attempt_is_counted_before_the_other_system_is_asked() -> None:
    """After five wrong passwords it is not asked any more, not even with the right one."""
    old = Old()
    here = setting(old)
    for number in range(5):
        await refused(here, password=f"guess {number}")
    with pytest.raises(AccountLocked):
        await here.torii.password.authenticate(EMAIL, OLD)
    assert [password for _, password in old.asked] == [f"guess {number}" for number in range(5)]


async def test_a_password_that_cannot_be_right_is_not_passed_on() -> None:
    """One that is too long, or is not text."""
    old = Old()
    here = setting(old)
    await refused(here, password="x" * 5000)
    await refused(here, password="\ud800")
    assert old.asked == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (RuntimeError(f"cannot sign in with {OLD}"), "RuntimeError"),
        (LegacyRefused("NEW_PASSWORD_REQUIRED"), "NEW_PASSWORD_REQUIRED"),
        (LegacyUser(email="eve@example.com", email_verified=True), "another address"),
        (LegacyUser(email="no address"), "email"),
        (LegacyUser(email=EMAIL, other_factors=("sms",)), "sms"),
        (LegacyUser(email=EMAIL, totp=(LegacyTotp(seed=b"short"),)), "seed"),
        (LegacyUser(email=EMAIL, name="n" * 500), "name"),
        ({"email": EMAIL}, "dict"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_a_failure_of_the_other_system_is_a_wrong_password(
    answer: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log and an event say why, without the password; nobody is created, and the attempt stays counted."""

    async def legacy(email: str, password: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    caplog.set_level(logging.INFO, "torii_dynamodb")
    here = setting(legacy)
    await refused(here)
    assert await here.storage.get_user_by_email(EMAIL) is None
    failed = [event for event in here.events if isinstance(event, LegacyFailed)]
    assert len(failed) == 1
    assert failed[0].email == EMAIL.lower()
    assert reason in failed[0].reason
    told = " ".join(record.getMessage() for record in caplog.records)
    assert reason in told
    assert OLD not in told + failed[0].reason
    assert "user.sign_in_failed" in here.names()


async def test_an_answer_that_takes_too_long_is_a_wrong_password() -> None:
    """The person waits no longer than the limit, and the event says so."""
    gate = moments.Gate()

    async def legacy(email: str, password: str) -> LegacyUser | None:
        await gate.wait()
        return LegacyUser(email=EMAIL)

    here = setting(legacy)
    await refused(here)
    gate.open()
    assert [event.reason for event in here.events if isinstance(event, LegacyFailed)] == [
        "no answer within 0.1 seconds"
    ]


async def test_every_refusal_takes_the_same_time(time: Time) -> None:
    """Known, known without a password, unknown, refused there, failing there: exactly the limit and the slack."""
    old = Old(time)
    here = setting(old)
    await here.torii.password.register("known@example.com", PASSWORD)
    await here.storage.create_user(NewUser(email="bare@example.com"))
    for email, password, error in [
        ("known@example.com", "wrong", None),
        ("bare@example.com", OLD, None),
        (EMAIL, "wrong", None),
        ("new@example.com", "\ud800", None),
        ("other@example.com", OLD, LegacyRefused("closed")),
        ("another@example.com", OLD, TimeoutError()),
    ]:
        old.error, began = error, time.now
        await refused(here, email, password)
        assert time.now - began == pytest.approx(LONG.total_seconds() + 0.25)


async def test_a_migrated_user_whose_address_is_not_verified_waits_too(time: Time) -> None:
    """Where only verified addresses sign in, the right password of another one takes as long as a wrong one."""
    here = setting(Old(time, email_verified=False), require_verified_to_sign_in=True)
    for _ in range(2):
        began = time.now
        await refused(here)
        assert time.now - began == pytest.approx(LONG.total_seconds() + 0.25)


async def test_two_first_sign_ins_at_once_import_once() -> None:
    """Both succeed, with one user."""
    old = Old()
    here = setting(old)
    results = await together(*(partial(here.torii.password.authenticate, EMAIL, OLD) for _ in range(3)))
    assert {result.user.id for result in results if isinstance(result, SignedIn)} == {"old-1"}
    assert sum(isinstance(event, UserCreated) for event in here.events) == 1
    assert not any(isinstance(event, LegacyFailed) for event in here.events)
    assert old.closed == [EMAIL.lower()]


async def test_an_address_that_is_taken_meanwhile_keeps_its_password() -> None:
    """Whoever registers it between our look and the import has the account; the old password is wrong for it."""
    old = Old()

    class Racing(Old):
        async def __call__(self, email: str, password: str) -> LegacyUser | None:
            await here.torii.password.register(EMAIL, PASSWORD)
            return await old(email, password)

    here = setting(Racing())
    await refused(here)
    as_signed_in(await here.torii.password.authenticate(EMAIL, PASSWORD))


async def test_a_deleted_user_does_not_come_back() -> None:
    """``migrated`` closed the account there, so the old password is wrong from then on."""
    here = setting(Old())
    user = as_signed_in(await here.torii.password.authenticate(EMAIL, OLD)).user
    assert await here.torii.delete_user(user.id)
    await refused(here)
    assert await here.storage.get_user_by_email(EMAIL) is None


async def test_a_user_with_another_address_by_now_is_not_migrated_again() -> None:
    """The old address does not become a second user, even if the other system still accepts it."""
    old = Old()
    here = setting(old)
    user = as_signed_in(await here.torii.password.authenticate(EMAIL, OLD)).user
    old.closed.clear()
    await here.storage.update_user(user, email="new@example.com")
    await refused(here)
    assert await here.storage.get_user_by_email(EMAIL) is None


async def test_an_account_that_could_not_be_closed_there_is_told() -> None:
    """The person is signed in; the event says that the account is still open in the other system."""

    class Stuck(Old):
        async def migrated(self, user: LegacyUser) -> None:
            raise RuntimeError

    here = setting(Stuck())
    as_signed_in(await here.torii.password.authenticate(EMAIL, OLD))
    assert [event.reason for event in here.events if isinstance(event, LegacyFailed)] == ["RuntimeError"]


async def test_an_authenticator_app_is_migrated_and_asked_for() -> None:
    """The first sign-in is already challenged; the seed is stored sealed."""
    here = setting(Old(totp=(LegacyTotp(seed=b"s" * 20),)))
    result = await here.torii.password.authenticate(EMAIL, OLD)
    assert isinstance(result, SecondFactorChallenge)
    (factor,) = await here.storage.list_factors_for_user("old-1")
    assert factor.secret is not None
    assert b"s" * 20 not in factor.secret


async def test_a_locked_user_stays_locked() -> None:
    """Whoever was locked there is migrated locked."""
    here = setting(Old(locked=True))
    with pytest.raises(AccountLocked):
        await here.torii.password.authenticate(EMAIL, OLD)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"legacy": "https://old.example.com"}, "legacy"),
        ({"legacy": moments.other_twin}, "legacy"),
        ({"legacy": Old(), "legacy_timeout": timedelta(minutes=1)}, "legacy_timeout"),
        ({"legacy": Old(), "legacy_timeout": 2}, "legacy_timeout"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], named: str) -> None:
    """ConfigurationError names the option: not a function, one of the other twin, or a time out of bounds."""
    with pytest.raises(ConfigurationError, match=named):
        AsyncSetting(**options)
