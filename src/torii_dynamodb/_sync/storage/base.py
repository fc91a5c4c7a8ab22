# Generated from src/torii_dynamodb/_async/storage/base.py by tools/unasync.py. Do not edit.

"""What every domain of the storage stands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from torii_dynamodb._core import users
from torii_dynamodb._core.attributes import Item
from torii_dynamodb._core.expressions import transaction
from torii_dynamodb._core.users import Change
from torii_dynamodb._rules import validation
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.primitives import Background
from torii_dynamodb._wire.errors import TRANSIENT_REASONS, TransactionCanceled
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import NotFound, RequestRejected, Unavailable
from torii_dynamodb.models import User

__all__ = ["ROUNDS", "StorageBase", "failed", "no_such_user", "old_item", "undecided"]

# Each round means that another writer of the same user was first; so many in a row do not happen by chance.
ROUNDS = 20


class StorageBase:
    """The client, the table names, the clock, and the two ways in which everything is written.

    A single conditional write is built so that its retry recognises itself. Everything else is a transaction, even
    of one item: its ``ClientRequestToken`` makes the retry of a write that was applied succeed, whoever wrote since.
    """

    def __init__(self, client: Client, config: DynamoDbConfig, *, local: Client | None = None) -> None:
        self.config = config
        self._client = client
        # Where session checks read. With a home region all else goes there, and this is the near one.
        self._local = local if local is not None else client
        self._background = Background()
        self._users = config.table_name("users")
        self._sessions = config.table_name("sessions")
        self._identities = config.table_name("identities")
        self._tokens = config.table_name("tokens")
        self._attempts = config.table_name("login_attempts")

    def _now(self) -> datetime:
        return self.config.clock()

    def _write_id(self) -> str:
        return users.new_random_version(self.config.random)

    def _strong(self, consistent: bool | None) -> bool:
        return self.config.consistent_reads if consistent is None else validation.flag(consistent, "consistent")

    def _get(self, table: str, key: Item, *, consistent: bool) -> Item | None:
        answer = self._client.call("GetItem", {"TableName": table, "Key": key, "ConsistentRead": consistent})
        return answer.get("Item")

    def _read_user(self, user_id: str, *, consistent: bool) -> User | None:
        item = self._get(self._users, users.key(user_id), consistent=consistent)
        return None if item is None else users.read(item)

    def _transact(self, *items: Mapping[str, Mapping[str, Any]]) -> TransactionCanceled | None:
        """Write all items or none.

        Returns:
            ``None``, or the cancellation where conditions did not hold, which is for the caller to read.
        """
        try:
            self._client.call("TransactWriteItems", transaction(*items))
        except TransactionCanceled as error:
            # Where a condition did not hold, it decides, although another item was busy at that moment.
            others = [
                reason
                for reason in error.reasons
                if reason.code not in ("None", "ConditionalCheckFailed", *TRANSIENT_REASONS)
            ]
            if others or not any(failed(error, index) for index in range(len(items))):
                told = ", ".join(f"{reason.code}: {reason.message}" for reason in others) or str(error)
                raise RequestRejected(
                    f"DynamoDB cancelled a transaction: {told}",
                    aws_code="TransactionCanceledException",
                    request_id=error.request_id,
                ) from error.strip()
            return error
        return None

    def _change_user(
        self, user_id: str, decide: Callable[[User], Change | None], user: User | None = None
    ) -> User | None:
        """Read a user, decide, write; again from the start if somebody else wrote in between.

        Args:
            user_id: Whose change it is.
            decide: Makes the write of the user as read; ``None``: nothing is to be done. It may raise.
            user: The user as read, to save the first read.

        Returns:
            The user as stored; ``None`` when there is none.
        """
        for _ in range(ROUNDS):
            if user is None:
                user = self._read_user(user_id, consistent=True)
                if user is None:
                    return None
            change = decide(user)
            if change is None:
                return user
            if self._transact(*change.items) is None:
                return change.user
            user = None
        raise Unavailable(
            f"the user was changed by others {ROUNDS} times while we tried to change it; try again", attempts=ROUNDS
        )


def failed(cancellation: TransactionCanceled, index: int) -> bool:
    """Whether the condition of that item did not hold."""
    reasons = cancellation.reasons
    return index < len(reasons) and reasons[index].code == "ConditionalCheckFailed"


def undecided(cancellation: TransactionCanceled, index: int) -> bool:
    """Whether that item was busy, so that nobody looked at its condition."""
    reasons = cancellation.reasons
    return index < len(reasons) and reasons[index].code in TRANSIENT_REASONS


def old_item(cancellation: TransactionCanceled, index: int) -> Item | None:
    """That item as it was when its condition failed; ``None`` where there was none."""
    return cancellation.reasons[index].item if failed(cancellation, index) else None


def no_such_user(request_id: str | None = None) -> NotFound:
    """The refusal of a write that names a user who does not exist."""
    return NotFound("user", "there is no such user; nothing was written", request_id=request_id)
