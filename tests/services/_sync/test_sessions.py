# Generated from tests/services/_async/test_sessions.py by tools/unasync.py. Do not edit.

"""Sessions, events, and the object that holds the services."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.services._sync.support import EMAIL, PASSWORD, Setting, as_signed_in, just_before, recording

from torii_dynamodb import Browser
from torii_dynamodb._rules.session_policy import SessionPolicy, signed_in_at
from torii_dynamodb.errors import ConfigurationError, ValidationError, VersionConflict
from torii_dynamodb.events import Event, SessionEnded, UserCreated, UserSignedIn

POLICY = SessionPolicy(absolute=timedelta(days=10), idle=timedelta(days=2), refresh_after=timedelta(hours=1))


def signed_in(here: Setting) -> tuple[str, str]:
    """Sign in; returns the user's id and the new session's token."""
    user = here.storage.get_user_by_email(EMAIL) or here.torii.password.register(EMAIL, PASSWORD)
    _, session = as_signed_in(here.torii.password.authenticate(EMAIL, PASSWORD))
    assert session.token
    return user.id, session.token


def test_idle_and_absolute_timeouts() -> None:
    """An unused session ends after the idle timeout, a used one after the absolute timeout."""
    here = Setting(sessions=POLICY)
    _, unused = signed_in(here)
    _, used = signed_in(here)
    for _ in range(9):
        here.clock.advance(timedelta(days=1))
        assert here.torii.refresh_session(used) is not None
    assert here.torii.refresh_session(unused) is None
    here.clock.advance(timedelta(days=1) - timedelta(seconds=1))
    assert here.torii.refresh_session(used) is not None
    here.clock.advance(timedelta(seconds=1))
    assert here.torii.refresh_session(used) is None


def test_refresh_is_throttled() -> None:
    """Within refresh_after, touch_session() makes no request; after it, one."""
    calls: list[str] = []
    here = Setting(sessions=POLICY)
    _, token = signed_in(here)
    there = Setting(storage=recording(here.storage, calls), clock=here.clock, sessions=POLICY).torii
    found = there.get_signed_in(token)
    assert found is not None
    calls.clear()
    here.clock.advance(timedelta(minutes=59))
    assert there.touch_session(found.session) == found.session
    assert calls == []
    here.clock.advance(timedelta(minutes=1))
    later = there.touch_session(found.session)
    assert calls == ["refresh_session"]
    assert later is not None
    assert later.expires_at == found.session.expires_at + timedelta(hours=1)


def test_a_session_ended_while_it_rotates_stays_ended() -> None:
    """A session that is signed out while it is rotated gets no successor."""
    here = Setting()
    user, session = here.signed_in()

    def sign_out() -> None:
        assert here.torii.delete_session_by_id(user.id, session.id)

    with just_before(here.storage, "create_session", sign_out):
        assert here.torii.rotate_session(session.token) is None
    assert here.torii.list_sessions(user.id) == []


def test_rotation_keeps_the_time_of_sign_in() -> None:
    """Only the new token is valid; metadata, sign-in time and absolute timeout stay the same."""
    here = Setting(sessions=POLICY)
    here.torii.password.register(EMAIL, PASSWORD)
    _, first = as_signed_in(
        here.torii.password.authenticate(EMAIL, PASSWORD, browser=Browser(metadata={"theme": "dark"}))
    )
    began = here.clock()
    assert first.token
    token = first.token
    for _ in range(9):
        here.clock.advance(timedelta(days=1))
        rotated = here.torii.rotate_session(token)
        assert rotated is not None
        assert rotated.token
        assert here.torii.get_signed_in(token) is None
        token = rotated.token
        assert rotated.metadata["theme"] == "dark"
        assert signed_in_at(rotated) == began
        assert rotated.expires_at <= began + timedelta(days=10)
    here.clock.advance(timedelta(days=1))
    assert here.torii.rotate_session(token) is None
    assert here.names()[-1] == "session.rotated"


def test_the_time_of_sign_in_is_not_the_callers() -> None:
    """A session that an application creates began when it was created, whatever its metadata says."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    browser = Browser(metadata={"torii:signed_in_at": "2020-01-01T00:00:00.000000Z"})
    session = here.torii.create_session(user, browser=browser)
    assert signed_in_at(session) == here.clock()


