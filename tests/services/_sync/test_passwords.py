# Generated from tests/services/_async/test_passwords.py by tools/unasync.py. Do not edit.

"""Registering, signing in, and changing and resetting passwords."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.services._sync.support import (
    EMAIL,
    FIREFOX,
    PASSWORD,
    Setting,
    as_signed_in,
    assert_only_first_is_mailed,
    just_before,
    recording,
)

from torii_dynamodb import Browser, LockoutPolicy, NewOAuthAccount, NewUser
from torii_dynamodb.compromised import PasswordList, PwnedPasswordsFiles
from torii_dynamodb.errors import (
    AccountLocked,
    AlreadyExists,
    ConfigurationError,
    InvalidCredentials,
    InvalidToken,
    RateLimited,
    Revoked,
    Throttled,
    ValidationError,
    VersionConflict,
)
from torii_dynamodb.events import PasswordReset, SignInFailed, UserSignedIn
from torii_dynamodb.policies import PasswordPolicy

NEW = "a brand new password"


def test_register_and_sign_in() -> None:
    """A registered user can sign in with any spelling of the address; both are published as events."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD, name="Ada")
    found, session = as_signed_in(
        here.torii.password.authenticate(
            "ADA@EXAMPLE.COM", PASSWORD, browser=Browser(user_agent=FIREFOX, ip_address="192.0.2.1")
        )
    )
    assert found.id == user.id
    assert session.token
    checked = here.torii.get_signed_in(session.token)
    assert checked is not None
    assert checked.session.id == session.id
    assert here.names() == ["user.created", "user.signed_in"]
    told = here.events[-1]
    assert isinstance(told, UserSignedIn)
    assert (told.session_id, told.method, told.known_device) == (session.id, "password", False)


def test_sign_in_keeps_its_budget() -> None:
    """A sign-in makes five calls to the storage; so does a change of password, four with lockout off."""
    calls: list[str] = []
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    torii = Setting(storage=recording(here.storage, calls)).torii
    torii.password.authenticate(EMAIL, PASSWORD)
    assert sorted(calls) == [
        "acquire_login_attempt",
        "clear_attempts",
        "create_session",
        "get_credentials_by_email",
        "get_user",
    ]
    calls.clear()
    changed = torii.password.change_password(user.id, PASSWORD, NEW, user=user)
    assert sorted(calls) == [
        "acquire_attempt",
        "acquire_login_attempt",
        "clear_attempts",
        "get_credentials_by_email",
        "set_password_hash",
    ]
    calls.clear()
    off = Setting(storage=recording(here.storage, calls), lockout=LockoutPolicy(enabled=False)).torii
    off.password.change_password(user.id, NEW, PASSWORD, user=changed)
    # With lockout off, the storage accepts attempts without a request.
    assert sorted(calls) == [
        "acquire_attempt",
        "acquire_login_attempt",
        "get_credentials_by_email",
        "set_password_hash",
    ]


@pytest.mark.parametrize("first", [True, False], ids=["first", "changed"])
def test_no_new_password_outlives_a_sign_out_everywhere(first: bool) -> None:
    """A thief's new password is not stored if the owner signs out everywhere while it is hashed."""
    here = Setting()
    if first:
        user = here.storage.create_user(NewUser(email=EMAIL, email_verified_at=here.clock()))
    else:
        user = here.torii.password.register(EMAIL, PASSWORD)
    service = here.torii.password
    sign_out = partial(here.torii.delete_sessions_for_user, user.id)
    with just_before(here.storage, "set_password_hash", sign_out), pytest.raises(Revoked):
        (
            service.set_password(user.id, NEW, user=user)
            if first
            else service.change_password(user.id, PASSWORD, NEW, user=user)
        )
    stored = here.storage.get_user(user.id)
    assert stored is not None
    assert stored.password_version == user.password_version


