"""Backups and restores of all tables, on moto."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.admin.populated import dump, people
from tests.cache.memory import MemoryCache

from torii_dynamodb import DynamoDbStorage, NewSession
from torii_dynamodb._core.cache import CacheKeys
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.autoscaling import AutoscalingAdmin, targets
from torii_dynamodb.admin.backups import Backups
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.options import Autoscaling, Capacity, Scaling, TableOptions
from torii_dynamodb.admin.tables import AdminTables
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError, NotFound, RequestRejected, ValidationError


class Interrupted(Exception):
    """Simulates Ctrl-C, a crash or a lost connection."""


class Interrupting:
    """A client that fails at a certain call."""

    def __init__(self, client: Client, operation: str, at: int) -> None:
        self._client, self._operation, self._left = client, operation, at

    def call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        if operation == self._operation:
            self._left -= 1
            if self._left < 0:
                raise Interrupted
        return self._client.call(operation, payload)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.fixture
def backups(on_moto: DynamoDbConfig, moto_client: Client) -> Backups:
    """Backups of tables with options and people."""
    options = TableOptions(
        tags={"team": "identity"},
        stream="NEW_AND_OLD_IMAGES",
        point_in_time_recovery=True,
        recovery_days=7,
        deletion_protection=True,
    )
    AdminTables(on_moto, moto_client).ensure(options)
    return Backups(on_moto, moto_client)


def restored_config(config: DynamoDbConfig, suffix: str = "r") -> DynamoDbConfig:
    return replace(config, table_prefix=config.table_prefix + suffix)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_a_restored_set_has_everything_but_sessions_and_tokens(
    on_moto: DynamoDbConfig, moto_client: Client, backups: Backups
) -> None:
    """A restore brings people and settings back, ends every session and one-time token, and passes the verification."""
    sessions = people(on_moto)
    before = dump(on_moto, moto_client)
    made = backups.create("nightly")
    assert made.complete
    target = restored_config(on_moto)
    cache = MemoryCache()
    cache.held = {CacheKeys(target).user("acme", "usr_ada"): b"E"}

    report = Backups(on_moto, moto_client, cache=cache).restore(target.table_prefix, backup_set="nightly")

    assert report.verification.ok, report.verification.findings
    assert cache.held == {}, "earlier tables of this name had left something in the cache"
    assert (report.users, report.verification.users, report.verification.identities) == (3, 3, 8)
    assert report.verification.sessions == 3
    assert report.verification.valid_sessions == 0
    after = dump(target, moto_client)
    assert after["identities"] == before["identities"]
    assert after["tokens"] == []
    with DynamoDbStorage.open(target) as storage:
        assert [storage.get_session(session.token) for session in sessions] == [None] * 3
        user = storage.get_user_by_email("user0@example.com")
        assert user is not None
        new = storage.create_session(NewSession(user_id=user.id, expires_at=datetime.now(UTC) + timedelta(hours=1)))
        assert storage.get_session(new.token) is not None
    for status in AdminTables(target, moto_client).status():
        assert status.ok, status.problems
        assert status.tags == {"team": "identity"}
        assert status.stream == "NEW_AND_OLD_IMAGES"
        assert status.point_in_time_recovery
        assert status.deletion_protection


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_a_session_of_a_later_epoch_is_not_revived(
    on_moto: DynamoDbConfig, moto_client: Client, backups: Backups
) -> None:
    """The sessions backup may be newer than the users': a session of the next epoch stays invalid after the restore."""
    (session,) = people(on_moto, 1)
    items = Items(on_moto, moto_client)
    items.client.call(
        "UpdateItem",
        {
            "TableName": items.name("sessions"),
            "Key": items.key_of("sessions", {"id": {"S": session.id}, "user_id": {"S": session.user_id}}),
            "UpdateExpression": "SET epoch = epoch + :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        },
    )
    backups.create("skewed")
    target = restored_config(on_moto)
    backups.restore(target.table_prefix, backup_set="skewed")
    with DynamoDbStorage.open(target) as storage:
        assert storage.get_session(session.token) is None


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_all_tables_to_one_instant(on_moto: DynamoDbConfig, moto_client: Client, backups: Backups) -> None:
    """Point-in-time recovery restores all five; a second run resumes; another instant is refused."""
    people(on_moto, 2)
    target = restored_config(on_moto)
    first = backups.restore(target.table_prefix)
    assert first.verification.ok
    assert first.users == 2
    again = backups.restore(target.table_prefix)
    assert again.verification.ok
    assert again.users == 0
    with pytest.raises(ConfigurationError, match="are being restored to"):
        backups.restore(target.table_prefix, instant=datetime.now(UTC) - timedelta(days=1))


def test_an_instant_out_of_reach_is_refused_with_the_reach(backups: Backups, on_moto: DynamoDbConfig) -> None:
    """An instant outside the common range of all tables is refused with the range; nothing is started."""
    for instant in (datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)):
        with pytest.raises(ValidationError, match="all tables together can be restored to an instant from"):
            backups.restore(on_moto.table_prefix + "x", instant=instant)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_recovery_is_switched_for_all_tables(backups: Backups, on_moto: DynamoDbConfig) -> None:
    """Off, on, and status; a needless switch changes nothing; a restore while it is off says how to turn it on."""
    assert all(one.enabled and one.days == 7 for one in backups.recovery())
    assert backups.set_recovery(enabled=True) == []
    assert backups.set_recovery(enabled=False) == list(on_moto.tables)
    with pytest.raises(ConfigurationError, match="backup pitr on"):
        backups.restore(on_moto.table_prefix + "x")
    assert backups.set_recovery(enabled=True, days=3) == list(on_moto.tables)