def test_devices_are_listed_and_signed_out() -> None:
    """A user can sign out one session by id, all others, or all; another user cannot."""
    here = Setting()
    user_id, first = signed_in(here)
    _, second = signed_in(here)
    listed = here.torii.list_sessions(user_id)
    assert len(listed) == 2
    assert all(session.token == "" for session in listed)
    found = here.torii.get_signed_in(first)
    assert found is not None
    assert not here.torii.delete_session_by_id("somebody", found.session.id)
    assert here.torii.delete_session_by_id(user_id, found.session.id)
    assert here.torii.get_signed_in(first) is None
    _, third = signed_in(here)
    kept = here.torii.delete_other_sessions(second)
    assert kept is not None
    assert kept.token
    assert [here.torii.get_signed_in(token) for token in (second, third)] == [None, None]
    assert here.torii.get_signed_in(kept.token) is not None
    assert [session.id for session in here.torii.list_sessions(user_id)] == [kept.id]
    here.torii.delete_sessions_for_user(user_id)
    assert here.torii.get_signed_in(kept.token) is None
    assert here.torii.delete_other_sessions(kept.token) is None
    assert here.names()[-2:] == ["sessions.ended", "sessions.ended"]


def test_ending_others_loses_to_ending_all() -> None:
    """If all sessions end between the check and the write, the caller's session ends too."""
    here = Setting()
    user_id, token = signed_in(here)
    end_all = partial(here.storage.delete_sessions_for_user, user_id)
    with just_before(here.storage, "delete_sessions_for_user", end_all):
        assert here.torii.delete_other_sessions(token) is None
    assert here.torii.list_sessions(user_id) == []


def test_sign_out_publishes_an_event() -> None:
    """A sign-out ends the session and publishes an event; an invalid token publishes none."""
    here = Setting()
    user_id, token = signed_in(here)
    here.torii.delete_session(token)
    here.torii.delete_session("no token")
    assert here.torii.get_signed_in(token) is None
    ended = [event for event in here.events if isinstance(event, SessionEnded)]
    assert [event.user_id for event in ended] == [user_id]


def test_the_owner_is_notified_of_a_sign_in_on_a_new_device() -> None:
    """The owner gets a mail, unless they have just signed up or the device is known."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    here.torii.password.authenticate(EMAIL, PASSWORD)
    assert here.templates() == []
    here.clock.advance(timedelta(hours=1))
    token = here.torii.devices.issue(user)
    here.torii.password.authenticate(EMAIL, PASSWORD, browser=Browser(device_token=token))
    assert here.templates() == []
    here.torii.password.authenticate(EMAIL, PASSWORD, browser=Browser(ip_address="192.0.2.9", user_agent="<Firefox>"))
    assert here.templates() == ["new_sign_in"]
    message = here.mailer.messages[-1]
    assert "192.0.2.9" in message.text
    assert "&lt;Firefox&gt;" in message.html


def test_handlers_get_what_they_subscribed_to() -> None:
    """Handlers get the events they subscribed to, in order, until they unsubscribe, even if another handler fails."""
    here = Setting()
    got: list[str] = []

    @here.torii.events.on(UserCreated)
    def created(event: UserCreated) -> None:
        got.append(f"created {event.email}")

    def fails(event: Event) -> None:
        raise RuntimeError(event.name)

    def both(event: Event) -> None:
        got.append(event.name)

    here.torii.events.subscribe(fails)
    unsubscribe = here.torii.events.subscribe(both, UserCreated, UserSignedIn)
    signed_in(here)
    assert got == ["created ada@example.com", "user.created", "user.signed_in"]
    unsubscribe()
    unsubscribe()
    signed_in(here)
    assert len(got) == 3
    assert created is not None


def test_a_failing_handler_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the handler, the event and the error."""
    here = Setting()

    def broken(event: Event) -> None:
        raise RuntimeError(event.name)

    here.torii.events.subscribe(broken)
    signed_in(here)
    assert "user.created" in caplog.text
    assert "broken" in caplog.text
    assert PASSWORD not in caplog.text


