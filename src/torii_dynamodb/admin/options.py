"""The options of the tables apart from their schema: capacity, protection, encryption, backups, tags.

``None`` always means *not managed*: an existing table keeps what it has, a new one gets DynamoDB's default. So
``TableOptions()`` changes nothing about tables that match the schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

from torii_dynamodb.config import TABLES, DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ConfigurationError
from torii_dynamodb.schema import SCHEMA

__all__ = [
    "AWS_MANAGED_KEY",
    "AWS_OWNED_KEY",
    "NO_MAXIMUM",
    "Autoscaling",
    "Billing",
    "Capacity",
    "Scaling",
    "StreamView",
    "TableClass",
    "TableOptions",
    "options_from_mapping",
    "with_table",
]

Billing = Literal["on_demand", "provisioned"]
TableClass = Literal["STANDARD", "STANDARD_INFREQUENT_ACCESS"]
StreamView = Literal["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]

AWS_OWNED_KEY: Final = "aws_owned"
"""As ``kms_key``: the key that AWS owns, free of charge; DynamoDB's default."""

AWS_MANAGED_KEY: Final = "aws_managed"
"""As ``kms_key``: ``alias/aws/dynamodb`` in your account."""

NO_MAXIMUM: Final = -1
"""In ``max_on_demand``: removes the maximum (DynamoDB API Reference, OnDemandThroughput)."""