@pytest.mark.parametrize("at", [0, 3])
def test_an_interrupted_backup_is_completed(
    on_moto: DynamoDbConfig, moto_client: Client, backups: Backups, at: int
) -> None:
    """After an interruption, the same command adds the missing backups and makes none twice."""
    broken = Backups(on_moto, Interrupting(moto_client, "CreateBackup", at))  # type: ignore[arg-type]
    with pytest.raises(Interrupted):
        broken.create("nightly")
    found = backups.find("nightly")
    assert (found is None) if at == 0 else (found is not None and not found.complete and len(found.backups) == at)
    if at:
        with pytest.raises(ConfigurationError, match="not complete"):
            backups.restore("elsewhere", backup_set="nightly")
    made = backups.create("nightly")
    assert made.complete
    assert made.others == ()


@pytest.mark.parametrize(
    ("operation", "at"),
    [("RestoreTableFromBackup", 2), ("UpdateTimeToLive", 1), ("UpdateItem", 1), ("BatchWriteItem", 0)],
)
def test_an_interrupted_restore_is_completed(
    on_moto: DynamoDbConfig, moto_client: Client, backups: Backups, operation: str, at: int
) -> None:
    """Interrupted at any step (tables, settings, epochs, tokens), a second run completes the restore."""
    people(on_moto)
    backups.create("nightly")
    target = restored_config(on_moto)
    # Batches are written by a method of the client, which calls the client itself.
    broken: Any = Interrupting(moto_client, operation, at)
    if operation == "BatchWriteItem":

        def stop(*_: Any) -> None:
            raise Interrupted

        broken.batch_write = stop
    with pytest.raises(Interrupted):
        Backups(on_moto, broken).restore(target.table_prefix, backup_set="nightly")
    report = backups.restore(target.table_prefix, backup_set="nightly")
    assert report.verification.ok
    assert report.verification.valid_sessions == 0
    assert dump(target, moto_client)["tokens"] == []
    assert all(status.ok for status in AdminTables(target, moto_client).status())