def test_a_wrong_password_is_refused_like_an_unknown_address() -> None:
    """Both raise the same error after one verification, and both are recorded, as an attempt and an event."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    texts: list[str] = []
    verified: list[int] = []
    for email in (EMAIL, "nobody@example.com"):
        here.hasher.verified = 0
        with pytest.raises(InvalidCredentials) as refused:
            here.torii.password.authenticate(email, "wrong password", browser=Browser(ip_address="192.0.2.7"))
        texts.append(str(refused.value))
        verified.append(here.hasher.verified)
        assert len(here.storage.list_failed_attempts(email)) == 1
    assert texts[0] == texts[1]
    assert verified == [1, 1]
    failures = [event for event in here.events if isinstance(event, SignInFailed)]
    assert [(event.user_id, event.reason, event.email) for event in failures] == [
        (user.id, "credentials", "ada@example.com"),
        (None, "credentials", "nobody@example.com"),
    ]


def test_a_lockout_says_how_long_it_lasts() -> None:
    """After five failures even the right password is refused, with the time to wait; after that it is accepted."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    here.guess_wrong(times=5)
    with pytest.raises(AccountLocked) as refused:
        here.torii.password.authenticate(EMAIL, PASSWORD)
    assert refused.value.retry_after == timedelta(minutes=15)
    assert refused.value.locked_at is None
    told = here.events[-1]
    assert isinstance(told, SignInFailed)
    assert (told.reason, told.retry_after) == ("lockout", timedelta(minutes=15))
    here.clock.advance(timedelta(minutes=15))
    here.torii.password.authenticate(EMAIL, PASSWORD)


def test_a_known_device_is_not_locked_out_by_strangers() -> None:
    """With the device token of an earlier sign-in, the owner signs in during a lockout; others stay locked out."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    token = here.torii.devices.issue(user)
    here.guess_wrong(times=5)
    _, session = as_signed_in(here.torii.password.authenticate(EMAIL, PASSWORD, browser=Browser(device_token=token)))
    told = here.events[-1]
    assert isinstance(told, UserSignedIn)
    assert told.known_device is True
    assert session.token
    with pytest.raises(AccountLocked):
        here.torii.password.authenticate(EMAIL, PASSWORD)


def test_a_device_has_a_limit_too() -> None:
    """A known device has its own limit, which a renewed device token does not reset."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    token = here.torii.devices.issue(user)
    here.guess_wrong(times=5)
    for _ in range(5):
        token = here.torii.devices.issue(user, token)
        with pytest.raises(InvalidCredentials):
            here.torii.password.authenticate(EMAIL, "wrong password", browser=Browser(device_token=token))
    with pytest.raises(AccountLocked):
        here.torii.password.authenticate(EMAIL, PASSWORD, browser=Browser(device_token=token))


def test_many_devices_of_one_user_share_a_limit() -> None:
    """More device tokens, as every sign-in may leave one, allow no more guesses."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    wrong, refused = 0, 0
    for _ in range(20):
        device = here.torii.devices.issue(user)
        with pytest.raises((InvalidCredentials, AccountLocked)) as told:
            here.torii.password.authenticate(EMAIL, "wrong password", browser=Browser(device_token=device))
        wrong += told.type is InvalidCredentials
        refused += told.type is AccountLocked
    assert (wrong, refused) == (10, 10)


def test_a_known_device_changes_the_password_during_a_lockout() -> None:
    """While strangers lock the address out, the owner can change the password on a known device."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    token = here.torii.devices.issue(user)
    here.guess_wrong(times=5)
    with pytest.raises(AccountLocked):
        here.torii.password.change_password(user.id, PASSWORD, NEW)
    here.torii.password.change_password(user.id, PASSWORD, NEW, browser=Browser(device_token=token))


