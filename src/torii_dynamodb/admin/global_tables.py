"""Replicas in other regions: DynamoDB global tables, version 2019.11.21.

What holds across regions stands in ``docs/global-tables.md``; ``DynamoDbConfig(home_region=...)`` keeps the promises
that one region must keep. No engine has replicas; the requests follow the shapes of AWS' API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Final

from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.control import Control
from torii_dynamodb.config import TABLES, DynamoDbConfig, TableName
from torii_dynamodb.errors import ConfigurationError, Unavailable, ValidationError

__all__ = ["NOTES", "VERSION", "Replica", "add_replica", "list_replicas", "remove_replica"]

VERSION: Final = "2019.11.21"
"""The version of global tables that is managed here; the legacy 2017.11.29 is refused."""

NOTES: Final = (
    "TTL is one setting for all replicas; TTL's deletions are replicated, and charged as replicated writes.",
    "Point-in-time recovery, tags, deletion protection, backups and streams' readers are each replica's own.",
    "Write capacity must scale on every replica alike: bill on demand, or scale writes automatically in each region.",
    "Give the application home_region: without it two regions can give one e-mail address to two users.",
)
"""What adding a replica does not do, and what goes on with it."""

_REFUSE_STRONG = (
    "{name} is a global table with multi-Region strong consistency: that has neither TTL nor transactions, and every "
    "promise of this library rests on transactions. Use a table with eventual consistency (MREC) and home_region"
)
_DEAD = frozenset(
    {"CREATION_FAILED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "REGION_DISABLED", "REPLICATION_NOT_AUTHORIZED"}
)
_STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}

Report = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One table in one other region.

    Args:
        table: Which table.
        name: Its full name; the same in every region.
        region: Where the replica is.
        status: DynamoDB's word: ``CREATING``, ``UPDATING``, ``ACTIVE``, ``DELETING``, ...
        kms_key: The replica's own key, if it has one.
        description: DynamoDB's words about a failure.
    """

    table: TableName
    name: str
    region: str
    status: str
    kms_key: str | None = None
    description: str | None = None

    @property
    def usable(self) -> bool:
        """Whether it takes requests."""
        return self.status in ("ACTIVE", "UPDATING")


def list_replicas(client: Client, config: DynamoDbConfig, tables: Sequence[TableName] = TABLES) -> list[Replica]:
    """All replicas of the tables, other than those in the region that is asked.

    Raises:
        ConfigurationError: A table does not exist.
    """
    control = Control(client)
    return [replica for table in tables for replica in _replicas(table, config, _described(control, table, config))]


def add_replica(
    client: Client,
    config: DynamoDbConfig,
    region: str,
    *,
    kms_key: str | None = None,
    dry_run: bool = False,
    report: Report = lambda line: None,
    wait: float = 6 * 3600.0,
    pause: Callable[[float], object] = sleep,
) -> list[str]:
    """Replicate all five tables to a region, one after the other, and wait for each. Can be run again after a stop.

    Args:
        client: A client of the region where the tables are.
        config: Names the tables.
        region: Where to.
        kms_key: The replica's key there, for tables encrypted with a key of yours.
        dry_run: Change nothing, tell what would be done.
        report: Told each step.
        wait: Seconds to wait for one replica; a large table takes hours. Stopping to wait harms nothing.
        pause: Sleeps that many seconds.

    Returns:
        What was (or would be) done, a sentence each; nothing where all replicas are there.

    Raises:
        ConfigurationError: A table is missing, of strong multi-Region consistency, a legacy global table, provisioned
            without a word about writes, or DynamoDB could not make the replica. Nothing is begun for any table unless
            all can take it.
        Unavailable: A replica is not active in time; it may still become so.
    """
    _check_region(region, client)
    control = Control(client, pause=pause)
    described: dict[TableName, dict[str, Any]] = {table: _described(control, table, config) for table in TABLES}
    for table, description in described.items():
        _check_can_replicate(config.table_name(table), description)
    done: list[str] = []

    def step(line: str) -> None:
        done.append(line)
        report(line)

    for table, description in described.items():
        name = config.table_name(table)
        found = _find(_replicas(table, config, description), region)
        if found is not None and found.usable:
            continue
        if found is None:
            stream: dict[str, Any] = description.get("StreamSpecification") or {}
            if stream.get("StreamViewType") != _STREAM["StreamViewType"]:
                step(f"switch on the stream of {name}, which replication reads")
                if not dry_run:
                    control.call("UpdateTable", {"TableName": name, "StreamSpecification": _STREAM})
                    control.wait_for_table(name)
            create: dict[str, Any] = {"RegionName": region}
            if kms_key is not None:
                create["KMSMasterKeyId"] = kms_key
            step(f"replicate {name} to {region}")
            if not dry_run:
                control.call("UpdateTable", {"TableName": name, "ReplicaUpdates": [{"Create": create}]})
        if not dry_run:
            _await(control, table, config, region, present=True, wait=wait, pause=pause)
    return done


