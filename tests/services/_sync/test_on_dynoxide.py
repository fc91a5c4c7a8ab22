# Generated from tests/services/_async/test_on_dynoxide.py by tools/unasync.py. Do not edit.

"""The services on DynamoDB: each flow once, and the requests it sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.services._sync.support import EMAIL, PASSWORD, Setting, as_signed_in
from tests.services.authenticator import ORIGIN, RP_ID, Authenticator

from torii_dynamodb import CallRecord, LockoutPolicy
from torii_dynamodb._sync.storage.handle import DynamoDbStorage
from torii_dynamodb.errors import InvalidCredentials, InvalidToken
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.passkeys import PasskeySettings
from torii_dynamodb.testing import FakeClock


class OnDynoxide:
    """Services on the engine, with the requests they sent."""

    def __init__(self, setting: Setting, sent: list[str]) -> None:
        self.here = setting
        self.torii = setting.torii
        self.sent = sent

    def requests(self) -> list[str]:
        """The operations since the last call, sorted."""
        found = sorted(self.sent)
        self.sent.clear()
        return found


@pytest.fixture
def on(dynoxide: LocalEngine, table_prefix: str) -> Iterator[OnDynoxide]:
    sent: list[str] = []

    def note(record: CallRecord) -> None:
        sent.append(record.operation)

    clock = FakeClock()
    config = dynoxide.config(table_prefix=table_prefix, clock=clock, on_call=note, session_cleanup="off")
    with DynamoDbStorage.open(config) as storage:
        passkeys = PasskeySettings(rp_id=RP_ID, rp_name="Example", origins=[ORIGIN])
        setting = Setting(storage=storage, clock=clock, passkeys=passkeys)
        sent.clear()
        yield OnDynoxide(setting, sent)
        setting.torii.close()


def test_budgets(on: OnDynoxide) -> None:
    """Registering sends 1 request, sign-in 5, a check 1, a change of password 2 (5 with lockout), sign-out 1."""
    user = on.torii.password.register(EMAIL, PASSWORD)
    assert on.requests() == ["TransactWriteItems"]
    _, session = as_signed_in(on.torii.password.authenticate(EMAIL, PASSWORD))
    assert len(on.requests()) == 5
    assert session.token
    assert on.torii.get_signed_in(session.token) is not None
    assert len(on.requests()) == 1
    changed = on.torii.password.change_password(user.id, PASSWORD, "a brand new password", user=user)
    assert len(on.requests()) == 5
    on.torii.delete_session(session.token)
    assert on.requests() == ["DeleteItem"]
    off = Setting(storage=on.torii.storage, clock=on.here.clock, lockout=LockoutPolicy(enabled=False)).torii
    off.password.change_password(user.id, "a brand new password", PASSWORD, user=changed)
    assert len(on.requests()) == 2


def test_reset_and_links(on: OnDynoxide) -> None:
    """Reset and magic links work once; a reset sends the same requests for an unknown address."""
    on.torii.password.register(EMAIL, PASSWORD)
    on.requests()
    on.torii.password.send_reset(EMAIL)
    known = on.requests()
    token = on.here.link()
    on.torii.password.send_reset("nobody@example.com")
    assert on.requests() == known
    user = on.torii.password.complete_reset(token, "a brand new password")
    with pytest.raises(InvalidToken):
        on.torii.password.complete_reset(token, PASSWORD)
    with pytest.raises(InvalidCredentials):
        on.torii.password.authenticate(EMAIL, PASSWORD)
    on.torii.magic_link.send(EMAIL)
    found, _ = as_signed_in(on.torii.magic_link.complete(on.here.link()))
    assert found.id == user.id
    on.torii.magic_link.send("grace@example.com")
    grace, _ = as_signed_in(on.torii.magic_link.complete(on.here.link()))
    assert grace.email == "grace@example.com"


def test_sign_up_sends_the_same_requests_either_way(on: OnDynoxide) -> None:
    """Signing up sends the same requests for a free, an unverified and a verified address."""
    on.torii.password.sign_up(EMAIL, PASSWORD)
    free = on.requests()
    assert free == ["GetItem", "GetItem", "PutItem", "TransactWriteItems", "UpdateItem"]
    on.torii.password.sign_up(EMAIL, PASSWORD)
    assert on.requests() == free
    user = on.torii.storage.get_user_by_email(EMAIL)
    assert user is not None
    on.torii.storage.mark_email_verified(user.id, email=user.email)
    on.requests()
    on.torii.password.sign_up(EMAIL, PASSWORD)
    assert on.requests() == free


def test_a_wrong_password_sends_the_same_requests_for_everybody(on: OnDynoxide) -> None:
    """An unknown address, a wrong password and an unverified address: the same requests, the same attempts recorded."""
    on.torii.password.register(EMAIL, PASSWORD)
    on.requests()
    seen: list[list[str]] = []
    for email, password in [("nobody@example.com", PASSWORD), (EMAIL, "wrong password"), (EMAIL, PASSWORD)]:
        with pytest.raises(InvalidCredentials):
            on.torii.password.authenticate(email, password, require_verified=True)
        seen.append(on.requests())
    assert seen[0] == seen[1] == seen[2]
    assert len(on.torii.storage.list_failed_attempts(EMAIL)) == 2
    assert (on.torii.storage.get_lockout_status(EMAIL)).attempts == 2


def test_end_others_and_rotate(on: OnDynoxide) -> None:
    """The calling device stays signed in, with a new token; the others are signed out."""
    on.torii.password.register(EMAIL, PASSWORD)
    tokens = [(as_signed_in(on.torii.password.authenticate(EMAIL, PASSWORD))).session.token for _ in range(2)]
    kept = on.torii.delete_other_sessions(tokens[0])
    assert kept is not None
    assert [on.torii.get_signed_in(token) for token in tokens] == [None, None]
    rotated = on.torii.rotate_session(kept.token)
    assert rotated is not None
    assert on.torii.get_signed_in(kept.token) is None
    assert on.torii.get_signed_in(rotated.token) is not None


def test_passkeys(on: OnDynoxide) -> None:
    """A passkey is added and signs in with six requests: recording its use reads it once more."""
    user = on.torii.password.register(EMAIL, PASSWORD)
    device = Authenticator()
    options = on.torii.passkeys.begin_registration(user)
    on.torii.passkeys.complete_registration(user, device.create(options))
    options = on.torii.passkeys.begin_sign_in()
    on.requests()
    found, _ = as_signed_in(on.torii.passkeys.complete_sign_in(device.get(options)))
    assert found.id == user.id
    assert len(on.requests()) == 6
