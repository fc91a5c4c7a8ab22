"""IAM policies: each role gets the actions it needs on the tables and indexes it needs, and nothing else.

The runtime role is exact: a test runs every operation of the storage, records which action uses which resource, and
compares that with the policy in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from torii_dynamodb._rules import validation
from torii_dynamodb.admin.streams.checkpoints import checkpoint_table_name
from torii_dynamodb.admin.streams.decode import stream_tables
from torii_dynamodb.config import TABLES, DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ValidationError
from torii_dynamodb.schema import schema_of

__all__ = ["ROLES", "RUNTIME_ACTIONS", "Role", "policy"]

Role = Literal["runtime", "authorizer", "migrate", "admin", "stream-consumer", "backup"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)

RUNTIME_ACTIONS: Final[Mapping[StoredTable, tuple[str, ...]]] = MappingProxyType(
    {
        "users": ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Scan", "UpdateItem"),
        "sessions": ("BatchGetItem", "BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"),
        "identities": ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem"),
        "tokens": ("BatchGetItem", "GetItem", "PutItem", "UpdateItem"),
        "login_attempts": ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
    }
)
"""The actions of the storage on each table. ``Scan`` on users is for ``list_users``. Indexes are only queried.

``TransactWriteItems`` is not an action: AWS checks the actions of its parts (Developer Guide, "Using IAM with DynamoDB
transactions").
"""

# Only the health check uses "GetItem" on sessions.
_HEALTH_CHECK: Final[Mapping[StoredTable, tuple[str, ...]]] = MappingProxyType({"sessions": ("GetItem",)})

# "BatchGetItem" is for ``verify``, which should follow a migration.
_MIGRATE = ("BatchGetItem", "Scan", "UpdateItem")
_ADMIN = (
    "CreateTable",
    "CreateTableReplica",
    "DeleteTable",
    "DeleteTableReplica",
    "DescribeContinuousBackups",
    "DescribeTable",
    "DescribeTimeToLive",
    "ListTagsOfResource",
    "TagResource",
    "UpdateContinuousBackups",
    "UpdateTable",
    "UpdateTimeToLive",
)
# Adding a replica copies the table with the caller's own permissions (Developer Guide, "IAM and global tables").
_REPLICATE = (
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "UpdateItem",
)
_AUTOSCALING = (
    "DeleteScalingPolicy",
    "DeleteScheduledAction",
    "DeregisterScalableTarget",
    "DescribeScalableTargets",
    "DescribeScalingActivities",
    "DescribeScalingPolicies",
    "DescribeScheduledActions",
    "PutScalingPolicy",
    "PutScheduledAction",
    "RegisterScalableTarget",
)
_ALARMS = ("DeleteAlarms", "DescribeAlarms", "GetMetricData", "PutMetricAlarm")
_STREAM = ("DescribeStream", "GetRecords", "GetShardIterator")
_CHECKPOINTS = (
    "ConditionCheckItem",
    "CreateTable",
    "DeleteItem",
    "DescribeTable",
    "GetItem",
    "PutItem",
    "UpdateItem",
    "UpdateTimeToLive",
)
# Backups, exports, imports and ``verify``.
_BACKUP = (
    "BatchGetItem",
    "BatchWriteItem",
    "CreateBackup",
    "DescribeContinuousBackups",
    "DescribeTable",
    "Scan",
    "UpdateContinuousBackups",
)
# What a restore needs from the source tables.
_RESTORE_FROM = ("ListTagsOfResource", "RestoreTableToPointInTime")
_RESTORE_TO = (
    "BatchGetItem",
    "BatchWriteItem",
    "DescribeContinuousBackups",
    "DescribeTable",
    "DescribeTimeToLive",
    "ListTagsOfResource",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "Scan",
    "TagResource",
    "UpdateContinuousBackups",
    "UpdateItem",
    "UpdateTable",
    "UpdateTimeToLive",
    # DynamoDB writes the restored items with the caller's own permissions (Developer Guide, "Using IAM with DynamoDB
    # backup and restore").
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
)
_PUT_BACK_AUTOSCALING = (
    "DescribeScalableTargets",
    "DescribeScalingPolicies",
    "DescribeScheduledActions",
    "PutScalingPolicy",
    "PutScheduledAction",
    "RegisterScalableTarget",
)


def policy(
    role: Role,
    config: DynamoDbConfig,
    *,
    account: str = "*",
    partition: str = "aws",
    restore_prefix: str | None = None,
    tenant: str | None = None,
    tenant_tag: str | None = None,
) -> dict[str, Any]:
    """The policy document of a role, for these tables.

    Args:
        role: ``runtime``: the application. ``authorizer``: checks sessions and extends them. ``migrate``: upgrades
            stored items, and seals them anew. ``admin``: creates and changes the tables, their autoscaling and their
            replicas; it reads items only to add a replica.
            ``stream-consumer``: reads the streams and keeps checkpoints. ``backup``: backs up, restores, exports,
            imports, verifies, and lists, exports and deletes tenants.
        config: Names the tables; the ARNs contain its ``region`` and ``home_region`` (without a Region: any).
        account: The twelve-digit account ID; ``"*"``: the account in which the policy is attached.
        partition: ``aws``, ``aws-cn``, ``aws-us-gov``, ...
        restore_prefix: For ``backup``: the table prefix that may be restored to; ``None``: restores are not allowed.
        tenant: For ``runtime``: the only tenant whose items may be read and written; ``None``: all. It does not allow
            ``list_users``, whose scan reads the items of all tenants.
        tenant_tag: Instead of ``tenant``: the tag of the caller (the role or its session) that names the tenant, so
            that one policy serves all tenants. A caller without the tag may do nothing.

    Raises:
        ValidationError: The role, account, partition, tenant or tag is invalid.
        ConfigurationError: ``restore_prefix`` is not a valid prefix.
    """
    if role not in ROLES:
        raise ValidationError("role", f"there is no role {role!r}; give one of {', '.join(ROLES)}")
    if account != "*" and not re.fullmatch(r"[0-9]{12}", account):
        raise ValidationError("account", f"{account!r} is not a valid account: give its twelve digits, or *")
    if not re.fullmatch(r"aws[a-z-]{0,20}", partition):
        raise ValidationError("partition", f"{partition!r} is not a valid partition: give aws, aws-cn or aws-us-gov")
    if (tenant is not None or tenant_tag is not None) and role != "runtime":
        raise ValidationError("tenant", f"only the role runtime can be limited to a tenant, not {role}")
    writer = _Writer(config, account, partition, _tenant_in_keys(tenant, tenant_tag))
    if role == "backup":
        return _document(writer.backup(restore_prefix))
    makers: dict[Role, Callable[[], list[dict[str, Any]]]] = {
        "runtime": writer.runtime,
        "authorizer": writer.authorizer,
        "migrate": writer.migrate,
        "admin": writer.admin,
        "stream-consumer": writer.stream_consumer,
    }
    return _document(makers[role]())


def _tenant_in_keys(tenant: str | None, tag: str | None) -> str | None:
    """The tenant as it is written in the policy: its name, or a variable."""
    if tag is None:
        return None if tenant is None else validation.tenant(tenant)
    if tenant is not None:
        raise ValidationError("tenant_tag", "give tenant or tenant_tag, not both")
    if not re.fullmatch(r"[A-Za-z0-9_.:/=+@-]{1,128}", tag):
        raise ValidationError("tenant_tag", f"{tag!r} is not a tag's key: give 1 to 128 of A-Z a-z 0-9 _ . : / = + @ -")
    # A tag's value contains none of * ? # (STS API Reference, "Tag"), so it stands for one tenant.
    return f"${{aws:PrincipalTag/{tag}}}"


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


class _Writer:
    def __init__(self, config: DynamoDbConfig, account: str, partition: str, tenant: str | None) -> None:
        self._config = config
        self._tenant = tenant
        self._account = account
        self._partition = partition
        home = config.home_region
        self._regions = list(dict.fromkeys([config.region or "*", *([home] if home else [])]))

    def _arns(self, name: str) -> list[str]:
        return [f"arn:{self._partition}:dynamodb:{region}:{self._account}:table/{name}" for region in self._regions]

    def _tables(self, tables: Sequence[StoredTable] | None = None) -> list[str]:
        return [
            arn
            for table in (self._config.tables if tables is None else tables)
            for arn in self._arns(self._config.table_name(table))
        ]

    def _indexes(self) -> list[str]:
        return [
            f"{arn}/index/{index.name}"
            for schema in schema_of(self._config).values()
            for index in schema.indexes
            for arn in self._arns(self._config.table_name(schema.table))
        ]

    def runtime(self) -> list[dict[str, Any]]:
        if self._config.layout == "single":
            return self._runtime_in_single()
        keys = None if self._tenant is None else [f"@{self._tenant}#*"]
        statements: list[dict[str, Any]] = []
        for table in TABLES:
            actions = {*RUNTIME_ACTIONS[table], *_HEALTH_CHECK.get(table, ())}
            if keys is not None:
                actions.discard("Scan")
            statements.append(
                _allow(_sid(table), sorted(actions), self._arns(self._config.table_name(table)), keys=keys)
            )
        return [*statements, _allow("Indexes", ("Query",), self._indexes(), keys=keys)]

    def _runtime_in_single(self) -> list[dict[str, Any]]:
        prefix = self._config.key_prefix
        keys = [f"{prefix}#*", f"{prefix}@*"] if self._tenant is None else [f"{prefix}@{self._tenant}#*"]
        actions = {action for table in TABLES for action in RUNTIME_ACTIONS[table]} - {"Scan"}
        items = _allow("Items", sorted(actions), self._tables(), keys=keys)
        # A scan has no leading keys: it reads the application's items, too.
        return [items] if self._tenant is not None else [items, _allow("ListUsers", ("Scan",), self._tables())]

    def authorizer(self) -> list[dict[str, Any]]:
        return [
            _allow("Check", ("BatchGetItem",), self._tables(("users", "sessions"))),
            # Use extends a session; not needed with Authorizer(extend_sessions=False).
            _allow("Extend", ("UpdateItem",), self._tables(("sessions",))),
        ]

    def migrate(self) -> list[dict[str, Any]]:
        return [_allow("Tables", _MIGRATE, self._tables())]

    def admin(self) -> list[dict[str, Any]]:
        replicas = [
            f"arn:{self._partition}:dynamodb:*:{self._account}:table/{self._config.table_name(table)}"
            for table in self._config.tables
        ]
        return [
            _allow("Tables", _ADMIN, replicas),
            _allow("CopyToReplicas", _REPLICATE, replicas),
            _allow("Checkpoints", ("DeleteTable", "DescribeTable"), self._arns(checkpoint_table_name(self._config))),
            # Neither service has resources that identify tables.
            _allow("Autoscaling", _AUTOSCALING, ["*"], service="application-autoscaling"),
            _allow("Alarms", _ALARMS, ["*"], service="cloudwatch"),
            self._linked("replication.dynamodb", "dynamodb.application-autoscaling"),
        ]

    def stream_consumer(self) -> list[dict[str, Any]]:
        tables = self._tables(stream_tables(self._config))
        return [
            _allow("Tables", ("DescribeTable",), tables),
            _allow("Streams", _STREAM, [f"{arn}/stream/*" for arn in tables]),
            _allow("Checkpoints", _CHECKPOINTS, self._arns(checkpoint_table_name(self._config))),
        ]

    def backup(self, restore_prefix: str | None) -> list[dict[str, Any]]:
        tables = self._tables()
        backups = [f"{arn}/backup/*" for arn in tables]
        # AWS has no resource for this action.
        listed = _allow("List", ("ListBackups",), ["*"])
        if restore_prefix is None:
            return [_allow("Tables", _BACKUP, tables), _allow("Backups", ("DeleteBackup",), backups), listed]
        # Checked like any prefix: "*" would grant access to everybody's tables.
        target = self._config.renamed(restore_prefix)
        restored = [arn for table in target.tables for arn in self._arns(target.table_name(table))]
        return [
            _allow("Tables", sorted({*_BACKUP, *_RESTORE_FROM}), tables),
            _allow("Restored", sorted(_RESTORE_TO), restored),
            _allow("Backups", ("DeleteBackup", "RestoreTableFromBackup"), backups),
            listed,
            _allow("Autoscaling", _PUT_BACK_AUTOSCALING, ["*"], service="application-autoscaling"),
            _allow("Alarms", ("DescribeAlarms", "PutMetricAlarm"), ["*"], service="cloudwatch"),
            self._linked("dynamodb.application-autoscaling"),
        ]

    def _linked(self, *services: str) -> dict[str, Any]:
        names = [f"{service}.amazonaws.com" for service in services]
        return {
            "Effect": "Allow",
            "Sid": "ServiceLinkedRoles",
            "Action": ["iam:CreateServiceLinkedRole"],
            "Resource": [f"arn:{self._partition}:iam::{self._account}:role/aws-service-role/*"],
            "Condition": {"StringLike": {"iam:AWSServiceName": names}},
        }


def _allow(
    sid: str,
    actions: Sequence[str],
    resources: list[str],
    *,
    service: str = "dynamodb",
    keys: Sequence[str] | None = None,
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Sid": sid,
        "Action": [f"{service}:{action}" for action in actions],
        "Resource": resources,
    }
    if keys is not None:
        # ForAllValues also holds for a request without keys, hence Null (IAM User Guide, "Multivalued context keys").
        statement["Condition"] = {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)},
            "Null": {"dynamodb:LeadingKeys": "false"},
        }
    return statement


def _sid(table: str) -> str:
    return "".join(part.capitalize() for part in table.split("_"))