def test_a_device_token_is_bound_to_user_and_password() -> None:
    """A device token is refused for another user, after a password change, altered, expired or under another secret."""
    here = Setting()
    ada = here.torii.password.register(EMAIL, PASSWORD)
    eve = here.torii.password.register("eve@example.com", PASSWORD)
    devices = here.torii.devices
    token = devices.issue(ada)
    assert devices.recognise(token, ada) is not None
    assert devices.recognise(token, eve) is None
    assert devices.recognise(token.replace(ada.id, eve.id), eve) is None
    assert devices.recognise(token[:-1] + ("A" if token[-1] != "A" else "B"), ada) is None
    assert devices.recognise("", ada) is None
    changed = here.torii.password.change_password(ada.id, PASSWORD, NEW)
    assert devices.recognise(token, changed) is None
    assert Setting(secret="t" * 32).torii.devices.recognise(token, ada) is None
    assert Setting(secret=["t" * 32, "s" * 32]).torii.devices.recognise(token, ada) is not None
    here.clock.advance(timedelta(days=180))
    assert devices.recognise(token, ada) is None


def test_a_short_secret_is_refused() -> None:
    """A secret under 32 bytes is refused at construction, by an error that does not show it."""
    with pytest.raises(ConfigurationError) as refused:
        Setting(secret="too short")
    assert "too short" not in str(refused.value)


def test_an_administrators_lock_refuses_the_right_password() -> None:
    """A locked account loses its sessions and raises AccountLocked without retry_after until it is unlocked."""
    here = Setting()
    user, session = here.signed_in()
    here.torii.lock_user(user.id)
    assert session.token
    assert here.torii.get_signed_in(session.token) is None
    with pytest.raises(AccountLocked) as refused:
        here.torii.password.authenticate(EMAIL, PASSWORD)
    assert refused.value.retry_after is None
    assert refused.value.locked_at is not None
    locked = here.torii.get_user(user.id)
    assert locked is not None
    with pytest.raises(AccountLocked):
        here.torii.create_session(locked)
    here.torii.unlock_user(user.id)
    here.torii.password.authenticate(EMAIL, PASSWORD)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "has 5 characters"),
        ("x" * 129, "has 129 characters"),
        ("ada@example.COM", "is the email address"),
        ("trustno1trustno1", "list of passwords known from breaches"),
        ("Password1", "one of the most common passwords"),
        ("example-2026!", "is made of your name"),
    ],
)
def test_a_refused_password_is_explained(password: str, reason: str) -> None:
    """The error says why a password is refused and does not contain it."""
    here = Setting(compromised=PasswordList(["TrustNo1TrustNo1"]))
    with pytest.raises(ValidationError) as refused:
        here.torii.password.register("ada@example.com", password)
    assert refused.value.field == "password"
    assert reason in str(refused.value)
    assert password not in str(refused.value)


def test_words_of_the_application_are_refused() -> None:
    """A password made of the application's or the user's words is refused; common ones can be accepted."""
    here = Setting(passwords=PasswordPolicy(words=("Acme",)))
    for password in ("acme-acme-2026", "Lovelace1815!", "Ada.Lovelace", "Example-Acme-1"):
        with pytest.raises(ValidationError, match="is made of"):
            here.torii.password.register(EMAIL, password, name="Ada Lovelace")
    lax = Setting(passwords=PasswordPolicy(refuse_common=False))
    lax.torii.password.register(EMAIL, "password1")


def test_pwned_passwords_are_looked_up_by_prefix(tmp_path: Path) -> None:
    """A password in the files is compromised if its count is at least ``least``; an empty folder is refused."""
    with pytest.raises(ConfigurationError):
        PwnedPasswordsFiles(tmp_path)
    # The SHA-1 of "password", which is in every list of leaked passwords.
    (tmp_path / "5BAA6.txt").write_text(
        "0018A45C4D1DEF81644B54AB7F969B88D65:1\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:7\n"
    )
    assert PwnedPasswordsFiles(tmp_path).is_compromised("password")
    assert not PwnedPasswordsFiles(tmp_path, least=8).is_compromised("password")
    assert not PwnedPasswordsFiles(tmp_path).is_compromised(PASSWORD)