def test_deleting_and_locking_publish_events() -> None:
    """Locking, unlocking and deleting publish events, but only if the user exists."""
    here = Setting()
    user_id, _ = signed_in(here)
    here.torii.lock_user(user_id)
    here.torii.unlock_user(user_id)
    assert here.torii.delete_user(user_id)
    assert not here.torii.delete_user(user_id)
    assert here.torii.lock_user(user_id) is None
    assert here.torii.unlock_user(user_id) is None
    assert here.names()[-3:] == ["user.locked", "user.unlocked", "user.deleted"]


def test_the_owner_is_told_of_the_deletion() -> None:
    """The mail goes to the mailbox that the account had, whether or not the caller hands the user in."""
    here = Setting()
    for handed_in in (False, True):
        user, _ = here.signed_in()
        assert here.torii.delete_user(user.id, user=user if handed_in else None)
        assert not here.torii.delete_user(user.id)
    assert here.templates() == ["account_deleted"] * 2
    assert {message.to for message in here.mailer.messages} == {"Ada@example.com"}


def test_users_are_found_listed_and_updated() -> None:
    """The users' operations of the services do what those of the storage do; a new address is not among them."""
    here = Setting()
    torii = here.torii
    user = torii.password.register(EMAIL, PASSWORD, name="Ada")
    assert torii.get_user(user.id) == torii.get_user_by_email(EMAIL.upper()) == user
    assert torii.get_user_by_email("nobody@example.com") is None
    changed = torii.update_user(user, name=None, metadata={"plan": "free"})
    assert (changed.name, changed.metadata, changed.version) == (None, {"plan": "free"}, user.version + 1)
    with pytest.raises(VersionConflict):
        torii.update_user(user, name="Grace")
    with pytest.raises(TypeError):
        torii.update_user(changed, email="new@example.com")  # type: ignore[call-arg]
    torii.password.register("grace@example.com", PASSWORD)
    first = torii.list_users(limit=1)
    second = torii.list_users(cursor=first.next_cursor)
    assert {one.email for page in (first, second) for one in page.items} == {user.email, "grace@example.com"}
    assert second.next_cursor is None


def test_services_need_their_settings() -> None:
    """A service that is not configured raises ConfigurationError."""
    torii = Setting(secret=None).torii
    assert (torii.remembers_devices, torii.takes_passkeys, torii.issues_jwt) == (False, False, False)
    for name in ("devices", "passkeys", "jwt"):
        with pytest.raises(ConfigurationError):
            getattr(torii, name)
    # Linked accounts can be listed and removed without providers.
    assert torii.oauth_providers == ()
    torii.close()


def test_checking_sessions_imports_nothing_heavy() -> None:
    """Even with everything configured, argon2, Jinja2, webauthn, Authlib and the rest are imported only when used."""
    program = """
import sys
from torii_dynamodb import Browser, Torii
from torii_dynamodb.mail import MemoryMailer, MailSettings
from torii_dynamodb.oauth import google
from torii_dynamodb.passkeys import PasskeySettings
from torii_dynamodb.jwt import JwtKey, JwtSettings
storage = type("Storage", (), {"get_signed_in": lambda *_: None})()
torii = Torii(
    storage,
    secret="s" * 32,
    mailer=MemoryMailer(),
    mail=MailSettings(sender="a@example.com", app_name="x", base_url="https://example.com"),
    oauth=[google("a", "b")],
    passkeys=PasskeySettings(rp_id="example.com", rp_name="x", origins=["https://example.com"]),
    jwt=JwtSettings(issuer="a", audience="b", keys=[JwtKey(kid="1", algorithm="HS256", private_key="s" * 32)]),
)
torii.sessions
heavy = {"argon2", "jinja2", "webauthn", "authlib", "joserfc", "httpx", "jwt", "cryptography", "aiosmtplib"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("metadata", [[], "", 0, "text"])
def test_metadata_that_is_not_a_mapping_is_refused(metadata: Any) -> None:
    """An empty list or text is not taken for no metadata."""
    here = Setting()
    user = here.torii.password.register(EMAIL, PASSWORD)
    with pytest.raises(ValidationError, match="metadata"):
        here.torii.create_session(user, browser=Browser(metadata=metadata))
