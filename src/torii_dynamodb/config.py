"""The configuration: RFC 0008's five fields, and what production adds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Protocol, cast, runtime_checkable
from urllib.parse import urlsplit

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.on_lambda import on_lambda
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.errors import ConfigurationError

if TYPE_CHECKING:
    from torii_dynamodb._calls import CallRecord
    from torii_dynamodb._messages import AsyncTransport, Endpoint, Transport

__all__ = [
    "EMAIL_INDEX",
    "OUR_ATTRIBUTES",
    "SCHEMA_VERSION",
    "TABLES",
    "USER_SESSIONS_INDEX",
    "Credentials",
    "CredentialsSource",
    "DynamoDbConfig",
    "RateLimit",
    "StoredTable",
    "TableName",
    "check_region",
    "check_url",
]

TableName = Literal["users", "sessions", "identities", "tokens", "login_attempts"]

StoredTable = Literal["users", "sessions", "identities", "tokens", "login_attempts", "table"]
"""A table on DynamoDB: one of the five or, with ``layout="single"``, the one that stores everything: ``"table"``."""

TABLES: tuple[TableName, ...] = ("users", "sessions", "identities", "tokens", "login_attempts")

SCHEMA_VERSION: Final = 1
"""The version that every item is written with, as ``schema_version``."""

EMAIL_INDEX: Final = "email-index"
USER_SESSIONS_INDEX: Final = "user-sessions-index"

_REGION = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # a label of a host name
# DynamoDB: Service quotas, "Naming rules": 3 to 255 of a-z A-Z 0-9 _ - .
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_KEY_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# The attributes of stored items, except the keys that a single table replaces, and numbered ones (`token_serial_...`).
OUR_ATTRIBUTES = frozenset(
    """
    user_id email email_as_given name email_verified_at locked_at created_at updated_at metadata version session_epoch
    password_version identities disconnected factors epoch user_agent ip_address amr authenticated_at second_factor_at
    password_hash provider profile tokens public_key sign_count transports aaguid backed_up backup_eligible last_used_at
    secret last_step kind codes purpose serial mark tries consumed_by sealed_flow at kept_expires_at schema_version
    """.split()  # noqa: SIM905 - a list of 45 quoted names is harder to read
)
"""The attributes of the library's items, except for keys and ``expires_at``."""


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Plain AWS credentials.

    Args:
        access_key_id: The public half.
        secret_access_key: The secret half; never shown.
        session_token: Only for temporary credentials; never shown.
        account_id: The account that they belong to, for its own endpoints (``account_id_endpoint_mode``).

    Raises:
        ConfigurationError: One of them is empty, or contains a space or a line break (like keys read from files).
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    account_id: str | None = None

    def __post_init__(self) -> None:
        for name in ("access_key_id", "secret_access_key", "session_token", "account_id"):
            value = getattr(self, name)
            if value is None and name in ("session_token", "account_id"):
                continue
            if not isinstance(value, str):
                raise ConfigurationError(f"credentials, {name}: give text, not {_kind(value)}")
            if not _is_plain(value):
                raise ConfigurationError(
                    f"credentials, {name}: it is empty, or contains a space, a line break or a non-ASCII character; "
                    "copy it again"
                )


