# Generated from tests/faults/_async/test_conditions.py by tools/unasync.py. Do not edit.

"""Cases beyond the matrix: outages, clocks and credentials under concurrent calls, busy items, unprocessed keys."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests import fault_proxy as faults
from tests.fault_proxy import Answer, Fault, Seen
from tests.faults import record
from tests.faults._sync.primitives import together
from tests.faults._sync.world import Keys, World, comparable
from tests.faults.other import other_writer

from torii_dynamodb.config import Credentials
from torii_dynamodb.errors import AccessDenied, AlreadyExists, Throttled, ToriiError, Unavailable
from torii_dynamodb.models import NewOAuthAccount, NewUser


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("503", faults.server_error(503)),
        ("reset", faults.reset_before()),
        ("throttled", faults.throttled()),
    ],
)
def test_an_outage_is_not_amplified(world: World, name: str, fault: Fault) -> None:
    """When everything fails, calls send one request each and share the retries that the quota allows."""
    calls = 500
    storage = world.open(retry_attempts=3, merge_reads=False)
    begin = len(world.proxy.seen)
    world.proxy.inject(fault, times=None)
    for _ in range(calls):
        with pytest.raises(Unavailable):
            storage.get_user("usr_ada")
    sent = len(world.proxy.seen) - begin
    # 500 tokens, 5 per retry: 100 retries, however long the outage lasts.
    assert sent == calls + 100
    world.proxy.clear()
    assert storage.get_user("usr_ada") is not None
    storage.close()
    print(f"{name}: {sent / calls:.2f} requests a call over {calls} calls (4.00 without the quota)")  # noqa: T201
    record.figure(f"amplification, {name}", f"{sent} requests for {calls} calls: {sent / calls:.2f} a call")


def test_an_outage_is_not_amplified_by_concurrent_calls(world: World) -> None:
    """The quota is shared: 64 calls at a time and merged session checks send no more retries than one at a time."""
    storage = world.open(retry_attempts=3)
    begin = len(world.proxy.seen)
    world.proxy.inject(faults.server_error(503), times=None)
    calls = 0
    for _ in range(4):
        outcomes = together(*[lambda: storage.get_session(world.known.session) for _ in range(64)])
        assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
        calls += len(outcomes)
    assert len(world.proxy.seen) - begin <= calls + 100
    world.proxy.clear()
    storage.close()


def test_a_wrong_clock_is_corrected_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Ten minutes off: the first call corrects the clock and logs it once; later calls are right at once."""
    storage = world.open()
    server = lambda: world.clock() + timedelta(minutes=10)  # noqa: E731
    rule = world.proxy.inject(faults.clock_off(server), times=None)
    begin = len(world.proxy.seen)
    with caplog.at_level(logging.WARNING, "torii_dynamodb"):
        for _ in range(5):
            assert storage.get_user("usr_ada") is not None
    assert len(world.proxy.seen) - begin == 6
    warnings = [entry.getMessage() for entry in caplog.records if entry.name == "torii_dynamodb"]
    assert len(warnings) == 1
    assert "600 seconds off" in warnings[0]
    world.proxy.remove(rule)
    storage.close()


def test_a_wrong_clock_fails_no_concurrent_call(world: World) -> None:
    """All calls under way when the clock turns out to be wrong are retried with the corrected one."""
    storage = world.open()
    world.proxy.inject(faults.clock_off(lambda: world.clock() - timedelta(minutes=10)), times=None)
    users = together(*[lambda: storage.get_user("usr_ada") for _ in range(16)])
    assert [getattr(user, "id", user) for user in users] == ["usr_ada"] * 16
    storage.close()


def test_a_wrong_key_is_not_taken_for_a_wrong_clock(world: World) -> None:
    """InvalidSignature with the right time means a wrong secret: one request, AccessDenied."""
    storage = world.open()
    begin = len(world.proxy.seen)
    world.proxy.inject(faults.clock_off(world.clock, always=True), times=None)
    with pytest.raises(AccessDenied, match="secret access key"):
        storage.get_user("usr_ada")
    assert len(world.proxy.seen) - begin == 1
    storage.close()


class Rotating:
    """Credentials that are revoked during calls: the source returns the next ones."""

    def __init__(self) -> None:
        self.valid = 1

    def load(self) -> tuple[Credentials, datetime | None]:
        """The currently valid credentials."""
        return Credentials(access_key_id=f"AKID{self.valid}", secret_access_key="secret"), None

    def accepts(self, key: str) -> bool:
        """The response for a key."""
        return key == f"AKID{self.valid}"


def test_credentials_rotate_without_a_failed_call(world: World) -> None:
    """The credentials end during calls: every call succeeds, and each refusal costs one request."""
    source = Rotating()
    storage = world.open(credentials=source)
    world.proxy.inject(faults.credentials_expired(source.accepts), times=None)
    for round_ in range(5):
        source.valid = round_ + 1
        users = together(*[lambda: storage.get_user("usr_ada") for _ in range(16)])
        assert [getattr(user, "id", user) for user in users] == ["usr_ada"] * 16
    storage.close()


def test_credentials_are_refreshed_ahead_of_their_end(world: World) -> None:
    """Credentials with an expiry are replaced before it: no request is refused."""

    class Ending(Rotating):
        def load(self) -> tuple[Credentials, datetime | None]:
            self.valid += 1
            return super().load()[0], world.clock() + timedelta(minutes=15)

    source = Ending()
    storage = world.open(credentials=source)
    for _ in range(20):
        assert storage.get_user("usr_ada") is not None
        world.clock.advance(timedelta(minutes=5))
    storage.close()
    world.clock.advance(-timedelta(minutes=100))
    keys = list(dict.fromkeys(seen.access_key_id for seen in world.proxy.seen if seen.access_key_id.startswith("AKID")))
    assert len(keys) > 5