# DynamoDB Developer Guide, "Quotas": 40,000 units per table and direction, or more on request.
_MOST_UNITS = 10_000_000
# API Reference, PointInTimeRecoverySpecification: RecoveryPeriodInDays.
_RECOVERY_DAYS = (1, 35)
# API Reference, Tag: at most 50 on a resource, key 128 and value 256 characters.
_MOST_TAGS, _TAG_KEY, _TAG_VALUE = 50, 128, 256
# Application Auto Scaling, TargetTrackingScalingPolicyConfiguration, for DynamoDB's two utilisation metrics.
_UTILISATION = (20, 90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Read and write units a second.

    Args:
        read: Read units (one strong read of 4 KB a second each).
        write: Write units (one write of 1 KB a second each).
    """

    read: int
    write: int

    def __post_init__(self) -> None:
        for name, value in (("read", self.read), ("write", self.write)):
            if not _whole(value) or not (value == NO_MAXIMUM or 1 <= value <= _MOST_UNITS):
                raise ConfigurationError(f"{name} capacity: {value!r}: give a whole number of units, 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How Application Auto Scaling moves one capacity.

    Args:
        minimum: The fewest units.
        maximum: The most units; this caps the bill.
        target: The target utilisation in percent, 20 to 90.
        scale_in_cooldown: Seconds between decreases; DynamoDB allows only a few decreases a day.
        scale_out_cooldown: Seconds between increases.
    """

    minimum: int = 1
    maximum: int = 10
    target: float = 70.0
    scale_in_cooldown: int = 60
    scale_out_cooldown: int = 0

    def __post_init__(self) -> None:
        if not (_whole(self.minimum) and _whole(self.maximum)) or not 1 <= self.minimum <= self.maximum <= _MOST_UNITS:
            raise ConfigurationError(
                f"scaling: from {self.minimum!r} to {self.maximum!r} units: "
                "give whole numbers, 1 or more, the minimum not above the maximum"
            )
        low, high = _UTILISATION
        if not isinstance(self.target, int | float) or not low <= self.target <= high:
            raise ConfigurationError(f"scaling target: {self.target!r}: give a utilisation in percent, {low} to {high}")
        for name in ("scale_in_cooldown", "scale_out_cooldown"):
            value = getattr(self, name)
            if not _whole(value) or not 0 <= value <= 3600:
                raise ConfigurationError(f"{name}: {value!r}: give whole seconds, 0 to 3600")


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """How a provisioned table and its indexes are scaled.

    Args:
        read: Read units of the table; ``None``: not scaled.
        write: Write units of the table; ``None``: not scaled.
        indexes: Whether each index is scaled too, independently. An index that runs out of write units throttles writes
            to its table, so leave this on.
    """

    read: Scaling | None = field(default_factory=Scaling)
    write: Scaling | None = field(default_factory=Scaling)
    indexes: bool = True

    def __post_init__(self) -> None:
        _true_or_false("autoscaling.indexes", self.indexes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """The options of the tables. Immutable, and checked at construction. ``None``: not managed (see the module).

    Args:
        billing: ``"on_demand"`` or ``"provisioned"``. The default for a new table is on demand.
        capacity: A provisioned table's units; the default for a new table is 5 and 5.
        index_capacity: Units of an index, by index name; other indexes have the table's ``capacity``.
        max_on_demand: The most units that an on-demand table and each of its indexes may use; :data:`NO_MAXIMUM` for
            no maximum.
        warm: Units that the table and each of its indexes must be able to serve immediately. DynamoDB never lowers
            this, and charges once for raising it.
        kms_key: :data:`AWS_OWNED_KEY`, :data:`AWS_MANAGED_KEY`, or the ARN, ID or alias of your own key.
        deletion_protection: Whether DynamoDB refuses to delete the table.
        point_in_time_recovery: Whether the table can be restored to any second of the recovery period.
        recovery_days: The recovery period in days, 1 to 35; only with ``point_in_time_recovery=True``.
        table_class: Storage class.
        tags: Tags that the table must have; other tags stay.
        stream: What a stream record contains; managed by ``admin.streams`` and the templates.
        autoscaling: Autoscaling of a provisioned table; applied by ``admin.autoscaling`` and the templates.
        per_table: Options of one table, which replace all of these.
    """

    billing: Billing | None = None
    capacity: Capacity | None = None
    index_capacity: Mapping[str, Capacity] = field(default_factory=lambda: MappingProxyType({}))
    max_on_demand: Capacity | None = None
    warm: Capacity | None = None
    kms_key: str | None = None
    deletion_protection: bool | None = None
    point_in_time_recovery: bool | None = None
    recovery_days: int | None = None
    table_class: TableClass | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    stream: StreamView | None = None
    autoscaling: Autoscaling | None = None
    per_table: Mapping[StoredTable, TableOptions] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        _one_of("billing", self.billing, get_args(Billing))
        _one_of("table_class", self.table_class, get_args(TableClass))
        _one_of("stream", self.stream, get_args(StreamView))
        _true_or_false("deletion_protection", self.deletion_protection)
        _true_or_false("point_in_time_recovery", self.point_in_time_recovery)
        for name in ("capacity", "warm"):
            value = getattr(self, name)
            if value is not None and NO_MAXIMUM in (value.read, value.write):
                raise ConfigurationError(f"{name}: give a whole number of units, 1 or more")
        if self.billing == "on_demand":
            for name in ("capacity", "autoscaling"):
                if getattr(self, name) is not None:
                    raise ConfigurationError(f"{name}: an on-demand table has none; leave it out, or bill provisioned")
            if self.index_capacity:
                raise ConfigurationError("index_capacity: an on-demand table has none")
        if self.billing == "provisioned" and self.max_on_demand is not None:
            raise ConfigurationError("max_on_demand: a provisioned table has none; leave it out, or bill on demand")
        indexes = {index.name for schema in SCHEMA.values() for index in schema.indexes}
        unknown = sorted(set(self.index_capacity) - indexes)
        if unknown:
            raise ConfigurationError(
                f"index_capacity: no such index: {', '.join(unknown)}; there are {sorted(indexes)}"
            )
        if self.recovery_days is not None:
            low, high = _RECOVERY_DAYS
            if not _whole(self.recovery_days) or not low <= self.recovery_days <= high:
                raise ConfigurationError(f"recovery_days: {self.recovery_days!r}: give whole days, {low} to {high}")
            if not self.point_in_time_recovery:
                raise ConfigurationError("recovery_days: only with point_in_time_recovery=True")
        if self.kms_key is not None and not re.fullmatch(r"[A-Za-z0-9:/_.-]{1,2048}", self.kms_key):
            raise ConfigurationError(
                f"kms_key: {self.kms_key!r}: give {AWS_OWNED_KEY!r}, {AWS_MANAGED_KEY!r}, or a key's ARN, ID or alias"
            )
        if len(self.tags) > _MOST_TAGS:
            raise ConfigurationError(f"tags: a table can have at most {_MOST_TAGS}, not {len(self.tags)}")
        for key, value in self.tags.items():
            if not 1 <= len(key) <= _TAG_KEY or len(value) > _TAG_VALUE or key.lower().startswith("aws:"):
                raise ConfigurationError(
                    f"tag {key!r}: a key must have 1 to {_TAG_KEY} characters and not begin with aws:, "
                    f"a value at most {_TAG_VALUE}"
                )
        for table, options in self.per_table.items():
            if table not in (*TABLES, "table"):
                raise ConfigurationError(f"per_table: no such table: {table}; there are {', '.join(TABLES)}")
            if options.per_table:
                raise ConfigurationError(f"per_table: the options of {table} cannot have per_table themselves")

    def require_layout(self, config: DynamoDbConfig) -> None:
        """Check that the options name only tables and indexes of a configuration's layout.

        Raises:
            ConfigurationError: They name others, and would have no effect.
        """
        for table in self.per_table:
            if table not in config.tables:
                raise ConfigurationError(
                    f"per_table: layout={config.layout!r} has no table {table}; there are {', '.join(config.tables)}"
                )
        if config.layout == "single" and self.index_capacity:
            raise ConfigurationError("index_capacity: a single table has no indexes of the library")

    def for_table(self, table: StoredTable) -> TableOptions:
        """The options of one table."""
        return self.per_table.get(table, self)

    def new_capacity(self, index: str | None = None) -> Capacity:
        """The units of a new provisioned table or index."""
        own = self.index_capacity.get(index) if index is not None else None
        return own or self.capacity or Capacity(read=5, write=5)

    def to_mapping(self) -> dict[str, Any]:
        """The managed options as plain values: the inverse of :func:`options_from_mapping`."""
        return cast("dict[str, Any]", _plain(self))


def options_from_mapping(given: Mapping[str, Any]) -> TableOptions:
    """Options from plain values, as in a TOML or JSON file: one key for each field, tables for nested ones.

    Raises:
        ConfigurationError: A key is unknown or a value is invalid; the message names it.
    """
    values = _known(given, TableOptions, "options")
    for name in ("capacity", "max_on_demand", "warm"):
        if name in values:
            values[name] = _make(Capacity, values[name], name)
    if "index_capacity" in values:
        every = _mapping(values["index_capacity"], "index_capacity")
        values["index_capacity"] = {name: _make(Capacity, value, name) for name, value in every.items()}
    if "autoscaling" in values:
        parts = _known(_mapping(values["autoscaling"], "autoscaling"), Autoscaling, "autoscaling")
        for name in ("read", "write"):
            if parts.get(name) is not None:
                parts[name] = _make(Scaling, parts[name], f"autoscaling.{name}")
        values["autoscaling"] = Autoscaling(**parts)
    if "tags" in values:
        values["tags"] = {key: _tag_value(key, value) for key, value in _mapping(values["tags"], "tags").items()}
    if "per_table" in values:
        every = _mapping(values["per_table"], "per_table")
        values["per_table"] = {table: options_from_mapping(_mapping(own, table)) for table, own in every.items()}
    try:
        return TableOptions(**values)
    except (TypeError, AttributeError) as error:
        raise ConfigurationError(f"options: {error}") from error


def with_table(options: TableOptions, table: StoredTable, **changes: Any) -> TableOptions:
    """The options, with some of one table's options changed."""
    own = replace(options.for_table(table), per_table=MappingProxyType({}), **changes)
    return replace(options, per_table={**options.per_table, table: own})


def _make(kind: type[Any], given: Any, where: str) -> Any:
    values = _known(_mapping(given, where), kind, where)
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigurationError(f"{where}: {str(error).partition(') ')[2] or error}") from error


def _known(given: Mapping[str, Any], kind: type[Any], where: str) -> dict[str, Any]:
    names = [one.name for one in fields(kind)]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ConfigurationError(f"{where}: no such option: {', '.join(unknown)}; there are {', '.join(names)}")
    return dict(given)


def _tag_value(key: str, value: Any) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ConfigurationError(f"tag {key!r}: {value!r}: give text")
    return str(value)


def _mapping(given: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{where}: {given!r}: give a table of values")
    return cast("Mapping[str, Any]", given)


def _plain(value: Any) -> Any:
    if isinstance(value, TableOptions | Autoscaling | Scaling | Capacity):
        pairs = ((one.name, getattr(value, one.name)) for one in fields(value))
        managed = isinstance(value, TableOptions)
        return {name: _plain(inner) for name, inner in pairs if not managed or (inner is not None and inner != {})}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in cast("Mapping[str, Any]", value).items()}
    return value


def _one_of(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise ConfigurationError(f"{name}: {value!r}: give one of {', '.join(choices)}")


def _true_or_false(name: str, value: object) -> None:
    # A file may contain "no" in quotes, and any non-empty string is true.
    if value is not None and not isinstance(value, bool):
        raise ConfigurationError(f"{name}: {value!r}: give true or false")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
