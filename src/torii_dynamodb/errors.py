"""Every error that this library raises on purpose.

One root, :class:`ToriiError`; its branches differ by what the caller does about them. Each has a stable ``code``
(for logs and APIs; it does not change between releases) and typed attributes. No message carries a password, a token
or a hash. Where DynamoDB had a part in it, ``request_id`` is the id to quote to AWS support.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

__all__ = [
    "AccessDenied",
    "AccountLocked",
    "AlreadyExists",
    "ClonedAuthenticator",
    "ConfigurationError",
    "CorruptItem",
    "InvalidCredentials",
    "InvalidToken",
    "ItemTooLarge",
    "LastSignInMethod",
    "NotFound",
    "Overloaded",
    "ProviderDisconnected",
    "RateLimited",
    "RequestRejected",
    "Revoked",
    "Throttled",
    "TooManyIdentities",
    "ToriiError",
    "TransactionFailed",
    "Unavailable",
    "ValidationError",
    "VersionConflict",
]


class ToriiError(Exception):
    """The root of all errors of this library.

    Attributes:
        code: A stable, machine-readable name of the kind of error.
        request_id: The AWS request id of the answer behind it, or ``None`` where no request was made or answered.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        # The usual way calls the class with ``args`` alone, which most of these do not take: a worker process could
        # not send its error home.
        return _made_again, (type(self), self.args), self.__dict__


def _made_again(kind: type[ToriiError], args: tuple[object, ...]) -> ToriiError:
    error = kind.__new__(kind)
    error.args = args
    return error


