"""Calls to DynamoDB's control plane: refusals become public errors, and a busy control plane is waited for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from torii_dynamodb._aws import resolve_endpoint
from torii_dynamodb._core.tables import is_active, is_going, key_difference
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import monotonic, sleep
from torii_dynamodb._wire.errors import ServiceError
from torii_dynamodb._wire.facts import BUSY_TABLE, MISSING_TABLE
from torii_dynamodb._wire.failures import is_not_offered
from torii_dynamodb._wire.json import object_of
from torii_dynamodb.config import DynamoDbConfig, StoredTable
from torii_dynamodb.errors import ConfigurationError, NotFound, RequestRejected, ToriiError, Unavailable
from torii_dynamodb.schema import schema_of

__all__ = ["Control", "NotOffered", "Occupied", "if_offered", "is_settled", "open_client", "table_identity", "where_of"]

T = TypeVar("T")

_TABLE_EXISTS = frozenset({"ResourceInUseException", "TableAlreadyExistsException"})
_CHANGES = frozenset({"UpdateTable", "UpdateTimeToLive", "TagResource"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0


class NotOffered(RequestRejected):
    """The endpoint does not know the operation: emulators and compatible databases leave some out."""

    code = "not_offered"


class Occupied(ConfigurationError):
    """Something already exists where a new thing was to be made. Nothing was changed; the message says what to do."""

    code = "occupied"


def if_offered(ask: Callable[[], T]) -> T | None:
    """The answer of an optional operation; ``None`` if the endpoint does not offer it.

    Raises:
        ToriiError: Any other failure: missing permission or an outage must not be mistaken for "there is none".
    """
    try:
        return ask()
    except NotOffered:
        return None


@contextmanager
def open_client(config: DynamoDbConfig) -> Generator[Client]:
    """A client for as long as the ``with`` statement runs."""
    client = Client(config)
    try:
        yield client
    finally:
        client.close()


def where_of(config: DynamoDbConfig) -> str:
    """Endpoint and Region, for messages."""
    region, url = resolve_endpoint(config)
    return f"{url} (region {region})"


class Control:
    """Calls control-plane operations.

    Args:
        client: The client to call through.
        patience: Seconds to wait for DynamoDB to accept a request or to reach a state. Restoring or back-filling a
            large table takes hours; interrupting a wait does no harm.
        pause: Sleeps for a number of seconds.
    """

    def __init__(
        self, client: Client, *, patience: float = 6 * 3600.0, pause: Callable[[float], object] = sleep
    ) -> None:
        self.client = client
        self._patience = patience
        self._pause = pause

    def call(self, operation: str, payload: dict[str, Any], *, taken: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Call an operation; wait while DynamoDB is busy.

        Args:
            operation: DynamoDB's name for it.
            payload: Its parameters.
            taken: Error codes that mean "already done": an empty answer is returned.

        Raises:
            ConfigurationError: The table does not exist.
            NotFound: The backup does not exist.
            NotOffered: The endpoint does not know the operation.
            RequestRejected: DynamoDB refused it for another reason.
            ToriiError: Whatever the client raises.
        """
        started, pause = monotonic(), 0.5
        while True:
            try:
                return self.client.call(operation, payload)
            except ServiceError as error:
                if error.code in taken:
                    return {}
                busy = error.code in BUSY_TABLE or (operation in _CHANGES and error.code == "ResourceInUseException")
                if not busy or monotonic() - started > self._patience:
                    raise self._translated(operation, payload, error) from error
            self._pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def offered(self, operation: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Like :meth:`call`, but ``None`` if the endpoint does not offer the operation."""
        try:
            return self.call(operation, payload)
        except NotOffered:
            return None

    def create_table(self, operation: str, payload: dict[str, Any]) -> None:
        """Create or restore a table unless it exists; wait until a table of that name that is being deleted is gone."""
        name = payload.get("TargetTableName") or payload["TableName"]
        while not self.call(operation, payload, taken=_TABLE_EXISTS) and self.lasting(name) is None:
            pass

    def describe(self, name: str) -> dict[str, Any] | None:
        """``DescribeTable``'s description; ``None`` if there is no such table."""
        try:
            found: dict[str, Any] = self.client.call("DescribeTable", {"TableName": name})["Table"]
        except ServiceError as error:
            if error.code in MISSING_TABLE:
                return None
            raise self._translated("DescribeTable", {"TableName": name}, error) from error
        return found

    def require(self, name: str) -> dict[str, Any]:
        """Like :meth:`describe`, for a table that must exist.

        Raises:
            ConfigurationError: There is no such table.
        """
        found = self.describe(name)
        if found is None:
            raise ConfigurationError(self._no_table(name))
        return found

    def require_tables(
        self, config: DynamoDbConfig, tables: Sequence[StoredTable] | None = None
    ) -> dict[StoredTable, Any]:
        """The descriptions of several tables (by default all), which must all exist.

        Raises:
            ConfigurationError: One is missing; a single table has other keys, with which it would look empty.
        """
        wanted = config.tables if tables is None else tables
        found: dict[StoredTable, dict[str, Any]] = {table: self.require(config.table_name(table)) for table in wanted}
        if config.layout == "single":
            schema = schema_of(config)
            for table, description in found.items():
                wrong = key_difference(description, schema[table], config.table_name(table))
                if wrong is not None:
                    raise ConfigurationError(f"{wrong}; correct partition_key, sort_key or table")
        return found

    def lasting(self, name: str) -> dict[str, Any] | None:
        """Like :meth:`describe`, but wait until a table that is being deleted is gone."""
        found = self.describe(name)
        if found is None or not is_going(found):
            return found
        self.wait_until_gone(name)
        return None

    def wait_for_table(self, name: str) -> dict[str, Any]:
        """Wait until a table and its indexes can be used and nothing is being changed; return the description.

        Raises:
            ConfigurationError: It is being deleted.
        """

        def settled() -> dict[str, Any] | None:
            description = self.describe(name) or {}
            if is_going(description):
                raise ConfigurationError(f"table {name} is being deleted; run this again when it is gone")
            return description if is_settled(description) else None

        return self.wait(settled, f"table {name} to be active")

    def wait_until_gone(self, name: str) -> None:
        """Wait until there is no table of that name."""
        self.wait(lambda: self.describe(name) is None, f"table {name} to be gone")

    def wait(self, look: Callable[[], T | None], what: str) -> T:
        """Look again and again, at growing intervals, until there is something to return.

        Raises:
            Unavailable: It did not happen in time.
        """
        started, pause = monotonic(), _FIRST_PAUSE
        while not (found := look()):
            if monotonic() - started > self._patience:
                raise Unavailable(f"waited {self._patience:.0f} seconds for {what}; run it again later", attempts=1)
            self._pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return found

    def _translated(self, operation: str, payload: dict[str, Any], error: ServiceError) -> ToriiError:
        name = payload.get("TableName") or payload.get("SourceTableName") or payload.get("TargetTableName")
        subject = name or payload.get("BackupArn") or payload.get("ResourceArn") or "the account"
        where = self.client.where
        if error.code in MISSING_TABLE:
            return ConfigurationError(f"{operation}: {self._no_table(str(subject))}", request_id=error.request_id)
        if error.code == "BackupNotFoundException":
            return NotFound("backup", f"{operation}: there is no backup {subject}", request_id=error.request_id)
        if is_not_offered(error.code, error.status):
            message = f"{operation}: {where} does not offer this operation; emulators leave some out"
            return NotOffered(message, aws_code=error.code, request_id=error.request_id)
        message = f"{operation} on {subject}: {error.code}: {error.message}"
        return RequestRejected(message, aws_code=error.code, request_id=error.request_id)

    def _no_table(self, name: str) -> str:
        return (
            f"there is no table {name} at {self.client.where}; correct its name, region or "
            "endpoint_url, or create it with: torii-dynamodb tables ensure"
        )


def table_identity(description: Mapping[str, Any]) -> str:
    """Identify a table for as long as it exists: one created later under the same name has another identity."""
    return str(description.get("TableId") or f"{description.get('TableArn')} {description.get('CreationDateTime')}")


def is_settled(description: Mapping[str, Any]) -> bool:
    """Whether a described table accepts changes: it and its indexes are active, no restore or re-encryption runs."""
    indexes: list[Mapping[str, Any]] = description.get("GlobalSecondaryIndexes") or []
    return (
        is_active(description)
        and description.get("TableStatus") == "ACTIVE"
        and all(index.get("IndexStatus", "ACTIVE") == "ACTIVE" for index in indexes)
        and object_of(description.get("SSEDescription")).get("Status", "ENABLED") in ("ENABLED", "DISABLED")
        and not object_of(description.get("RestoreSummary")).get("RestoreInProgress")
    )