def remove_replica(
    client: Client,
    config: DynamoDbConfig,
    region: str,
    *,
    dry_run: bool = False,
    report: Report = lambda line: None,
    wait: float = 3600.0,
    pause: Callable[[float], object] = sleep,
) -> list[str]:
    """Delete the replicas in a region, with what is in them there, and wait. The tables elsewhere stay.

    Returns:
        What was (or would be) done, a sentence each.

    Raises:
        ConfigurationError: A table is missing.
        Unavailable: A replica is not gone in time.
    """
    _check_region(region, client)
    control = Control(client, pause=pause)
    done: list[str] = []
    for table in TABLES:
        name = config.table_name(table)
        found = _find(_replicas(table, config, _described(control, table, config)), region)
        if found is None:
            continue
        done.append(f"delete the replica of {name} in {region}")
        report(done[-1])
        if dry_run:
            continue
        if found.status != "DELETING":
            control.call("UpdateTable", {"TableName": name, "ReplicaUpdates": [{"Delete": {"RegionName": region}}]})
        _await(control, table, config, region, present=False, wait=wait, pause=pause)
    return done


def _described(control: Control, table: TableName, config: DynamoDbConfig) -> dict[str, Any]:
    name = config.table_name(table)
    description = control.describe(name)
    if description is None:
        raise ConfigurationError(f"the table {name} does not exist; create it with `torii-dynamodb tables ensure`")
    return description


def _replicas(table: TableName, config: DynamoDbConfig, description: dict[str, Any]) -> list[Replica]:
    found: list[dict[str, Any]] = description.get("Replicas") or []
    return [
        Replica(
            table=table,
            name=config.table_name(table),
            region=str(one["RegionName"]),
            status=str(one.get("ReplicaStatus", "?")),
            kms_key=one.get("KMSMasterKeyId"),
            description=one.get("ReplicaStatusDescription"),
        )
        for one in found
    ]


def _find(replicas: Sequence[Replica], region: str) -> Replica | None:
    return next((one for one in replicas if one.region == region), None)


def _check_region(region: str, client: Client) -> None:
    if not region or not all(part.isalnum() for part in region.split("-")):
        raise ValidationError("region", f"{region!r} is no region name (for example 'eu-west-1')")
    if client.config.region == region:
        raise ValidationError("region", f"the tables are in {region} themselves; name another region")


def _check_can_replicate(name: str, description: dict[str, Any]) -> None:
    if description.get("MultiRegionConsistency") == "STRONG":
        raise ConfigurationError(_REFUSE_STRONG.format(name=name))
    version = description.get("GlobalTableVersion")
    if version not in (None, VERSION):
        raise ConfigurationError(f"{name} is a global table of the legacy version {version}; upgrade it to {VERSION}")
    stream: dict[str, Any] = description.get("StreamSpecification") or {}
    if stream.get("StreamEnabled") and stream.get("StreamViewType") != _STREAM["StreamViewType"]:
        raise ConfigurationError(
            f"{name} has a stream with the view type {stream.get('StreamViewType')}; replication needs "
            f"{_STREAM['StreamViewType']}, and DynamoDB cannot change that in place: switch it off first"
        )


def _await(
    control: Control,
    table: TableName,
    config: DynamoDbConfig,
    region: str,
    *,
    present: bool,
    wait: float,
    pause: Callable[[float], object],
) -> None:
    name = config.table_name(table)
    started, seconds = monotonic(), 1.0
    while True:
        found = _find(_replicas(table, config, _described(control, table, config)), region)
        if found is not None and found.status in _DEAD and present:
            told = f": {found.description}" if found.description else ""
            raise ConfigurationError(f"DynamoDB cannot replicate {name} to {region}: {found.status}{told}")
        if (found is not None and found.status == "ACTIVE") if present else found is None:
            control.wait_for_table(name)
            return
        if monotonic() - started > wait:
            state = "gone" if not present else "active"
            raise Unavailable(
                f"the replica of {name} in {region} is not {state} after {wait:.0f} seconds; "
                "DynamoDB goes on: run this again to wait on",
                attempts=1,
            )
        pause(seconds)
        seconds = min(seconds * 2, 20.0)