def test_a_restore_of_a_restore_ends_sessions_again(
    on_moto: DynamoDbConfig, moto_client: Client, backups: Backups
) -> None:
    """The mark that makes a restore repeatable is in later backups, too; it must not disable the next restore."""
    people(on_moto, 1)
    backups.create("nightly")
    second = restored_config(on_moto, "r")
    backups.restore(second.table_prefix, backup_set="nightly")
    with DynamoDbStorage.open(second) as storage:
        user = storage.get_user_by_email("user0@example.com")
        assert user is not None
        later = datetime.now(UTC) + timedelta(hours=1)
        session = storage.create_session(NewSession(user_id=user.id, expires_at=later))
    again = Backups(second, moto_client)
    again.create("nightly")
    third = restored_config(on_moto, "q")
    report = again.restore(third.table_prefix, backup_set="nightly")
    assert report.users == 1
    assert report.verification.valid_sessions == 0
    with DynamoDbStorage.open(third) as storage:
        assert storage.get_session(session.token) is None


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_autoscaling_is_put_back(on_moto: DynamoDbConfig, moto_client: Client) -> None:
    """Targets, policies and scheduled actions of provisioned tables are registered for the restored ones."""
    options = TableOptions(
        billing="provisioned",
        capacity=Capacity(read=5, write=5),
        autoscaling=Autoscaling(read=Scaling(minimum=2, maximum=20, target=60), write=None),
    )
    AdminTables(on_moto, moto_client).ensure(options)
    AutoscalingAdmin(on_moto, moto_client).register(options)
    backups = Backups(on_moto, moto_client)
    backups.create("nightly")
    target = restored_config(on_moto)
    # moto forgets how a restored table is billed; AWS takes it from the backup.
    report = backups.restore(target.table_prefix, backup_set="nightly", options=TableOptions(billing="provisioned"))
    assert sum("autoscaling of" in line for line in report.put_back) == len(targets(target)) // 2
    states = [state for state in AutoscalingAdmin(target, moto_client).describe() if state.scaling is not None]
    assert len(states) == len(targets(target)) // 2
    assert all(state.tracked and state.scaling and state.scaling.maximum == 20 for state in states)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_sets_are_told_apart_and_deleted(on_moto: DynamoDbConfig, moto_client: Client, backups: Backups) -> None:
    """Sets are listed by name; other backups are left out; deleting removes the whole set and nothing else."""
    backups.create("a.1")
    backups.create("b")
    moto_client.call("CreateBackup", {"TableName": on_moto.table_name(on_moto.tables[0]), "BackupName": "by-hand"})
    assert [one.name for one in backups.sets()] == ["a.1", "b"]
    backups.delete(backups.require("b"))
    assert [one.name for one in backups.sets()] == ["a.1"]
    with pytest.raises(NotFound, match=r"no backup set 'b' .*a\.1"):
        backups.delete(backups.require("b"))
    with pytest.raises(ConfigurationError, match="already"):
        backups.create("a.1")
    with pytest.raises(ValidationError):
        backups.create("with space")


def test_a_table_in_the_way_is_not_touched(on_moto: DynamoDbConfig, moto_client: Client, backups: Backups) -> None:
    """A table of the new prefix that is not a restore of the set stops the restore before it begins."""
    backups.create("nightly")
    other = restored_config(on_moto)
    AdminTables(other, moto_client).ensure()
    with pytest.raises(ConfigurationError, match="is not a restore of this source"):
        backups.restore(other.table_prefix, backup_set="nightly")
    with pytest.raises(ConfigurationError, match="these are its source"):
        backups.restore(on_moto.table_prefix, backup_set="nightly")


def test_wrong_places_are_said(
    on_moto: DynamoDbConfig, moto_client: Client, on_dynoxide: DynamoDbConfig, dynoxide_client: Client
) -> None:
    """Missing tables and an endpoint without backups each have their own message."""
    with pytest.raises(ConfigurationError, match="there is no table"):
        Backups(on_moto, moto_client).create("nightly")
    with pytest.raises(ConfigurationError, match="there is no table"):
        Backups(on_moto, moto_client).recovery()
    AdminTables(on_dynoxide, dynoxide_client).ensure()
    with pytest.raises(RequestRejected, match="does not offer this operation"):
        Backups(on_dynoxide, dynoxide_client).create("nightly")