def test_register_reveals_a_taken_address_and_sign_up_does_not() -> None:
    """register() raises; sign_up() answers alike, mails the holder at the stored address and changes nothing.

    A holder who has not verified the address yet gets another verification link, without which they cannot sign in.
    """
    here = Setting()
    here.torii.password.sign_up(EMAIL, PASSWORD)
    assert here.templates() == ["verify_email"]
    here.torii.password.sign_up("ada@EXAMPLE.com", "another password")
    assert here.templates() == ["verify_email", "verify_email"]
    user = here.storage.get_user_by_email(EMAIL)
    assert user is not None
    here.storage.mark_email_verified(user.id, email=user.email)
    here.torii.password.sign_up("ada@EXAMPLE.com", "another password")
    assert here.templates() == ["verify_email", "verify_email", "account_exists"]
    assert {message.to for message in here.mailer.messages} == {"Ada@example.com"}
    assert here.names() == ["user.created"]
    with pytest.raises(AlreadyExists):
        here.torii.password.register(EMAIL, "another password")
    here.torii.password.authenticate(EMAIL, PASSWORD)


def test_sign_up_does_the_same_work_either_way() -> None:
    """Free and taken addresses cause the same storage calls and one hash."""
    here = Setting()
    works: list[list[str]] = []
    for _ in range(2):
        calls: list[str] = []
        there = Setting(storage=recording(here.storage, calls))
        there.torii.password.sign_up(EMAIL, PASSWORD)
        works.append([*calls, str(there.hasher.hashed)])
    assert works[0] == works[1]


def test_change_ends_sessions_and_notifies_the_owner() -> None:
    """After a change, the old password and old sessions are refused and the owner is notified."""
    here = Setting()
    user, session = here.signed_in()
    assert session.token
    with pytest.raises(InvalidCredentials):
        here.torii.password.change_password(user.id, "wrong password", NEW)
    changed = here.torii.password.change_password(user.id, PASSWORD, NEW)
    assert here.torii.get_signed_in(session.token) is None
    fresh = here.torii.create_session(changed)
    assert fresh.token
    assert here.torii.get_signed_in(fresh.token) is not None
    assert here.templates() == ["password_changed"]
    with pytest.raises(InvalidCredentials):
        here.torii.password.authenticate(EMAIL, PASSWORD)
    here.torii.password.authenticate(EMAIL, NEW)
    with pytest.raises(VersionConflict):
        here.torii.password.set_password(user.id, "a third password")


def test_reset() -> None:
    """A reset link sets the password once, ends sessions and lockout, verifies the address and notifies the owner."""
    here = Setting()
    user, session = here.signed_in()
    here.guess_wrong(times=5)
    here.torii.password.send_reset("ada@example.COM")
    token = here.link()
    assert here.mailer.messages[-1].to == "Ada@example.com"
    found = here.torii.password.check_reset(token)
    assert found is not None
    assert found.user is not None
    assert found.user.id == user.id
    with pytest.raises(ValidationError):
        here.torii.password.complete_reset(token, "short")
    after = here.torii.password.complete_reset(token, NEW)
    assert after.is_email_verified
    assert session.token
    assert here.torii.get_signed_in(session.token) is None
    with pytest.raises(InvalidToken):
        here.torii.password.complete_reset(token, "a third password")
    here.torii.password.authenticate(EMAIL, NEW)
    assert here.templates() == ["reset_password", "password_changed"]
    assert [type(event) for event in here.events].count(PasswordReset) == 1


