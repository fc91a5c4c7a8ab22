"""Replicas in other Regions: DynamoDB global tables, version 2019.11.21.

``docs/global-tables.md`` says what holds across Regions; ``DynamoDbConfig(home_region=...)`` keeps the promises that
depend on a single Region. No local engine has replicas; the requests follow AWS' API reference.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torii_dynamodb._aws import resolve_endpoint
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import sleep
from torii_dynamodb.admin.autoscaling import AutoscalingAdmin
from torii_dynamodb.admin.control import Control, NotOffered, if_offered, is_settled
from torii_dynamodb.admin.planning import billing_of, stream_on, stream_view
from torii_dynamodb.admin.progress import Progress, Report, silent
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = ["NOTES", "VERSION", "Replica", "add_replica", "list_replicas", "remove_replica"]

VERSION: Final = "2019.11.21"
"""The supported version of global tables; the legacy version 2017.11.29 is refused."""

NOTES: Final = (
    "TTL is one setting for all replicas; deletions by TTL are replicated, and charged as replicated writes.",
    "Point-in-time recovery, tags, deletion protection, backups and stream consumers are separate for each replica.",
    "Write capacity must scale equally on every replica: bill on demand, or autoscale writes in each Region.",
    "Set home_region in the application: without it, two Regions can give one email address to two users.",
)
"""What to know and do after adding a replica."""

_REFUSE_STRONG = (
    "{name} is a global table with multi-Region strong consistency: such tables have neither TTL nor transactions, and "
    "this library depends on transactions. Use a table with eventual consistency (MREC) and home_region"
)
_DEAD = frozenset(
    {"CREATION_FAILED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "REGION_DISABLED", "REPLICATION_NOT_AUTHORIZED"}
)
_STREAM: Final = "NEW_AND_OLD_IMAGES"
_LOOKS_WITHOUT: Final = 20
"""How often to look, for about a minute, for a replica that is not listed; DynamoDB lists it within seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One table in one other Region.

    Args:
        table: The table, without the prefix.
        name: Its full name; the same in every Region.
        region: The replica's Region.
        status: DynamoDB's status: ``CREATING``, ``UPDATING``, ``ACTIVE``, ``DELETING``, ...
        kms_key: The replica's own key, if it has one.
        description: DynamoDB's explanation of a failure.
    """

    table: StoredTable
    name: str
    region: str
    status: str
    kms_key: str | None = None
    description: str | None = None

    @property
    def usable(self) -> bool:
        """Whether it accepts requests."""
        return self.status in ("ACTIVE", "UPDATING")


def list_replicas(client: Client, config: DynamoDbConfig, tables: Sequence[StoredTable] | None = None) -> list[Replica]:
    """All replicas of the tables in other Regions.

    Raises:
        ConfigurationError: A table does not exist.
    """
    found = Control(client).require_tables(config, tables)
    return [replica for table, description in found.items() for replica in _replicas(table, config, description)]


def add_replica(
    client: Client,
    config: DynamoDbConfig,
    region: str,
    *,
    kms_key: str | None = None,
    dry_run: bool = False,
    report: Report = silent,
    wait: float = 6 * 3600.0,
    pause: Callable[[float], object] = sleep,
    autoscaling: Any = None,
) -> list[str]:
    """Replicate all tables to a Region, one after the other, and wait for each. After a stop, run it again.

    Args:
        client: A client for the tables' Region.
        config: Names the tables.
        region: The Region for the replicas.
        kms_key: The replica's key there, for tables encrypted with your own key.
        dry_run: Change nothing; only return what would be done.
        report: Receives the progress.
        wait: Seconds to wait for one replica; a large table takes hours. Stopping the wait does no harm.
        pause: Sleeps for a number of seconds.
        autoscaling: boto3's client of Application Auto Scaling, used for provisioned tables; ``None``: one is made
            when it is needed.

    Returns:
        What was (or would be) done, a sentence each; empty if all replicas exist.

    Raises:
        ConfigurationError: A table is missing, has strong multi-Region consistency, is a legacy global table, or is
            provisioned without autoscaling of its writes (then nothing is begun for any table); or DynamoDB could not
            make the replica.
        NotOffered: The endpoint accepts the request and does nothing, as an emulator may.
        Unavailable: A replica did not become active in time; it may still do so.
    """
    _check_region(region, client)
    control = Control(client, patience=wait, pause=pause)
    described = control.require_tables(config)
    for table, description in described.items():
        _check_can_replicate(config.table_name(table), description)
    _check_writes_scale(client, config, described, autoscaling)
    done: list[str] = []
    task = f"replicate to {region}"
    for number, (table, description) in enumerate(described.items()):
        if not dry_run:
            report(Progress(task=task, done=number, total=len(config.tables), unit="tables"))
        name = config.table_name(table)
        found = _find(_replicas(table, config, description), region)
        if found is not None and found.usable:
            continue
        if found is None:
            if stream_view(description) != _STREAM:
                done.append(f"turn on the stream of {name}, which replication needs")
                if not dry_run:
                    control.call("UpdateTable", {"TableName": name, "StreamSpecification": stream_on(_STREAM)})
                    control.wait_for_table(name)
            create: dict[str, Any] = {"RegionName": region}
            if kms_key is not None:
                create["KMSMasterKeyId"] = kms_key
            done.append(f"replicate {name} to {region}")
            if not dry_run:
                control.call("UpdateTable", {"TableName": name, "ReplicaUpdates": [{"Create": create}]})
        if not dry_run:
            _await(control, table, config, region, present=True)
    if not dry_run:
        report(Progress(task=task, done=len(config.tables), total=len(config.tables), unit="tables"))
    return done


def remove_replica(
    client: Client,
    config: DynamoDbConfig,
    region: str,
    *,
    dry_run: bool = False,
    report: Report = silent,
    wait: float = 3600.0,
    pause: Callable[[float], object] = sleep,
) -> list[str]:
    """Delete the replicas in a Region, with their items, and wait. The tables in other Regions stay.

    Returns:
        What was (or would be) done, a sentence each.

    Raises:
        ConfigurationError: A table is missing.
        Unavailable: A replica was not deleted in time.
    """
    _check_region(region, client)
    control = Control(client, patience=wait, pause=pause)
    done: list[str] = []
    task = f"delete replicas in {region}"
    for number, (table, description) in enumerate(control.require_tables(config).items()):
        if not dry_run:
            report(Progress(task=task, done=number, total=len(config.tables), unit="tables"))
        name = config.table_name(table)
        found = _find(_replicas(table, config, description), region)
        if found is None:
            continue
        done.append(f"delete the replica of {name} in {region}")
        if dry_run:
            continue
        if found.status != "DELETING":
            control.call("UpdateTable", {"TableName": name, "ReplicaUpdates": [{"Delete": {"RegionName": region}}]})
        _await(control, table, config, region, present=False)
    if not dry_run:
        report(Progress(task=task, done=len(config.tables), total=len(config.tables), unit="tables"))
    return done


def _replicas(table: StoredTable, config: DynamoDbConfig, description: dict[str, Any]) -> list[Replica]:
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
        raise ValidationError("region", f"{region!r} is not a valid Region name: give one like 'eu-west-1'")
    if resolve_endpoint(client.config)[0] == region:
        raise ValidationError("region", f"the tables are in {region} already; give another Region")


def _check_can_replicate(name: str, description: dict[str, Any]) -> None:
    if description.get("MultiRegionConsistency") == "STRONG":
        raise ConfigurationError(_REFUSE_STRONG.format(name=name))
    version = description.get("GlobalTableVersion")
    if version not in (None, VERSION):
        raise ConfigurationError(f"{name} is a global table of the legacy version {version}; upgrade it to {VERSION}")
    view = stream_view(description)
    if view not in (None, _STREAM):
        raise ConfigurationError(
            f"{name} has a stream with the view type {view}, and replication needs {_STREAM}; DynamoDB cannot change "
            "that in place: turn the stream off first"
        )


def _check_writes_scale(
    client: Client, config: DynamoDbConfig, described: Mapping[StoredTable, dict[str, Any]], service: Any
) -> None:
    provisioned = [table for table, description in described.items() if billing_of(description) == "provisioned"]
    if not provisioned:
        return
    # Developer Guide, "Global tables": a replica receives every write, so DynamoDB requires write capacity to scale.
    # An endpoint without autoscaling is not AWS, and decides by itself.
    states = if_offered(AutoscalingAdmin(config, client, service=service).describe) or []
    fixed = [
        str(state.target)
        for state in states
        if state.target.table in provisioned and state.target.direction == "write" and state.scaling is None
    ]
    if fixed:
        raise ConfigurationError(
            f"provisioned without autoscaling: {', '.join(fixed)}; DynamoDB replicates only tables that are on "
            "demand or autoscale their writes: torii-dynamodb autoscaling enable, or tables ensure --billing on_demand"
        )


def _await(control: Control, table: StoredTable, config: DynamoDbConfig, region: str, *, present: bool) -> None:
    name = config.table_name(table)
    looks = itertools.count(1)

    def reached() -> bool:
        description = control.require(name)
        found = _find(_replicas(table, config, description), region)
        if present and found is None and is_settled(description) and next(looks) >= _LOOKS_WITHOUT:
            raise NotOffered(
                f"UpdateTable: {control.client.where} accepted the request, but there is no replica of {name} in "
                f"{region} after a minute; emulators have no replicas. On AWS, run this again",
                aws_code="UnknownOperationException",
            )
        if not present:
            return found is None and is_settled(description)
        if found is not None and found.status in _DEAD:
            told = f": {found.description}" if found.description else ""
            raise ConfigurationError(f"DynamoDB cannot replicate {name} to {region}: {found.status}{told}")
        return found is not None and found.status == "ACTIVE" and is_settled(description)

    control.wait(reached, f"the replica of {name} in {region} to be {'active' if present else 'gone'}")