@runtime_checkable
class CredentialsSource(Protocol):
    """Your own source of credentials, for ``DynamoDbConfig(credentials=...)``."""

    def load(self) -> tuple[Credentials, datetime | None]:
        """Return credentials that work now, and until when (aware), or ``None`` if they do not expire.

        It may block: the asynchronous library calls it in a thread. It is called before the credentials expire, in the
        background, and again when AWS says that they have expired.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How much of a table's capacity one handle may use.

    Args:
        read: Read units per second on average; ``None`` for no limit.
        write: Write units per second on average, including those of indexes; ``None`` for no limit.
    """

    read: float | None = None
    write: float | None = None

    def __post_init__(self) -> None:
        for name, units in (("read", self.read), ("write", self.write)):
            if units is not None and not (_is_number(units) and units > 0):
                raise ConfigurationError(f"rate limit, {name}: {units!r}: give units per second, above 0, or None")


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoDbConfig:
    """How to reach and use DynamoDB. Immutable; checked at construction.

    RFC 0008 fields:

    Args:
        region: The AWS Region. ``None``: ``AWS_REGION``, then ``AWS_DEFAULT_REGION``, then the active profile's.
        endpoint_url: Another endpoint (an emulator, a VPC endpoint). ``None``: ``AWS_ENDPOINT_URL_DYNAMODB``, then
            ``AWS_ENDPOINT_URL``, then the active profile's, then the Region's. ``docs/aws-settings.md`` lists all AWS
            settings that are used.
        table_prefix: Tables are named ``{table_prefix}_{table}``; a single table, ``{table_prefix}``.
        consistent_reads: Strong reads (the default, 1 read unit per 4 KB). With ``False``, reads are
            eventually consistent if possible, at half the price, and a revoked session may still pass a check until
            DynamoDB has replicated the revocation (usually well under a second).
        retry_attempts: The maximum number of times that a failed request is sent again; 0 disables retries.

    What production adds:

    Args:
        layout: ``"tables"``: five tables. ``"single"``: one table without indexes, new or shared with an application,
            whose items are never read, changed or deleted. See ``docs/single-table.md``.
        table: The name of the single table; ``None`` for ``table_prefix``.
        partition_key: The single table's partition key, a string.
        sort_key: The single table's sort key, a string.
        ttl_attribute: The single table's TTL attribute. Another than ``expires_at`` is for a shared table that has one.
        key_prefix: What the partition keys of the library's items begin with in the single table.
        table_names: Full names that replace ``{table_prefix}_{table}``, by table.
        create_tables: Whether ``initialize`` creates missing tables and verifies existing ones. With ``False`` it makes
            no control-plane calls (the usual choice if IaC owns the tables).
        credentials: Plain :class:`Credentials`, a ``boto3.Session``, a botocore session, or your own source.
            ``None``: the environment, then botocore's chain (extra ``aws``).
        connect_timeout: Seconds to reach the endpoint.
        read_timeout: Seconds for one request and its response.
        deadline: Seconds for a call with all its retries; well under the ten minutes that DynamoDB remembers a
            transaction's token.
        transport: Sends the requests, instead of the library's pool: called with the
            :class:`~torii_dynamodb.transport.Endpoint` once, before the first request, and returns an
            ``AsyncTransport`` (for ``AsyncDynamoDbStorage``) or a ``Transport`` (for ``DynamoDbStorage``), which is
            closed with the handle. For features that the pool lacks; see :mod:`torii_dynamodb.transport`. The transport
            is then responsible for ``max_connections``, ``connect_timeout``, proxies and CA bundles.
        max_connections: The maximum number of connections to the endpoint.
        retry_quota: Retry tokens shared by all calls of one handle; a retry costs 5 (throttling and server errors)
            or 10 (time-outs), and successes refill it. So an outage is not amplified. 0 disables the quota.
        rate_limits: The maximum capacity that this handle may use, by table: calls wait for their turn, up to
            ``deadline``, then fail with ``Throttled``. For background work (imports, clean-ups) on provisioned
            capacity. Empty for no limits, at no cost.
        merge_reads: Whether reads that wait at the same moment share one ``BatchGetItem``.
        home_region: For global tables: the only Region that writes. Every write, and every read that a decision depends
            on, goes there; only session checks read in ``region``, and read in the home Region before they refuse a
            session. The price: a revoked session passes checks in another Region until DynamoDB has replicated the
            revocation, usually about a second, longer while replication is disturbed. With ``None``, ``region`` does
            everything. See ``docs/global-tables.md``.
        home_endpoint_url: The endpoint of ``home_region``, if it is not AWS's.
        session_cleanup: What to do with the rows of ended sessions (which are refused in any case):
            ``"background"`` deletes them in the background, ``"inline"`` before the call returns, ``"off"``
            leaves them to TTL. The default is ``"background"``, and ``"off"`` on AWS Lambda, which freezes background
            work.
        on_call: Called with a :class:`CallRecord` after every call to AWS, in the calling task or thread; must not
            block. Its exceptions are logged, not raised.
        clock: The clock.
        random: The randomness.
    """

    region: str | None = None
    endpoint_url: str | None = None
    table_prefix: str = "torii"
    consistent_reads: bool = True
    retry_attempts: int = 3

    layout: Literal["tables", "single"] = "tables"
    table: str | None = None
    partition_key: str = "pk"
    sort_key: str = "sk"
    ttl_attribute: str = "expires_at"
    key_prefix: str = "torii"
    table_names: Mapping[TableName, str] = field(default_factory=lambda: MappingProxyType({}))
    create_tables: bool = True
    credentials: Credentials | CredentialsSource | object | None = field(default=None, repr=False)
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    deadline: float = 30.0
    transport: Callable[[Endpoint], AsyncTransport] | Callable[[Endpoint], Transport] | None = field(
        default=None, repr=False
    )
    max_connections: int = 64
    retry_quota: int = 500
    rate_limits: Mapping[StoredTable, RateLimit] = field(default_factory=lambda: MappingProxyType({}))
    merge_reads: bool = True
    home_region: str | None = None
    home_endpoint_url: str | None = None
    session_cleanup: Literal["background", "inline", "off"] = field(
        default_factory=lambda: "off" if on_lambda() else "background"
    )
    on_call: Callable[[CallRecord], None] | None = field(default=None, repr=False)
    clock: Clock = field(default=system_clock, repr=False)
    random: RandomBytes = field(default=system_random, repr=False)

    def __post_init__(self) -> None:
        check_region("region", self.region)
        check_region("home_region", self.home_region)
        check_url("endpoint_url", self.endpoint_url)
        check_url("home_endpoint_url", self.home_endpoint_url)
        if self.home_endpoint_url is not None and self.home_region is None:
            raise ConfigurationError("home_endpoint_url has no effect without home_region: set both, or neither")
        if not isinstance(self.table_prefix, str):
            raise ConfigurationError(f"table_prefix: give text, not {_kind(self.table_prefix)}")
        self._check_layout()
        _check_by_table("table_names", self.table_names, str, TABLES)
        _check_by_table("rate_limits", self.rate_limits, RateLimit, self.tables)
        _check_credentials(self.credentials)
        for option in ("transport", "on_call"):
            if getattr(self, option) is not None and not callable(getattr(self, option)):
                raise ConfigurationError(f"{option}: give a function, or None, not {_kind(getattr(self, option))}")
        for option in ("clock", "random"):
            if not callable(getattr(self, option)):
                raise ConfigurationError(f"{option}: give a function, not {_kind(getattr(self, option))}")
        for table in self.tables:
            name = self.table_name(table)
            if not _TABLE_NAME.fullmatch(name):
                raise ConfigurationError(
                    f"table name {name!r} ({table}): give 3 to 255 of the characters A-Z a-z 0-9 _ - ."
                )
        names = [self.table_name(table) for table in self.tables]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"table_names: two tables have the same name: {names}")
        for option in ("consistent_reads", "create_tables", "merge_reads"):
            if not isinstance(getattr(self, option), bool):
                raise ConfigurationError(f"{option}: {getattr(self, option)!r}: give True or False")
        _at_least("retry_attempts", self.retry_attempts, 0, 20)
        _at_least("max_connections", self.max_connections, 1, 10_000)
        _at_least("retry_quota", self.retry_quota, 0, 1_000_000)
        for option in ("connect_timeout", "read_timeout", "deadline"):
            seconds = getattr(self, option)
            if not _is_number(seconds) or not 0 < seconds <= 300:
                raise ConfigurationError(f"{option}: {seconds!r}: give seconds above 0, at most 300")
        if self.session_cleanup not in ("background", "inline", "off"):
            raise ConfigurationError(f"session_cleanup: {self.session_cleanup!r}: give 'background', 'inline' or 'off'")

    @property
    def tables(self) -> tuple[StoredTable, ...]:
        """The tables on DynamoDB: the five, or ``("table",)`` with ``layout="single"``."""
        return ("table",) if self.layout == "single" else TABLES

    def table_name(self, table: StoredTable) -> str:
        """Return the name of a table on DynamoDB (RFC 0008, ``DynamoDbHandle::table_name``).

        With ``layout="single"``, this is the single table's, whichever table is asked for.
        """
        if self.layout == "single":
            return self.table or self.table_prefix
        if table == "table":
            raise ConfigurationError("there is a single table only with layout='single'")
        return self.table_names.get(table) or f"{self.table_prefix}_{table}"

    def _check_layout(self) -> None:
        if self.layout not in ("tables", "single"):
            raise ConfigurationError(f"layout: {self.layout!r}: give 'tables' or 'single'")
        defaults = {"table": None, "partition_key": "pk", "sort_key": "sk", "ttl_attribute": "expires_at"} | {
            "key_prefix": "torii"
        }
        if self.layout == "tables":
            changed = [name for name, value in defaults.items() if getattr(self, name) != value]
            if changed:
                raise ConfigurationError(f"{changed[0]} has an effect only with layout='single': set both, or neither")
            return
        if self.table_names:
            raise ConfigurationError("table_names: layout='single' has one table; give its name as table")
        if self.table is not None and not isinstance(self.table, str):
            raise ConfigurationError(f"table: give text, not {_kind(self.table)}")
        if not isinstance(self.key_prefix, str) or not _KEY_PREFIX.fullmatch(self.key_prefix):
            raise ConfigurationError(f"key_prefix: {self.key_prefix!r}: give 1 to 64 of A-Z a-z 0-9 _ - .")
        names = [self.partition_key, self.sort_key, self.ttl_attribute]
        for option, name in zip(("partition_key", "sort_key", "ttl_attribute"), names, strict=True):
            if not isinstance(name, str) or not 1 <= len(name.encode(errors="replace")) <= 255:
                raise ConfigurationError(f"{option}: {name!r}: give the name of an attribute, 1 to 255 bytes")
            if name in OUR_ATTRIBUTES or (name == "expires_at" and option != "ttl_attribute"):
                raise ConfigurationError(
                    f"{option}: {name!r} is an attribute of the library's own items; a table that uses it so cannot be "
                    "shared: use a table of its own, or layout='tables'"
                )
        if len(set(names)) != len(names):
            raise ConfigurationError(f"partition_key, sort_key and ttl_attribute must differ: {names}")

    def renamed(self, table_prefix: str) -> DynamoDbConfig:
        """Return the same configuration for tables with another prefix."""
        return replace(self, table_prefix=table_prefix, table_names=MappingProxyType({}), table=None)

    def at_home(self) -> DynamoDbConfig:
        """Return the same configuration for ``home_region``; this one if there is none."""
        if self.home_region is None:
            return self
        # Explicit, because the environment's endpoint, if any, is that of the other Region.
        from torii_dynamodb._aws import home_url  # imported here, because it imports this module

        url = self.home_endpoint_url or home_url(self, self.home_region)
        return replace(self, region=self.home_region, endpoint_url=url, home_region=None, home_endpoint_url=None)