class ValidationError(ToriiError):
    """An argument cannot be used. Raised before any request is sent; mend the argument.

    Attributes:
        field: The argument's name.
    """

    code = "validation_error"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class AlreadyExists(ToriiError):
    """An identity is taken: it belongs to a user already.

    Attributes:
        what: ``"user"``, ``"email"``, ``"oauth_account"`` or ``"passkey"``; for a one-time secret under a key that was
            stored before, ``"state"`` or ``"challenge"``.
    """

    code = "already_exists"

    def __init__(self, what: str, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.what = what


class NotFound(ToriiError):
    """A write names something that does not exist (look-ups that miss return ``None`` instead).

    Attributes:
        what: The kind of thing, for example ``"user"``.
    """

    code = "not_found"

    def __init__(self, what: str, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.what = what


class VersionConflict(ToriiError):
    """Another writer was first. Nothing was written; read again, decide again, write again."""

    code = "version_conflict"


class Revoked(ToriiError):
    """All sessions of the user were ended since this was begun, so it is not completed (``session_epoch``).

    Nothing was written. Repeating the write cannot help: sign in and begin again.
    """

    code = "revoked"


class ProviderDisconnected(ToriiError):
    """The user disconnected this provider, so an account there is not linked because its address is the user's.

    Nothing was written. The user may link it while signed in.
    """

    code = "provider_disconnected"


class LastSignInMethod(ToriiError):
    """Removing this would leave the user no way to sign in. Add another way first."""

    code = "last_sign_in_method"


class TooManyIdentities(ToriiError):
    """The user holds as many identities as one atomic deletion can carry.

    Attributes:
        limit: How many identities a user can hold, the e-mail address included.
    """

    code = "too_many_identities"

    def __init__(self, message: str, *, limit: int, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.limit = limit


class ClonedAuthenticator(ToriiError):
    """Two authenticators may hold one private key: a sign count did not go up, or eligibility for backup changed.

    WebAuthn Level 3, 6.1.1 and 7.2. Nothing was written. Refuse the sign-in, or accept the count and store it with
    ``allow_decrease=True``; eligibility for backup is permanent, so that another is always refused.

    Attributes:
        stored: The count on record.
        received: The count that the authenticator sent.
    """

    code = "cloned_authenticator"

    def __init__(self, message: str, *, stored: int, received: int, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.stored = stored
        self.received = received


class InvalidCredentials(ToriiError):
    """The sign-in is refused. It does not say whether the account exists."""

    code = "invalid_credentials"


class InvalidToken(ToriiError):
    """A session or one-time token is unknown, expired, used, revoked or forged. It does not say which."""

    code = "invalid_token"


class AccountLocked(ToriiError):
    """Too many attempts, or an administrator's lock.

    Attributes:
        retry_after: How long until the next attempt is taken; ``None`` for a lock that only an administrator lifts.
        locked_at: When an administrator locked the account; ``None`` for a lockout by attempts.
    """

    code = "account_locked"

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None,
        locked_at: datetime | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after
        self.locked_at = locked_at


class RateLimited(ToriiError):
    """Too many requests of one kind from one address or user, or to one mailbox.

    Attributes:
        retry_after: How long until the next one is taken.
        what: ``"requests"``; or ``"mail"``: enough mails of this kind were asked for at this mailbox. Links in those
            that were sent still work.
    """

    code = "rate_limited"

    def __init__(
        self, message: str, *, retry_after: timedelta, what: str = "requests", request_id: str | None = None
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.retry_after = retry_after
        self.what = what


class Overloaded(ToriiError):
    """This process hashes as many passwords as it may, and enough callers wait. Nothing was read, counted or changed.

    Attributes:
        retry_after: How long to wait before trying again.
    """

    code = "overloaded"

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ItemTooLarge(ToriiError):
    """An item is over DynamoDB's 400 KB. Refused before it is sent.

    Attributes:
        size: The item's size in bytes, by DynamoDB's own rules.
        limit: The most it may be, in bytes.
        largest: The largest attributes, ``(name, bytes)``, largest first.
    """

    code = "item_too_large"

    def __init__(self, message: str, *, size: int, limit: int, largest: Sequence[tuple[str, int]]) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit
        self.largest = tuple(largest)


class TransactionFailed(ToriiError):
    """A caller's own atomic write (``transact_write``) was cancelled. Nothing of it was applied.

    Attributes:
        reasons: One code an item, in the order they were added (``"None"`` where the item was not the cause),
            as DynamoDB names them: ``ConditionalCheckFailed``, ``ItemCollectionSizeLimitExceeded``, ...
    """

    code = "transaction_failed"

    def __init__(self, message: str, *, reasons: Sequence[str], request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.reasons = tuple(reasons)


class Unavailable(ToriiError):
    """DynamoDB could not be reached, or failed, for as long as we were allowed to try. Try again later.

    For a write it is unknown whether it was applied. All writes of this library can be repeated safely.

    Attributes:
        attempts: How many requests were sent.
    """

    code = "unavailable"

    def __init__(self, message: str, *, attempts: int, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.attempts = attempts


class Throttled(Unavailable):
    """DynamoDB refused for lack of capacity, or our own rate limit did. Raise capacity or slow down."""

    code = "throttled"


class AccessDenied(ToriiError):
    """The credentials are wrong, expired, or lack a permission. The message names the operation and the table."""

    code = "access_denied"


class ConfigurationError(ToriiError):
    """The set-up is wrong: no region, no credentials, a missing table or one of another shape. Mend it, then start."""

    code = "configuration_error"


class RequestRejected(ToriiError):
    """DynamoDB refuses a request that this library built or passed on; retrying cannot help.

    Attributes:
        aws_code: DynamoDB's name of the error, for example ``ValidationException``.
    """

    code = "request_rejected"

    def __init__(self, message: str, *, aws_code: str, request_id: str | None = None) -> None:
        super().__init__(message, request_id=request_id)
        self.aws_code = aws_code


class CorruptItem(ToriiError):
    """A stored item cannot be read: an attribute is missing or of another type. Something else wrote it.

    Attributes:
        table: The kind of item (``"users"``, ``"sessions"``, ...).
        attribute: The attribute that could not be read.
        key: The item's partition key, where it is known. It may be personal (an e-mail address), so that the message
            does not hold it.
    """

    code = "corrupt_item"

    def __init__(self, table: str, attribute: str, reason: str, key: str | None = None) -> None:
        super().__init__(f"a stored item of {table} cannot be read: {attribute}: {reason}")
        self.table = table
        self.attribute = attribute
        self.key = key