def test_reset_answers_alike_for_unknown_addresses() -> None:
    """Known, unknown and locked addresses cause the same storage calls; only the known one gets mail."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    locked = here.torii.password.register("locked@example.com", PASSWORD)
    here.torii.lock_user(locked.id)
    emails = [EMAIL, "nobody@example.com", "locked@example.com"]
    assert_only_first_is_mailed(here, lambda torii, email: torii.password.send_reset(email), emails, "reset_password")


def test_resets_are_limited_alike() -> None:
    """The sixth mail in 15 minutes is refused, whether or not the address has an account."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    for email in (EMAIL, "nobody@example.com"):
        for _ in range(5):
            here.torii.password.send_reset(email)
        with pytest.raises(RateLimited) as refused:
            here.torii.password.send_reset(email)
        assert refused.value.retry_after == timedelta(minutes=15)
    here.clock.advance(timedelta(minutes=15))
    here.torii.password.send_reset(EMAIL)


def test_a_reset_of_a_locked_account_is_refused() -> None:
    """A link sent before an administrator's lock is refused after it."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.torii.password.send_reset(EMAIL)
    token = here.link()
    here.torii.lock_user(user.id)
    with pytest.raises(InvalidToken):
        here.torii.password.complete_reset(token, NEW)


def test_mail_without_a_mailer_is_a_configuration_error() -> None:
    """Without a mailer, what needs mail raises ConfigurationError and everything else works."""
    here = Setting(mailer=None, mail=None)
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.torii.password.change_password(user.id, PASSWORD, NEW)
    with pytest.raises(ConfigurationError):
        here.torii.password.send_reset(EMAIL)
    with pytest.raises(ConfigurationError):
        _ = here.torii.magic_link
    with pytest.raises(ConfigurationError):
        Setting(mailer=None)


def test_a_first_password_and_its_removal() -> None:
    """A user with another way to sign in can remove the password and set one again; the owner is told of both."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.storage.link_oauth_account(user.id, NewOAuthAccount(provider="google", subject="1"))
    assert here.torii.password.remove_password(user.id)
    assert not here.torii.password.remove_password(user.id)
    here.torii.password.set_password(user.id, NEW)
    here.torii.password.authenticate(EMAIL, NEW)
    assert here.names()[1:3] == ["password.removed", "password.changed"]
    assert here.templates() == ["password_removed", "password_changed"]


def test_no_removal_of_the_password_outlives_a_sign_out_everywhere() -> None:
    """A removal that was authorised before the owner changed the password does not remove the new one."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.storage.mark_email_verified(user.id, email=user.email)
    here.torii.password.change_password(user.id, PASSWORD, NEW)
    with pytest.raises(Revoked):
        here.torii.password.remove_password(user.id, user=user, allow_verified_email=True)
    here.torii.password.authenticate(EMAIL, NEW)


def test_a_failing_rehash_does_not_fail_the_sign_in(caplog: pytest.LogCaptureFixture) -> None:
    """If renewing an old hash fails, the user is signed in anyway and the failure is logged."""
    here = Setting()
    here.torii.password.register(EMAIL, PASSWORD)
    here.hasher.version = 2

    def fail() -> None:
        raise Throttled("no capacity", attempts=4)

    with just_before(here.storage, "rehash_password", fail):
        _, session = as_signed_in(here.torii.password.authenticate(EMAIL, PASSWORD))
    assert session.token
    assert here.torii.get_signed_in(session.token) is not None
    assert "throttled" in caplog.text


def test_an_old_hash_is_renewed() -> None:
    """A sign-in replaces a hash that has outdated parameters."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.hasher.version = 2
    here.torii.password.authenticate(EMAIL, PASSWORD)
    stored = here.storage.get_password_hash(user.id)
    assert stored is not None
    assert "v=2" in stored
    here.torii.password.authenticate(EMAIL, PASSWORD)


@pytest.mark.parametrize("name", [1, b"Ada", ["Ada"], "x" * 257, ""])
def test_a_bad_name_is_refused_before_the_hash(name: Any) -> None:
    """Registering and signing up with a name that cannot be stored raises ValidationError, and hashes nothing."""
    here = Setting()
    for call in (here.torii.password.register, here.torii.password.sign_up):
        with pytest.raises(ValidationError, match="name"):
            call(EMAIL, PASSWORD, name=name)
    assert here.hasher.hashed == 0