def check_region(option: str, region: object) -> None:
    """Check the name of a Region. Raises ConfigurationError."""
    if region is None:
        return
    if not isinstance(region, str) or not re.fullmatch(_REGION, region):
        raise ConfigurationError(f"{option}: {region!r} is not a valid region name (for example 'eu-central-1')")


def check_url(option: str, url: object) -> None:
    """Check the URL of an endpoint. Raises ConfigurationError, without a password in it."""
    if url is None:
        return
    if not isinstance(url, str):
        raise ConfigurationError(f"{option}: give text, not {_kind(url)}")
    if any(mark in url for mark in "@?#"):
        raise ConfigurationError(f"{option}: give only the address, without a name, password, query or fragment")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port, or half an IPv6 address
        usable = False
    if not usable or not _is_plain(url):
        raise ConfigurationError(f"{option}: {url!r} is not a valid http:// or https:// address with a host")


def _is_plain(text: str) -> bool:
    """Whether a text may be put into a request's head unchanged."""
    return text.isascii() and text.isprintable() and " " not in text and text != ""


def _check_by_table(option: str, given: object, kind: type, tables: tuple[StoredTable, ...]) -> None:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{option}: give a mapping of tables, not {_kind(given)}")
    entries = cast("Mapping[object, object]", given)
    unknown = sorted(repr(table) for table in entries if table not in tables)
    if unknown:
        raise ConfigurationError(f"{option}: no such table: {', '.join(unknown)}; there are {tables}")
    for table, value in entries.items():
        if not isinstance(value, kind):
            wanted = "text" if kind is str else f"a {kind.__name__}"
            raise ConfigurationError(f"{option}, {table}: give {wanted}, not {_kind(value)}")


def _check_credentials(given: object) -> None:
    # The value is never shown: a wrong value is most often the keys themselves.
    if given is None or isinstance(given, Credentials):
        return
    methods = ("load", "get_credentials", "get_frozen_credentials")
    if isinstance(given, type) or not any(callable(getattr(given, name, None)) for name in methods):
        raise ConfigurationError(
            f"credentials: {_kind(given)} is not one of Credentials(access_key_id=..., secret_access_key=...), a "
            "boto3.Session, a botocore session, or an object with a method load()"
        )


def _kind(value: object) -> str:
    if value is None:
        return "None"
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    return f"the class {name}" if isinstance(value, type) else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _at_least(option: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigurationError(f"{option}: {value!r}: give a whole number from {low} to {high}")