def test_a_lasting_refusal_of_credentials_asks_for_them_once(world: World) -> None:
    """If new credentials do not help either: AccessDenied after two requests and one further fetch."""
    keys = Keys()
    storage = world.open(credentials=keys)
    begin = len(world.proxy.seen)
    world.proxy.inject(faults.credentials_expired(), times=None)
    with pytest.raises(AccessDenied):
        storage.get_user("usr_ada")
    assert (len(world.proxy.seen) - begin, keys.loads) == (2, 2)
    storage.close()


def _unseen(*positions: int) -> Fault:
    """A cancelled transaction in which some items were busy, so that their conditions were not evaluated."""

    def reply(_seen: Seen, answer: Answer | None) -> Answer | None:
        assert answer is not None
        document: dict[str, Any] = dict(answer.document)
        reasons = list(document["CancellationReasons"])
        for position in positions:
            reasons[position] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
        return replace(answer, document={**document, "CancellationReasons": reasons})

    return Fault(name="busy beside a condition", reply=reply)


@pytest.mark.parametrize("busy", [0, 1])
def test_the_own_retry_of_a_creation_is_recognised_although_an_item_is_busy(world: World, busy: int) -> None:
    """Repeating create_user with one of its items busy returns the existing user, not AlreadyExists."""
    storage = world.open()
    world.proxy.inject(_unseen(busy), operation="TransactWriteItems")
    user = storage.create_user(NewUser(id="usr_ada", email="ada@example.com"))
    assert user == world.known.ada
    storage.close()


@pytest.mark.parametrize("busy", [(0,), (1,), (2,), (0, 1)])
def test_the_own_retry_of_a_creation_by_account_is_recognised_although_an_item_is_busy(
    world: World, busy: tuple[int, ...]
) -> None:
    """The same for create_oauth_account."""
    storage = world.open()
    world.proxy.inject(_unseen(*busy), operation="TransactWriteItems")
    user, account = storage.create_oauth_account(
        NewUser(id="usr_bob", email="bob@example.com"), NewOAuthAccount(provider="google", subject="bob")
    )
    assert (user, account.subject) == (world.known.bob, "bob")
    storage.close()


def test_a_taken_address_is_told_although_the_id_is_busy(world: World) -> None:
    """Another user's address beside a busy user item: AlreadyExists after one request."""
    storage = world.open()
    world.proxy.inject(faults.conflict_beside(), operation="TransactWriteItems")
    with pytest.raises(AlreadyExists) as caught:
        storage.create_user(NewUser(email="ada@example.com"))
    assert caught.value.what == "email"
    storage.close()


def test_a_stale_read_beside_a_busy_item_is_read_again(world: World) -> None:
    """If the user changed since it was read and the identity is busy, it is read again and written once."""
    storage = world.open()

    def rename(_seen: Seen) -> None:
        with other_writer(world) as other:
            user = other.get_user("usr_ada")
            assert user is not None
            other.update_user(user, name="Other")

    world.proxy.inject(replace(faults.conflict_beside(), before=rename), operation="TransactWriteItems")
    assert storage.remove_password_hash("usr_ada")
    user = storage.get_user("usr_ada")
    assert user is not None
    assert (user.name, user.has_password, user.version) == ("Other", False, world.known.ada.version + 2)
    storage.close()


def test_an_update_of_an_address_is_recognised_although_the_address_is_busy(world: World) -> None:
    """A stale user beside a busy identity is a VersionConflict, and nothing is written."""
    storage = world.open()
    world.proxy.inject(faults.conflict_beside(), operation="TransactWriteItems")
    with pytest.raises(ToriiError) as caught:
        storage.update_user(replace(world.known.ada, version=1), email="other@example.com")
    assert caught.value.code == "version_conflict"
    assert comparable(world.dump()) == comparable(world.base)
    storage.close()


@pytest.mark.parametrize("keep", [1, 2])
def test_unprocessed_keys_are_asked_again(world: World, keep: int) -> None:
    """If each round returns a few keys of many, all users come, in order; each is requested until it is returned."""
    storage = world.open(retry_attempts=1)
    world.proxy.inject(faults.unprocessed(keep), operation="BatchGetItem", times=None)
    asked = ["usr_eve", "usr_x", "usr_ada", "usr_bob", "usr_ada"]
    users = storage.batch_get_users(asked)
    assert [user and user.id for user in users] == ["usr_eve", None, "usr_ada", "usr_bob", "usr_ada"]
    storage.close()


def test_unprocessed_keys_of_one_do_not_hold_up_another(world: World) -> None:
    """If DynamoDB returns part of a merged read, complete callers continue and the others request the rest."""
    storage = world.open()
    world.proxy.inject(faults.unprocessed(2), operation="BatchGetItem", times=3)
    tokens = [world.known.session, world.known.other_session] * 4
    found = together(*[(lambda token=token: storage.get_session(token)) for token in tokens])
    assert [getattr(session, "token", session) for session in found] == tokens
    storage.close()


def test_keys_that_are_never_processed_are_told_as_throttling(world: World) -> None:
    """Only unprocessed keys: Throttled with the number of unread keys, after the configured rounds."""
    storage = world.open(retry_attempts=2, merge_reads=False)
    begin = len(world.proxy.seen)
    world.proxy.inject(faults.unprocessed(), times=None)
    with pytest.raises(Throttled, match="2 keys unread"):
        storage.get_session(world.known.session)
    assert len(world.proxy.seen) - begin == 3
    storage.close()
