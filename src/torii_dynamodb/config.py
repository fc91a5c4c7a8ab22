"""The configuration: RFC 0008's five fields, and what production adds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from torii_dynamodb._core.guarded import guarded
from torii_dynamodb._wire.endpoints import regional_endpoint
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    from torii_dynamodb._wire.credentials import CredentialsSource
    from torii_dynamodb._wire.records import CallRecord

__all__ = ["TABLES", "Credentials", "DynamoDbConfig", "RateLimit", "TableName"]

TableName = Literal["users", "sessions", "identities", "tokens", "login_attempts"]

TABLES: tuple[TableName, ...] = ("users", "sessions", "identities", "tokens", "login_attempts")

# DynamoDB: Service quotas, "Naming rules": 3 to 255 of a-z A-Z 0-9 _ - .
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Plain AWS credentials.

    Args:
        access_key_id: The public half.
        secret_access_key: The secret half; never shown.
        session_token: Only for temporary credentials; never shown.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How much of a table's capacity one handle may use.

    Args:
        read: Read units a second on average; ``None``: no limit.
        write: Write units a second on average, those of the indexes included; ``None``: no limit.
    """

    read: float | None = None
    write: float | None = None

    def __post_init__(self) -> None:
        for name, units in (("read", self.read), ("write", self.write)):
            if units is not None and not (isinstance(units, int | float) and units > 0):
                raise ConfigurationError(f"rate limit, {name}: {units!r}: give units a second, above 0, or None")


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoDbConfig:
    """How to reach DynamoDB, and how to behave there. Immutable; checked when it is made.

    RFC 0008 fields:

    Args:
        region: The AWS region. ``None``: ``AWS_REGION``, then ``AWS_DEFAULT_REGION``, then the active profile's.
        endpoint_url: Another endpoint (an emulator, a VPC endpoint). ``None``: ``AWS_ENDPOINT_URL_DYNAMODB``, then
            ``AWS_ENDPOINT_URL``, then the region's own.
        table_prefix: Tables are named ``{table_prefix}_{table}``. One prefix is one tenant.
        consistent_reads: Strong reads (the default, 1 read unit per 4 KB). With ``False`` every read that can be is
            eventually consistent at half the price, and a session may pass a check for as long as DynamoDB's
            replication lags (usually well under a second) after it was revoked.
        retry_attempts: How often a failed request is sent again at most; 0 turns retries off.

    What production adds:

    Args:
        table_names: Full names that replace ``{table_prefix}_{table}``, by table.
        create_tables: Whether ``initialize`` creates missing tables and verifies existing ones. With ``False`` it makes
            no control-plane call at all (the usual choice where IaC owns the tables).
        credentials: Plain :class:`Credentials`, a ``boto3.Session``, a botocore session, or a source of your own.
            ``None``: the environment, then botocore's chain (extra ``aws``).
        connect_timeout: Seconds to reach the endpoint.
        read_timeout: Seconds for one request and its answer.
        deadline: Seconds for a call with all its retries; well under the ten minutes for which DynamoDB remembers a
            transaction's token.
        max_connections: Connections kept to the endpoint at most.
        retry_quota: Retry tokens shared by all calls of one handle; a retry costs 5 (throttling and server faults)
            or 10 (time-outs), success pays back. An outage is so not amplified. 0 turns the quota off.
        rate_limits: The most that this handle may use of a table, by table: calls wait for their turn, up to
            ``deadline``, then fail with ``Throttled``. For work beside the users' own (imports, clean-ups) on
            provisioned capacity. Empty: no limit, and no cost.
        merge_reads: Whether reads waiting at the same moment share one ``BatchGetItem``.
        home_region: For global tables: the one region that writes. Every write, and every read that a decision rests
            on, goes there; only session checks read in ``region``, and ask at home before they say no. What that
            costs: a session that was revoked passes checks in another region until DynamoDB has replicated the
            revocation, usually about a second, longer while replication is disturbed. ``None``: ``region`` does all.
            See ``docs/global-tables.md``.
        home_endpoint_url: The endpoint of ``home_region``, if it is not AWS' own.
        session_cleanup: What becomes of the rows of ended sessions (they are refused either way):
            ``"background"`` deletes them behind the caller's back, ``"inline"`` before the call returns, ``"off"``
            leaves them to TTL (the right choice on Lambda, which freezes background work).
        on_call: Called with a :class:`CallRecord` after every call to AWS, in the calling task or thread; must not
            block. What it raises is logged, not passed on.
        clock: Where the time comes from.
        random: Where random bytes come from.
    """

    region: str | None = None
    endpoint_url: str | None = None
    table_prefix: str = "torii"
    consistent_reads: bool = True
    retry_attempts: int = 3

    table_names: Mapping[TableName, str] = field(default_factory=lambda: MappingProxyType({}))
    create_tables: bool = True
    credentials: Credentials | CredentialsSource | object | None = field(default=None, repr=False)
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    deadline: float = 30.0
    max_connections: int = 64
    retry_quota: int = 500
    rate_limits: Mapping[TableName, RateLimit] = field(default_factory=lambda: MappingProxyType({}))
    merge_reads: bool = True
    home_region: str | None = None
    home_endpoint_url: str | None = None
    session_cleanup: Literal["background", "inline", "off"] = "background"
    on_call: Callable[[CallRecord], None] | None = field(default=None, repr=False)
    clock: Clock = field(default=system_clock, repr=False)
    random: RandomBytes = field(default=system_random, repr=False)

    def __post_init__(self) -> None:
        _check_region("region", self.region)
        _check_region("home_region", self.home_region)
        _check_url("endpoint_url", self.endpoint_url)
        _check_url("home_endpoint_url", self.home_endpoint_url)
        if self.home_endpoint_url is not None and self.home_region is None:
            raise ConfigurationError("home_endpoint_url: says nothing without home_region")
        unknown = set(self.table_names) - set(TABLES)
        if unknown:
            raise ConfigurationError(f"table_names: no such table: {', '.join(sorted(unknown))}; there are {TABLES}")
        unlimited = set(self.rate_limits) - set(TABLES)
        if unlimited:
            raise ConfigurationError(f"rate_limits: no such table: {', '.join(sorted(unlimited))}; there are {TABLES}")
        for table in TABLES:
            name = self.table_name(table)
            if not _TABLE_NAME.fullmatch(name):
                raise ConfigurationError(
                    f"table name {name!r} ({table}): DynamoDB takes 3 to 255 of the characters A-Z a-z 0-9 _ - ."
                )
        names = [self.table_name(table) for table in TABLES]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"table_names: two tables share one name: {names}")
        for option in ("consistent_reads", "create_tables", "merge_reads"):
            if not isinstance(getattr(self, option), bool):
                raise ConfigurationError(f"{option}: {getattr(self, option)!r}: give True or False")
        _at_least("retry_attempts", self.retry_attempts, 0, 20)
        _at_least("max_connections", self.max_connections, 1, 10_000)
        _at_least("retry_quota", self.retry_quota, 0, 1_000_000)
        for option in ("connect_timeout", "read_timeout", "deadline"):
            seconds = getattr(self, option)
            if not isinstance(seconds, int | float) or not 0 < seconds <= 300:
                raise ConfigurationError(f"{option}: {seconds!r}: give seconds above 0, at most 300")
        if self.session_cleanup not in ("background", "inline", "off"):
            raise ConfigurationError(f"session_cleanup: {self.session_cleanup!r}: give 'background', 'inline' or 'off'")

    def table_name(self, table: TableName) -> str:
        """The table's name on DynamoDB (RFC 0008, ``DynamoDbHandle::table_name``)."""
        return self.table_names.get(table) or f"{self.table_prefix}_{table}"

    def at_home(self) -> DynamoDbConfig:
        """The same configuration for ``home_region``; this one where there is none."""
        if self.home_region is None:
            return self
        # Named in full: the environment's endpoint, if there is one, is that of the other region.
        url = self.home_endpoint_url or regional_endpoint(self.home_region, os.environ)
        return replace(self, region=self.home_region, endpoint_url=url, home_region=None, home_endpoint_url=None)


def _check_region(option: str, region: str | None) -> None:
    if region is not None and not re.fullmatch(r"[a-z0-9-]{1,64}", region):
        raise ConfigurationError(f"{option}: {region!r} is no region name (for example 'eu-central-1')")


def _check_url(option: str, url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{option}: {url!r} is no http:// or https:// address with a host")


def _at_least(option: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationError(f"{option}: {value!r}: give a whole number from {low} to {high}")
